"""A node that outlives its adapter: a dongle that was pulled out, a controller whose process has died.

While there is none, devices are told silent as they become it, and what comes at the serial face is
dropped, since an answer would be too late. The adapter is opened again as soon as it is there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

from kwhub.bluetooth.node import Node
from kwhub.bluetooth.node_settings import NodeSettings
from kwhub.bluetooth.serial_face import SerialFace
from kwhub.bluetooth.station import Station
from kwhub.links.base import Link
from kwhub.runtime.chance import Random
from kwhub.runtime.clock import Clock
from kwhub.runtime.tasks import Backoff, supervise

__all__ = ["AGAIN", "StandingNode"]

AGAIN = Backoff(first_s=1.0, most_s=5.0)
"""Pauses between tries to open the adapter again."""


def _nobody(*, is_there: bool) -> None:
    """Nobody wants to know."""
    del is_there


class StandingNode:
    """Runs a node on one station after the other.

    Attributes:
        node: as it is now.
        face: link of its serial face, if it has one; stays the caller's to close.
        told: hears when the adapter has gone, and when it is there again.
    """

    def __init__(
        self,
        station: Station,
        open_station: Callable[[], Awaitable[Station]],
        make_node: Callable[[Station, NodeSettings | None], Node],
        clock: Clock,
        chance: Random,
    ) -> None:
        """Make a node on a station.

        Args:
            station: is closed by `aclose`, or when its adapter is gone.
            open_station: opens the next.
            make_node: makes a node on a station, with the settings that the one before had last.
            clock: gives the time.
            chance: for the pauses between tries.
        """
        self.told: Callable[..., None] = _nobody
        self._station: Station | None = station
        self._open_station = open_station
        self._make_node = make_node
        self._clock = clock
        self._chance = chance
        self.face: Link | None = None
        self.node = make_node(station, None)

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            LinkDown: the serial face or the bus is gone.
        """
        while self._station is not None:
            await self._work(self._station)
            await self.aclose()
            self.told(is_there=False)
            await self._wait()
            self.told(is_there=True)

    async def aclose(self) -> None:
        """Give the adapter back."""
        station, self._station = self._station, None
        if station is not None:
            await station.aclose()

    async def _work(self, station: Station) -> None:
        """Be a node until the adapter is gone."""
        works: list[Coroutine[Any, Any, None]] = [self.node.run()]
        if self.face is not None:
            works.append(SerialFace(self.face, self.node, station).run())
        await _beside(works, station.gone())

    async def _wait(self) -> None:
        """Until there is an adapter again."""
        works: list[Coroutine[Any, Any, None]] = [self.node.watch()]
        if self.face is not None:
            works.append(_deaf(self.face))
        await _beside(
            works, supervise(self._open, clock=self._clock, chance=self._chance, backoff=AGAIN)
        )

    async def _open(self) -> None:
        async with AsyncExitStack() as stack:
            station = await self._open_station()
            stack.push_async_callback(station.aclose)
            before, told = self.node.settings, self.node.registry.told
            self.node = self._make_node(station, before)
            self.node.registry.told = told
            stack.pop_all()
        self._station = station


async def _beside(works: list[Coroutine[Any, Any, None]], end: Coroutine[Any, Any, None]) -> None:
    """Do works until something has come to its end."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each) for each in works]
        await end
        for each in running:
            each.cancel()


async def _deaf(link: Link) -> None:
    while True:
        await link.read()
