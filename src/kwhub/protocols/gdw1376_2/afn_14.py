"""AFN 14: the module asks while it leads the reading; here the question comes up and the answer goes down.

Source: Q/GDW 1376.2-2013, clause 5.12; F4: Q/GDW 10376.2-2019.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from kwhub.domain.errors import DecodeError
from kwhub.protocols.gdw1376_2.common import (
    FRAME,
    NODES,
    Unit,
    addresses_in,
    join_addresses,
    need,
    sized,
    unsized,
)
from kwhub.protocols.gdw1376_2.layouts import (
    ADDRESS,
    REST,
    Row,
    Words,
    address,
    byte,
    digits,
    word,
)

__all__ = ["AFN", "DONE", "FAILED", "READ", "ROWS", "ClockAnswer", "ReadOrder", "ReadQuestion"]

AFN = 0x14
FAILED, DONE, READ = 0, 1, 2
_FLAGS: dict[int, Words] = {
    FAILED: ("reading failed", "抄读失败"),
    DONE: ("already read", "抄读成功"),
    READ: ("read it", "可以抄读"),
}


@dataclass(frozen=True, slots=True)
class ReadQuestion(Unit):
    """F1 up: what is to be read of this meter?"""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 1
    address: str = "000000000000"
    index: int = 0
    phase: int = 0

    def to_data(self) -> bytes:
        """See Unit."""
        return bytes([self.phase]) + ADDRESS.encode(self.address) + self.index.to_bytes(2, "little")

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 9)
        return cls(ADDRESS.decode(data[1:7]), int.from_bytes(data[7:9], "little"), data[0])


@dataclass(frozen=True, slots=True)
class ReadOrder(Unit):
    """F1 down."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 1
    flag: int = DONE  #: FAILED: give it up, DONE: nothing left to read, READ: send the frame
    frame: bytes = b""
    delay_matters: bool = False
    sub_nodes: tuple[str, ...] = ()

    def to_data(self) -> bytes:
        """See Unit."""
        head = bytes([self.flag, self.delay_matters])
        return head + sized(self.frame) + join_addresses(self.sub_nodes)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 4)
        content = unsized(data, 2)
        return cls(data[0], content, bool(data[1]), addresses_in(data, 3 + len(content)))


@dataclass(frozen=True, slots=True)
class ClockAnswer(Unit):
    """F2 down: the concentrator's wall clock."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 2
    wall: datetime = datetime(2000, 1, 1)  # noqa: DTZ001 - a wall time of the site

    def to_data(self) -> bytes:
        """See Unit."""
        return bytes.fromhex(f"{self.wall:%S%M%H%d%m%y}")

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 6)
        try:
            wall = datetime.strptime(data[5::-1].hex(), "%y%m%d%H%M%S")  # noqa: DTZ007 - wall time
        except ValueError:
            detail = f"{data[:6].hex(' ').upper()} is no moment"
            raise DecodeError("bad_time", detail, offset=0) from None
        return cls(wall)


_ORDER = (
    byte("flag", "抄读标志", words=_FLAGS),
    byte("delay matters", "通信延时相关性标志"),
    *FRAME,
    *NODES,
)
_QUESTION = (byte("phase", "通信相位"), address(), word("index", "从节点序号"))
_CORRECTION = (address(), word("delay", "预计延迟时间", "s"), *FRAME)
_SAMPLE = (byte("kind", "数据标识类型"), digits("id", "数据标识", 4))

ROWS = (
    Row(1, "what to read", "路由请求抄读内容", _ORDER, _QUESTION),
    Row(2, "clock", "路由请求集中器时钟", (digits("clock", "当前时间", 6),), ()),
    Row(3, "correct for the delay", "请求依通信延时修正通信数据", FRAME, _CORRECTION),
    Row(4, "AC sample", "路由请求交采信息", (*_SAMPLE, *REST), _SAMPLE, "2019"),
)
