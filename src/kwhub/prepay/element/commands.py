"""Commands of the element, cut into their parts.

Source: ISO/IEC 7816-4; instructions of the ESAM as they stand in public meter firmware.
"""

from dataclasses import dataclass
from enum import IntEnum

__all__ = ["Command", "Instruction", "parse"]

HEADER_BYTES = 5


class Instruction(IntEnum):
    """The second byte of a command."""

    EXTERNAL_AUTHENTICATE = 0x82
    INTERNAL_SESSION = 0x83
    GET_CHALLENGE = 0x84
    SELECT = 0xA4
    READ_BINARY = 0xB0
    READ_RECORD = 0xB2
    GET_RESPONSE = 0xC0
    WRITE_KEY = 0xD4
    UPDATE_BINARY = 0xD6
    UPDATE_RECORD = 0xDC
    CIPHER = 0xFA
    DECREASE = 0x30
    INCREASE = 0x32


@dataclass(frozen=True, slots=True)
class Command:
    """One command."""

    cla: int
    ins: int
    p1: int
    p2: int
    length: int  #: of the data that follow, or that are expected
    data: bytes

    @property
    def header(self) -> bytes:
        """The five bytes before the data: part of what a MAC covers."""
        return bytes((self.cla, self.ins, self.p1, self.p2, self.length))


def parse(apdu: bytes) -> Command | None:
    """Cut a command into its parts; None when its length is wrong."""
    if len(apdu) < HEADER_BYTES:
        return None
    cla, ins, p1, p2, length = apdu[:HEADER_BYTES]
    data = apdu[HEADER_BYTES:]
    if data and len(data) != length:
        return None
    return Command(cla, ins, p1, p2, length, data)
