"""What a terminal keeps beside its counts: settings, freezes, curves, events; an SQLite file.

Every change is one transaction that is on the disk when the call returns. Times are wall seconds of the terminal's own
clock (see ``clockwork``): what was frozen at its midnight stays so, whatever is done to the clock later.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeAlias

from kwhub.catalog.terminal_profile import CHANNELS, FREEZES_KEPT, EventKind, FreezeKind
from kwhub.domain.errors import KwhubError

__all__ = ["CURVE_DAYS", "EVENTS_KEPT", "EventRow", "Frozen", "MemoryFault", "TerminalMemory"]

CURVE_DAYS: Final = 62
"""How far back the curves go."""
EVENTS_KEPT: Final = 10_000

EventRow: TypeAlias = tuple[int, int, int, int]
"""Number, wall second, kind, channel."""
Frozen: TypeAlias = tuple[int, tuple[Decimal | None, ...]]
"""Wall second and the register of each channel."""

_VERSION: Final = 1
_TABLES: Final = (
    "CREATE TABLE kept (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE curve (wall_s INTEGER PRIMARY KEY, registers TEXT NOT NULL)",
    """CREATE TABLE frozen (number INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL,
       wall_s INTEGER NOT NULL, registers TEXT NOT NULL)""",
    """CREATE TABLE event (number INTEGER PRIMARY KEY AUTOINCREMENT, wall_s INTEGER NOT NULL,
       kind INTEGER NOT NULL, channel INTEGER NOT NULL)""",
    "CREATE INDEX frozen_kinds ON frozen (kind, number)",
)
_PRUNE_EVERY: Final = 96  #: curve points: once a day


class MemoryFault(KwhubError):
    """The memory cannot be read or written; what was to be written is not."""


class TerminalMemory:
    """The file. Raises MemoryFault when it cannot be opened, or is from a newer version."""

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        with self._told():
            self._connection = sqlite3.connect(self.path, timeout=5.0, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise MemoryFault(f"{self.path} was written by a newer kwhub (version {version})")
        if version < _VERSION:
            with self._transaction():
                for statement in _TABLES:
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {_VERSION}")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def get(self, name: str) -> Any:
        """What was put under a name; None when nothing was."""
        rows = self._rows("SELECT value FROM kept WHERE name = ?", (name,))
        return json.loads(rows[0][0]) if rows else None

    def put(self, values: Mapping[str, Any]) -> None:
        """Keep values, all or none. Raises MemoryFault."""
        rows = [(name, json.dumps(value)) for name, value in values.items()]
        with self._transaction():
            self._connection.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", rows)

    def add_point(self, wall_s: int, registers: Sequence[Decimal | None]) -> None:
        """Keep a point of all curves; a point that is there stays as it is. Raises MemoryFault."""
        with self._transaction():
            self._connection.execute(
                "INSERT OR IGNORE INTO curve VALUES (?, ?)", (wall_s, _text(registers))
            )
            if wall_s // 900 % _PRUNE_EVERY == 0:
                oldest_s = wall_s - CURVE_DAYS * 86_400
                self._connection.execute("DELETE FROM curve WHERE wall_s < ?", (oldest_s,))
                self._connection.execute(
                    "DELETE FROM event WHERE number <= (SELECT MAX(number) FROM event) - ?",
                    (EVENTS_KEPT,),
                )

    def points(self, since_s: int, count: int) -> list[Frozen]:
        """Points of the curves from a wall second on."""
        rows = self._rows(
            "SELECT wall_s, registers FROM curve WHERE wall_s >= ? ORDER BY wall_s LIMIT ?",
            (since_s, count),
        )
        return [(wall_s, _registers(text)) for wall_s, text in rows]

    def latest_point(self) -> list[Frozen]:
        """The latest point of the curves, if there is any."""
        rows = self._rows("SELECT wall_s, registers FROM curve ORDER BY wall_s DESC LIMIT 1")
        return [(wall_s, _registers(text)) for wall_s, text in rows]

    def freeze(
        self, kind: FreezeKind, wall_s: int, registers: Sequence[Decimal | None]
    ) -> int | None:
        """Keep a freeze; returns its number.

        A moment that a clock which was set back came to again is not frozen again: None. Instant
        freezes have no such rule. Raises MemoryFault.
        """
        with self._transaction():
            if kind is not FreezeKind.INSTANT:
                known = self._rows(
                    "SELECT 1 FROM frozen WHERE kind = ? AND wall_s = ?", (kind, wall_s)
                )
                if known:
                    return None
            cursor = self._connection.execute(
                "INSERT INTO frozen (kind, wall_s, registers) VALUES (?, ?, ?)",
                (int(kind), wall_s, _text(registers)),
            )
            self._connection.execute(
                "DELETE FROM frozen WHERE kind = ? AND number NOT IN"
                " (SELECT number FROM frozen WHERE kind = ? ORDER BY number DESC LIMIT ?)",
                (kind, kind, FREEZES_KEPT[kind]),
            )
            return cursor.lastrowid

    def fill(self, number: int, channel: int, register: Decimal) -> None:
        """Add the register of a channel that answered late to a freeze. Raises MemoryFault."""
        with self._transaction():
            for (text,) in self._rows("SELECT registers FROM frozen WHERE number = ?", (number,)):
                registers = list(_registers(text))
                registers[channel - 1] = register
                self._connection.execute(
                    "UPDATE frozen SET registers = ? WHERE number = ?", (_text(registers), number)
                )

    def frozen(self, kind: FreezeKind, index: int) -> Frozen | None:
        """The freeze with an index, 1 for the last one; None when there is none."""
        rows = self._rows(
            "SELECT wall_s, registers FROM frozen WHERE kind = ? ORDER BY number DESC LIMIT 1 OFFSET ?",
            (kind, index - 1),
        )
        return (rows[0][0], _registers(rows[0][1])) if rows else None

    def note(self, kind: EventKind, wall_s: int, channel: int = 0) -> None:
        """Keep an event. Raises MemoryFault."""
        with self._transaction():
            self._connection.execute(
                "INSERT INTO event (wall_s, kind, channel) VALUES (?, ?, ?)",
                (wall_s, int(kind), channel),
            )

    def events(self, count: int, since_s: int | None = None) -> list[EventRow]:
        """The latest events, or those from a wall second on; oldest first."""
        if since_s is None:
            rows = self._rows(
                "SELECT number, wall_s, kind, channel FROM event ORDER BY number DESC LIMIT ?",
                (count,),
            )
            return rows[::-1]
        return self._rows(
            "SELECT number, wall_s, kind, channel FROM event WHERE wall_s >= ? ORDER BY number LIMIT ?",
            (since_s, count),
        )

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._told():
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise MemoryFault(f"{self.path}: {error}") from error


def _text(registers: Sequence[Decimal | None]) -> str:
    return json.dumps([None if each is None else str(each) for each in registers])


def _registers(text: str) -> tuple[Decimal | None, ...]:
    found = [None if each is None else Decimal(each) for each in json.loads(text)]
    return (*found, *(None,) * (CHANNELS - len(found)))
