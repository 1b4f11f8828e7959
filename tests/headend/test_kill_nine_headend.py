"""kill -9 at random moments under load: every reading that was confirmed is in the store exactly once.

The head-end is the whole service but for its pages, with a real store, files and sockets. Every life is forked from a
process that has read the settings and opened a store like it once, so that a hundred lives take seconds; the caller is a
concentrator that writes down what was confirmed to it.
"""

import asyncio
import os
import random
import signal
import sys
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from tests.headend.world import DAYS, config, open_store

from kwhub.headend.store import schema
from kwhub.headend.store.vectors import Packed, decode
from kwhub.protocols.gdw1376.afn_0d import CurveUnit
from kwhub.protocols.gdw1376.builders import initiated_frame
from kwhub.protocols.gdw1376.frames import TerminalAddress
from kwhub.protocols.gdw1376.messages import Login, Report

KILLS = int(os.environ.get("KWHUB_KILLS", "100"))
"""How often it dies."""

LONGEST_LIFE_S = 0.12
WAITS = 5  #: every so many lives last until something was confirmed
PATIENCE_S = 60
VALUES = 4
START = datetime(2026, 1, 1)
CONFIRMED = b"\x00\x00\x01\x00"  # p0 F1
NUMBER = 2082

MOTHER = """
import asyncio, gc, logging, os, sys
import structlog
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import load
from kwhub.runtime.clock import SystemClock
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
async def live(config):
    headend = HeadEnd(config, SystemClock())
    await headend.run()
async def once(config):
    HeadEnd(config, SystemClock()).store.close()
config = load(sys.argv[1])
asyncio.run(once(config))
gc.freeze()
for line in sys.stdin:
    child = os.fork()
    if not child:
        sys.stdin.close()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        asyncio.run(live(config))
        os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("gone", flush=True)
"""

SETTINGS = """
[headend]
store = "{store}"
uplink = "tcp-listen:127.0.0.1:{port}"
pack_rows = 40

[limits]
frames_per_s = 100000.0
frames_burst = 100000

[[area]]
code = "A1"
name = "Willow Lane"

[[area.terminal]]
region = "4101"
terminal = 2082
"""
METER = '[[area.terminal.meter]]\naddress = "{address}"\npoint = {point}\n'


class Nursery:
    """Starts lives and ends them."""

    def __init__(self, path):
        self.path = path

    async def __aenter__(self):
        mother = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", MOTHER, str(self.path)),
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
        self.orders.write(b"\n")
        return int(await self.news.readline())

    async def killed(self, child):
        os.kill(child, signal.SIGKILL)
        assert await self.news.readline() == b"gone\n"


class Caller:
    """Reports curves without end, each again until it is confirmed, and keeps account."""

    def __init__(self, port, points):
        self.port, self.points = port, points
        self.number = 0
        self.confirmed = []
        self.lines = 0
        self.heard = asyncio.Event()

    async def run(self):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.005)
                continue
            self.lines += 1
            try:
                await self.talk(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

    async def talk(self, reader, writer):
        address = TerminalAddress("4101", NUMBER)
        await self.ask(reader, writer, initiated_frame(Login(), address, 0))
        while True:
            curve = self.curve()
            report = initiated_frame(Report((curve.to_unit(),)), address, self.number % 16)
            assert CONFIRMED in await self.ask(reader, writer, report)
            self.confirmed.append(curve)
            self.heard.set()
            self.number += 1

    def curve(self):
        step, place = divmod(self.number, len(self.points))
        values = tuple(Decimal(step * VALUES + n).scaleb(-2) for n in range(VALUES))
        return CurveUnit(self.points[place], 101, START + timedelta(hours=step), values)

    async def ask(self, reader, writer, frame):
        writer.write(frame.to_bytes())
        head = await reader.readexactly(6)
        return await reader.readexactly((int.from_bytes(head[1:3], "little") >> 2) + 2)


def stored(store):
    """Every measured value by meter and moment, and how many there are in all versions."""
    found, count = {}, 0
    with store.database.read() as connection:
        for row in connection.execute(select(schema.day_vector)):
            packed = Packed(row.scale, row.moments, row.present, row.vector)
            series = decode(packed, DAYS.number_start_s(row.day))
            for at, value in zip(series.at.tolist(), series.value.tolist(), strict=True):
                found[row.meter_id, at] = value
                count += 1
    return found, count


async def kill_again_and_again(nursery, caller):
    """Most lives end at any moment from the birth on, the others while reports are being confirmed."""
    chance = random.Random(9)
    for life in range(KILLS):
        child = await nursery.born()
        if life % WAITS == 0:
            caller.heard.clear()
            async with asyncio.timeout(PATIENCE_S):
                await caller.heard.wait()
        await asyncio.sleep(chance.uniform(0.0, LONGEST_LIFE_S))
        await nursery.killed(child)


@pytest.mark.slow
async def test_a_hundred_kills_lose_nothing_that_was_confirmed_and_double_nothing(
    address, tmp_path, unused_tcp_port
):
    archive = config(address)
    meters = list(archive.meters())
    text = SETTINGS.format(store=address, port=unused_tcp_port)
    path = tmp_path / "headend.toml"
    path.write_text(text + "".join(METER.format(address=m.address, point=m.point) for m in meters))
    caller = Caller(unused_tcp_port, [meter.point for meter in meters])
    async with Nursery(path) as nursery:
        calling = asyncio.ensure_future(caller.run())
        await kill_again_and_again(nursery, caller)
        calling.cancel()
        await asyncio.wait([calling])
    store = open_store(address, archive)
    store.pack()
    found, count = stored(store)
    points = store.archive.terminals["4101", NUMBER].points
    told = {
        (points[curve.point].id, DAYS.utc_s(at)): int(value * 1_000_000)
        for curve in caller.confirmed
        for at, value in zip(curve.times(), curve.values, strict=True)
    }
    store.close()
    assert caller.lines >= KILLS // WAITS
    assert len(told) == len(caller.confirmed) * VALUES > KILLS // WAITS
    assert {key: found.get(key) for key in told} == told
    assert count == len(found)  # nothing is kept a second time beside itself
    assert len(found) - len(told) in {0, VALUES}  # the last may have lost its confirmation
