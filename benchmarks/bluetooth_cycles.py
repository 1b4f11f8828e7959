"""Read cycles a second over Bluetooth: our links against the stack's own echo, on one kind of air.

A cycle is a request of 16 bytes and an answer of 20, as in reading one register of DL/T 645. Both
sides use the same virtual controllers, in turns, on virtual time; what counts is CPU time. "Read
through a node" is the whole way: session, link, frames found and inspected, a meter behind it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import count
from statistics import median

from bumble.att import Attribute
from bumble.core import UUID
from bumble.device import Connection, Device, Peer
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.utils import AsyncRunner

from benchmarks.result import Result
from kwhub.bluetooth.node import Node
from kwhub.bluetooth.node_settings import NodeSettings
from kwhub.bluetooth.pairing import Pairing
from kwhub.bluetooth.profiles import MTU_WANTED, PROFILES
from kwhub.bluetooth.stack import make_device, open_adapter, to_address
from kwhub.bluetooth.station import Station, StationSettings
from kwhub.domain.errors import LinkDown
from kwhub.exchange.passing import DLT645
from kwhub.exchange.read import read_items
from kwhub.links.base import Link
from kwhub.links.drive import Driver
from kwhub.links.memory import pair
from kwhub.protocols.dlt645 import Role, Session
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import LoopClock
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.area import TransformerArea
from kwhub.sim.device import serve_meters

__all__ = ["run"]

REQUEST, ANSWER = bytes(16), bytes(20)
CYCLES = 1_500
NODE_ROUNDS = 3
TOPOLOGIES = {(1, 1): 9, (1, 50): 3, (5, 20): 3}
"""Masters and slaves, and how many pairs are measured; the median pair counts. The quick ones scatter most."""
START = datetime(2026, 3, 1, tzinfo=UTC)
PROFILE = PROFILES["nus"]
LEAST_RATIO = 0.8

Cycle = Callable[[], Awaitable[object]]
_airs = count(1)


def _address(kind: int, number: int) -> str:
    return f"F0:00:00:00:{kind:02X}:{number:02X}"


async def _rate(cycles: list[Cycle]) -> float:
    """Cycles a second of CPU, all links at once."""

    async def repeat(cycle: Cycle) -> None:
        for _ in range(max(1, CYCLES // len(cycles))):
            await cycle()

    began = time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for cycle in cycles:
            tasks.create_task(repeat(cycle))
    return max(1, CYCLES // len(cycles)) * len(cycles) / (time.process_time() - began)


async def _answer(link: Link) -> None:
    try:
        while True:
            await link.read()
            await link.write(ANSWER)
    except LinkDown:
        return


async def _ours(clock: LoopClock, air: str, masters: int, slaves: int) -> float:
    async with AsyncExitStack() as stack:

        async def station(kind: int, number: int) -> Station:
            settings = StationSettings(air, _address(kind, number))
            made = await Station.open(settings, clock, Pairing(enforced=False))
            stack.push_async_callback(made.aclose)
            return made

        for number in range(slaves):
            (await station(1, number)).listen(_answer, profile="nus", masters_max=masters)
        links = []
        for number in range(masters):
            master = await station(2, number)
            links += [await master.connect(_address(1, each)) for each in range(slaves)]

        def cycle_of(link: Link) -> Cycle:
            async def cycle() -> None:
                await link.write(REQUEST)
                await link.read()

            return cycle

        return await _rate([cycle_of(link) for link in links])


class _EchoSlave:
    """A device of the stack that notifies an answer for each write."""

    def __init__(self, device: Device, masters: int) -> None:
        self.device = device
        self.left = masters
        writable = Attribute.Permissions.WRITEABLE
        self.gives: Characteristic[bytes] = Characteristic(
            PROFILE.gives, Characteristic.Properties.NOTIFY, Attribute.Permissions.READABLE, b""
        )
        value = CharacteristicValue[bytes](write=self.on_write)
        both = Characteristic.Properties.WRITE | Characteristic.Properties.WRITE_WITHOUT_RESPONSE
        takes: Characteristic[bytes] = Characteristic(PROFILE.takes, both, writable, value)
        device.add_service(Service(PROFILE.service, [takes, self.gives]))
        device.on("incoming_connection", self.on_master)

    def on_write(self, connection: Connection, _value: bytes) -> Awaitable[None]:
        return self.device.notify_subscriber(connection, self.gives, ANSWER)

    def on_master(self, _connection: Connection) -> None:
        self.left -= 1
        if self.left:
            AsyncRunner.spawn(self.device.start_advertising())


async def _theirs(_clock: LoopClock, air: str, masters: int, slaves: int) -> float:
    async with AsyncExitStack() as stack:

        async def device(kind: int, number: int) -> Device:
            adapter = await open_adapter(air)
            stack.push_async_callback(adapter.aclose)
            made = make_device("echo", _address(kind, number), bytes(16), adapter)
            await made.power_on()
            return made

        for number in range(slaves):
            slave = _EchoSlave(await device(1, number), masters)
            await slave.device.start_advertising()
        cycles = []
        for number in range(masters):
            master = await device(2, number)
            cycles += [await _echo(master, _address(1, each)) for each in range(slaves)]
        return await _rate(cycles)


async def _echo(master: Device, address: str) -> Cycle:
    connection = await master.connect_le(to_address(address))
    peer = Peer(connection)
    await peer.request_mtu(MTU_WANTED)
    (service,) = await peer.discover_service(PROFILE.service)
    await service.discover_characteristics()
    takes, gives = (
        service.get_required_characteristic_by_uuid(UUID(uuid))
        for uuid in (PROFILE.takes, PROFILE.gives)
    )
    answers: asyncio.Queue[bytes] = asyncio.Queue()
    await gives.subscribe(answers.put_nowait)

    async def cycle() -> None:
        await takes.write_value(REQUEST)
        await answers.get()

    return cycle


async def _through_a_node(clock: LoopClock, air: str) -> float:
    area = TransformerArea(1, start=START, meters=3, concentrators=1, buses=1)
    meter = area.places[0].meter
    near, bus = pair()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        stations = []
        for number in (1, 2):
            own = StationSettings(air, _address(3, number))
            station = await Station.open(own, clock, Pairing(enforced=False))
            stack.push_async_callback(station.aclose)
            stations.append(station)
        tasks.create_task(serve_meters(near, [meter], clock))
        node = Node(stations[0], NodeSettings(), DLT645, clock, seeded(1, "node"), bus=bus)
        running = tasks.create_task(node.run())
        await clock.sleep(0.1)
        link = await stations[1].connect(_address(3, 1))
        driver = Driver(link, Session(Role.MASTER), clock)
        rate = await _rate([lambda: driver.run(read_items(meter.address, [0x00010000]))])
        running.cancel()
        await bus.aclose()
    return rate


def _measured(
    measure: Callable[[LoopClock, str, int, int], Awaitable[float]], masters: int, slaves: int
) -> float:
    async def main(clock: LoopClock) -> float:
        return await measure(clock, f"air:bench-{next(_airs)}", masters, slaves)

    return run_virtual(main, start=START)


def run() -> list[Result]:
    results = []
    for (masters, slaves), rounds in TOPOLOGIES.items():
        pairs = []
        for _ in range(rounds):
            rates = [_measured(measure, masters, slaves) for measure in (_ours, _theirs)]
            pairs.append(rates)
        ours, theirs = sorted(pairs, key=lambda each: each[0] / each[1])[rounds // 2]
        name = f"BLE read cycles, {masters} x {slaves}"
        results.append(
            Result(name, ours, theirs, "1/s", "the stack's own echo", least_ratio=LEAST_RATIO)
        )
    node = median(
        run_virtual(lambda clock: _through_a_node(clock, f"air:bench-{next(_airs)}"), start=START)
        for _ in range(NODE_ROUNDS)
    )
    echo = results[0].reference
    return [*results, Result("BLE read through a node", node, echo, "1/s", "the stack's own echo")]
