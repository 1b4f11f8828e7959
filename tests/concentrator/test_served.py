"""What the head-end orders and asks, carried out by a running concentrator and told after a restart."""

import itertools
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from tests.concentrator.world import START, play

from kwhub.protocols.gdw1376 import afn_0a, afn_04, afn_05
from kwhub.protocols.gdw1376.afn_0d import CurveRequest, CurveUnit, DayFreezeRequest
from kwhub.protocols.gdw1376.afn_0f import FILE_ERROR, FileAnswer, FileSegment
from kwhub.protocols.gdw1376.afn_10 import DirectRead, DirectReadAnswer
from kwhub.protocols.gdw1376.event_records import EventRecord, read_records
from kwhub.protocols.gdw1376.formats import A1, A15, A18, A19, A20, A21
from kwhub.protocols.gdw1376.layouts import cells
from kwhub.protocols.gdw1376.messages import Answered, Confirmed, Denied
from kwhub.protocols.gdw1376.tables import layout_of
from kwhub.protocols.gdw1376.times import PartialTime
from kwhub.protocols.gdw1376.typed import read_unit
from kwhub.protocols.gdw1376.units import Unit

P0 = (0,)


async def online(world, **delta):
    """Start, and wait until somebody is logged in."""
    world.start()
    await world.until(**(delta or {"minutes": 1}))


async def restart(world, seconds=60):
    await world.stop()
    world.start()
    await world.clock.sleep(seconds)


def records(event):
    assert isinstance(event, Answered)
    return [record for unit in event.units for record in afn_04.read_archive(unit)]


def told(event):
    """The fields of the first unit of an answer by name."""
    assert isinstance(event, Answered)
    unit, afn = event.units[0], event.request.afn
    layout = layout_of(afn, up=True)(unit.functions[0])
    if afn == 0x0A:
        layout = layout_of(4, up=False)(unit.functions[0])
    return {cell.name: cell.value for cell in cells(layout or (), unit.data)}


def typed(afn, unit) -> Any:
    """The one value of a unit."""
    (found,) = read_unit(afn, unit, up=True)
    return found


def reading_rule(port, *, word=0, interval=0, slots=()):
    times = b"".join(
        A19.encode(PartialTime(hour=hour, minute=0)) for slot in slots for hour in slot
    )
    head = bytes([1, port]) + word.to_bytes(2, "little") + bytes(4)
    head += A19.encode(PartialTime(hour=0, minute=0)) + bytes([interval])
    head += A18.encode(PartialTime(day=1, hour=0, minute=0))
    return Unit(P0, (33,), head + bytes([len(slots)]) + times)


