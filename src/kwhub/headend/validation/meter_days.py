"""The days of an area's meters as the rules want to see them."""

from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from sqlalchemy import Connection, func, select

from kwhub.catalog.registers import describe
from kwhub.domain.readings import DAY_INTERVAL_S, Quality, Register
from kwhub.headend.analysis.consumption import difference
from kwhub.headend.quality.checks import DEFAULT_AMPERE, DEFAULT_VOLT, MeterDay, usual_day
from kwhub.headend.quality.expect import ENERGY, due, intervals, owed
from kwhub.headend.quality.walk import Numbers, Walk
from kwhub.headend.store import schema, schema_archive
from kwhub.headend.store.archive_rows import ArchiveMeter
from kwhub.headend.store.dated import Dated
from kwhub.headend.store.days import Days
from kwhub.headend.store.figures import on_grid
from kwhub.headend.store.read import Reader
from kwhub.headend.store.vectors import EMPTY
from kwhub.headend.store.vectors import Series as Values

__all__ = ["HISTORY_DAYS", "Facts", "HoleKey", "counts", "facts_of", "meter_days"]

HISTORY_DAYS = 15
"""Days before that the rules may look at."""


class HoleKey(NamedTuple):
    """One series of one meter on one day."""

    meter_id: int
    day: date
    register: Register
    interval_s: int


