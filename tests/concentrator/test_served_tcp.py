"""Orders over loopback TCP: the real head-end front, a real concentrator, simulated meters on three ways down."""

import asyncio
import datetime as dt
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from msgspec import structs
from tests.concentrator.downworld import Downworld
from tests.concentrator.world import START
from tests.headend.world import DAYS
from tests.headend.world import config as headend_config

from kwhub.concentrator.app import Concentrator
from kwhub.concentrator.config import UplinkSettings
from kwhub.concentrator.served_rights import Rights
from kwhub.domain.errors import LinkDown, Refusal
from kwhub.domain.readings import Register
from kwhub.headend.app import HeadEnd
from kwhub.headend.store import event_rows
from kwhub.links.address import open_link
from kwhub.protocols.dlt645.authority import Authority, Key
from kwhub.protocols.dlt645.frames import Frame645, parse
from kwhub.protocols.gdw1376 import afn_0a, afn_04, afn_05
from kwhub.protocols.gdw1376.afn_0f import FileAnswer, FileSegment
from kwhub.protocols.gdw1376.event_records import EventRecord
from kwhub.protocols.gdw1376.formats import A1
from kwhub.protocols.gdw1376.messages import Answered, Confirmed, Denied, Request
from kwhub.protocols.gdw1376.units import Unit
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock

P0 = (0,)
PATIENCE_S = 60
CLOCK = SystemClock()
RIGHTS = Rights(relay=Authority(Key(2, "000000"), "00000000"))
ENERGY = Register("1-0:1.8.0")
ASK_ENERGY = bytes.fromhex("00000100")
REQ_UD2 = bytes.fromhex("105b015c16")
BEGIN = START + dt.timedelta(hours=10, minutes=5)


class SiteTime(SystemClock):
    """Real seconds, counted from a morning in March."""

    def __init__(self):
        super().__init__()
        self._ahead = BEGIN - super().now()

    def now(self):
        return super().now() + self._ahead

    async def sleep_until(self, when):
        await self.sleep((when - self.now()).total_seconds())


class TcpWorld(Downworld):
    """The way up is real."""

    async def _open_link(self, address):
        if address.startswith("tcp:"):
            return await open_link(address, clock=self.clock)
        return await super()._open_link(address)


@asynccontextmanager
async def stage(folder):
    """World and head-end, logged in."""
    clock = SiteTime()
    settings = headend_config(folder / "headend.sqlite")
    service = structs.replace(settings.headend, uplink="tcp-listen:127.0.0.1:0")
    headend = HeadEnd(structs.replace(settings, headend=service), clock)
    serving = asyncio.create_task(headend.run())
    await headend.running.wait()
    world = TcpWorld(clock, folder / "store.sqlite", meters=3, mbus=1, plc=1, hourly=False)
    uplink = UplinkSettings(headend.address.replace("-listen", ""))
    (bus,) = world.config.bus
    known = (structs.replace(bus, meter=bus.meter[:2]),)  # the third one comes by order
    world.config = structs.replace(world.config, uplink=uplink, bus=known)
    world.concentrator = Concentrator(
        world.config, clock, chance=seeded(1), open_link=world._open_link, rights=RIGHTS
    )
    world._task = world._spawn(world.concentrator.run())
    try:
        await so_far(lambda: world.concentrator.counters.uplink.logged_in)
        yield world, headend
    finally:
        await world.stop()
        serving.cancel()
        await asyncio.wait([serving])
        await headend.close()


async def so_far(done):
    """Wait until something is so."""
    while not done():
        await CLOCK.sleep(0.02)


async def ask(headend, afn, *units):
    return await headend.front._online[1].ask(Request(afn, units))


async def archive_is_changed_and_read(world, headend):
    answer = await ask(headend, 0x0A, Unit(P0, (10,), b"\0\0"))
    records = [each for unit in answer.units for each in afn_04.read_archive(unit)]
    second = next(each for each in records if each.point == 2)
    third = world.area.places[2].meter.address
    moved = replace(second, index=3, point=3, address=third)
    order = afn_04.archive_unit((replace(second, point=0), moved))
    assert isinstance(await ask(headend, 4, order), Confirmed)
    (unit,) = (await ask(headend, 0x0A, afn_0a.archive_query((3,)))).units
    assert afn_04.read_archive(unit) == (moved,)
    day = DAYS.start(START.date())

    def come():
        return headend.queries.curve(3, ENERGY, day, day + dt.timedelta(hours=9)).values

    await so_far(lambda: sum(value is not None for value in come()) > 30)


