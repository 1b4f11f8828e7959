"""A whole concentrator between simulated meters and a real station session, on virtual time."""

import asyncio
from datetime import timedelta

import pytest
from msgspec import structs
from tests.concentrator.world import START, play

from kwhub.concentrator.config_watch import ClockSettings, EventSettings
from kwhub.concentrator.outbox import Outbox
from kwhub.domain.readings import Register
from kwhub.links.layers.faulty import FaultRates
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import Frame645, parse
from kwhub.protocols.gdw1376.afn_10 import Forward, ForwardAnswer
from kwhub.protocols.gdw1376.typed import read_unit
from kwhub.sim.clockwork import ClockStep, MeterClock
from kwhub.sim.faults import MeterFaults, Span
from kwhub.sim.meter import SimulatedMeter

POWER = Register("1-0:16.7.0")
START_S = int(START.timestamp())


def hours(count):
    return START + timedelta(hours=count)


def lost_reasons(world):
    return {gap.reason for gap in reopened(world).gaps(state="lost")}


def reopened(world):
    return Outbox.open(world.config.concentrator.store)


@pytest.mark.slow
def test_a_day_arrives_whole_and_once(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=24, minutes=5)
        await world.stop()
        assert world.delivered() == world.planned(hours(24))
        assert world.station.repeated == []
        (bus,) = world.concentrator.counters.buses.values()
        assert (bus.gaps_opened, bus.lost, bus.retries, bus.silent_sessions) == (0, 0, 0, 0)
        assert world.concentrator.counters.as_dict()["uplink"]["connects"] == 1

    play(story, tmp_path / "store.sqlite")


def test_what_arrives_is_what_the_meters_count(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=2, minutes=5)
        await world.stop()
        for place in world.area.places:
            meter = place.meter
            for quarter in range(8):
                at = START_S + quarter * 900
                moment = meter.clock.moment(at + meter.clock.utc_offset_s)
                truth = meter.readout.total(moment)
                assert world.station.values[place.point, "1-0:1.8.0", 900, at] * 100 == truth

    play(story, tmp_path / "store.sqlite")


@pytest.mark.slow
def test_the_same_seed_tells_the_same_story(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=3, minutes=5)
        await world.stop()
        return world.concentrator.counters.as_dict(), world.station.values, world.station.frames

    rates = FaultRates(loss=0.02, cut=0.02)
    runs = [play(story, tmp_path / f"{run}.sqlite", rates=rates, seed=4) for run in range(2)]
    assert runs[0] == runs[1]
    assert runs[0] != play(story, tmp_path / "other.sqlite", rates=rates, seed=5)


def test_hourly_values_may_come_from_the_load_record(tmp_path):
    async def story(world):
        quiet = {"events": EventSettings(period_minutes=0), "clock": ClockSettings(correct=False)}
        world.config = structs.replace(world.config, **quiet)
        world.start()
        await world.until(hours=6, minutes=5)
        await world.stop()
        assert world.delivered() == world.planned(hours(6))
        (bus,) = world.concentrator.counters.buses.values()
        assert bus.requests < 4 * (7 * 2 + 8)

    play(story, tmp_path / "store.sqlite", hourly_from="record")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_damaged_frames_cost_time_but_no_reading(tmp_path, seed):
    async def story(world):
        world.start()
        await world.until(hours=4, minutes=5)
        world.rates = FaultRates()
        world.be_deaf(False)
        await world.until(hours=5, minutes=30)
        await world.stop()
        assert world.delivered() == world.planned(hours(5))
        assert world.station.repeated == []
        (bus,) = world.concentrator.counters.buses.values()
        assert bus.retries > 20
        assert bus.discarded > 10

    rates = FaultRates(loss=0.05, cut=0.05, echo=0.2, late_answer=0.05)
    play(story, tmp_path / "store.sqlite", seed=seed, rates=rates)


def test_hours_without_uplink_are_caught_up(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=1, minutes=30)
        world.station.up = False
        await world.station.hang_up()
        await world.until(hours=7, minutes=30)
        assert len(world.delivered()) == len(world.planned(hours(1)))
        world.station.up = True
        await world.until(hours=7, minutes=36)
        await world.stop()
        assert world.delivered() == world.planned(hours(7))
        assert world.station.repeated == []
        assert 5 < world.concentrator.counters.uplink.failures < 200

    play(story, tmp_path / "store.sqlite")


