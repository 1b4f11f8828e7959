"""A round of 300 customers behind 20 terminals: the process of the handheld is killed 100 times, half of it off-line.

The terminals are those of ``kwhub.terminal``, each counting the pulses of fifteen meters that go on all the time; what
arrives at the head-end is held against the pulses that there were when each was read.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections import Counter, defaultdict
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sqlalchemy import select
from tests.handheld.walker import FASTER, FastClock, run
from tests.identity.field import CHEAP, PIN, Headend

from kwhub.catalog.terminal_profile import point_address
from kwhub.exchange.device_messages import Upload, WorkMeter
from kwhub.handheld.app import Device
from kwhub.headend.config import Area, Config, Meter, Terminal
from kwhub.headend.identity.records import Description
from kwhub.headend.identity.work import NewWork
from kwhub.headend.store import journal
from kwhub.headend.store.archive import synchronise
from kwhub.headend.store.schema_devices import device_upload, device_work
from kwhub.links.layers import Faulty
from kwhub.links.layers.spoiler import FaultRates
from kwhub.links.tcp_listen import serve
from kwhub.protocols.dlt645.receiver import Received, Receiver
from kwhub.runtime.chance import seeded
from kwhub.terminal import config as terminal_config
from kwhub.terminal.app import Terminal as CollectingTerminal
from kwhub.terminal.inputs import SimulatedInputs
from kwhub.terminal.inputs import SimulatedMeter as PulsingMeter

TERMINALS, METERS, KILLS, SEED = 20, 15, 100, 2026
CONSTANT = 100  #: imp/kWh: each pulse is a hundredth of a kWh, and comes about every second
SETTLED_US = 2_000  #: debounce
YOUNG_US = 8_000  #: a look leaves out the edges of the last 5 ms
BEFORE_US = 2_000_000 * FASTER  #: the terminal is put together before the first pulse comes
EDGES = 10  #: of one pulse, five at each end
LATE_S = 60
"""A reading is dated so far from its request at most, seconds of fast time: the head-end's time reaches the device late."""
SHAKY = FaultRates(loss=0.04, flip=0.03, cut=0.02)
ROOT = Path(__file__).parents[2]


class Counted:
    """The far end of a radio, which tells whose frames arrive, and when the answer to the last one goes."""

    def __init__(self, inner, moment, told, answered):
        self.inner, self.facts, self._receiver = inner, inner.facts, Receiver()
        self._moment, self._told, self._answered = moment, told, answered
        self._heard = moment()

    async def read(self):
        data = await self.inner.read()
        self._heard = self._moment()
        for each in self._receiver.feed(data):
            if isinstance(each, Received):
                self._told(each.frame.address)
        return data

    async def write(self, data):
        # By the answers, which are whole: a question behind a torn one may be lost on this receiver only.
        for each in Receiver().feed(data):
            if isinstance(each, Received):
                self._answered(each.frame.address, self._heard)
        await self.inner.write(data)

    async def aclose(self):
        await self.inner.aclose()


class Meters(SimulatedInputs):
    """Meters that pulse, and the moment of every edge that they have given."""

    def __init__(self, seed, start_us):
        meters = {n: PulsingMeter(CONSTANT, 30.0 + n) for n in range(1, METERS + 1)}
        super().__init__(meters, seed, start_us)
        self.given = defaultdict(list)

    def edges(self, now_us):
        found = super().edges(now_us)
        for number, (times, _) in found.items():
            self.given[number] += times.tolist()
        return found


