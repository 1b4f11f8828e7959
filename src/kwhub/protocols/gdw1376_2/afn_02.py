"""AFN 02: forward a frame without a routing layer.

Source: Q/GDW 1376.2-2013, clause 5.3; unlike 13-F1 there is no delay flag and no list of sub-nodes. F15 is
one vendor's own.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from kwhub.protocols.gdw1376_2.common import CARRIED, Unit, need, sized, unsized
from kwhub.protocols.gdw1376_2.layouts import REST, Row

__all__ = ["AFN", "ROWS", "Forward"]

AFN = 0x02


@dataclass(frozen=True, slots=True)
class Forward(Unit):
    """F1, the same in both directions."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 1
    frame: bytes = b""  #: at most 255 bytes
    protocol: int = 2

    def to_data(self) -> bytes:
        """See Unit."""
        return bytes([self.protocol]) + sized(self.frame)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 2)
        return cls(unsized(data, 1), data[0])


ROWS = (
    Row(1, "forward a frame", "转发通信协议数据帧", CARRIED, CARRIED),
    Row(15, "vendor function", "厂商自定义", REST, REST, "vendor"),
)
