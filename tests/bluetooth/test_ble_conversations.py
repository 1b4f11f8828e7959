"""Conversations over ``ble:`` links, through nodes that inspect: many answers, long ones, late ones, none at all."""

import asyncio
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from tests.bluetooth.nodes import address, collector, node, slave
from tests.bluetooth.stations import METER, OTHER, START, on_air
from tests.bluetooth.test_ble_serial_face import within
from tests.sim.line import authority, made

from kwhub.bluetooth.node_settings import NodeSettings
from kwhub.bluetooth.node_settings import Role as NodeRole
from kwhub.bluetooth.states import NodeState
from kwhub.cli.mbus import BLE_LATENCY_S
from kwhub.cli.scan import WINDOW_BLE_S
from kwhub.domain.errors import NoAnswer, Refusal
from kwhub.domain.readings import Register
from kwhub.exchange.change import Verdict
from kwhub.exchange.clearing import clear_demand
from kwhub.exchange.clock import broadcast_clock, set_clock
from kwhub.exchange.freeze import FreezePattern, freeze
from kwhub.exchange.mbus_search import search
from kwhub.exchange.parameters import write_parameter
from kwhub.exchange.passing import DLT645
from kwhub.exchange.passing_others import DIALECTS
from kwhub.exchange.plc import Way, carry_many
from kwhub.exchange.plc_module import paused, start_module, sync_archive
from kwhub.exchange.read import read_curve, read_registers
from kwhub.exchange.relay import RelayCommand, control_relay
from kwhub.exchange.scan import Scan
from kwhub.exchange.scan_listener import Listener
from kwhub.exchange.transfer import transfer
from kwhub.links.address import open_link
from kwhub.links.drive import Driver
from kwhub.links.memory import pair
from kwhub.protocols.dlt645 import Authority, Edition, Key, Role, Session
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.gdw1376_2 import HPLC
from kwhub.protocols.gdw1376_2 import Role as ModuleRole
from kwhub.protocols.gdw1376_2 import Session as ModuleSession
from kwhub.protocols.mbus.identity import Identity
from kwhub.protocols.mbus.session import Role as MbusRole
from kwhub.protocols.mbus.session import Session as MbusSession
from kwhub.sim.faults import MeterFaults
from kwhub.sim.mbus import MbusMeter, serve_mbus
from kwhub.sim.plc import serve_module
from kwhub.sim.plc_network import PlcSettings
from kwhub.wire.passing import Kind, Passing

E1997 = Edition.E1997
ONE, TWO, THREE = "000000000038", "000000000039", "000000000138"
ENERGY, ADDRESS_ITEM, BLOCK, BLOCK_1997 = 0x0001_0000, 0x0400_0401, 0x0001_FFFF, 0x901F
KEY_1997 = Authority(Key(4))


def behind(*numbers, **knobs):
    """Meters for a bus, their keys pressed."""
    found = [made(number, **knobs) for number in numbers]
    for each in found:
        each.press_programming_key(int(START.timestamp()), for_s=86_400)
    return found


@asynccontextmanager
async def opened(clock, air, to=METER, *, attempts=3, session=None):
    """A driver on a real ``ble:`` link."""
    link = await open_link(f"ble:{to}?adapter={air}&security=none", clock=clock)
    try:
        yield Driver(link, session or Session(Role.MASTER), clock, attempts=attempts)
    finally:
        await link.aclose()


def through_a_slave(play, *meters, **settings):
    """Play on a link to a node that has meters on its bus."""

    async def main(clock, air):
        made = NodeSettings(role=NodeRole.SLAVE, **settings)
        async with node(clock, air, METER, made, behind=meters) as middle:
            return await play(clock, air, middle)

    return on_air(main)


# --- several that answer