def test_the_archive_is_that_of_the_settings_until_the_head_end_changes_it(tmp_path):
    async def story(world):
        await online(world)
        ask = world.station.ask
        before = records(await ask(0x0A, Unit(P0, (10,), b"\0\0")))
        assert [each.point for each in before] == [1, 2, 3, 4]
        gone = replace(before[1], point=0)
        moved = replace(before[3], index=77, point=9)
        order = afn_04.archive_unit((gone, replace(before[3], point=0), moved))
        assert isinstance(await ask(4, order), Confirmed)
        await restart(world)
        after = records(await ask(0x0A, Unit(P0, (10,), b"\0\0")))
        assert [(each.index, each.point) for each in after] == [(1, 1), (3, 3), (77, 9)]
        one = await ask(0x0A, afn_0a.archive_query((77,)))
        assert records(one) == [moved]
        await world.until(hours=2)
        points = {key[0] for key in world.station.values}
        assert points == {1, 3, 9}
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_an_archive_that_contradicts_itself_is_denied_as_a_whole(tmp_path):
    async def story(world):
        await online(world)
        ask = world.station.ask
        first, second, *_ = records(await ask(0x0A, Unit(P0, (10,), b"\0\0")))
        wrong = (replace(first, address="000000000099"), replace(second, index=50, point=3))
        assert isinstance(await ask(4, afn_04.archive_unit(wrong)), Denied)
        assert records(await ask(0x0A, afn_0a.archive_query((1,)))) == [first]
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_parameters_are_kept_item_by_item(tmp_path):
    async def story(world):
        await online(world)
        ask = world.station.ask
        apn = Unit(P0, (3,), bytes([10, 0, 0, 7, 0x50, 0]) + bytes(6) + b"cmnet".ljust(16, b"\0"))
        mixed = await ask(4, Unit(P0, (36,), b"\1\0\0\0"), Unit(P0, (61,), b"??"))
        assert isinstance(mixed, Denied)
        assert [(each.functions, each.error) for each in mixed.results] == [((36,), 0), ((61,), 1)]
        assert isinstance(await ask(4, Unit(P0, (61,), b"??")), Denied)
        assert isinstance(await ask(4, Unit(P0, (9,), b"\1" * 16)), Confirmed)
        assert isinstance(await ask(4, apn), Confirmed)
        assert world.concentrator.uplink.ways[0].stations == ["tcp:10.0.0.7:80", "station:"]
        assert told(await ask(0x0A, Unit(P0, (36,))))["limit"] == 1
        assert told(await ask(0x0A, Unit(P0, (3,))))["APN"] == "cmnet"
        assert told(await ask(0x0A, Unit(P0, (1,))))["heartbeat period"] == 5
        assert isinstance(await ask(0x0A, Unit(P0, (16,))), Denied)
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_a_schedule_holds_a_port_and_changes_its_curve(tmp_path):
    async def story(world):
        await online(world)
        ask = world.station.ask
        rule = reading_rule(2, interval=60, slots=((5, 7),))
        assert isinstance(await ask(4, rule), Confirmed)
        answer = await ask(0x0A, Unit(P0, (33,), b"\1\2"))
        assert answer.units == (rule,)
        await restart(world)
        await world.until(hours=4, minutes=59)
        known = set(world.station.values)
        await world.until(hours=6)
        fresh = set(world.station.values) - known
        assert fresh
        assert {slot[2] for slot in fresh} <= {3_600, 86_400}
        assert isinstance(await ask(4, reading_rule(2, word=1)), Confirmed)
        known = set(world.station.values)
        await world.until(hours=9)
        assert set(world.station.values) == known
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_a_port_is_paused_resumed_and_emptied(tmp_path):
    async def story(world):
        await online(world)
        ask = world.station.ask
        assert isinstance(await ask(5, Unit(P0, (49,), b"\2")), Confirmed)
        assert isinstance(await ask(5, Unit(P0, (49,), b"\x1e")), Denied)
        await restart(world)
        known = set(world.station.values)
        await world.until(hours=3)
        assert set(world.station.values) == known
        assert isinstance(await ask(5, Unit(P0, (50,), b"\2")), Confirmed)
        assert isinstance(await ask(5, Unit(P0, (51,), b"\2")), Confirmed)
        await world.until(hours=3, minutes=10)
        assert set(world.station.values) > known
        assert isinstance(await ask(5, Unit(P0, (53,), b"\2")), Confirmed)
        assert isinstance(await ask(0x0A, Unit(P0, (10,), b"\0\0")), Denied)
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_the_clock_is_set_and_stays_set(tmp_path):
    async def story(world):
        await online(world)
        ask = world.station.ask
        wanted = START.replace(tzinfo=None) + timedelta(hours=1)
        assert isinstance(await ask(5, afn_05.clock_unit(wanted)), Confirmed)
        await restart(world, seconds=5)
        (unit,) = (await ask(0x0C, Unit(P0, (2,)))).units
        found = A1.decode(unit.data)
        assert found is not None
        assert abs((found.time - wanted).total_seconds()) < 30
        assert isinstance(await ask(5, Unit(P0, (31,), b"\xee" * 6)), Denied)
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_reports_are_forbidden_and_allowed(tmp_path):
    async def story(world):
        await online(world)
        ask = world.station.ask
        assert isinstance(await ask(5, Unit(P0, (37,))), Confirmed)
        await restart(world)
        offered = world.station.offered
        await world.until(hours=3)
        assert world.station.offered == offered
        assert (await ask(0x0C, Unit(P0, (4,)))).units[0].data == b"\2"
        assert isinstance(await ask(5, Unit(P0, (29,))), Confirmed)
        await world.until(hours=3, minutes=5)
        assert world.station.offered > offered
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_what_it_is_and_what_it_can(tmp_path):
    async def story(world):
        await online(world)
        ask = world.station.ask
        version = told(await ask(9, Unit(P0, (1,))))
        assert (version["maker"], version["protocol version"]) == ("KWHB", "2013")
        ports = told(await ask(9, Unit(P0, (2,))))
        assert (ports["ports"], ports["port word [1]"]) == (1, 2)
        several = await ask(9, Unit(P0, (4, 5, 8)))
        assert [unit.functions for unit in several.units] == [(4,), (5,), (8,)]
        assert isinstance(await ask(9, Unit(P0, (6,))), Denied)
        assert isinstance(await ask(8, Unit(P0, (1,))), Denied)
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_energies_freezes_and_curves_from_the_store(tmp_path):
    async def story(world):
        await online(world, days=1, hours=5)
        ask = world.station.ask
        day = date(2026, 3, 2)
        (unit,) = (await ask(0x0D, DayFreezeRequest(1, 161, day))).units
        freeze = typed(0x0D, unit)
        (whole,) = (await ask(0x0D, Unit((1,), (1,), A20.encode(day)))).units
        values = [cell.value for cell in cells(layout_of(0x0D, up=True)(1) or (), whole.data)]
        assert values[3 : 3 + len(freeze.values)] == list(freeze.values)
        assert values[-1] is None
        wide = CurveRequest(1, 101, datetime(2026, 3, 2, 4), 6, density=3)
        (unit,) = (await ask(0x0D, wide)).units
        curve = typed(0x0D, unit)
        assert isinstance(curve, CurveUnit)
        assert None not in curve.values
        (unit,) = (await ask(0x0D, CurveRequest(1, 97, datetime(2026, 3, 2, 4), 5, 3))).units
        used = typed(0x0D, unit)
        readings: list[Any] = list(curve.values)
        steps = itertools.pairwise(readings)
        assert list(used.values) == [later - earlier for earlier, later in steps]
        several = await ask(0x0C, Unit((1, 2), (129, 130)), Unit((1,), (33,)), Unit((1,), (162,)))
        assert [(unit.points, unit.functions) for unit in several.units] == [
            ((1,), (129,)),
            ((2,), (129,)),
            ((1,), (33,)),
            ((1,), (162,)),
        ]
        state = told(await ask(0x0C, Unit((1,), (170,))))
        assert (state["port"], state["ok"]) == (2, 1)
        summary = told(await ask(0x0C, Unit(P0, (11,))))
        assert (summary["meters [1]"], summary["meters read [1]"]) == (4, 4)
        month = Unit((1,), (177,), A21.encode(day))
        assert isinstance(await ask(0x0D, month), Denied)
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_events_are_told_and_reported(tmp_path):
    async def story(world):
        await online(world)
        ask, events = world.station.ask, world.concentrator.events
        body = A15.encode(datetime(2026, 3, 2)) + b"\4"
        for number in range(300):
            events.add(EventRecord(21, body[:-1] + bytes([number % 7])), number, important=False)
        answer = await ask(0x0E, Unit(P0, (2,), bytes([20, 40])))
        found = [record for unit in answer.units for record in read_records(unit.data)]
        assert [record.body[-1] for record in found] == [n % 7 for n in range(276, 296)]
        many = await ask(0x0E, Unit(P0, (2,), bytes([44, 43])))
        assert len(many.raws) > 1
        assert sum(len(read_records(unit.data)) for unit in many.units) == 255
        counters = (await ask(0x0C, Unit(P0, (7,)))).units[0].data
        assert counters == bytes([0, 300 % 256])
        none = await ask(0x0E, Unit(P0, (1,), b"\0\0"))
        assert read_records(none.units[0].data) == ()
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def segments(content, size):
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    return [
        FileSegment(1, n, len(parts), part, last=n == len(parts) - 1)
        for n, part in enumerate(parts)
    ]


