"""Nodes with simulated meters behind them."""

import asyncio
from contextlib import asynccontextmanager

from tests.bluetooth.stations import free, station

from kwhub.bluetooth.node import Node
from kwhub.bluetooth.node_settings import NodeSettings, Role, SlaveSettings
from kwhub.exchange.passing import DLT645
from kwhub.exchange.read import read_items
from kwhub.links.drive import Driver
from kwhub.links.memory import pair
from kwhub.protocols.dlt645 import Role as Side
from kwhub.protocols.dlt645 import Session
from kwhub.runtime.chance import seeded
from kwhub.sim.area import TransformerArea
from kwhub.sim.device import serve_meters

ENERGY, VOLTAGE = 0x00010000, 0x02010100


def address(group, number):
    return f"F0:00:00:00:{group:02X}:{number:02X}"


def meters(clock, count):
    area = TransformerArea(3, start=clock.now(), meters=count + 2, concentrators=1, buses=1)
    chosen = [place.meter for place in area.places if place.kind != "supply"][:count]
    assert len(chosen) == count
    return chosen


@asynccontextmanager
async def node(
    clock, air, own, settings, *, behind=(), bus=None, pairing=None, dialect=DLT645, **more
):
    """A node that runs, perhaps with meters on a bus behind it."""
    async with (
        station(clock, air, own, pairing or free()) as base,
        asyncio.TaskGroup() as tasks,
    ):
        if behind:
            near, bus = pair()
            tasks.create_task(serve_meters(near, behind, clock))
        made = Node(base, settings, dialect, clock, seeded(1, own), bus=bus, **more)
        running = tasks.create_task(made.run())
        await asyncio.sleep(0)
        yield made
        running.cancel()
        if bus is not None:
            await bus.aclose()


def slave(meters_behind=(), **more):
    return NodeSettings(role=Role.SLAVE, meters=tuple(meters_behind), **more)


def collector(slaves, **more):
    """Master of slaves; slaves is a mapping of address to meters."""
    rows = tuple(SlaveSettings(each, tuple(behind)) for each, behind in slaves.items())
    return NodeSettings(role=Role.BOTH, slaves=rows, slaves_max=max(3, len(rows)), **more)


async def read(link, clock, meter, items=(ENERGY,), attempts=3):
    driver = Driver(link, Session(Side.MASTER), clock, attempts=attempts)
    answers = await driver.run(read_items(meter, list(items)))
    return [answer.raw for answer in answers]
