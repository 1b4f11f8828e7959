"""The ledger: for every point, day and series what should have been read, what came, and why not the rest.

Nothing is counted twice and nothing is taken for granted: a planned value is in the store, or it is a gap with a
cause, or its moment lies after what has been settled. What is none of these is told as ``unknown``, and means a
fault of this program.

A day has the curve and hourly values of its moments from midnight (inclusive) to midnight, and the day freeze that
was taken at its end.

The file is only read; a running service may have it open.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from pathlib import Path
from typing import Any, NamedTuple, Self

from kwhub.concentrator.database import BUSY_TIMEOUT_S, Connection, Database, StoreError
from kwhub.concentrator.ledger_causes import Cause
from kwhub.concentrator.migrations import MIGRATIONS
from kwhub.concentrator.outbox import FORGOTTEN
from kwhub.concentrator.outbox_rows import Duty, Slot
from kwhub.concentrator.times import aligned, midnight
from kwhub.domain.readings import DAY_INTERVAL_S

__all__ = ["LedgerBook", "LedgerLine", "Missing", "Outline", "open_to_read"]

CLOCK_WRONG_S = 60.0
"""A clock that is further off stores its records under other moments than ours."""

CLOCK_NEAR_S = 86_400
"""A look at a clock says something about a record that is no further away."""


class Missing(NamedTuple):
    """A planned value that is not there."""

    slot: Slot
    state: str  #: ``open``: may still come; ``lost``: for good
    cause: Cause
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One point, day and series."""

    point: int
    day: date
    series: str
    expected: int
    got: int
    missing: tuple[Missing, ...]

    @property
    def open(self) -> int:
        """Values that may still come."""
        return sum(each.state == "open" for each in self.missing)

    @property
    def lost(self) -> int:
        """Values that are lost for good."""
        return sum(each.state == "lost" for each in self.missing)

    @property
    def causes(self) -> Mapping[Cause, int]:
        """How many are missing for each cause."""
        return Counter(each.cause for each in self.missing)


class Outline(NamedTuple):
    """Some lines in one."""

    expected: int
    got: int
    causes: Mapping[Cause, int]

    @classmethod
    def of(cls, lines: Iterable[LedgerLine]) -> Self:
        """Sum of lines."""
        expected = got = 0
        causes: Counter[Cause] = Counter()
        for line in lines:
            expected += line.expected
            got += line.got
            causes.update(line.causes)
        return cls(expected, got, causes)

    @property
    def completeness(self) -> float:
        """Part of what was expected that came; 1.0 when nothing was."""
        return self.got / self.expected if self.expected else 1.0


class _Known(NamedTuple):
    """What is told of a point once."""

    progress: Mapping[str, int]
    is_silent: bool
    drifts: tuple[tuple[int, float], ...]


