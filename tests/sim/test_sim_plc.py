"""The simulated module: what it denies, reports, and how its own period goes."""

import asyncio
from datetime import UTC, datetime

import pytest
from tests.sim.plc_world import EPOCH, MASTER, NO_LOSS, World, addresses, meters

from kwhub.domain.readings import Register
from kwhub.exchange.plc import Way, carry
from kwhub.exchange.plc_module import start_module, sync_archive
from kwhub.exchange.read import read_registers
from kwhub.links.drive import Driver
from kwhub.links.memory import pair
from kwhub.protocols.gdw1376_2 import Await, Request, Role, Session, Wait, order_of
from kwhub.protocols.gdw1376_2.afn_00 import DENIALS
from kwhub.protocols.gdw1376_2.afn_11 import AddNodes, DeleteNodes
from kwhub.protocols.gdw1376_2.afn_13 import Monitor
from kwhub.protocols.gdw1376_2.afn_14 import DONE, READ, ReadOrder
from kwhub.protocols.gdw1376_2.afn_f1 import ParallelRead
from kwhub.protocols.gdw1376_2.messages import Answer, Batch, Order
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.plc import serve_module
from kwhub.sim.plc_network import PlcNetwork, PlcSettings

START = datetime(2026, 3, 16, 2, 0, tzinfo=UTC)
TOTAL = Register("1-0:1.8.0")


def asked(world, unit, slave=""):
    return world.pair.ask(Request(order_of(unit, slave), 90.0))


def frame_for(address):
    body = b"\x68" + bytes.fromhex(address)[::-1] + bytes.fromhex("68110433333433")
    return body + bytes([sum(body) & 0xFF, 0x16])


def archived(count=6):
    world = World(count)
    world.module.archive |= world.wanted
    return world


def test_it_reports_itself_after_power_up():
    world = World()
    event = world.pair.ask(Await(frozenset({(3, 10)}), 60.0))
    assert event.reported.unit.nodes_max == 1024
    assert world.pair.now == pytest.approx(NO_LOSS.boot_s)


def test_denials():
    world = archived()
    first = addresses(6)[0]
    assert asked(world, AddNodes(((first, 2),))).reason == 6
    assert asked(world, DeleteNodes(("000000000042",))).reason == 7
    assert asked(world, Monitor(frame_for(first)), "000000000042").reason == 7
    assert world.pair.ask(Request(Order(0x03, 77))).reason == 4
    assert world.pair.ask(Request(Order(0x03, 2))).reason == 10
    assert world.pair.ask(Request(Order(0x11, 1, b"\x05"))).reason == 2
    world.module.paused = False
    assert asked(world, Monitor(frame_for(first)), first).reason == 9
    assert sum(world.module.denied.values()) == 7
    assert set(world.module.denied) <= {words for words, _zh in DENIALS.values()}


def test_too_many_in_parallel_and_the_same_meter_twice():
    world = archived()
    names = addresses(6)
    requests = tuple(
        Request(order_of(ParallelRead(frame_for(name)), name), 90.0) for name in [*names, names[0]]
    )
    ended = world.pair.ask(Batch(requests))
    reasons = [getattr(result, "reason", None) for result in ended.results]
    assert reasons == [None] * 5 + [109, 111]
    assert all(result.unit.frames for result in ended.results[:5])


def test_a_period_led_by_the_module_reads_every_meter():
    world = archived()
    done = []
    world.pair.ask(Request(Order(0x12, 1)))
    while True:
        event = world.pair.ask(Await(frozenset({(0x14, 1), (6, 2), (6, 3)}), 60.0))
        unit = event.reported.unit
        if event.reported.wants_answer:
            flag = DONE if unit.index in done else READ
            order = ReadOrder(flag, frame_for(unit.address) if flag == READ else b"")
            world.session.send(Answer(event.reported.frame, order_of(order)), world.pair.now)
        elif event.reported.frame.function == 2:
            done.append(unit.index)
            assert unit.frame[8] == 0x91
        else:
            break
    assert done == [1, 2, 3, 4, 5, 6]
    assert not world.module.unread


def test_the_same_seed_gives_the_same_network_and_losses():
    lossy = PlcSettings(loss_permille=300)

    def fate(seed):
        network = PlcNetwork(meters(40), seed=seed, epoch_s=EPOCH, settings=lossy)
        spent = [network.read(name, frame_for(name), 1.0) for name in addresses(40)]
        return spent, network.lost

    assert fate(5) == fate(5)
    assert fate(5) != fate(6)


def test_a_hop_loses_five_percent():
    network = PlcNetwork(
        meters(40), seed=3, epoch_s=EPOCH, settings=PlcSettings(loss_permille=50, tries=1)
    )
    for _ in range(100):
        for name in addresses(40):
            network.trip(name, 16)
    assert 0.04 < network.lost / network.frames < 0.06


def test_a_pause_stops_the_period():
    world = archived()
    world.pair.ask(Request(Order(0x12, 1)))
    world.pair.ask(Request(Order(0x12, 2)))
    world.pair.ask(Wait(30.0))
    asked_now = world.module.asked
    world.pair.ask(Wait(30.0))
    assert world.module.asked == asked_now
    assert len(world.module.unread) >= 5


def test_a_module_is_served_on_a_link():
    async def main(clock):
        near, far = pair(baud=9_600)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(serve_module(far, meters(3), clock, settings=NO_LOSS))
            session = Session(Role.CONCENTRATOR, mode=3, master=MASTER)
            driver = Driver(near, session, clock)
            await driver.run(start_module(MASTER))
            await driver.run(sync_archive(dict.fromkeys(addresses(3), 2)))
            name = addresses(3)[2]
            (answer,) = await driver.run(carry(read_registers(name, [TOTAL]), Way(name)))
            await near.aclose()
            await serving
            return answer

    answer = run_virtual(main, start=START)
    assert answer.error is None
    assert answer.value > 0
