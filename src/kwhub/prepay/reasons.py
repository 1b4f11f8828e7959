"""Why a meter refuses a security command: the bits of SERR, in words and as codes of the display.

Source: State Grid filings on security as they stand in two public meter firmwares (bits 0 to 8);
bit 9 and the codes of the display: single source.
"""

from collections.abc import Mapping
from enum import IntFlag
from types import MappingProxyType

from kwhub.protocols.dlt645.refusals import SERR, Words, reasons, reasons_zh

__all__ = ["DISPLAY_CODES", "WORDS", "SecurityError", "display_code", "words", "words_zh"]


class SecurityError(IntFlag):
    """Bits of SERR, two bytes, low byte first."""

    OTHER = 1
    REPEATED = 2  #: this purchase is in already: the proof that it arrived
    ELEMENT = 4  #: the secure element refused: MAC, cipher
    IDENTITY = 8  #: not authenticated, or not any more
    CUSTOMER = 16
    COUNT = 32  #: neither this purchase count nor the next
    HOARDING = 64  #: more money than the meter may hold
    ADDRESS = 128  #: comparison of firmware that is not there
    SUSPENDED = 256  #: too many failures today
    CLOSING = 512  #: closing by a terminal failed


WORDS: Words = (*SERR, ("closing failed", "合闸复电失败"))
"""English and Chinese word for each bit."""

DISPLAY_CODES: Mapping[SecurityError, str] = MappingProxyType(
    {
        SecurityError.IDENTITY: "Err-10",
        SecurityError.ELEMENT: "Err-11",
        SecurityError.CUSTOMER: "Err-12",
        SecurityError.COUNT: "Err-13",
        SecurityError.HOARDING: "Err-14",
    }
)
"""What a meter shows."""


def words(error: SecurityError) -> tuple[str, ...]:
    """The words of the bits that are set, in bit order; never empty."""
    return reasons(error, WORDS)


def words_zh(error: SecurityError) -> tuple[str, ...]:
    """The same in Chinese."""
    return reasons_zh(error, WORDS)


def display_code(error: SecurityError) -> str:
    """The code of the lowest bit that has one; empty when none has."""
    return next((code for bit, code in DISPLAY_CODES.items() if bit & error), "")
