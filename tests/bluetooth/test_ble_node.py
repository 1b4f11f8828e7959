"""Nodes between masters and slaves: answers to the asker, one bus shared, links made again."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from tests.bluetooth.nodes import (
    ENERGY,
    VOLTAGE,
    address,
    collector,
    meters,
    node,
    read,
    slave,
)
from tests.bluetooth.stations import METER, OTHER, READER, free, on_air, station

from kwhub.bluetooth.inspection import InspectionMode, Violation
from kwhub.bluetooth.node_settings import NodeSettings, Role
from kwhub.bluetooth.registry import StateChange
from kwhub.bluetooth.states import NodeState
from kwhub.protocols.dlt645.frames import Frame645, parse
from kwhub.wire.passing import Kind

READ_ENERGY = bytes.fromhex("00000100")


async def silence(link, seconds=5.0):
    """What comes within some seconds; empty when nothing does."""
    try:
        async with asyncio.timeout(seconds):
            return await link.read()
    except TimeoutError:
        return b""


def test_three_masters_on_one_meter_each_get_their_own_answers():
    async def main(clock, air):
        (meter,) = meters(clock, 1)
        async with (
            node(clock, air, METER, slave(masters_max=3), behind=[meter]) as middle,
            station(clock, air, address(1, 1), free()) as one,
            station(clock, air, address(1, 2), free()) as two,
            station(clock, air, address(1, 3), free()) as three,
        ):
            links = [await each.connect(METER) for each in (one, two, three)]
            wishes = [[ENERGY], [VOLTAGE], [ENERGY, VOLTAGE]]
            async with asyncio.TaskGroup() as tasks:
                reads = [
                    tasks.create_task(read(link, clock, meter.address, wish))
                    for link, wish in zip(links, wishes, strict=True)
                ]
            for link in links:
                assert await silence(link) == b""
            assert [len(each.result()) for each in reads] == [1, 1, 2]
            assert all(all(each.result()) for each in reads)
            return len(middle.masters), middle.unrouted

    assert on_air(main) == (3, 0)


def test_the_same_question_of_several_goes_to_the_bus_once():
    async def main(clock, air):
        (meter,) = meters(clock, 1)
        async with (
            node(clock, air, METER, slave(), behind=[meter]) as middle,
            station(clock, air, READER, free()) as one,
            station(clock, air, OTHER, free()) as two,
        ):
            links = [await each.connect(METER) for each in (one, two)]
            async with asyncio.TaskGroup() as tasks:
                reads = [tasks.create_task(read(each, clock, meter.address)) for each in links]
            assert reads[0].result() == reads[1].result()
            (bus,) = middle.ports
            return bus.asked, bus.shared

    assert on_air(main) == (1, 1)


def test_subscribers_that_ask_the_same_at_once_get_one_answer_each():
    async def main(clock, air):
        (meter,) = meters(clock, 1)
        request = Frame645(meter.address, 0x11, READ_ENERGY).to_bytes()
        async with (
            node(clock, air, METER, slave(subscribers=(READER, OTHER)), behind=[meter]) as middle,
            station(clock, air, READER, free()) as one,
            station(clock, air, OTHER, free()) as two,
        ):
            links = [await one.connect(METER), await two.connect(METER)]
            await asyncio.gather(*(link.write(request) for link in links))
            await clock.sleep(5)
            assert [len((await link.read()).split(request[:7])) - 1 for link in links] == [1, 1]
            assert middle.copies == 0
            await links[0].write(request)  # alone: the other has it as a copy
            await clock.sleep(5)
            assert [len((await link.read()).split(request[:7])) - 1 for link in links] == [1, 1]
            assert middle.copies == 1

    on_air(main)


def test_a_subscriber_gets_a_copy_of_each_reading():
    async def main(clock, air):
        (meter,) = meters(clock, 1)
        settings = slave(subscribers=(OTHER,))
        async with (
            node(clock, air, METER, settings, behind=[meter]) as middle,
            station(clock, air, READER, free()) as one,
            station(clock, air, OTHER, free()) as two,
        ):
            asking, listening = [await each.connect(METER) for each in (one, two)]
            await read(asking, clock, meter.address)
            copy = await silence(listening)
            assert copy[-1:] == b"\x16"
            return middle.copies

    assert on_air(main) == 1


def test_a_collector_is_slave_of_two_and_master_of_five():
    async def main(clock, air):
        behind = meters(clock, 5)
        slaves = {address(5, i): [meter.address] for i, meter in enumerate(behind)}
        async with (
            _slaves(clock, air, slaves, behind),
            node(clock, air, METER, collector(slaves)) as middle,
            station(clock, air, READER, free()) as one,
            station(clock, air, OTHER, free()) as two,
        ):
            links = [await each.connect(METER) for each in (one, two)]
            await clock.sleep(10)
            assert len(middle.ports) == 5
            found = await asyncio.gather(*(_all_meters(link, clock, behind) for link in links))
            assert found[0] == found[1]
            assert len({tuple(each) for each in found[0]}) == 5
            return [view.state for view in middle.registry]

    assert on_air(main) == [NodeState.ONLINE] * 5


async def _all_meters(link, clock, behind):
    return [await read(link, clock, meter.address, [ENERGY, VOLTAGE]) for meter in behind]


@asynccontextmanager
async def _slaves(clock, air, slaves, behind):
    """A node as slave for each meter."""
    async with AsyncExitStack() as stack:
        for own, meter in zip(slaves, behind, strict=True):
            await stack.enter_async_context(node(clock, air, own, slave(), behind=[meter]))
        yield


def test_what_is_not_allowed_does_not_reach_the_meter():
    async def main(clock, air):
        (meter,) = meters(clock, 1)
        told: list[Violation] = []
        settings = slave([meter.address], allow=(Kind.READ,))
        async with (
            node(clock, air, METER, settings, behind=[meter]) as middle,
            station(clock, air, READER, free()) as one,
        ):
            middle.inspection.told = told.append
            link = await one.connect(METER)
            good = Frame645(meter.address, 0x11, READ_ENERGY).to_bytes()
            await link.write(Frame645(meter.address, 0x1C, bytes(16)).to_bytes())  # the relay
            assert await silence(link) == Frame645(meter.address, 0xDC, b"\x04").to_bytes()
            bad = [
                good[:-2] + bytes([good[-2] ^ 1, 0x16]),
                Frame645("123456789012", 0x11, READ_ENERGY).to_bytes(),
                Frame645(meter.address, 0x91, bytes(8)).to_bytes(),
                Frame645(meter.address, 0x11, b"").to_bytes(),
                Frame645(meter.address, 0x1F, b"").to_bytes(),
            ]
            for each in bad:
                await link.write(each)
                assert await silence(link) == b""
            await link.write(good[:5])
            await link.write(good[5:])  # in two packets, as one frame
            assert (await silence(link))[-1:] == b"\x16"
            assert {violation.peer for violation in told} == {READER}
            return sorted(middle.inspection.counts), middle.inspection.passed

    kinds, passed = on_air(main)
    assert kinds == [
        "bad_length",
        "checksum_mismatch",
        "not_allowed",
        "unknown_address",
        "unknown_function",
        "wrong_direction",
    ]
    assert passed == 2


@pytest.mark.parametrize(("mode", "counted"), [(InspectionMode.REPORT, 1), (InspectionMode.OFF, 0)])
def test_inspection_that_only_reports_or_is_off_lets_pass(mode, counted):
    async def main(clock, air):
        (meter,) = meters(clock, 1)
        settings = slave([meter.address], allow=(Kind.CLOCK,), inspection=mode)
        async with (
            node(clock, air, METER, settings, behind=[meter]) as middle,
            station(clock, air, READER, free()) as one,
        ):
            link = await one.connect(METER)
            assert all(await read(link, clock, meter.address))
            return middle.inspection.counts.total()

    assert on_air(main) == counted


def test_a_slave_that_goes_is_noticed_and_connected_to_again_by_itself():
    async def main(clock, air):
        (meter,) = meters(clock, 1)
        changes: list[StateChange] = []
        settings = collector({address(5, 1): [meter.address]}, heartbeat_s=10.0)
        async with node(clock, air, METER, settings) as middle:
            middle.registry.told = changes.append
            async with node(clock, air, address(5, 1), slave(), behind=[meter]):
                await clock.sleep(20)
                assert middle.registry[address(5, 1)].state is NodeState.ONLINE
                assert middle.registry[address(5, 1)].signal_dbm == -50
            await clock.sleep(300)
            assert middle.registry[address(5, 1)].state is NodeState.SILENT
            assert middle.ports == ()
            async with node(clock, air, address(5, 1), slave(), behind=[meter]):
                await clock.sleep(90)
                assert middle.registry[address(5, 1)].is_connected
        return [change.after for change in changes]

    assert on_air(main) == [NodeState.ONLINE, NodeState.SILENT, NodeState.ONLINE]


def test_a_silent_meter_does_not_cost_the_others_behind_its_slave_their_link():
    async def main(clock, air):
        gone, there = meters(clock, 2)
        settings = collector({address(5, 1): [gone.address, there.address]}, heartbeat_s=10.0)
        async with (
            node(clock, air, address(5, 1), slave(), behind=[there]),
            node(clock, air, METER, settings) as middle,
        ):
            await clock.sleep(60)
            changes: list[StateChange] = []
            middle.registry.told = changes.append
            await clock.sleep(600)
            return changes, middle.registry[address(5, 1)].state

    assert on_air(main) == ([], NodeState.ONLINE)


def test_a_slave_that_hangs_with_its_link_up_is_noticed_by_its_heartbeat():
    async def main(clock, air):
        async def deaf(_link):
            await asyncio.Event().wait()

        settings = collector({address(5, 1): ["000000000001"]}, heartbeat_s=10.0)
        async with (
            node(clock, air, METER, settings) as middle,
            station(clock, air, address(5, 1), free()) as hung,
        ):
            hung.listen(deaf, profile="nus", masters_max=1)
            await clock.sleep(200)
            view = middle.registry[address(5, 1)]
            return view.state, view.unanswered > 3, view.last_heard

    assert on_air(main) == (NodeState.SILENT, True, None)


def test_roles_change_at_run_time_and_outlive_a_restart(tmp_path):
    kept = tmp_path / "node.json"

    async def main(clock, air):
        (meter,) = meters(clock, 1)
        async with (
            node(clock, air, METER, slave(), behind=[meter], kept=kept) as middle,
            station(clock, air, READER, free(), connect_s=1.0) as one,
        ):
            link = await one.connect(METER)
            beacon = NodeSettings(role=Role.BEACON, beacon_major=7, beacon_minor=9)
            await middle.apply(beacon)
            await clock.sleep(1)
            assert not link.is_up
            seen = await one.scan(1.0)
            assert [each.address for each in seen] == [METER]
            assert not seen[0].is_connectable
            assert (seen[0].beacon.major, seen[0].beacon.minor) == (7, 9)
        async with node(clock, air, METER, slave(), behind=[meter], kept=kept) as again:
            assert again.settings == beacon
            await again.apply(slave(name="meters", profile="ffe0"))
            async with station(clock, air, READER, free()) as one:
                (seen,) = await one.scan(1.0)
                assert (seen.name, seen.profiles) == ("meters", ("ffe0",))
                link = await one.connect(METER)
                assert all(await read(link, clock, meter.address))

    on_air(main)


@asynccontextmanager
async def scripted(clock, air, own, say):
    """A slave that answers each frame with what ``say`` makes of it."""

    async def attend(link):
        while True:
            for answer in say(parse(await link.read())):
                await link.write(answer)

    async with station(clock, air, own, free()) as made:
        made.listen(attend, profile="nus", masters_max=1)
        yield made


def _answer(asked, identifier, value):
    data = identifier + value if asked.function == 0x11 else value
    return Frame645("000000000001", asked.function | 0x80, data).to_bytes()


def test_a_late_answer_to_another_question_is_not_taken_for_the_answer_and_is_nothing_wrong():
    late = bytes.fromhex("00FF0100")

    def say(asked):
        value = bytes(4) if asked.function == 0x11 else bytes(6)
        before = Frame645("000000000001", 0x91, late + bytes(20)).to_bytes()
        return [before, _answer(asked, asked.data[:4], value)]

    async def main(clock, air):
        settings = collector({address(5, 1): []}, heartbeat_s=5.0)
        async with (
            scripted(clock, air, address(5, 1), say),
            node(clock, air, METER, settings) as middle,
            station(clock, air, READER, free()) as above,
        ):
            await clock.sleep(30)
            link = await above.connect(METER)
            await link.write(Frame645("000000000001", 0x11, READ_ENERGY).to_bytes())
            got = parse(await silence(link))
            view = middle.registry[address(5, 1)]
            return got.data[:4], await silence(link), view.state, view.violations

    assert on_air(main) == (READ_ENERGY, b"", NodeState.ONLINE, 0)


def test_behind_which_slave_a_meter_is_is_learnt():
    async def main(clock, air):
        first, second = meters(clock, 2)
        own = [address(5, 1), address(5, 2)]
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            settings = collector({each: [] for each in own}, answer_s=0.3)
            middle = await enter(node(clock, air, METER, settings))
            await enter(node(clock, air, own[0], slave(), behind=[first]))
            await enter(node(clock, air, own[1], slave(), behind=[second]))
            above = await enter(station(clock, air, READER, free()))
            link = await above.connect(METER)
            counts = []
            for meter in (second, second, first):
                await clock.sleep(3)  # a slave asked in vain waits for its own bus
                before = [port.asked for port in middle.ports]
                assert all(await read(link, clock, meter.address, attempts=1))
                counts.append(
                    [port.asked - was for port, was in zip(middle.ports, before, strict=True)]
                )
            return counts

    assert on_air(main) == [[1, 1], [0, 1], [1, 0]]
