"""Keeps the uplink connected over the best way there is, and tries better ways while a worse one is used."""

import asyncio
from collections.abc import Callable, Sequence

from kwhub.concentrator.database import StoreError
from kwhub.concentrator.uplink import Uplink
from kwhub.concentrator.uplink_ways import Moved, Way, Ways
from kwhub.domain.errors import KwhubError, Refusal
from kwhub.runtime.chance import Random
from kwhub.runtime.clock import Clock

__all__ = ["Uplinks"]


def _silent(_way: Way, _error: Exception) -> None:
    """Nobody wants to know."""


def _unmoved(_way: Way) -> None:
    """Nobody wants to know."""


class Uplinks:
    """One connection at a time, over one of the uplink's ways."""

    def __init__(
        self,
        uplink: Uplink,
        ways: Sequence[Way],
        *,
        clock: Clock,
        chance: Random,
        told: Callable[[Way, Exception], None] = _silent,
        moved: Callable[[Way], None] = _unmoved,
    ) -> None:
        self.ways = Ways(ways, chance)
        self._uplink = uplink
        self._clock = clock
        self._told = told
        self._moved = moved
        self._last: Way | None = None

    async def run(self) -> None:
        """Connect again and again until cancelled; expected trouble is told.

        Raises:
            Exception: only bugs.
        """
        async with asyncio.TaskGroup() as tasks:
            if len(self.ways.all) > 1:
                tasks.create_task(self._look_for_better())
            while True:
                way, wait_s = self.ways.choose(self._clock.monotonic())
                if wait_s:
                    await self._clock.sleep(wait_s)
                await self._use(way)

    async def _use(self, way: Way) -> None:
        """Keep one connection until it ends."""
        counters = self._uplink.counters
        counters.way = way.name
        if self._last not in {None, way}:
            counters.switches += 1
            self._moved(way)
        self._last = way
        way.logged_in_at, way.is_mute = None, False
        try:
            await self._uplink.connect(way)
        except Moved:
            return
        except (KwhubError, OSError) as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from error  # see runtime.tasks.supervise
            way.counters.failures += 1
            way.counters.last_failure = str(error)
            self._told(way, error)
            # A head-end that denies has been reached, and our own store is no matter of the way.
            judge = self.ways.pause if isinstance(error, Refusal | StoreError) else self.ways.failed
            judge(way, self._clock.monotonic())
        finally:
            way.logged_in_at = None

    async def _look_for_better(self) -> None:
        """While a worse way is used, try the better ones, and go back to one that stays healthy."""
        while True:
            used = self._last
            better = self.ways.better(used) if used is not None else []
            await self._clock.sleep(min(way.settings.probe_s for way in better or self.ways.all))
            if used is not self._last or used is None or used.logged_in_at is None:
                continue  # what is not connected is tried in earnest
            for way in better:
                healthy = await self._probe(way)
                if self.ways.probed(way, self._clock.monotonic(), healthy=healthy):
                    self._uplink.move()
                    break

    async def _probe(self, way: Way) -> bool:
        """Whether the head-end can be connected; nothing is said to it."""
        try:
            link = await self._uplink.open_link(way.stations[0])
        except (KwhubError, OSError):
            return False
        await link.aclose()
        return True
