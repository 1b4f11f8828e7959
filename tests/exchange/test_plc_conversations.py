"""Conversations with a module and with the meters behind it, on a simulated network."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.sim.plc_world import EPOCH, MASTER, World, addresses, meters

from kwhub.domain.errors import NoAnswer, Refusal
from kwhub.domain.readings import Register
from kwhub.exchange.clock import broadcast_clock
from kwhub.exchange.plc import Way, broadcast, carry, carry_many, confirmed
from kwhub.exchange.plc_module import (
    paused,
    read_archive,
    read_state,
    register_slaves,
    start_module,
    sync_archive,
)
from kwhub.exchange.read import read_clock, read_registers
from kwhub.links.drive import Driver, attend
from kwhub.links.memory import pair
from kwhub.protocols.dlt645 import Role as Role645
from kwhub.protocols.dlt645 import Session as Session645
from kwhub.protocols.dlt645.orders import SetTime
from kwhub.protocols.gdw1376_2 import Order, Request, afn_12
from kwhub.protocols.gdw1376_2.afn_06 import EventReport
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.bus import MeterBus
from kwhub.sim.clockwork import wall_seconds
from kwhub.sim.plc_network import PlcSettings
from kwhub.testing import Pair

TOTAL = Register("1-0:1.8.0")
VOLTAGE = Register("1-0:32.7.0")


def started(count=6, **knobs):
    world = World(count, **knobs)
    world.run(start_module(MASTER))
    world.run(sync_archive(world.wanted))
    return world


def test_start_hears_the_report_after_a_reset_and_sets_the_address():
    world = World()
    mode = world.run(start_module(MASTER, reset=True))
    assert mode.master == world.module.master == MASTER
    assert mode.wants_archive
    assert mode.period_led_by == {"concentrator", "module"}
    assert mode.slave_timeout_s == 90


def test_sync_adds_deletes_and_ends_equal():
    world = World(30)
    world.module.archive |= {"000000000001": 2, "000000700003": 1}
    done = world.run(sync_archive(world.wanted))
    assert (done.nodes, done.added, done.deleted) == (30, 30, 2)
    assert world.module.archive == world.wanted
    assert set(world.run(read_archive())) == set(world.wanted)
    again = world.run(sync_archive(world.wanted))
    assert (again.added, again.deleted) == (0, 0)


def test_sync_survives_a_lost_confirmation():
    world = World(3)
    world.module.archive |= {"000000000001": 2}

    async def main(clock):
        near, far = pair()
        lost = Dropping(near, {2, 5})
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(attend(far, world.module, clock, lambda _event: None))
            done = await Driver(lost, world.session, clock).run(sync_archive(world.wanted))
            await near.aclose()
            await serving
        return done, lost.dropped

    done, dropped = run_virtual(main, start=datetime(2026, 3, 16, 2, 0, tzinfo=UTC))
    assert dropped == 2
    assert done.nodes == 3
    assert world.module.archive == world.wanted


class Dropping:
    """A link that loses some of the reads."""

    def __init__(self, link, lose):
        self.facts = link.facts
        self.dropped = 0
        self._link, self._lose, self._reads = link, lose, 0

    async def read(self):
        data = await self._link.read()
        self._reads += 1
        if self._reads in self._lose:
            self.dropped += 1
            return await self.read()
        return data

    async def write(self, data):
        await self._link.write(data)

    async def aclose(self):
        await self._link.aclose()


def test_a_carried_reading_is_the_same_as_over_the_bus():
    world = started()
    meter = addresses(6)[4]
    before = world.run(carry(read_registers(meter, [TOTAL, VOLTAGE]), Way(meter)))
    bus = Pair(Session645(Role645.MASTER), MeterBus(meters(6), epoch_s=EPOCH + world.pair.now))
    wired = bus.run(read_registers(meter, [TOTAL, VOLTAGE]))
    assert [(one.register, one.unit, one.identifier) for one in before] == [
        (one.register, one.unit, one.identifier) for one in wired
    ]
    assert before[0].value == wired[0].value
    assert before[0].error is None


def test_a_meter_without_power_is_silent_and_its_outage_is_reported():
    world = started()
    meter = addresses(6)[0]
    world.module.power([meter], world.pair.now, lost=True)
    with pytest.raises(NoAnswer) as silent:
        world.run(carry(read_clock(meter), Way(meter)))
    assert silent.value.attempts == 3
    units = [event.unit for event in world.pair.asker_events if hasattr(event, "repeated")]
    (outage,) = [unit.outage for unit in units if isinstance(unit, EventReport)]
    assert outage is not None
    assert outage.lost
    assert outage.meters == (meter,)


def test_an_unknown_meter_is_refused_with_the_words_of_the_module():
    world = started()
    with pytest.raises(Refusal, match="no such meter"):
        world.run(carry(read_clock("000000000042"), Way("000000000042")))


def test_a_busy_module_is_asked_again_until_it_is_paused():
    world = started()
    world.run(confirmed(Request(Order(afn_12.AFN, afn_12.RESTART))))
    meter = addresses(6)[1]
    way = Way(meter, busy_wait_s=1.0, busy_max=2)
    with pytest.raises(NoAnswer, match="busy"):
        world.run(carry(read_clock(meter), way))
    assert isinstance(world.run(paused(carry(read_clock(meter), way))), datetime)
    assert not world.module.paused


def test_pause_ends_also_when_the_conversation_fails():
    world = started()
    world.module.paused = False
    with pytest.raises(Refusal):
        world.run(paused(carry(read_clock("000000000042"), Way("000000000042"))))
    assert not world.module.paused


@pytest.mark.slow
def test_two_hundred_meters_with_loss_are_all_read_in_parallel():
    world = started(200, settings=PlcSettings(loss_permille=50))
    names = addresses(200)
    tasks = [(read_registers(name, [TOTAL]), Way(name)) for name in names]
    results = world.run(carry_many(tasks))
    assert world.network.lost > 0
    values = [result[0].value for result in results]
    assert None not in values
    assert world.network.depth > 2
    assert {node.phase for node in world.network.nodes.values()} == {1, 2, 3}


def test_parallel_reading_is_faster_than_one_by_one():
    world = started(10)
    start = world.pair.now
    for name in addresses(10):
        world.run(carry(read_clock(name), Way(name)))
    single, start = world.pair.now - start, world.pair.now
    world.run(carry_many([(read_clock(name), Way(name)) for name in addresses(10)]))
    assert (world.pair.now - start) * 2 < single


def test_parallel_reading_keeps_the_errors_apart():
    world = started()
    good, unknown = addresses(6)[0], "000000000042"
    world.network.nodes[addresses(6)[1]].powered = False
    tasks = [(read_clock(one), Way(one)) for one in (good, unknown, addresses(6)[1])]
    clock, refused, silent = world.run(carry_many(tasks, width=2))
    assert isinstance(clock, datetime)
    assert isinstance(refused, Refusal)
    assert isinstance(silent, NoAnswer)


def test_registration_brings_every_slave_and_stops():
    world = World(20)
    found = world.run(register_slaves(datetime(2026, 3, 16, 10, 0), 30))
    assert found == world.wanted
    assert not world.module.registering
    assert not world.run(read_state()).registering


def test_broadcast_is_made_for_the_delay_and_waited_for():
    world = started()
    delays = []

    def frame_for(delay_s):
        delays.append(delay_s)
        session = Session645(Role645.MASTER, preamble=0)
        session.send(SetTime(datetime(2026, 3, 16, 10, 1, delay_s)), 0.0)
        return session.outgoing(0.0)

    start = world.pair.now
    delay = world.run(paused(broadcast(frame_for)))
    assert delays == [0, delay]
    assert world.pair.now - start >= delay


def test_the_time_is_right_when_it_arrives():
    world = started(settings=PlcSettings(loss_permille=0, hop_s=0.5))
    meter = addresses(6)[0]
    before = world.run(carry(read_clock(meter), Way(meter)))
    began = world.pair.now
    told = before + timedelta(seconds=60)
    world.run(carry(broadcast_clock(lambda: told), Way("")))
    assert world.pair.now - began > 2.0  # on its way through the network
    world.run(carry(read_clock(meter), Way(meter)))
    shown = world.network.nodes[meter].meter.clock.wall(int(EPOCH + world.pair.now))
    assert abs(shown - wall_seconds(told) - (world.pair.now - began)) <= 1.0


def test_a_conversation_that_tells_all_meters_goes_out_as_a_broadcast():
    world = started()
    world.run(carry(broadcast_clock(lambda: datetime(2026, 3, 16, 10, 1, 30)), Way("")))
    shown = world.run(carry(read_clock(addresses(6)[2]), Way(addresses(6)[2])))
    assert shown.minute in {1, 2}
