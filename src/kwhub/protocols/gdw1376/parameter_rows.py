"""Parameters of AFN 04 beside the archive and the reading schedule.

Source: Q/GDW 1376.1-2013, clause 5.5. Functions of which no source gives the layout have none here: their
data stays as bytes. F7 is single source, as are F89 to F91, which came in 2013.
"""

from typing import Any

from kwhub.protocols.gdw1376.formats import (
    A2,
    A3,
    A4,
    A5,
    A7,
    A23,
    A25,
    A26,
    BIN1,
    BIN2,
    Format,
    bytes_format,
)
from kwhub.protocols.gdw1376.layouts import Blob, Field, Layout, Repeat, Row

__all__ = ["ROWS"]

_RELAY_STATIONS = (
    Field("enabled and number", "中继使用标志及地址数n", BIN1, key="n"),
    Repeat(lambda seen: seen["n"] & 0x7F, (Field("relay station", "中继站地址", BIN2),)),
)
_PHONES = (
    Field("head-end phone", "主站电话号码", bytes_format(8)),
    Field("message centre", "短信中心号码", bytes_format(8)),
)
_OWN_ADDRESS = (
    Field("terminal IP", "终端IP地址", bytes_format(4)),
    Field("subnet mask", "子网掩码", bytes_format(4)),
    Field("gateway", "网关", bytes_format(4)),
    Field("proxy kind", "代理类型", BIN1),
    Field("proxy IP", "代理服务器地址", bytes_format(4)),
    Field("proxy port", "代理服务器端口", BIN2),
    Field("proxy mode", "代理服务器连接方式", BIN1),
    Field("user length", "用户名长度m", BIN1, key="m"),
    Blob("user", "用户名", "m"),
    Field("password length", "密码长度n", BIN1, key="n"),
    Blob("password", "密码", "n"),
    Field("listening port", "终端侦听端口", BIN2),
)
_WORK_MODE = (
    Field("mode", "工作模式", BIN1),
    Field("redial interval", "永久在线重拨间隔", BIN2, "s"),
    Field("redials", "被动激活最大重拨次数", BIN1),
    Field("idle time", "连续无通信自动断线时间", BIN1, "min"),
    Field("online hours", "允许在线时段标志", bytes_format(3)),
)
_PULSES = (
    Field("count", "本次配置路数n", BIN1, key="n"),
    Repeat(
        "n",
        (
            Field("input", "脉冲输入端口号", BIN1),
            Field("measuring point", "所属测量点号", BIN1),
            Field("attribute", "脉冲属性", BIN1),
            Field("constant", "电表常数k", BIN2),
        ),
    ),
)
_GROUPS = (
    Field("count", "本次配置总加组数n", BIN1, key="n"),
    Repeat(
        "n",
        (
            Field("group", "总加组序号", BIN1),
            Field("points", "测量点数m", BIN1, key="m"),
            Repeat("m", (Field("point and sign", "测量点号及运算标志", BIN1),)),
        ),
    ),
)
_TARIFF_PRICES = (
    Field("tariffs", "费率数M", BIN1, key="M"),
    Repeat("M", (Field("price", "费率", A3),)),
)


def _limit(name: str, name_zh: str, form: Format[Any], unit: str) -> Layout:
    """A limit, how long it must last, and the factor of recovery."""
    return (
        Field(f"{name}, limit", f"{name_zh}", form, unit),
        Field(f"{name}, lasts", f"{name_zh}越限持续时间", BIN1, "min"),
        Field(f"{name}, recovers at", f"{name_zh}越限恢复系数", A5, "%"),
    )


