"""An adapter that goes away and comes back: devices are told silent, and read again, by nobody's help."""

import asyncio
from contextlib import AsyncExitStack, suppress

import msgspec
import pytest
from tests.bluetooth.dongles import KernelDongle, SerialDongle, TcpDongle, UsbDongle
from tests.bluetooth.nodes import address, collector, meters, node, read, slave
from tests.bluetooth.stations import METER, free

from kwhub.bluetooth.air import Air, name_air
from kwhub.bluetooth.node import Node
from kwhub.bluetooth.standing import StandingNode
from kwhub.bluetooth.states import NodeState
from kwhub.bluetooth.station import Station, StationSettings
from kwhub.domain.errors import LinkDown
from kwhub.exchange.passing import DLT645
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock

BELOW = address(5, 1)
AIR = "standing"
KINDS = [
    TcpDongle,
    SerialDongle,
    pytest.param(
        KernelDongle,
        marks=pytest.mark.skipif(
            not KernelDongle.is_possible(), reason="the kernel's hci_vhci is not loaded"
        ),
    ),
    pytest.param(
        UsbDongle,
        marks=pytest.mark.skipif(
            not UsbDongle.is_possible(), reason="the kernel's dummy_hcd is not loaded"
        ),
    ),
]


class World:
    """A meter, an air with a dongle, and a collector that uses it."""

    def __init__(self, meter, folder, kind=TcpDongle):
        air = Air()
        name_air(AIR, air)
        self.dongle = kind(air, folder)
        self.meter = meter
        # Behind the kernel it runs in an emulated machine, which is slow: no sign of life is late there.
        self.settings = collector({BELOW: [meter.address]}, gone_s=0.5, answer_s=2.0)
        self.told = []
        self.states = []

    async def open_station(self):
        settings = StationSettings(self.dongle.adapter, METER)
        return await Station.open(settings, SystemClock(), free())

    async def first_station(self):
        """The kernel looks at a new controller itself before it gives it away."""
        while True:
            try:
                return await self.open_station()
            except LinkDown as error:
                if "in use" not in str(error):
                    raise
                await SystemClock().sleep(0.1)

    def make_node(self, station, before):
        made = before or self.settings
        return Node(station, made, DLT645, SystemClock(), seeded(1, METER))

    async def begin(self):
        await self.dongle.plug()
        first = await self.first_station()
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
@pytest.mark.parametrize("kind", KINDS)
def test_a_node_comes_back_with_its_adapter_and_is_as_it_was(kind, tmp_path):
    async def main():
        clock = SystemClock()
        (meter,) = meters(clock, 1)
        world = World(meter, tmp_path, kind)
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
            await world.dongle.pull()
            await world.until(lambda: NodeState.SILENT in world.states)
            await port.write(b"\x68 asked of nobody")
            await world.dongle.plug()
            await world.until(lambda: world.told == [False, True] and standing.node.ports)
            assert all(await read(port, clock, meter.address))
            assert standing.node.settings.heartbeat_s == 7.0
            await world.until(lambda: world.states[-1] is NodeState.ONLINE)
            running.cancel()
        await world.dongle.pull()
        return world.states

    states = asyncio.run(main())
    assert states == [NodeState.ONLINE, NodeState.SILENT, NodeState.ONLINE]


@pytest.mark.slow
def test_it_can_be_ended_while_there_is_no_adapter(tmp_path):
    async def main():
        (meter,) = meters(SystemClock(), 1)
        world = World(meter, tmp_path)
        standing = await world.begin()
        running = asyncio.ensure_future(standing.run())
        await world.dongle.pull()
        await world.until(lambda: world.told == [False])
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await standing.aclose()
        return running.cancelled()

    assert asyncio.run(main())