def test_a_file_goes_on_after_a_restart_and_is_never_half(tmp_path):
    content = bytes(range(256)) * 9

    async def story(world):
        await online(world)

        async def send(segment):
            (unit,) = (await world.station.ask(0x0F, segment)).units
            return FileAnswer.from_unit(unit).segment

        parts = segments(content, 500)
        assert [await send(part) for part in parts[:3]] == [0, 1, 2]
        await restart(world)
        assert await send(parts[1]) == 1
        assert await send(replace(parts[1], data=b"x")) == FILE_ERROR
        assert await send(replace(parts[3], segments=9)) == FILE_ERROR
        files = world.concentrator.uplink.desk.parts.files
        assert files.kept(1).sha256 is None
        assert [await send(part) for part in parts[3:]] == [3, 4]
        assert files.content(1) == content
        assert await send(FileSegment(0, 0, 1, b"")) == 0
        assert files.kept(1) is None
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_a_meter_is_read_directly(tmp_path):
    async def story(world):
        await online(world)
        record = records(await world.station.ask(0x0A, afn_0a.archive_query((1,))))[0]
        order = DirectRead(2, record.address, 0x0001_0000)
        (unit,) = (await world.station.ask(0x10, order)).units
        answer = DirectReadAnswer.from_unit(unit)
        assert (answer.result, answer.content[:4], len(answer.content)) == (5, b"\0\0\1\0", 8)
        (unit,) = (await world.station.ask(0x10, replace(order, identifier=0x0BAD_0000))).units
        assert DirectReadAnswer.from_unit(unit).result == 4
        (unit,) = (await world.station.ask(0x10, replace(order, address="999999999999"))).units
        assert DirectReadAnswer.from_unit(unit).result == 0
        await world.stop()

    play(story, tmp_path / "store.sqlite")


@pytest.mark.parametrize("function", [2, 9, 25, 32, 38])
def test_what_nothing_here_can_do_is_denied(tmp_path, function):
    async def story(world):
        await online(world)
        data = {9: bytes(2), 25: b"\1", 32: b"\0\1x"}.get(function, b"")
        assert isinstance(await world.station.ask(5, Unit(P0, (function,), data)), Denied)
        await world.stop()

    play(story, tmp_path / "store.sqlite")
