"""Readers of the pages, and where the stores of the tests lie: a file of SQLite, and a throw-away database of PostgreSQL.

Bringing the tables up to date takes longer than most tests, so it is done once for each process and copied. With
PostgreSQL the copy takes long as well: one serves all tests of a process, and is emptied after each.

PostgreSQL is looked for at ``KWHUB_TEST_POSTGRESQL`` (default: database ``test`` on this machine), by a user who
may make databases; where there is none its tests are skipped, unless ``KWHUB_REQUIRE_ALL=1``.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, MetaData, Table, create_engine, exists, make_url, select, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from tests.headend.web_world import client

from kwhub.headend.store.database import Database

POSTGRESQL = os.environ.get(
    "KWHUB_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/test"
)

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]


@contextmanager
def server() -> Iterator[Connection]:
    engine = create_engine(
        POSTGRESQL, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 2}
    )
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@contextmanager
def database(template: str = "template1") -> Iterator[str]:
    """The name of a new database, a copy of another one; it is gone afterwards."""
    name = f"kwhub_{secrets.token_hex(6)}"
    with server() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        # A commit is seen by everybody and outlives our processes; only the server's own disk is not waited for.
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    yield name
    with server() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def address_of(name: str) -> str:
    return make_url(POSTGRESQL).set(database=name).render_as_string(hide_password=False)


@cache
def postgresql_trouble() -> str:
    """Why there is no PostgreSQL to test with; empty when there is one."""
    try:
        with database():
            return ""
    except ModuleNotFoundError as error:
        return f"the package {error.name} is not installed"
    except (OperationalError, ProgrammingError) as error:
        return f"no PostgreSQL that makes databases: {error.orig}"


def postgresql_or_skip() -> None:
    if trouble := postgresql_trouble():
        if os.environ.get("KWHUB_REQUIRE_ALL") == "1":
            pytest.fail(trouble)
        pytest.skip(trouble)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("template") / "headend.sqlite"
    Database(str(path)).close()
    return path


@pytest.fixture(scope="session")
def postgresql_template() -> Iterator[str]:
    postgresql_or_skip()
    with database() as name:
        Database(address_of(name)).close()
        yield name


SHAPE = (
    "SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_attribute),"
    " (SELECT count(*) FROM pg_constraint), (SELECT count(*) FROM pg_trigger WHERE tgenabled = 'O')"
)
"""What changes when a test changes the tables themselves."""


class Reused:
    """A database with every table and no row but those of the migrations, again and again.

    Emptying it needs a superuser, for no trigger may stand in the way; for others a new copy is made.
    """

    def __init__(self, template: str) -> None:
        self.template = template
        self._own = ExitStack()
        self.name = self._own.enter_context(database(template))
        self._engine = create_engine(address_of(self.name), isolation_level="AUTOCOMMIT")
        self._first: dict[Table, list[Any]] = {}
        with self._engine.connect() as connection:
            self._shape = connection.execute(text(SHAPE)).one()
            self._tables = MetaData()
            self._tables.reflect(connection)
            for table in self._used(connection):
                self._first[table] = [
                    dict(row._mapping) for row in connection.execute(select(table))
                ]

    def _used(self, connection: Connection) -> list[Table]:
        """Tables that have rows."""
        tables = self._tables.sorted_tables
        found = connection.execute(select(*(exists(select(table)) for table in tables))).one()
        return [table for table, used in zip(tables, found, strict=True) if used]

    def empty(self) -> None:
        """Bring it back to its beginning, whatever a test has left open."""
        try:
            with self._engine.connect() as connection:
                self._empty(connection)
                whole = connection.execute(text(SHAPE)).one() == self._shape
        except DBAPIError:
            whole = False
        if not whole:
            self.close()
            self.__init__(self.template)  # type: ignore[misc]

    def _empty(self, connection: Connection) -> None:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.exec_driver_sql("SET lock_timeout = '5s'")
        connection.exec_driver_sql("SET session_replication_role = replica")
        for table in self._used(connection):
            connection.execute(table.delete())
        for table, rows in self._first.items():
            connection.execute(table.insert(), rows)
        connection.exec_driver_sql(
            "SELECT setval(format('%%I.%%I', schemaname, sequencename), start_value, false)"
            " FROM pg_sequences WHERE last_value IS NOT NULL"
        )

    def close(self) -> None:
        self._engine.dispose()
        self._own.close()


@pytest.fixture(scope="session")
def reused(postgresql_template: str) -> Iterator[Reused]:
    one = Reused(postgresql_template)
    yield one
    one.close()


@pytest.fixture(params=BOTH)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a store with every table and no row, once in each database."""
    if request.param == "sqlite":
        path = tmp_path / "headend.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield str(path)
        return
    one: Reused = request.getfixturevalue("reused")
    yield address_of(one.name)
    one.empty()


@pytest.fixture(params=BOTH)
def bare_address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a store without any table."""
    if request.param == "sqlite":
        yield str(tmp_path / "headend.sqlite")
        return
    postgresql_or_skip()
    with database() as name:
        yield address_of(name)


@pytest.fixture(scope="module")
def english(headend: Any) -> Iterator[Any]:
    """A browser that wants English, at the head-end of the module."""
    with client(headend, **{"Accept-Language": "en"}) as made:
        yield made


@pytest.fixture(scope="module")
def chinese(headend: Any) -> Iterator[Any]:
    """The same in Chinese."""
    with client(headend, **{"Accept-Language": "zh-CN"}) as made:
        yield made
