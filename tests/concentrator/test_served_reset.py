"""AFN 01: what a reset forgets, what it leaves, and that it needs the password."""

import pytest
from tests.concentrator.test_served import P0, online, records, restart, told
from tests.concentrator.world import START, play

from kwhub.concentrator.outbox import FORGOTTEN
from kwhub.concentrator.served_rights import Rights
from kwhub.protocols.gdw1376.event_records import EventRecord
from kwhub.protocols.gdw1376.messages import Confirmed, Denied
from kwhub.protocols.gdw1376.units import Unit

LIMIT = Unit(P0, (36,), b"\1\0\0\0")
EVENTS = Unit(P0, (9,), b"\1" * 16)


async def prepare(world):
    """Parameters set, a meter taken out, a pause, an event; PW is all zero."""
    await online(world, minutes=90)
    world.concentrator.uplink.desk.rights = Rights(password=bytes(16))
    world.concentrator.uplink.desk._controls._rights = Rights(password=bytes(16))
    ask = world.station.ask
    for order in (LIMIT, EVENTS):
        assert isinstance(await ask(4, order), Confirmed)
    assert isinstance(await ask(5, Unit(P0, (53,), b"\2")), Confirmed)
    assert isinstance(await ask(5, Unit(P0, (37,))), Confirmed)
    events = world.concentrator.events
    for _ in range(3):
        events.add(EventRecord(21, bytes(6)), 0, important=True)
    return ask


def number(world, sql="SELECT count(*) FROM reading", *values):
    return world.concentrator.outbox.database.rows(sql, values)[0][0]


@pytest.mark.parametrize(
    ("function", "meters", "limit", "own_events", "reports"),
    [(2, 0, True, True, False), (3, 4, False, False, True), (4, 4, True, False, False)],
)
def test_what_is_forgotten_stays_forgotten(tmp_path, function, meters, limit, own_events, reports):
    async def story(world):
        ask = await prepare(world)
        assert number(world) > 0
        newest = number(world, "SELECT max(id) FROM reading")
        assert isinstance(await ask(1, Unit(P0, (function,))), Confirmed)
        assert number(world, "SELECT count(*) FROM event WHERE important = 1") == 1
        assert world.concentrator.events.counters()[0] == 3
        assert world.concentrator.events.unreported() == []
        old = ("SELECT count(*) FROM reading WHERE id <= ?", newest)
        assert number(world, *old) == 0
        await restart(world)
        assert number(world, *old) == 0
        ask = world.station.ask
        archive = await ask(0x0A, Unit(P0, (10,), b"\0\0"))
        assert len([] if isinstance(archive, Denied) else records(archive)) == meters
        traffic = await ask(0x0A, Unit(P0, (36,)))
        assert (not isinstance(traffic, Denied) and told(traffic)["limit"] == 1) == limit
        (importance,) = (await ask(0x0A, Unit(P0, (9,)))).units
        assert (importance.data == EVENTS.data) == own_events
        assert (await ask(0x0C, Unit(P0, (4,)))).units[0].data == bytes([1 if reports else 2])
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_after_the_reset_of_data_all_is_read_again_and_nothing_is_wrong(tmp_path):
    async def story(world):
        await online(world, hours=5)
        world.concentrator.uplink.desk._controls._rights = Rights(password=bytes(16))
        known = dict(world.station.values)
        assert isinstance(await world.station.ask(1, Unit(P0, (2,))), Confirmed)
        await world.until(hours=9, minutes=10)
        assert world.station.values.keys() > known.keys()
        assert world.invented() == []
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_after_the_reset_of_data_what_had_given_way_before_is_read_again_too(tmp_path):
    async def story(world):
        await online(world, hours=5)
        world.concentrator.uplink.desk._controls._rights = Rights(password=bytes(16))
        outbox = world.concentrator.outbox
        kept = number(world, "SELECT count(*) FROM reading WHERE delivered_at IS NOT NULL")
        assert outbox.prune(int(world.clock.now().timestamp())) == kept > 0
        assert outbox.forgotten()
        assert isinstance(await world.station.ask(1, Unit(P0, (2,))), Confirmed)
        assert not outbox.forgotten()
        assert world.concentrator.archive.state(FORGOTTEN) == 0
        await world.until(hours=6, minutes=10)
        curves = "SELECT count(*) FROM reading WHERE interval_s = 900 AND at < ?"
        assert number(world, curves, int(START.timestamp()) + 5 * 3_600) > 4 * 4 * 4
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_without_a_password_nothing_is_forgotten(tmp_path):
    async def story(world):
        await online(world, hours=2)
        before = number(world)
        assert before
        for function in (2, 3, 4):
            assert isinstance(await world.station.ask(1, Unit(P0, (function,))), Denied)
        assert isinstance(await world.station.ask(1, Unit(P0, (1,))), Confirmed)
        assert isinstance(await world.station.ask(1, Unit((1,), (1,))), Denied)
        assert number(world) == before
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)
