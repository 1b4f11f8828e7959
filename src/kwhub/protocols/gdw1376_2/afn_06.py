"""AFN 06: what the module reports by itself; every report is confirmed.

Source: Q/GDW 1376.2-2013, clause 5.7; outage and refused nodes in F5: Q/GDW 10376.2-2019.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

from kwhub.protocols.gdw1376_2.common import Unit, need, sized, unsized
from kwhub.protocols.gdw1376_2.layouts import (
    ADDRESS,
    PROTOCOL,
    Blob,
    Repeat,
    Row,
    Words,
    address,
    byte,
    word,
)

__all__ = [
    "AFN",
    "ROUTE_STATES",
    "ROWS",
    "DeviceReport",
    "EventReport",
    "FoundDevice",
    "OutageReport",
    "ReadReport",
    "RouteReport",
    "SlaveReport",
]

AFN = 0x06
OUTAGE = 4

ROUTE_STATES: dict[int, Words] = {
    1: ("reading ended", "抄读任务结束"),
    2: ("search ended", "搜表任务结束"),
    3: ("area recognition ended", "台区识别任务结束"),
}
_METER = 1
_DEVICE_BYTES, _MEMBER_BYTES = 12, 7
_DEVICES: dict[int, Words] = {0: ("collector", "采集器"), 1: ("meter", "电能表")}


@dataclass(frozen=True, slots=True)
class SlaveReport(Unit):
    """F1: slaves that were found."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 1
    slaves: tuple[tuple[str, int, int], ...] = ()  #: address, protocol, index

    @property
    def meters(self) -> dict[str, int]:
        """Protocol by address of every slave in it."""
        return {address: protocol for address, protocol, _ in self.slaves}

    def to_data(self) -> bytes:
        """See Unit."""
        rows = (
            ADDRESS.encode(where) + bytes([kind]) + index.to_bytes(2, "little")
            for where, kind, index in self.slaves
        )
        return bytes([len(self.slaves)]) + b"".join(rows)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 1)
        need(data, 1 + 9 * data[0])
        rows = (data[at : at + 9] for at in range(1, 1 + 9 * data[0], 9))
        return cls(
            tuple(
                (ADDRESS.decode(row[:6]), row[6], int.from_bytes(row[7:], "little")) for row in rows
            )
        )


@dataclass(frozen=True, slots=True)
class ReadReport(Unit):
    """F2: what a meter answered while the module leads the reading."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 2
    index: int = 0
    uplink_s: int = 0  #: how long the answer was on its way
    frame: bytes = b""
    protocol: int = 2

    def to_data(self) -> bytes:
        """See Unit."""
        head = self.index.to_bytes(2, "little") + bytes([self.protocol])
        return head + self.uplink_s.to_bytes(2, "little") + sized(self.frame)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 6)
        index, uplink = (int.from_bytes(data[at : at + 2], "little") for at in (0, 3))
        return cls(index, uplink, unsized(data, 5), data[2])


@dataclass(frozen=True, slots=True)
class RouteReport(Unit):
    """F3: a task of the module has ended."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 3
    state: int = 1  #: see ROUTE_STATES

    def to_data(self) -> bytes:
        """See Unit."""
        return bytes([self.state])

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 1)
        return cls(data[0])


class FoundDevice(NamedTuple):
    """A slave that was found, and what is connected to it."""

    address: str
    protocol: int
    number: int  #: of the slave
    device: int  #: 0 collector, 1 meter
    members: tuple[tuple[str, int], ...] = ()  #: meters below a collector: address and protocol

    def to_bytes(self) -> bytes:
        """As it stands in F4, with all its members."""
        head = ADDRESS.encode(self.address) + bytes([self.protocol])
        count = len(self.members)
        rows = (ADDRESS.encode(where) + bytes([kind]) for where, kind in self.members)
        tail = self.number.to_bytes(2, "little") + bytes([self.device, count, count])
        return head + tail + b"".join(rows)