class Pole:
    """A collecting terminal with fifteen meters, and what they have really given."""

    def __init__(self, folder, number, clock):
        self.address = f"{2026110000 + number:010}00"
        self.points = [point_address(self.address, n) for n in range(1, METERS + 1)]
        self.initial = [Decimal(10 * number + n) for n in range(1, METERS + 1)]
        channels = "".join(
            f'[[channel]]\nnumber = {n}\nconstant = {CONSTANT}\ncurrent_max_a = "300"\n'
            f'initial = "{initial}"\n'
            for n, initial in enumerate(self.initial, 1)
        )
        path = folder / f"{self.address}.toml"
        path.write_text(
            f'[terminal]\naddress = "{self.address}"\nfolder = "{self.address}"\n'
            f'commit_ms = 60000\n[inputs]\nkind = "simulator"\n'
            f'[[link]]\naddress = "memory:{self.address}"\n{channels}'
        )
        start_us = int(clock.monotonic() * 1_000_000) + BEFORE_US  # none before it listens
        self.meters = Meters(number, start_us)
        settings = terminal_config.load(path)
        self.terminal = CollectingTerminal(
            settings, clock, chance=seeded(number), inputs=self.meters
        )

    def close(self):
        """No more pulses: remember when each one could be counted, the last edge of its first burst and debounce."""
        self.terminal.close()
        self.moments = {
            number: np.array(edges[EDGES // 2 - 1 :: EDGES]) + SETTLED_US
            for number, edges in self.meters.given.items()
        }

    def truth(self, point, at_us):
        """What the register of a point shows at a moment, kWh."""
        number = self.points.index(point) + 1
        pulses = int(np.searchsorted(self.moments[number], at_us, side="right"))
        return self.initial[number - 1] + Decimal(pulses) / CONSTANT


class Country:
    """A head-end and terminals on sockets, and the handheld's process that walks between them."""

    def __init__(self, folder):
        self.folder, self.chance = folder, seeded(SEED)
        self.clock = FastClock(time.time())
        self.headend = Headend(folder, self.clock, None)
        self.is_offline = False
        self.poles = [Pole(folder, number, self.clock) for number in range(TERMINALS)]
        self.moments = defaultdict(
            list
        )  #: of each address: wall second, asked and answered at, microseconds
        self.asked = []  #: addresses that the terminals have heard in this life
        self.heard = asyncio.Event()
        self.open_links = set()
        self.kept = set()
        self.killed = self.idle = self.turned_away = self.deliveries = self.finished = 0
        self.lives = []  #: of each: what was kept before, what it says it has, whom it asked

    async def _serve(self, ways, handler):
        server = await serve("tcp-listen:127.0.0.1:0", handler, self.clock)
        ways.push_async_callback(server.aclose)
        return server

    async def build(self, ways):
        dial_in = await self._serve(ways, self._device)
        enrol = await self._serve(ways, self._enrolment)
        meters = {}
        for pole in self.poles:
            server = await self._serve(ways, self._radio(pole.terminal))
            meters[server.address.rpartition(":")[2]] = pole.points
        self.route = [address for own in meters.values() for address in own]
        terminals = tuple(
            Terminal("4101", number, name, tuple(Meter(a, n, name=a) for n, a in enumerate(own, 1)))
            for number, (name, own) in enumerate(meters.items(), 1)
        )
        with self.headend.database.write() as connection:
            synchronise(connection, Config(area=(Area("A1", "North", "", terminals),)))
        allocation = self.headend.registry.allocate(Description(), "admin")
        here = self.headend.code(allocation)
        code = replace(here, at=_host(dial_in), enrol=_host(enrol))
        device = Device(self.folder / "gadget", self.clock, seeded(1), cost=CHEAP)
        await device.enrol(code.text, PIN)
        await device.change(link="tcp:127.0.0.1:{terminal}")
        tasks = device.sign_in(PIN)
        await tasks.delivery.synchronise()
        work = tuple(WorkMeter(a, name) for name, own in meters.items() for a in own)
        order = NewWork("collect", work, uses=200)
        self.headend.work.give("device-000001", order, "admin")
        await tasks.delivery.synchronise()
        await device.sign_out()

    async def walk(self):
        """All lives of the process, until the work is done."""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.handheld.walker"),
            *(str(self.folder / "gadget"), str(self.clock.origin_s), PIN),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self.process.stdin
        assert self.process.stdout
        self.input, self.output = self.process.stdin, self.process.stdout
        ways = [number % 2 == 0 for number in range(KILLS)]
        self.chance.shuffle(ways)
        for offline in ways:
            await self._live(offline=offline, kill=True)
        await self._live(offline=False, kill=False)
        self.input.close()
        await self.process.wait()

    async def _live(self, *, offline, kill):
        self.is_offline = offline
        if offline:
            for link in list(self.open_links):
                await link.aclose()
        self.asked.clear()
        before, is_over = set(self.kept), self.is_over()
        self.input.write(b"until killed\n" if kill else b"go\n")
        word, pid = await self._word()
        assert word == "pid"
        killing = asyncio.create_task(self._kill(pid)) if kill else None
        stands = None
        while (found := await self._word())[0] != "gone":
            word, what = found
            if word == "stands":
                stands = what
                self.kept |= set(what)
            elif word == "kept":
                self.kept.add(what)
            self.heard.set()
        if killing is not None:
            killing.cancel()
        assert found[1] == (-signal.SIGKILL if kill else 0), "it has ended by itself"
        self.killed += kill
        asked = list(dict.fromkeys(self.asked))
        if is_over:  # on a busy machine a life may come to the end of the work before it is killed
            heard = set(stands or ())
            assert heard in (set(), set(self.route))  # before or after it was told so
            assert asked == []
            self.idle += 1
            return
        self.lives.append((before, stands, asked))

    async def _kill(self, pid):
        """At a random moment: after some frames and some milliseconds more, such that nearly all kills find work left."""
        left = (len(self.route) - len(self.kept)) / (KILLS - self.killed)
        frames = self.chance.randint(0, round(1.2 * left))
        await self._frames(frames)
        with suppress(TimeoutError):
            async with asyncio.timeout(FASTER * self.chance.uniform(0, 0.02 if frames else 0.08)):
                await self._frames(frames + max(1, round(0.4 * left)))
        os.kill(pid, signal.SIGKILL)

    async def _frames(self, count):
        """Wait until the terminals have heard so many in this life, or all is done."""
        while len(self.asked) < count and len(self.kept) < len(self.route):
            self.heard.clear()
            await self.heard.wait()

    async def _word(self):
        return json.loads(await self.output.readline())

    async def _device(self, link):
        if self.is_offline:
            self.turned_away += 1
            await link.aclose()
            return
        self.open_links.add(link)
        try:
            await self.headend.attend(link)
        finally:
            self.open_links.discard(link)

    async def _enrolment(self, link):
        await self.headend.attend(link, enrolment=True)

    def _radio(self, terminal):
        async def attend(link):
            chance = seeded(SEED, self.chance.random())
            far = Counted(Faulty(link, chance, SHAKY), self._moment, self._told, self._answered)
            await terminal.attend(far)

        return attend

    def _told(self, address):
        self.asked.append(address)
        self.heard.set()

    def _answered(self, address, heard):
        wall_s, asked_us = heard
        self.moments[address].append((wall_s, asked_us, self._moment()[1]))

    def _moment(self):
        """Wall second and microsecond."""
        return self.clock.now().timestamp(), int(self.clock.monotonic() * 1_000_000)

    async def look(self):
        """Every terminal looks at its inputs again and again, as its service does, in turns."""
        while True:
            for pole in self.poles:
                pole.terminal.look()
                await asyncio.sleep(FASTER * 0.05)

    def close(self):
        for pole in self.poles:
            pole.close()
        self.headend.database.close()

    def is_over(self):
        """Whether the head-end has heard that all of it is done."""
        with self.headend.database.read() as connection:
            return connection.scalars(select(device_work.c.state)).one() == "finished"

    def uploads(self):
        with self.headend.database.read() as connection:
            rows = connection.execute(select(device_upload.c.body)).all()
        return [msgspec.json.decode(row.body, type=Upload) for row in rows]

    def booked(self):
        with self.headend.database.read() as connection:
            return [len(each.columns) for each in journal.entries(connection)]


def _host(server):
    return server.address.removeprefix("tcp-listen:")


@pytest.fixture(scope="module")
def played(tmp_path_factory, fresh):
    """The whole round, played once: the country, the readings that arrived, how many were booked each time."""
    folder = tmp_path_factory.mktemp("killed")
    shutil.copytree(fresh, folder, dirs_exist_ok=True)

    async def main():
        async with AsyncExitStack() as ways, asyncio.timeout(600 * FASTER):
            found = Country(folder)
            await found.build(ways)
            async with asyncio.TaskGroup() as group:
                looking = group.create_task(found.look())
                await found.walk()
                looking.cancel()
        return found

    found = run(main())
    uploads, booked = found.uploads(), found.booked()
    found.deliveries = len(uploads)
    found.finished = sum(each.finished for each in uploads)
    readings = [each for upload in uploads for each in upload.readings]
    found.close()
    return found, readings, booked


@pytest.mark.slow
def test_every_reading_is_at_the_head_end_once_after_a_hundred_kills(played):
    country, readings, booked = played
    assert country.killed == KILLS
    assert country.idle <= KILLS / 10
    assert Counter((each.meter, each.register) for each in readings) == {
        (address, "1-0:1.8.0"): 1 for address in country.route
    }
    assert sum(booked) == len(country.route) == TERMINALS * METERS
    assert country.finished == 1


@pytest.mark.slow
def test_every_value_is_what_its_meter_had_given_when_it_was_read(played):
    country, readings, _ = played
    poles = {point: pole for pole in country.poles for point in pole.points}
    for each in readings:
        pole, at = poles[each.meter], each.captured_at
        spans = [
            (pole.truth(each.meter, asked_us - YOUNG_US), pole.truth(each.meter, answered_us))
            for wall_s, asked_us, answered_us in country.moments[each.meter]
            if abs(wall_s - at) <= LATE_S
        ]
        assert any(low <= each.value <= high for low, high in spans), (each, spans)
        initial = pole.initial[pole.points.index(each.meter)]
        # Only who was asked before the first pulse shows what it began with.
        assert each.value > initial or any(low == initial for low, _ in spans)


@pytest.mark.slow
def test_the_route_goes_on_where_it_stopped_and_asks_nobody_twice(played):
    country, _, _ = played
    stood = [
        (before, stands, asked) for before, stands, asked in country.lives if stands is not None
    ]
    assert len(stood) > KILLS / 2
    passed_over = 0
    for before, stands, asked in stood:
        # What was told is on the disk, and at most one meter whose word was cut off.
        assert before <= set(stands)
        assert len(set(stands) - before) <= 1
        left = [address for address in country.route if address not in set(stands)]
        # One whose every request was lost on the air is passed over, and asked again after the others.
        assert asked == [address for address in left if address in asked]
        passed_over += len(left[: left.index(asked[-1]) + 1]) - len(asked) if asked else 0
    assert passed_over <= 3
    assert sum(bool(asked) for _, _, asked in stood) > KILLS / 2


@pytest.mark.slow
def test_half_of_it_was_off_line_and_readings_came_together(played):
    country, _, _ = played
    assert country.turned_away > 0
    assert country.deliveries < len(country.route)
