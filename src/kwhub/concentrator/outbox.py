"""What the concentrator has read and must still report, and what it must still read.

One file holds the readings, their place in the outbox, and the ledger of the plan: how far each
series of each meter has been read, and the gaps. A reading, the closing of its gap and the step of
the ledger are one transaction; so is the mark that a report was confirmed. Whatever moment the power
fails at, the file says either that a value was read and waits to be delivered, or that it is still
to be read.

Times are seconds since 1970 UTC; values are whole numbers with a decimal scale.
"""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Self

from kwhub.concentrator.database import Connection, Database, Opener, open_file
from kwhub.concentrator.migrations import MIGRATIONS
from kwhub.concentrator.outbox_forgotten import Forgotten, drop, not_from_the_future
from kwhub.concentrator.outbox_rows import (
    Batch,
    Counts,
    Duty,
    Entry,
    Gap,
    MeterState,
    Slot,
    from_scaled,
    to_scaled,
)
from kwhub.domain.readings import Quality, Register

__all__ = [
    "FORGOTTEN",
    "Batch",
    "Counts",
    "Duty",
    "Entry",
    "Gap",
    "MeterState",
    "Outbox",
    "Slot",
    "from_scaled",
    "to_scaled",
]

FORGOTTEN = "ledger forgotten before"
"""Name of the state that says from which moment on the ledger is whole."""

ROWS_PER_PRUNE_MAX = 10_000
"""Old rows deleted in one transaction, so that reading is not held up."""

_ENTRY = "id, point, register, interval_s, at, value, scale, received_at"

_OF_A_METER = (
    "progress",
    "duty",
    "drift",
    "clock_order",
    "meter_word",
    "meter_count",
    "abnormal",
    "forgotten",
)
"""Tables of what belongs to the meter and not to its point."""

_DELETE_GAP = "DELETE FROM gap WHERE point = ? AND register = ? AND interval_s = ? AND at = ?"


