"""AFN 03: what the module says of itself.

Source: Q/GDW 1376.2-2013, clause 5.4; F16: Q/GDW 10376.2-2019; F100: micro-power radio. The bits of the mode
word are drawn as a table that was only read in its text layer.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from kwhub.protocols.gdw1376_2.common import CARRIED, VENDOR, Unit, need
from kwhub.protocols.gdw1376_2.layouts import (
    ADDRESS,
    REST,
    Blob,
    Repeat,
    Row,
    address,
    byte,
    digits,
    opaque,
    word,
)

__all__ = ["AFN", "ROWS", "RUN_MODE", "BroadcastDelay", "MasterAddress", "RunMode"]

AFN = 0x03
RUN_MODE = 10

_VERSION = digits("version", "版本", 2)
_RUN_MODE = (
    opaque("mode word", "运行模式字", 6),
    byte("slave timeout", "从节点监控最大超时时间", "s"),
    word("broadcast timeout", "广播命令最大超时时间", "s"),
    word("longest frame", "最大支持报文长度", "byte"),
    word("longest file packet", "文件传输支持的最大单个数据包长度", "byte"),
    byte("upgrade wait", "升级操作等待时间", "min"),
    address("master address", "主节点地址"),
    word("most nodes", "支持的最大从节点数量"),
    word("nodes", "当前从节点数量"),
    digits("protocol date", "支持协议发布日期", 3),
    digits("filing date", "支持协议备案日期", 3),
    *VENDOR,
    _VERSION,
    Repeat(lambda seen: seen["left"] // 2, (word("rate", "通信速率"),)),
)


@dataclass(frozen=True, slots=True)
class RunMode(Unit):
    """F10 up: what the module can do; it sends this by itself after a reset."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = RUN_MODE
    master: str = "000000000000"
    mode: bytes = bytes(6)
    slave_timeout_s: int = 90
    broadcast_timeout_s: int = 90
    frame_bytes_max: int = 2048
    nodes_max: int = 1024
    nodes: int = 0
    rest: bytes = bytes(15)  #: dates, vendor block
    rates: bytes = b""

    @property
    def wants_archive(self) -> bool:
        """D5 of the first byte: the archive has to be downloaded."""
        return bool(self.mode[0] & 0x20)

    @property
    def period_led_by(self) -> frozenset[str]:
        """D7-D6 of the first byte: who may lead the periodic reading."""
        leaders = ((0x40, "concentrator"), (0x80, "module"))
        return frozenset(name for bit, name in leaders if self.mode[0] & bit)

    def to_data(self) -> bytes:
        """See Unit."""
        packets = (self.frame_bytes_max, min(1024, self.frame_bytes_max))
        numbers = b"".join(
            one.to_bytes(2, "little") for one in (self.broadcast_timeout_s, *packets)
        )
        counts = b"".join(one.to_bytes(2, "little") for one in (self.nodes_max, self.nodes))
        head = self.mode + bytes([self.slave_timeout_s]) + numbers + b"\x05"
        return head + ADDRESS.encode(self.master) + counts + self.rest + self.rates

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 39)
        number = {at: int.from_bytes(data[at : at + 2], "little") for at in (7, 9, 20, 22)}
        return cls(
            ADDRESS.decode(data[14:20]),
            data[:6],
            data[6],
            number[7],
            number[9],
            number[20],
            number[22],
            data[24:39],
            data[39:],
        )


@dataclass(frozen=True, slots=True)
class MasterAddress(Unit):
    """F4 up."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 4
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
class BroadcastDelay(Unit):
    """F9 up: how long a broadcast takes, and the frame it was asked about."""

    AFN: ClassVar[int] = AFN
    FUNCTION: ClassVar[int] = 9
    delay_s: int = 0
    rest: bytes = bytes(2)  #: protocol, length, frame

    def to_data(self) -> bytes:
        """See Unit."""
        return self.delay_s.to_bytes(2, "little") + self.rest

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """See Unit."""
        need(data, 2)
        return cls(int.from_bytes(data[:2], "little"), data[2:])


_DELAY = (word("broadcast delay", "广播通信延时", "s"), *CARRIED)
_LISTEN = (byte("start", "起始节点指针"), byte("count", "读取节点数量"))
_MASK = (byte("AFN", "功能码AFN"), Blob("functions", "支持的信息类", 32))

ROWS = (
    Row(1, "vendor and version", "厂商代码和版本信息", (), (*VENDOR, _VERSION)),
    Row(2, "noise", "噪声值", (), REST),
    Row(3, "nodes listened to", "从节点侦听信息", _LISTEN, REST),
    Row(4, "master address", "主节点地址", (), (address(),)),
    Row(5, "master state and rates", "主节点状态字和通信速率", (), REST),
    Row(6, "interference", "主节点干扰状态", (byte("time", "持续时间", "min"),), REST),
    Row(7, "slave timeout", "从节点监控最大超时时间", (), (byte("timeout", "超时时间", "s"),)),
    Row(8, "radio", "无线通信参数", (), (byte("channel", "信道组"), byte("power", "发射功率"))),
    Row(9, "broadcast delay", "从节点通信延时", CARRIED, _DELAY),
    Row(RUN_MODE, "run mode", "本地通信模块运行模式信息", (), _RUN_MODE),
    Row(11, "functions of an AFN", "本地通信模块AFN索引", (byte("AFN", "功能码AFN"),), _MASK),
    Row(12, "module id", "主节点模块ID信息", REST, REST),
    Row(16, "band", "宽带载波通信参数", (), (byte("band", "频段"),), "2019"),
    Row(100, "radio threshold", "场强门限", (), (byte("threshold", "门限"),), "2019"),
)