_POINT_LIMITS: Layout = (
    Field("good voltage, upper limit", "电压合格上限", A7, "V"),
    Field("good voltage, lower limit", "电压合格下限", A7, "V"),
    Field("voltage lost below", "电压断相门限", A7, "V"),
    *_limit("over-voltage", "电压上上限", A7, "V"),
    *_limit("under-voltage", "电压下下限", A7, "V"),
    *_limit("over-current", "相电流上上限", A25, "A"),
    *_limit("current above rating", "相电流上限", A25, "A"),
    *_limit("zero sequence current", "零序电流上限", A25, "A"),
    *_limit("over-load", "视在功率上上限", A23, "kVA"),
    *_limit("load above rating", "视在功率上限", A23, "kVA"),
    *_limit("voltage unbalance", "三相电压不平衡限值", A5, "%"),
    *_limit("current unbalance", "三相电流不平衡限值", A5, "%"),
    Field("continuous loss of voltage", "连续失压时间限值", BIN1, "min"),
)
_LOSSES = tuple(
    Field(f"{what}, {phase}", f"{phase}相{zh}", A26)
    for phase in "ABC"
    for what, zh in (
        ("resistance", "电阻"),
        ("reactance", "电抗"),
        ("conductance", "电导"),
        ("susceptance", "电纳"),
    )
)
_SLOTS = tuple(
    Field(f"slots {hour}-{hour + 2} h", f"功控时段{hour}至{hour + 2}时", bytes_format(1))
    for hour in range(0, 24, 2)
)
_HALF_HOURS = (
    *(
        Field(
            f"tariff from {n // 2:02d}:{n % 2 * 30:02d}",
            f"{n // 2:02d}:{n % 2 * 30:02d}起费率号",
            BIN1,
        )
        for n in range(48)
    ),
    Field("tariffs", "费率数", BIN1),
)

_NAMED = (
    (37, "cascaded communication", "终端级联通信参数"),
    (41, "power control by time slot", "时段功控定值"),
    (42, "power control on days off", "厂休功控参数"),
    (43, "sliding time of power control", "功率控制的功率计算滑差时间"),
    (44, "power control while out of business", "营业报停控参数"),
    (45, "rounds of power control", "功控轮次设定"),
    (46, "monthly energy limit", "月电量控定值"),
    (47, "purchased energy", "购电量（费）控参数"),
    (48, "rounds of energy control", "电控轮次设定"),
    (49, "warning time of power control", "功控告警时间"),
    (57, "sound alarm", "终端声音告警允许/禁止设置"),
    (58, "automatic protection of supply", "终端自动保电参数"),
    (59, "limits of meter anomalies", "电能表异常判别阈值设定"),
    (60, "limits of harmonics", "谐波限值"),
    (61, "DC inputs", "直流模拟量接入参数"),
    (73, "capacitors", "电容器参数"),
    (74, "switching of capacitors", "电容器投切运行参数"),
    (75, "protection of capacitors", "电容器保护参数"),
    (76, "control of capacitors", "电容器投切控制方式"),
    (81, "DC ratios", "直流模拟量输入变比"),
    (82, "DC limits", "直流模拟量限值"),
    (83, "DC freezes", "直流模拟量冻结参数"),
)

ROWS = (
    Row(2, "relay stations", "终端上行通信口无线中继转发设置", _RELAY_STATIONS, None),
    Row(4, "phone numbers", "主站电话号码和短信中心号码", _PHONES, None),
    Row(7, "terminal IP and proxy", "终端IP地址和端口", _OWN_ADDRESS, None, single_source=True),
    Row(8, "work mode", "终端上行通信工作方式", _WORK_MODE, None),
    Row(11, "pulse inputs", "终端脉冲配置参数", _PULSES, None),
    Row(14, "sum groups", "终端总加组配置参数", _GROUPS, None),
    Row(17, "safe value", "终端保安定值", (Field("safe value", "保安定值", A2, "kW"),), None),
    Row(18, "slots of power control", "终端功控时段", _SLOTS, None),
    Row(
        19,
        "float of power control",
        "时段功控定值浮动系数",
        (Field("float", "浮动系数", A4, "%"),),
        None,
    ),
    Row(
        20,
        "float of energy control",
        "月电能量控定值浮动系数",
        (Field("float", "浮动系数", A4, "%"),),
        None,
    ),
    Row(21, "tariff slots", "终端电能量费率时段和费率数", _HALF_HOURS, None),
    Row(22, "tariff prices", "终端电能量费率", _TARIFF_PRICES, None),
    Row(26, "measuring point limits", "测量点限值参数", _POINT_LIMITS, None),
    Row(27, "copper and iron losses", "测量点铜损、铁损参数", _LOSSES, None),
    *(Row(number, name, name_zh, None, None) for number, name, name_zh in _NAMED),
    *(
        Row(number, name, name_zh, None, None, single_source=True)
        for number, name, name_zh in (
            (89, "terminal address", "终端逻辑地址"),
            (90, "radio of the terminal", "无线通信参数"),
            (91, "position of the terminal", "终端地理位置信息"),
        )
    ),
)