_Found: TypeAlias = Mapping[int, Mapping[tuple[int, str], Values]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the archive says of a meter that bounds its values."""

    volt: int = DEFAULT_VOLT
    ampere: int = DEFAULT_AMPERE


def facts_of(connection: Connection, meters: Collection[int]) -> dict[int, Facts]:
    """Voltage and largest current of meters; a guess where the archive says nothing usable."""
    table = schema.meter
    rows = connection.execute(
        select(table.c.id, table.c.voltage, table.c.current_max).where(table.c.id.in_(meters))
    )
    return {
        row.id: Facts(_whole(row.voltage, DEFAULT_VOLT), _whole(row.current_max, DEFAULT_AMPERE))
        for row in rows
    }


def meter_days(
    connection: Connection,
    days: Days,
    area: Sequence[ArchiveMeter],
    day: date,
    now: datetime,
    wanted: Container[int],
) -> Iterator[tuple[ArchiveMeter, MeterDay]]:
    """Those meters of an area whose numbers are wanted, on one local day that is over."""
    reader = Reader(connection, days)
    limits, one_day = days.span_s(day, day), timedelta(days=1)
    ids = [meter.id for meter in area]
    looked_at = [meter for meter in area if meter.id in wanted]
    own = [meter.id for meter in looked_at]
    found: _Found = {
        interval: reader.series(own, registers, interval, (day - one_day, day + one_day))
        for interval, registers in intervals(meter.duty for meter in looked_at).items()
    }
    dated = reader.dated(ids)
    energies = _energies(reader, dated, days, ids, day)
    shares = {
        meter_id: today / usual
        for meter_id, (*before, today) in energies.items()
        if today is not None and today >= 0 and (usual := usual_day(before))
    }
    facts = facts_of(connection, ids)
    conflicts = _conflicts(connection, ids, days.number(day))
    exchanged = _exchanged(connection, ids, limits)
    for meter in looked_at:
        walks, instants, beside = _walks(meter, found, dated, limits)
        expected, got = _counts(meter, found, limits, int(now.timestamp()))
        frozen = found.get(DAY_INTERVAL_S, {}).get((meter.id, ENERGY), EMPTY)
        frozen = dated.continued(meter.id, ENERGY, frozen)
        first, last = on_grid(frozen, np.array(limits, "<i8"))
        seen = MeterDay(
            phases=meter.phases,
            volt=facts[meter.id].volt,
            ampere=facts[meter.id].ampere,
            walks=walks,
            instants=instants,
            freeze=(first, last),
            before=energies[meter.id][:-1],
            siblings=_alike(area, meter, shares),
            expected=expected,
            got=got,
            conflicts=conflicts.get(meter.id, {}),
            beside=beside,
            exchanged=meter.id in exchanged,
        )
        yield meter, seen


def _alike(
    area: Sequence[ArchiveMeter], meter: ArchiveMeter, shares: Mapping[int, float]
) -> list[float]:
    """The day of every like meter of the area as a part of its usual day."""
    return [
        shares[other.id]
        for other in area
        if other.id in shares
        and other.id != meter.id
        and (other.kind, other.phases) == (meter.kind, meter.phases)
    ]


def counts(
    reader: Reader, days: Days, meters: Sequence[ArchiveMeter], day: date, now: datetime
) -> dict[HoleKey, tuple[int, int]]:
    """What every series of some meters owes for a day, and how much of it was measured."""
    limits = days.span_s(day, day)
    found: _Found = {
        interval: reader.series([meter.id for meter in meters], registers, interval, (day, day))
        for interval, registers in intervals(meter.duty for meter in meters).items()
    }
    counted = {}
    for meter in meters:
        expected, got = _counts(meter, found, limits, int(now.timestamp()))
        for series, count in expected.items():
            counted[HoleKey(meter.id, day, *series)] = (count, got[series])
    return counted


def _energies(
    reader: Reader, dated: Dated, days: Days, ids: Sequence[int], day: date
) -> dict[int, list[int | None]]:
    """Energy of the days before and of the day itself by freezes, the day last."""
    first = day - timedelta(days=HISTORY_DAYS)
    frozen = reader.series(ids, [ENERGY], DAY_INTERVAL_S, (first - timedelta(days=1), day))
    grid = np.array(
        [days.start_s(first + timedelta(days=n)) for n in range(HISTORY_DAYS + 2)], "<i8"
    )
    found = {}
    for meter_id in ids:
        whole = dated.continued(meter_id, ENERGY, frozen.get((meter_id, ENERGY), EMPTY))
        values = on_grid(whole, grid)
        found[meter_id] = [difference(before, after) for before, after in pairwise(values)]
    return found


def _walks(
    meter: ArchiveMeter, found: _Found, dated: Dated, limits: tuple[int, int]
) -> tuple[
    dict[tuple[Register, int], Walk],
    dict[tuple[Register, int], Walk],
    dict[tuple[Register, int], int],
]:
    """Cumulative series, other series, and how many values lie beside the grid."""
    walks, instants, beside = {}, {}, {}
    for one in owed(meter.duty):
        series = found[one.interval_s].get((meter.id, one.register), EMPTY)
        key = (one.register, one.interval_s)
        grid = _grid(limits, one.interval_s)
        if describe(one.register).cumulative:
            whole = dated.continued(meter.id, one.register, series)
            walks[key] = Walk.of(grid, on_grid(whole, grid))
        else:  # the next midnight is the next day's
            instants[key] = Walk.of(grid[:-1], on_grid(series, grid[:-1]))
        inside = series.between(*limits).at if one.interval_s != DAY_INTERVAL_S else EMPTY.at
        if count := int(np.count_nonzero((inside - limits[0]) % one.interval_s)):
            beside[key] = count
    return walks, instants, beside


def _grid(limits: tuple[int, int], interval_s: int) -> Numbers:
    start_s, stop_s = limits
    if interval_s == DAY_INTERVAL_S:  # 23 to 25 hours apart
        return np.array(limits, "<i8")
    return np.arange(start_s, stop_s + 1, interval_s, dtype="<i8")


def _counts(
    meter: ArchiveMeter, found: _Found, limits: tuple[int, int], now_s: int
) -> tuple[dict[tuple[Register, int], int], dict[tuple[Register, int], int]]:
    """What each series owes, and what of it was measured."""
    expected, got = {}, {}
    for one in owed(meter.duty):
        key = (one.register, one.interval_s)
        moments = due(one.interval_s, limits, now_s)
        series = found[one.interval_s].get((meter.id, one.register), EMPTY)
        measured = series.at[series.quality >= Quality.SUBSTITUTED]
        expected[key] = len(moments)
        got[key] = _common(moments, measured)
    return expected, got


def _common(moments: Numbers, measured: Numbers) -> int:
    """How many of the moments are among those that were measured; both in order."""
    if not len(measured):
        return 0
    places = np.minimum(np.searchsorted(measured, moments), len(measured) - 1)
    return int(np.count_nonzero(measured[places] == moments))


def _conflicts(
    connection: Connection, ids: Collection[int], number: int
) -> dict[int, dict[tuple[Register, int], int]]:
    table = schema.day_vector
    rows = connection.execute(
        select(table.c.meter_id, table.c.register, table.c.interval_s, func.sum(table.c.present))
        .where(table.c.meter_id.in_(ids), table.c.day == number, table.c.version > 0)
        .group_by(table.c.meter_id, table.c.register, table.c.interval_s)
    )
    found: dict[int, dict[tuple[Register, int], int]] = {}
    for meter_id, register, interval_s, count in rows:
        found.setdefault(meter_id, {})[Register(register), interval_s] = int(count)
    return found


def _exchanged(
    connection: Connection, ids: Collection[int], limits: tuple[int, int]
) -> frozenset[int]:
    table = schema_archive.meter_exchange
    first, last = (datetime.fromtimestamp(each, tz=UTC) for each in limits)
    rows = connection.execute(
        select(table.c.meter_id).where(
            table.c.meter_id.in_(ids), table.c.at >= first, table.c.at < last
        )
    )
    return frozenset(row.meter_id for row in rows)


def _whole(text: str, otherwise: int) -> int:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return otherwise
    return int(number) if number.is_finite() and number >= 1 else otherwise
