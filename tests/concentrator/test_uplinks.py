"""Two ways to one head-end: chosen by priority and health; nothing lost, nothing known sent again."""

import asyncio
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal

import pytest
from msgspec import structs
from tests.concentrator.station import SHANGHAI, Station

from kwhub.concentrator.answers import Answers
from kwhub.concentrator.config import (
    Identity,
    MeterSettings,
    PlanSettings,
    StandbySettings,
    UplinkSettings,
    loads,
)
from kwhub.concentrator.counters import UplinkCounters, WayCounters
from kwhub.concentrator.outbox import Batch, Outbox, Slot
from kwhub.concentrator.plan import Plan
from kwhub.concentrator.uplink import Uplink
from kwhub.concentrator.uplink_ways import STEADY_S, Way, Ways
from kwhub.concentrator.uplinks import Uplinks
from kwhub.domain.errors import ConfigError, LinkDown
from kwhub.domain.readings import Register
from kwhub.links.layers import Layer
from kwhub.protocols.gdw1376.afn_10 import Forward
from kwhub.protocols.gdw1376.messages import Answered
from kwhub.runtime.chance import seeded
from kwhub.runtime.virtual import run_virtual

START = datetime(2026, 3, 2, 12, tzinfo=SHANGHAI)
START_S = int(START.timestamp())
ENERGY = Register("1-0:1.8.0")
QUARTER_S = 900
SMALL_BYTES = 60
FIRST, SECOND = "tcp:ethernet:8001", "tcp:cellular:8001"


class Cable(Layer):
    """A connection through a network; while that is deaf, bytes vanish and nobody hangs up."""

    def __init__(self, inner, network):
        super().__init__(inner)
        self._network = network

    async def read(self):
        while True:
            data = await super().read()
            if not self._network.deaf:
                return data

    async def write(self, data):
        if not self._network.deaf:
            await super().write(data)


class Network:
    def __init__(self, station):
        self.station = station
        self.up = True
        self.deaf = False
        self.cables = []

    async def open_link(self):
        if not self.up or self.deaf:
            raise LinkDown("no route to host")
        self.cables.append(Cable(await self.station.open_link(), self))
        return self.cables[-1]

    async def cut(self):
        while self.cables:
            await self.cables.pop().aclose()

    async def fail(self):
        self.up = False
        await self.cut()


class Wire:
    """A bus that takes long to answer."""

    def __init__(self, clock):
        self.clock = clock

    async def forward(self, order):
        await self.clock.sleep(8)
        return b"answer"


class World:
    def __init__(self, clock, path, seed=1):
        self.clock = clock
        self.station = Station(clock)
        self.networks = {FIRST: Network(self.station), SECOND: Network(self.station)}
        self.first, self.second = self.networks.values()
        self.outbox = Outbox.open(path)
        self.wanted: set[tuple[object, ...]] = set()
        self.quarter = 0
        meter = Plan(PlanSettings(), SHANGHAI).meter(MeterSettings("000000000038", 1))
        self.uplink = Uplink(
            Identity("4101", 2082),
            UplinkSettings(FIRST, heartbeat_s=60),
            self.outbox,
            Answers(self.outbox, [meter], SHANGHAI),
            clock=clock,
            open_link=lambda address: self.networks[address].open_link(),
            ports={2: Wire(clock)},
            counters=UplinkCounters(),
        )
        self.uplink.ways.append(Way("standby", StandbySettings(SECOND, heartbeat_s=60)))
        self.moves: list[str] = []
        self.uplinks = Uplinks(
            self.uplink,
            self.uplink.ways,
            clock=clock,
            chance=seeded(seed, "pauses"),
            moved=lambda way: self.moves.append(way.name),
        )

    @asynccontextmanager
    async def running(self):
        task = asyncio.get_running_loop().create_task(self.uplinks.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])
            self.outbox.close()

    def read(self, points=3):
        """Every point has a new value."""
        at = START_S + self.quarter * QUARTER_S
        self.quarter += 1
        batch = Batch(at)
        for point in range(1, points + 1):
            slot = Slot(point, ENERGY, QUARTER_S, at)
            self.wanted.add(tuple(slot))
            batch.read(slot, "000000000038", Decimal(self.quarter), "test")
        self.outbox.keep(batch)
        self.uplink.news.set()

    @property
    def way(self):
        return self.uplink.counters.way if self.uplink.counters.logged_in else ""

    def marked(self):
        """What the store believes to be delivered."""
        sql = (
            "SELECT point, register, interval_s, at FROM reading WHERE delivered_at IS NOT NULL"
            " ORDER BY id"
        )
        return {tuple(row) for row in self.outbox.database.rows(sql)}


