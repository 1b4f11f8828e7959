"""AFN 0C: class 1 data, what the terminal knows now.

Source: Q/GDW 1376.1-2013, clause 5.11. A request is the bare unit identifier.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376 import class1_layouts as layouts
from kwhub.protocols.gdw1376.common import (
    ENERGY_LISTS,
    READ_AT,
    TARIFF_COUNT,
    WAYS,
    demand_list,
    reading_list,
    tariff_list,
)
from kwhub.protocols.gdw1376.formats import A1, A13, A15
from kwhub.protocols.gdw1376.layouts import Field, Row, cells, measure
from kwhub.protocols.gdw1376.more_rows import CLASS1_ROWS
from kwhub.protocols.gdw1376.registers import CURRENT_REGISTERS
from kwhub.protocols.gdw1376.times import WallClock
from kwhub.protocols.gdw1376.units import Unit

__all__ = [
    "AFN",
    "CLOCK",
    "INSTANT",
    "INSTANT_FIELDS",
    "ROWS",
    "CurrentEnergyUnit",
    "InstantUnit",
    "clock_answer",
    "read_clock",
]

AFN = 0x0C
CLOCK = 2
INSTANT = 25


def _energy(first: int, when: str, when_zh: str) -> tuple[Row, ...]:
    """Eight rows in the order of F129 to F136: total and tariffs of one register each."""
    return tuple(
        Row(
            first + place,
            f"{when} {name}",
            f"{when_zh}{name_zh}",
            (),
            (READ_AT, TARIFF_COUNT, tariff_list(name, name_zh, form, unit)),
            f"clause 5.11, F{first + place}",
        )
        for place, (_, name, name_zh, form, unit) in enumerate(ENERGY_LISTS)
    )


def _energy_used(first: int, when: str, when_zh: str) -> tuple[Row, ...]:
    """Four rows in the order of F41 to F44: what was used since the start of the day or month."""
    return tuple(
        Row(
            first + place,
            f"{way} energy {when}",
            f"{when_zh}{way_zh}电能量",
            (),
            (TARIFF_COUNT, tariff_list(f"{way} energy", f"{way_zh}电能量", A13, unit)),
            f"clause 5.11, F{first + place}",
        )
        for place, (way, way_zh, unit, _) in enumerate(WAYS)
    )


def _demands(first: int, when: str, when_zh: str) -> tuple[Row, ...]:
    """Four rows in the order of F145 to F148: maximum demand and its time."""
    return tuple(
        Row(
            first + place,
            f"{way} demand {when}",
            f"{when_zh}{way_zh}最大需量及发生时间",
            (),
            demand_list(way, way_zh, unit),
            f"clause 5.11, F{first + place}",
        )
        for place, (way, way_zh, _, unit) in enumerate(WAYS)
    )


ROWS = (
    Row(CLOCK, "terminal clock", "终端日历时钟", (), layouts.CLOCK),
    Row(3, "parameter flags", "终端参数状态", (), layouts.PARAMETER_FLAGS),
    Row(4, "communication state", "终端上行通信状态", (), layouts.LINK_STATE),
    Row(7, "event counters", "终端事件计数器当前值", (), layouts.EVENT_COUNTERS),
    Row(8, "event flags", "终端事件标志状态", (), layouts.EVENT_FLAGS),
    Row(9, "status inputs", "终端状态量及变位标志", (), layouts.STATUS_INPUTS),
    Row(10, "traffic", "终端与主站当日、月通信流量", (), layouts.TRAFFIC),
    Row(11, "state of meter reading", "终端集中抄表状态信息", (), layouts.READING_SUMMARY),
    Row(
        INSTANT,
        "instant values",
        "当前三相及总有/无功功率、功率因数，三相电压、电流、零序电流、视在功率",
        (),
        layouts.INSTANT,
    ),
    Row(26, "phase loss", "A、B、C三相断相统计数据及最近一次断相记录", (), layouts.PHASE_LOSS),
    Row(
        27,
        "meter clock and events",
        "电能表日历时钟、编程次数及其最近一次操作时间",
        (),
        layouts.METER_STATE,
    ),
    Row(28, "meter status words", "电表运行状态字及其变位标志", (), layouts.STATUS_WORDS),
    Row(
        31,
        "readings of each phase",
        "当前A、B、C三相正/反向有功电能示值、组合无功1/2电能示值",
        (),
        layouts.PHASE_READINGS,
    ),
    Row(
        32,
        "readings of each phase at last settlement",
        "上月（上一结算日）A、B、C三相正/反向有功电能示值、组合无功1/2电能示值",
        (),
        layouts.PHASE_READINGS,
    ),
    Row(
        33,
        "forward readings",
        "当前正向有/无功电能示值、一/四象限无功电能示值",
        (),
        reading_list(0),
    ),
    Row(
        34,
        "reverse readings",
        "当前反向有/无功电能示值、二/三象限无功电能示值",
        (),
        reading_list(1),
    ),
    Row(
        37,
        "forward readings at last settlement",
        "上月（上一结算日）正向有/无功电能示值",
        (),
        reading_list(0),
    ),
    Row(
        38,
        "reverse readings at last settlement",
        "上月（上一结算日）反向有/无功电能示值",
        (),
        reading_list(1),
    ),
    *_energy_used(41, "today", "当日"),
    *_energy_used(45, "this month", "当月"),
    Row(49, "phase angles", "当前电压、电流相位角", (), layouts.PHASE_ANGLES),
    *_energy(129, "current", "当前"),
    *_energy(137, "last settlement", "上月（上一结算日）"),
    *_demands(145, "this month", "当月"),
    *_demands(149, "last month", "上月"),
    Row(162, "meter clock", "电能表日历时钟", (), layouts.METER_CLOCK, single_source=True),
    Row(167, "prepayment", "电能表购、用电信息", (), layouts.PREPAY),
    Row(169, "relay path", "集中抄表电表中继路由信息", (), layouts.RELAY_PATH),
    Row(170, "reading state", "集中器抄读电表状态信息", (), layouts.READ_STATE),
    *CLASS1_ROWS,
)


@dataclass(frozen=True, slots=True)
class CurrentEnergyUnit:
    """Latest readings of one register: total and tariffs (F129 to F136)."""

    point: int
    function: int
    read_at: datetime | None  #: naive wall time of the site
    values: tuple[Decimal | None, ...]  #: total, tariff 1, tariff 2 ...; kWh or kvarh

    def to_unit(self) -> Unit:
        """The unit on the wire. Raises LocalError."""
        kind = CURRENT_REGISTERS.get(self.function)
        if kind is None or not 1 <= len(self.values) <= 256:
            raise LocalError(f"0C-F{self.function} is no list of readings")
        data = A15.encode(self.read_at) + bytes([len(self.values) - 1])
        data += b"".join(map(kind.form.encode, self.values))
        return Unit((self.point,), (self.function,), data)

    @classmethod
    def from_data(cls, point: int, function: int, data: bytes) -> "CurrentEnergyUnit":
        """Read the data of one point. Raises DecodeError."""
        kind = CURRENT_REGISTERS.get(function)
        if kind is None:
            raise DecodeError("unknown_function", f"0C-F{function} is no list of readings")
        measure((READ_AT, TARIFF_COUNT, tariff_list("", "", kind.form, "")), data)
        size = kind.form.size
        starts = range(6, 6 + (data[5] + 1) * size, size)
        values = tuple(kind.form.decode(data[at : at + size]) for at in starts)
        return cls(point, function, A15.decode(data[:5]), values)


INSTANT_FIELDS: tuple[tuple[str, str, str], ...] = (
    *(("active_power", phase, "kW") for phase in ("total", "a", "b", "c")),
    *(("reactive_power", phase, "kvar") for phase in ("total", "a", "b", "c")),
    *(("power_factor", phase, "%") for phase in ("total", "a", "b", "c")),
    *(("voltage", phase, "V") for phase in ("a", "b", "c")),
    *(("current", phase, "A") for phase in ("a", "b", "c", "zero")),
    *(("apparent_power", phase, "kVA") for phase in ("total", "a", "b", "c")),
)
"""Quantity, phase and unit of the fields of F25 after the read time, in wire order."""


@dataclass(frozen=True, slots=True)
class InstantUnit:
    """Instant values of one point (F25)."""

    point: int
    read_at: datetime | None  #: naive wall time of the site
    values: dict[tuple[str, str], Decimal | None]  #: by quantity and phase of INSTANT_FIELDS

    def to_unit(self) -> Unit:
        """The unit on the wire; what is not given is missing. Raises LocalError."""
        forms = [element.format for element in layouts.INSTANT if isinstance(element, Field)]
        found = (self.values.get((quantity, phase)) for quantity, phase, _ in INSTANT_FIELDS)
        parts = [form.encode(value) for form, value in zip(forms[1:], found, strict=True)]
        return Unit((self.point,), (INSTANT,), A15.encode(self.read_at) + b"".join(parts))

    @classmethod
    def from_data(cls, point: int, data: bytes) -> "InstantUnit":
        """Read the data of one point. Raises DecodeError."""
        measure(layouts.INSTANT, data)
        found = cells(layouts.INSTANT, data)
        for cell in found:
            if cell.problem:
                raise DecodeError("not_bcd", cell.problem, field=cell.name, offset=cell.start)
        keys = [(quantity, phase) for quantity, phase, _ in INSTANT_FIELDS]
        values = [cell.value for cell in found[1:]]
        return cls(point, found[0].value, dict(zip(keys, values, strict=True)))


def clock_answer(clock: datetime) -> Unit:
    """The answer to F2 with the terminal's naive wall time."""
    return Unit((0,), (CLOCK,), A1.encode(WallClock.of(clock)))


def read_clock(unit: Unit) -> datetime | None:
    """The clock of an answer to F2. Raises DecodeError."""
    found = A1.decode(unit.data[: A1.size])
    return found.time if found else None
