"""Events that a head-end fetches: they raise ACD until it asks from behind them, and are reported all the same."""

from datetime import datetime

from tests.concentrator.test_served import online
from tests.concentrator.world import play

from kwhub.protocols.gdw1376.event_records import EventRecord
from kwhub.protocols.gdw1376.formats import A15
from kwhub.protocols.gdw1376.frames import parse
from kwhub.protocols.gdw1376.messages import Confirmed
from kwhub.protocols.gdw1376.units import Unit

P0 = (0,)
CLOCK = Unit(P0, (2,))


def add(world, count):
    for number in range(count):
        body = A15.encode(datetime(2026, 3, 2)) + bytes([number])
        world.concentrator.events.add(EventRecord(21, body), 0, important=True)


async def flag(world, afn=0x0C, unit=CLOCK):
    """EC of an answer, None without ACD."""
    answer = await world.station.ask(afn, unit)
    return parse(answer.raws[-1]).event_counters


def test_what_was_fetched_raises_no_flag_and_is_reported_when_reports_are_allowed(tmp_path):
    async def story(world):
        await online(world)
        ask = world.station.ask
        assert isinstance(await ask(5, Unit(P0, (37,))), Confirmed)
        assert await flag(world) is None
        add(world, 3)
        assert await flag(world) == (3, 0)
        # An answer may get lost: the flag stays until the head-end asks from behind the records.
        assert await flag(world, 0x0E, Unit(P0, (1,), b"\0\3")) == (3, 0)
        assert await flag(world) == (3, 0)
        assert await flag(world, 0x0E, Unit(P0, (1,), b"\3\3")) is None
        await world.stop()
        world.start()
        await world.clock.sleep(60)
        assert await flag(world) is None
        add(world, 1)
        assert await flag(world) == (4, 0)
        assert await flag(world, 0x0E, Unit(P0, (1,), b"\4\4")) is None
        assert world.station.events == 0
        assert isinstance(await ask(5, Unit(P0, (29,))), Confirmed)
        await world.clock.sleep(60)
        assert world.station.events == 1
        assert world.concentrator.events.unreported() == []
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)