class Small(Cable):
    """A connection on which what is long gets lost, as where the path's largest packet is not known."""

    async def write(self, data):
        if len(data) <= SMALL_BYTES:
            await super().write(data)


def play(tmp_path, story, **settings):
    async def main(clock):
        async with World(clock, str(tmp_path / "store.sqlite"), **settings).running() as world:
            await world.clock.sleep(1)
            return await story(world)

    return run_virtual(main, start=START)


def test_the_first_way_is_used_while_it_is_healthy(tmp_path):
    async def story(world):
        world.read()
        await world.clock.sleep(86_400)
        assert (world.way, world.uplink.counters.switches) == ("uplink", 0)
        assert world.uplink.ways[1].counters == WayCounters()
        assert world.station.repeated == []

    play(tmp_path, story)


@pytest.mark.parametrize("timeout_s", [10, 30, 60, 300])
def test_a_way_on_which_reports_vanish_is_ill_however_long_it_is_logged_in(tmp_path, timeout_s):
    async def story(world):
        async def open_small():
            return Small(await world.station.open_link(), world.first)

        world.first.open_link = open_small
        for way in world.uplink.ways:
            way.settings = structs.replace(way.settings, answer_timeout_s=timeout_s)
        await world.first.cut()
        world.read()
        await world.clock.sleep(60 + 9 * timeout_s)
        assert world.moves[0] == "standby"
        assert world.station.values.keys() == world.wanted
        assert world.station.repeated == []

    play(tmp_path, story)


def test_the_second_takes_over_and_gives_back(tmp_path):
    async def story(world):
        await world.first.fail()
        await world.clock.sleep(10)
        assert world.way == "standby"
        world.read()
        await world.clock.sleep(3_600)
        assert world.way == "standby"
        world.first.up = True
        await world.clock.sleep(9 * 60)
        assert world.way == "standby"  # not healthy for long enough
        await world.clock.sleep(3 * 60)
        assert world.way == "uplink"
        world.read()
        await world.clock.sleep(60)
        assert world.moves == ["standby", "uplink"]
        assert world.station.values.keys() == world.wanted
        assert world.station.repeated == []
        standby = world.uplink.ways[1].counters
        assert (standby.connects, standby.failures) == (1, 0)

    play(tmp_path, story)


def test_a_half_open_connection_is_left_for_the_other_way(tmp_path):
    async def story(world):
        world.first.deaf = True
        world.read()
        await world.clock.sleep(120)
        assert world.way == "standby"
        assert world.marked() == world.station.values.keys() == world.wanted
        world.first.deaf = False
        await world.clock.sleep(1_200)
        assert world.way == "uplink"

    play(tmp_path, story)


def test_missed_heartbeats_are_enough(tmp_path):
    async def story(world):
        world.first.deaf = True
        await world.clock.sleep(300)
        assert world.way == "standby"

    play(tmp_path, story)


def test_a_confirmation_that_got_lost_costs_one_repetition(tmp_path):
    """The head-end has it, we do not know: it goes again on the other way, and stays one value."""

    async def story(world):
        world.station.confirming = True
        world.read()

        async def lose():
            await world.station.changed.wait()
            world.first.deaf = True

        task = asyncio.get_running_loop().create_task(lose())
        await world.clock.sleep(200)
        await task
        assert world.way == "standby"
        assert world.marked() == world.wanted
        assert world.uplink.counters.readings_delivered == len(world.wanted)
        assert max(world.station.arrivals.values()) <= 2

    play(tmp_path, story)


def test_both_down_and_whichever_comes_first(tmp_path):
    async def story(world):
        await world.first.fail()
        await world.second.fail()
        for _ in range(8):
            world.read()
            await world.clock.sleep(QUARTER_S)
        assert world.way == ""
        failures = sum(way.counters.failures for way in world.uplink.ways)
        assert 40 < failures < 120  # pauses grow, and have a bound
        world.second.up = True
        await world.clock.sleep(310)
        assert world.way == "standby"
        assert world.station.values.keys() == world.wanted
        assert world.station.repeated == []

    play(tmp_path, story)


def test_a_way_that_flaps_must_be_healthy_longer(tmp_path):
    async def story(world):
        returns = []
        for _ in range(4):
            await world.first.fail()
            await world.clock.sleep(30)
            assert world.way == "standby"
            world.first.up = True
            began = world.clock.monotonic()
            while world.way != "uplink":
                await world.clock.sleep(10)
            returns.append(world.clock.monotonic() - began)
        minutes = [each / 60 for each in returns]
        assert minutes == [pytest.approx(each, abs=2.1) for each in (10, 20, 40, 80)]

    play(tmp_path, story)


