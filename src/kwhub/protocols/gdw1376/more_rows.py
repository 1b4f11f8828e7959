"""Rows of AFN 0C and 0D that few terminals have: sum groups, losses, extremes of a day or month.

Source: Q/GDW 1376.1-2013, clauses 5.11 and 5.12. Where no source gives the layout the data stays as bytes.
"""

from typing import Any

from kwhub.protocols.gdw1376.common import PHASES, READ_AT, TARIFF_COUNT, WAYS, tariff_list
from kwhub.protocols.gdw1376.formats import (
    A1,
    A2,
    A3,
    A5,
    A7,
    A10,
    A14,
    A17,
    A18,
    A23,
    BIN2,
    Format,
    bytes_format,
)
from kwhub.protocols.gdw1376.layouts import Field, Layout, Repeat, Row

__all__ = ["CLASS1_ROWS", "class2_day_rows", "class2_month_rows", "demand_lists", "relay_state"]


def _bcd(seen: dict[str, int]) -> int:
    """A count that stands in two BCD bytes."""
    text = f"{seen['M']:x}"
    return int(text) if text.isdecimal() else 0


def relay_state(time: Format[Any]) -> Layout:
    """0C-F161; the 2009 edition has times without seconds."""
    return (
        READ_AT,
        Field("relay state", "电能表开关状态", bytes_format(1)),
        Field("last off", "最近一次拉闸时间", time),
        Field("last on", "最近一次合闸时间", time),
    )


def demand_lists(direction: int) -> Layout:
    """Maximum demands and their times, as 0C-F35 (direction 0, forward) and F36 (1) have them."""
    parts: list[Any] = [READ_AT, TARIFF_COUNT]
    for way, way_zh, _, unit in WAYS[2 * direction : 2 * direction + 2]:
        parts += (
            tariff_list(f"{way}, maximum demand", f"{way_zh}最大需量", A23, unit),
            tariff_list(f"{way}, time of maximum demand", f"{way_zh}最大需量发生时间", A17, ""),
        )
    return tuple(parts)


def _single(name: str, name_zh: str, form: Format[Any], unit: str) -> Layout:
    return (Field(name, name_zh, form, unit),)


_SETTLED: Layout = (
    READ_AT,
    Field("tariffs", "费率数M", bytes_format(2), key="M"),
    Repeat(_bcd, (Field("settled energy", "已结有功总电能", A14, "kWh"),), plus=1, tariffs=True),
    Repeat(_bcd, (Field("unsettled energy", "未结有功总电能", A14, "kWh"),), plus=1, tariffs=True),
)
_LOSSES: Layout = (
    READ_AT,
    Field("copper loss", "铜损有功总电能示值", A14, "kWh"),
    Field("iron loss", "铁损有功总电能示值", A14, "kWh"),
)
_COMBINED: Layout = (
    READ_AT,
    TARIFF_COUNT,
    tariff_list("combined active energy", "组合有功电能示值", A14, "kWh"),
)
_SWITCHED: Layout = (
    READ_AT,
    Field("trips", "拉闸次数", A10),
    Field("last trip", "最近一次拉闸时间", A1),
    Field("closings", "合闸次数", A10),
    Field("last closing", "最近一次合闸时间", A1),
)
_CHANGED: Layout = (READ_AT, Field("changes", "参数修改次数及时间", bytes_format(24)))


def _group_energy(name: str, name_zh: str, unit: str) -> Layout:
    return (TARIFF_COUNT, tariff_list(name, name_zh, A3, unit))