def test_hours_of_silence_on_the_bus_are_filled_from_the_load_record(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=1, minutes=30)
        world.be_deaf(True)
        await world.until(hours=7, minutes=30)
        (bus,) = world.concentrator.counters.buses.values()
        assert 4 * 5 <= bus.silent_sessions <= 4 * 12  # pauses grow, and have a bound
        states = world.concentrator.outbox.meters()
        assert all(state.attempts and state.silent_since for state in states)
        world.be_deaf(False)
        await world.until(hours=9, minutes=5)
        states = world.concentrator.outbox.meters()
        assert not any(state.attempts or state.silent_since for state in states)
        await world.stop()
        assert world.delivered() == world.planned(hours(9))
        assert world.station.repeated == []
        filled = reopened(world).series(1, POWER, 3_600, START_S + 3 * 3_600, START_S + 4 * 3_600)
        assert len(filled) == 1

    play(story, tmp_path / "store.sqlite")


def test_a_bus_whose_link_fails_is_opened_again(tmp_path):
    async def story(world):
        world.buses_up = False
        world.start()
        await world.until(minutes=30)
        (bus,) = world.concentrator.counters.buses.values()
        assert 5 < bus.link_failures < 60
        world.buses_up = True
        await world.until(hours=1, minutes=30)
        await world.lines[-1].aclose()
        await world.until(hours=3, minutes=5)
        await world.stop()
        assert world.delivered() == world.planned(hours(3))

    play(story, tmp_path / "store.sqlite")


def test_one_silent_bus_does_not_hold_up_the_other(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=30)
        world.lines[0].rates = FaultRates(loss=1.0)
        await world.until(hours=3, minutes=5)
        await world.stop()
        points = {meter.point for meter in world.config.bus[1].meter}
        planned = {slot for slot in world.planned(hours(3)) if slot.point in points}
        assert {slot for slot in world.delivered() if slot.point in points} == planned

    play(story, tmp_path / "store.sqlite", buses=2)


def test_a_restart_goes_on_where_it_was(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=1, minutes=30)
        await world.stop()
        await world.until(hours=5, minutes=30)
        world.start()
        await world.until(hours=6, minutes=5)
        await world.stop()
        assert world.delivered() == world.planned(hours(6))
        assert world.station.repeated == []

    play(story, tmp_path / "store.sqlite")


def with_meter(world, point, **changes):
    """Put another meter in the place of one: the same load, other manners."""
    place = next(place for place in world.area.places if place.point == point)
    old = place.meter
    load = changes.pop("load", old.load)
    address = changes.pop("address", old.address)
    manners = {"clock": old.clock, "seed": old.seed, "phases": old.phases, **changes}
    meter = SimulatedMeter(address, load, **manners)
    world.replaced[old.address] = meter
    return meter


def test_a_meter_that_was_dead_is_filled_up_when_it_lives_again(tmp_path):
    async def story(world):
        dead = Span(START_S + 5_000, START_S + 20_000)
        with_meter(world, 2, faults=MeterFaults(dead=(dead,)))
        world.start()
        await world.until(hours=8, minutes=5)
        await world.stop()
        assert world.delivered() == world.planned(hours(8))
        (bus,) = world.concentrator.counters.buses.values()
        assert 2 <= bus.silent_sessions <= 8

    play(story, tmp_path / "store.sqlite")


@pytest.mark.slow
def test_what_the_meter_does_not_have_becomes_a_loss_with_a_reason_and_is_not_asked_for_ever(
    tmp_path,
):
    async def story(world):
        # At 01:10 the meter's clock is pushed to 02:40: there are no records in between.
        pushed = MeterClock(steps=(ClockStep(START_S + 4_200, 5_400),))
        with_meter(world, 2, clock=pushed)
        world.start()
        await world.until(hours=12, minutes=5)
        missing = world.planned(hours(12)) - world.delivered()
        quarters = {slot.at for slot in missing if slot.interval_s == 900}
        assert quarters == {START_S + 900 * number for number in range(5, 11)}
        asked = sum(bus.requests for bus in world.concentrator.counters.buses.values())
        await world.until(hours=13, minutes=5)
        again = sum(bus.requests for bus in world.concentrator.counters.buses.values())
        await world.stop()
        assert lost_reasons(world) == {"the meter has no record of this moment"}
        assert reopened(world).gaps() == []
        assert again - asked <= 4 * 6  # only what is planned for the new hour

    play(story, tmp_path / "store.sqlite")


