"""AFN 05: control.

Source: Q/GDW 1376.2-2013, clause 5.6; F6, F16 and F200: Q/GDW 10376.2-2019; F80 to F82: one vendor's own.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from kwhub.protocols.gdw1376_2.common import CARRIED, Unit, need, sized, unsized
from kwhub.protocols.gdw1376_2.layouts import ADDRESS, REST, Row, address, byte

__all__ = ["AFN", "BROADCAST", "ROWS", "Broadcast", "SetMaster"]

AFN = 0x05
BROADCAST = 3


@dataclass(frozen=True, slots=True)
class SetMaster(Unit):
    """F1: the address of the master node."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 1
    address: str = "000000000000"

    def to_data(self) -> bytes:
        """See Unit."""
        return ADDRESS.encode(self.address)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 6)
        return cls(ADDRESS.decode(data[:6]))


@dataclass(frozen=True, slots=True)
class Broadcast(Unit):
    """F3: a frame for all meters; the confirmation says how long it takes."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = BROADCAST
    frame: bytes = b""
    word: int = 2  #: control word, the protocol type

    def to_data(self) -> bytes:
        """See Unit."""
        return bytes([self.word]) + sized(self.frame)

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 2)
        return cls(unsized(data, 1), data[0])


_SWITCH = {0: ("forbidden", "禁止"), 1: ("allowed", "允许")}
_RADIO = (byte("channel", "信道组"), byte("power", "发射功率"))
_ON_OFF = (byte("switch", "使能标志", words=_SWITCH),)

ROWS = (
    Row(1, "set master address", "设置主节点地址", (address(),), confirmed=True),
    Row(2, "slave reports", "允许/禁止从节点上报", _ON_OFF, confirmed=True),
    Row(BROADCAST, "broadcast", "启动广播", CARRIED, confirmed=True),
    Row(
        4,
        "slave timeout",
        "设置从节点监控最大超时时间",
        (byte("timeout", "时间", "s"),),
        confirmed=True,
    ),
    Row(5, "radio", "设置无线通信参数", _RADIO, confirmed=True),
    Row(6, "area recognition", "允许/禁止台区识别", _ON_OFF, edition="2019", confirmed=True),
    Row(
        16, "band", "设置宽带载波通信参数", (byte("band", "频段"),), edition="2019", confirmed=True
    ),
    *(Row(n, "vendor function", "厂商自定义", REST, REST, "vendor") for n in (80, 81, 82)),
    Row(100, "radio threshold", "设置场强门限", (byte("threshold", "门限"),), confirmed=True),
    Row(101, "node clock", "设置中心节点时间", REST, confirmed=True),
    Row(200, "refused nodes", "拒绝节点上报使能", _ON_OFF, edition="2019", confirmed=True),
)