@pytest.mark.slow
@pytest.mark.parametrize("is_known", [True, False])
def test_a_scan_finds_every_meter_behind_a_collector_and_its_slaves(is_known):
    async def main(clock, air):
        first, second = behind(ONE, TWO), behind(THREE)
        slaves = {address(5, 1): [ONE, TWO], address(5, 2): [THREE]}
        below = slaves if is_known else dict.fromkeys(slaves, ())
        async with (
            node(clock, air, address(5, 1), slave(), behind=first),
            node(clock, air, address(5, 2), slave(), behind=second),
            node(clock, air, METER, collector(below)) as middle,
        ):
            await clock.sleep(5)
            scan = Scan(editions=[Edition.E2007])
            listener = Listener(window_s=WINDOW_BLE_S)
            async with opened(clock, air, attempts=1, session=listener) as driver:
                census = await driver.run(scan.run())
            assert census.unresolved == []
            states = [view.state for view in middle.registry]
            return sorted(census.meters), census.collisions > 0, states

    assert on_air(main) == ([ONE, TWO, THREE], True, [NodeState.ONLINE] * 2)


@pytest.mark.slow
def test_a_bus_on_which_all_answer_at_once_costs_the_slave_no_link():
    async def main(clock, air):
        below = address(5, 1)
        async with (
            node(clock, air, below, slave(), behind=behind(ONE, TWO)),
            node(clock, air, METER, collector({below: ()}, heartbeat_s=10.0)) as middle,
        ):
            await clock.sleep(5)
            (port,) = middle.ports
            await clock.sleep(600)
            assert middle.ports == (port,)  # one link all the time
            view = middle.registry[below]
            return view.state, view.unanswered, view.violations

    assert on_air(main) == (NodeState.ONLINE, 0, 0)


def test_a_search_finds_every_m_bus_meter_behind_a_node():
    identities = [
        Identity.parse(f"{number}-KAM-01-07") for number in (12345678, 12945671, 82345673)
    ]

    async def main(clock, air):
        near, bus = pair()
        on_bus = [MbusMeter(each, place + 1) for place, each in enumerate(identities)]
        serving = asyncio.ensure_future(serve_mbus(near, on_bus, clock))
        async with node(clock, air, METER, slave(), bus=bus, dialect=DIALECTS["mbus"]):
            session = MbusSession(MbusRole.MASTER, latency_s=BLE_LATENCY_S)
            async with opened(clock, air, session=session) as driver:
                found = await driver.run(search())
        serving.cancel()
        return found.identities, found.clashes

    assert on_air(main) == (set(identities), [])


# --- long answers


@pytest.mark.slow
def test_a_long_answer_of_several_frames_comes_whole_to_two_masters_at_once():
    (meter,) = behind(ONE)
    (old,) = behind(TWO, edition=E1997)

    async def play(clock, air, middle):
        del middle
        other = f"{air}&own={OTHER}"
        async with opened(clock, air) as one, opened(clock, other) as two:
            found = await asyncio.gather(
                *(each.run(transfer(ONE, BLOCK)) for each in (one, two)),
            )
            curve = await one.run(read_curve(ONE, datetime(2026, 3, 1), 30))
        assert [len(each.raw) for each in found] == [2, 2]
        return found[0].payload == found[1].payload, len(found[0].payload), len(curve)

    assert through_a_slave(play, meter) == (True, 5 * 13 * 4, 30)

    async def play_old(clock, air, middle):
        del middle
        async with opened(clock, air) as driver:
            done = await driver.run(transfer(TWO, BLOCK_1997, edition=E1997))
            (energy,) = await driver.run(read_registers(TWO, [Register("1-0:1.8.0")], E1997))
        return done.payload[:4], energy.value

    payload, value = through_a_slave(play_old, old)
    assert int(payload[::-1].hex()) == value * 100


# --- what changes a meter


def test_what_is_written_through_a_node_is_in_the_meter():
    (meter,) = behind(ONE)

    async def play(clock, air, middle):
        async with opened(clock, air) as driver:
            verdicts = [
                (await driver.run(each)).verdict
                for each in (
                    write_parameter(ONE, 0x0400_0802, [Decimal(3)], authority()),
                    control_relay(ONE, RelayCommand.TRIP, authority(2)),
                    clear_demand(ONE, authority()),
                    freeze(ONE, FreezePattern.now()),
                    set_clock(ONE, lambda: datetime(2026, 3, 2, 16), authority()),
                )
            ]
        return verdicts, dict(middle.inspection.counts)

    assert through_a_slave(play, meter) == ([Verdict.DONE] * 5, {})
    assert meter.body.memory.relay.is_open
    assert len(meter.body.memory.demand_cleared_s) == 1
    assert meter.body.memory.clock_steps


