"""Meters, masters and collectors as processes of their own, an air in another, on one time.

python -c "from tests.bluetooth.mesh_processes import main; main('mesh', FOLDER, 'paired')"
"""

import asyncio
import socket
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.bluetooth.nodes import ENERGY, VOLTAGE, address, collector, read, slave
from tests.bluetooth.shared_time import START, Conductor, perish, report

from kwhub.bluetooth.air import Air, AirServer
from kwhub.bluetooth.node import Node
from kwhub.bluetooth.pairing import Asked, Pairing, Way
from kwhub.bluetooth.station import Station, StationSettings
from kwhub.domain.errors import LinkDown
from kwhub.exchange.passing import DLT645
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.sim.area import TransformerArea
from kwhub.sim.device import serve_meters

MASTERS, SLAVES = 5, 20
PAIRING_S = 60.0  # each master has so long for its pairings, one after the other
BEGIN_S, HOUR_S, PERIOD_S = 400.0, 3_600.0, 300.0
END_S = BEGIN_S + HOUR_S
ADVERTISING_MS = 500.0  # each of them moves the time, in all processes
ROUNDS = int(HOUR_S / PERIOD_S)
COLLECTOR = address(3, 1)
KILLED_S, BACK_S, AFTER_S = 100.0, 0.5, 120.0
GLANCES = 50


def meter_of(number):
    area = TransformerArea(3, start=START, meters=SLAVES + 2, concentrators=1, buses=1)
    return [place.meter for place in area.places if place.kind != "supply"][number]


def asked_and_shared(node):
    """Questions that the meter behind a node was asked, and answers that served several."""
    return [sum(port.asked for port in node.ports), sum(port.shared for port in node.ports)]


@dataclass(frozen=True)
class World:
    """What the processes have in common: an air, and people who look at displays."""

    folder: Path
    is_paired: bool

    @property
    def adapter(self):
        return f"unix-client:{self.folder}/air"

    async def air(self, clock, end_s=END_S):
        server = AirServer(Air())
        await server.open_path(self.folder / "air")
        await until(clock, end_s + 60)
        await server.aclose()

    def showing(self, own):
        """Somebody reads off the display of a device."""
        path = self.folder / f"shown-{own.replace(':', '')}"

        def show(number):
            path.write_text(str(number))

        return self._policy(Way.SHOW, Asked(show=show))

    def typing(self, peer):
        """And somebody types it at the other."""

        async def typed():
            await asyncio.sleep(1)
            return int((self.folder / f"shown-{peer.replace(':', '')}").read_text())

        return self._policy(Way.TYPE, Asked(typed=typed))

    def _policy(self, way, asked):
        return Pairing(way, asked, is_open=True) if self.is_paired else Pairing(enforced=False)

    async def station(self, stack, clock, own, policy):
        keys = self.folder / f"{own.replace(':', '')}.keys" if self.is_paired else None
        own_settings = StationSettings(self.adapter, own, keys=keys, advertising_ms=ADVERTISING_MS)
        made = None
        while made is None:
            try:
                made = await Station.open(own_settings, clock, policy)
            except LinkDown:  # the air may be the last that begins
                await clock.sleep(0.1)
        stack.push_async_callback(made.aclose)
        return made

    async def node(self, stack, clock, own, settings, policy, meter=None):
        station = await self.station(stack, clock, own, policy)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        bus = None
        if meter is not None:
            near, bus = pair()
            tasks.create_task(serve_meters(near, [meter], clock))
        made = Node(station, settings, DLT645, clock, seeded(1, own), bus=bus)
        running = tasks.create_task(made.run())

        async def leave():
            running.cancel()
            if bus is not None:
                await bus.aclose()

        stack.push_async_callback(leave)
        return made

    async def meter(self, clock, own, number, masters_max, *, shown_by=None, end_s=END_S):
        """A slave with one meter; it shows its passkey, unless another device shows one."""
        async with AsyncExitStack() as stack:
            meter = meter_of(number)
            policy = self.showing(own) if shown_by is None else self.typing(shown_by)
            settings = slave([meter.address], masters_max=masters_max)
            made = await self.node(stack, clock, own, settings, policy, meter)
            await until(clock, end_s - 5)
            told = {
                "masters": sorted(made.masters),
                "asked": asked_and_shared(made),
                "wrong": dict(made.inspection.counts),
            }
            await until(clock, end_s + 20)
            return told

    async def master(self, clock, own, first_s, slaves, wishes, through=None):
        """Pair with slaves, connect, and read meters for an hour; slaves: address to meter.

        Args:
            through: address of a collector that is the one slave, and has the meters behind it.
        """
        async with AsyncExitStack() as stack:
            links, found = {}, []
            await until(clock, first_s)
            station = await self.station(stack, clock, own, self.typing(own))
            for each in (through,) if through is not None else slaves:
                station.reception.pairing = self.typing(each)
                if self.is_paired:
                    await station.pair(each)
                links[each] = await station.connect(each)
            for number in range(ROUNDS):
                await until(clock, BEGIN_S + number * PERIOD_S)
                for each, meter in slaves.items():
                    link = links[through or each]
                    found.append(await read(link, clock, meter, wishes, attempts=1))
            await until(clock, END_S)
            return {
                "read": sum(len(each) for each in found if all(each)),
                "different": len({tuple(each) for each in found}),
                "slaves": sorted(station.slaves),
                "up": sum(link.is_up for link in links.values()),
                "encrypted": sum(link.connection.is_encrypted for link in links.values()),
            }

    async def collector(self, clock, slaves):
        """Slave of whoever comes, master of slaves; it pairs with these first."""
        async with AsyncExitStack() as stack:
            rows = {each: [meter] for each, meter in slaves.items()}
            policy = self.showing(COLLECTOR)
            made = await self.node(stack, clock, COLLECTOR, collector(rows), policy)
            for each in slaves if self.is_paired else ():
                await made._station.pair(each)
            await until(clock, END_S - 5)
            told = {
                "masters": sorted(made.masters),
                "slaves": sorted(made._station.slaves),
                "states": sorted({view.state.value for view in made.registry}),
                "unanswered": sum(view.unanswered for view in made.registry),
                "wrong": dict(made.inspection.counts),
            }
            await until(clock, END_S + 10)
            return told

    async def mortal(self, clock, own, to, *, again=False):
        """A master that reads every 10 s; the first dies in the middle, its heir reads on."""
        meter = meter_of(0).address
        async with AsyncExitStack() as stack:
            if again:
                await clock.sleep(BACK_S)
            else:
                asyncio.get_running_loop().call_at(KILLED_S, perish)
            station = await self.station(stack, clock, own, self.typing(to))
            if self.is_paired and not again:
                await station.pair(to)
            link = None
            while link is None:
                with suppress(LinkDown):
                    link = await station.connect(to)
            linked_s, done = clock.monotonic(), []
            while clock.monotonic() < KILLED_S + AFTER_S:
                done += await read(link, clock, meter, [ENERGY], attempts=1)
                await clock.sleep(10)
            return {"read": len(done), "linked_s": linked_s}


