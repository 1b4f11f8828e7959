"""The demonstration in real time: the same world over loopback TCP, with the pages."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from kwhub.cli.signals import cancel_on_terminate
from kwhub.cli.world import CONCENTRATORS, REGION, World
from kwhub.concentrator.app import Concentrator
from kwhub.domain.errors import LinkDown
from kwhub.headend.app import HeadEnd
from kwhub.headend.people.rights import Role
from kwhub.headend.people.user_rows import Grant
from kwhub.headend.web.app import create_app
from kwhub.headend.web.serving import serve as serve_pages
from kwhub.links.base import Link
from kwhub.links.tcp_listen import serve
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock
from kwhub.sim.device import serve_meters

__all__ = ["WEB_PORT", "live"]

WEB_PORT = 8080
LOOPBACK = "127.0.0.1"
VISITOR = "demo"
FREE_PORT = f"tcp-listen:{LOOPBACK}:0"


async def live(world: World, *, web_port: int, ready: Callable[[str], None]) -> None:
    """Run the world in real time until cancelled.

    Args:
        world: its folder holds the stores that the play has left.
        web_port: of the pages, on loopback; when it is taken, a free one.
        ready: told a link that opens the pages and signs in, once, when they can be opened.
    """
    cancel_on_terminate()
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        headend = HeadEnd(world.headend(), clock)
        stack.push_async_callback(headend.close)
        front = await serve(FREE_PORT, headend.attend, clock)
        stack.push_async_callback(front.aclose)
        buses = {}
        for number in range(1, world.area.bus_count + 1):
            server = await serve(FREE_PORT, _meters(world, number, clock), clock)
            stack.push_async_callback(server.aclose)
            buses[number] = server.call_address
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(headend.run())
            for number in range(1, CONCENTRATORS + 1):
                config = world.concentrator(number, uplink=front.call_address, buses=buses)
                chance = seeded(world.area.seed, REGION, number)
                concentrator = Concentrator(config, clock, chance=chance)
                stack.callback(concentrator.close)
                tasks.create_task(concentrator.run())
            tasks.create_task(_pages(headend, web_port, ready))


def _meters(world: World, bus: int, clock: SystemClock) -> Callable[[Link], Awaitable[None]]:
    async def attend(link: Link) -> None:
        await serve_meters(link, world.area.bus(bus), clock)

    return attend


async def _pages(headend: HeadEnd, port: int, ready: Callable[[str], None]) -> None:
    app, secret = create_app(headend), _way_in(headend)

    def told(address: str) -> None:
        ready(f"{address}link/{secret}")

    try:
        await serve_pages(app, LOOPBACK, port, ready=told)
    except LinkDown:
        if port == 0:
            raise
        await serve_pages(app, LOOPBACK, 0, ready=told)


def _way_in(headend: HeadEnd) -> str:
    """A one-time secret for whoever looks at the demonstration."""
    staff = headend.people.staff
    if not any(user.name == VISITOR for user in staff.users()):
        staff.add(VISITOR, "", [Grant(Role.ADMIN.value)])
    return headend.people.link(VISITOR)
