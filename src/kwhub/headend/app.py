"""The head-end as one process: store, front, orders, packing."""

import asyncio
from zoneinfo import ZoneInfo

import structlog

from kwhub.domain.errors import KwhubError
from kwhub.headend.archive.desk import ArchiveDesk
from kwhub.headend.archive.jobs import Imports
from kwhub.headend.billing.desk import Billing
from kwhub.headend.choices import Choices
from kwhub.headend.chores import Chores
from kwhub.headend.config import Config
from kwhub.headend.event_desk import EventDesk
from kwhub.headend.front.door import Door
from kwhub.headend.front.front import Front
from kwhub.headend.front.lookout import Lookout
from kwhub.headend.heal import Healer
from kwhub.headend.identity.service import DeviceService
from kwhub.headend.ingest.intake import Intake
from kwhub.headend.ingest.offload import Offload, in_place, in_thread
from kwhub.headend.ingest.replay import replay
from kwhub.headend.live import Broadcaster
from kwhub.headend.orders.desk import Orders
from kwhub.headend.people.anchors import Anchors
from kwhub.headend.people.people import People
from kwhub.headend.store import area_days, order_rows, sessions
from kwhub.headend.store.database import Database
from kwhub.headend.store.days import Days
from kwhub.headend.store.pack import Packing
from kwhub.headend.store.queries import Queries
from kwhub.headend.store.store import Store
from kwhub.headend.tasks.desk import Tasks
from kwhub.headend.validation.desk import QualityDesk
from kwhub.headend.validation.keeper import Keeper
from kwhub.headend.validation.ledger import Ledger
from kwhub.headend.vending_service import VendingService
from kwhub.links.base import Link
from kwhub.runtime.clock import Clock, SystemClock

__all__ = ["HeadEnd"]

_log = structlog.get_logger("kwhub.headend")


class HeadEnd:
    """One head-end: ``run`` it, ``attend`` to links by hand as well if need be, ``close`` it at the end.

    Attributes:
        config: its settings.
        clock: its time.
        store: journal and day vectors.
        queries: every question of pages and API.
        orders: what is asked of meters and terminals.
        tasks: one order for many of them.
        archive: where a person changes what the head-end knows of areas, meters and customers.
        imports: files of the archive, as jobs.
        front: the connections.
        door: the port that concentrators call.
        choices: settings that may change meanwhile.
        people: who gets in.
        quality: findings about values, edits and estimates beside them.
        ledger: what is missing, and why.
        healer: asks for what is missing.
        events: asks for the events that terminals do not report by themselves.
        billing: tariffs, statements, balances.
        chores: what it does by itself.
        live: tells pages that something has happened.
        lookout: the bytes of every terminal.
        vending: sells to cost-control meters; None when the settings do not.
        devices: handhelds; None when the settings have none.
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
        self._take_up()
        self.intake = Intake(self.store, self._offload, told=self._on_written)
        self.live = Broadcaster()
        self.lookout = Lookout(tell=self.live.tell)
        self.front = Front(
            self.store,
            self.intake,
            clock,
            self._offload,
            heartbeat_s=settings.heartbeat_s,
            limits=config.limits,
            lookout=self.lookout,
            profile=settings.profile,
        )
        self.door = Door(self.front, config.limits)
        self.orders = Orders(
            self.store, self.front, self.intake, clock, self._offload, config.orders
        )
        self.tasks = Tasks(self._database, self.orders, clock, self._offload)
        self.archive = ArchiveDesk(self.store, clock, self._offload, self.front.renew)
        self.imports = Imports(self.archive)
        self.queries = Queries(self._database, days, clock.now)
        self.choices = Choices(self._database, clock, config)
        self.people = People(self._database, self.choices.config.access, clock, self._offload)
        self.choices.told.append(lambda chosen: self.people.renew(chosen.access))
        self.devices = self._devices()
        self._open_desks(days)

    def _take_up(self) -> None:
        """Note what a crash has left unfinished, and place what was waiting for the archive."""
        with self._database.write() as connection:
            sessions.interrupt(connection, self.clock.now())
            order_rows.interrupt(connection, self.clock.now())
        if placed := replay(self.store):
            _log.info("placed", units=placed)

    def _devices(self) -> DeviceService | None:
        """Handhelds, where the settings have any; this process makes the frames of their orders."""
        config = self.config
        if config.devices is None:
            return None
        zone = ZoneInfo(config.headend.zone)
        parts = (self._database, self.clock, self._offload, config.orders)
        return DeviceService.build(config.devices, *parts, zone=zone)

    def _open_desks(self, days: Days) -> None:
        """What works on readings after they are stored."""
        now = self.clock.now
        self.quality = QualityDesk(self._database, days, now)
        self.ledger = Ledger(self._database, days, now)
        self.healer = Healer(
            self.store, self.front, self.intake, self.ledger, self.clock, self._offload
        )
        self.events = EventDesk(self.store, self.front, self.intake, self.clock, self._offload)
        self.billing = Billing(self._database, days, now)
        selling = self.config.vending
        self.vending = (
            VendingService(selling, self.orders.carrier, self._offload, days.zone)
            if selling
            else None
        )
        key = self.config.access.trail_key
        self.chores = Chores(
            self.store,
            self.quality,
            self.ledger,
            self.billing,
            Keeper(self._database, days, now, above=area_days.METERS_AT_ONCE),
            Anchors(key) if key else None,
            self.clock,
            self._offload,
            settings=self.config.headend,
            kept=lambda: self.choices.config.retention,
        )

    async def attend(self, link: Link) -> None:
        """Serve one concentrator on a link until it is down."""
        await self.front.attend(link)

    async def run(self) -> None:
        """Listen where the settings say, carry out orders and pack, until cancelled.

        Raises:
            ConfigError: the listening address is wrong.
            LinkDown: the port cannot be opened.
        """
        try:
            if self.config.headend.uplink:
                self.address = await self.door.open(self.config.headend.uplink)
                _log.info("listening", address=self.address)
            if self.devices is not None:
                await self.devices.open()
            self.running.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.orders.run())
                tasks.create_task(self.archive.run())
                tasks.create_task(self.imports.run())
                tasks.create_task(self.chores.run())
                tasks.create_task(self.healer.run())
                tasks.create_task(self.events.run())
                if self.vending is not None:
                    tasks.create_task(self.vending.run())
                tasks.create_task(self.door.run())
        finally:
            self.address = ""
            self.running.clear()
            if self.devices is not None:
                await self.devices.listener.aclose()
            await self.door.aclose()

    async def pack(self) -> Packing:
        """Pack now everything that waits in the journal. Raises StoreError."""
        return await self.chores.pack()

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
            if self.devices is not None:
                self.devices.close()
            if self.vending is not None:
                self.vending.close()
            self.store.close()

    def _on_written(self) -> None:
        self.live.tell("readings")
        self.chores.on_written()
