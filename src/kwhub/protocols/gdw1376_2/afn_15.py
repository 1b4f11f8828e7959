"""AFN 15: file transfer to the module and its slaves.

Source: Q/GDW 1376.2-2013, clause 5.13.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from kwhub.protocols.gdw1376_2.common import Unit, need, sized, unsized
from kwhub.protocols.gdw1376_2.layouts import Blob, Field, Row, Words, byte, word
from kwhub.wire.codecs import U32LE

__all__ = ["AFN", "ROWS", "FilePart"]

AFN = 0x15

_TARGETS: dict[int, Words] = {
    0: ("clear", "清除下装文件"),
    3: ("module", "本地通信模块升级文件"),
    7: ("module and slaves", "主节点和子节点模块升级"),
    8: ("slaves", "子节点模块升级"),
}


@dataclass(frozen=True, slots=True)
class FilePart(Unit):
    """F1 down."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 1
    target: int = 3  #: 0 clear, 3 module, 7 both, 8 slaves
    last: bool = False
    command: int = 0
    segments: int = 1
    segment: int = 0
    content: bytes = b""

    def to_data(self) -> bytes:
        """See Unit."""
        head = bytes([self.target, self.last, self.command]) + self.segments.to_bytes(2, "little")
        return head + self.segment.to_bytes(4, "little") + sized(self.content, 2)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 11)
        total, number = int.from_bytes(data[3:5], "little"), int.from_bytes(data[5:9], "little")
        return cls(data[0], bool(data[1]), data[2], total, number, unsized(data, 9, 2))


_SEGMENT = Field("segment", "文件段标识或偏移", U32LE)
_DOWN = (
    byte("target", "文件标识", words=_TARGETS),
    byte("attribute", "文件属性", words={0: ("part", "起始、中间帧"), 1: ("last", "结束帧")}),
    byte("command", "文件指令"),
    word("segments", "总段数n"),
    _SEGMENT,
    word("length", "文件段长度L", "byte", key="L"),
    Blob("content", "文件数据", "L"),
)

ROWS = (Row(1, "file part", "文件传输方式1", _DOWN, (_SEGMENT,)),)
