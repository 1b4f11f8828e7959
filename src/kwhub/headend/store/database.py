"""The way to the database: opening it, bringing its tables up to date, reading and writing transactions."""

import sqlite3
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Table,
    and_,
    create_engine,
    event,
    inspect,
    make_url,
    or_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    ProgrammingError,
)
from sqlalchemy.pool import ConnectionPoolEntry

from kwhub.domain.errors import ConfigError, KwhubError

__all__ = [
    "BINARY",
    "INSERTS",
    "Database",
    "StoreError",
    "StoreFull",
    "migrate",
    "or_update",
    "upsert",
]

BUSY_TIMEOUT_S = 30
"""How long SQLite waits for another writer before it gives up, in seconds."""

CHECKPOINT_PAGES = 8_000
"""Pages in SQLite's write-ahead log (32 MiB) that are worth one move into the file: eight times its own default, for
the blobs of the journal are large, and each move costs two flushes of the disk."""

_MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "head"
NEWEST = max(path.name for path in (_MIGRATIONS / "versions").glob("r*.py"))[1:5]
"""The newest revision of the tables: the files of the revisions begin with its number."""

_WRITES = "kwhub_writes"

BINARY = MappingProxyType({"kwhub_binary": True})
"""Option of a query that reads blobs."""

_MISTAKES = (IntegrityError, ProgrammingError)
"""Errors of the one who asks; all others are the database's own, a damaged file among them."""

INSERTS = MappingProxyType({"sqlite": sqlite.insert, "postgresql": postgresql.insert})
"""How each database inserts, by the name of its dialect."""


class StoreError(KwhubError):
    """The database does not take or give data: full disk, lost connection, damaged file."""


class StoreFull(StoreError):
    """A bound of the store is reached: the same data will not be taken before a person has done something."""


class Database:
    """One database, safe to use from several threads.

    Attributes:
        engine: for tests and for statements that need nothing but a connection.
    """

    def __init__(self, address: str, *, power_safe: bool = True, revision: str = HEAD) -> None:
        """Open ``address`` and bring its tables up to date.

        Args:
            address: path of an SQLite file, or an SQLAlchemy address of SQLite or PostgreSQL.
            power_safe: SQLite waits for the disk at every commit; otherwise a power cut (but no
                crash of the process) may take the newest commits back.
            revision: of the tables; anything but the newest is for trying out migrations.

        Raises:
            ConfigError: the address names no database that this package knows.
            StoreError: it cannot be opened.
        """
        self.engine = _engine(address, power_safe=power_safe)
        try:
            with self.engine.connect() as connection:
                migrate(connection, revision)
        except DBAPIError as error:
            self.engine.dispose()
            raise StoreError(f"the store cannot be opened: {error.orig}") from error

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed at the end, or not at all. Raises StoreError."""
        try:
            with self.engine.connect() as plain:
                connection = plain.execution_options(**{_WRITES: True})
                with connection.begin():
                    yield connection
        except _MISTAKES:
            raise
        except DBAPIError as error:
            raise StoreError(f"the store did not take it: {error.orig}") from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A snapshot: everything read inside belongs to one moment. Raises StoreError."""
        try:
            with self.engine.connect() as plain:
                connection = plain
                if self.engine.dialect.name == "postgresql":
                    connection = plain.execution_options(isolation_level="REPEATABLE READ")
                with connection.begin():
                    yield connection
        except _MISTAKES:
            raise
        except DBAPIError as error:
            raise StoreError(f"the store does not answer: {error.orig}") from error

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def migrate(connection: Connection, revision: str) -> None:
    """Bring the tables to a revision, in one transaction; nearly always they are there already."""
    if revision == HEAD and _revision(connection) == NEWEST:
        return
    config = AlembicConfig()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection.execution_options(**{_WRITES: True})
    with connection.begin():
        command.upgrade(config, revision)


def _revision(connection: Connection) -> str:
    """Of the tables as they are; empty when there are none."""
    with connection.begin():
        if not inspect(connection).has_table("alembic_version"):
            return ""
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar())


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    add: str = "",
    keep: Container[str] = (),
    newer: Sequence[str] = (),
) -> None:
    """Insert rows; where the primary key is there already, replace the other columns.

    Args:
        connection: of a writing transaction.
        table: with a primary key.
        rows: all with the same columns.
        add: a column whose new value is added to the old one instead.
        keep: columns that keep their old value.
        newer: replace only where this column would grow, or the next ones where those before are equal.
    """
    if not rows:
        return
    statement = INSERTS[connection.dialect.name](table)
    names = [name for name in rows[0] if name not in keep]
    connection.execute(or_update(statement, table, names, add=add, newer=newer), rows)


def or_update(
    statement: Any, table: Table, names: Sequence[str], *, add: str, newer: Sequence[str]
) -> Any:
    """An insert that replaces the columns ``names`` of a row that is there already; see ``upsert``."""
    keys = [column.name for column in table.primary_key]
    new = statement.excluded
    changed = {
        name: new[name] + table.c[name] if name == add else new[name]
        for name in names
        if name not in keys
    }
    where = None
    for name in reversed(newer):
        equal = new[name] == table.c[name]
        grows = new[name] > table.c[name]
        where = grows if where is None else or_(grows, and_(equal, where))
    return statement.on_conflict_do_update(index_elements=keys, set_=changed, where=where)


def _engine(address: str, *, power_safe: bool) -> Engine:
    url = URL.create("sqlite", database=address) if "://" not in address else _parsed(address)
    if url.get_backend_name() not in INSERTS:
        raise ConfigError(
            "must be the path of a file, or begin with sqlite:// or postgresql+psycopg://",
            key="store",
        )
    try:
        engine = create_engine(url)
    except ModuleNotFoundError as error:
        raise ConfigError(f"needs the package {error.name}", key="store") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", partial(_prepare_sqlite, power_safe))
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "before_cursor_execute", _choose_binary)
    return engine


def _parsed(address: str) -> URL:
    try:
        url = make_url(address)
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        # The address is not repeated: it may hold a password.
        raise ConfigError("is not an address of SQLAlchemy", key="store") from error
    else:
        return url


def _prepare_sqlite(
    power_safe: bool,  # noqa: FBT001  bound once, see _engine
    connection: sqlite3.Connection,
    _entry: ConnectionPoolEntry,
) -> None:
    """Readers beside one writer, and a commit that survives a power cut."""
    connection.isolation_level = None  # SQLAlchemy says BEGIN itself, see _begin_sqlite
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_S * 1000}",
        "journal_mode=WAL",
        f"synchronous={'FULL' if power_safe else 'NORMAL'}",
        "foreign_keys=ON",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _choose_binary(
    _connection: Connection,
    cursor: Any,
    _statement: str,
    _parameters: Any,
    context: ExecutionContext | None,
    _many: bool,  # noqa: FBT001  the event's own shape
) -> None:
    """Where blobs are read, they come as they are and not as hexadecimal digits."""
    if context is not None and BINARY.keys() <= context.execution_options.keys():
        cursor.format = 1  # of psycopg: binary


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes its lock at once: two that began reading could not both go on to write."""
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
