"""Keeps figures of areas by day, so that a page of a large fleet need not unpack the readings of every meter.

Who changes readings notes the area and the day in the same transaction (`kwhub.headend.store.stale`); the keeper computes
the figures of these anew, those of today besides when they are old, and all that the archive says otherwise about. A
mark goes only when nothing was noted since the figures were computed, so that none of them stays wrong.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from itertools import groupby
from typing import TypeAlias

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, func, select

from kwhub.headend.quality.expect import GRACE_S
from kwhub.headend.store import archive_rows, schema
from kwhub.headend.store.area_days import columns_of
from kwhub.headend.store.database import Database, upsert
from kwhub.headend.store.dated import Dated
from kwhub.headend.store.days import Days
from kwhub.headend.store.overview import SILENT_AFTER, silent_since
from kwhub.headend.store.queries import Queries
from kwhub.headend.store.schema import day_number, local_date
from kwhub.headend.store.schema_archive import archive_state
from kwhub.headend.store.schema_figures import area_day, area_silence, area_stale

__all__ = ["KEPT_DAYS", "LONGEST_KEPT", "TODAY_AGE", "Keeper"]

KEPT_DAYS = 8
"""Days that have figures even when nothing arrives: today and a week."""

MENDED_DAYS = 45
"""Days whose figures follow a change of the archive; older ones are forgotten then, and computed when asked for."""

TODAY_AGE = timedelta(minutes=15)
"""Age at which figures of a day that is not over are computed anew, whatever has arrived."""

AREAS_AT_ONCE = 40
"""Areas of one transaction."""

LONGEST_KEPT = 10
"""Meters of each area that are named as silent."""

_ONE_DAY = timedelta(days=1)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

AreaDay: TypeAlias = tuple[int, int]
"""Day number and area."""


class Keeper:
    """Every method may be called from one thread at a time, and raises StoreError."""

    def __init__(
        self, database: Database, days: Days, now: Callable[[], datetime], *, above: int = 0
    ) -> None:
        """Work on ``database``, for the zone of ``days``; ``now`` tells the present, aware.

        Of a fleet of at most ``above`` meters nothing is kept: pages compute its figures themselves.
        """
        self._database = database
        self._above = above
        self._days = days
        self._now = now
        self._queries = Queries(database, days, now)
        self._version: int | None = None
        self._stamps: dict[int, int] = {}

    def refresh(self) -> int:
        """Compute what is stale, the newest day first; how many areas and days that were."""
        if self._few():
            return 0
        self._compare_archive()
        count = 0
        for number, areas in groupby(self._due(), key=lambda each: each[0][0]):
            marks = {area: marks for (_, area), marks in areas}
            for part in _portions(sorted(marks)):
                self._compute(local_date(number), {area: marks[area] for area in part})
            count += len(marks)
        self._listen()
        return count

    def _few(self) -> bool:
        with self._database.read() as connection:
            count = select(func.count()).select_from(schema.meter)
            return bool(connection.execute(count).scalar_one() <= self._above)

    def _compute(self, day: date, marks: Mapping[int, int]) -> None:
        """Figures of some areas on one day; ``marks`` says how often each was noted by now."""
        at = self._now()
        found = self._queries.areas(day, only=marks)
        number = day_number(day)
        rows = [
            {"day": number, "at": at, "stamp": self._stamps.get(row["area_id"], 0), **row}
            for row in columns_of(found)
        ]
        gone = set(marks) - {each.id for each in found}
        with self._database.write() as connection:
            upsert(connection, area_day, rows)
            _delete(connection, area_day, [{"of_day": number, "of_area": each} for each in gone])
            done = [
                {"of_day": number, "of_area": area, "times": times}
                for area, times in marks.items()
                if times
            ]
            _delete(connection, area_stale, done, area_stale.c["count"] == bindparam("times"))

    def _due(self) -> list[tuple[AreaDay, int]]:
        """Days and areas whose figures are wrong or too old, with how often each was noted; the newest day first."""
        now = self._now()
        today = self._days.of(now)
        with self._database.read() as connection:
            areas = connection.execute(select(schema.area.c.id).where(schema.area.c.active))
            numbers = list(areas.scalars())
            first = self._first(connection, today)
            limit = area_stale.c.day <= day_number(today)
            columns = (area_stale.c.day, area_stale.c.area_id, area_stale.c["count"])
            noted = connection.execute(select(*columns).where(limit))
            due = {(day, area): int(times) for day, area, times in noted}
            kept = {
                (row.day, row.area_id): row.at
                for row in connection.execute(
                    select(area_day.c.day, area_day.c.area_id, area_day.c.at).where(
                        area_day.c.day >= day_number(first)
                    )
                )
            }
        for n in range((today - first).days + 1):
            day = first + n * _ONE_DAY
            since = self._valid_since(day, now)
            for area in numbers:
                at = kept.get((day_number(day), area))
                if at is None or at < since:
                    due.setdefault((day_number(day), area), 0)
        return sorted(due.items(), key=lambda each: (-each[0][0], each[0][1]))

    def _first(self, connection: Connection, today: date) -> date:
        """The first day of which figures are kept although nothing has arrived."""
        began = schema.terminal.c.first_connected_at
        found = connection.execute(select(func.min(began, type_=began.type))).scalar_one()
        earliest = today if found is None else min(today, self._days.of(found))
        return max(earliest, today - (KEPT_DAYS - 1) * _ONE_DAY)

    def _valid_since(self, day: date, now: datetime) -> datetime:
        """Figures of a day that were computed before this moment are too old."""
        over = self._days.start(day + _ONE_DAY)
        settled = over + timedelta(seconds=GRACE_S)
        if now >= settled:
            return settled
        return max(over, now - TODAY_AGE) if now >= over else now - TODAY_AGE

    def _compare_archive(self) -> None:
        """Note every day of an area of whose meters the archive says something else by now."""
        with self._database.read() as connection:
            version = connection.execute(select(archive_state.c.version)).scalar_one()
            if version == self._version:
                return
            stamps = _stamps(connection)
            kept = connection.execute(select(area_day.c.area_id, area_day.c.stamp).distinct())
            changed = {row.area_id for row in kept if row.stamp != stamps.get(row.area_id, 0)}
        self._stamps = stamps
        first = day_number(self._days.of(self._now()) - MENDED_DAYS * _ONE_DAY)
        for part in _portions(sorted(changed)):
            with self._database.write() as connection:
                self._note(connection, part, first)
        self._version = version

    def _note(self, connection: Connection, areas: Sequence[int], first: int) -> None:
        query = select(area_day.c.day, area_day.c.area_id, area_day.c.stamp).where(
            area_day.c.area_id.in_(areas)
        )
        wrong = [
            (row.day, row.area_id)
            for row in connection.execute(query)
            if row.stamp != self._stamps.get(row.area_id, 0)
        ]
        old = [{"of_day": day, "of_area": area} for day, area in wrong if day < first]
        _delete(connection, area_day, old)
        rows = [{"day": day, "area_id": area, "count": 1} for day, area in wrong if day >= first]
        upsert(connection, area_stale, rows, add="count")

    def _listen(self) -> None:
        """Count the silent meters of every area, when that was not done lately."""
        now = self._now()
        with self._database.read() as connection:
            column = area_silence.c.at
            newest = connection.execute(select(func.max(column, type_=column.type))).scalar_one()
            if newest is not None and now - newest < TODAY_AGE:
                return
            areas = list(connection.execute(select(schema.area.c.id)).scalars())
            silent = silent_since(connection, self._days, now - SILENT_AFTER)
        by_area: dict[int, list[tuple[int, int | None]]] = defaultdict(list)
        for meter_id, (area_id, at) in silent.items():
            by_area[area_id].append((meter_id, at))
        rows = []
        for area in areas:
            own = sorted(by_area[area], key=lambda each: (each[1] or 0, each[0]))
            longest = json.dumps(own[:LONGEST_KEPT], separators=(",", ":"))
            rows.append({"area_id": area, "at": now, "silent": len(own), "longest": longest})
        with self._database.write() as connection:
            upsert(connection, area_silence, rows)


def _portions(areas: Sequence[int]) -> Iterator[Sequence[int]]:
    return (areas[at : at + AREAS_AT_ONCE] for at in range(0, len(areas), AREAS_AT_ONCE))


def _delete(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, int]],
    *also: ColumnElement[bool],
) -> None:
    """Delete rows by ``of_day`` and ``of_area``."""
    if rows:
        own = (table.c.day == bindparam("of_day"), table.c.area_id == bindparam("of_area"))
        connection.execute(delete(table).where(*own, *also), rows)


def _stamps(connection: Connection) -> dict[int, int]:
    """A number for every area that is another one as soon as its figures may be."""
    meters = archive_rows.served(connection, _BEGINNING)  # those of former days as well
    dated = Dated.load(connection, [each.id for each in meters])
    histories = dated.histories()
    told: dict[int, list[tuple[object, ...]]] = defaultdict(list)
    for each in meters:
        facts = (each.kind, each.ratio, each.duty, each.since_day)
        own = (each.id, *facts, *histories.get(each.id, ()))
        for area in {each.area_id} | dated.areas(each.id):
            told[area].append(own)
    return {
        area: int.from_bytes(blake2b(repr(sorted(every, key=str)).encode(), digest_size=7).digest())
        for area, every in told.items()
    }
