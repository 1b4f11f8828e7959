"""A node with something on its bus, on a thread of its own, for commands that reach it over ``ble:``."""

import asyncio
import threading
from contextlib import contextmanager
from queue import Queue
from typing import Any

from tests.bluetooth.stations import METER, free

from kwhub.bluetooth.air import Air, AirServer, name_air
from kwhub.bluetooth.node import Node
from kwhub.bluetooth.node_settings import NodeSettings, Role
from kwhub.bluetooth.station import Station, StationSettings
from kwhub.exchange.passing_others import DIALECTS
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock
from kwhub.sim.device import serve_meters

AIR = "bridge"


@contextmanager
def bridge(attend, *, protocol="dlt645", **settings):
    """``attend(link, clock)`` answers on the bus; gives the node and the address of a link to it."""
    where: Queue[Any] = Queue()
    ends: Queue[Any] = Queue()

    async def main():
        over, clock, air = asyncio.Event(), SystemClock(), Air()
        name_air(AIR, air)
        server = AirServer(air)
        await server.open(0)
        station = await Station.open(StationSettings(f"air:{AIR}", METER), clock, free())
        near, bus = pair()
        made = NodeSettings(role=Role.SLAVE, **settings)
        node = Node(station, made, DIALECTS[protocol], clock, seeded(1, METER), bus=bus)
        working = [asyncio.ensure_future(each) for each in (attend(near, clock), node.run())]
        loop = asyncio.get_running_loop()
        ends.put(lambda: loop.call_soon_threadsafe(over.set))
        where.put((node, f"ble:{METER}?adapter={server.adapter}&security=none"))
        await over.wait()
        await bus.aclose()
        for each in working:
            each.cancel()
        await asyncio.wait(working)
        await station.aclose()
        await server.aclose()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        yield where.get(timeout=20)
    finally:
        ends.get(timeout=20)()
        thread.join()


def with_meters(*meters):
    """Meters that answer at once."""

    async def attend(link, clock):
        await serve_meters(link, meters, clock, reply_delay_s=0.002)

    return attend
