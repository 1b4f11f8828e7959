"""A mesh in which every link is paired: each bond is of two, and each reading comes once."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from tests.bluetooth.nodes import address, collector, meters, node, read, slave
from tests.bluetooth.stations import on_air, showing, station, typing

from kwhub.bluetooth.states import NodeState

MASTERS, SLAVES = 3, 6


@pytest.mark.slow
def test_three_masters_pair_with_six_slaves_and_read_them_all():
    async def main(clock, air):
        behind = meters(clock, SLAVES)
        shown: list[str] = []
        async with AsyncExitStack() as stack:
            slaves = []
            for number, meter in enumerate(behind):
                settings = slave([meter.address], masters_max=MASTERS)
                made = node(
                    clock, air, address(1, number), settings, behind=[meter], pairing=showing(shown)
                )
                slaves.append(await stack.enter_async_context(made))
            masters = []
            for number in range(MASTERS):
                made = station(clock, air, address(2, number), typing(shown))
                masters.append(await stack.enter_async_context(made))
            for master in masters:
                for number in range(SLAVES):
                    await master.pair(address(1, number))
            links = [
                [await master.connect(address(1, number)) for number in range(SLAVES)]
                for master in masters
            ]
            found = await asyncio.gather(*(_read_all(each, clock, behind) for each in links))
            assert found[0] == found[1] == found[2]
            assert len(set(found[0])) == SLAVES
            assert all(link.connection.is_encrypted for each in links for link in each)
            assert len(set(shown)) > MASTERS * SLAVES // 2  # a passkey of its own for each
            for each in slaves:
                (bus,) = each.ports
                assert bus.asked + bus.shared == MASTERS  # each master's question was taken once
                assert sorted(each.masters) == [address(2, master) for master in range(MASTERS)]
            return len(shown)

    assert on_air(main) == MASTERS * SLAVES


async def _read_all(links, clock, behind):
    return [
        (await read(link, clock, meter.address, attempts=1))[0]
        for link, meter in zip(links, behind, strict=True)
    ]


HOUR_S, PERIOD_S = 3_600, 300
COLLECTOR = address(3, 1)


@pytest.mark.slow
@pytest.mark.sim
def test_a_collector_that_is_paired_with_two_and_with_five_is_read_for_an_hour():
    async def main(clock, air):
        behind = meters(clock, 5)
        own = {address(1, number): [each.address] for number, each in enumerate(behind)}
        shown: list[int] = []
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            for at, meter in zip(own, behind, strict=True):
                settings = slave([meter.address], masters_max=1)
                of_slave = typing(shown)
                await enter(node(clock, air, at, settings, behind=[meter], pairing=of_slave))
            middle = await enter(
                node(clock, air, COLLECTOR, collector(own), pairing=showing(shown))
            )
            assert {view.state for view in middle.registry} == {NodeState.UNPAIRED}
            for at in own:
                await middle._station.pair(at)
            links = []
            for number in range(2):
                master = await enter(station(clock, air, address(2, number), typing(shown)))
                await master.pair(COLLECTOR)
                links.append(await master.connect(COLLECTOR))
            await clock.sleep(60)  # the collector makes its links when it tries next
            readings = 0
            while clock.monotonic() < HOUR_S:
                rounds = await asyncio.gather(*(_read_below(each, clock, behind) for each in links))
                assert rounds[0] == rounds[1]
                readings += sum(map(len, rounds))
                await clock.sleep(PERIOD_S)
            assert all(link.is_up and link.connection.is_encrypted for link in links)
            assert sorted(middle.masters) == [address(2, number) for number in range(2)]
            assert sorted(middle._station.slaves) == sorted(own)
            assert not middle.inspection.counts
            return readings, {view.state for view in middle.registry}

    readings, states = on_air(main)
    assert readings == 2 * 5 * HOUR_S // PERIOD_S
    assert states == {NodeState.ONLINE}


async def _read_below(link, clock, behind):
    """One round through the collector; each meter at the first attempt."""
    found = [(await read(link, clock, meter.address, attempts=1))[0] for meter in behind]
    assert all(found)
    return found
