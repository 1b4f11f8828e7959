"""Readings for export: one row a value, or one row a day with a column for each interval."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, select

from kwhub.catalog.registers import describe
from kwhub.domain.errors import LocalError
from kwhub.domain.readings import DAY_INTERVAL_S, Quality, Register
from kwhub.headend.archive.formats import Table
from kwhub.headend.store import schema
from kwhub.headend.store.days import Days
from kwhub.headend.store.figures import on_grid
from kwhub.headend.store.read import Reader
from kwhub.headend.store.schema import from_micro
from kwhub.headend.store.vectors import EMPTY, Series

__all__ = ["LONG", "Asked", "long_table", "wide_table"]

VALUES_AT_ONCE = 400_000
"""Values that are in memory at once, about."""

LONG = (
    *("meter", "register", "interval_start", "interval_end", "duration_s"),
    *("value", "unit", "quality", "method", "source"),
)
"""Columns of the long form; the value is the register's at ``interval_end``."""

_MOMENT = pa.timestamp("us", tz="UTC")
_TYPES = {
    "interval_start": _MOMENT,
    "interval_end": _MOMENT,
    "duration_s": pa.int32(),
    "value": pa.decimal128(24, 6),
}
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Asked:
    """Which readings.

    Attributes:
        first: first local day.
        last: last local day, inclusive.
        interval_s: spacing of the series; 0 for values that were read on demand.
        registers: codes; none means every register that the store has in this spacing.
        areas: only meters of these areas; None for all.
        label: wide form: its columns are named by the ``start`` or the ``end`` of the interval.
    """

    first: date
    last: date
    interval_s: int
    registers: Sequence[Register] = ()
    areas: Sequence[int] | None = None
    label: str = "end"


def long_table(connection: Connection, days: Days, asked: Asked) -> Table:
    """One row a value, by meter, register and time; holes are left out.

    A register's value is its state at the end of an interval: a day freeze stamped 2026-03-02 00:00 has
    the interval of 1 March.
    """
    return Table("readings", LONG, _long(connection, days, asked), _TYPES)


def wide_table(connection: Connection, days: Days, asked: Asked) -> Table:
    """One row a meter, register and local day, with a column for each interval; holes are empty.

    Raises:
        LocalError: the spacing does not divide a day, or a day of the span is shorter or longer than 24 hours.
    """
    step = asked.interval_s
    if not 60 <= step <= DAY_INTERVAL_S or _DAY_S % step:
        raise LocalError("the wide form needs a spacing that divides the day, such as 900 s")
    for day in _days(asked):
        start_s, stop_s = days.span_s(day, day)
        if stop_s - start_s != _DAY_S:
            hours = (stop_s - start_s) // 3600
            raise LocalError(f"{day} has {hours} hours; the wide form has 24, take the long form")
    shift = step if asked.label == "end" else 0
    names = [_clock(at + shift) for at in range(0, _DAY_S, step)]
    columns = ("meter", "register", "unit", "day", *names)
    types = dict.fromkeys(names, _TYPES["value"])
    return Table("readings", columns, _wide(connection, days, asked), types)


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second % 3600 // 60:02}"


def _days(asked: Asked) -> Iterator[date]:
    for number in range((asked.last - asked.first).days + 1):
        yield asked.first + timedelta(days=number)


def _series(
    connection: Connection, days: Days, asked: Asked
) -> Iterator[tuple[str, Register, Series]]:
    """Address, register and values with a moment after the first midnight up to the last one."""
    meters = _meters(connection, asked)
    registers = list(asked.registers) or _registers(connection, asked.interval_s)
    reader = Reader(connection, days)
    start_s, stop_s = days.span_s(asked.first, asked.last)
    # The state at the end of the last day is the first moment of the next one, but for freezes.
    late = asked.interval_s != DAY_INTERVAL_S
    span = (asked.first, asked.last + timedelta(days=1) if late else asked.last)
    each_day = max(1, _DAY_S // max(asked.interval_s, 60))
    portion = max(1, VALUES_AT_ONCE // (each_day * ((asked.last - asked.first).days + 1)))
    portion = max(1, portion // max(1, len(registers)))
    for at in range(0, len(meters), portion):
        part = meters[at : at + portion]
        found = reader.series([number for number, _ in part], registers, asked.interval_s, span)
        for number, address in part:
            for register in registers:
                series = found.get((number, register), EMPTY)
                yield address, register, series.between(start_s + 1, stop_s + 1)


def _meters(connection: Connection, asked: Asked) -> list[tuple[int, str]]:
    meter, terminal = schema.meter, schema.terminal
    query = select(meter.c.id, meter.c.address).order_by(meter.c.address)
    if asked.areas is not None:
        own = select(terminal.c.id).where(terminal.c.area_id.in_(asked.areas))
        query = query.where(meter.c.terminal_id.in_(own))
    return [(row.id, row.address) for row in connection.execute(query)]


def _registers(connection: Connection, interval_s: int) -> list[Register]:
    table = schema.latest
    query = select(table.c.register).where(table.c.interval_s == interval_s).distinct()
    return [Register(each) for each in sorted(connection.execute(query).scalars())]


def _long(connection: Connection, days: Days, asked: Asked) -> Iterator[list[Any]]:
    step = asked.interval_s
    for address, register, series in _series(connection, days, asked):
        info = describe(register)
        rows = zip(series.at.tolist(), series.value.tolist(), series.quality.tolist(), strict=True)
        for at, value, quality in rows:
            ends = datetime.fromtimestamp(at, UTC)
            yield [
                address,
                register,
                _begins(days, ends, step),
                ends,
                step,
                None if quality == Quality.NULL else from_micro(value, info.decimals),
                info.unit,
                Quality(quality).name.lower(),
                "",
                "",
            ]


def _begins(days: Days, ends: datetime, step: int) -> datetime:
    """A day has 23 to 25 hours, every other interval its length."""
    if step != DAY_INTERVAL_S:
        return ends - timedelta(seconds=step)
    return days.start(days.of(ends - timedelta(seconds=1)))


def _wide(connection: Connection, days: Days, asked: Asked) -> Iterator[list[Any]]:
    for address, register, series in _series(connection, days, asked):
        if not len(series):
            continue
        info = describe(register)
        for day in _days(asked):
            start_s, stop_s = days.span_s(day, day)
            grid = np.arange(start_s + asked.interval_s, stop_s + 1, asked.interval_s, dtype="<i8")
            values: list[Decimal | None] = [
                None if each is None else from_micro(each, info.decimals)
                for each in on_grid(series, grid)
            ]
            if any(each is not None for each in values):
                yield [address, register, info.unit, day.isoformat(), *values]
