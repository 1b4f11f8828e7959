"""The concentrator as a service: settings that can be taken over anew, metrics, and a watchdog to please.

New settings are taken over by ending the running concentrator in good order (what was read is kept first) and
starting another on the same store. Settings that are wrong change nothing.
"""

import asyncio
from collections.abc import Callable

import structlog

from kwhub.concentrator.app import Concentrator
from kwhub.concentrator.config import Config
from kwhub.concentrator.notify import Notifier
from kwhub.domain.errors import KwhubError, LinkDown
from kwhub.runtime.clock import Clock

__all__ = ["Service"]


class Service:
    """Runs one concentrator after the other.

    Attributes:
        concentrator: the present one.
    """

    def __init__(
        self,
        load: Callable[[], Config],
        make: Callable[[Config], Concentrator],
        *,
        clock: Clock,
        notifier: Notifier,
    ) -> None:
        """Make the first concentrator.

        Args:
            load: reads the settings.
            make: makes a concentrator of them.
            clock: times the watchdog.
            notifier: tells the service manager.

        Raises:
            ConfigError: the settings are wrong.
            StoreError: the store cannot be opened.
        """
        self._load = load
        self._make = make
        self._clock = clock
        self._notifier = notifier
        self._log = structlog.get_logger("kwhub.concentrator")
        self._next: Config | None = None
        self._wake = asyncio.Event()
        self.concentrator = make(load())

    def reload(self) -> None:
        """Take over the settings file; when it is wrong, say why and go on as before."""
        self._notifier.reloading(self._clock.monotonic())
        try:
            self._next = self._load()
        except KwhubError as error:
            self._log.error("settings are wrong, the old ones stay", error=str(error))
            self._notifier.ready(f"new settings refused: {error}")
        else:
            self._wake.set()

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            StoreError: after a reload not even the old settings find their store.
            Exception: only bugs.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._beat())
                while True:
                    await self._run_one()
                    self._exchange()
        finally:
            self._notifier.stopping()

    def close(self) -> None:
        """Close the store."""
        self.concentrator.close()

    @property
    def status(self) -> str:
        """One line on how it stands."""
        concentrator = self.concentrator
        counters = concentrator.counters.uplink
        meters = sum(len(bus.meters) for bus in concentrator.buses)
        silent = len(concentrator.watch.silent)
        way = f"logged in by {counters.way}" if counters.logged_in else "not logged in"
        trouble = f"; {concentrator.watch.trouble}" if concentrator.watch.trouble else ""
        return f"{meters} meters, {silent} silent; {way}{trouble}"

    async def _run_one(self) -> None:
        """Run the present concentrator until new settings are there."""
        self._wake.clear()
        server = await self._metrics()
        self._notifier.ready(self.status)
        running = asyncio.ensure_future(self.concentrator.run())
        waking = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait({running, waking}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await running  # it only ends by a bug
        finally:
            waking.cancel()
            running.cancel()
            await asyncio.wait({running, waking})
            if server is not None:
                server.close()
                await server.wait_closed()

    async def _metrics(self) -> asyncio.Server | None:
        """Open the port of the metrics, if one is wanted; one that cannot be had is only told."""
        settings = self.concentrator.config.metrics
        if not settings.address:
            return None
        from kwhub.concentrator.metrics import serve_metrics  # noqa: PLC0415 - an extra brings it

        try:
            return await serve_metrics(self.concentrator, *settings.where())
        except LinkDown as error:
            self._log.error("no metrics", error=str(error))
            return None

    def _exchange(self) -> None:
        """Make a concentrator of the new settings; when that fails, another of the old ones."""
        old, new = self.concentrator.config, self._next
        self.concentrator.close()
        if new is not None:
            try:
                self.concentrator = self._make(new)
            except KwhubError as error:
                self._log.error("new settings do not work, the old ones stay", error=str(error))
            else:
                self._log.warning("new settings are in force")
                return
        self.concentrator = self._make(old)

    async def _beat(self) -> None:
        """Tell the watchdog that the event loop runs."""
        if self._notifier.beat_s is None:
            return
        while True:
            self._notifier.alive(self.status)
            await self._clock.sleep(self._notifier.beat_s)
