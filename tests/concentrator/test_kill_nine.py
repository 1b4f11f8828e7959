"""kill -9 at random moments, again and again, against a real process with real files and sockets.

Every life is a process of its own, forked from one that has only imported the program, so that two hundred
lives take a minute and not ten.
"""

import asyncio
import os
import random
import signal
import sqlite3
import sys
from contextlib import closing
from datetime import timedelta

import pytest
from tests.concentrator.station import SHANGHAI

from kwhub.headend import config as above
from kwhub.headend.app import HeadEnd
from kwhub.links.tcp_listen import serve
from kwhub.runtime.clock import SystemClock
from kwhub.sim.area import TransformerArea
from kwhub.sim.device import serve_meters

KILLS = 200
LONGEST_LIFE_S = 0.25
HISTORY_DAYS = 4
METERS = 4
WANTED = METERS * HISTORY_DAYS * (96 + 5)
"""Curve values and day freezes with four tariffs, of whole days."""

PATIENCE_S = 60

MOTHER = """
import asyncio, logging, os, sys
from kwhub.concentrator.app import Concentrator
from kwhub.concentrator.config import load
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock
import structlog
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

async def live(path, seed):
    box = Concentrator(load(path), SystemClock(), chance=seeded(seed))
    await box.run()

for seed, line in enumerate(sys.stdin):
    child = os.fork()
    if not child:
        sys.stdin.close()
        asyncio.run(live(line.strip(), seed))
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
hourly = false

[[bus]]
name = "bus-1"
address = "{bus}"
port = 2
baud = 19200
"""


def site(area, uplink, bus):
    text = SETTINGS.format(uplink=uplink, bus=bus, history=HISTORY_DAYS)
    for place in area.places:
        text += f'[[bus.meter]]\naddress = "{place.meter.address}"\npoint = {place.point}\n'
    return text


def headend_of(area, folder):
    meters = tuple(
        above.Meter(address=place.meter.address, point=place.point, hourly=False)
        for place in area.places
    )
    terminal = above.Terminal(region="4101", terminal=2082, meter=meters)
    service = above.Service(
        store=str(folder / "headend.sqlite"), uplink="tcp-listen:127.0.0.1:0", web=""
    )
    return above.Config(
        headend=service, area=(above.Area(code="A", name="A", terminal=(terminal,)),)
    )


class Nursery:
    """Starts lives and ends them."""

    def __init__(self, path):
        self.path = path

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
        self.mother.kill()
        await self.mother.wait()

    async def born(self):
        self.orders.write(f"{self.path}\n".encode())
        return int(await self.news.readline())

    async def killed(self, child):
        os.kill(child, signal.SIGKILL)
        assert await self.news.readline() == b"gone\n"


def readings(store):
    """What a store has read, and how much of it was not delivered; None before there is any."""
    try:
        with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                "SELECT point, register, interval_s, at, value, scale FROM reading"
            ).fetchall()
            (waiting,) = connection.execute(
                "SELECT count(*) FROM reading WHERE delivered_at IS NULL"
            ).fetchone()
    except sqlite3.OperationalError:
        return None, 0
    return rows, waiting


async def kill_again_and_again(nursery, chance):
    for _ in range(KILLS):
        child = await nursery.born()
        await asyncio.sleep(chance.uniform(0.0, LONGEST_LIFE_S))
        await nursery.killed(child)


async def until(is_so):
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110 - another process works on it
            await asyncio.sleep(0.1)


async def undisturbed(folder, text):
    """What a concentrator reads that nobody kills and that reaches nobody."""
    path, store = folder / "clean.toml", folder / "clean.sqlite"
    path.write_text(text.replace("concentrator.sqlite", "clean.sqlite"))
    async with Nursery(path) as nursery:
        child = await nursery.born()
        await until(lambda: len(readings(store)[0] or ()) >= WANTED)
        await nursery.killed(child)
    return readings(store)[0]


@pytest.mark.slow
async def test_two_hundred_kills_lose_nothing_and_double_nothing(tmp_path):
    clock = SystemClock()
    today = clock.now().astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    span = tuple((today - timedelta(days=days)).date() for days in (HISTORY_DAYS, 1))
    area = TransformerArea(1, start=today, meters=METERS, concentrators=1, buses=1)

    async def attend(link):
        await serve_meters(link, area.bus(1), clock, reply_delay_s=0)

    meters = await serve("tcp-listen:127.0.0.1:0", attend, clock)
    headend = HeadEnd(headend_of(area, tmp_path), clock)
    path, store = tmp_path / "site.toml", tmp_path / "concentrator.sqlite"

    def is_done():
        whole = headend.queries.completeness(*span)
        return whole.got == whole.expected and not readings(store)[1]

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(headend.run())
        await headend.running.wait()
        uplink = headend.address.replace("-listen", "")
        path.write_text(site(area, uplink, meters.call_address))
        async with Nursery(path) as nursery:
            await kill_again_and_again(nursery, random.Random(9))
            child = await nursery.born()
            await until(is_done)
            await nursery.killed(child)
        running.cancel()
    await headend.pack()
    whole = headend.queries.completeness(*span)
    assert whole.expected == whole.got == WANTED
    assert (whole.duplicates, whole.conflicts) == (0, 0)
    clean = await undisturbed(tmp_path, site(area, "tcp:127.0.0.1:9", meters.call_address))
    assert {row for row in clean if row[3] < today.timestamp()} <= set(readings(store)[0])
    await meters.aclose()
    await headend.close()
