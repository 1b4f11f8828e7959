"""Values a second from curve frames on TCP to durable commit, packing, and bytes on disk, in both databases.

Sixteen concentrators in a process of their own send frames of forty curves of a day and wait for each
confirmation, which comes after the commit. The raw driver then writes the same blobs of the journal in groups of
the same size. PostgreSQL is the one of the tests (``KWHUB_TEST_POSTGRESQL``), in a schema of its own that goes
away afterwards; without one its lines are left out.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import structlog
from sqlalchemy import Engine, create_engine, select, text

from benchmarks._feeder import CALLERS, area, feed
from benchmarks._stores import postgresql
from benchmarks.result import Result
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Config, Limits, Service
from kwhub.headend.store import schema
from kwhub.runtime.clock import SystemClock

__all__ = ["run"]

FRAMES = 30
UNITS = 40
VALUES = 96
TOTAL = CALLERS * FRAMES * UNITS * VALUES
ROUNDS = 5
THINGSBOARD = 15_000.0
INSERT = (
    "INSERT INTO raw_journal (terminal_id, received_at, source, count, first_at, last_at, columns)"
    " VALUES ({})"
)
TABLE = (
    "CREATE TABLE raw_journal (sequence {}, terminal_id INTEGER, received_at BIGINT, source TEXT,"
    " count INTEGER, first_at BIGINT, last_at BIGINT, columns {})"
)
LIMITS = Limits(frames_per_s=1e6, frames_burst=1_000_000, unread_bytes=1 << 20)


async def _ingest(store: str) -> tuple[float, float, float, list[Any]]:
    """Seconds to confirm everything, to pack it, readings of a commit, and the journal's rows."""
    service = Service(store=store, uplink="tcp-listen:127.0.0.1:0", pack_rows=1 << 40)
    headend = HeadEnd(Config(headend=service, limits=LIMITS, area=(area(),)), SystemClock())
    serving = asyncio.ensure_future(headend.run())
    await headend.running.wait()
    seconds = await feed(int(headend.address.rpartition(":")[2]), CALLERS, FRAMES, UNITS, VALUES)
    serving.cancel()
    await asyncio.wait([serving])
    if headend.front.counters["readings"] != TOTAL:
        raise SystemExit("not every report was stored: nothing to compare")
    with headend.store.database.read() as connection:
        table = schema.journal
        columns = [each for each in table.columns if each.name != "sequence"]
        rows = [tuple(row) for row in connection.execute(select(*columns))]
    group = headend.intake.readings / headend.intake.commits
    began = perf_counter()
    headend.store.pack()
    packing = perf_counter() - began
    await headend.close()
    return seconds, packing, group, rows


def _raw(connection: Any, rows: list[Any], group: int, mark: str, types: tuple[str, str]) -> float:
    """Seconds of a bare driver for the same rows in groups, each made durable."""
    plain = [(row[0], int(row[1].timestamp() * 1e6), *row[2:]) for row in rows]
    cursor = connection.cursor()
    cursor.execute(TABLE.format(*types))
    connection.commit()
    insert = INSERT.format(", ".join([mark] * 7))
    began = perf_counter()
    for start in range(0, len(plain), group):
        cursor.executemany(insert, plain[start : start + group])
        connection.commit()
    return perf_counter() - began


def _raw_sqlite(folder: Path, rows: list[Any], group: int) -> float:
    with closing(sqlite3.connect(folder / "raw.sqlite")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return _raw(connection, rows, group, "?", ("INTEGER PRIMARY KEY", "BLOB"))


def _raw_postgresql(engine: Engine, rows: list[Any], group: int) -> float:
    with closing(engine.raw_connection()) as connection:
        return _raw(connection, rows, group, "%s", ("BIGSERIAL PRIMARY KEY", "BYTEA"))


def _results(
    name: str,
    store: str,
    size: Callable[[], int],
    raw: Callable[[list[Any], int], float],
    most: float,
) -> list[Result]:
    seconds, packing, group, rows = asyncio.run(_ingest(store))
    frames = max(1, round(group / (UNITS * VALUES)))
    bare = TOTAL / raw(rows, frames)
    ours = TOTAL / seconds
    return [
        Result(
            f"ingest, {name}", ours, bare, "values/s", "raw driver, same blobs", least_ratio=0.3
        ),
        Result(
            f"ingest, {name}",
            ours,
            THINGSBOARD,
            "values/s",
            "ThingsBoard, published",
            least_ratio=100_000 / THINGSBOARD,
        ),
        Result(f"pack, {name}", TOTAL / packing, 1e6, "values/s", "promised", least_ratio=1.0),
        Result(
            f"on disk, {name}",
            size() / TOTAL,
            most,
            "bytes",
            "promised, a value",
            lower_is_better=True,
            least_ratio=1.0,
        ),
    ]


def _sqlite_size(path: Path) -> int:
    """Bytes of the table of day vectors: nothing else grows with the values."""
    with closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute(
            "SELECT sum(pgsize) FROM dbstat WHERE name = 'day_vector'"
        ).fetchone()
    return int(size)


def _postgresql_size(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(
            connection.execute(text("SELECT pg_total_relation_size('day_vector')")).scalar_one()
        )


def _round() -> list[Result]:
    """Both databases, once, in stores that go away."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "headend.sqlite"
        found = _results(
            "SQLite",
            str(path),
            lambda: _sqlite_size(path),
            lambda rows, group: _raw_sqlite(folder, rows, group),
            2.5,
        )
    with postgresql() as address:
        if address:
            engine = create_engine(address)
            found += _results(
                "PostgreSQL",
                address,
                lambda: _postgresql_size(engine),
                lambda rows, group: _raw_postgresql(engine, rows, group),
                6.0,
            )
            engine.dispose()
    return found


def run() -> list[Result]:
    """Of several rounds the one in the middle, line by line: disks vary; the promises are those of the design."""
    errors_only = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=errors_only)
    rounds = zip(*(_round() for _ in range(ROUNDS)), strict=True)
    return [sorted(lines, key=lambda line: line.ratio)[ROUNDS // 2] for lines in rounds]
