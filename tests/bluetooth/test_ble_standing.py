"""An adapter that goes away and comes back: devices are told silent, and read again, by nobody's help."""

import asyncio
from contextlib import AsyncExitStack, suppress

import msgspec
import pytest
from tests.bluetooth.nodes import address, collector, meters, node, read, slave
from tests.bluetooth.stations import METER, free

from kwhub.bluetooth.air import Air, AirServer, name_air
from kwhub.bluetooth.node import Node
from kwhub.bluetooth.standing import StandingNode
from kwhub.bluetooth.states import NodeState
from kwhub.bluetooth.station import Station, StationSettings
from kwhub.exchange.passing import DLT645
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock

BELOW = address(5, 1)
AIR = "standing"


class World:
    """A meter, an air with a door, and a collector that comes in by the door."""

    def __init__(self, meter):
        self.air = Air()
        name_air(AIR, self.air)
        self.server = AirServer(self.air)
        self.meter = meter
        self.settings = collector({BELOW: [meter.address]}, gone_s=0.5, answer_s=0.5)
        self.told = []
        self.states = []

    async def open_station(self):
        adapter = f"tcp-client:127.0.0.1:{self.port}"
        return await Station.open(StationSettings(adapter, METER), SystemClock(), free())

    def make_node(self, station, before):
        made = before or self.settings
        return Node(station, made, DLT645, SystemClock(), seeded(1, METER))

    async def begin(self):
        await self.server.open(0)
        self.port = int(self.server.adapter.rpartition(":")[2])
        first = await self.open_station()
        clock, chance = SystemClock(), seeded(1, "adapter")
        made = StandingNode(first, self.open_station, self.make_node, clock, chance)
        made.told = lambda *, is_there: self.told.append(is_there)
        made.node.registry.told = lambda change: self.states.append(change.after)
        return made

    async def until(self, is_so):
        async with asyncio.timeout(30):
            while not is_so():
                await SystemClock().sleep(0.02)


@pytest.mark.slow
def test_a_node_comes_back_with_its_adapter_and_is_as_it_was():
    async def main():
        clock = SystemClock()
        (meter,) = meters(clock, 1)
        world = World(meter)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(
                node(clock, f"air:{AIR}", BELOW, slave(), behind=[meter])
            )
            standing = await world.begin()
            stack.push_async_callback(standing.aclose)
            standing.face, port = pair()
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            running = tasks.create_task(standing.run())
            await world.until(lambda: standing.node.ports)
            assert all(await read(port, clock, meter.address))
            await standing.node.apply(
                msgspec.structs.replace(standing.node.settings, heartbeat_s=7.0)
            )
            await world.server.aclose()
            await world.until(lambda: NodeState.SILENT in world.states)
            await port.write(b"\x68 asked of nobody")
            await world.server.open(world.port)
            await world.until(lambda: world.told == [False, True] and standing.node.ports)
            assert all(await read(port, clock, meter.address))
            assert standing.node.settings.heartbeat_s == 7.0
            await world.until(lambda: world.states[-1] is NodeState.ONLINE)
            running.cancel()
        await world.server.aclose()
        return world.states

    states = asyncio.run(main())
    assert states == [NodeState.ONLINE, NodeState.SILENT, NodeState.ONLINE]


@pytest.mark.slow
def test_it_can_be_ended_while_there_is_no_adapter():
    async def main():
        (meter,) = meters(SystemClock(), 1)
        world = World(meter)
        standing = await world.begin()
        running = asyncio.ensure_future(standing.run())
        await world.server.aclose()
        await world.until(lambda: world.told == [False])
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await standing.aclose()
        return running.cancelled()

    assert asyncio.run(main())