def test_clock_errors_are_measured_once_a_day(tmp_path):
    async def story(world):
        with_meter(world, 2, clock=MeterClock(offset_s=-90))
        world.config = structs.replace(world.config, clock=ClockSettings(correct=False))
        world.start()
        await world.until(hours=5, minutes=10)
        await world.stop()
        states = {state.point: state for state in reopened(world).meters()}
        assert states[2].clock_error_s == pytest.approx(-90, abs=1.5)
        assert abs(states[1].clock_error_s) < 10
        assert states[1].clock_read_at < START_S + 200
        assert world.delivered() == world.planned(hours(5))  # late by 90 s, but it comes

    play(story, tmp_path / "store.sqlite")


def test_another_meter_at_a_point_begins_anew(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=1, minutes=5)
        await world.stop()
        bus = world.config.bus[0]
        meters = (structs.replace(bus.meter[0], address="999999999990"), *bus.meter[1:])
        world.config = structs.replace(
            world.config, bus=(structs.replace(bus, meter=meters),), plan=world.config.plan
        )
        with_meter(world, 1, address="999999999990")
        world.start()
        await world.until(hours=2, minutes=5)
        await world.stop()
        assert {state.address for state in reopened(world).meters()} >= {"999999999990"}
        assert world.delivered() == world.planned(hours(2))

    play(story, tmp_path / "store.sqlite")


class Ahead:
    """A clock that shows a wrong time until it is corrected."""

    def __init__(self, clock, ahead):
        self._clock = clock
        self.ahead = ahead

    def now(self):
        return self._clock.now() + self.ahead

    def __getattr__(self, name):
        return getattr(self._clock, name)


@pytest.mark.slow
def test_a_clock_that_was_ahead_for_one_round_does_not_stop_the_reading(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=1, minutes=30)
        await world.stop()
        wrong = Ahead(world.clock, timedelta(days=90))
        world.station.confirming = False  # nobody takes readings of next year for good
        world.start(clock=wrong)
        await world.until(hours=1, minutes=40)
        assert max(world.concentrator.outbox.progress().values()) > START_S + 89 * 86_400
        wrong.ahead = timedelta(0)
        await world.until(hours=2, minutes=45)
        world.station.confirming = True
        await world.until(hours=4, minutes=30)
        await world.stop()
        assert world.delivered() == world.planned(hours(4))
        assert reopened(world).counts().gaps_lost == 0

    play(story, tmp_path / "store.sqlite", meters=3, meter_keeps_days=10)


def test_what_waited_of_the_old_meter_is_delivered_and_nothing_of_it_becomes_the_new_ones(tmp_path):
    async def story(world):
        place = next(place for place in world.area.places if place.point == 1)
        old = place.meter
        world.start()
        await world.until(minutes=30)
        world.station.up = False
        await world.station.hang_up()
        await world.until(hours=2, minutes=20)
        await world.stop()
        bus = world.config.bus[0]
        meters = (structs.replace(bus.meter[0], address="999999999990"), *bus.meter[1:])
        world.config = structs.replace(world.config, bus=(structs.replace(bus, meter=meters),))
        other = next(place.meter for place in world.area.places if place.point == 2)
        new = with_meter(world, 1, address="999999999990", load=other.load)
        world.station.up = True
        world.start()
        await world.until(hours=4, minutes=5)
        await world.stop()
        quarters = {
            at: value
            for (point, _, step, at), value in world.station.values.items()
            if (point, step) == (1, 900)
        }
        assert len(quarters) == 96 + 9 + 7  # to 02:00 of the old one, from 02:30 of the new one
        for at, value in quarters.items():
            meter = old if at < START_S + 8_400 else new
            assert value * 100 == meter.readout.total(meter.clock.moment(at + 28_800))

    play(story, tmp_path / "store.sqlite", history_days=1)


