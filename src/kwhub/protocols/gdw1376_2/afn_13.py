"""AFN 13: forward a frame along the route.

Source: Q/GDW 1376.2-2013, clause 5.11; the answer begins with the time that it was on its way.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from kwhub.protocols.gdw1376_2.common import (
    CARRIED,
    FRAME,
    NODES,
    Unit,
    addresses_in,
    join_addresses,
    need,
    sized,
    unsized,
)
from kwhub.protocols.gdw1376_2.layouts import PROTOCOL, Row, byte, word

__all__ = ["AFN", "ROWS", "Monitor", "Monitored"]

AFN = 0x13


@dataclass(frozen=True, slots=True)
class Monitor(Unit):
    """F1 down: monitor a slave; its address is the target in the frame."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 1
    frame: bytes = b""  #: at most 255 bytes, without preamble
    protocol: int = 2
    delay_matters: bool = False  #: the module may have to correct the frame for the delay
    sub_nodes: tuple[str, ...] = ()

    def to_data(self) -> bytes:
        """See Unit."""
        head = bytes([self.protocol, self.delay_matters])
        return head + join_addresses(self.sub_nodes) + sized(self.frame)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        subs = addresses_in(data, 2)
        return cls(unsized(data, 3 + 6 * len(subs)), data[0], bool(data[1]), subs)


@dataclass(frozen=True, slots=True)
class Monitored(Unit):
    """F1 up: the answer of the slave; an empty frame says that it was silent."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 1
    frame: bytes = b""
    protocol: int = 2
    uplink_s: int = 0

    def to_data(self) -> bytes:
        """See Unit."""
        return self.uplink_s.to_bytes(2, "little") + bytes([self.protocol]) + sized(self.frame)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 4)
        return cls(unsized(data, 3), data[2], int.from_bytes(data[:2], "little"))


_DOWN = (PROTOCOL, byte("delay matters", "通信延时相关性标志"), *NODES, *FRAME)

ROWS = (
    Row(
        1,
        "monitor a slave",
        "监控从节点",
        _DOWN,
        (word("uplink time", "上行通信时长", "s"), *CARRIED),
    ),
)
