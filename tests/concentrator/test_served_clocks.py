"""Orders about meters' clocks are carried out by the rules, and judged by what the meter shows afterwards."""

from datetime import timedelta

import pytest
from msgspec import structs
from tests.concentrator.test_clock_watch import told
from tests.concentrator.test_ledger import swap
from tests.concentrator.test_served import online
from tests.concentrator.world import START, play

from kwhub.concentrator.config_watch import ClockSettings
from kwhub.concentrator.served_rights import Rights
from kwhub.protocols.dlt645.addresses import BROADCAST
from kwhub.protocols.dlt645.authority import Authority, Key
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.gdw1376.afn_10 import Forward
from kwhub.protocols.gdw1376.formats import A1
from kwhub.protocols.gdw1376.messages import Answered, Confirmed, Denied
from kwhub.protocols.gdw1376.times import WallClock
from kwhub.protocols.gdw1376.units import Unit
from kwhub.sim.clockwork import MeterClock

RIGHTS = Rights(clock=Authority(Key(4, "000000"), "00000000"))


def order(point, wall):
    return Unit((point,), (31,), A1.encode(WallClock.of(wall)))


def wall(world):
    return world.clock.now().replace(tzinfo=None) + START.utcoffset()


async def begin(world, *offsets, rights=None, **delta):
    """Let the first meters be off, and the concentrator correct none of them by itself."""
    world.config = structs.replace(world.config, clock=ClockSettings(correct=False))
    meters = [
        swap(world, place, clock=MeterClock(offset_s=offset), has_programming_key=False)
        for place, offset in zip(world.area.places, offsets, strict=False)
    ]
    await online(world, **delta)
    if rights is not None:
        world.concentrator.uplink.desk._controls._rights = rights
    return meters


async def shown(world, point):
    """How far off a meter's clock is by 0C-F162, in seconds."""
    (unit,) = (await world.station.ask(0x0C, Unit((point,), (162,)))).units
    read, meter = (A1.decode(unit.data[at : at + 6]) for at in (0, 6))
    assert read
    assert meter
    return (meter.time - read.time).total_seconds()


@pytest.mark.slow
def test_a_clock_a_little_off_is_corrected_and_the_answer_says_what_the_meter_shows(tmp_path):
    async def story(world):
        (meter, *_) = await begin(world, -90, minutes=10)
        ask = world.station.ask
        assert await shown(world, 1) in (-91, -90, -89)
        assert isinstance(await ask(5, order(1, wall(world))), Confirmed)
        assert abs(await shown(world, 1)) <= 2
        assert len(meter.clock.steps) == 1
        (change,) = told(world, 41)
        assert change["point"] & 0xFFF == 1
        # What is right stays as it is, and is confirmed.
        assert isinstance(await ask(5, order(1, wall(world))), Confirmed)
        assert len(meter.clock.steps) == 1
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_a_clock_far_off_is_written_when_there_is_a_password(tmp_path):
    async def story(world):
        await begin(world, 4_000, minutes=10)
        ask = world.station.ask
        assert isinstance(await ask(5, order(1, wall(world))), Denied)
        assert await shown(world, 1) > 3_900
        world.concentrator.uplink.desk._controls._rights = RIGHTS
        assert isinstance(await ask(5, order(1, wall(world))), Confirmed)
        assert abs(await shown(world, 1)) <= 2
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_no_clock_is_written_while_one_of_the_two_is_near_midnight(tmp_path):
    async def story(world):
        (slow, fast) = await begin(world, -400, 86_400 - 1_200, rights=RIGHTS, minutes=3)
        ask = world.station.ask
        assert isinstance(
            await ask(5, order(1, wall(world))), Denied
        )  # 00:03, the meter's is before
        await world.until(minutes=11)
        assert isinstance(await ask(5, order(1, wall(world))), Denied)  # the meter's is 00:04
        await world.until(minutes=18)
        assert isinstance(
            await ask(5, order(2, wall(world))), Denied
        )  # the meter's is tomorrow's 23:58
        assert slow.clock.steps == fast.clock.steps == []
        assert isinstance(await ask(5, order(1, wall(world))), Confirmed)
        await world.until(minutes=27)
        assert isinstance(await ask(5, order(2, wall(world))), Confirmed)
        assert abs(await shown(world, 1)) <= 2
        assert abs(await shown(world, 2)) <= 2
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_orders_that_would_make_it_worse_are_denied(tmp_path):
    async def story(world):
        (meter, *_) = await begin(world, -90, rights=RIGHTS, minutes=3)
        ask = world.station.ask
        assert isinstance(await ask(5, order(1, wall(world))), Denied)  # too near to midnight
        await world.until(minutes=10)
        late = order(1, wall(world) + timedelta(minutes=3))
        assert isinstance(await ask(5, late), Denied)
        assert isinstance(await ask(5, order(9, wall(world))), Denied)
        assert isinstance(await ask(5, Unit((1,), (31,), b"\xee" * 6)), Denied)
        world.be_deaf(True)
        assert isinstance(await ask(5, order(1, wall(world))), Denied)
        world.be_deaf(False)
        assert meter.clock.steps == []
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


@pytest.mark.slow
def test_the_head_end_may_switch_the_correction_of_clocks_on_and_off(tmp_path):
    async def story(world):
        meters = [swap(world, each, clock=MeterClock(offset_s=-90)) for each in world.area.places]
        await online(world)
        ask = world.station.ask
        assert isinstance(await ask(5, Unit((0,), (30,), b"\2")), Denied)
        assert isinstance(await ask(5, Unit((0,), (30,), b"\0")), Confirmed)
        await world.stop()
        world.start()
        await world.until(hours=2)
        assert [meter.clock.steps for meter in meters] == [[]] * 4
        assert isinstance(await ask(5, Unit((0,), (30,), b"\1")), Confirmed)
        await world.until(hours=3)
        assert [len(meter.clock.steps) for meter in meters] == [1] * 4
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_a_broadcast_of_the_head_end_sets_the_clocks_of_a_bus(tmp_path):
    async def story(world):
        await begin(world, -90, 60, minutes=10)
        raw = Frame645(BROADCAST, 0x08, bytes.fromhex(f"{wall(world):%S%M%H%d%m%y}")).to_bytes()
        forward = Forward(2, raw, message_timeout_s=1.0)
        event = await world.station.ask(0x10, forward.to_unit())
        assert isinstance(event, Answered)
        assert event.units[0].data == b"\2\0\0"  # nobody answers a broadcast
        assert [abs(await shown(world, point)) <= 3 for point in (1, 2)] == [True, True]
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)
