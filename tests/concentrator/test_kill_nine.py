"""kill -9 at random moments, again and again, against a real process with real files and sockets.

Every life is a process of its own, forked from one that has only imported the program, so that two hundred
lives take a minute and not ten. Between two lives the clock goes on by some minutes: there is always something
new to read, and hours of meters that keep no record pass while nobody lives. The process commits after every
meter and reports without a pause, so that commits and deliveries happen at all times of a life.
"""

import asyncio
import os
import random
import signal
import sqlite3
import sys
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from tests.concentrator.station import SHANGHAI

from kwhub.concentrator.ledger import LedgerBook, open_to_read
from kwhub.concentrator.ledger_causes import Cause
from kwhub.concentrator.outbox import from_scaled
from kwhub.headend import config as above
from kwhub.headend.app import HeadEnd
from kwhub.headend.store.database import Database
from kwhub.headend.store.days import Days
from kwhub.headend.store.read import Reader
from kwhub.links.tcp_listen import serve
from kwhub.protocols.dlt645.editions import Edition
from kwhub.runtime.clock import SystemClock
from kwhub.sim.area import TransformerArea
from kwhub.sim.device import serve_meters

KILLS = 200
BETWEEN_LEAST = 150
"""Kills between the first commit and the last."""
BUSY_LIVES_LEAST = 40
"""Kills that came after a commit of the same life."""
UNDELIVERED_LEAST = 20
"""Kills that came after a commit and before its delivery."""

START = datetime(2026, 3, 2, 16, tzinfo=UTC)
"""Midnight in China."""

STEP = timedelta(minutes=4)
"""How far the clock goes on between two lives; a full hour can be read live in about four of them."""

HISTORY_DAYS = 9
"""Enough that after two hundred lives there is still something to fetch."""

METERS = 8
OLD = range(1, 3)
"""Places of meters of DL/T 645-1997: an hour of theirs that has passed cannot be had again."""

PATIENCE_S = 60
UNHURRIED_LIFE_S = 4.0
UNHURRIED_LIVES_MAX = 25
PAUSE_OVER = timedelta(minutes=20)
MICRO = 1_000_000

MOTHER = """
import asyncio, logging, os, sys
from datetime import timedelta
from kwhub.concentrator import bus, plan, uplink
from kwhub.concentrator.app import Concentrator
from kwhub.concentrator.config import load
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock
import structlog
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
for module, name, value in (
    (bus, "COMMIT_AFTER_S", 0),
    (plan, "SLOTS_PER_SESSION_MAX", 8),
    (uplink, "LINGER_S", 0.0),
):
    assert hasattr(module, name)
    setattr(module, name, value)

class Moved(SystemClock):
    def __init__(self, ahead_s):
        self.ahead = timedelta(seconds=ahead_s)

    def now(self):
        return super().now() + self.ahead

async def live(path, seed, ahead_s):
    box = Concentrator(load(path), Moved(ahead_s), chance=seeded(seed))
    await box.run()

for seed, line in enumerate(sys.stdin):
    ahead_s, path = line.strip().split(" ", 1)
    child = os.fork()
    if not child:
        sys.stdin.close()
        asyncio.run(live(path, seed, float(ahead_s)))
        os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("gone", flush=True)
"""

SETTINGS = """
[concentrator]
region = "4101"
terminal = 2082
store = "concentrator.sqlite"

[uplink]
address = "{uplink}"
reconnect_first_s = 0.01

[plan]
history_days = {history}
settle_s = 0

[[bus]]
name = "bus-1"
address = "{bus}"
port = 2
baud = 19200
"""


class Moved(SystemClock):
    """The clock of the machine, some time ahead."""

    def __init__(self):
        self.ahead = START - datetime.now(UTC)

    def now(self):
        return super().now() + self.ahead


class Seen(NamedTuple):
    """What stood in the store after a kill."""

    stored: int = 0
    delivered: int = 0