CLASS1_ROWS = (
    Row(5, "control settings", "终端控制设置状态", (), None),
    Row(6, "control state", "终端当前控制状态", (), None),
    Row(
        17,
        "active power of the group",
        "当前总加有功功率",
        (),
        _single("active power", "总加有功功率", A2, "kW"),
    ),
    Row(
        18,
        "reactive power of the group",
        "当前总加无功功率",
        (),
        _single("reactive power", "总加无功功率", A2, "kvar"),
    ),
    Row(
        19,
        "active energy of the group today",
        "当日总加有功电能量",
        (),
        _group_energy("active energy", "总加有功电能量", "kWh"),
    ),
    Row(
        20,
        "reactive energy of the group today",
        "当日总加无功电能量",
        (),
        _group_energy("reactive energy", "总加无功电能量", "kvarh"),
    ),
    Row(
        21,
        "active energy of the group this month",
        "当月总加有功电能量",
        (),
        _group_energy("active energy", "总加有功电能量", "kWh"),
    ),
    Row(
        22,
        "reactive energy of the group this month",
        "当月总加无功电能量",
        (),
        _group_energy("reactive energy", "总加无功电能量", "kvarh"),
    ),
    Row(
        23,
        "remaining energy",
        "终端当前剩余电量（费）",
        (),
        _single("remaining", "剩余电量（费）", A3, ""),
    ),
    Row(
        24,
        "frozen power of power control",
        "功控冻结值",
        (),
        _single("power", "功率冻结值", A2, "kW"),
    ),
    Row(29, "copper and iron loss", "当前铜损、铁损有功总电能示值", (), _LOSSES),
    Row(
        30,
        "copper and iron loss at last settlement",
        "上一结算日铜损、铁损有功总电能示值",
        (),
        _LOSSES,
    ),
    Row(35, "forward demand this month", "当月正向有/无功最大需量及发生时间", (), demand_lists(0)),
    Row(36, "reverse demand this month", "当月反向有/无功最大需量及发生时间", (), demand_lists(1)),
    Row(
        39,
        "forward demand at last settlement",
        "上月正向有/无功最大需量及发生时间",
        (),
        demand_lists(0),
    ),
    Row(
        40,
        "reverse demand at last settlement",
        "上月反向有/无功最大需量及发生时间",
        (),
        demand_lists(1),
    ),
    Row(57, "harmonic voltages and currents", "当前谐波电压、电流", (), None),
    Row(58, "harmonic content", "当前谐波含有率", (), None),
    Row(161, "relay state", "电能表远程控制通断电状态及记录", (), relay_state(A1)),
    Row(
        165, "switching of the relay", "电能表开关操作次数及时间", (), _SWITCHED, single_source=True
    ),
    Row(166, "parameter changes", "电能表参数修改次数及时间", (), _CHANGED, single_source=True),
    Row(168, "settled energy", "电能表结算信息", (), _SETTLED),
    Row(177, "combined active energy", "当前组合有功电能示值", (), _COMBINED, single_source=True),
    Row(
        178,
        "combined active energy at last settlement",
        "上一结算日组合有功电能示值",
        (),
        _COMBINED,
        single_source=True,
    ),
)


def _extremes(name: str, name_zh: str, unit: str) -> Layout:
    return tuple(
        field
        for phase, phase_zh in PHASES
        for field in (
            Field(f"{name}, {phase}", f"{phase_zh}{name_zh}", A23, unit),
            Field(f"time of {name}, {phase}", f"{phase_zh}{name_zh}发生时间", A18),
        )
    )


_POWERS: Layout = (
    *_extremes("maximum power", "最大有功功率", "kW"),
    *(Field(f"time without power, {p}", f"{zh}有功功率为零时间", BIN2, "min") for p, zh in PHASES),
)
_VOLTAGES: Layout = (
    *(
        Field(f"voltage {way}, {phase}", f"{phase_zh}电压{way_zh}累计时间", BIN2, "min")
        for phase, phase_zh in PHASES[1:]
        for way, way_zh in (
            ("above the outer limit", "越上上限"),
            ("below the outer limit", "越下下限"),
            ("above the limit", "越上限"),
            ("below the limit", "越下限"),
            ("good", "合格"),
        )
    ),
    *(
        field
        for phase, phase_zh in PHASES[1:]
        for field in (
            Field(f"highest voltage, {phase}", f"{phase_zh}电压最大值", A7, "V"),
            Field(f"time of highest voltage, {phase}", f"{phase_zh}电压最大值发生时间", A18),
            Field(f"lowest voltage, {phase}", f"{phase_zh}电压最小值", A7, "V"),
            Field(f"time of lowest voltage, {phase}", f"{phase_zh}电压最小值发生时间", A18),
        )
    ),
    *(Field(f"mean voltage, {p}", f"{zh}平均电压", A7, "V") for p, zh in PHASES[1:]),
)
_OVERLOAD: Layout = (
    Field("load above the outer limit", "视在功率越上上限累计时间", BIN2, "min"),
    Field("load above the limit", "视在功率越上限累计时间", BIN2, "min"),
)
_LOAD_RATES: Layout = (
    Field("highest load rate", "负载率最大值", A5, "%"),
    Field("time of highest load rate", "负载率最大值发生时间", A18),
    Field("lowest load rate", "负载率最小值", A5, "%"),
    Field("time of lowest load rate", "负载率最小值发生时间", A18),
)
_STATISTICS: tuple[tuple[str, str, Layout | None], ...] = (
    ("maximum power and its time", "最大有功功率及发生时间、功率为零时间", _POWERS),
    (
        "maximum demand and its time",
        "最大需量及发生时间",
        _extremes("maximum demand", "最大需量", "kW"),
    ),
    ("voltage statistics", "电压统计数据", _VOLTAGES),
    ("unbalance over limit", "不平衡度越限累计时间", None),
    ("current over limit", "电流越限数据", None),
    ("load over limit", "视在功率越限累计时间", _OVERLOAD),
    ("load rate", "负载率统计", _LOAD_RATES),
)


