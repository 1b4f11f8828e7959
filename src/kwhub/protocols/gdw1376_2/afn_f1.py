"""AFN F1: read several meters at once.

Source: Q/GDW 1376.2-2013, clause 5.14 (parallel reading); its length has two bytes.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from kwhub.protocols.gdw1376_2.common import Unit, need, sized, unsized
from kwhub.protocols.gdw1376_2.layouts import PROTOCOL, Blob, Row, byte, word

__all__ = ["AFN", "ROWS", "ParallelAnswer", "ParallelRead"]

AFN = 0xF1


@dataclass(frozen=True, slots=True)
class ParallelRead(Unit):
    """F1 down: one or more frames for one meter, back to back."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 1
    frames: bytes = b""
    protocol: int = 2

    def to_data(self) -> bytes:
        """See Unit."""
        return bytes([self.protocol, 0]) + sized(self.frames, 2)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 4)
        return cls(unsized(data, 2, 2), data[0])


@dataclass(frozen=True, slots=True)
class ParallelAnswer(Unit):
    """F1 up; without frames the meter failed, whose address is the source in the frame."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 1
    frames: bytes = b""
    protocol: int = 2

    def to_data(self) -> bytes:
        """See Unit."""
        return bytes([self.protocol]) + sized(self.frames, 2)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 3)
        return cls(unsized(data, 1, 2), data[0])


_LENGTH = word("length", "报文长度L", "byte", key="L")
_CONTENT = Blob("frames", "报文内容", "L")
_DOWN = (PROTOCOL, byte("reserved", "保留"), _LENGTH, _CONTENT)

ROWS = (Row(1, "parallel read", "集中器主动并发抄表", _DOWN, (PROTOCOL, _LENGTH, _CONTENT)),)
