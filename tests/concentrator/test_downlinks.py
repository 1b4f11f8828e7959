"""Three ways down at once: everything is read, orders go first, nobody waits for the dead."""

from datetime import timedelta

import pytest
from tests.concentrator.downworld import MBUS_FIRST, MODULE_FIRST, play_down
from tests.concentrator.world import START
from tests.sim.plc_world import addresses

from kwhub.concentrator import collect
from kwhub.concentrator.database import open_file
from kwhub.concentrator.outbox import Slot
from kwhub.domain.errors import LinkDown, LocalError
from kwhub.domain.readings import Register
from kwhub.exchange.read import read_clock, read_curve
from kwhub.protocols.dlt645 import Role as Role645
from kwhub.protocols.dlt645 import Session as Session645
from kwhub.protocols.dlt645.messages import ReadData
from kwhub.protocols.gdw1376.afn_10 import Forward, ForwardAnswer
from kwhub.protocols.gdw1376.typed import read_unit
from kwhub.protocols.mbus.frames import FrameMbus
from kwhub.sim.plc_network import PlcSettings

ORDER_S = 9.5
"""Longest wait of an order: a batch in which a meter is silent (8 s), and its own exchange."""
QUIET = PlcSettings(loss_permille=0)


def missing(world, hours, at=None):
    """What the plan wants and the station has not got."""
    found = world.planned(START + timedelta(hours=hours)) - world.delivered()
    return {slot for slot in found if at is None or slot.point in at}


def raw645(address):
    session = Session645(Role645.MASTER, preamble=0)
    session.send(ReadData(address, 0x00010000), 0.0)
    return session.outgoing(0.0)


def leaves(world):
    """Meters that carry nothing for others."""
    nodes = world.network.nodes
    parents = {node.parent for node in nodes.values()}
    return [address for address in nodes if address not in parents]


def points(of):
    return {MODULE_FIRST + int(address) - 700_000 for address in of}


async def forward(world, port, raw):
    """10-F1; the answer and how long it took."""
    began = world.clock.monotonic()
    event = await world.station.ask(0x10, Forward(port, raw, message_timeout_s=5).to_unit())
    (answer,) = (each for unit in event.units for each in read_unit(0x10, unit, up=True))
    assert isinstance(answer, ForwardAnswer)
    return answer.payload, world.clock.monotonic() - began


@pytest.mark.slow
def test_a_day_on_all_three_with_loss_is_complete(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=24, minutes=40)
        assert not missing(world, 24)
        assert not world.invented()
        assert not world.station.repeated
        assert world.network.lost > 100
        assert {bus.counters.lost for bus in world.concentrator.buses} == {0}
        await world.stop()

    play_down(story, tmp_path / "store.sqlite", meters=3, mbus=5, plc=20)


@pytest.mark.slow
def test_two_hundred_meters_are_read_within_the_window_of_an_hour(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=2, minutes=20)
        assert not missing(world, 2)
        assert world.bus("module-1").state.nodes == 200
        await world.stop()

    play_down(story, tmp_path / "store.sqlite", meters=3, plc=200)


@pytest.mark.slow
def test_an_order_waits_for_one_batch_at_most(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=40)
        *asked, first, second, third = leaves(world)
        for each in (first, second, third):
            world.network.nodes[each].powered = False
        await world.until(hours=1, minutes=1, seconds=5)  # in the middle of a round
        module = world.bus("module-1")
        rounds = module.counters.rounds
        waits = []
        for address in asked[:8]:
            raw, took_s = await forward(world, 31, raw645(address))
            assert raw[0] == 0x68
            waits.append(took_s)
        assert module.counters.rounds == rounds
        assert max(waits) < ORDER_S
        shown = await module.read_now(module.meters[0])
        assert shown[0].register == "1-0:1.8.0"
        assert shown[0].value
        await world.until(hours=2, minutes=20)
        assert {slot.point for slot in missing(world, 2)} == points([first, second, third])
        await world.stop()

    play_down(story, tmp_path / "store.sqlite", meters=3, plc=60, line=QUIET)


@pytest.mark.slow
def test_a_dead_bus_and_a_dead_line_hold_up_nobody(tmp_path):
    async def story(world):
        world.buses_up = world.mbus_up = False
        world.start()
        await world.until(hours=3, minutes=20)
        living = range(MODULE_FIRST, MODULE_FIRST + 8)
        assert not missing(world, 3, living)
        wire, line = world.bus("bus-1"), world.bus("mbus-1")
        assert wire.is_down
        assert line.is_down
        assert line.counters.link_failures > 1
        with pytest.raises(LinkDown):
            await line.read_now(line.meters[0])
        world.buses_up = world.mbus_up = True
        await world.until(hours=6, minutes=20)
        wired = {place.point for place in world.area.places}
        # The wire is caught up, the M-Bus meters keep nothing that could be asked later.
        assert not missing(world, 6, wired)
        late = {slot for slot in missing(world, 6) if slot.at > START.timestamp() + 4 * 3_600}
        assert not late
        gaps = world.concentrator.outbox.gaps(state="lost")
        assert {gap.slot.point for gap in gaps} == {*range(MBUS_FIRST, MBUS_FIRST + 2)}
        assert {gap.cause for gap in gaps} == {"no_record"}
        await world.stop()

    settings = {"meters": 3, "mbus": 2, "plc": 8, "hourly": False}
    play_down(story, tmp_path / "store.sqlite", **settings)