@pytest.mark.slow
def test_a_meter_of_1997_gives_its_energy_every_hour(tmp_path):
    async def story(world):
        with_meter(world, 2, edition=Edition.E1997)
        bus = world.config.bus[0]
        meters = tuple(
            structs.replace(each, protocol="dlt645-1997") if each.point == 2 else each
            for each in bus.meter
        )
        world.config = structs.replace(world.config, bus=(structs.replace(bus, meter=meters),))
        world.start()
        await world.until(hours=4, minutes=5)
        await world.stop()
        assert world.delivered() == world.planned(hours(4))
        # Of anything else such a meter shows fewer digits.
        assert [slot for slot, _ in world.invented() if slot.register == "1-0:1.8.0"] == []
        energies = {
            at
            for point, register, _, at in world.station.values
            if (point, register) == (2, "1-0:1.8.0")
        }
        assert energies == {START_S + hour * 3_600 for hour in range(5)}

    play(story, tmp_path / "store.sqlite")


@pytest.mark.slow
def test_what_the_head_end_denied_is_offered_again_the_next_day(tmp_path):
    async def story(world):
        world.station.denied = {2}
        world.start()
        await world.until(hours=3, minutes=30)
        points = {slot.point for slot in world.planned(hours(3))}
        assert {slot.point for slot in world.delivered()} == points - {2}
        assert world.concentrator.outbox.counts().withheld > 0
        world.station.denied = ()
        await world.until(hours=24, minutes=10)
        await world.stop()
        assert world.delivered() == world.planned(hours(24))
        assert world.station.repeated == []

    play(story, tmp_path / "store.sqlite")


def payload_of(event):
    ((answer,),) = [read_unit(0x10, unit, up=True) for unit in event.units]
    assert isinstance(answer, ForwardAnswer)
    return answer.payload


@pytest.mark.slow
def test_an_order_of_the_head_end_goes_before_the_work_of_the_plan(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=1, seconds=61)  # in the middle of a round
        address = world.config.bus[0].meter[3].address
        ask = Frame645(address, 0x11, bytes.fromhex("00000100")).to_bytes()
        began = world.clock.monotonic()
        event = await world.station.ask(0x10, Forward(2, ask))
        took = world.clock.monotonic() - began
        frame = parse(payload_of(event))
        assert (frame.address, frame.control) == (address, 0x91)
        assert took < 1.0
        nobody = Frame645("123456789012", 0x11, bytes.fromhex("00000100")).to_bytes()
        event = await world.station.ask(0x10, Forward(2, nobody, message_timeout_s=1.0))
        assert payload_of(event) == b""
        await world.until(hours=1, minutes=5)
        await world.stop()
        (bus,) = world.concentrator.counters.buses.values()
        assert (bus.forwarded, bus.forwarded_silent) == (1, 1)
        assert world.delivered() == world.planned(hours(1))

    play(story, tmp_path / "store.sqlite", meters=40)


@pytest.mark.slow
def test_old_readings_that_were_delivered_are_forgotten(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=49)
        counts = world.concentrator.outbox.counts()
        await world.stop()
        planned = len(world.planned(hours(48)))
        assert planned * 0.4 < counts.readings < planned * 0.6
        assert len(world.delivered()) == planned

    play(story, tmp_path / "store.sqlite", hourly=False, keep_delivered_days=1)


def test_a_bug_is_not_hidden(tmp_path):
    async def story(world):
        task = world.start()
        await world.until(minutes=5)
        world.concentrator.outbox._database._connection.close()  # somebody pulls the rug
        await asyncio.wait([task])
        with pytest.raises(ExceptionGroup):
            task.result()
        await world.station.hang_up()

    play(story, tmp_path / "store.sqlite")


@pytest.mark.slow
def test_where_the_power_fails_within_every_round_the_last_meter_has_its_turn(tmp_path):
    async def story(world):
        for hour in range(1, 9):
            await world.until(hours=hour, minutes=1)
            world.start()
            await world.clock.sleep(1.5)
            await world.stop()
        return {slot.point for slot in world.delivered()}

    assert play(story, tmp_path / "store.sqlite", meters=24) == set(range(1, 25))