def _statistics(first: int, tag: Layout, when: str, when_zh: str) -> tuple[Row, ...]:
    return tuple(
        Row(first + n, f"{when} {name}", f"{when_zh}{zh}", tag, (*tag, *body) if body else None)
        for n, (name, zh, body) in enumerate(_STATISTICS)
    )


def _named(tag: Layout, *rows: tuple[int, str, str]) -> tuple[Row, ...]:
    return tuple(Row(number, name, zh, tag, None) for number, name, zh in rows)


def class2_day_rows(tag: Layout) -> tuple[Row, ...]:
    """Rows of AFN 0D whose tag is a day."""
    return (
        Row(3, "day freeze, forward demand", "日冻结正向最大需量", tag, (*tag, *demand_lists(0))),
        Row(4, "day freeze, reverse demand", "日冻结反向最大需量", tag, (*tag, *demand_lists(1))),
        Row(11, "reading day, forward demand", "抄表日正向最大需量", tag, (*tag, *demand_lists(0))),
        Row(12, "reading day, reverse demand", "抄表日反向最大需量", tag, (*tag, *demand_lists(1))),
        *_statistics(25, tag, "day freeze,", "日冻结"),
        Row(
            209,
            "day freeze, relay state",
            "日冻结电能表通断电状态",
            tag,
            (*tag, *relay_state(A1)),
            single_source=True,
        ),
        *_named(
            tag,
            (43, "day freeze, power factor segments", "日冻结功率因数区段累计时间"),
            (45, "day freeze, losses", "日冻结铜损、铁损"),
            (49, "day freeze, supply time", "日冻结终端供电时间、复位次数"),
            (50, "day freeze, control", "日冻结终端控制统计数据"),
            (53, "day freeze, traffic", "日冻结与主站通信流量"),
            (57, "day freeze, powers of the group", "日冻结总加组最大、最小有功功率"),
            (58, "day freeze, active energy of the group", "日冻结总加组累计有功电能量"),
            (59, "day freeze, reactive energy of the group", "日冻结总加组累计无功电能量"),
            (113, "day freeze, harmonic currents A", "日冻结A相谐波电流"),
        ),
    )


def class2_month_rows(tag: Layout) -> tuple[Row, ...]:
    """Rows of AFN 0D whose tag is a month."""
    return (
        Row(
            19, "month freeze, forward demand", "月冻结正向最大需量", tag, (*tag, *demand_lists(0))
        ),
        Row(
            20, "month freeze, reverse demand", "月冻结反向最大需量", tag, (*tag, *demand_lists(1))
        ),
        *_statistics(33, tag, "month freeze,", "月冻结"),
        *_named(
            tag,
            (44, "month freeze, power factor segments", "月冻结功率因数区段累计时间"),
            (46, "month freeze, losses", "月冻结铜损、铁损"),
            (51, "month freeze, supply time", "月冻结终端供电时间、复位次数"),
            (52, "month freeze, control", "月冻结终端控制统计数据"),
            (54, "month freeze, traffic", "月冻结与主站通信流量"),
            (60, "month freeze, powers of the group", "月冻结总加组最大、最小有功功率"),
            (61, "month freeze, active energy of the group", "月冻结总加组累计有功电能量"),
            (62, "month freeze, reactive energy of the group", "月冻结总加组累计无功电能量"),
        ),
    )
