"""AFN 10: what the route knows.

Source: Q/GDW 1376.2-2013, clause 5.8; F21, F31, F40, F101, F104, F111, F112: Q/GDW 10376.2-2019 or vendors.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from kwhub.protocols.gdw1376_2.common import Unit, need
from kwhub.protocols.gdw1376_2.layouts import (
    ADDRESS,
    REST,
    Repeat,
    Row,
    address,
    byte,
    opaque,
    word,
)

__all__ = [
    "AFN",
    "COUNTS",
    "NODES",
    "ROWS",
    "RUN_STATE",
    "Counts",
    "Node",
    "NodePage",
    "NodeQuery",
    "RunState",
]

AFN = 0x10
COUNTS, NODES, RUN_STATE = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Counts(Unit):
    """F1 up."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = COUNTS
    nodes: int = 0
    capacity: int = 0

    def to_data(self) -> bytes:
        """See Unit."""
        return self.nodes.to_bytes(2, "little") + self.capacity.to_bytes(2, "little")

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 4)
        return cls(int.from_bytes(data[:2], "little"), int.from_bytes(data[2:4], "little"))


@dataclass(frozen=True, slots=True)
class NodeQuery(Unit):
    """F2 down: a page of the archive."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = NODES
    start: int = 1  #: the first node is 1
    count: int = 10

    def to_data(self) -> bytes:
        """See Unit."""
        return self.start.to_bytes(2, "little") + bytes([self.count])

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 3)
        return cls(int.from_bytes(data[:2], "little"), data[2])


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the archive with its info word."""

    address: str
    protocol: int = 2  #: high byte D13-D11
    phases: int = 0  #: high byte D10-D8: bit n - 1 is phase n
    quality: int = 0  #: low byte D7-D4: listen quality
    relay_level: int = 0  #: low byte D3-D0

    def to_bytes(self) -> bytes:
        """Address and info word."""
        low = self.quality << 4 | self.relay_level
        return ADDRESS.encode(self.address) + bytes([low, self.protocol << 3 | self.phases])

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Node":
        """Read eight bytes."""
        low, high = raw[6], raw[7]
        return cls(ADDRESS.decode(raw[:6]), high >> 3 & 7, high & 7, low >> 4, low & 0x0F)


@dataclass(frozen=True, slots=True)
class NodePage(Unit):
    """F2 up, and F5 and F6, which have the same layout."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = NODES
    total: int = 0
    nodes: tuple[Node, ...] = ()

    def to_data(self) -> bytes:
        """See Unit."""
        rows = b"".join(node.to_bytes() for node in self.nodes)
        return self.total.to_bytes(2, "little") + bytes([len(self.nodes)]) + rows

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 3)
        need(data, 3 + 8 * data[2])
        places = range(3, 3 + 8 * data[2], 8)
        rows = tuple(Node.from_bytes(data[at : at + 8]) for at in places)
        return cls(int.from_bytes(data[:2], "little"), rows)


@dataclass(frozen=True, slots=True)
class RunState(Unit):
    """F4 up."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = RUN_STATE
    learned: bool = True  #: run word D0: route learning finished
    working: bool = False  #: D1
    events_wait: bool = False  #: D2
    nodes: int = 0
    read: int = 0
    read_via_relay: int = 0
    switches: int = (
        0  #: D0 1 learning 0 reading, D1 registration allowed, D2 events, D3 recognition
    )
    rate: int = 0
    phases: bytes = bytes(6)  #: relay level of phases 1 to 3, working step of phases 1 to 3

    @property
    def registering(self) -> bool:
        """Whether new slaves are being taken in."""
        return bool(self.switches & 2)

    def to_data(self) -> bytes:
        """See Unit."""
        run = self.learned | self.working << 1 | self.events_wait << 2
        counts = (self.nodes, self.read, self.read_via_relay)
        head = bytes([run]) + b"".join(one.to_bytes(2, "little") for one in counts)
        return head + bytes([self.switches]) + self.rate.to_bytes(2, "little") + self.phases

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 16)
        counts = [int.from_bytes(data[at : at + 2], "little") for at in (1, 3, 5)]
        rate, run = int.from_bytes(data[8:10], "little"), data[0]
        flags = (bool(run & 1), bool(run & 2), bool(run & 4))
        nodes, read, relayed = counts
        return cls(*flags, nodes, read, relayed, data[7], rate, data[10:16])


_PAGE_DOWN = (word("start", "从节点起始序号"), byte("count", "从节点数量"))
_TOTAL = (word("total", "从节点总数量"), byte("nodes", "本次应答数量n", key="n"))
_PAGE_UP = (*_TOTAL, Repeat("n", (address(), opaque("info", "从节点信息", 2))))
_COUNTS = (word("nodes", "从节点总数量"), word("capacity", "路由支持最大从节点数量"))
_RELAY_UP = (
    byte("relays", "中继数量n", key="n"),
    Repeat("n", (address("relay", "中继地址"), opaque("info", "中继信息", 2))),
)
_PHASES = (("phase 1", "第1相"), ("phase 2", "第2相"), ("phase 3", "第3相"))
_RUN_STATE = (
    byte("run word", "运行状态字"),
    word("nodes", "从节点总数量"),
    word("read", "已抄从节点数量"),
    word("read via relay", "中继抄到从节点数量"),
    byte("switches", "工作开关"),
    word("rate", "通信速率"),
    *(byte(f"relay level, {name}", f"{zh}中继级别") for name, zh in _PHASES),
    *(byte(f"step, {name}", f"{zh}工作步骤") for name, zh in _PHASES),
)
_SIZE = (word("size", "网络规模"),)

ROWS = (
    Row(COUNTS, "node counts", "从节点数量", (), _COUNTS),
    Row(NODES, "node info", "从节点信息", _PAGE_DOWN, _PAGE_UP),
    Row(3, "relays before a node", "指定从节点的上一级中继路由信息", (address(),), _RELAY_UP),
    Row(RUN_STATE, "run state", "路由运行状态", (), _RUN_STATE),
    Row(5, "nodes not read", "未抄读成功的从节点信息", _PAGE_DOWN, _PAGE_UP),
    Row(6, "nodes registered by themselves", "主动注册的从节点信息", _PAGE_DOWN, _PAGE_UP),
    Row(7, "module ids", "从节点模块ID信息", _PAGE_DOWN, REST),
    Row(9, "network size", "网络规模", (), _SIZE),
    Row(21, "topology", "网络拓扑信息", _PAGE_DOWN, REST, "2019"),
    Row(31, "phase info", "从节点相线信息", _PAGE_DOWN, REST, "2019"),
    Row(40, "device ids", "流水线查询ID信息", REST, REST, "2019"),
    Row(100, "network size", "网络规模", (), _SIZE, "vendor"),
    Row(101, "radio nodes", "微功率无线从节点信息", _PAGE_DOWN, REST, "vendor"),
    Row(104, "software upgrade state", "升级后模块信息", _PAGE_DOWN, REST, "vendor"),
    Row(111, "network info", "多网络信息", (), REST, "2019"),
    Row(112, "chip ids", "宽带载波芯片信息", _PAGE_DOWN, REST, "2019"),
)