def site(area, uplink, bus):
    text = SETTINGS.format(uplink=uplink, bus=bus, history=HISTORY_DAYS)
    for number, place in enumerate(area.places):
        text += f'[[bus.meter]]\naddress = "{place.meter.address}"\npoint = {place.point}\n'
        text += 'protocol = "dlt645-1997"\n' if number in OLD else ""
    return text


def headend_of(area, folder):
    meters = tuple(
        above.Meter(address=place.meter.address, point=place.point) for place in area.places
    )
    terminal = above.Terminal(region="4101", terminal=2082, meter=meters)
    service = above.Service(
        store=str(folder / "headend.sqlite"), uplink="tcp-listen:127.0.0.1:0", web=""
    )
    return above.Config(
        headend=service, area=(above.Area(code="A", name="A", terminal=(terminal,)),)
    )


def old_and_new():
    area = TransformerArea(1, start=START, meters=METERS, concentrators=1, buses=1)
    for number in OLD:
        place = area.places[number]
        place.meter.edition = place.meter.body.edition = Edition.E1997
    return area


class Nursery:
    """Starts lives and ends them."""

    def __init__(self, path, clock):
        self.path = path
        self.clock = clock
        self.child = None

    async def __aenter__(self):
        mother = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            MOTHER,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert mother.stdin is not None
        assert mother.stdout is not None
        self.mother, self.orders, self.news = mother, mother.stdin, mother.stdout
        return self

    async def __aexit__(self, *_):
        if self.child is not None:  # it holds a pipe that the wait below waits for
            os.kill(self.child, signal.SIGKILL)
        self.mother.kill()
        await self.mother.wait()

    async def born(self):
        self.orders.write(f"{self.clock.ahead.total_seconds()} {self.path}\n".encode())
        self.child = int(await self.news.readline())
        return self.child

    async def killed(self, child):
        os.kill(child, signal.SIGKILL)
        self.child = None
        assert await self.news.readline() == b"gone\n"


def rows_of(store, sql):
    with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def look(store):
    """How much a store has, and how much of it is marked as delivered."""
    with suppress(sqlite3.OperationalError):  # the first kill came before there was a table
        return Seen(*rows_of(store, "SELECT count(*), count(delivered_at) FROM reading")[0])
    return Seen()


def readings(store):
    """Every reading by point, register, spacing and moment; the value in millionths."""
    rows = rows_of(store, "SELECT point, register, interval_s, at, value, scale FROM reading")
    numbers = ((row[:4], from_scaled(*row[4:])) for row in rows)
    return {key: int(number * MICRO) for key, number in numbers if number is not None}


async def first_commit_s(nursery, store):
    """How long a life takes from its birth to its first commit; one life before it makes the tables."""
    took_s = 0.0
    for _ in range(2):
        before, begin = look(store).stored, asyncio.get_running_loop().time()
        child = await nursery.born()
        async with asyncio.timeout(PATIENCE_S):
            while look(store).stored == before:  # noqa: ASYNC110 - another process works on it
                await asyncio.sleep(0.005)
        took_s = asyncio.get_running_loop().time() - begin
        await nursery.killed(child)
    return took_s


async def kill_again_and_again(nursery, store, chance):
    """What was seen after each kill, and that nothing that was once committed is ever gone."""
    span_s = 2.5 * await first_commit_s(nursery, store)
    seen = [look(store)]
    kept = readings(store)
    for number in range(KILLS - 2):
        nursery.clock.ahead += STEP
        child = await nursery.born()
        await asyncio.sleep(chance.uniform(0.0, span_s))
        await nursery.killed(child)
        seen.append(look(store))
        if number % 10 == 0:
            now = readings(store)
            assert kept.items() <= now.items()
            kept = now
    return seen


