"""AFN 11: set the route.

Source: Q/GDW 1376.2-2013, clause 5.9; F100 to F102: micro-power radio.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376_2.common import (
    NODES,
    Unit,
    addresses_in,
    join_addresses,
    need,
)
from kwhub.protocols.gdw1376_2.layouts import (
    ADDRESS,
    PROTOCOL,
    REST,
    Repeat,
    Row,
    address,
    byte,
    digits,
    word,
)

__all__ = ["AFN", "ROWS", "AddNodes", "DeleteNodes", "StartRegistration", "StopRegistration"]

AFN = 0x11


@dataclass(frozen=True, slots=True)
class AddNodes(Unit):
    """F1: put slaves into the archive."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 1
    nodes: Sequence[tuple[str, int]] = ()  #: address, protocol

    def to_data(self) -> bytes:
        """See Unit."""
        if len(self.nodes) > 0xFF:
            raise LocalError(f"{len(self.nodes)} nodes, at most 255")
        rows = (ADDRESS.encode(where) + bytes([kind]) for where, kind in self.nodes)
        return bytes([len(self.nodes)]) + b"".join(rows)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 1)
        need(data, 1 + 7 * data[0])
        rows = (data[at : at + 7] for at in range(1, 1 + 7 * data[0], 7))
        return cls(tuple((ADDRESS.decode(row[:6]), row[6]) for row in rows))


@dataclass(frozen=True, slots=True)
class DeleteNodes(Unit):
    """F2: take slaves out of the archive."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 2
    addresses: Sequence[str] = ()

    def to_data(self) -> bytes:
        """See Unit."""
        return join_addresses(self.addresses)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        return cls(addresses_in(data, 0))


@dataclass(frozen=True, slots=True)
class StartRegistration(Unit):
    """F5: let slaves register themselves."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 5
    start: datetime = datetime(2000, 1, 1)  # noqa: DTZ001 - a wall time of the site
    minutes: int = 30
    resends: int = 1
    slots: int = 1

    def to_data(self) -> bytes:
        """See Unit."""
        moment = bytes.fromhex(f"{self.start:%S%M%H%d%m%y}")
        return moment + self.minutes.to_bytes(2, "little") + bytes([self.resends, self.slots])

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 10)
        try:
            start = datetime.strptime(data[5::-1].hex(), "%y%m%d%H%M%S")  # noqa: DTZ007 - wall time
        except ValueError:
            detail = f"{data[:6].hex(' ').upper()} is no moment"
            raise DecodeError("bad_time", detail, offset=0) from None
        return cls(start, int.from_bytes(data[6:8], "little"), data[8], data[9])


@dataclass(frozen=True, slots=True)
class StopRegistration(Unit):
    """F6."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 6


_ADD = (byte("nodes", "从节点数量n", key="n"), Repeat("n", (address(), PROTOCOL)))
_RELAYS = (
    address(),
    byte("relay level", "中继级别", key="n"),
    Repeat("n", (address("relay", "中继地址"),)),
)
_MODE = (byte("mode", "工作状态"), word("rate", "通信速率"))
_REGISTER = (
    digits("start", "开始时间", 6),
    word("time", "持续时间", "min"),
    byte("resends", "从节点重发次数"),
    byte("slots", "随机等待时间片个数"),
)

ROWS = (
    Row(1, "add nodes", "添加从节点", _ADD, confirmed=True),
    Row(2, "delete nodes", "删除从节点", NODES, confirmed=True),
    Row(3, "fixed relays", "设置从节点固定中继路径", _RELAYS, confirmed=True),
    Row(4, "work mode", "设置路由工作模式", _MODE, confirmed=True),
    Row(5, "start registration", "激活从节点主动注册", _REGISTER, confirmed=True),
    Row(6, "stop registration", "终止从节点主动注册", confirmed=True),
    Row(
        100,
        "network size",
        "设置网络规模",
        (word("size", "网络规模"),),
        edition="vendor",
        confirmed=True,
    ),
    Row(101, "maintain the network", "启动网络维护进程", REST, edition="vendor", confirmed=True),
    Row(102, "form the network", "启动组网", REST, edition="vendor", confirmed=True),
)
