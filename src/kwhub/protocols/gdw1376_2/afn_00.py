"""AFN 00: confirm and deny.

Source: Q/GDW 1376.2-2013, clause 5.1; reasons 109 to 111: Q/GDW 10376.2-2019 (HPLC).
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from kwhub.domain.errors import LocalError
from kwhub.protocols.gdw1376_2.common import Unit, need
from kwhub.protocols.gdw1376_2.layouts import Row, Words, byte, opaque, word

__all__ = ["AFN", "BUSY", "DENIALS", "ROWS", "SILENT", "Confirmation", "Denial", "denial_words"]

AFN = 0x00

DENIALS: dict[int, Words] = {
    0: ("communication timed out", "通信超时"),
    1: ("invalid data unit", "无效数据单元"),
    2: ("wrong length", "长度错"),
    3: ("checksum wrong", "校验错误"),
    4: ("no such function", "信息类不存在"),
    5: ("wrong format", "格式错误"),
    6: ("meter exists already", "表号重复"),
    7: ("no such meter", "表号不存在"),
    8: ("application layer of the meter does not answer", "电表应用层无应答"),
    9: ("master node busy", "主节点忙"),
    10: ("not supported", "主节点不支持此命令"),
    11: ("slave does not answer", "从节点不应答"),
    12: ("slave not in the network", "从节点不在网内"),
    109: ("too many parallel requests", "超过最大并发数"),
    110: ("too many frames in one request", "超过单个请求最大报文条数"),
    111: ("this meter is being read", "此表正在抄读"),
}
BUSY = frozenset({9, 109, 111})
"""Reasons to try again later.  Source: 9, 109 and 111 in one implementation."""
SILENT = frozenset({0, 8, 11, 12})
"""Reasons that say that the meter did not answer."""


def denial_words(reason: int) -> Words:
    """A reason in words."""
    return DENIALS.get(reason, (f"reason {reason}", f"原因{reason}"))


@dataclass(frozen=True, slots=True)
class Confirmation(Unit):
    """F1."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 1
    wait_s: int = 0  #: how long what was ordered takes
    done: bool = True  #: D0: the command was carried out
    idle_channels: int = 0x7FFF_FFFF  #: bit n - 1: channel n is idle

    def to_data(self) -> bytes:
        """See Unit."""
        if not 0 <= self.wait_s <= 0xFFFF:
            raise LocalError(f"a wait of {self.wait_s} s does not fit two bytes")
        state = self.done | self.idle_channels << 1
        return (state & 0xFFFF_FFFF).to_bytes(4, "little") + self.wait_s.to_bytes(2, "little")

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 6)
        state = int.from_bytes(data[:4], "little")
        return cls(int.from_bytes(data[4:6], "little"), bool(state & 1), state >> 1)


@dataclass(frozen=True, slots=True)
class Denial(Unit):
    """F2."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 2
    reason: int = 10

    def to_data(self) -> bytes:
        """See Unit."""
        if not 0 <= self.reason <= 0xFF:
            raise LocalError(f"reason {self.reason} does not fit a byte")
        return bytes([self.reason])

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 1)
        return cls(data[0])


_CONFIRM = (opaque("state", "命令状态和信道状态", 4), word("wait", "等待时间", "s"))
_DENY = (byte("reason", "错误状态字", words=DENIALS),)

ROWS = (
    Row(1, "confirm", "确认", _CONFIRM, _CONFIRM),
    Row(2, "deny", "否认", _DENY, _DENY),
)