@pytest.mark.slow
def test_silent_meters_come_last_and_are_noticed_when_they_return(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=40)
        dead = leaves(world)
        living = points(set(addresses(20)) - {*dead})
        assert len(living) < len(dead)
        await world.power(dead, lost=True)
        await world.until(hours=3, minutes=20)
        assert not missing(world, 3, living)
        reports = world.bus("module-1").reports
        assert reports.outages == {*dead}
        states = {state.point: state for state in world.concentrator.outbox.meters()}
        assert all(states[point].silent_since for point in points(dead))
        assert not any(states[point].silent_since for point in living)
        await world.power(dead, lost=False)
        await world.until(hours=3, minutes=40)
        assert not reports.outages
        assert not missing(world, 3)
        await world.stop()

    settings = {"meters": 3, "plc": 20, "line": QUIET, "hourly": False}
    play_down(story, tmp_path / "store.sqlite", **settings)


def test_raw_frames_reach_every_way_down(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=30)
        raw, _ = await forward(world, 31, raw645(addresses(2)[1]))
        assert raw[1:7] == bytes.fromhex(addresses(2)[1])[::-1]
        raw, _ = await forward(world, 2, raw645(world.area.places[0].meter.address))
        assert raw[0] == 0x68
        raw, _ = await forward(world, 20, FrameMbus.short(0x40, 1).to_bytes())
        assert raw == b"\xe5"
        raw, _ = await forward(world, 31, b"no frame of DL/T 645")
        assert raw == b""
        raw, _ = await forward(world, 20, FrameMbus.short(0x40, 77).to_bytes())
        assert raw == b""
        await world.stop()

    play_down(story, tmp_path / "store.sqlite", meters=3, mbus=2, plc=2, line=QUIET)


def test_any_meter_is_looked_at_now(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=30)
        for name in ("bus-1", "mbus-1", "module-1"):
            bus = world.bus(name)
            shown = await bus.read_now(bus.meters[0])
            assert shown[0].value is not None
        module, line = world.bus("module-1"), world.bus("mbus-1")
        clock = await module.talk(read_clock(addresses(2)[0]))
        assert clock.date() == START.date()
        with pytest.raises(LocalError, match="only read"):
            await line.talk(read_clock(addresses(2)[0]))
        await world.stop()

    play_down(story, tmp_path / "store.sqlite", meters=3, mbus=2, plc=2, line=QUIET)


def test_values_of_all_ways_stand_under_their_registers(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=1, minutes=20)
        at = int(START.timestamp()) + 3_600
        kept = world.station.values
        assert kept[Slot(MBUS_FIRST, Register("8-0:1.0.0"), 3_600, at)]
        assert kept[Slot(MBUS_FIRST + 2, Register("6-0:1.0.0"), 3_600, at)]
        assert kept[Slot(MODULE_FIRST, Register("1-0:1.8.0"), 900, at)]
        await world.stop()

    play_down(story, tmp_path / "store.sqlite", meters=3, mbus=3, plc=1, line=QUIET)


@pytest.mark.slow
@pytest.mark.parametrize("led_by", ["concentrator", "module"])
def test_a_disk_that_is_full_is_not_taken_for_a_refusal_of_the_module(tmp_path, led_by):
    disks = []

    def disk(path):
        disks.append(open_file(path))
        return disks[-1]

    async def story(world):
        world.start(disk)
        await world.until(hours=1, minutes=10)
        disks[-1].execute("PRAGMA max_page_count = 1")  # the file cannot grow any more
        await world.until(hours=5, minutes=10)
        counters = world.bus("module-1").counters
        sessions = counters.sessions
        assert missing(world, 5)
        await world.until(hours=7, minutes=50)
        assert counters.sessions == sessions  # what cannot be kept is not asked again and again
        assert all(not state.attempts for state in world.concentrator.outbox.meters())
        disks[-1].execute("PRAGMA max_page_count = 100000")
        await world.until(hours=8, minutes=50)
        assert not missing(world, 8)
        assert world.station.repeated == []
        await world.stop()

    more = {"led_by": led_by}
    play_down(story, tmp_path / "store.sqlite", plc=6, module_more=more, line=QUIET, meters=3)


@pytest.mark.slow
def test_a_bug_in_the_talk_with_one_meter_costs_that_meter_only(tmp_path, monkeypatch):
    """Beside it on its wire, behind the module and on the other ways all goes on."""
    sick = {addresses(2)[0]}
    whole = read_curve

    def fragile(address, *rest):
        if address in sick:
            raise ZeroDivisionError(address)
        return whole(address, *rest)

    monkeypatch.setattr(collect, "read_curve", fragile)

    async def story(world):
        place = world.area.places[0]
        sick.add(place.meter.address)
        world.start()
        await world.until(hours=1, minutes=30)
        broken = {
            bus.settings.name: bus.counters.broken_sessions for bus in world.concentrator.buses
        }
        assert broken["bus-1"] in range(2, 12)
        assert broken["module-1"] in range(2, 12)
        assert broken["mbus-1"] == 0
        missing = world.planned(START + timedelta(hours=1)) - world.delivered()
        assert {slot.point for slot in missing} == {place.point, MODULE_FIRST}
        sick.clear()
        await world.until(hours=2, minutes=45)
        assert not world.planned(START + timedelta(hours=2)) - world.delivered()
        await world.stop()

    line = QUIET
    plan = {"meters": 3, "hourly": False, "day_freeze": False}
    play_down(story, tmp_path / "store.sqlite", mbus=1, plc=2, line=line, **plan)
