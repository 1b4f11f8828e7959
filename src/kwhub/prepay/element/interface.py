"""What a secure element is to its device: a reset and an exchange of command and answer.

Source: ISO/IEC 7816-3 and -4; the commands are those of the ESAM of cost-control meters as they
stand in public meter firmware (see ``commands``).
"""

from enum import IntEnum
from typing import Protocol

__all__ = ["SecureElement", "Status"]


class Status(IntEnum):
    """The two bytes that end every answer (ISO/IEC 7816-4)."""

    OK = 0x9000
    WRONG_LENGTH = 0x6700
    CONDITIONS = 0x6985  #: not now: no session, no challenge, a count that does not follow
    WRONG_MAC = 0x6988
    WRONG_DATA = 0x6A80
    NOT_SUPPORTED = 0x6A81
    NO_SUCH_FILE = 0x6A82
    NO_SUCH_RECORD = 0x6A83
    WRONG_PLACE = 0x6B00
    UNKNOWN_INSTRUCTION = 0x6D00
    UNKNOWN_CLASS = 0x6E00


MORE = 0x6100
"""61xx: xx bytes wait for GET RESPONSE."""


class SecureElement(Protocol):
    """In software, behind a card reader, or soldered into a meter: the caller sees no difference."""

    def reset(self) -> bytes:
        """Begin anew; every session and challenge is forgotten. Returns the answer to reset."""

    def transmit(self, apdu: bytes) -> tuple[bytes, int]:
        """Carry out one command.

        Returns:
            The data of the answer, and the status word: a member of ``Status`` or 61xx.
        """
