"""Layouts of the answers of AFN 0C.

Source: Q/GDW 1376.1-2013, clause 5.11.
"""

from kwhub.protocols.gdw1376.common import PHASES, READ_AT, per_phase
from kwhub.protocols.gdw1376.formats import (
    A1,
    A5,
    A7,
    A8,
    A9,
    A10,
    A11,
    A12,
    A14,
    A17,
    A25,
    A27,
    BIN1,
    BIN2,
    BIN4,
    bytes_format,
)
from kwhub.protocols.gdw1376.layouts import Field, Layout, Repeat

__all__ = [
    "CLOCK",
    "EVENT_COUNTERS",
    "EVENT_FLAGS",
    "INSTANT",
    "LINK_STATE",
    "METER_CLOCK",
    "METER_STATE",
    "PARAMETER_FLAGS",
    "PHASE_ANGLES",
    "PHASE_LOSS",
    "PHASE_READINGS",
    "PREPAY",
    "READING_SUMMARY",
    "READ_STATE",
    "RELAY_PATH",
    "STATUS_INPUTS",
    "STATUS_WORDS",
    "TRAFFIC",
]

CLOCK: Layout = (Field("terminal clock", "终端日历时钟", A1),)
_NEUTRAL_CURRENT = Field("zero sequence current", "零序电流", A25, "A")
INSTANT: Layout = (
    READ_AT,
    *per_phase("active power", "有功功率", A9, "kW"),
    *per_phase("reactive power", "无功功率", A9, "kvar"),
    *per_phase("power factor", "功率因数", A5, "%"),
    *per_phase("voltage", "电压", A7, "V", slice(1, 4)),
    *per_phase("current", "电流", A25, "A", slice(1, 4)),
    _NEUTRAL_CURRENT,
    *per_phase("apparent power", "视在功率", A9, "kVA"),
)
PHASE_LOSS: Layout = (
    READ_AT,
    *per_phase("loss count", "断相次数", A10, ""),
    *per_phase("loss time", "断相时间累计值", A10, "min"),
    *per_phase("last loss start", "最近一次断相起始时刻", A17, ""),
    *per_phase("last loss end", "最近一次断相结束时刻", A17, ""),
)
_METER_EVENTS = tuple(
    field
    for name, name_zh in (
        ("programming", "编程"),
        ("energy cleared", "电能表清零"),
        ("demand cleared", "最大需量清零"),
        ("events cleared", "事件清零"),
        ("clock set", "校时"),
    )
    for field in (
        Field(f"{name}, count", f"{name_zh}总次数", A10),
        Field(f"{name}, last time", f"最近一次{name_zh}发生时刻", A1),
    )
)
STATUS_WORDS: Layout = (
    READ_AT,
    *(
        Field(f"change word {n}", f"电表运行状态字变位标志{n}", bytes_format(2))
        for n in range(1, 8)
    ),
    *(Field(f"status word {n}", f"电表运行状态字{n}", bytes_format(2)) for n in range(1, 8)),
)
PREPAY: Layout = (
    READ_AT,
    Field("purchase count", "购电次数", A8),
    Field("balance", "剩余金额", A14, "CNY"),
    Field("total purchased", "累计购电金额", A14, "CNY"),
    Field("remaining energy", "剩余电量", A11, "kWh"),
    Field("overdraft energy", "透支电量", A11, "kWh"),
    Field("total purchased energy", "累计购电量", A11, "kWh"),
    Field("credit limit energy", "赊欠门限电量", A11, "kWh"),
    Field("alarm energy", "报警电量", A11, "kWh"),
    Field("fault energy", "故障电量", A11, "kWh"),
)
READ_STATE: Layout = (
    Field("port", "终端通信端口号", BIN1),
    Field("relay level", "中继级别", BIN1),
    Field("phase", "载波抄读相位", BIN1),
    Field("signal quality", "载波信号品质", BIN1),
    Field("ok", "最近一次抄表成功/失败标志", BIN1),
    Field("last success", "最近一次抄表成功时间", A1),
    Field("last failure", "最近一次抄表失败时间", A1),
    Field("failures in a row", "最近连续失败累计次数", BIN1),
)
METER_STATE: Layout = (
    READ_AT,
    Field("meter clock", "电能表日历时钟", A1),
    Field("battery time", "电池工作时间", A27, "min"),
    *_METER_EVENTS,
)
PHASE_READINGS: Layout = (
    READ_AT,
    *(
        Field(f"{way}, {phase}", f"{phase_zh}{way_zh}电能示值", form, unit)
        for phase, phase_zh in PHASES[1:]
        for way, way_zh, form, unit in (
            ("forward active energy", "正向有功", A14, "kWh"),
            ("reverse active energy", "反向有功", A14, "kWh"),
            ("reactive energy, combination 1", "组合无功1", A11, "kvarh"),
            ("reactive energy, combination 2", "组合无功2", A11, "kvarh"),
        )
    ),
)
PHASE_ANGLES: Layout = (
    *per_phase("voltage angle", "电压相位角", A5, "deg", slice(1, 4)),
    *per_phase("current angle", "电流相位角", A5, "deg", slice(1, 4)),
)
READING_SUMMARY: Layout = (
    Field("ports", "抄读端口数n", BIN1, key="n"),
    Repeat(
        "n",
        (
            Field("port", "终端通信端口号", BIN1),
            Field("meters", "要抄电表总数", BIN2),
            Field("state", "当前抄表工作状态标志", BIN1),
            Field("meters read", "抄表成功块数", BIN2),
            Field("key customers read", "抄重点表成功块数", BIN1),
            Field("start", "抄表开始时间", A1),
            Field("end", "抄表结束时间", A1),
        ),
    ),
)
RELAY_PATH: Layout = (
    Field("port", "终端通信端口号", BIN1),
    Field("paths", "中继路由条数n", BIN1, key="n"),
    Repeat(
        "n",
        (
            Field("level", "中继级别m", BIN1, key="m"),
            Repeat("m", (Field("relay address", "中继地址", A12),)),
        ),
    ),
)
PARAMETER_FLAGS: Layout = (Field("flags", "参数状态标志位", bytes_format(31)),)
LINK_STATE: Layout = (Field("state", "通信状态", BIN1),)
EVENT_COUNTERS: Layout = (
    Field("important", "重要事件计数器EC1值", BIN1),
    Field("normal", "一般事件计数器EC2值", BIN1),
)
EVENT_FLAGS: Layout = (Field("flags", "事件标志状态", bytes_format(8)),)
STATUS_INPUTS: Layout = (
    Field("state", "状态量的状态ST", BIN1),
    Field("changed", "状态量的变位CD", BIN1),
)
TRAFFIC: Layout = (
    Field("today", "终端与主站日通信流量", BIN4, "byte"),
    Field("this month", "终端与主站月通信流量", BIN4, "byte"),
)
METER_CLOCK: Layout = (
    Field("read at", "终端抄表时间", A1),
    Field("meter clock", "电能表日历时钟", A1),
)
