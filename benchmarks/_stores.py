"""Where the benchmarks of the head-end keep their data: a file of SQLite, and a database of PostgreSQL that goes away.

PostgreSQL is the one of the tests (``KWHUB_TEST_POSTGRESQL``); without a server its lines are left out.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

__all__ = ["postgresql"]

POSTGRESQL = os.environ.get(
    "KWHUB_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/test"
)


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of a new database, empty when there is no server."""
    engine = create_engine(
        POSTGRESQL, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 2}
    )
    name = f"kwhub_bench_{secrets.token_hex(4)}"
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except (OperationalError, ModuleNotFoundError):
        yield ""
        return
    try:
        yield make_url(POSTGRESQL).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()
