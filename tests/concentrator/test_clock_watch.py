"""Clocks of meters: every look is kept, the rules of order 08 are kept, what is too far off is told."""

from datetime import datetime, timedelta

import pytest
from msgspec import structs
from tests.concentrator.station import SHANGHAI
from tests.concentrator.test_ledger import book_of, swap
from tests.concentrator.world import START, play

from kwhub.concentrator.config_watch import ClockSettings
from kwhub.exchange.clock import Advice, advise
from kwhub.protocols.gdw1376.event_records import EventRecord
from kwhub.sim.clockwork import ClockStep, MeterClock

START_S = int(START.timestamp())
NOON = datetime(2026, 3, 2, 12, 5)


def told(world, code):
    """The kept records with a code, as their fields."""
    events = world.concentrator.events
    both = [each for flag in (True, False) for each in events.between(0, 255, important=flag)]
    return [
        {cell.name: cell.value for cell in each.record.cells()}
        for each in both
        if each.record.code == code
    ]


def advice(error_s, now=NOON, *, today=False, tolerance_s=10, spacing_s=900):
    return advise(error_s, now, told_today=today, tolerance_s=tolerance_s, spacing_s=spacing_s)


@pytest.mark.parametrize(
    ("error_s", "expected"),
    [
        (0, Advice.RIGHT),
        (-9.9, Advice.RIGHT),
        (10, Advice.ADJUST),
        (-280, Advice.ADJUST),
        (300, Advice.ADJUST),
        (300.1, Advice.TOO_FAR),
        (-86_400, Advice.TOO_FAR),
    ],
)
def test_the_size_of_an_error_decides(error_s, expected):
    assert advice(error_s) is expected


@pytest.mark.parametrize(
    ("clock", "error_s"),
    [
        ("23:56:00", 20),
        ("00:04:00", 20),
        ("23:53:00", 170),  # the meter is near midnight, we are not
        ("00:07:00", -150),
        ("12:14:55", 60),  # a record lies between the two clocks
        ("12:15:30", -60),
        ("12:14:55", 12),  # or so near that it may be missed
    ],
)
def test_there_are_moments_at_which_no_clock_is_moved(clock, error_s):
    now = datetime.fromisoformat(f"2026-03-02 {clock}")
    assert advice(error_s, now) is Advice.WAIT


def test_a_clock_is_told_the_time_once_a_day():
    assert advice(20, today=True) is Advice.WAIT
    assert advice(3, today=True) is Advice.RIGHT
    assert advice(400, today=True) is Advice.TOO_FAR


def test_a_clock_that_is_off_is_put_right_and_the_curve_tells_the_story(tmp_path):
    async def story(world):
        place = world.area.places[0]
        meter = swap(world, place, clock=MeterClock(offset_s=-90))
        world.start()
        await world.until(hours=3)
        error_s = meter.clock.wall(START_S + 10_000) - 28_800 - START_S - 10_000
        assert abs(error_s) <= 2
        curve = [round(value) for _, value in book_of(world).drift(place.point)]
        assert curve[0] in (-90, -89)
        assert abs(curve[-1]) <= 1
        (change,) = [each for each in told(world, 41) if each["point"] & 0xFFF == place.point]
        moved = change["after"].time - change["before"].time
        assert abs(moved - timedelta(seconds=90)) < timedelta(seconds=5)
        assert world.concentrator.counters.watch.clocks_adjusted >= 1
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_a_clock_that_nobody_may_touch_is_left_alone(tmp_path):
    async def story(world):
        world.config = structs.replace(world.config, clock=ClockSettings(correct=False))
        meter = swap(world, world.area.places[0], clock=MeterClock(offset_s=-90))
        world.start()
        await world.until(hours=3)
        assert meter.clock.steps == []
        assert world.concentrator.counters.watch.clocks_told == 0
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


@pytest.mark.slow
def test_a_clock_that_is_far_off_is_told_once_and_its_end_too(tmp_path):
    async def story(world):
        place = world.area.places[0]
        back = START_S + 30 * 3_600
        clock = MeterClock(offset_s=400, steps=(ClockStep(back, -395),))
        swap(world, place, clock=clock)
        world.start()
        await world.until(hours=5)
        assert [each["point"] & 0xFFF for each in told(world, 12)] == [place.point]
        (found,) = world.concentrator.notes.abnormal(place.point)
        assert (found.kind, found.detail) == ("clock", "+400 s")
        await world.stop()
        world.start()  # a restart tells nothing again
        await world.until(hours=20)
        assert len(told(world, 12)) == 1
        await world.until(hours=53)
        begins, ends = told(world, 12)
        assert (begins["point"] >> 15, ends["point"] >> 15) == (1, 0)
        assert world.concentrator.notes.abnormal(place.point) == []
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False, tariffs=0)


@pytest.mark.slow
def test_a_clock_is_moved_at_most_once_a_day_and_never_near_midnight(tmp_path):
    async def story(world):
        place = world.area.places[0]
        steps = tuple(ClockStep(START_S + hour * 3_600, 40) for hour in range(1, 47, 5))
        meter = swap(world, place, clock=MeterClock(steps=steps))
        world.start()
        await world.until(hours=50)
        own = {step.at_s for step in steps}
        moved = [step.at_s for step in meter.clock.steps if step.at_s not in own]
        days = [datetime.fromtimestamp(at, SHANGHAI).date() for at in moved]
        assert moved
        assert len(days) == len(set(days))
        for at in moved:
            second = (at + 28_800) % 86_400
            assert 300 <= second <= 86_100
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False, tariffs=0)


def test_records_of_clocks_fit_their_tables():
    record = EventRecord(41, b"\1\x80" + bytes(14))
    assert [cell.name for cell in record.cells()] == ["point", "before", "after"]
