"""AFN 0F: file transfer in numbered segments; down with PW.

Source: Q/GDW 1376.1-2013, clause 5.14, F1.
"""

from dataclasses import dataclass
from typing import Final

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376.formats import BIN1, BIN2, BIN4
from kwhub.protocols.gdw1376.layouts import Blob, Field, Row, measure
from kwhub.protocols.gdw1376.units import Unit

__all__ = ["AFN", "FILE_ERROR", "ROWS", "TRANSFER", "FileAnswer", "FileSegment"]

AFN = 0x0F
TRANSFER: Final = 1
FILE_ERROR: Final = 0xFFFF_FFFF
"""Segment number of an answer that refuses the file."""

_HEAD_BYTES = 11


def _accepted(number: int) -> tuple[str, str]:
    if number == FILE_ERROR:
        return "file error", "文件出错"
    return f"segment {number} accepted", f"第{number}段已接收"


_DOWN = (
    Field("file", "文件标识", BIN1),
    Field("attribute", "文件属性", BIN1),
    Field("command", "文件指令", BIN1),
    Field("segments", "总段数n", BIN2),
    Field("segment", "第i段标识或偏移", BIN4),
    Field("length", "第i段数据长度Lf", BIN2, "byte", key="length"),
    Blob("data", "文件数据", "length"),
)
_UP = (Field("accepted", "收到的文件段标识", BIN4, tell=_accepted),)

ROWS = (Row(TRANSFER, "file transfer", "文件传输方式1", _DOWN, _UP, "clause 5.14, F1"),)


@dataclass(frozen=True, slots=True)
class FileSegment:
    """One segment of a file on its way down (F1)."""

    file: int  #: 0 clears what was sent, 1 terminal program, others of the maker
    segment: int  #: counted from 0
    segments: int  #: of the file
    data: bytes
    last: bool = False  #: attribute: this is the last one
    command: int = 0  #: 0 the data is in the message

    def to_unit(self) -> Unit:
        """The unit on the wire. Raises LocalError."""
        head = (
            BIN1.encode(self.file),
            BIN1.encode(int(self.last)),
            BIN1.encode(self.command),
            BIN2.encode(self.segments),
            BIN4.encode(self.segment),
            BIN2.encode(len(self.data)),
        )
        return Unit((0,), (TRANSFER,), b"".join(head) + self.data)

    @classmethod
    def from_unit(cls, unit: Unit) -> "FileSegment":
        """Read F1 as it goes down. Raises DecodeError."""
        data = unit.data
        measure(_DOWN, data)
        size = int.from_bytes(data[9:_HEAD_BYTES], "little")
        if len(data) != _HEAD_BYTES + size:
            raise DecodeError("length", f"{size} bytes stated, {len(data) - _HEAD_BYTES} follow")
        segments, segment = int.from_bytes(data[3:5], "little"), int.from_bytes(data[5:9], "little")
        return cls(data[0], segment, segments, data[_HEAD_BYTES:], bool(data[1]), data[2])


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """The segment that the terminal took (F1, up)."""

    segment: int  #: FILE_ERROR when the file is refused

    def to_unit(self) -> Unit:
        """The unit on the wire. Raises LocalError."""
        if not 0 <= self.segment <= FILE_ERROR:
            raise LocalError(f"segment {self.segment} does not fit four bytes")
        return Unit((0,), (TRANSFER,), BIN4.encode(self.segment))

    @classmethod
    def from_unit(cls, unit: Unit) -> "FileAnswer":
        """Read F1 as it comes up. Raises DecodeError."""
        measure(_UP, unit.data)
        return cls(int.from_bytes(unit.data[:4], "little"))
