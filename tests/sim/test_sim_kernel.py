"""The event heap, and that it and asyncio on virtual time are the same world."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest

from kwhub.domain.answer_times import AnswerTimes
from kwhub.domain.errors import LinkDown, LocalError, NoAnswer
from kwhub.domain.readings import Register
from kwhub.exchange.read import read_curve, read_day_freeze, read_registers
from kwhub.links.drive import Driver
from kwhub.links.layers import FaultRates, Spoiler, Throttled, Traced
from kwhub.links.memory import pair
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.runtime.chance import seeded
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.area import TransformerArea
from kwhub.sim.bus import MeterBus
from kwhub.sim.device import serve_meters
from kwhub.sim.faults import MeterFaults
from kwhub.sim.kernel import Asker, Cable, Kernel, Station
from kwhub.sim.meter import SimulatedMeter

START = datetime(2026, 3, 8, 16, tzinfo=UTC)
BAUD = 2_400
HOURS = 3
TIME_PRECISION_S = 1e-6


def test_equal_times_keep_the_order_of_scheduling():
    kernel = Kernel(START)
    done: list[int] = []
    for number in range(50):
        kernel.at(5.0 if number % 2 else 3.0, partial(done.append, number))
    kernel.run_until(4.0)
    assert done == list(range(0, 50, 2))
    kernel.run_until(5.0)
    assert done == [*range(0, 50, 2), *range(1, 50, 2)]
    assert kernel.wall() == START + timedelta(seconds=5)
    with pytest.raises(LocalError, match="has passed"):
        kernel.at(4.0, lambda: None)


def test_a_start_without_zone_is_refused():
    with pytest.raises(ValueError, match="aware"):
        Kernel(datetime(2026, 3, 8))


def faulty_area(seed, late_s=0.9):
    """Twelve meters, some of which stay silent, speak late or under a wrong address.

    Late, but before the master gives up: when both ends talk at once, a paced link cannot know of
    the far end's bytes before it reads them, so there the two levels differ by a turn.
    """
    area = TransformerArea(seed, start=START, meters=12, concentrators=1, buses=1)
    faults = MeterFaults(
        silent_permille=40, late_permille=60, late_s=late_s, wrong_address_permille=30
    )
    return [
        SimulatedMeter(
            place.meter.address,
            place.meter.load,
            seed=place.meter.seed,
            phases=place.meter.phases,
            ratio=place.meter.ratio,
            clock=place.meter.clock,
            faults=faults,
        )
        for place in area.places
    ]


ENERGY, VOLTAGE = Register("1-0:1.8.0"), Register("1-0:32.7.0")


def hourly(meters, hour):
    """Read registers, the last hour's curve and the freeze of every meter; the sum of all energies."""
    total = Decimal(0)
    since = datetime(2026, 3, 9) + timedelta(hours=hour - 1)
    for meter in meters:
        answers = yield from read_registers(meter.address, [ENERGY, VOLTAGE])
        total += sum(
            a.value for a in answers if a.register == ENERGY and isinstance(a.value, Decimal)
        )
        with suppress(NoAnswer):
            points = yield from read_curve(meter.address, since, 4)
            total += sum(point.values[ENERGY] or 0 for point in points)
        with suppress(NoAnswer):
            freeze = yield from read_day_freeze(meter.address)
            total += freeze.values[ENERGY] or 0
    return total


def patient():
    """A master that waits for late answers: the two levels differ in what overlapping talkers do."""
    return Session(Role.MASTER, baud=BAUD, answer_times=AnswerTimes(2.0, least_s=2.0))


def by_kernel(seed, late_s=0.9, rates=None):
    kernel = Kernel(START, trace=True)
    meters = faulty_area(seed, late_s)
    damage = Spoiler(seeded(seed, "cable"), rates).spoil if rates else None
    cable = Cable(kernel, baud=BAUD, damage=damage)
    asker = Asker(kernel, "master", patient(), cable)
    Station(kernel, "meters", MeterBus(meters, epoch_s=START.timestamp()), cable)
    sums: list[Decimal] = []

    def start(hour):
        asker.start(hourly(meters, hour), sums.append)

    for hour in range(HOURS):
        kernel.at(hour * 3600.0, partial(start, hour))
    kernel.run_until(HOURS * 3600.0)
    trace = [(entry.who, entry.raw, entry.at_s) for entry in kernel.trace]
    return trace, sums, (asker.requests, asker.retries, asker.discarded)


