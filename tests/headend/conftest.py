"""Where the stores of the tests lie: a file of SQLite, and a throw-away schema of PostgreSQL.

PostgreSQL is looked for at ``KWHUB_TEST_POSTGRESQL`` (default: database ``test`` on this machine); where there
is none its tests are skipped, unless ``KWHUB_REQUIRE_ALL=1``.
"""

import os
import secrets
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

POSTGRESQL = os.environ.get(
    "KWHUB_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/test"
)


@cache
def postgresql_trouble() -> str:
    """Why there is no PostgreSQL to test with; empty when there is one."""
    try:
        engine = create_engine(POSTGRESQL, connect_args={"connect_timeout": 2})
        with engine.connect():
            pass
        engine.dispose()
    except ModuleNotFoundError as error:
        return f"the package {error.name} is not installed"
    except OperationalError:
        return "no PostgreSQL answers"
    return ""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty store, once in each database."""
    if request.param == "sqlite":
        yield str(tmp_path / "headend.sqlite")
        return
    if trouble := postgresql_trouble():
        if os.environ.get("KWHUB_REQUIRE_ALL") == "1":
            pytest.fail(trouble)
        pytest.skip(trouble)
    schema = f"kwhub_{secrets.token_hex(6)}"
    engine = create_engine(POSTGRESQL, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    yield f"{POSTGRESQL}?options={quote(f'-csearch_path={schema}')}"
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
    engine.dispose()
