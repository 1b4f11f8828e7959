"""The head-end as one process: store, front, orders, packing."""

import asyncio
from contextlib import suppress
from zoneinfo import ZoneInfo

import structlog

from kwhub.domain.errors import KwhubError
from kwhub.headend.config import Config
from kwhub.headend.front.front import Front
from kwhub.headend.ingest.intake import Intake
from kwhub.headend.ingest.offload import Offload, in_place, in_thread
from kwhub.headend.ingest.replay import replay
from kwhub.headend.orders import Orders
from kwhub.headend.store import order_rows, sessions
from kwhub.headend.store.database import Database
from kwhub.headend.store.days import Days
from kwhub.headend.store.pack import Packing
from kwhub.headend.store.queries import Queries
from kwhub.headend.store.store import Store
from kwhub.links.base import Link
from kwhub.links.tcp_listen import Server, serve
from kwhub.runtime.clock import Clock, SystemClock

__all__ = ["PACK_PAUSE_S", "HeadEnd"]

PACK_PAUSE_S = 60.0
"""Pause after a store that did not take the packed days, in seconds."""

_log = structlog.get_logger("kwhub.headend")


class HeadEnd:
    """One head-end: ``run`` it, ``attend`` to links by hand as well if need be, ``close`` it at the end.

    Attributes:
        config: its settings.
        clock: its time.
        store: journal and day vectors.
        queries: every question of pages and API.
        orders: what is asked of meters.
        front: the connections.
        address: where concentrators connect, with the true port; empty while nothing listens.
        running: set while ``run`` is at work, from when it listens.
    """

    def __init__(self, config: Config, clock: Clock, *, offload: Offload | None = None) -> None:
        """Open the store, bring it up to date, and note what a crash has left unfinished.

        Args:
            config: settings and archive.
            clock: real or virtual.
            offload: where blocking work runs; by default in threads on the machine's own clock,
                and in place on any other.

        Raises:
            ConfigError: the store's address is wrong.
            StoreError: the store cannot be opened.
        """
        self.config = config
        self.clock = clock
        self.address = ""
        self.running = asyncio.Event()
        settings = config.headend
        days = Days(ZoneInfo(settings.zone))
        self._offload = offload or (in_thread if isinstance(clock, SystemClock) else in_place)
        self._database = Database(settings.store, power_safe=settings.power_safe)
        self.store = Store(self._database, days, config)
        with self._database.write() as connection:
            sessions.interrupt(connection, clock.now())
            order_rows.interrupt(connection, clock.now())
        if placed := replay(self.store):
            _log.info("placed", units=placed)
        self._full = asyncio.Event()
        self.intake = Intake(self.store, self._offload, told=self._on_written)
        self.front = Front(
            self.store, self.intake, clock, self._offload, heartbeat_s=settings.heartbeat_s
        )
        self.orders = Orders(self.store, self.front, self.intake, clock, self._offload)
        self.queries = Queries(self._database, days, clock.now)
        self._packing = asyncio.Lock()

    async def attend(self, link: Link) -> None:
        """Serve one concentrator on a link until it is down."""
        await self.front.attend(link)

    async def run(self) -> None:
        """Listen where the settings say, carry out orders and pack, until cancelled.

        Raises:
            ConfigError: the listening address is wrong.
            LinkDown: the port cannot be opened.
        """
        server: Server | None = None
        if self.config.headend.uplink:
            server = await serve(
                self.config.headend.uplink, self.attend, self.clock, told=_on_link_error
            )
            self.address = server.address
            _log.info("listening", address=server.address)
        self.running.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.orders.run())
                tasks.create_task(self._keep_packing())
        finally:
            self.address = ""
            self.running.clear()
            if server is not None:
                await server.aclose()

    async def pack(self) -> Packing:
        """Pack now everything that waits in the journal. Raises StoreError."""
        async with self._packing:
            return await self._offload(self.store.pack)

    async def close(self) -> None:
        """Send every terminal away, pack what waits, and close the store.

        What cannot be packed now stays in the journal for the next start.
        """
        await self.front.close()
        try:
            await self.pack()
        except KwhubError as error:
            _log.warning("not_packed_at_the_end", error=str(error))
        finally:
            self.store.close()

    async def _keep_packing(self) -> None:
        """Pack when enough waits, and now and then."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.config.headend.pack_interval_s):
                    await self._full.wait()
            self._full.clear()
            try:
                done = await self.pack()
            except KwhubError as error:
                _log.error("not_packed", error=str(error))
                await self.clock.sleep(PACK_PAUSE_S)
            else:
                if done.readings:
                    _log.debug(
                        "packed",
                        readings=done.readings,
                        repeated=done.repeated,
                        conflicts=done.conflicts,
                    )

    def _on_written(self) -> None:
        if self.store.waiting >= self.config.headend.pack_rows:
            self._full.set()


def _on_link_error(link: Link, error: Exception) -> None:
    _log.warning("connection_failed", peer=link.facts.address, error=str(error))
