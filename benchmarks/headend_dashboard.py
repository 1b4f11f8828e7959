"""The dashboard of 100,000 meters: what its page asks of the store, the page over HTTP, and keeping its figures.

Two thousand areas of fifty meters, each with two days of curves and freezes as day vectors, two thousand terminals
with their past connections, and 20,000 events. The rows are written in bulk; the figures of areas are then computed
by the head-end's own keeper, for today and yesterday, and copied to the other days of the week. A page is asked for
by a new web application, whose memory is empty, and then again; the promise is held against the slower of the two.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import httpx
import numpy as np
from httpx import codes
from sqlalchemy import Connection, insert, literal, select

from benchmarks._stores import postgresql
from benchmarks.result import Result
from kwhub.domain.readings import CURVE_INTERVAL_S, DAY_INTERVAL_S, Quality
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Config, Service
from kwhub.headend.people.rights import Role
from kwhub.headend.people.user_rows import Grant
from kwhub.headend.quality.expect import ENERGY, GRACE_S
from kwhub.headend.store import alarm_rows, area_days, fleet, overview, schema
from kwhub.headend.store.alarm_rows import AlarmsWanted
from kwhub.headend.store.bundles import Bundle, encode_all
from kwhub.headend.store.columns import Ints
from kwhub.headend.store.many import upsert_columns
from kwhub.headend.store.schema_figures import area_day
from kwhub.headend.web.app import create_app, serve
from kwhub.runtime.clock import SystemClock

__all__ = ["run"]

AREAS, METERS_OF_AREA = 2_000, 50
METERS = AREAS * METERS_OF_AREA
SESSIONS, EVENTS = 10, 10
"""Past connections, and events, of each terminal."""

PACES = 8
"""Different loads; the supply meter of an area has one of its own."""

RUNS = 7
PROMISED_MS = 300.0
SHOWN = 8
ONE_DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
PAGES = ("/areas", "/alarms", "/meters", "/terminals", "/archive", "/completeness")


class _Fleet:
    """A head-end of 100,000 meters, at the time of this machine."""

    def __init__(self, address: str) -> None:
        self.headend = HeadEnd(Config(headend=Service(store=address, uplink="")), SystemClock())
        self.days = self.headend.store.days
        self.now = self.headend.clock.now()
        self.today = self.days.of(self.now)

    def fill(self) -> None:
        """Everything but the kept figures."""
        with self.headend.store.database.write() as connection:
            _archive(connection, self.now)
            _connections(connection, self.now)
            for day in (self.today - ONE_DAY, self.today):
                self._curves(connection, day)
            for day in (self.today - 2 * ONE_DAY, self.today - ONE_DAY):
                self._freezes(connection, day)
            self._latest(connection)
        if self.headend.store.database.engine.dialect.name == "postgresql":
            with self.headend.store.database.engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT")
                connection.exec_driver_sql("VACUUM ANALYZE")

    def copy_figures(self) -> None:
        """The other days of the week have the figures of yesterday."""
        columns = [column for column in area_day.columns if column.name != "day"]
        number = schema.day_number(self.today)
        with self.headend.store.database.write() as connection:
            for back in range(2, 8):
                query = select(literal(number - back), *columns).where(area_day.c.day == number - 1)
                names = ["day", *(column.name for column in columns)]
                connection.execute(insert(area_day).from_select(names, query))

    def _curves(self, connection: Connection, day: dt.date) -> None:
        start_s, stop_s = self.days.span_s(day, day)
        last_s = min(stop_s, int(self.now.timestamp()) - GRACE_S)
        at = np.arange(start_s, max(last_s, start_s + 1), CURVE_INTERVAL_S, dtype="<i8")
        self._vectors(connection, CURVE_INTERVAL_S, day, at)

    def _freezes(self, connection: Connection, day: dt.date) -> None:
        stop_s = self.days.span_s(day, day)[1]
        self._vectors(connection, DAY_INTERVAL_S, day, np.array([stop_s], "<i8"))

    def _vectors(self, connection: Connection, interval_s: int, day: dt.date, at: Ints) -> None:
        """A vector of every meter; those of one pace have the same."""
        epoch = self.days.start_s(self.today - 8 * ONE_DAY)
        count = len(at)
        paces = np.append(np.arange(1, PACES + 1), 2)  # the last one of supply meters
        value = (at - epoch)[None, :] // CURVE_INTERVAL_S * paces[:, None] * 10_000
        start = np.full(PACES + 1, self.days.start_s(day))
        bundle = Bundle(
            np.arange(PACES + 2) * count,
            np.tile(at, PACES + 1),
            value.ravel(),
            np.full(value.size, Quality.ACTUAL, "u1"),
        )
        packed = encode_all(bundle, start)
        numbers = range(1, METERS + 1)
        own = [packed[PACES if _supplies(each) else each % PACES] for each in numbers]
        rows: dict[str, Sequence[Any]] = {
            "meter_id": list(numbers),
            "interval_s": [interval_s] * METERS,
            "register": [str(ENERGY)] * METERS,
            "day": [schema.day_number(day)] * METERS,
            "version": [0] * METERS,
            "scale": [each.scale for each in own],
            "moments": [each.count for each in own],
            "present": [each.present for each in own],
            "vector": [each.raw for each in own],
        }
        upsert_columns(connection, schema.day_vector, rows)

    def _latest(self, connection: Connection) -> None:
        """One meter in a hundred was not heard for days."""
        now_s = int(self.now.timestamp())
        at = [now_s - (5 * 86_400 if number % 100 == 7 else 900) for number in range(METERS)]
        rows: dict[str, Sequence[Any]] = {
            "meter_id": list(range(1, METERS + 1)),
            "register": [str(ENERGY)] * METERS,
            "interval_s": [CURVE_INTERVAL_S] * METERS,
            "value": [1_000_000] * METERS,
            "quality": [3] * METERS,
            "captured_at": at,
            "received_at": [self.now] * METERS,
            "source": ["benchmark"] * METERS,
        }
        upsert_columns(connection, schema.latest, rows)


def _supplies(number: int) -> bool:
    return number % METERS_OF_AREA == 0


def _archive(connection: Connection, now: dt.datetime) -> None:
    areas = [
        {"id": n, "code": f"A{n:04}", "name": f"Area {n}", "name_zh": f"台区{n}", "origin": "desk"}
        for n in range(1, AREAS + 1)
    ]
    terminals = [
        {
            "id": n,
            "area_id": n,
            "region": "4101",
            "number": n,
            "name": "",
            "active": True,
            "origin": "desk",
            "first_connected_at": now - ONE_DAY,
        }
        for n in range(1, AREAS + 1)
    ]
    connection.execute(schema.area.insert(), areas)
    connection.execute(schema.terminal.insert(), terminals)
    connection.execute(schema.meter.insert(), list(_meters()))


def _meters() -> Iterator[dict[str, Any]]:
    for n in range(1, METERS + 1):
        yield {
            "id": n,
            "terminal_id": (n - 1) // METERS_OF_AREA + 1,
            "address": f"{n:012}",
            "point": (n - 1) % METERS_OF_AREA + 1,
            "port": 2,
            "name": f"Flat {n}",
            "kind": "supply" if _supplies(n) else "customer",
            "phases": 1,
            "ratio": "60" if _supplies(n) else "1",
            "baud": 2400,
            "protocol": "dlt645-2007",
            "curve_minutes": 15,
            "hourly": False,
            "day_freeze": True,
            "tariffs": 0,
            "active": True,
            "origin": "desk",
        }


def _connections(connection: Connection, now: dt.datetime) -> None:
    """Nearly all terminals are connected; each has reported events, and most of these have ended."""
    sessions = [
        {
            "terminal_id": terminal,
            "region": "4101",
            "number": terminal,
            "peer": "",
            "began_at": now - ONE_DAY + n * HOUR,
            "ended_at": now - ONE_DAY + n * HOUR + HOUR / 2
            if n + 1 < SESSIONS or terminal % 100 == 0
            else None,
            "end_reason": "",
        }
        for terminal in range(1, AREAS + 1)
        for n in range(SESSIONS)
    ]
    events = [
        {
            "terminal_id": terminal,
            "digest": n.to_bytes(8, "big"),
            "point": n // 2 % METERS_OF_AREA,
            "code": 24,
            "important": n == 1,
            "number": n,
            "begins": n % 2 == 0,
            "at": int(now.timestamp()) - 86_400 + 60 * n,
            "received_at": now,
            "body": b"",
        }
        for terminal in range(1, AREAS + 1)
        for n in range(EVENTS - terminal % 2)
    ]
    connection.execute(schema.terminal_session.insert(), sessions)
    connection.execute(schema.terminal.update().values(first_connected_at=now - ONE_DAY))
    connection.execute(schema.terminal_event.insert(), events)


def _asked(own: _Fleet) -> int:
    """Everything that the page asks of the store, nothing of it remembered; how many values came."""
    today = own.today
    with own.headend.queries.reading() as connection:
        sums = area_days.sums(connection, today - 7 * ONE_DAY, today)
        areas = area_days.areas_of(connection, today - ONE_DAY, missing=False)
        silence = area_days.silence_of(connection, None, SHOWN)
        if silence is None:
            raise SystemExit("the silent meters are not kept: nothing to measure")
        silent = overview.silent_lines(connection, silence.longest, None)
        load = overview.load_of_day(connection, own.days, today, None)
        wanted = AlarmsWanted(open_only=True, limit=SHOWN)
        alarms, _ = alarm_rows.alarms(connection, wanted)
        terminals = fleet.connected(connection)
        tree = fleet.branches(connection)
        orders = overview.newest_orders(connection, None, SHOWN)
    found: Iterable[Any] = (sums, areas, silent, load.kw, alarms, terminals, tree, orders)
    return sum(len(each) for each in found)


def _fastest(work: Callable[[], Any]) -> float:
    """Milliseconds of the fastest of some runs."""
    seconds = []
    for _ in range(RUNS):
        began = perf_counter()
        work()
        seconds.append(perf_counter() - began)
    return min(seconds) * 1000


async def _pages(own: _Fleet) -> dict[str, tuple[float, float]]:
    """Milliseconds of each page: asked for first, and the fastest of the next runs."""
    staff = own.headend.people.staff
    staff.add("bench", "", [Grant(Role.ADMIN.value, 0)])
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.ensure_future(
        serve(create_app(own.headend), "127.0.0.1", 0, ready=told.set_result)
    )
    found = {}
    async with httpx.AsyncClient(base_url=await told, trust_env=False, timeout=120) as reader:
        way_in = f"/link/{own.headend.people.link('bench')}"
        if (await reader.get(way_in)).status_code != codes.SEE_OTHER:
            raise SystemExit("the way in is closed: nothing to measure")
        await reader.get("/settings")  # templates and texts are loaded
        for path in ("/", *PAGES):
            times = [await _timed(reader, path) for _ in range(RUNS + 1)]
            found[path] = (times[0], min(times[1:]))
    serving.cancel()
    await asyncio.wait([serving])
    return found


async def _timed(reader: httpx.AsyncClient, path: str) -> float:
    began = perf_counter()
    answer = await reader.get(path, follow_redirects=True)
    elapsed = perf_counter() - began
    answer.raise_for_status()
    if path == "/" and "are being computed" in answer.text:
        raise SystemExit("the page has no figures: nothing to measure")
    return elapsed * 1000


def _results(name: str, address: str) -> list[Result]:
    own = _Fleet(address)
    own.fill()
    began = perf_counter()
    count = asyncio.run(own.headend.chores.keep())
    rate = count * METERS_OF_AREA / (perf_counter() - began)
    own.copy_figures()
    asked = _fastest(lambda: _asked(own))
    pages = asyncio.run(_pages(own))
    own.headend.store.close()

    def held(title: str, milliseconds: float, *, promised: bool = True) -> Result:
        return Result(
            f"{title}, {name}",
            milliseconds,
            PROMISED_MS,
            "ms",
            "promised, 100,000 meters" if promised else "the dashboard's promise",
            lower_is_better=True,
            least_ratio=1 if promised else None,
        )

    first, again = pages.pop("/")
    return [
        held("dashboard's questions", asked),
        held("dashboard, first", first),
        held("dashboard, again", again),
        *(held(f"page {path}", max(times), promised=False) for path, times in pages.items()),
        # A quarter of an hour is the age at which today's figures are computed anew.
        Result(f"keeping figures, {name}", rate, METERS / 900, "meters/s", "all in 15 minutes"),
    ]


def run() -> list[Result]:
    """Both databases; the promises are those of the design."""
    with TemporaryDirectory() as folder:
        found = _results("SQLite", str(Path(folder) / "headend.sqlite"))
    with postgresql() as address:
        if address:
            found += _results("PostgreSQL", address)
    return found
