"""What meters tell of events becomes records of the uplink: each once, whatever happens in between."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tests.concentrator.alike import Seen
from tests.concentrator.power import PowerCut, Supply
from tests.concentrator.test_clock_watch import told
from tests.concentrator.test_ledger import swap
from tests.concentrator.world import START, play

from kwhub.concentrator.config_watch import EventSettings
from kwhub.concentrator.events_importance import DEFAULT_IMPORTANCE, Importance
from kwhub.concentrator.events_records import Values, counted, ended
from kwhub.concentrator.events_words import ABNORMAL, BITS, bits_of, changed
from kwhub.exchange.events import EVENTS
from kwhub.exchange.events import EventRecord as MeterRecord
from kwhub.protocols.gdw1376.event_records import EventRecord, read_records
from kwhub.protocols.gdw1376.frames import parse
from kwhub.protocols.gdw1376.messages import Answered, Confirm, Confirmed
from kwhub.protocols.gdw1376.units import Unit
from kwhub.sim.faults import MeterFaults, PhaseEvent, Span

START_S = int(START.timestamp())
P0 = (0,)


def trouble(event, first_hour, last_hour):
    span = Span(START_S + int(first_hour * 3_600), START_S + int(last_hour * 3_600))
    return MeterFaults(events=(PhaseEvent(event, 0, span),))


def listen(world):
    """Let the station keep reports of events, too; the records by code."""
    records: list[EventRecord] = []
    ordinary = world.station._reported

    def reported(event):
        if event.frame.afn != 0x0E:
            return ordinary(event)
        for unit in event.units:
            records.extend(read_records(unit.data))
        return [Confirm(event.frame)]

    world.station._reported = reported
    return records


def test_a_voltage_loss_is_told_with_the_meters_own_time_and_its_end(tmp_path):
    async def story(world):
        place = world.area.places[1]
        swap(world, place, faults=trouble("voltage loss", 2.1, 3.5))
        reported = listen(world)
        world.start()
        await world.until(hours=3)
        assert [each.kind for each in world.concentrator.notes.abnormal()] == ["voltage_loss"]
        await world.until(hours=5)
        assert world.concentrator.notes.abnormal() == []
        begins, ends = told(world, 10)
        assert begins["point"] == 0x8000 | place.point
        assert f"{begins['time']:%H:%M}" == "02:05" or f"{begins['time']:%H:%M}" == "02:06"
        assert begins["flags"] == b"\x81"
        assert (ends["point"], ends["flags"]) == (place.point, b"\x81")
        values = ("voltage A", "voltage C", "current B", "forward active energy")
        assert all(found[each] > 0 for found in (begins, ends) for each in values)
        assert begins["forward active energy"] < ends["forward active energy"]
        assert len(told(world, 33)) == 2
        assert [each.code for each in reported] == [10, 10]  # ERC 33 is not important
        assert world.concentrator.counters.uplink.events_reported == 2
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_what_happened_before_the_first_look_is_no_event(tmp_path):
    async def story(world):
        swap(world, world.area.places[1], faults=trouble("undervoltage", 0, 9))
        world.start()
        await world.until(hours=4)
        assert [told(world, code) for code in (24, 33)] == [[], []]
        (found,) = world.concentrator.notes.abnormal()
        assert (found.kind, found.detail) == ("undervoltage", "A")
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_covers_and_programming_are_told_from_their_counters(tmp_path):
    async def story(world):
        place = world.area.places[1]
        meter = swap(world, place)
        events = EventSettings(period_minutes=15, counters_hours=1)
        world.config = structs.replace(world.config, events=events)
        world.start()
        await world.until(hours=1)
        at_s = START_S + 3_700
        await world.clock.sleep(120)
        meter.body.advance(at_s)
        for terminal in (False, True, False):
            meter.body.happenings.cover_opened(at_s, terminal=terminal)
            meter.body.happenings.cover_closed(at_s + 5, terminal=terminal)
        await world.until(hours=3)
        assert [each["point"] & 0xFFF for each in told(world, 37)] == [place.point] * 2
        assert len(told(world, 38)) == 1
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False, tariffs=0)


def test_a_silent_meter_is_abnormal_after_a_day_and_told_once(tmp_path):
    async def story(world):
        place = world.area.places[0]
        dead = (Span(START_S + 4_000, START_S + 12 * 3_600),)
        swap(world, place, faults=MeterFaults(dead=dead))
        events = EventSettings(silent_hours=3)
        world.config = structs.replace(world.config, events=events)
        world.start()
        await world.until(hours=8)
        await world.stop()
        world.start()
        await world.until(hours=10)
        (begins,) = told(world, 31)
        assert begins["point"] == 0x8000 | place.point
        assert f"{begins['last success']:%H:%M}" == "01:01"
        assert begins["forward active energy"] is not None
        assert [each.kind for each in world.concentrator.notes.abnormal()] == ["silent"]
        await world.until(hours=14)
        assert [each["point"] >> 15 for each in told(world, 31)] == [1, 0]
        assert world.concentrator.notes.abnormal() == []
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False, tariffs=0)


def test_the_head_end_says_what_is_important_and_asks_for_the_rest(tmp_path):
    async def story(world):
        place = world.area.places[1]
        swap(world, place, faults=trouble("voltage loss", 2.1, 9))
        reported = listen(world)
        world.start()
        await world.until(minutes=1)
        masks = Importance(1 << 9 | 1 << 32, 1 << 32).to_bytes()  # ERC 10 and 33; 33 important
        assert isinstance(await world.station.ask(4, Unit(P0, (9,), masks)), Confirmed)
        await world.until(hours=4)
        assert [each.code for each in reported] == [33]
        answer = await world.station.ask(0x0E, Unit(P0, (2,), b"\0\1"))
        assert isinstance(answer, Answered)
        assert [each.code for each in read_records(answer.units[0].data)] == [10]
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_important_events_that_wait_are_seen_in_every_answer(tmp_path):
    async def story(world):
        swap(world, world.area.places[1], faults=trouble("voltage loss", 2.1, 9))
        world.start()
        await world.until(minutes=1)
        assert isinstance(await world.station.ask(5, Unit(P0, (37,))), Confirmed)
        await world.until(hours=4)
        answer = await world.station.ask(0x0C, Unit(P0, (2,)))
        assert parse(answer.raws[0]).event_counters == world.concentrator.events.counters()
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


async def cut_the_power(world, at, supply):
    """Let the power fail at a write between the first look and the end of the event; whether it did."""
    swap(world, world.area.places[1], faults=trouble("voltage loss", 1.1, 1.6))
    world.config = structs.replace(world.config, events=EventSettings(period_minutes=15))
    task = world.start(supply.opener)
    await world.until(hours=1, minutes=4)
    supply.left = at
    left = (START + timedelta(hours=2) - world.clock.now()).total_seconds()
    await asyncio.wait([task], timeout=left)
    if supply.out:
        assert task.exception().split(PowerCut)[1] is None
        world.concentrator.close()
        await world.station.hang_up()
    return supply.out


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_cut_at_any_write_tells_no_event_twice_and_none_never(tmp_path, after):
    """Where several writes leave the same world behind, what comes then is played once."""
    seen, worlds = set(), Seen()
    for at in range(1, 400):
        copy = tmp_path / f"copy-{at}-{after}.sqlite"
        supply = Supply(10_000, after=after, copy=copy)

        async def story(world, at=at, supply=supply):
            if not await cut_the_power(world, at, supply):
                supply.left = 10_000
            elif worlds.is_new(supply.copy, world):
                await world.clock.sleep(30)
                world.move_store(supply.copy)
                world.start()
            else:
                return
            await world.until(hours=3)
            await world.stop()
            assert [each["point"] >> 15 for each in told(world_reopened(world), 10)] == [1, 0]

        store = tmp_path / f"store-{at}-{after}.sqlite"
        play(story, store, meters=3, hourly=False, tariffs=0, day_freeze=False)
        if not supply.out:
            break
        seen.add(supply.last.split(" (")[0])
    assert len(worlds) > 10
    assert any("meter_word" in statement for statement in seen)
    assert any("INTO event" in statement for statement in seen)


def world_reopened(world):
    world.start()
    return world


def test_every_bit_leads_to_words_and_counters():
    for meaning in BITS.values():
        assert not meaning.abnormal or meaning.abnormal in ABNORMAL
        assert set(meaning.kinds) <= set(EVENTS)


@given(st.binary(min_size=14, max_size=14), st.binary(min_size=14, max_size=14))
def test_a_change_of_words_is_exact(old, new):
    change = changed(old, new)
    assert len(change) == 14
    assert changed(old, old) == bytes(14)
    for at in (0, *range(6, 14)):
        assert change[at] == old[at] ^ new[at]
    assert change[2:6] == bytes(4)
    assert set(bits_of(old)) <= set(BITS)


def test_importance_is_what_stands_on_the_wire():
    assert Importance.from_bytes(DEFAULT_IMPORTANCE.to_bytes()) == DEFAULT_IMPORTANCE
    only = replace_important(1 << 36)
    assert only.is_important(37)
    assert not only.is_important(38)
    assert DEFAULT_IMPORTANCE.keeps(64)


def replace_important(mask):
    return DEFAULT_IMPORTANCE._replace(important=mask)


def test_what_a_record_does_not_say_is_what_the_meter_shows_while_the_event_lasts():
    shown = Values((Decimal("229.9"), None, Decimal(12_345)), energy=Decimal("38.5"))
    at = datetime(2026, 3, 2, 2, 6)
    record = MeterRecord(0x0301_0101, ())
    found = {
        cell.name: cell.value for cell in counted("voltage_loss", 0, record, 7, at, shown).cells()
    }
    assert (found["voltage A"], found["voltage B"]) == (Decimal("229.9"), None)
    assert found["voltage C"] is None  # does not fit
    assert found["forward active energy"] == Decimal("38.5")
    limit = {cell.name: cell.value for cell in ended("undervoltage", 0, 7, at, shown).cells()}
    assert limit["voltage A"] == Decimal("229.9")
    assert counted("voltage_loss", 0, record, 7, at).body[-5:] == b"\xee" * 5
