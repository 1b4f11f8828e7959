"""Every question that pages and API ask of the store, answered from day vectors and journal as one."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from operator import attrgetter
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, select

from kwhub.catalog.registers import describe
from kwhub.domain.errors import LocalError
from kwhub.domain.readings import CURVE_INTERVAL_S, DAY_INTERVAL_S, INSTANT, Register
from kwhub.headend.analysis.consumption import differences, steps
from kwhub.headend.analysis.loss import Loss
from kwhub.headend.quality.expect import ENERGY, Moments
from kwhub.headend.store import archive_rows, schema
from kwhub.headend.store.answers import drawn, kwh, latest_row, meter_row
from kwhub.headend.store.bundles import table_of
from kwhub.headend.store.database import Database
from kwhub.headend.store.days import Days
from kwhub.headend.store.doubles import stored_twice
from kwhub.headend.store.figures import MeterFigures, day_figures, on_grid
from kwhub.headend.store.losses import loss_of_day, loss_so_far
from kwhub.headend.store.many import among
from kwhub.headend.store.read import Reader
from kwhub.headend.store.schema import from_micro
from kwhub.headend.store.vectors import EMPTY, Series
from kwhub.headend.store.views import (
    AreaSummary,
    Completeness,
    ConflictRow,
    CurveData,
    DayConsumption,
    Drawn,
    IntervalConsumption,
    LatestRow,
    MeterDetail,
    MissingMeter,
    Page,
    SessionRow,
    TerminalRow,
    UnknownRow,
)

__all__ = ["POINTS_MAX", "Queries"]

POINTS_MAX = 100_000
"""Most points of one curve: three years of quarter hours are 105,120, and no screen shows them."""

_SORTS = frozenset(
    {
        *("address", "name", "point", "terminal", "kind", "phases"),
        *("expected", "got", "last_energy", "last_energy_at", "day_kwh"),
    }
)
"""Columns of a list of meters that it can be sorted by."""


class Queries:
    """Read-only questions; every one is answered from a single snapshot. Safe in any thread.

    All raise StoreError when the database does not answer.
    """

    def __init__(self, database: Database, days: Days, now: Callable[[], datetime]) -> None:
        """Answer from ``database``, for the zone of ``days``; ``now`` tells the present, aware."""
        self._database = database
        self._days = days
        self._now = now

    def reading(self) -> AbstractContextManager[Connection]:
        """A snapshot for questions that a part of the head-end asks by itself. Raises StoreError."""
        return self._database.read()

    def areas(self, day: date, only: Collection[int] | None = None) -> list[AreaSummary]:
        """Every area on one day, or ``only`` some, by code. Of a day that is not over, the figures so far."""
        with self._database.read() as connection:
            reader = Reader(connection, self._days)
            table = schema.area
            query = select(table).where(table.c.active).order_by(table.c.code)
            if only is not None:
                query = query.where(among(connection, table.c.id, sorted(only)))
            areas = connection.execute(query).all()
            meters = archive_rows.served(connection, self._days.start(day), only)
            figures = self._figures(reader, meters, (day, day))
            by_area = self._by_area(reader, meters, day)
            return [
                self._area(reader, area, by_area.get(area.id, []), figures, day) for area in areas
            ]

    def area_days(self, area_id: int, first: date, last: date) -> list[AreaSummary]:
        """One area on every day from ``first`` to ``last``, both inclusive; empty when there is none."""
        with self._database.read() as connection:
            reader = Reader(connection, self._days)
            area = connection.execute(
                select(schema.area).where(schema.area.c.id == area_id)
            ).one_or_none()
            if area is None:
                return []
            meters = archive_rows.served(connection, self._days.start(first), [area_id])
            figures = self._figures(reader, meters, (first, last))
            days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
            found = []
            for day in days:
                own = self._by_area(reader, meters, day).get(area_id, [])
                found.append(self._area(reader, area, own, figures, day))
            return found

    def meters(  # noqa: PLR0913  the filter bar of a list
        self,
        area_id: int,
        *,
        day: date,
        search: str = "",
        sort: str = "address",
        descending: bool = False,
        limit: int = 50,
        offset: int = 0,
    ) -> Page:
        """A page of the meters that were in an area on a day. What is not known comes last in either order.

        Raises:
            LocalError: there is no such column to sort by.
        """
        if sort not in _SORTS:
            raise LocalError(f"cannot sort by {sort!r}; known are {', '.join(sorted(_SORTS))}")
        with self._database.read() as connection:
            reader = Reader(connection, self._days)
            there = archive_rows.served(connection, self._days.start(day), [area_id])
            text = search.strip().lower()
            found = [
                each
                for each in self._by_area(reader, there, day).get(area_id, [])
                if text in each.address or text in each.name.lower()
            ]
            figures = self._figures(reader, found, (day, day))
            latest = reader.latest([meter.id for meter in found])
        rows = [
            meter_row(meter, figures[meter.id, day], latest.get(meter.id, [])) for meter in found
        ]
        key = attrgetter(sort)
        known = [row for row in rows if key(row) is not None]
        known.sort(key=lambda row: (key(row), row.address), reverse=descending)
        ordered = known + [row for row in rows if key(row) is None]
        return Page(ordered[offset : offset + limit], len(ordered))

    def meter(self, meter_id: int) -> MeterDetail | None:
        """One meter with its place, None when there is none of this number."""
        with self._database.read() as connection:
            return archive_rows.meter_detail(connection, meter_id)

    def latest(self, meter_id: int) -> list[LatestRow]:
        """The newest value of every series of a meter, by register and interval."""
        with self._database.read() as connection:
            found = Reader(connection, self._days).latest([meter_id]).get(meter_id, [])
        return [latest_row(one) for one in found]

    def curve(
        self,
        meter_id: int,
        register: Register,
        start: datetime,
        end: datetime,
        interval_s: int = CURVE_INTERVAL_S,
    ) -> CurveData:
        """A register from ``start`` (inclusive) to ``end`` (exclusive), both aware.

        A day freeze stands at the end of its day; values read on demand (interval 0) stand where
        they were read, without a grid.

        Raises:
            LocalError: an unknown register, or too many points.
        """
        info = describe(register)
        series, moments = self._on_grid(meter_id, register, start, end, interval_s)
        values = [
            None if value is None else from_micro(value, info.decimals)
            for value in on_grid(series, moments)
        ]
        times = [datetime.fromtimestamp(at, UTC) for at in moments.tolist()]
        return CurveData(register, info.unit, interval_s, times, values)

    def drawn(
        self,
        meter_id: int,
        register: Register,
        start: datetime,
        end: datetime,
        interval_s: int = CURVE_INTERVAL_S,
    ) -> Drawn:
        """The same for a chart. Raises LocalError as ``curve`` does."""
        series, moments = self._on_grid(meter_id, register, start, end, interval_s)
        values, known = table_of([series], moments)
        return drawn(moments, values[0], known[0])

    def interval_consumption(
        self, meter_id: int, start: datetime, end: datetime
    ) -> list[IntervalConsumption]:
        """Energy of every quarter hour from ``start`` to ``end``; None where an end of it is missing."""
        series, moments = self._continued(meter_id, start, end)
        used = steps(on_grid(series, moments))
        return [
            IntervalConsumption(datetime.fromtimestamp(int(at), UTC), kwh(micro))
            for at, micro in zip(moments[:-1], used, strict=True)
        ]

    def drawn_consumption(self, meter_id: int, start: datetime, end: datetime) -> Drawn:
        """Energy of every quarter hour in kWh, for a chart; see ``interval_consumption``."""
        series, moments = self._continued(meter_id, start, end)
        values, known = table_of([series], moments)
        used, found = differences(values[0], known[0])
        return drawn(moments[:-1], used, found)

    def daily(self, meter_id: int, first: date, last: date) -> list[DayConsumption]:
        """Energy of every day from ``first`` to ``last``, both inclusive."""
        with self._database.read() as connection:
            found = archive_rows.meters(connection, meter_id=meter_id)
            figures = self._figures(Reader(connection, self._days), found, (first, last))
        return [
            DayConsumption(
                day,
                kwh(one.energy.micro),
                complete=one.got == one.expected and self._over(day),
                source=one.energy.source,
                reconciles=one.energy.reconciles,
            )
            for (_, day), one in sorted(figures.items())
        ]

    def completeness(self, first: date, last: date) -> Completeness:
        """What should be there and what is, over all meters and some days, both inclusive.

        Repeats and conflicts are counted when the journal is packed.
        """
        with self._database.read() as connection:
            reader = Reader(connection, self._days)
            figures = self._figures(reader, archive_rows.meters(connection), (first, last))
            tallies = archive_rows.tallies(connection, map(self._days.number, (first, last)))
            return Completeness(
                expected=sum(one.expected for one in figures.values()),
                got=sum(one.got for one in figures.values()),
                duplicates=stored_twice(connection, self._days, (first, last)),
                repeated=tallies.get("repeated", 0),
                conflicts=tallies.get("conflict", 0),
            )

    def conflicts(self, first: date, last: date) -> list[ConflictRow]:
        """Values that differ from the measurement that counts and are kept beside it."""
        with self._database.read() as connection:
            return archive_rows.conflicts(connection, self._days, (first, last))

    def terminals(self) -> list[TerminalRow]:
        """Every terminal of the archive, by region and number."""
        with self._database.read() as connection:
            return archive_rows.terminals(connection)

    def sessions(self, limit: int = 50) -> list[SessionRow]:
        """The newest connections, also of terminals that were turned away."""
        with self._database.read() as connection:
            return archive_rows.sessions(connection, limit)

    def unknown(self, limit: int = 50) -> list[UnknownRow]:
        """Data without a place, the newest first."""
        with self._database.read() as connection:
            return archive_rows.unknown(connection, limit)

    def _figures(
        self, reader: Reader, meters: Sequence[archive_rows.ArchiveMeter], span: tuple[date, date]
    ) -> dict[tuple[int, date], MeterFigures]:
        duties = {meter.id: meter.duty for meter in meters}
        return day_figures(reader, self._days, duties, span, self._now())

    def _by_area(
        self, reader: Reader, meters: Sequence[archive_rows.ArchiveMeter], day: date
    ) -> dict[int, list[archive_rows.ArchiveMeter]]:
        """Meters by the area in which they were when a day began; without those that were out of service."""
        start_s, number = self._days.start_s(day), self._days.number(day)
        dated = reader.dated([meter.id for meter in meters])
        found: dict[int, list[archive_rows.ArchiveMeter]] = {}
        for meter in meters:
            if meter.since_day is not None and number < meter.since_day:
                continue
            area = dated.area(meter.id, start_s, meter.area_id)
            if area is not None:
                found.setdefault(area, []).append(meter)
        return found

    def _area(
        self,
        reader: Reader,
        area: Row[Any],
        meters: Sequence[archive_rows.ArchiveMeter],
        figures: Mapping[tuple[int, date], MeterFigures],
        day: date,
    ) -> AreaSummary:
        own = [figures[meter.id, day] for meter in meters]
        expected, got = sum(one.expected for one in own), sum(one.got for one in own)
        until, loss = self._loss(reader, meters, own, day)
        missing = tuple(
            MissingMeter(meter.id, meter.address, meter.name, meter.kind)
            for meter in meters
            if meter.id in loss.missing
        )
        return AreaSummary(
            id=area.id,
            code=area.code,
            name=area.name,
            name_zh=area.name_zh,
            meters=len(meters),
            expected=expected,
            got=got,
            read_rate=got / expected if expected else None,
            supply_kwh=loss.supply_kwh,
            sold_kwh=loss.sold_kwh,
            loss_kwh=loss.loss_kwh,
            loss_percent=loss.loss_percent,
            missing=missing,
            until=until,
        )

    def _loss(
        self,
        reader: Reader,
        meters: Sequence[archive_rows.ArchiveMeter],
        figures: Sequence[MeterFigures],
        day: date,
    ) -> tuple[datetime | None, Loss]:
        """Loss of a day that is over, or up to the newest moment that every meter has reached."""
        start_s, stop_s = self._days.span_s(day, day)
        if self._over(day):
            return datetime.fromtimestamp(stop_s, UTC), loss_of_day(meters, figures)
        until, loss = loss_so_far(reader, meters, self._days.number(day), start_s)
        return None if until is None else datetime.fromtimestamp(until, UTC), loss

    def _over(self, day: date) -> bool:
        return self._days.span_s(day, day)[1] <= self._now().timestamp()

    def _series(
        self, meter_id: int, register: str, start: datetime, end: datetime, interval_s: int
    ) -> Series:
        one_day = timedelta(days=1)
        span = (self._days.of(start) - one_day, self._days.of(end))
        with self._database.read() as connection:
            reader = Reader(connection, self._days)
            found = reader.series([meter_id], [register], interval_s, span)
        return found.get((meter_id, register), EMPTY)

    def _on_grid(
        self, meter_id: int, register: str, start: datetime, end: datetime, interval_s: int
    ) -> tuple[Series, Moments]:
        """A series and the moments at which it is looked at."""
        series = self._series(meter_id, register, start, end, interval_s)
        limits = (_seconds(start), _seconds(end))
        if interval_s == INSTANT:
            return series, series.between(*limits).at
        return series, self._grid(limits, interval_s)

    def _continued(self, meter_id: int, start: datetime, end: datetime) -> tuple[Series, Moments]:
        """Energy as if one meter had counted, and the ends of every quarter hour."""
        series = self._series(meter_id, ENERGY, start, end, CURVE_INTERVAL_S)
        with self._database.read() as connection:
            dated = Reader(connection, self._days).dated([meter_id])
        moments = self._grid((_seconds(start), _seconds(end) + 1), CURVE_INTERVAL_S)
        return dated.continued(meter_id, ENERGY, series), moments

    def _grid(self, limits: tuple[int, int], interval_s: int) -> Moments:
        """Moments of a series from the first limit (inclusive) to the second (exclusive)."""
        start_s, stop_s = limits
        if interval_s < 1 or (stop_s - start_s) // interval_s > POINTS_MAX:
            raise LocalError(f"at most {POINTS_MAX} points, and an interval of at least a second")
        if interval_s == DAY_INTERVAL_S:
            first = self._days.of(datetime.fromtimestamp(start_s, UTC))
            count = (stop_s - start_s) // DAY_INTERVAL_S + 2
            midnights = self._days.starts_s(self._days.number(first) + np.arange(count))
            return midnights[(midnights >= start_s) & (midnights < stop_s)]
        first, last = (self._days.of(datetime.fromtimestamp(at, UTC)) for at in limits)
        # From each midnight on: a zone may be half an hour away from the hours of UTC.
        starts = self._days.starts_s(self._days.number(first) + np.arange((last - first).days + 2))
        if not (np.diff(starts) % interval_s).any():
            starts = starts[[0, -1]]  # every day has whole intervals
        found = [
            np.arange(begin, end, interval_s, dtype="<i8")
            for begin, end in pairwise(starts.tolist())
        ]
        moments = np.concatenate(found)
        return moments[(moments >= start_s) & (moments < stop_s)]


def _seconds(moment: datetime) -> int:
    """Whole seconds since 1970, rounded up."""
    return -int(-moment.timestamp() // 1)
