"""VIF tables: quantity, unit and scale of a value.

Source: EN 13757-3, primary VIF table and the extension tables FB and FD; VIFE of the orthogonal table.
FB 02, 17 and 37 are confirmed by a real meter, the rest of FB: single source.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

__all__ = ["EXTENSION_FB", "EXTENSION_FD", "PRIMARY", "RESERVED", "VIFE_WORDS", "Unit", "scale_of"]


@dataclass(frozen=True, slots=True)
class Unit:
    """What a VIF says: the number on the wire times ``factor`` is in ``unit``."""

    quantity: str
    quantity_zh: str
    unit: str = ""
    factor: Decimal = Decimal(1)
    form: str = "number"  #: ``date`` and ``datetime`` are dates, ``bits`` a word of flags


RESERVED = ("Reserved", "备用")

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}

# first code, last code, quantity, its Chinese name, unit, exponent of the first code
_POWERS = (
    (0x00, 0x07, "Energy", "能量", "Wh", -3),
    (0x08, 0x0F, "Energy", "能量", "J", 0),
    (0x10, 0x17, "Volume", "体积", "m^3", -6),
    (0x18, 0x1F, "Mass", "质量", "kg", -3),
    (0x28, 0x2F, "Power", "功率", "W", -3),
    (0x30, 0x37, "Power", "功率", "J/h", 0),
    (0x38, 0x3F, "Volume flow", "体积流量", "m^3/h", -6),
    (0x40, 0x47, "Volume flow", "体积流量", "m^3/min", -7),
    (0x48, 0x4F, "Volume flow", "体积流量", "m^3/s", -9),
    (0x50, 0x57, "Mass flow", "质量流量", "kg/h", -3),
    (0x58, 0x5B, "Flow temperature", "供水温度", "°C", -3),
    (0x5C, 0x5F, "Return temperature", "回水温度", "°C", -3),
    (0x60, 0x63, "Temperature difference", "温差", "K", -3),
    (0x64, 0x67, "External temperature", "外部温度", "°C", -3),
    (0x68, 0x6B, "Pressure", "压力", "bar", -3),
)
_POWERS_FB = (
    (0x00, 0x01, "Energy", "能量", "Wh", 5),
    (0x02, 0x03, "Reactive energy", "无功电能", "varh", 3),
    (0x04, 0x05, "Apparent energy", "视在电能", "VAh", 3),
    (0x08, 0x09, "Energy", "能量", "J", 8),
    (0x10, 0x11, "Volume", "体积", "m^3", 2),
    (0x14, 0x17, "Reactive power", "无功功率", "var", 0),
    (0x18, 0x19, "Mass", "质量", "kg", 5),
    (0x1A, 0x1B, "Relative humidity", "相对湿度", "%", -1),
    (0x28, 0x29, "Power", "功率", "W", 5),
    (0x2C, 0x2F, "Frequency", "频率", "Hz", -3),
    (0x34, 0x37, "Apparent power", "视在功率", "VA", 0),
)
_POWERS_FD = (
    (0x40, 0x4F, "Voltage", "电压", "V", -9),
    (0x50, 0x5F, "Current", "电流", "A", -12),
)
# first code of four (s, min, h, d), quantity, its Chinese name
_DURATIONS = (
    (0x20, "On time", "通电时间"),
    (0x24, "Operating time", "运行时间"),
    (0x70, "Averaging Duration", "平均时长"),
    (0x74, "Actuality Duration", "实际时长"),
)
_DURATIONS_FD = (
    (0x24, "Storage interval", "存储间隔"),
    (0x2C, "Duration since last readout", "距上次抄读时长"),
)
_SINGLE = (
    (0x6C, "Time point (date)", "时间点（日期）", "", "date"),
    (0x6D, "Time point (date & time)", "时间点（日期时间）", "", "datetime"),
    (0x6E, "H.C.A.", "热分配单位", "", "number"),
    (0x6F, "Reserved vif 6f", "备用 VIF 6F", "", "number"),
    (0x78, "Fabrication No", "出厂编号", "", "number"),
    (0x79, "(Enhanced) Identification", "（扩展）标识", "", "number"),
    (0x7A, "Bus Address", "总线地址", "", "number"),
    (0x7B, "Reserved vif 7b", "备用 VIF 7B", "", "number"),
    (0x7E, "Any VIF", "任意 VIF", "", "number"),
    (0x7F, "Manufacturer specific", "厂家自定义", "", "number"),
)
_SINGLE_FD = (
    (0x08, "Access Number", "访问序号", "", "number"),
    (0x09, "Medium", "介质", "", "number"),
    (0x0A, "Manufacturer", "厂家", "", "number"),
    (0x0B, "Parameter set identification", "参数集标识", "", "number"),
    (0x0C, "Model / Version", "型号版本", "", "number"),
    (0x0D, "Hardware version", "硬件版本", "", "number"),
    (0x0E, "Firmware version", "固件版本", "", "number"),
    (0x0F, "Software version", "软件版本", "", "number"),
    (0x10, "Customer location", "用户地点", "", "number"),
    (0x11, "Customer", "用户", "", "number"),
    (0x12, "Access Code User", "用户密码", "", "number"),
    (0x13, "Access Code Operator", "操作员密码", "", "number"),
    (0x14, "Access Code System Operator", "系统操作员密码", "", "number"),
    (0x15, "Access Code Developer", "开发者密码", "", "number"),
    (0x16, "Password", "密码", "", "number"),
    (0x17, "Error flags", "错误标志", "", "bits"),
    (0x18, "Error mask", "错误掩码", "", "bits"),
    (0x1A, "Digital Output", "数字输出", "", "bits"),
    (0x1B, "Digital Input", "数字输入", "", "bits"),
    (0x1C, "Baudrate", "波特率", "Bd", "number"),
    (0x1D, "Response delay time", "应答延时", "bit", "number"),
    (0x1E, "Retry", "重试", "", "number"),
    (0x20, "First storage # for cyclic storage", "循环存储首号", "", "number"),
    (0x21, "Last storage # for cyclic storage", "循环存储末号", "", "number"),
    (0x22, "Size of storage block", "存储块大小", "", "number"),
    (0x28, "Storage interval", "存储间隔", "month", "number"),
    (0x29, "Storage interval", "存储间隔", "year", "number"),
    (0x3A, "Dimensionless", "无量纲", "", "number"),
    (0x60, "Reset counter", "复位计数", "", "number"),
    (0x61, "Cumulation counter", "累计计数", "", "number"),
    (0x62, "Control signal", "控制信号", "", "number"),
    (0x63, "Day of week", "星期", "", "number"),
    (0x64, "Week number", "周号", "", "number"),
    (0x65, "Time point of day change", "日切换时刻", "", "number"),
    (0x66, "State of parameter activation", "参数启用状态", "", "number"),
    (0x67, "Special supplier information", "供应商信息", "", "number"),
    (0x70, "Date of battery change", "换电池日期", "", "date"),
    (0x74, "Remaining battery lifetime", "电池剩余寿命", "d", "number"),
)
# fmt: off
VIFE_WORDS: Mapping[int, tuple[str, str]] = MappingProxyType({
    0x12: ("averaged", "平均"),
    0x20: ("per second", "每秒"), 0x21: ("per minute", "每分"), 0x22: ("per hour", "每时"),
    0x23: ("per day", "每日"), 0x24: ("per week", "每周"), 0x25: ("per month", "每月"), 0x26: ("per year", "每年"),
    0x28: ("per input pulse, channel 0", "每输入脉冲，通道 0"),
    0x29: ("per input pulse, channel 1", "每输入脉冲，通道 1"),
    0x2A: ("per output pulse, channel 0", "每输出脉冲，通道 0"),
    0x2B: ("per output pulse, channel 1", "每输出脉冲，通道 1"),
    0x39: ("start date of", "起始日期"), 0x3A: ("uncorrected", "未修正"),
    0x3B: ("only positive contributions", "仅累计正向"), 0x3C: ("only negative contributions", "仅累计反向"),
    0x3E: ("at base conditions", "标准状态"), 0x40: ("lower limit", "下限"), 0x48: ("upper limit", "上限"),
    0x41: ("exceeds of lower limit", "越下限次数"), 0x49: ("exceeds of upper limit", "越上限次数"),
    **dict.fromkeys((*range(66, 72), *range(74, 80)), ("date of limit exceed", "越限日期")),
    **dict.fromkeys(range(80, 96), ("duration of limit exceed", "越限时长")),
    **dict.fromkeys(range(96, 104), ("duration of", "持续时长")),
    **dict.fromkeys((106, 107, 110, 111), ("date of begin or end", "起止日期")),
    0x7E: ("future value", "未来值"),
    **dict.fromkeys(range(1, 16), ("record error", "记录错误")),
})
# fmt: on

_MULTIPLIER, _MULTIPLIER_LAST, _THOUSAND = 0x70, 0x77, 0x7D
_ADDER, _ADDER_LAST = 0x78, 0x7B


def scale_of(vife: int) -> tuple[Decimal, Decimal] | None:
    """Factor and added constant of a VIFE; None when it does neither."""
    if _MULTIPLIER <= vife <= _MULTIPLIER_LAST:
        return Decimal(1).scaleb(vife - _MULTIPLIER - 6), Decimal(0)
    if vife == _THOUSAND:
        return Decimal(1000), Decimal(0)
    if _ADDER <= vife <= _ADDER_LAST:
        return Decimal(1), Decimal(1).scaleb(vife - _ADDER - 3)
    return None


def _powers(
    rows: tuple[tuple[int, int, str, str, str, int], ...],
) -> Iterator[tuple[int, Unit]]:
    for first, last, name, name_zh, unit, exponent in rows:
        for code in range(first, last + 1):
            factor = Decimal(1).scaleb(exponent + code - first)
            yield code, Unit(name, name_zh, unit, factor)


def _durations(rows: tuple[tuple[int, str, str], ...]) -> Iterator[tuple[int, Unit]]:
    for first, name, name_zh in rows:
        for step, seconds in enumerate(_SECONDS.values()):
            yield first + step, Unit(name, name_zh, "s", Decimal(seconds))


def _singles(
    rows: tuple[tuple[int, str, str, str, str], ...],
) -> Iterator[tuple[int, Unit]]:
    for code, name, name_zh, unit, form in rows:
        yield code, Unit(name, name_zh, unit, form=form)


PRIMARY: Mapping[int, Unit] = MappingProxyType(
    dict((*_powers(_POWERS), *_durations(_DURATIONS), *_singles(_SINGLE)))
)
EXTENSION_FB: Mapping[int, Unit] = MappingProxyType(dict(_powers(_POWERS_FB)))
EXTENSION_FD: Mapping[int, Unit] = MappingProxyType(
    dict((*_powers(_POWERS_FD), *_durations(_DURATIONS_FD), *_singles(_SINGLE_FD)))
)