class LedgerBook:
    """Answers from one store. Every method may raise StoreError."""

    def __init__(self, database: Database, zone: tzinfo) -> None:
        self._database = database
        self._zone = zone

    def lines(
        self, first: date, last: date, now: int, points: Iterable[int] = ()
    ) -> Iterator[LedgerLine]:
        """One line for each point, series and day, in this order.

        Args:
            first: calendar day of the site.
            last: the same; included.
            now: seconds since 1970 UTC; nothing later is expected.
            points: only these; all when there are none.
        """
        wanted = frozenset(points)
        duties: dict[tuple[int, str], list[Duty]] = {}
        for row in self._rows("SELECT point, series, register, interval_s, since FROM duty"):
            if not wanted or row[0] in wanted:
                duties.setdefault(row[:2], []).append(Duty(*row))
        start = max(
            (value for (value,) in self._rows("SELECT value FROM state WHERE name = ?", FORGOTTEN)),
            default=0,
        )
        known: dict[int, _Known] = {}
        for (point, _), rows in sorted(duties.items()):
            about = known.get(point) or known.setdefault(point, self._known(point))
            day = first
            while day <= last:
                line = self._line(day, rows, about, (start, now))
                if line.expected:
                    yield line
                day += timedelta(days=1)

    def days(self) -> tuple[int, int] | None:
        """From when on values are wanted, and up to when they are settled; seconds since 1970 UTC."""
        (row,) = self._rows("SELECT min(since), (SELECT max(until) FROM progress) FROM duty")
        return None if None in row else row

    def drift(self, point: int) -> list[tuple[int, float]]:
        """Every look at a meter's clock: seconds since 1970 UTC, and meter minus ours in s."""
        return self._rows("SELECT at, error_s FROM drift WHERE point = ? ORDER BY at", point)

    def _known(self, point: int) -> _Known:
        return _Known(
            dict(self._rows("SELECT series, until FROM progress WHERE point = ?", point)),
            bool(
                self._rows(
                    "SELECT 1 FROM meter WHERE point = ? AND silent_since IS NOT NULL", point
                )
            ),
            tuple(self.drift(point)),
        )

    def _line(
        self, day: date, duties: list[Duty], known: _Known, bounds: tuple[int, int]
    ) -> LedgerLine:
        point, series, _, interval_s, _ = duties[0]
        begin, end = (midnight(day + timedelta(days=n), self._zone) for n in (0, 1))
        if interval_s == DAY_INTERVAL_S:
            moments: tuple[int, ...] = (end,)
        else:
            moments = tuple(aligned(begin - 1, end - 1, interval_s, self._zone))
        moments = tuple(at for at in moments if bounds[0] <= at <= bounds[1])
        gaps = self._gaps(point, interval_s, moments)
        expected = got = 0
        missing: list[Missing] = []
        for duty in duties:
            there = self._there(duty, moments)
            mine = {at: gap for (register, at), gap in gaps.items() if register == duty.register}
            wanted = {at for at in moments if at > duty.since} | there | mine.keys()
            expected += len(wanted)
            got += len(there)
            for at in sorted(wanted - there):
                slot = Slot(point, duty.register, interval_s, at)
                missing.append(self._missing(slot, mine.get(at), series, known))
        return LedgerLine(point, day, series, expected, got, tuple(missing))

    def _gaps(
        self, point: int, interval_s: int, moments: tuple[int, ...]
    ) -> dict[tuple[str, int], tuple[str, str, int]]:
        if not moments:
            return {}
        sql = (
            "SELECT register, at, state, cause, attempts FROM gap"
            " WHERE point = ? AND interval_s = ? AND at >= ? AND at <= ?"
        )
        rows = self._rows(sql, point, interval_s, moments[0], moments[-1])
        return {row[:2]: row[2:] for row in rows}

    def _there(self, duty: Duty, moments: tuple[int, ...]) -> set[int]:
        if not moments:
            return set()
        sql = (
            "SELECT at FROM reading WHERE point = ? AND register = ? AND interval_s = ?"
            " AND at >= ? AND at <= ?"
        )
        span = (moments[0], moments[-1])
        return {
            row[0] for row in self._rows(sql, duty.point, duty.register, duty.interval_s, *span)
        }

    def _missing(
        self, slot: Slot, gap: tuple[str, str, int] | None, series: str, known: _Known
    ) -> Missing:
        if gap is None:
            until = known.progress.get(series)
            if until is not None and slot.at <= until:
                return Missing(slot, "open", Cause.UNKNOWN)
            return Missing(slot, "open", Cause.SILENT if known.is_silent else Cause.NOT_YET)
        state, word, attempts = gap
        cause = Cause(word)
        if cause is Cause.ABSENT and state == "lost" and _was_wrong(known.drifts, slot.at):
            cause = Cause.CLOCK
        return Missing(slot, state, cause, attempts)

    def _rows(self, sql: str, *values: object) -> list[Any]:
        return self._database.rows(sql, values)


def _was_wrong(drifts: Iterable[tuple[int, float]], at: int) -> bool:
    return any(
        abs(error_s) >= CLOCK_WRONG_S and abs(read_at - at) <= CLOCK_NEAR_S
        for read_at, error_s in drifts
    )


def open_to_read(path: str) -> Database:
    """Open a store without changing it, beside a service that uses it.

    Raises:
        StoreError: it is not there, is no store, or was not brought to this version yet.
    """
    if not Path(path).is_file():
        raise StoreError(f"{path}: there is no such file")

    def opener(name: str) -> Connection:
        return sqlite3.connect(
            f"{Path(name).absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S
        )

    database = Database.to_read(path, opener=opener)
    (version,) = database.rows("PRAGMA user_version")[0]
    if version != len(MIGRATIONS):
        with closing(database):
            raise StoreError(
                f"{path} has version {version}, not {len(MIGRATIONS)};"
                " start the concentrator of this version once"
            )
    return database
