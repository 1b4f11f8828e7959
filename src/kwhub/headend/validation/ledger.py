"""The ledger of completeness: what every series of every meter owes for a day, what came, and why not the rest.

Only what is missing has a row. A day is looked at as a whole once, after it is over; after that only meter-days
that something arrived for. A hole is open until it is filled (healed) or known to stay (lost).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from kwhub.domain.errors import LocalError
from kwhub.domain.readings import Register
from kwhub.headend.people import trail
from kwhub.headend.quality.expect import GRACE_S
from kwhub.headend.store import archive_rows, schema
from kwhub.headend.store.archive_rows import ArchiveMeter
from kwhub.headend.store.database import Database, upsert
from kwhub.headend.store.days import Days
from kwhub.headend.store.read import Reader
from kwhub.headend.store.schema import day_number, local_date
from kwhub.headend.store.schema_quality import hole, ledger_day
from kwhub.headend.store.service import RETIRED, close_holes
from kwhub.headend.validation.hole_rows import holes_now, joined_holes, select_holes
from kwhub.headend.validation.meter_days import HoleKey, counts

__all__ = ["LEDGER_DAYS", "Cause", "Hole", "Ledger", "State", "refresh"]

LEDGER_DAYS = 45
"""Days that the ledger looks back when it is first made."""

METERS_AT_ONCE = 1_000
"""Meters of one transaction."""

_DAY = timedelta(days=1)

MeterDay: TypeAlias = tuple[int, int]
"""Meter and day number."""


class State(Enum):
    """What became of a hole."""

    OPEN = "open"
    HEALED = "healed"
    LOST = "lost"


class Cause(Enum):
    """Why values are missing, as far as the head-end can see; a concentrator may know better."""

    TERMINAL_OFFLINE = "terminal_offline"  #: no connection since the day began
    TERMINAL_SILENT = "terminal_silent"  #: connected, but nothing of any of its meters
    METER_SILENT = "meter_silent"  #: others behind the terminal came
    SERIES_MISSING = "series_missing"  #: other series of the meter came
    PARTIAL = "partial"  #: some moments of the series came
    METER_RETIRED = RETIRED  #: the meter was taken out of service: nobody is asked any more


@dataclass(frozen=True, slots=True)
class Hole:
    """Something that is missing, or was."""

    key: HoleKey
    address: str
    point: int
    terminal_id: int
    area_id: int
    expected: int
    got: int
    cause: str  #: a Cause, or a word of the concentrator
    state: State
    tries: int
    found_at: datetime
    next_at: datetime | None
    closed_at: datetime | None
    detail: str


class Ledger:
    """Completeness over days. Every method may be called from any thread, and raises StoreError."""

    def __init__(self, database: Database, days: Days, now: Callable[[], datetime]) -> None:
        """Work on ``database``, for the zone of ``days``; ``now`` tells the present, aware."""
        self._database = database
        self._days = days
        self._now = now

    def look(self) -> int:
        """Look at every day that is over and was not looked at; returns how many that were."""
        count = 0
        with self._database.write() as connection:  # the settings may have retired meters
            close_holes(connection, self._now())
        for day in self._unseen():
            with self._database.read() as connection:
                meters = _owing(connection, self._days, day)
            number = day_number(day)
            for start in range(0, len(meters), METERS_AT_ONCE):
                part = {(meter_id, number) for meter_id in meters[start : start + METERS_AT_ONCE]}
                with self._database.write() as connection:
                    refresh(connection, self._days, part, self._now())
            with self._database.write() as connection:
                upsert(connection, ledger_day, [{"day": number, "at": self._now()}])
            count += 1
        return count

    def holes(  # noqa: PLR0913  the filter bar of a list
        self,
        first: date,
        last: date,
        *,
        states: Collection[State] = (State.OPEN,),
        meter_id: int | None = None,
        areas: Collection[int] | None = None,
        also: Collection[ColumnElement[bool]] = (),
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[list[Hole], int]:
        """A page of holes, the newest day first, and how many there are in all.

        ``also`` holds more conditions, on the tables of holes, meters and terminals.
        """
        where: list[ColumnElement[bool]] = [
            *also,
            hole.c.day.between(day_number(first), day_number(last)),
            hole.c.state.in_([state.value for state in states]),
        ]
        if meter_id is not None:
            where.append(hole.c.meter_id == meter_id)
        with self._database.read() as connection:
            joined, area_id = joined_holes(connection, self._days)
            if areas is not None:
                where.append(area_id.in_(areas))
            total = connection.execute(
                select(func.count()).select_from(joined).where(*where)
            ).scalar_one()
            query = (
                select_holes(joined, area_id)
                .where(*where)
                .order_by(hole.c.day.desc(), schema.meter.c.address, hole.c.register)
                .limit(limit)
                .offset(offset)
            )
            return [_hole(row) for row in connection.execute(query)], int(total)

    def due(self, terminals: Collection[int], limit: int) -> list[Hole]:
        """Open holes that are to be asked for now, of some terminals, the newest first."""
        present = select_holes(holes_now(), schema.terminal.c.area_id)
        query = (
            present.where(
                hole.c.state == State.OPEN.value,
                hole.c.next_at <= self._now(),
                schema.meter.c.active,
                schema.meter.c.terminal_id.in_(terminals),
            )
            .order_by(hole.c.day.desc(), hole.c.meter_id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [_hole(row) for row in connection.execute(query)]

    def tried(
        self, keys: Iterable[HoleKey], *, cause: str, next_at: datetime | None, detail: str = ""
    ) -> None:
        """Note that holes were asked for and are still there.

        Args:
            keys: which.
            cause: what the terminal said; empty keeps the one that is known.
            next_at: when to ask again; None: it is lost for good.
            detail: in words.
        """
        with self._database.write() as connection:
            for key in keys:
                values: dict[str, Any] = {"tries": hole.c.tries + 1, "next_at": next_at}
                if cause:
                    values["cause"] = cause
                if detail:
                    values["detail"] = detail
                if next_at is None:
                    values |= {"state": State.LOST.value, "closed_at": self._now()}
                connection.execute(
                    update(hole).where(_is(key), hole.c.state == State.OPEN.value).values(**values)
                )

    def put_off(self, keys: Collection[HoleKey], next_at: datetime) -> None:
        """Ask for holes later that could not be asked for: nothing is counted."""
        with self._database.write() as connection:
            for key in keys:
                connection.execute(
                    update(hole)
                    .where(_is(key), hole.c.state == State.OPEN.value)
                    .values(next_at=next_at)
                )

    def reopen(self, key: HoleKey, *, by: str) -> None:
        """Ask for a lost hole again. Raises LocalError: there is no lost hole of this name."""
        with self._database.write() as connection:
            done = connection.execute(
                update(hole)
                .where(_is(key), hole.c.state == State.LOST.value)
                .values(state=State.OPEN.value, tries=0, next_at=self._now(), closed_at=None)
            )
            if not done.rowcount:
                raise LocalError("there is no lost hole of this name")
            subject = f"meter {key.meter_id}, {key.day}, {key.register}, {key.interval_s} s"
            trail.record(connection, by, "reopen_hole", subject, "", self._now())

    def _unseen(self) -> list[date]:
        """Days that are over, since the first terminal was connected, but for those that were looked at."""
        last = self._days.of(self._now() - timedelta(seconds=GRACE_S)) - _DAY
        first_at = schema.terminal.c.first_connected_at
        with self._database.read() as connection:
            began = connection.execute(select(func.min(first_at, type_=first_at.type))).scalar_one()
            seen = set(connection.execute(select(ledger_day.c.day)).scalars())
        if began is None:
            return []
        first = max(self._days.of(began), last - LEDGER_DAYS * _DAY)
        count = (last - first).days + 1
        days = (first + number * _DAY for number in range(count))
        return [day for day in days if day_number(day) not in seen]


def _owing(connection: Connection, days: Days, day: date) -> list[int]:
    """Meters that were there, of terminals that were connected for the first time on the day or before."""
    stop = days.start(day + _DAY)
    terminal, meter = schema.terminal, schema.meter
    known = select(terminal.c.id).where(terminal.c.first_connected_at < stop)
    begun = meter.c.since_day.is_(None) | (meter.c.since_day <= day_number(day))
    query = (
        select(meter.c.id)
        .where(meter.c.active, begun, meter.c.terminal_id.in_(known))
        .order_by(meter.c.terminal_id, meter.c.id)
    )
    return list(connection.execute(query).scalars())


def refresh(
    connection: Connection, days: Days, meter_days: Collection[MeterDay], now: datetime
) -> None:
    """Write what is missing of some meters and days that are over; what is whole now is healed.

    What came of a day before the terminal's first connection is a gift: nothing is missing of it.
    """
    wanted: dict[int, set[int]] = {}
    for meter_id, number in meter_days:
        wanted.setdefault(number, set()).add(meter_id)
    for number, ids in sorted(wanted.items()):
        ids &= set(_owing(connection, days, local_date(number)))
        meters = archive_rows.meters(connection, numbers=ids)
        _refresh_day(connection, days, local_date(number), meters, now)


def _refresh_day(
    connection: Connection, days: Days, day: date, meters: Sequence[ArchiveMeter], now: datetime
) -> None:
    ids = [meter.id for meter in meters]
    reader = Reader(connection, days, edited=False)
    found = counts(reader, days, meters, day, now)
    old = {
        HoleKey(row.meter_id, day, Register(row.register), row.interval_s): row
        for row in connection.execute(
            select(hole).where(hole.c.day == day_number(day), hole.c.meter_id.in_(ids))
        )
    }
    missing = {key: each for key, each in found.items() if each[1] < each[0]}
    causes = _causes(connection, days, day, found)
    new = [_row(key, each, causes(key), now) for key, each in missing.items() if key not in old]
    if new:
        connection.execute(insert(hole), new)
    for key, row in old.items():
        values = _changed(row, missing.get(key), now)
        if values:
            connection.execute(update(hole).where(_is(key)).values(**values))


def _changed(row: Row[Any], missing: tuple[int, int] | None, now: datetime) -> dict[str, Any]:
    """How a hole that is known changes."""
    healed = row.state == State.HEALED.value
    if missing is None:
        if healed:
            return {}
        whole = {"state": State.HEALED.value, "got": row.expected}
        return {**whole, "closed_at": now, "next_at": None}
    expected, got = missing
    if healed:  # a value was taken away, or more is owed now
        again = {"state": State.OPEN.value, "closed_at": None, "next_at": now, "tries": 0}
        return {**again, "expected": expected, "got": got}
    return {"got": got, "expected": expected} if got != row.got else {}


def _causes(
    connection: Connection,
    days: Days,
    day: date,
    found: Mapping[HoleKey, tuple[int, int]],
) -> Callable[[HoleKey], str]:
    """What the head-end itself can say about a hole of this day."""
    came = {key.meter_id for key, (_, got) in found.items() if got}
    meter, sessions, vectors = schema.meter, schema.terminal_session, schema.day_vector
    rows = connection.execute(
        select(meter.c.id, meter.c.terminal_id).where(
            meter.c.id.in_({key.meter_id for key in found})
        )
    )
    terminal_of = {row.id: row.terminal_id for row in rows}
    online = set(
        connection.execute(
            select(sessions.c.terminal_id)
            .where(
                sessions.c.terminal_id.in_(set(terminal_of.values())),
                sessions.c.ended_at.is_(None) | (sessions.c.ended_at > days.start(day)),
            )
            .distinct()
        ).scalars()
    )
    speaking = {terminal_of[each] for each in came} | set(
        connection.execute(
            select(meter.c.terminal_id)
            .join(vectors, vectors.c.meter_id == meter.c.id)
            .where(
                vectors.c.day == day_number(day),
                meter.c.terminal_id.in_(set(terminal_of.values())),
            )
            .distinct()
        ).scalars()
    )

    def cause(key: HoleKey) -> str:
        terminal: int = terminal_of[key.meter_id]
        if found[key][1]:
            return Cause.PARTIAL.value
        if key.meter_id in came:
            return Cause.SERIES_MISSING.value
        if terminal in speaking:
            return Cause.METER_SILENT.value
        seen = Cause.TERMINAL_SILENT if terminal in online else Cause.TERMINAL_OFFLINE
        return str(seen.value)

    return cause


def _row(key: HoleKey, count: tuple[int, int], cause: str, now: datetime) -> dict[str, Any]:
    return {
        "meter_id": key.meter_id,
        "day": day_number(key.day),
        "register": str(key.register),
        "interval_s": key.interval_s,
        "expected": count[0],
        "got": count[1],
        "cause": cause,
        "state": State.OPEN.value,
        "tries": 0,
        "found_at": now,
        "next_at": now,
        "closed_at": None,
        "detail": "",
    }


def _is(key: HoleKey) -> ColumnElement[bool]:
    return (
        (hole.c.meter_id == key.meter_id)
        & (hole.c.day == day_number(key.day))
        & (hole.c.register == str(key.register))
        & (hole.c.interval_s == key.interval_s)
    )


def _hole(row: Row[Any]) -> Hole:
    return Hole(
        HoleKey(row.meter_id, local_date(row.day), Register(row.register), row.interval_s),
        row.address,
        row.point,
        row.terminal_id,
        row.area_id,
        row.expected,
        row.got,
        row.cause,
        State(row.state),
        row.tries,
        row.found_at,
        row.next_at,
        row.closed_at,
        row.detail,
    )
