"""The records of AFN 0E: what stands behind ERC and Le, for every event code that a source describes.

Source: Q/GDW 1376.1-2013, clause 5.13; ERC 36 to 45 are single source; 60 is an extension of kwhub. A record begins with its time
(A.15); a point word has the point in D11-D0 and D15 = 1 where the event begins, 0 where it ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376.formats import (
    A1,
    A2,
    A3,
    A5,
    A7,
    A11,
    A14,
    A15,
    A25,
    BIN1,
    BIN2,
    BIN4,
    Format,
    bytes_format,
    text_format,
)
from kwhub.protocols.gdw1376.layouts import Blob, Cell, Field, Layout, Repeat, cells

__all__ = ["DEVICE_TROUBLES", "RECORDS", "EventRecord", "point_word", "read_records", "words_of"]

HEAD_BYTES = 2
"""ERC and Le."""
RECORD_BYTES_MAX = 255
_STARTS = 0x8000


def _point_words(word: int) -> tuple[str, str]:
    point, begins = word & 0x0FFF, bool(word & _STARTS)
    return (
        f"p{point} {'begins' if begins else 'ends'}",
        f"测量点{point}{'发生' if begins else '恢复'}",
    )


DEVICE_TROUBLES = {
    1: ("silent", "无响应"),
    2: ("not paired", "未配对"),
    3: ("bond lost, perhaps replaced", "配对丢失，可能已更换"),
    4: ("speaks wrong", "报文异常"),
}
"""What is wrong with a Bluetooth device, by its number in ERC 60 (an extension)."""


def _troubles(code: int) -> tuple[str, str]:
    return DEVICE_TROUBLES.get(code, (str(code), str(code)))


def _printed(address: bytes) -> tuple[str, str]:
    """A Bluetooth address as it stands on the device."""
    text = address.hex(":").upper()
    return text, text


_AT = Field("time", "发生时间", A15)
_POINT = Field("point", "测量点号及起止标志", BIN2, tell=_point_words)
_FLAGS = Field("flags", "标志", bytes_format(1))
_UNITS = Repeat(lambda seen: seen["left"] // 4, (Field("unit", "数据单元标识", bytes_format(4)),))
_VOLTAGES: Layout = tuple(Field(f"voltage {phase}", f"{phase}相电压", A7, "V") for phase in "ABC")
_CURRENTS: Layout = tuple(Field(f"current {phase}", f"{phase}相电流", A25, "A") for phase in "ABC")
_ENERGY = Field("forward active energy", "正向有功总电能示值", A14, "kWh")
_CIRCUIT: Layout = (_AT, _POINT, _FLAGS, *_VOLTAGES, *_CURRENTS, _ENERGY)
_REST = Blob("rest", "其余内容", "left")


def _trip(form: Format[Any], count: int) -> Layout:
    return (
        _AT,
        Field("group", "总加组号", BIN1),
        Field("rounds", "跳闸轮次", bytes_format(1)),
        Field("kind", "控制类别", BIN1),
        *(Field(f"value {n}", f"数值{n}", form) for n in range(1, count + 1)),
    )


RECORDS: dict[int, Layout] = {
    1: (
        _AT,
        _FLAGS,
        Field("version before", "变更前软件版本号", text_format(4)),
        Field("version after", "变更后软件版本号", text_format(4)),
    ),
    2: (_AT, _FLAGS),
    3: (_AT, Field("station", "启动站地址", BIN1), _UNITS),
    4: (
        _AT,
        Field("changed", "状态变位", bytes_format(1)),
        Field("state", "变位后状态", bytes_format(1)),
    ),
    5: (
        _AT,
        Field("rounds", "跳闸轮次", bytes_format(1)),
        Field("power", "跳闸时功率", A2, "kW"),
        Field("power after 2 minutes", "跳闸后2分钟功率", A2, "kW"),
    ),
    6: _trip(A2, 3),
    7: _trip(A3, 2),
    8: (_AT, _POINT, _FLAGS),
    9: _CIRCUIT,
    10: _CIRCUIT,
    11: (
        _AT,
        _POINT,
        *(Field(f"angle {n}", f"相位角{n}", A5, "deg") for n in range(1, 7)),
        _ENERGY,
    ),
    12: (_AT, _POINT),
    13: (_AT, _POINT, _FLAGS),
    14: (Field("power off", "停电时间", A15), Field("power on", "上电时间", A15)),
    20: (
        _AT,
        Field("password", "消息认证码PW", bytes_format(16)),
        Field("station", "启动站地址", BIN1),
    ),
    21: (_AT, Field("fault", "终端故障编码", BIN1)),
    24: (_AT, _POINT, _FLAGS, *_VOLTAGES),
    25: (_AT, _POINT, _FLAGS, *_CURRENTS),
    26: (_AT, _POINT, _FLAGS, _REST),
    27: (
        _AT,
        _POINT,
        Field("energy before", "下降前电能示值", A14, "kWh"),
        Field("energy after", "下降后电能示值", A14, "kWh"),
    ),
    28: (_AT, _POINT, _REST),
    29: (_AT, _POINT, _REST),
    30: (_AT, _POINT, _REST),
    31: (
        _AT,
        _POINT,
        Field("last success", "最近一次抄表成功时间", A15),
        _ENERGY,
        Field("forward reactive energy", "正向无功总电能示值", A11, "kvarh"),
    ),
    32: (
        _AT,
        Field("traffic this month", "当月已发生的通信流量", BIN4, "byte"),
        Field("limit", "月通信流量门限", BIN4, "byte"),
    ),
    33: (
        _AT,
        _POINT,
        *(Field(f"change word {n}", f"变位标志{n}", bytes_format(2)) for n in range(1, 8)),
        *(Field(f"status word {n}", f"运行状态字{n}", bytes_format(2)) for n in range(1, 8)),
    ),
    34: (_AT, _POINT, _REST),
    35: (
        _AT,
        Field("port", "终端通信端口号", BIN1),
        Field("meters", "发现未知电表块数n", BIN1, key="n"),
        Repeat("n", (Field("meter", "未知电表", bytes_format(8)),)),
    ),
    36: (_AT, _REST),
    37: (_AT, _POINT, _REST),
    38: (_AT, _POINT, _REST),
    39: (_AT, _POINT, _REST),
    40: (_AT, _POINT, _REST),
    41: (
        _POINT,
        Field("before", "校时前时间", A1),
        Field("after", "校时后时间", A1),
    ),
    60: (
        _AT,
        _POINT,
        Field("trouble", "异常类型", BIN1, tell=_troubles),
        Field("device", "蓝牙地址", bytes_format(6), tell=_printed),
    ),
}
"""Layout of the record behind Le by event code."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One record as it is sent: the code and the Le bytes behind it."""

    code: int  #: ERC
    body: bytes  #: without ERC and Le

    def to_bytes(self) -> bytes:
        """ERC, Le and the body. Raises LocalError."""
        if len(self.body) > RECORD_BYTES_MAX or not 0 <= self.code <= 0xFF:
            raise LocalError(f"ERC{self.code} with {len(self.body)} bytes does not fit")
        return bytes([self.code, len(self.body)]) + self.body

    def cells(self) -> list[Cell]:
        """Every field that the tables know. Never raises."""
        return cells(RECORDS.get(self.code, (_REST,)), self.body)

    @property
    def at(self) -> datetime | None:
        """When it happened, naive wall time of the site; None when it has no time."""
        for cell in self.cells():
            if isinstance(cell.value, datetime):
                return cell.value
        return None

    def words(self) -> tuple[str, str]:
        """The fields in one line, English and Chinese."""
        return words_of(self.cells())


