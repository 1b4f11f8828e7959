"""The event records that the head-end may ask for: important and normal ones, each counted from 0.

Source: Q/GDW 1376.1-2013, AFN 0E and clause 4.3.4.5 (EC): the counters run modulo 256, and 256 records of
each class are kept.
"""

from collections.abc import Iterable
from typing import NamedTuple

from kwhub.concentrator.database import Connection, Database
from kwhub.protocols.gdw1376.event_records import EventRecord

__all__ = ["RECORDS_KEPT", "Event", "Events", "insert_event"]

RECORDS_KEPT = 256
"""Of each class; the oldest give way."""

_MODULUS = 256


class Event(NamedTuple):
    """One record in the store."""

    id: int
    important: bool
    number: int  #: counted from 0 within its class
    at: int  #: seconds since 1970 UTC
    record: EventRecord


def insert_event(connection: Connection, record: EventRecord, at: int, *, important: bool) -> int:
    """Keep a record as part of a transaction; its number."""
    found = connection.execute(
        "SELECT coalesce(max(number), -1) FROM event WHERE important = ?", (important,)
    )
    number = int(found.fetchone()[0]) + 1
    connection.execute(
        "INSERT INTO event (important, number, code, at, body) VALUES (?, ?, ?, ?, ?)",
        (int(important), number, record.code, at, record.body),
    )
    connection.execute(
        "DELETE FROM event WHERE important = ? AND number <= ?",
        (int(important), number - RECORDS_KEPT),
    )
    return number


class Events:
    """Every method is one transaction and may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: EventRecord, at: int, *, important: bool) -> int:
        """Keep a record that happened at a moment (seconds since 1970 UTC); its number."""
        with self._database.transaction() as connection:
            return insert_event(connection, record, at, important=important)

    def counters(self) -> tuple[int, int]:
        """EC1 (important) and EC2 (normal): the number that the next record will have, modulo 256."""
        rows = dict(
            self._database.rows("SELECT important, max(number) + 1 FROM event GROUP BY important")
        )
        return rows.get(1, 0) % _MODULUS, rows.get(0, 0) % _MODULUS

    def between(self, first: int, end: int, *, important: bool) -> list[Event]:
        """The kept records whose numbers, modulo 256, run from ``first`` up to and without ``end``."""
        rows = self._database.rows(
            "SELECT id, important, number, at, code, body FROM event WHERE important = ?"
            " ORDER BY number",
            (int(important),),
        )
        span = (end - first) % _MODULUS
        return [_event(row) for row in rows if (row[2] - first) % _MODULUS < span]

    def unreported(self, limit: int = 16) -> list[Event]:
        """The oldest important records that the head-end has not confirmed."""
        rows = self._database.rows(
            "SELECT id, important, number, at, code, body FROM event"
            " WHERE important = 1 AND reported_at IS NULL ORDER BY number LIMIT ?",
            (limit,),
        )
        return [_event(row) for row in rows]

    def place_of(self, first: int) -> int:
        """The number, counted from 0, of the important record that the head-end calls by its number modulo 256."""
        rows = self._database.rows(
            "SELECT coalesce(max(number) + 1, 0) FROM event WHERE important = 1"
        )
        following = int(rows[0][0])
        return following - (following - first) % _MODULUS

    def waits(self, first: int) -> bool:
        """Whether there is an important record from a number on that the head-end has not confirmed."""
        sql = "SELECT 1 FROM event WHERE important = 1 AND reported_at IS NULL AND number >= ? LIMIT 1"
        return bool(self._database.rows(sql, (first,)))

    def reported(self, ids: Iterable[int], at: int) -> None:
        """Mark records as confirmed by the head-end."""
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE event SET reported_at = ? WHERE id = ?", [(at, each) for each in ids]
            )

    def codes(self) -> frozenset[int]:
        """Event codes of which a record is kept."""
        return frozenset(code for (code,) in self._database.rows("SELECT DISTINCT code FROM event"))

    def clear(self, code: int | None = None) -> None:
        """Forget all records, or those of a code; the numbers go on."""
        with self._database.transaction() as connection:
            newest = (
                "SELECT max(number) FROM event AS other WHERE other.important = event.important"
            )
            sql = f"DELETE FROM event WHERE number < ({newest})"  # noqa: S608 - no input in it
            if code is None:
                connection.execute(sql)
            else:
                connection.execute(f"{sql} AND code = ?", (code,))


def _event(row: tuple[int, int, int, int, int, bytes]) -> Event:
    place, important, number, at, code, body = row
    return Event(place, bool(important), number, at, EventRecord(code, body))
