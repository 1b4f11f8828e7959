"""An SQLite file that survives a power cut at any write: numbered migrations, whole transactions.

The connection is made by a function that the caller may replace, so that a test can cut the power
before or after any single statement.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Protocol, Self, TypeAlias

from kwhub.domain.errors import KwhubError

__all__ = ["Connection", "Database", "Opener", "StoreError", "open_file"]

BUSY_TIMEOUT_S = 5.0
"""How long a statement waits for another process (a person with the sqlite3 shell, a backup)."""


_PLACE = "is the disk full or read-only, and may this user write the file and its folder?"
_DAMAGED = "put a backup in its place, or move it away: a new one is made, and what meters keep is read again"
_ADVICE = MappingProxyType(
    {
        sqlite3.SQLITE_FULL: "make room on the disk",
        sqlite3.SQLITE_READONLY: _PLACE,
        sqlite3.SQLITE_CANTOPEN: _PLACE,
        sqlite3.SQLITE_IOERR: _PLACE,
        sqlite3.SQLITE_BUSY: "another program is using it",
        sqlite3.SQLITE_CORRUPT: _DAMAGED,
        sqlite3.SQLITE_NOTADB: _DAMAGED,
    }
)
"""By primary result code."""


class StoreError(KwhubError):
    """The store cannot be read or written now (disk full, file locked), or is not ours.

    What was being written is not written at all; trying again later is safe.
    """


class Connection(Protocol):
    """What is used of ``sqlite3.Connection``."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> sqlite3.Cursor:
        """Run one statement."""

    def executemany(self, sql: str, values: Iterable[Sequence[Any]], /) -> sqlite3.Cursor:
        """Run one statement for each row of values."""

    def close(self) -> None:
        """Let go of the file; an open transaction is undone."""


Opener: TypeAlias = Callable[[str], Connection]


def open_file(path: str) -> Connection:
    """Open a file; transactions are begun and ended by explicit statements only."""
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)


class Database:
    """One open file, brought to the newest migration."""

    def __init__(
        self, path: str, migrations: Sequence[Sequence[str]], *, opener: Opener = open_file
    ) -> None:
        """Open or create a file.

        Args:
            path: of the file.
            migrations: the statements of each version, in order; the file's version is the number
                of those that it has had.
            opener: makes the connection.

        Raises:
            StoreError: the file cannot be opened, is no database, or is from a newer version.
        """
        self.path = path
        with _told(path):
            self._connection = opener(path)
            # WAL with FULL: a commit returns after its frames are on the disk.
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
        self._migrate(migrations)

    @classmethod
    def to_read(cls, path: str, *, opener: Opener) -> Self:
        """A file that is only read: whatever version it has, it keeps. Raises StoreError."""
        self = cls.__new__(cls)
        self.path = path
        with _told(path):
            self._connection = opener(path)
        return self

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, as tuples. Raises StoreError."""
        with _told(self.path):
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Write all or nothing: committed at the end of the block, undone when it raises.

        Raises:
            StoreError: it could not be written.
        """
        with _told(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except Exception:
                self._undo()
                raise

    def _undo(self) -> None:
        # After some errors, such as a full disk, SQLite has already undone everything by itself.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _migrate(self, migrations: Sequence[Sequence[str]]) -> None:
        (version,) = self.rows("PRAGMA user_version")[0]
        if version > len(migrations):
            raise StoreError(
                f"{self.path} has version {version}; this program knows up to {len(migrations)}"
            )
        for number, statements in enumerate(migrations[version:], start=version + 1):
            with self.transaction() as connection:
                for statement in statements:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Tell errors of SQLite as ours. Programming errors of the caller stay what they are.

    A number that SQLite has no place for is told in the same way: what was to be written stays with the
    caller, it is not lost with the task that wrote it.
    """
    try:
        yield
    except OverflowError as error:
        raise StoreError(f"{path}: {error}") from error
    except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
        if isinstance(error, sqlite3.ProgrammingError | sqlite3.IntegrityError):
            raise
        raise StoreError(f"{path}: {error}{_advice(error)}") from error


def _advice(error: sqlite3.Error) -> str:
    """What a person may do about an error of SQLite."""
    code = getattr(error, "sqlite_errorcode", None)  # one that SQLite has not raised has none
    advice = _ADVICE.get(code & 0xFF) if code is not None else None
    return f" ({advice})" if advice else ""