def words_of(found: Sequence[Cell]) -> tuple[str, str]:
    """Some fields in one line, English and Chinese."""
    english, chinese = [], []
    for cell in found:
        told = cell.told or (_plain(cell.value), _plain(cell.value))
        english.append(f"{cell.name} {told[0]} {cell.unit}".rstrip())
        chinese.append(f"{cell.name_zh}：{told[1]}{cell.unit}")
    return ", ".join(english), "，".join(chinese)


def _plain(value: Any) -> str:
    return value.hex().upper() if isinstance(value, bytes) else str(value)


def point_word(point: int, *, begins: bool) -> bytes:
    """The two bytes that name a point in a record. Raises LocalError."""
    if not 0 <= point <= 0x0FFF:
        raise LocalError(f"point {point} does not fit 12 bits")
    return (point | (_STARTS if begins else 0)).to_bytes(2, "little")


def read_records(data: bytes) -> tuple[EventRecord, ...]:
    """The records behind EC1 EC2 Pm Pn. Raises DecodeError."""
    if len(data) < 4:
        raise DecodeError("truncated", "no room for EC1 EC2 Pm Pn")
    found, at = [], 4
    for _ in range((data[3] - data[2]) % 256):
        if at + HEAD_BYTES > len(data) or at + HEAD_BYTES + data[at + 1] > len(data):
            raise DecodeError("truncated", "an event record is cut off", offset=at)
        stop = at + HEAD_BYTES + data[at + 1]
        found.append(EventRecord(data[at], data[at + HEAD_BYTES : stop]))
        at = stop
    return tuple(found)
