"""Fields and layouts that many functions share.

Source: Q/GDW 1376.1-2013, clause 5.
"""

from decimal import Decimal
from typing import Any

from kwhub.protocols.gdw1376.formats import (
    A11,
    A14,
    A15,
    A17,
    A23,
    BIN1,
    Format,
)
from kwhub.protocols.gdw1376.layouts import Element, Field, Layout, Repeat

__all__ = [
    "ENERGY_LISTS",
    "PASSWORD_AFNS",
    "PHASES",
    "READ_AT",
    "TARIFF_COUNT",
    "WAYS",
    "demand_list",
    "per_phase",
    "reading_list",
    "tariff_list",
]

PASSWORD_AFNS = frozenset({0x01, 0x04, 0x05, 0x0F, 0x10})
"""AFNs whose downlink carries PW.  Source: clause 4.3.4.5; whether 06 does is disputed between sources."""

READ_AT = Field("read at", "终端抄表时间", A15)
TARIFF_COUNT = Field("tariffs", "费率数M", BIN1, key="M")

PHASES: tuple[tuple[str, str], ...] = (
    ("total", "总"),
    ("phase A", "A相"),
    ("phase B", "B相"),
    ("phase C", "C相"),
)
"""English and Chinese, in the order of the tables."""

ENERGY_LISTS: tuple[tuple[str, str, str, Format[Decimal | None], str], ...] = (
    ("energy_active_import", "forward active energy", "正向有功电能示值", A14, "kWh"),
    ("energy_reactive_import", "forward reactive energy", "正向无功电能示值", A11, "kvarh"),
    ("energy_active_export", "reverse active energy", "反向有功电能示值", A14, "kWh"),
    ("energy_reactive_export", "reverse reactive energy", "反向无功电能示值", A11, "kvarh"),
    ("energy_reactive_q1", "reactive energy, quadrant 1", "一象限无功电能示值", A11, "kvarh"),
    ("energy_reactive_q2", "reactive energy, quadrant 2", "二象限无功电能示值", A11, "kvarh"),
    ("energy_reactive_q3", "reactive energy, quadrant 3", "三象限无功电能示值", A11, "kvarh"),
    ("energy_reactive_q4", "reactive energy, quadrant 4", "四象限无功电能示值", A11, "kvarh"),
)
"""Quantity, names, format and unit of the eight registers, in the order of 0C-F129 and 0D-F161."""


def tariff_list(name: str, name_zh: str, form: Format[Any], unit: str) -> Element:
    """M + 1 values: the total and one for each tariff."""
    return Repeat("M", (Field(name, name_zh, form, unit),), plus=1, tariffs=True)


def per_phase(
    name: str, name_zh: str, form: Format[Any], unit: str, phases: slice = slice(None)
) -> Layout:
    """One field for each phase."""
    return tuple(
        Field(f"{name}, {phase}", f"{phase_zh}{name_zh}", form, unit)
        for phase, phase_zh in PHASES[phases]
    )


WAYS: tuple[tuple[str, str, str, str], ...] = (
    ("forward active", "正向有功", "kWh", "kW"),
    ("forward reactive", "正向无功", "kvarh", "kvar"),
    ("reverse active", "反向有功", "kWh", "kW"),
    ("reverse reactive", "反向无功", "kvarh", "kvar"),
)
"""Names, unit of energy and unit of demand of the four registers that come in fours."""

_DIRECTIONS = (("forward", "正向"), ("reverse", "反向"))
_QUADRANTS = ((("1", "一"), ("4", "四")), (("2", "二"), ("3", "三")))


def reading_list(direction: int) -> Layout:
    """A.15, M and four lists, as 0C-F33 (direction 0, forward) and 0C-F34 (1, reverse) have them."""
    way, way_zh = _DIRECTIONS[direction]
    quadrants = _QUADRANTS[direction]
    return (
        READ_AT,
        TARIFF_COUNT,
        tariff_list(f"{way} active energy", f"{way_zh}有功电能示值", A14, "kWh"),
        tariff_list(f"{way} reactive energy", f"{way_zh}无功电能示值", A11, "kvarh"),
        *(
            tariff_list(f"reactive energy, quadrant {n}", f"{zh}象限无功电能示值", A11, "kvarh")
            for n, zh in quadrants
        ),
    )


def demand_list(name: str, name_zh: str, unit: str) -> Layout:
    """A.15, M and M + 1 pairs of a maximum demand and its time, as 0C-F145 has them."""
    pair = (
        Field(f"{name}, maximum demand", f"{name_zh}最大需量", A23, unit),
        Field(f"{name}, time of maximum demand", f"{name_zh}最大需量发生时间", A17),
    )
    return (READ_AT, TARIFF_COUNT, Repeat("M", pair, plus=1, tariffs=True))