def test_a_meter_of_1997_is_written_and_cleared_through_a_node():
    (meter,) = behind(ONE, edition=E1997)

    async def play(clock, air, middle):
        async with opened(clock, air) as driver:
            written = await driver.run(write_parameter(ONE, 0xC113, [Decimal(9)], KEY_1997, E1997))
            cleared = await driver.run(clear_demand(ONE, KEY_1997, E1997))
        return written.verdict, written.after, cleared.verdict, dict(middle.inspection.counts)

    written, after, cleared, counts = through_a_slave(play, meter)
    assert (written, cleared, counts) == (Verdict.DONE, Verdict.TAKEN, {})
    assert len(meter.body.memory.demand_cleared_s) == 1
    assert after is not None
    assert after.payload == b"\x09"


def test_what_is_told_to_all_reaches_each_meter_and_nobody_answers():
    meters = behind(ONE, TWO)

    async def play(clock, air, middle):
        del middle
        async with opened(clock, air) as driver:
            wall = clock.now().replace(tzinfo=None) + timedelta(hours=8, seconds=60)
            began = clock.monotonic()
            change = await driver.run(broadcast_clock(lambda: wall))
            took_s = clock.monotonic() - began
        await clock.sleep(1)
        return change.verdict, took_s < 1

    assert through_a_slave(play, *meters) == (Verdict.SENT, True)
    assert [len(each.body.memory.clock_steps) for each in meters] == [1, 1]


# --- what is not allowed