async def until(clock, moment_s):
    await clock.sleep(moment_s - clock.monotonic())


def mesh(world):
    """Five masters above twenty meters."""
    slaves = {address(1, n): meter_of(n).address for n in range(SLAVES)}
    players = {"air": world.air}
    for number, own in enumerate(slaves):
        players[own] = partial(_meter, world, own, number, MASTERS)
    for number in range(MASTERS):
        first_s = 5 + number * PAIRING_S
        own = address(2, number)
        players[own] = partial(_master, world, own, first_s, slaves, [ENERGY])
    return Conductor(players)


def three(world):
    """Three masters above one meter, each with wishes of its own."""
    own = address(1, 0)
    slaves = {own: meter_of(0).address}
    players = {"air": world.air, own: partial(_meter, world, own, 0, 3)}
    for number, wishes in enumerate(([ENERGY], [VOLTAGE], [ENERGY, VOLTAGE])):
        each = address(2, number)
        players[each] = partial(_master, world, each, 5 + number * PAIRING_S, slaves, wishes)
    return Conductor(players)


def middle(world):
    """A collector between two masters and five meters."""
    slaves = {address(1, n): meter_of(n).address for n in range(5)}
    players = {"air": world.air, COLLECTOR: partial(_collector, world, slaves)}
    for number, own in enumerate(slaves):
        players[own] = partial(_meter, world, own, number, 1, shown_by=COLLECTOR)
    for number in range(2):
        own, first_s = address(2, number), PAIRING_S * (2 + number)
        players[own] = partial(_master, world, own, first_s, slaves, [ENERGY], through=COLLECTOR)
    return Conductor(players)


def death(world):
    """A master of a meter is killed, and is back before its link has been given up."""
    own, to, end_s = address(2, 0), address(1, 0), KILLED_S + AFTER_S
    players = {
        "air": partial(_air, world, end_s),
        to: partial(_meter, world, to, 0, 1, end_s=end_s),
        own: partial(_mortal, world, own, to),
    }
    heir = partial(_mortal, world, own, to, again=True)
    return Conductor(players, heirs={own: (f"{own} again", heir)})


def work(_world):
    """One works while the other would like to go on, and then says something to it."""
    near, far = socket.socketpair()

    async def works(clock):
        await clock.sleep(5)
        sum(range(10_000_000))  # no timer: it takes true time
        far.sendall(b"done")
        await clock.sleep(1)
        return clock.monotonic()

    async def waits(clock):
        near.setblocking(False)
        async with asyncio.timeout(6):
            heard = await asyncio.get_running_loop().sock_recv(near, 10)
        return [heard.decode(), clock.monotonic()]

    return Conductor({"works": works, "waits": waits})


def glance(_world):
    """One is spoken to, again and again, in moments that others have come to before."""
    near, far = socket.socketpair()
    near.setblocking(False)

    async def speaks(clock):
        for number in range(GLANCES):
            await until(clock, 10.0 * (number + 1))
            far.sendall(b"!")
        return GLANCES

    async def idles(clock):
        await until(clock, 10.0 * GLANCES + 1)

    async def looks(clock):
        seen = []
        for _ in range(GLANCES):
            await asyncio.get_running_loop().sock_recv(near, 1)
            seen.append(clock.monotonic())
        return seen

    between = {f"idles {number}": idles for number in range(SLAVES)}
    return Conductor({"speaks": speaks, **between, "looks": looks})


def vain(_world):
    """One waits for what never comes."""

    async def waits(_clock):
        await asyncio.Event().wait()

    return Conductor({"waits": waits})


async def _air(world, end_s, clock):
    return await world.air(clock, end_s)


async def _meter(world, own, number, masters_max, clock, **more):
    return await world.meter(clock, own, number, masters_max, **more)


async def _master(world, own, first_s, slaves, wishes, clock, **more):
    return await world.master(clock, own, first_s, slaves, wishes, **more)


async def _collector(world, slaves, clock):
    return await world.collector(clock, slaves)


async def _mortal(world, own, to, clock, **more):
    return await world.mortal(clock, own, to, **more)


WORLDS = {each.__name__: each for each in (mesh, three, middle, death, work, glance, vain)}


def main(name, folder, pairing):
    """Run one of them and tell what came of it."""
    report(WORLDS[name](World(Path(folder), pairing == "paired")))


if __name__ == "__main__":
    main(*sys.argv[1:])
