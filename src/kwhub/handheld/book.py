"""The work of a device on its disk: rows sealed by its identity, changed together or not at all.

A row says its kind and its number in clear and nothing else; both stand in the seal, so that no row can be put in
another's place. What a change leaves is on the disk when the change ends.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec

from kwhub.domain.errors import LocalError
from kwhub.handheld.identity import Identity
from kwhub.handheld.records import KINDS, Owner, Record

__all__ = ["Book", "Changes"]

R = TypeVar("R", bound=Record)

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sealed (
    kind TEXT NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind, number)
) STRICT, WITHOUT ROWID
"""
_PUT: Final = "INSERT OR REPLACE INTO sealed VALUES (?, ?, ?)"
_DROP: Final = "DELETE FROM sealed WHERE kind = ? AND number = ?"
_NAMES: Final = {kind: name for name, kind in KINDS.items()}
_FILES: Final = ("", "-wal", "-shm", "-journal")


class Changes:
    """Rows to be written or dropped together. Made by ``Book.change``."""

    def __init__(self, following: Callable[[], int]) -> None:
        self._following = following
        self.rows: dict[tuple[type[Record], int], Record | None] = {}

    def put(self, record: Record, number: int | None = None) -> int:
        """Write a row, a new one when it has no number yet; returns its number."""
        number = self._following() if number is None else number
        self.rows[type(record), number] = record
        return number

    def drop(self, kind: type[Record], number: int) -> None:
        """Remove a row."""
        self.rows[kind, number] = None


class Book:
    """All rows of one device, in memory and on the disk."""

    def __init__(self, identity: Identity, path: Path) -> None:
        """Open the book, or begin one.

        Raises:
            Refusal: the head-end has sent the device away.
            LocalError: a row was changed, the book is another device's, or the disk does not do its part.
        """
        self._identity = identity
        self._rows: dict[Any, dict[int, Record]] = {kind: {} for kind in KINDS.values()}
        self._last = 0
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=FULL")
            self._file.execute(_SCHEMA)
            self._load()
        except sqlite3.Error as error:
            raise LocalError(f"{path}: {error}") from error
        if not self.all(Owner):
            with self.change() as changes:
                changes.put(Owner(identity.state.device))

    @staticmethod
    def remove(path: Path) -> None:
        """Remove the files of a book; nothing is left to be unsealed."""
        for each in _FILES:
            with suppress(FileNotFoundError):
                path.with_name(path.name + each).unlink()

    def all(self, kind: type[R]) -> Mapping[int, R]:
        """Every row of a kind by its number, in the order in which they were made."""
        rows: Any = self._rows[kind]  # rows of one kind only
        return MappingProxyType(rows)

    @contextmanager
    def change(self) -> Iterator[Changes]:
        """Change rows; when the block ends all of it is on the disk, when it raises nothing is.

        Raises:
            LocalError: the disk does not take it; nothing has changed.
        """
        changes = Changes(self._following)
        yield changes
        if not changes.rows:
            return
        self._write(
            [self._sealed(kind, number, row) for (kind, number), row in changes.rows.items()]
        )
        for (kind, number), row in changes.rows.items():
            if row is None:
                self._rows[kind].pop(number, None)
            else:
                self._rows[kind][number] = row

    def close(self) -> None:
        """Close the file and forget what was in it."""
        self._file.close()
        for rows in self._rows.values():
            rows.clear()

    def _write(self, rows: list[tuple[str, int, bytes | None]]) -> None:
        try:
            self._file.execute("BEGIN IMMEDIATE")
            for name, number, body in rows:
                if body is None:
                    self._file.execute(_DROP, (name, number))
                else:
                    self._file.execute(_PUT, (name, number, body))
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise LocalError(f"the work cannot be kept: {error}") from error

    def _following(self) -> int:
        self._last += 1
        return self._last

    def _load(self) -> None:
        query = "SELECT kind, number, body FROM sealed ORDER BY kind, number"
        for name, number, body in self._file.execute(query):
            if name not in KINDS:
                raise LocalError(f"the work on this device has rows of an unknown kind, {name}")
            text = self._identity.unseal(_label(name, number), body)
            self._rows[KINDS[name]][number] = msgspec.msgpack.decode(text, type=KINDS[name])
            self._last = max(self._last, number)
        for owner in self.all(Owner).values():
            if owner.device != self._identity.state.device:
                raise LocalError(f"this is the work of {owner.device}")

    def _sealed(
        self, kind: type[Record], number: int, row: Record | None
    ) -> tuple[str, int, bytes | None]:
        name = _NAMES[kind]
        if row is None:
            return name, number, None
        return name, number, self._identity.seal(_label(name, number), msgspec.msgpack.encode(row))


def _label(name: str, number: int) -> str:
    return f"work {name} {number}"