def test_an_order_is_carried_out_before_the_way_changes(tmp_path):
    async def story(world):
        await world.first.fail()
        await world.clock.sleep(10)
        world.uplink.ways[0].failures = 0
        order = asyncio.ensure_future(world.station.ask(0x10, Forward(2, b"frame").to_unit()))
        await world.clock.sleep(5)
        world.uplink.move()
        await world.clock.sleep(2)
        assert world.uplink.counters.logged_in
        assert isinstance(await order, Answered)

    play(tmp_path, story)


def test_a_head_end_that_denies_is_no_reason_to_change(tmp_path):
    async def story(world):
        world.station.denying = True
        world.read()
        await world.clock.sleep(1_800)
        assert world.uplink.counters.way == "uplink"
        assert world.uplink.counters.switches == 0
        assert world.uplink.counters.reports_denied > 2

    play(tmp_path, story)


async def _storm(world, seed, hours):
    """Random trouble on both ways, at random moments."""
    chance = seeded(seed, "storm")
    end = world.clock.monotonic() + hours * 3_600
    next_reading = world.clock.monotonic()
    while world.clock.monotonic() < end:
        network = chance.choice([world.first, world.second])
        trouble = chance.choice(["cut", "fail", "mend", "mend", "deaf", "hear", "slow"])
        if trouble == "cut":
            await network.cut()
        elif trouble == "fail":
            await network.fail()
        elif trouble in {"deaf", "hear"}:
            network.deaf = trouble == "deaf"
        elif trouble == "mend":
            network.up, network.deaf = True, False
        else:
            world.station.confirming = not world.station.confirming
        await world.clock.sleep(chance.choice([0.001, 0.01, 3, 20, 100, 700]) * chance.random())
        if world.clock.monotonic() >= next_reading:
            world.read(points=20)
            next_reading = world.clock.monotonic() + QUARTER_S
            assert world.marked() <= world.station.values.keys()
    world.station.confirming = True
    for network in (world.first, world.second):
        network.up, network.deaf = True, False


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_lost_or_known_and_sent_again_in_a_storm(tmp_path, seed):
    async def story(world):
        await _storm(world, seed, hours=12)
        await world.clock.sleep(3_600)
        counters = world.uplink.counters
        assert world.station.values.keys() == world.wanted == world.marked()
        assert counters.readings_delivered == len(world.wanted)  # each was confirmed once
        assert counters.switches > 5
        counts = [way.counters for way in world.uplink.ways]
        assert counters.connects == sum(each.connects for each in counts)
        return counters, world.station.arrivals

    first = play(tmp_path, story, seed=seed)
    if seed == 0:
        (tmp_path / "again").mkdir()
        assert play(tmp_path / "again", story, seed=seed) == first


# --- the rules alone


def _ways(**settings):
    first = Way("uplink", UplinkSettings(FIRST, reconnect_first_s=4, **settings))
    return Ways([Way("standby", StandbySettings(SECOND)), first], seeded(1))


def test_the_best_is_first_and_a_steady_way_is_forgiven():
    ways = _ways()
    first, second = ways.all
    assert (first.name, ways.better(first), ways.better(second)) == ("uplink", [], [first])
    for number in range(5):
        now = number * 1_000.0
        first.logged_in_at = now
        ways.failed(first, now + STEADY_S)
        way, wait_s = ways.choose(now + STEADY_S)
        assert way is first
        assert 2 <= wait_s <= 4
    ways.failed(first, first.logged_in_at + STEADY_S - 1)
    assert ways.choose(5_000.0) == (second, 0)


def test_a_probe_that_fails_starts_the_time_anew():
    ways = _ways(return_after_minutes=5)
    first, _ = ways.all
    ways.failed(first, 0.0)
    ways.failed(first, 1.0)
    verdicts = [ways.probed(first, at * 60.0, healthy=at != 3) for at in range(1, 10)]
    assert verdicts == [False] * 8 + [True]
    assert (first.counters.probes, first.counters.probes_failed) == (9, 1)


def test_settings_of_the_second_way():
    text = (
        '[concentrator]\nregion = "4101"\nterminal = 1\n[uplink]\naddress = "tls:a:1?ca=x"\n'
        '[standby]\naddress = "{}"\n{}\n[[bus]]\nname = "b"\naddress = "tcp:b:1"\nport = 2\n'
    )
    config = loads(text.format("tcp:10.1.1.1:8001?interface=ppp0", ""))
    assert config.standby is not None
    assert config.standby.priority == 2
    with pytest.raises(ConfigError, match=r":8: standby.priority: must not be that of \[uplink\]"):
        loads(text.format("tcp:a:1", "priority = 1"))
    with pytest.raises(ConfigError, match=r"standby.address: unknown scheme 'ppp'"):
        loads(text.format("ppp:a:1", ""))