def at_station(headend, area, like):
    """Every reading that the head-end has of the same series, in the same form."""
    point = {place.meter.address: place.point for place in area.places}
    meters = {n: point[each.address] for n, each in headend.store.archive.meters.items()}
    span = ((START - timedelta(days=12)).date(), (START + timedelta(days=3)).date())
    found = {}
    with closing(Database(headend.config.headend.store)) as database, database.read() as connection:
        reader = Reader(connection, Days(ZoneInfo("Asia/Shanghai")))
        for interval_s in {key[2] for key in like}:
            registers = {key[1] for key in like if key[2] == interval_s}
            series = reader.series(meters, registers, interval_s, span)
            for (meter, register), each in series.items():
                for at, value in zip(each.at.tolist(), each.value.tolist(), strict=True):
                    found[meters[meter], register, interval_s, at] = value
    return found


def ledger(store, clock):
    """The lines of the ledger up to the last full hour; what came later is not asked for yet."""
    now = clock.now().replace(minute=0, second=0, microsecond=0)
    first, last = (START - timedelta(days=12)).astimezone(SHANGHAI), now.astimezone(SHANGHAI)
    with closing(open_to_read(str(store))) as database:
        book = LedgerBook(database, SHANGHAI)
        return list(book.lines(first.date(), last.date(), int(now.timestamp())))


def is_settled(store, clock):
    """Whether nothing can come any more, and all that came was delivered."""
    seen = look(store)
    return seen.stored == seen.delivered and not any(line.open for line in ledger(store, clock))


def check_that_kills_bit(seen, end):
    """Whether commits and deliveries happened all the time, and kills came in between."""
    busy = sum(later != before for before, later in pairwise(seen))
    half = seen[KILLS // 2]
    assert sum(0 < each.stored < end.stored for each in seen) >= BETWEEN_LEAST
    assert busy >= BUSY_LIVES_LEAST
    assert 0 < seen[0].stored < half.stored < seen[-1].stored < end.stored
    assert 0 < half.delivered < seen[-1].delivered < end.delivered
    assert sum(each.delivered < each.stored for each in seen) >= UNDELIVERED_LEAST


def check_losses(store, clock, old):
    """Only an hour that a meter keeps no record of is lost, and the ledger says so."""
    lines = ledger(store, clock)
    lost = [(line.point, each) for line in lines for each in line.missing]
    assert {point for point, _ in lost} == old  # of all others everything is there
    assert {each.cause for _, each in lost} == {Cause.NO_RECORD}
    assert sum(line.got for line in lines if line.point in old)  # and of these what was committed


async def live_until_settled(nursery, store):
    """Lives without haste; the clock goes on between them, so that the pauses of the plan end."""
    for _ in range(UNHURRIED_LIVES_MAX):
        nursery.clock.ahead += PAUSE_OVER
        child = await nursery.born()
        await asyncio.sleep(UNHURRIED_LIFE_S)
        await nursery.killed(child)
        if is_settled(store, nursery.clock):
            return


@pytest.mark.slow
async def test_two_hundred_kills_lose_nothing_and_double_nothing(tmp_path):
    clock, area = Moved(), old_and_new()

    async def attend(link):
        await serve_meters(link, area.bus(1), clock, reply_delay_s=0.005)

    meters = await serve("tcp-listen:127.0.0.1:0", attend, clock)
    headend = HeadEnd(headend_of(area, tmp_path), clock)
    path, store = tmp_path / "site.toml", tmp_path / "concentrator.sqlite"
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(headend.run())
        await headend.running.wait()
        uplink = headend.address.replace("-listen", "")
        path.write_text(site(area, uplink, meters.call_address))
        async with Nursery(path, clock) as nursery:
            seen = await kill_again_and_again(nursery, store, random.Random(9))
            await live_until_settled(nursery, store)
        running.cancel()
    await headend.pack()

    assert is_settled(store, clock)
    check_that_kills_bit(seen, look(store))
    below = readings(store)
    assert at_station(headend, area, below) == below
    whole = headend.queries.completeness(START.date(), clock.now().date())
    assert (whole.duplicates, whole.conflicts) == (0, 0)
    check_losses(store, clock, {area.places[number].point for number in OLD})
    await meters.aclose()
    await headend.close()