def by_asyncio(seed):
    trace = []

    async def main(clock):
        def noted(who):
            def sink(direction, raw, _moment):
                if direction == "tx":
                    trace.append((who, raw, clock.monotonic()))

            return sink

        meters = faulty_area(seed)
        ours, theirs = pair()
        paced = Traced(Throttled(ours, clock, baud=BAUD), noted("master"), clock)
        driver = Driver(paced, patient(), clock)
        sums = []
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve_meters(Traced(theirs, noted("meters"), clock), meters, clock))
            for hour in range(HOURS):
                await clock.sleep_until(START + timedelta(hours=hour))
                sums.append(await driver.run(hourly(meters, hour)))
            await clock.sleep_until(START + timedelta(hours=HOURS))
            await paced.aclose()
        return sums, (driver.requests, driver.retries, driver.discarded)

    return trace, *run_virtual(main, start=START)


@pytest.mark.sim
@pytest.mark.slow
def test_both_levels_are_the_same_world():
    heap_trace, heap_sums, heap_counts = by_kernel(3)
    loop_trace, loop_sums, loop_counts = by_asyncio(3)
    assert [entry[:2] for entry in heap_trace] == [entry[:2] for entry in loop_trace]
    for heap_entry, loop_entry in zip(heap_trace, loop_trace, strict=True):
        assert heap_entry[2] == pytest.approx(loop_entry[2], abs=TIME_PRECISION_S)
    assert heap_sums == loop_sums
    assert heap_counts == loop_counts
    assert heap_counts[1] > 0  # there was something to repeat
    assert heap_counts[2] > 0  # and something to throw away


@pytest.mark.sim
@pytest.mark.slow
def test_answers_that_come_after_the_repeat_are_thrown_away():
    _trace, in_time, counts = by_kernel(3)
    _trace, sums, late_counts = by_kernel(3, late_s=2.5)
    assert late_counts[1] > counts[1]
    assert late_counts[2] > counts[2]
    assert [abs(late - early) < 1 for late, early in zip(sums, in_time, strict=True)] == [
        True
    ] * HOURS


@pytest.mark.sim
@pytest.mark.slow
def test_one_seed_one_trace():
    bad = FaultRates(loss=0.01, bit_flip=0.0005, cut=0.005, duplicate=0.005)
    assert by_kernel(3, rates=bad) == by_kernel(3, rates=bad)
    assert by_kernel(3)[0] != by_kernel(4)[0]


@pytest.mark.sim
@pytest.mark.slow
def test_a_bad_cable_costs_repeats_but_no_reading():
    _trace, sums, counts = by_kernel(3)
    _trace, bad_sums, bad_counts = by_kernel(3, rates=FaultRates(loss=0.01, bit_flip=0.0002))
    assert bad_counts[1] > counts[1]
    assert [abs(bad - good) < 1 for bad, good in zip(bad_sums, sums, strict=True)] == [True] * HOURS


def test_a_cable_has_two_ends():
    kernel = Kernel(START)
    cable = Cable(kernel)
    for name in ("one", "other"):
        Station(kernel, name, Session(Role.MASTER), cable)
    with pytest.raises(LocalError, match="two ends"):
        Station(kernel, "third", Session(Role.MASTER), cable)


def test_a_lost_write_takes_its_time_on_the_wire():
    kernel = Kernel(START)
    heard: list[float] = []

    class Ear(Session):
        def receive(self, data, now):
            heard.append(now)

    cable = Cable(kernel, baud=1_100, damage=lambda raw: [] if raw == b"lost" else [raw])
    mouth = Station(kernel, "mouth", Session(Role.MASTER), cable)
    Station(kernel, "ear", Ear(Role.MASTER), cable)
    cable.write(mouth, b"lost")
    cable.write(mouth, b"heard")
    kernel.run_until(1.0)
    assert heard == [pytest.approx(0.09)]


def test_a_link_that_goes_down_ends_the_serving():
    async def main(clock):
        ours, theirs = pair()
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(serve_meters(theirs, faulty_area(1), clock))
            await ours.aclose()
        assert serving.done()
        with pytest.raises(LinkDown):
            await theirs.write(b"\x00")

    run_virtual(main, start=START)