class Outbox:
    """The store. Every method is one transaction and may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.guard: Callable[[], object] | None = None  #: before adding; raises when it is full

    @property
    def database(self) -> Database:
        """The file itself, for what else is kept in it."""
        return self._database

    @classmethod
    def open(cls, path: str, *, opener: Opener = open_file) -> Self:
        """Open or create the file. Raises StoreError."""
        return cls(Database(path, MIGRATIONS, opener=opener))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def adopt(self, meters: Iterable[tuple[int, str]], now: int) -> int:
        """Make the store agree with the settings about which meter is at which point.

        Where another meter is now, the plan begins with this moment: what is before it belongs to
        the old meter, what is after it to the new one. The old one's readings stay and are still
        delivered, those from a moment after the exchange (by a wrong clock) excepted; its gaps
        are lost.

        Args:
            meters: point and address.
            now: the moment of the exchange, as far as we know it; seconds since 1970 UTC.

        Returns:
            How many meters were replaced.
        """
        known = {state.point: state.address for state in self.meters()}
        wanted = dict(meters)
        replaced = [
            point for point, address in wanted.items() if known.get(point, address) != address
        ]
        with self._database.transaction() as connection:
            rows = [(point,) for point in replaced]
            connection.executemany(
                "UPDATE gap SET state = 'lost', reason = 'the meter was replaced',"
                " cause = 'replaced'"
                " WHERE point = ? AND state = 'open'",
                rows,
            )
            connection.executemany(
                "UPDATE reading SET withheld = 'of the meter before, after it was replaced'"
                " WHERE point = ? AND at > ? AND delivered_at IS NULL AND withheld IS NULL",
                [(point, now) for point in replaced],
            )
            for table in _OF_A_METER:
                connection.executemany(f"DELETE FROM {table} WHERE point = ?", rows)  # noqa: S608
            connection.executemany(
                "UPDATE meter SET address = ?, silent_since = NULL, attempts = 0, next_try = 0,"
                " clock_error_s = NULL, clock_read_at = NULL, adopted_at = ? WHERE point = ?",
                [(wanted[point], now, point) for point in replaced],
            )
            connection.executemany(
                "INSERT INTO meter (point, address) VALUES (?, ?) ON CONFLICT DO NOTHING",
                wanted.items(),
            )
        return len(replaced)

    def dismiss(self, points: Iterable[int]) -> None:
        """Take meters that are at none of these points any more off the list of abnormal ones."""
        known = self._database.rows("SELECT DISTINCT point FROM abnormal")
        gone = {point for (point,) in known} - set(points)
        if not gone:
            return
        with self._database.transaction() as connection:
            connection.executemany(
                "DELETE FROM abnormal WHERE point = ?", [(point,) for point in sorted(gone)]
            )
            connection.executemany(
                "DELETE FROM state WHERE name LIKE 'trouble of device % at ' || ?",
                [(str(point),) for point in sorted(gone)],
            )

    def meters(self) -> list[MeterState]:
        """Every meter that was ever adopted and not replaced, by point."""
        sql = (
            "SELECT point, address, silent_since, attempts, next_try, clock_error_s, clock_read_at,"
            " adopted_at FROM meter ORDER BY point"
        )
        return [MeterState(*row) for row in self._database.rows(sql)]

    def progress(self) -> dict[tuple[int, str], int]:
        """For each point and series, the moment up to which the ledger is settled."""
        rows = self._database.rows("SELECT point, series, until FROM progress")
        return {(point, series): until for point, series, until in rows}

    def duties(self, points: Collection[int] | None = None) -> list[Duty]:
        """What is wanted since when, of some points or of all."""
        sql = f"SELECT point, series, register, interval_s, since FROM duty{_among(points)}"  # noqa: S608
        return [Duty(*row) for row in self._database.rows(sql, _listed(points))]

    def gaps(self, *, state: str = "open", points: Collection[int] | None = None) -> list[Gap]:
        """The gaps in one state of some points or of all, by point and time."""
        sql = (
            "SELECT point, register, interval_s, at, state, reason, attempts, next_try, silences,"  # noqa: S608
            f" cause FROM gap{_among(points)}{' AND' if points is not None else ' WHERE'} state = ?"
            " ORDER BY point, interval_s, at, register"
        )
        rows = self._database.rows(sql, (*_listed(points), state))
        return [Gap(Slot(*row[:4]), *row[4:]) for row in rows]

    def forgotten(self) -> dict[int, Forgotten]:
        """Up to when values of each point were kept and dropped again."""
        found: dict[int, Forgotten] = {}
        sql = "SELECT point, register, interval_s, until FROM forgotten"
        for point, register, interval_s, until in self._database.rows(sql):
            found.setdefault(point, {})[register, interval_s] = until
        return found

    def keep(self, batch: Batch) -> int:
        """Keep what a round has brought; values that are already there stay as they are.

        Returns:
            How many readings were new.
        """
        if self.guard is not None:
            self.guard()
        with self._database.transaction() as connection:
            if batch.anew:
                _undo_future(connection, batch)
            before = _total_changes(connection)
            connection.executemany(
                "INSERT INTO reading (point, register, interval_s, at, meter, value, scale, source,"
                " quality, received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (point, register, interval_s, at, meter) DO NOTHING",
                _reading_rows(batch),
            )
            new = _total_changes(connection) - before
            connection.executemany(
                _DELETE_GAP,
                batch.filled,
            )
            connection.executemany(
                "INSERT OR REPLACE INTO gap (point, register, interval_s, at, state, reason,"
                " attempts, next_try, silences, cause) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(*gap.slot, *gap[1:]) for gap in batch.gaps],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO progress (point, series, until) VALUES (?, ?, ?)",
                [(*key, until) for key, until in batch.progress.items()],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO meter (point, address, silent_since, attempts, next_try,"
                " clock_error_s, clock_read_at, adopted_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                batch.meters,
            )
            _keep_watched(connection, batch)
        return new

    def waiting(self, limit: int, *, after: int = 0) -> list[Entry]:
        """The oldest readings that the head-end has not confirmed.

        Args:
            limit: at most so many.
            after: only those with a higher id.
        """
        sql = (
            f"SELECT {_ENTRY} FROM reading WHERE delivered_at IS NULL AND withheld IS NULL"  # noqa: S608
            " AND id > ? ORDER BY id LIMIT ?"
        )
        return [Entry(*row) for row in self._database.rows(sql, (after, limit))]

    def delivered(self, ids: Sequence[int], at: int) -> None:
        """Mark readings as confirmed by the head-end at a moment (seconds since 1970 UTC)."""
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE reading SET delivered_at = ? WHERE id = ?", [(at, each) for each in ids]
            )

    def withhold(self, ids: Sequence[int], reason: str) -> None:
        """Keep readings back: the uplink has no way to say them, or the head-end denies them."""
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE reading SET withheld = ? WHERE id = ?", [(reason, each) for each in ids]
            )

    def offer_again(self, reason: str) -> int:
        """Let what was withheld for a reason wait again; how many readings."""
        if not self._database.rows("SELECT 1 FROM reading WHERE withheld = ? LIMIT 1", (reason,)):
            return 0
        with self._database.transaction() as connection:
            return connection.execute(
                "UPDATE reading SET withheld = NULL WHERE withheld = ?", (reason,)
            ).rowcount

    def last_received(self, default: int) -> int:
        """When the last reading was received (seconds since 1970 UTC), if there is any."""
        rows = self._database.rows("SELECT received_at FROM reading ORDER BY id DESC LIMIT 1")
        return rows[0][0] if rows else default

    def latest(self, point: int, register: Register, meter: str) -> Entry | None:
        """The newest reading of a register of the meter with an address, of whatever series."""
        sql = (
            f"SELECT {_ENTRY} FROM reading WHERE point = ? AND register = ? AND meter = ?"  # noqa: S608
            " ORDER BY at DESC, interval_s LIMIT 1"
        )
        rows = self._database.rows(sql, (point, register, meter))
        return Entry(*rows[0]) if rows else None

    def series(
        self, point: int, register: Register, interval_s: int, start: int, stop: int
    ) -> list[Entry]:
        """The readings of one series with ``start <= at < stop`` (seconds since 1970 UTC)."""
        sql = (
            f"SELECT {_ENTRY} FROM reading WHERE point = ? AND register = ?"  # noqa: S608
            " AND interval_s = ? AND at >= ? AND at < ? ORDER BY at"
        )
        values = (point, register, interval_s, start, stop)
        return [Entry(*row) for row in self._database.rows(sql, values)]

    def counts(self) -> Counts:
        """How full the store is."""
        sql = (
            "SELECT (SELECT count(*) FROM reading),"
            " (SELECT count(*) FROM reading WHERE delivered_at IS NULL AND withheld IS NULL),"
            " (SELECT count(*) FROM reading WHERE withheld IS NOT NULL),"
            " (SELECT count(*) FROM gap WHERE state = 'open'),"
            " (SELECT count(*) FROM gap WHERE state = 'lost')"
        )
        return Counts(*self._database.rows(sql)[0])

    def prune(self, before: int) -> int:
        """Forget what is settled since before a moment: delivered or withheld readings, lost gaps.

        What still waits to be delivered stays, however old it is.

        Returns:
            How many readings of one kind were deleted at most; call again when it is
            ``ROWS_PER_PRUNE_MAX``.
        """
        with self._database.transaction() as connection:
            bounds = (before, before, ROWS_PER_PRUNE_MAX)
            done = drop(
                connection,
                "delivered_at IS NOT NULL AND delivered_at < ? AND at < ? LIMIT ?",
                bounds,
            )
            withheld = drop(
                connection, "withheld IS NOT NULL AND received_at < ? AND at < ? LIMIT ?", bounds
            )
            connection.execute("DELETE FROM gap WHERE state = 'lost' AND at < ?", (before,))
            connection.execute("DELETE FROM drift WHERE at < ?", (before,))
            connection.execute(
                "INSERT INTO state (name, value) VALUES (?1, ?2)"
                " ON CONFLICT (name) DO UPDATE SET value = max(value, ?2)",
                (FORGOTTEN, before),
            )
        return max(done, withheld)


def _among(points: Collection[int] | None) -> str:
    return "" if points is None else " WHERE point IN (SELECT value FROM json_each(?))"


def _listed(points: Collection[int] | None) -> tuple[str, ...]:
    return () if points is None else (json.dumps(sorted(points)),)


def _total_changes(connection: Connection) -> int:
    (count,) = connection.execute("SELECT total_changes()").fetchone()
    return int(count)


def _undo_future(connection: Connection, batch: Batch) -> None:
    """Take back what a clock that was ahead has written: moments to come, and what it gave up."""
    rows = [(point, batch.received_at) for point in batch.anew]
    connection.executemany("DELETE FROM reading WHERE point = ? AND at > ?", rows)
    connection.executemany("DELETE FROM gap WHERE point = ? AND at > ?", rows)
    connection.executemany(
        "UPDATE gap SET state = 'open', attempts = 0, next_try = 0"
        " WHERE point = ?1 AND state = 'lost' AND at <= ?2"
        " AND at > (SELECT coalesce(max(adopted_at), 0) FROM meter WHERE point = ?1)",
        rows,
    )
    connection.executemany("DELETE FROM progress WHERE point = ?", [row[:1] for row in rows])
    not_from_the_future(connection, batch.anew, batch.received_at)
    got = [row[0] for row in batch.readings]
    connection.executemany(_DELETE_GAP, got)


def _keep_watched(connection: Connection, batch: Batch) -> None:
    """Keep what is wanted since when, and every look at a meter's clock."""
    points = {(duty.point,) for duty in batch.duties}
    connection.executemany("DELETE FROM duty WHERE point = ?", sorted(points))
    connection.executemany(
        "INSERT INTO duty (point, series, register, interval_s, since) VALUES (?, ?, ?, ?, ?)",
        batch.duties,
    )
    connection.executemany(
        "INSERT INTO drift (point, at, error_s) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [
            (state.point, state.clock_read_at, state.clock_error_s)
            for state in batch.meters
            if state.clock_read_at is not None and state.clock_error_s is not None
        ],
    )


def _reading_rows(batch: Batch) -> list[tuple[object, ...]]:
    at = batch.received_at
    return [
        (*slot, meter, value, scale, source, _quality(value), at)
        for slot, meter, value, scale, source in batch.readings
    ]


def _quality(value: int | None) -> Quality:
    return Quality.NULL if value is None else Quality.ACTUAL