ORDERS = {
    "relay": lambda: control_relay(ONE, RelayCommand.TRIP, authority(2)),
    "write": lambda: write_parameter(ONE, 0x0400_0802, [Decimal(3)], authority()),
    "clear": lambda: clear_demand(ONE, authority()),
    "freeze": lambda: freeze(ONE, FreezePattern.now()),
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_an_order_that_a_node_forbids_is_refused_with_a_word_and_at_once(order):
    (meter,) = behind(ONE)

    async def play(clock, air, middle):
        async with opened(clock, air) as driver:
            began = clock.monotonic()
            change = await driver.run(order())
            took_s = clock.monotonic() - began
        assert middle.inspection.counts == {"not_allowed": 1}
        assert isinstance(change.error, Refusal)
        assert "not authorised" in str(change.error)
        return change.verdict, took_s < 1

    assert through_a_slave(play, meter, allow=(Kind.READ,)) == (Verdict.REFUSED, True)
    assert not meter.body.memory.relay.is_open


def test_a_write_to_a_meter_of_1997_is_refused_in_its_own_words():
    (meter,) = behind(ONE, edition=E1997)

    async def play(clock, air, middle):
        del middle
        async with opened(clock, air) as driver:
            return await driver.run(write_parameter(ONE, 0xC113, [Decimal(9)], KEY_1997, E1997))

    change = through_a_slave(play, meter, allow=(Kind.READ,))
    assert change.verdict is Verdict.REFUSED
    assert "password" in str(change.error)


def test_a_meter_that_may_not_be_addressed_is_as_silent_as_one_that_is_not_there():
    meters = behind(ONE, TWO)

    async def play(clock, air, middle):
        async with opened(clock, air) as driver:
            assert (await driver.run(transfer(ONE, ENERGY))).payload
            with pytest.raises(NoAnswer):
                await driver.run(transfer(TWO, ENERGY))
        return set(middle.inspection.counts)

    assert through_a_slave(play, *meters, meters=(ONE,)) == {"unknown_address"}


def test_reading_again_as_meters_of_1997_know_it_passes_and_is_a_read():
    (found,) = DLT645.framer().feed(Frame645(ONE, 0x03, b"").to_bytes())
    assert isinstance(found, Passing)
    assert (found.kind, found.trouble, found.wants_answer) == (Kind.READ, "", True)
    (found,) = DLT645.framer().feed(Frame645(ONE, 0x03, bytes(8)).to_bytes())
    assert isinstance(found, Passing)
    assert (found.kind, found.trouble) == (Kind.CONTROL, "")


# --- meters that take their time


def slow(late_s, *numbers):
    return behind(*numbers, faults=MeterFaults(late_permille=1000, late_s=late_s))


@pytest.mark.parametrize("late_s", [0.9, 1.5, 4.0])
def test_a_meter_that_is_slower_than_its_node_waits_is_read_all_the_same(late_s):
    async def main(clock, air):
        below = address(5, 1)
        async with (
            node(clock, air, below, slave(), behind=slow(late_s, ONE)),
            node(clock, air, METER, collector({below: [ONE]})) as middle,
        ):
            await clock.sleep(5)
            found = []
            for to in (below, METER):
                session = Session(Role.MASTER, answer_timeout_s=late_s + 1)
                async with opened(clock, air, to, attempts=1, session=session) as driver:
                    found.append((await driver.run(transfer(ONE, ADDRESS_ITEM))).payload)
            return found, dict(middle.inspection.counts)

    assert on_air(main) == ([bytes.fromhex(ONE)[::-1]] * 2, {})


def test_a_late_answer_is_for_nobody_who_has_asked_something_else_since():
    (late,) = slow(1.5, ONE)
    (quick,) = behind(TWO)

    async def play(clock, air, middle):
        del middle
        link = await open_link(f"ble:{METER}?adapter={air}&security=none", clock=clock)
        await link.write(Frame645(ONE, 0x11, bytes(4)).to_bytes())
        await clock.sleep(1.2)  # the node has given up
        await link.write(Frame645(TWO, 0x11, bytes(4)).to_bytes())
        heard = await within(link, 5)
        await link.aclose()
        return [frame.address for frame in frames(heard)]

    assert through_a_slave(play, late, quick) == [TWO]


def frames(raw):
    return [each for each in DLT645.framer().feed(raw) if isinstance(each, Passing)]


# --- a local module


@asynccontextmanager
async def module_behind(clock, air, meters, **settings):
    near, bus = pair()
    quiet = PlcSettings(loss_permille=0)
    serving = asyncio.ensure_future(serve_module(near, meters, clock, settings=quiet))
    async with node(
        clock, air, METER, slave(**settings), bus=bus, dialect=DIALECTS["gdw1376.2"]
    ) as middle:
        session = ModuleSession(ModuleRole.CONCENTRATOR, mode=HPLC, master="000000009999")
        async with opened(clock, air, session=session) as driver:
            yield driver, middle
    serving.cancel()


def test_meters_behind_a_local_module_are_read_side_by_side_with_the_usual_settings():
    async def main(clock, air):
        meters = behind(ONE, TWO, THREE)
        async with module_behind(clock, air, meters) as (driver, middle):
            mode = await driver.run(start_module("000000009999"))
            await driver.run(sync_archive({meter.address: 2 for meter in meters}))
            ways = [Way(meter.address, float(mode.slave_timeout_s)) for meter in meters]
            tasks = [(read_registers(way.slave, [Register("1-0:1.8.0")]), way) for way in ways]
            found = await driver.run(paused(carry_many(tasks)))
            return [answer.value > 0 for (answer,) in found], dict(middle.inspection.counts)

    assert on_air(main) == ([True] * 3, {})


def test_what_changes_a_local_module_is_denied_by_a_node_that_only_lets_read():
    async def main(clock, air):
        (meter,) = behind(ONE)
        async with module_behind(clock, air, [meter], allow=(Kind.READ,)) as (driver, middle):
            began = clock.monotonic()
            with pytest.raises(Refusal, match="not supported"):
                await driver.run(start_module("000000009999"))
            return clock.monotonic() - began < 1, dict(middle.inspection.counts)

    assert on_air(main) == (True, {"not_allowed": 1})
