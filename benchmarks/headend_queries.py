"""Queries of the head-end's store beside a table with a row for each value, in the same run and the same database.

Two hundred areas of 25 meters with the day freezes of a month, the curves of a month of 500 of the meters, and the
curve of a year of one. Each query is asked five times, and the fastest counts. The rows' table has the index that
suits these queries best, and what it answers is compared.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from sqlalchemy import Connection, text

from benchmarks._stores import postgresql
from benchmarks.result import Result
from kwhub.domain.readings import CURVE_INTERVAL_S, DAY_INTERVAL_S
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.store import schema
from kwhub.headend.store.columns import Columns
from kwhub.headend.store.database import Database
from kwhub.headend.store.days import Days
from kwhub.headend.store.journal import Batch, append
from kwhub.headend.store.pack import pack
from kwhub.headend.store.queries import Queries
from kwhub.headend.store.spans import Spans, loss_of

__all__ = ["run"]

AREAS, METERS_OF_AREA = 200, 25
METERS = AREAS * METERS_OF_AREA
READ_METERS = 500
FIRST, LAST = dt.date(2026, 3, 1), dt.date(2026, 3, 31)
YEAR = (dt.date(2025, 3, 1), dt.date(2026, 3, 1))
DAYS = Days(ZoneInfo("Asia/Shanghai"))
ONE_DAY = dt.timedelta(days=1)
MONTH = {"first": DAYS.start_s(FIRST), "stop": DAYS.start_s(LAST + ONE_DAY)}
RUNS = 5
MICRO_STEP = 10_000
TABLE = (
    "CREATE TABLE one_row (meter_id INTEGER, interval_s INTEGER, register VARCHAR(24), at BIGINT,"
    " value BIGINT, quality SMALLINT, PRIMARY KEY (meter_id, interval_s, register, at))"
)
YEAR_SQL = (
    "SELECT at, value FROM one_row WHERE meter_id = 1 AND interval_s = 900"
    " AND register = '1-0:1.8.0' AND at >= :first AND at < :stop ORDER BY at"
)
DAILY_SQL = (
    "SELECT meter_id, at, value - lag(value) OVER (PARTITION BY meter_id ORDER BY at)"
    " FROM one_row WHERE meter_id <= :meters AND interval_s = 86400 AND register = '1-0:1.8.0'"
    " AND at >= :first AND at <= :stop ORDER BY meter_id, at"
)
LOSS_SQL = (
    "SELECT terminal.area_id, meter.kind, sum((b.value - a.value) * CAST(meter.ratio AS INTEGER))"
    " FROM meter JOIN terminal ON terminal.id = meter.terminal_id"
    " JOIN one_row a ON a.meter_id = meter.id AND a.interval_s = 86400"
    " AND a.register = '1-0:1.8.0' AND a.at = :first"
    " JOIN one_row b ON b.meter_id = meter.id AND b.interval_s = 86400"
    " AND b.register = '1-0:1.8.0' AND b.at = :stop"
    " GROUP BY terminal.area_id, meter.kind"
)


@dataclass(frozen=True)
class _Query:
    name: str
    promised_ms: float
    ours: Callable[[], Any]
    rows: Callable[[], Any]


def _archive(connection: Connection) -> None:
    areas = [{"id": n, "code": f"A{n}", "name": "", "name_zh": ""} for n in range(1, AREAS + 1)]
    terminals = [
        {"id": n, "area_id": n, "region": "4101", "number": n, "name": "", "active": True}
        for n in range(1, AREAS + 1)
    ]
    meters = [
        {
            "id": n,
            "terminal_id": (n - 1) // METERS_OF_AREA + 1,
            "address": f"{n:012}",
            "point": (n - 1) % METERS_OF_AREA + 1,
            "port": 2,
            "name": "",
            "kind": "customer" if n % METERS_OF_AREA else "supply",
            "phases": 1,
            "ratio": "1" if n % METERS_OF_AREA else "60",
            "baud": 2400,
            "protocol": "dlt645-2007",
            "curve_minutes": 15,
            "hourly": True,
            "day_freeze": True,
            "tariffs": 0,
            "active": True,
        }
        for n in range(1, METERS + 1)
    ]
    for table, rows in ((schema.area, areas), (schema.terminal, terminals), (schema.meter, meters)):
        connection.execute(table.insert(), rows)


def _columns(meters: range, first: dt.date, last: dt.date, interval_s: int) -> Columns:
    """Registers that count, each at its own pace."""
    start_s, stop_s = DAYS.span_s(first, last)
    late = interval_s == DAY_INTERVAL_S
    at = np.arange(start_s, stop_s + late, interval_s, dtype="<i8")
    since = at - DAYS.start_s(YEAR[0])
    number = np.array(meters, "<i8")
    pace = np.where(number % METERS_OF_AREA, number % 9 + 2, 3)
    value = (since // CURVE_INTERVAL_S)[None, :] * pace[:, None] * MICRO_STEP
    size = value.size
    return Columns(
        (ENERGY,),
        np.repeat(number, len(at)).astype("<i4"),
        np.zeros(size, "<u2"),
        np.full(size, interval_s, "<i4"),
        np.tile(at, len(number)),
        value.ravel(),
        np.full(size, 3, "u1"),
    )


def _fill(database: Database) -> None:
    """The same values as day vectors and as rows."""
    parts = [
        _columns(range(1, METERS + 1), FIRST, LAST, DAY_INTERVAL_S),
        _columns(range(1, READ_METERS + 1), FIRST, LAST, CURVE_INTERVAL_S),
        _columns(range(1, 2), YEAR[0], FIRST - ONE_DAY, CURVE_INTERVAL_S),
    ]
    with database.write() as connection:
        _archive(connection)
        connection.execute(text(TABLE))
        for part in parts:
            append(connection, [Batch(None, dt.datetime.now(dt.UTC), "benchmark", part)])
            pack(connection, DAYS)
            _rows(connection, part)
    if database.engine.dialect.name == "postgresql":  # as its own housekeeping does in time
        with database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("VACUUM ANALYZE")


def _rows(connection: Connection, part: Columns) -> None:
    columns = (part.meter, part.interval, part.at, part.value, part.quality)
    meter, interval, at, value, quality = (each.tolist() for each in columns)
    rows = zip(meter, interval, [str(ENERGY)] * len(part), at, value, quality, strict=True)
    driver = connection.connection.driver_connection
    if connection.dialect.name == "sqlite" and driver is not None:
        driver.executemany("INSERT INTO one_row VALUES (?, ?, ?, ?, ?, ?)", rows)
    elif driver is not None:
        with driver.cursor() as cursor, cursor.copy("COPY one_row FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def _asked(database: Database, query: str, values: dict[str, int]) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(text(query), values).all())


def _year(database: Database) -> _Query:
    queries = Queries(database, DAYS, lambda: dt.datetime.now(dt.UTC))
    first, stop = (DAYS.start(each) for each in YEAR)
    limits = {"first": DAYS.start_s(YEAR[0]), "stop": DAYS.start_s(YEAR[1])}

    def of_rows() -> bytes:
        rows = _asked(database, YEAR_SQL, limits)
        return msgspec.json.encode(
            {"times": [row[0] for row in rows], "values": [row[1] / 1e6 for row in rows]}
        )

    def ours() -> bytes:
        return msgspec.json.encode(queries.drawn(1, ENERGY, first, stop))

    return _Query("a year of one meter, drawn", 30, ours, of_rows)


def _daily(database: Database) -> _Query:
    edges = [FIRST + n * ONE_DAY for n in range((LAST - FIRST).days + 2)]
    areas = range(1, READ_METERS // METERS_OF_AREA + 1)

    def ours() -> dict[int, list[int]]:
        with database.read() as connection:
            spans = Spans(connection, DAYS, edges, areas)
            used, _ = spans.daily()
        return dict(zip([each.id for each in spans.meters], used.tolist(), strict=True))

    def of_rows() -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for meter_id, _, used in _asked(database, DAILY_SQL, {**MONTH, "meters": READ_METERS}):
            found.setdefault(meter_id, [])
            if used is not None:
                found[meter_id].append(used)
        return found

    return _Query("a month of 500 meters by day", 80, ours, of_rows)


def _loss(database: Database) -> _Query:
    def ours() -> dict[int, float]:
        with database.read() as connection:
            energies = Spans(connection, DAYS, (FIRST, LAST + ONE_DAY)).energies(FIRST, LAST)
        own: dict[int, list[Any]] = {}
        for each in energies:
            own.setdefault(each.meter.area_id, []).append(each)
        return {area: float(loss_of(each).loss_kwh or 0) for area, each in own.items()}

    def of_rows() -> dict[int, float]:
        found: dict[int, float] = {}
        for area, kind, used in _asked(database, LOSS_SQL, MONTH):
            found[area] = found.get(area, 0.0) + float(used) / (1e6 if kind == "supply" else -1e6)
        return {area: round(each, 2) for area, each in found.items()}

    return _Query("line loss of 200 areas, a month", 200, ours, of_rows)


def _queries(database: Database) -> list[_Query]:
    return [_year(database), _daily(database), _loss(database)]


def _timed(query: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds of the fastest, and the answer."""
    seconds, answer = [], None
    for _ in range(RUNS):
        began = perf_counter()
        answer = query()
        seconds.append(perf_counter() - began)
    return min(seconds) * 1000, answer


def _results(name: str, address: str) -> list[Result]:
    database = Database(address)
    _fill(database)
    found = []
    for query in _queries(database):
        ours, answer = _timed(query.ours)
        rows, expected = _timed(query.rows)
        if answer != expected:
            raise SystemExit(f"{query.name}: the rows say something else, nothing to compare")
        title = f"{query.name}, {name}"
        found += [
            Result(
                title,
                ours,
                query.promised_ms,
                "ms",
                "promised",
                lower_is_better=True,
                least_ratio=1,
            ),
            Result(title, ours, rows, "ms", "a row for each value", lower_is_better=True),
        ]
    database.close()
    return found


def run() -> list[Result]:
    """Both databases; the promises are those of the design."""
    with TemporaryDirectory() as folder:
        found = _results("SQLite", str(Path(folder) / "headend.sqlite"))
    with postgresql() as address:
        if address:
            found += _results("PostgreSQL", address)
    return found