@dataclass(frozen=True, slots=True)
class DeviceReport(Unit):
    """F4: slaves that were found with their kind and what is below them; may come in several reports."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 4
    devices: tuple[FoundDevice, ...] = ()

    @property
    def meters(self) -> dict[str, int]:
        """Protocol by address of every meter in it, collectors left out."""
        found = {each.address: each.protocol for each in self.devices if each.device == _METER}
        return found | {where: kind for each in self.devices for where, kind in each.members}

    def to_data(self) -> bytes:
        """See Unit."""
        return bytes([len(self.devices)]) + b"".join(each.to_bytes() for each in self.devices)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 1)
        devices: list[FoundDevice] = []
        at = 1
        for _ in range(data[0]):
            need(data, at + _DEVICE_BYTES)
            row = data[at : at + _DEVICE_BYTES]
            at += _DEVICE_BYTES
            need(data, at + _MEMBER_BYTES * row[11])
            members = []
            for _ in range(row[11]):
                members.append((ADDRESS.decode(data[at : at + 6]), data[at + 6]))
                at += _MEMBER_BYTES
            number = int.from_bytes(row[7:9], "little")
            device = FoundDevice(ADDRESS.decode(row[:6]), row[6], number, row[9], tuple(members))
            devices.append(device)
        return cls(tuple(devices))


@dataclass(frozen=True, slots=True)
class EventReport(Unit):
    """F5: an event of a slave."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 5
    content: bytes = b""
    protocol: int = 2  #: 4: outage or return of power, 5: refused nodes (2019)
    device: int = 1  #: 0 collector, 1 meter

    @property
    def outage(self) -> "OutageReport | None":
        """What a report of lost or returned power says; None for any other."""
        if self.protocol != OUTAGE or not self.content:
            return None
        step = 6 if self.device else 7
        rows = range(1, len(self.content) - step + 1, step)
        meters = tuple(ADDRESS.decode(self.content[at : at + 6]) for at in rows)
        return OutageReport(self.content[0] == 1, meters)

    def to_data(self) -> bytes:
        """See Unit."""
        return bytes([self.device, self.protocol]) + sized(self.content)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 3)
        return cls(unsized(data, 2), data[1], data[0])


@dataclass(frozen=True, slots=True)
class OutageReport:
    """Power lost, or returned, at meters (2019)."""

    lost: bool
    meters: tuple[str, ...]

    def to_report(self) -> EventReport:
        """F5 with this content."""
        rows = b"".join(map(ADDRESS.encode, self.meters))
        return EventReport(bytes([1 if self.lost else 2]) + rows, OUTAGE)


_SLAVE = (address(), PROTOCOL, word("index", "从节点序号"))
_DEVICE = byte("device", "从节点设备类型", words=_DEVICES)
_MEMBER = (address("meter", "下接从节点地址"), PROTOCOL)
_MEMBERS = (
    byte("members", "下接从节点数量M"),
    byte("members here", "本报文下接从节点数量m", key="m"),
    Repeat("m", _MEMBER),
)
_COUNT = byte("nodes", "上报数量n", key="n")
_READ = (
    word("index", "从节点序号"),
    PROTOCOL,
    word("uplink time", "上行通信时长", "s"),
    byte("length", "报文长度L", "byte", key="L"),
    Blob("frame", "报文内容", "L"),
)
_EVENT = (
    _DEVICE,
    PROTOCOL,
    byte("length", "报文长度L", "byte", key="L"),
    Blob("frame", "报文内容", "L"),
)

ROWS = (
    Row(1, "slaves found", "上报从节点信息", (), (_COUNT, Repeat("n", _SLAVE))),
    Row(2, "data read", "上报抄读数据", (), _READ),
    Row(3, "route state", "上报路由工况变动", (), (byte("state", "工况", words=ROUTE_STATES),)),
    Row(
        4,
        "slaves and devices found",
        "上报从节点信息及设备类型",
        (),
        (_COUNT, Repeat("n", (*_SLAVE, _DEVICE, *_MEMBERS))),
    ),
    Row(5, "slave event", "上报从节点事件", (), _EVENT),
)
