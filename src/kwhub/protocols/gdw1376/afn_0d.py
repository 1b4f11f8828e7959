"""AFN 0D: class 2 data, the history: curves and freezes.

Source: Q/GDW 1376.1-2013, clause 5.12. A request carries the time tag, the answer repeats it before the
data: Td-d a day (A.20), Td-m a month (A.21), Td-c the start of a curve (A.15), its density and the number
of points.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376.common import (
    READ_AT,
    TARIFF_COUNT,
    WAYS,
    demand_list,
    reading_list,
    tariff_list,
)
from kwhub.protocols.gdw1376.formats import A2, A3, A7, A13, A15, A20, A21, BIN1, Format
from kwhub.protocols.gdw1376.layouts import Field, Layout, Repeat, Row, measure
from kwhub.protocols.gdw1376.missing_values import MISSING_ROW
from kwhub.protocols.gdw1376.more_rows import class2_day_rows, class2_month_rows
from kwhub.protocols.gdw1376.register_curves import REGISTERS_ROW
from kwhub.protocols.gdw1376.registers import (
    CURVES,
    DAY_FREEZES,
    MONTH_FREEZES,
    READING_DAY_FREEZES,
    CurveKind,
    RegisterKind,
)
from kwhub.protocols.gdw1376.units import Unit

__all__ = [
    "AFN",
    "DENSITIES_S",
    "ROWS",
    "CurveRequest",
    "CurveUnit",
    "DayFreezeRequest",
    "DayFreezeUnit",
    "density_of",
]

AFN = 0x0D

DENSITIES_S = MappingProxyType({1: 900, 2: 1800, 3: 3600, 254: 300, 255: 60})
"""Seconds between the points of a curve by density code; 0 is "do not freeze"."""


def _density_words(code: int) -> tuple[str, str]:
    seconds = DENSITIES_S.get(code)
    if seconds is None:
        return f"{code}: no curve", f"{code}：不冻结或备用"
    return f"{code}: every {seconds // 60} min", f"{code}：间隔{seconds // 60}分钟"


_DAY = (Field("day Td-d", "日时标Td_d", A20),)
_MONTH = (Field("month Td-m", "月时标Td_m", A21),)
_CURVE = (
    Field("start of curve Td-c", "曲线时标Td_c起始时间", A15),
    Field("density", "数据冻结密度", BIN1, tell=_density_words),
    Field("points", "数据点数n", BIN1, key="n"),
)
_CURVE_HEAD_BYTES = 7


def _curve_row(kind: CurveKind) -> Row:
    value = Field(kind.name, kind.name_zh, kind.form, kind.unit)
    up = (*_CURVE, Repeat("n", (value,) * kind.width))
    source = f"clause 5.12, F{kind.function}"
    return Row(kind.function, f"curve: {kind.name}", kind.name_zh, _CURVE, up, source)


def _freeze_rows(
    kinds: "MappingProxyType[int, RegisterKind]", tag: Layout, when: str, when_zh: str
) -> tuple[Row, ...]:
    return tuple(
        Row(
            kind.function,
            f"{when} {kind.name}",
            f"{when_zh}{kind.name_zh}",
            tag,
            (
                *tag,
                READ_AT,
                TARIFF_COUNT,
                tariff_list(kind.name, kind.name_zh, kind.form, kind.unit),
            ),
            f"clause 5.12, F{kind.function}",
        )
        for kind in kinds.values()
    )


def _demand_rows(first: int, tag: Layout, when: str, when_zh: str) -> tuple[Row, ...]:
    """Four rows in the order of F185 to F188: maximum demand and its time."""
    return tuple(
        Row(
            first + place,
            f"{when} {way} demand",
            f"{when_zh}{way_zh}最大需量及发生时间",
            tag,
            (*tag, *demand_list(way, way_zh, unit)),
            f"clause 5.12, F{first + place}",
        )
        for place, (way, way_zh, _, unit) in enumerate(WAYS)
    )


def _used_rows(first: int, tag: Layout, when: str, when_zh: str) -> tuple[Row, ...]:
    """Four rows in the order of F5 to F8: what was used in a day or month."""
    return tuple(
        Row(
            first + place,
            f"{when} {way} energy used",
            f"{when_zh}{way_zh}电能量",
            tag,
            (*tag, TARIFF_COUNT, tariff_list(f"{way} energy", f"{way_zh}电能量", A13, unit)),
            f"clause 5.12, F{first + place}",
        )
        for place, (way, way_zh, unit, _) in enumerate(WAYS)
    )


_RESERVED_96 = (*_CURVE, Repeat("n", (Field("reserved", "备用", A7),)))

ROWS = (
    Row(
        1,
        "day freeze, forward readings",
        "日冻结正向有/无功电能示值、一/四象限无功电能示值",
        _DAY,
        (*_DAY, *reading_list(0)),
    ),
    Row(
        2,
        "day freeze, reverse readings",
        "日冻结反向有/无功电能示值、二/三象限无功电能示值",
        _DAY,
        (*_DAY, *reading_list(1)),
    ),
    Row(
        9,
        "reading day, forward readings",
        "抄表日冻结正向有/无功电能示值",
        _DAY,
        (*_DAY, *reading_list(0)),
    ),
    Row(
        10,
        "reading day, reverse readings",
        "抄表日冻结反向有/无功电能示值",
        _DAY,
        (*_DAY, *reading_list(1)),
    ),
    Row(
        17,
        "month freeze, forward readings",
        "月冻结正向有/无功电能示值",
        _MONTH,
        (*_MONTH, *reading_list(0)),
    ),
    Row(
        18,
        "month freeze, reverse readings",
        "月冻结反向有/无功电能示值",
        _MONTH,
        (*_MONTH, *reading_list(1)),
    ),
    *map(_curve_row, CURVES.values()),
    Row(
        96,
        "curve: reserved",
        "备用",
        _CURVE,
        _RESERVED_96,
        "one field frame: two bytes a point",
        single_source=True,
    ),
    *_freeze_rows(DAY_FREEZES, _DAY, "day freeze,", "日冻结"),
    *_freeze_rows(READING_DAY_FREEZES, _DAY, "reading day,", "抄表日冻结"),
    *_freeze_rows(MONTH_FREEZES, _MONTH, "month freeze,", "月冻结"),
    *_used_rows(5, _DAY, "day freeze,", "日冻结"),
    *_used_rows(21, _MONTH, "month freeze,", "月冻结"),
    *_demand_rows(185, _DAY, "day freeze,", "日冻结"),
    *_demand_rows(189, _DAY, "reading day,", "抄表日冻结"),
    *_demand_rows(193, _MONTH, "month freeze,", "月冻结"),
    *class2_day_rows(_DAY),
    *class2_month_rows(_MONTH),
    *(
        Row(
            number,
            f"curve: {name}",
            zh,
            _CURVE,
            (*_CURVE, Repeat("n", (Field(name, zh, form, unit),))),
        )
        for number, name, zh, form, unit in (
            (73, "active power of the group", "总加组有功功率曲线", A2, "kW"),
            (74, "reactive power of the group", "总加组无功功率曲线", A2, "kvar"),
            (75, "active energy of the group", "总加组有功电能量曲线", A3, "kWh"),
            (76, "reactive energy of the group", "总加组无功电能量曲线", A3, "kvarh"),
            (138, "DC input", "直流模拟量数据曲线", A2, ""),
        )
    ),
    MISSING_ROW,
    REGISTERS_ROW,
)


def density_of(interval_s: int) -> int:
    """The density code of a spacing in seconds. Raises LocalError."""
    for density, seconds in DENSITIES_S.items():
        if seconds == interval_s:
            return density
    raise LocalError(f"no density for {interval_s} s; known are {sorted(DENSITIES_S.values())}")


@dataclass(frozen=True, slots=True)
class CurveRequest:
    """Ask for points of a curve."""

    point: int
    function: int
    start: datetime  #: naive wall time of the site
    count: int
    density: int = 1

    def to_unit(self) -> Unit:
        """The unit on the wire. Raises LocalError."""
        head = _curve_head(self.start, self.density, self.count)
        return Unit((self.point,), (self.function,), head)

    @classmethod
    def from_data(cls, point: int, function: int, data: bytes) -> "CurveRequest":
        """Read the data of a request of one point. Raises DecodeError."""
        measure(_CURVE, data)
        start = A15.decode(data[:5])
        if start is None:
            raise DecodeError("not_a_time", "a curve without start", field="Td-c", offset=0)
        return cls(point, function, start, data[6], data[5])


@dataclass(frozen=True, slots=True)
class CurveUnit:
    """Points of one curve of one measuring point."""

    point: int
    function: int
    start: datetime  #: naive wall time of the site: the moment of the first value
    values: tuple[Decimal | None, ...]  #: ``width`` values a point, in the unit of CURVES
    density: int = 1

    @property
    def interval_s(self) -> int:
        """Seconds between two points; 0 when the density code is not known."""
        return DENSITIES_S.get(self.density, 0)

    @property
    def width(self) -> int:
        """Values a point: 3 for angles, else 1."""
        kind = CURVES.get(self.function)
        return kind.width if kind else 1

    def times(self) -> tuple[datetime, ...]:
        """The naive wall time of every value."""
        step = timedelta(seconds=self.interval_s)
        return tuple(self.start + step * (at // self.width) for at in range(len(self.values)))

    def to_unit(self) -> Unit:
        """The unit on the wire. Raises LocalError."""
        kind = CURVES.get(self.function)
        if kind is None or len(self.values) % kind.width:
            raise LocalError(f"0D-F{self.function} with {len(self.values)} values is no curve")
        head = _curve_head(self.start, self.density, len(self.values) // kind.width)
        data = head + b"".join(map(kind.form.encode, self.values))
        return Unit((self.point,), (self.function,), data)

    @classmethod
    def from_data(cls, point: int, function: int, data: bytes) -> "CurveUnit":
        """Read the data of an answer of one point. Raises DecodeError."""
        kind = CURVES.get(function)
        if kind is None:
            raise DecodeError("unknown_function", f"0D-F{function} is no curve")
        request = CurveRequest.from_data(point, function, data)
        size = kind.form.size
        stop = _CURVE_HEAD_BYTES + request.count * kind.width * size
        if len(data) != stop:
            raise DecodeError("length", f"{len(data)} bytes for {request.count} points")
        starts = range(_CURVE_HEAD_BYTES, stop, size)
        values = tuple(kind.form.decode(data[at : at + size]) for at in starts)
        return cls(point, function, request.start, values, request.density)


def _curve_head(start: datetime, density: int, count: int) -> bytes:
    if not 0 <= count <= 0xFF or not 0 <= density <= 0xFF:
        raise LocalError(f"density {density}, {count} points: both are one byte")
    return A15.encode(start) + bytes([density, count])


@dataclass(frozen=True, slots=True)
class DayFreezeRequest:
    """Ask for the freeze of a day (F161 to F176) or of a month (F177 to F184)."""

    point: int
    function: int
    day: date  #: the day that ended; of a month any day

    def to_unit(self) -> Unit:
        """The unit on the wire."""
        return Unit((self.point,), (self.function,), _tag(self.function).encode(self.day))

    @classmethod
    def from_data(cls, point: int, function: int, data: bytes) -> "DayFreezeRequest":
        """Read the data of a request of one point. Raises DecodeError."""
        form = _tag(function)
        day = form.decode(data[: form.size])
        if day is None:
            raise DecodeError("not_a_time", "a freeze without day", field="Td-d", offset=0)
        return cls(point, function, day)


@dataclass(frozen=True, slots=True)
class DayFreezeUnit:
    """Total and tariffs of one register at the end of a day (F161 to F176) or month (F177 to F184)."""

    point: int
    function: int
    day: date  #: the day that ended: a freeze of 2026-03-02 00:00 belongs to 2026-03-01
    read_at: datetime | None  #: naive wall time of the site at which the terminal read it
    values: tuple[Decimal | None, ...]  #: total, tariff 1, tariff 2 ...; kWh or kvarh

    def to_unit(self) -> Unit:
        """The unit on the wire. Raises LocalError."""
        kind = _freeze_kind(self.function)
        if kind is None or not 1 <= len(self.values) <= 256:
            raise LocalError(f"0D-F{self.function} with {len(self.values)} values is no freeze")
        head = _tag(self.function).encode(self.day) + A15.encode(self.read_at)
        values = b"".join(map(kind.form.encode, self.values))
        return Unit((self.point,), (self.function,), head + bytes([len(self.values) - 1]) + values)

    @classmethod
    def from_data(cls, point: int, function: int, data: bytes) -> "DayFreezeUnit":
        """Read the data of an answer of one point. Raises DecodeError."""
        kind = _freeze_kind(function)
        if kind is None:
            raise DecodeError("unknown_function", f"0D-F{function} is no freeze")
        day = DayFreezeRequest.from_data(point, function, data).day
        at = _tag(function).size
        measure((READ_AT, TARIFF_COUNT, tariff_list("", "", kind.form, "")), data, at)
        read_at, first = A15.decode(data[at : at + 5]), at + 6
        size = kind.form.size
        starts = range(first, first + (data[first - 1] + 1) * size, size)
        values = tuple(kind.form.decode(data[place : place + size]) for place in starts)
        return cls(point, function, day, read_at, values)


def _freeze_kind(function: int) -> RegisterKind | None:
    for kinds in (DAY_FREEZES, READING_DAY_FREEZES, MONTH_FREEZES):
        if function in kinds:
            return kinds[function]
    return None


def _tag(function: int) -> Format[date | None]:
    return A21 if function in MONTH_FREEZES else A20
