"""Functions that carry registers: which quantity, phase and format each of them has.

Source: Q/GDW 1376.1-2013, clauses 5.11 (AFN 0C) and 5.12 (AFN 0D).
"""

from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from kwhub.protocols.gdw1376.common import ENERGY_LISTS
from kwhub.protocols.gdw1376.formats import A5, A7, A9, A11, A13, A25, Format

__all__ = [
    "CURRENT_REGISTERS",
    "CURVES",
    "DAY_FREEZES",
    "MONTH_FREEZES",
    "READING_DAY_FREEZES",
    "CurveKind",
    "RegisterKind",
]


@dataclass(frozen=True, slots=True)
class CurveKind:
    """What a curve function carries."""

    function: int
    quantity: str
    phase: str  #: ``total``, ``a``, ``b``, ``c``, ``zero``; ``abc``: three values a point
    form: Format[Decimal | None]
    unit: str
    name: str
    name_zh: str
    width: int = 1  #: values a point


_CURVE_ROWS: tuple[CurveKind, ...] = (
    CurveKind(81, "active_power", "total", A9, "kW", "active power, total", "有功功率曲线"),
    CurveKind(82, "active_power", "a", A9, "kW", "active power, phase A", "A相有功功率曲线"),
    CurveKind(83, "active_power", "b", A9, "kW", "active power, phase B", "B相有功功率曲线"),
    CurveKind(84, "active_power", "c", A9, "kW", "active power, phase C", "C相有功功率曲线"),
    CurveKind(85, "reactive_power", "total", A9, "kvar", "reactive power, total", "无功功率曲线"),
    CurveKind(86, "reactive_power", "a", A9, "kvar", "reactive power, phase A", "A相无功功率曲线"),
    CurveKind(87, "reactive_power", "b", A9, "kvar", "reactive power, phase B", "B相无功功率曲线"),
    CurveKind(88, "reactive_power", "c", A9, "kvar", "reactive power, phase C", "C相无功功率曲线"),
    CurveKind(89, "voltage", "a", A7, "V", "voltage, phase A", "A相电压曲线"),
    CurveKind(90, "voltage", "b", A7, "V", "voltage, phase B", "B相电压曲线"),
    CurveKind(91, "voltage", "c", A7, "V", "voltage, phase C", "C相电压曲线"),
    CurveKind(92, "current", "a", A25, "A", "current, phase A", "A相电流曲线"),
    CurveKind(93, "current", "b", A25, "A", "current, phase B", "B相电流曲线"),
    CurveKind(94, "current", "c", A25, "A", "current, phase C", "C相电流曲线"),
    CurveKind(95, "current", "zero", A25, "A", "zero sequence current", "零序电流曲线"),
    CurveKind(
        97,
        "energy_active_import_increment",
        "total",
        A13,
        "kWh",
        "forward active energy, increment",
        "正向有功总电能量曲线",
    ),
    CurveKind(
        98,
        "energy_reactive_import_increment",
        "total",
        A13,
        "kvarh",
        "forward reactive energy, increment",
        "正向无功总电能量曲线",
    ),
    CurveKind(
        99,
        "energy_active_export_increment",
        "total",
        A13,
        "kWh",
        "reverse active energy, increment",
        "反向有功总电能量曲线",
    ),
    CurveKind(
        100,
        "energy_reactive_export_increment",
        "total",
        A13,
        "kvarh",
        "reverse reactive energy, increment",
        "反向无功总电能量曲线",
    ),
    CurveKind(
        101,
        "energy_active_import",
        "total",
        A11,
        "kWh",
        "forward active energy",
        "正向有功总电能示值曲线",
    ),
    CurveKind(
        102,
        "energy_reactive_import",
        "total",
        A11,
        "kvarh",
        "forward reactive energy",
        "正向无功总电能示值曲线",
    ),
    CurveKind(
        103,
        "energy_active_export",
        "total",
        A11,
        "kWh",
        "reverse active energy",
        "反向有功总电能示值曲线",
    ),
    CurveKind(
        104,
        "energy_reactive_export",
        "total",
        A11,
        "kvarh",
        "reverse reactive energy",
        "反向无功总电能示值曲线",
    ),
    CurveKind(105, "power_factor", "total", A5, "%", "power factor, total", "总功率因数曲线"),
    CurveKind(106, "power_factor", "a", A5, "%", "power factor, phase A", "A相功率因数曲线"),
    CurveKind(107, "power_factor", "b", A5, "%", "power factor, phase B", "B相功率因数曲线"),
    CurveKind(108, "power_factor", "c", A5, "%", "power factor, phase C", "C相功率因数曲线"),
    CurveKind(109, "voltage_angle", "abc", A5, "deg", "voltage angles", "电压相位角曲线", 3),
    CurveKind(110, "current_angle", "abc", A5, "deg", "current angles", "电流相位角曲线", 3),
    CurveKind(
        145,
        "energy_reactive_q1",
        "total",
        A11,
        "kvarh",
        "reactive energy, quadrant 1",
        "一象限无功总电能示值曲线",
    ),
    CurveKind(
        146,
        "energy_reactive_q4",
        "total",
        A11,
        "kvarh",
        "reactive energy, quadrant 4",
        "四象限无功总电能示值曲线",
    ),
    CurveKind(
        147,
        "energy_reactive_q2",
        "total",
        A11,
        "kvarh",
        "reactive energy, quadrant 2",
        "二象限无功总电能示值曲线",
    ),
    CurveKind(
        148,
        "energy_reactive_q3",
        "total",
        A11,
        "kvarh",
        "reactive energy, quadrant 3",
        "三象限无功总电能示值曲线",
    ),
)

CURVES = MappingProxyType({kind.function: kind for kind in _CURVE_ROWS})
"""Curve functions of AFN 0D: F81 to F110, and F145 to F148 in the order of quadrants 1, 4, 2, 3."""


@dataclass(frozen=True, slots=True)
class RegisterKind:
    """What a list function carries: total and tariffs of one register."""

    function: int
    quantity: str
    form: Format[Decimal | None]
    unit: str
    name: str
    name_zh: str


def _registers(first: int) -> "MappingProxyType[int, RegisterKind]":
    kinds = (
        RegisterKind(first + place, quantity, form, unit, name, name_zh)
        for place, (quantity, name, name_zh, form, unit) in enumerate(ENERGY_LISTS)
    )
    return MappingProxyType({kind.function: kind for kind in kinds})


CURRENT_REGISTERS = _registers(129)
"""0C-F129 to F136: the latest readings."""
DAY_FREEZES = _registers(161)
"""0D-F161 to F168: the state at the end of a day."""
READING_DAY_FREEZES = _registers(169)
"""0D-F169 to F176: the state on the reading day."""
MONTH_FREEZES = _registers(177)
"""0D-F177 to F184: the state at the end of a month."""
