"""Simulated meters over real loopback TCP, on an event loop of a thread of their own."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import date
from queue import Queue
from typing import Any

from kwhub.domain.errors import LinkDown
from kwhub.links.address import open_link
from kwhub.links.base import Link
from kwhub.links.pty import PtyLink
from kwhub.links.tcp_listen import serve
from kwhub.links.wired import WiredBus
from kwhub.protocols.dlt645 import Edition
from kwhub.runtime.clock import Clock, SystemClock
from kwhub.sim.climate import Climate, day_number
from kwhub.sim.device import serve_meters
from kwhub.sim.load import CustomerLoad
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.shapes import Kind

QUICK_S = 0.002
"""Answer delay of meters that must not hold up a test."""

Attend = Callable[[Link, Clock], Coroutine[Any, Any, None]]


def meter(address: str, edition: Edition = Edition.E2007, phases: int = 1) -> SimulatedMeter:
    """One shop's meter."""
    climate = Climate(1, day_number(date(2026, 1, 5)))
    load = CustomerLoad(Kind.SHOP, 3, climate, utc_offset_s=28_800)
    return SimulatedMeter(address, load, edition=edition, phases=phases, initial=(1, 2, 3, 4))


Opener = Callable[[Clock], Coroutine[Any, Any, tuple[str, Callable[[], Coroutine[Any, Any, None]]]]]
"""Opens the far end of a line; returns how to reach it and how to close it."""


@contextmanager
def _elsewhere(opener: Opener) -> Iterator[str]:
    """Run the far end on a thread; gives the address to call."""
    where: Queue[str] = Queue()
    ends: Queue[Callable[[], object]] = Queue()

    async def main() -> None:
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        address, aclose = await opener(SystemClock())
        ends.put(lambda: loop.call_soon_threadsafe(over.set))
        where.put(address)
        await over.wait()
        await aclose()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        yield where.get(timeout=10)
    finally:
        ends.get(timeout=10)()
        thread.join()


@contextmanager
def served(attend: Attend) -> Iterator[str]:
    """Attend everyone who calls; gives the address to call."""

    async def opener(clock: Clock) -> tuple[str, Callable[[], Coroutine[Any, Any, None]]]:
        server = await serve("tcp-listen:127.0.0.1:0", lambda link: attend(link, clock), clock)
        return server.call_address, server.aclose

    with _elsewhere(opener) as address:
        yield address


@contextmanager
def pty_meters(*meters: SimulatedMeter) -> Iterator[str]:
    """Meters on a pseudo terminal; gives the address of its other end, a serial port."""

    async def opener(clock: Clock) -> tuple[str, Callable[[], Coroutine[Any, Any, None]]]:
        link = await open_link("pty:", clock=clock)
        assert isinstance(link, PtyLink)
        serving = asyncio.create_task(serve_meters(link, meters, clock, reply_delay_s=QUICK_S))

        async def aclose() -> None:
            await link.aclose()
            await serving

        return f"serial:{link.path}", aclose

    with _elsewhere(opener) as address:
        yield address


class Echoing:
    """An infrared head: what is sent comes back to the sender, too."""

    def __init__(self, inner: Link) -> None:
        self._inner = inner
        self.facts = inner.facts

    async def read(self) -> bytes:
        data = await self._inner.read()
        await self._inner.write(data)
        return data

    async def write(self, data: bytes) -> None:
        await self._inner.write(data)

    async def aclose(self) -> None:
        await self._inner.aclose()


@contextmanager
def echoing_head(*meters: SimulatedMeter) -> Iterator[str]:
    """Meters behind an infrared head on a serial port that echoes."""

    async def opener(clock: Clock) -> tuple[str, Callable[[], Coroutine[Any, Any, None]]]:
        link = await open_link("pty:", clock=clock)
        assert isinstance(link, PtyLink)
        head = Echoing(link)
        serving = asyncio.create_task(serve_meters(head, meters, clock, reply_delay_s=QUICK_S))

        async def aclose() -> None:
            await link.aclose()
            await serving

        return f"serial:{link.path}", aclose

    with _elsewhere(opener) as address:
        yield address


@contextmanager
def live_meters(*meters: SimulatedMeter) -> Iterator[str]:
    """Meters that never talk at once; gives the address to call."""

    async def attend(link: Link, clock: Clock) -> None:
        await serve_meters(link, meters, clock, reply_delay_s=QUICK_S)

    with served(attend) as address:
        yield address


@contextmanager
def wired_meters(*meters: SimulatedMeter, baud: int = 115_200) -> Iterator[str]:
    """Meters on a wire where those who talk at once garble each other, behind a serial server."""

    async def attend(link: Link, clock: Clock) -> None:
        bus = WiredBus(clock, baud=baud)
        near, taps = bus.attach(), [bus.attach() for _ in meters]
        async with asyncio.TaskGroup() as tasks:
            for tap, each in zip(taps, meters, strict=True):
                tasks.create_task(serve_meters(tap, [each], clock, reply_delay_s=QUICK_S))
            inward = tasks.create_task(_copy(near, link))
            await _copy(link, near)
            inward.cancel()
            for tap in taps:
                await tap.aclose()

    with served(attend) as address:
        yield address


async def _copy(source: Link, target: Link) -> None:
    try:
        while True:
            await target.write(await source.read())
    except LinkDown:
        return