async def relay_is_tripped_and_allowed(world, headend):
    meter = world.area.places[0].meter
    assert isinstance(await ask(headend, 5, Unit((1,), (1,), b"\0")), Confirmed)
    assert meter.body.relay.state.is_open
    assert isinstance(await ask(headend, 5, Unit((1,), (2,))), Confirmed)
    assert meter.body.relay.state.permitted


async def events_are_reported(world, headend):
    world.concentrator.events.add(
        EventRecord(21, bytes.fromhex("051002032602")), int(BEGIN.timestamp()), important=True
    )
    world.concentrator.uplink.news.set()

    def kept():
        with headend.store.database.read() as connection:
            return [each.code for each in event_rows.events_of(connection, 1) if each.important]

    await so_far(lambda: 21 in kept())
    await so_far(lambda: world.concentrator.events.unreported() == [])
    assert world.concentrator.counters.uplink.logged_in


async def a_file_survives_a_cut(world, headend):
    content = bytes(range(256)) * 5
    parts = [content[at : at + 400] for at in range(0, len(content), 400)]

    async def send(number):
        last = number == len(parts) - 1
        segment = FileSegment(1, number, len(parts), parts[number], last=last)
        (unit,) = (await ask(headend, 0x0F, segment.to_unit())).units
        assert FileAnswer.from_unit(unit).segment == number

    await send(0)
    await send(1)
    first = headend.front._online[1]
    await first.close("cut")
    await so_far(lambda: headend.front._online.get(1) not in {None, first})
    await so_far(lambda: world.concentrator.counters.uplink.logged_in)
    for number in range(1, len(parts)):
        await send(number)
    assert world.concentrator.uplink.desk.parts.files.content(1) == content


async def meters_are_reached_on_every_way_down(world, headend):
    for port, address in ((2, world.area.places[0].meter.address), (31, world.plc[0].address)):
        frame = Frame645(address, 0x11, ASK_ENERGY).to_bytes()
        answer = await headend.front.forward(1, port, frame, 20)
        assert address == parse(answer.lstrip(b"\xfe")).address
    answer = await headend.front.forward(1, 20, REQ_UD2, 5)
    assert answer[:1] == b"\x68"
    assert answer[-1:] == b"\x16"


async def missing_values_are_told(world, headend):
    await so_far(world.concentrator.outbox.progress)
    told = await headend.front.missing_values(1, 1, START.date())
    wanted = [each for each in told if each.register == ENERGY]
    assert {each.cause for each in told} <= {"not_yet"}
    assert len(wanted) == len(told)
    with pytest.raises(Refusal):
        await headend.front.missing_values(1, 999, START.date())
    with pytest.raises(LinkDown):
        await headend.front.missing_values(2, 1, START.date())


async def clock_and_reports_follow_orders(_world, headend):
    wanted = dt.datetime(2026, 3, 2, 10, 20)
    assert isinstance(await ask(headend, 5, afn_05.clock_unit(wanted)), Confirmed)
    answer = await ask(headend, 0x0C, Unit(P0, (2,)))
    assert isinstance(answer, Answered)
    found = A1.decode(answer.units[0].data)
    assert found is not None
    assert abs((found.time - wanted).total_seconds()) < 10
    for function, state in ((37, b"\2"), (29, b"\1")):
        assert isinstance(await ask(headend, 5, Unit(P0, (function,))), Confirmed)
        assert (await ask(headend, 0x0C, Unit(P0, (4,)))).units[0].data == state
    assert isinstance(await ask(headend, 1, Unit(P0, (3,))), Denied)  # no password is set


@pytest.mark.slow
async def test_a_morning_of_orders(tmp_path):
    async with asyncio.timeout(PATIENCE_S), stage(tmp_path) as (world, headend):
        await archive_is_changed_and_read(world, headend)
        await relay_is_tripped_and_allowed(world, headend)
        await events_are_reported(world, headend)
        await a_file_survives_a_cut(world, headend)
        await meters_are_reached_on_every_way_down(world, headend)
        await missing_values_are_told(world, headend)
        await clock_and_reports_follow_orders(world, headend)
        done = world.concentrator.counters.uplink
        assert (done.requests_failed, done.broken, done.tasks_broken) == (0, 0, 0)
        assert done.requests_answered > done.requests_denied > 0
