"""The whole concentrator: buses, store and uplink, each supervised, all on one loop."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

import structlog

from kwhub.concentrator.answers import Answers
from kwhub.concentrator.archive import Archive
from kwhub.concentrator.bugs import Bugs, contain
from kwhub.concentrator.bus import Bus, OpenLink
from kwhub.concentrator.bus import Parts as BusParts
from kwhub.concentrator.config import Config
from kwhub.concentrator.counters import BusCounters, Counters
from kwhub.concentrator.database import Opener, StoreError, open_file
from kwhub.concentrator.denials import DENIED
from kwhub.concentrator.devices import DeviceEvents
from kwhub.concentrator.downlinks.make import make_bus
from kwhub.concentrator.events import Events
from kwhub.concentrator.events_notes import TERMINAL_POINT, Note, Notes
from kwhub.concentrator.events_records import store_fault
from kwhub.concentrator.events_unknown import UnknownMeters
from kwhub.concentrator.events_watch import MeterWatch
from kwhub.concentrator.ledger_wishes import Wishes
from kwhub.concentrator.outbox import ROWS_PER_PRUNE_MAX, Outbox
from kwhub.concentrator.served_clocks import MeterClocks
from kwhub.concentrator.served_desk import Desk, Parts
from kwhub.concentrator.served_files import Files
from kwhub.concentrator.served_rights import Rights, load_rights
from kwhub.concentrator.served_site import CLOCK_OFFSET, RunningSite, plan_of
from kwhub.concentrator.served_task_runs import TaskReports, TaskRuns
from kwhub.concentrator.site_clock import SiteClock
from kwhub.concentrator.store_size import StoreSize
from kwhub.concentrator.troubles import Troubles
from kwhub.concentrator.uplink import Uplink
from kwhub.concentrator.uplink_setbacks import BROKEN
from kwhub.concentrator.uplink_ways import Way
from kwhub.concentrator.uplinks import Uplinks
from kwhub.concentrator.watch import Watch
from kwhub.links.address import open_link as open_address
from kwhub.links.base import Link
from kwhub.runtime.chance import Random
from kwhub.runtime.clock import Clock
from kwhub.runtime.tasks import Backoff, supervise

__all__ = ["PRUNE_PERIOD_S", "Concentrator"]

PRUNE_PERIOD_S = 86_400
"""How often old readings are forgotten, and denied ones offered again."""

BUS_REOPEN_MOST_S = 60.0
"""Longest pause before a bus whose link failed is opened again."""


class Concentrator:
    """Reads the meters of its buses by a plan, keeps what it read, and reports it upwards.

    Attributes:
        counters: what was done since the start.
        outbox: the store; open from the start to ``close``.
        size: of the store.
        watch: what a person must be told of.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        *,
        chance: Random,
        open_link: OpenLink | None = None,
        opener: Opener = open_file,
        rights: Rights | None = None,
    ) -> None:
        """Open the store; nothing is asked and nobody is called before ``run``.

        Args:
            config: the settings.
            clock: gives all times.
            chance: jitter of the pauses before reconnecting.
            open_link: opens a link by its address; by default those of ``kwhub.links``.
            opener: opens the file of the store.
            rights: what the head-end may order; by default what the settings say.

        Raises:
            StoreError: the store cannot be opened.
            ConfigError: a secret that the settings name cannot be read.
        """
        self.config = config
        self.counters = Counters()
        self.outbox = Outbox.open(config.concentrator.store, opener=opener)
        self.size = StoreSize(self.outbox.database, config.store.limit_mib << 20)
        self.outbox.guard = self.size.guard
        self.archive = Archive(self.outbox.database)
        self.archive.seed(config)
        self._clock = SiteClock(clock)
        self._clock.offset_s = self.archive.state(CLOCK_OFFSET)
        clock = self._clock
        self._chance = chance
        name = f"{config.concentrator.region}-{config.concentrator.terminal:05d}"
        self._log = structlog.get_logger("kwhub.concentrator").bind(terminal=name)
        self._troubles = Troubles(self._log, clock)
        open_link = open_link or self._open_address
        self.buses = self._make_buses(open_link)
        self._adopt(int(clock.now().timestamp()))
        self.events = Events(self.outbox.database)
        self.notes = Notes(self.outbox.database, self.archive)
        self.meter_watch = self._make_meter_watch()
        self._watch_for_strangers()
        self._uplink_bugs = Bugs("the uplink met a bug and begins anew", self._uplink_broke)
        self.uplink = self._make_uplink(open_link, rights or load_rights(config.head_end))
        self.watch = Watch(self.outbox, self.size, clock, self._log, again=self._store_is_back)
        self.uplink.setbacks.store_failed = self.watch.store_failed
        self.uplink.on_work = self._uplink_works

    @property
    def clock(self) -> Clock:
        """The site's clock: that of the machine, plus what the head-end has set it by."""
        return self._clock

    def _adopt(self, now: int) -> None:
        meters = [meter for bus in self.buses for meter in bus.meters]
        self.outbox.adopt(((meter.point, meter.settings.address) for meter in meters), now)
        self.outbox.dismiss(record.point for record in self.archive.records())

    def _make_wishes(self) -> Wishes:
        return Wishes(
            self.outbox,
            lambda: int(self._clock.now().timestamp()),
            self.config.plan.meter_keeps_days,
            self._look_again,
        )

    def _make_meter_watch(self) -> MeterWatch:
        return MeterWatch(
            self.outbox,
            self.notes,
            self._clock,
            self.config.concentrator.tzinfo,
            clocks=self.config.clock,
            events=self.config.events,
            counters=self.counters.watch,
            on_important=self._on_readings,
        )

    def _watch_for_strangers(self) -> None:
        zone = self.config.concentrator.tzinfo
        unknown = UnknownMeters(self.notes, self.archive, self._clock, zone, self._on_readings)
        devices = DeviceEvents(self.notes, self.archive, self._clock, zone, self._on_readings)

        def found(port: int) -> Callable[[str, bool], None]:
            return lambda address, is_old: unknown.found(port, address, is_old=is_old)

        for bus in self.buses:
            bus.on_unknown = found(bus.settings.port)
            bus.on_device = devices.found
            bus.on_up = partial(
                self._troubles.over, "bus failed", "bus works again", bus=bus.settings.name
            )

    def _make_uplink(self, open_link: OpenLink, rights: Rights) -> Uplink:
        config, clock = self.config, self._clock
        meters = [meter for bus in self.buses for meter in bus.meters]
        zone = config.concentrator.tzinfo
        answers = Answers(self.outbox, meters, zone, archive=self.archive, events=self.events)
        answers.shelf.wishes = self._make_wishes()
        site = RunningSite(config, self.archive, self.outbox, clock, self.buses)
        watch = self.meter_watch.clocks
        site.clocks = MeterClocks(watch, self.notes, clock, zone, self._on_readings)
        files = Files(self.outbox.database)
        self.size.apart = files.used_bytes
        parts = Parts(self.archive, self.events, files)
        desk = Desk(config, parts, answers, site, rights)
        uplink = Uplink(
            config.concentrator,
            config.uplink,
            self.outbox,
            answers,
            desk=desk,
            clock=clock,
            open_link=open_link,
            ports={bus.settings.port: bus for bus in self.buses},
            counters=self.counters.uplink,
        )
        if config.standby is not None:
            uplink.ways.append(Way("standby", config.standby))
        self.counters.ways.update({way.name: way.counters for way in uplink.ways})
        site.attach(uplink, answers.shelf)
        self.tasks = self._make_tasks(uplink, desk, answers)
        site.on_change = self.tasks.renew
        return uplink

    def _make_tasks(self, uplink: Uplink, desk: Desk, answers: Answers) -> TaskRuns:
        reports = TaskReports(self.outbox.database, self._clock, self.counters.uplink)
        uplink.task_reports = reports
        return TaskRuns(
            self.archive,
            reports,
            answers,
            desk.live,
            clock=self._clock,
            zone=self.config.concentrator.tzinfo,
            progress=self.outbox.progress,
            on_report=self._on_readings,
            user_bytes=min(way.settings.report_bytes for way in uplink.ways) - uplink.wider,
            bugs=Bugs("a report task met a bug and is left alone for a while", self._task_broke),
        )

    def _make_buses(self, open_link: OpenLink) -> list[Bus]:
        buses = []
        for settings in self.config.downlinks.values():
            plan = plan_of(self.config, self.archive, settings.port)
            counters = self.counters.buses.setdefault(settings.name, BusCounters())
            parts = BusParts(self.outbox, self._clock, open_link, counters, self._on_readings)
            buses.append(make_bus(settings, plan, parts, self.archive))
        return buses

    async def run(self) -> None:
        """Work until cancelled; links that fail are opened again after a pause.

        Expected trouble is told in the log and counted; so is a bug in a talk with a meter, in the watch over the
        meters, in a report task, or in the uplink.

        Raises:
            Exception: only bugs in what all depends on: the store, the plan, the rounds of a bus.
        """
        bus_pauses = Backoff(most_s=BUS_REOPEN_MOST_S)
        async with asyncio.TaskGroup() as tasks:
            for bus in self.buses:
                told = self._telling("bus failed", bus=bus.settings.name)
                tasks.create_task(self._supervise(bus.serve, bus_pauses, told))
                told = self._telling("meters cannot be watched", bus=bus.settings.name)
                watch = partial(self.meter_watch.serve, bus)
                watched = partial(self._supervise, watch, bus_pauses, told)
                tasks.create_task(self._contain(watched, self.meter_watch.bugs))
            uplinks = Uplinks(
                self.uplink,
                self.uplink.ways,
                clock=self._clock,
                chance=self._chance,
                told=self._uplink_failed,
                moved=self._uplink_moved,
            )
            tasks.create_task(self._contain(uplinks.run, self._uplink_bugs))
            tasks.create_task(self.watch.run())
            told = self._telling("report tasks cannot be run")
            run_tasks = partial(self._supervise, self.tasks.run, Backoff(), told)
            tasks.create_task(self._contain(run_tasks, self.tasks.bugs))
            told = self._telling("store cannot be pruned")
            tasks.create_task(self._supervise(self._prune, Backoff(), told))

    def close(self) -> None:
        """Close the store."""
        self.outbox.close()

    async def _supervise(
        self,
        work: Callable[[], Awaitable[None]],
        backoff: Backoff,
        told: Callable[[Exception], None],
    ) -> None:
        await supervise(work, clock=self._clock, chance=self._chance, backoff=backoff, told=told)

    async def _contain(self, work: Callable[[], Awaitable[None]], bugs: Bugs) -> None:
        await contain(work, bugs, clock=self._clock, chance=self._chance, backoff=Backoff())

    def _uplink_broke(self) -> None:
        self.counters.uplink.broken += 1

    def _task_broke(self) -> None:
        self.counters.uplink.tasks_broken += 1

    async def _prune(self) -> None:
        """Once a day, forget what is old and settled, and offer again what was denied."""
        keep = timedelta(days=self.config.plan.keep_delivered_days)
        while True:
            # Not by our clock alone: it may have just started with a date far ahead.
            now = int(self._clock.now().timestamp())
            before = min(now, self.outbox.last_received(now)) - int(keep.total_seconds())
            while self.outbox.prune(before) == ROWS_PER_PRUNE_MAX:
                await self._clock.sleep(0)
            if self.outbox.offer_again(DENIED) + self.outbox.offer_again(BROKEN):
                self.uplink.news.set()
            await self._clock.sleep(PRUNE_PERIOD_S)

    async def _open_address(self, address: str) -> Link:
        return await open_address(address, clock=self._clock)

    def _look_again(self, point: int) -> None:
        for bus in self.buses:
            if any(meter.point == point for meter in bus.meters):
                bus.renew()

    def _store_is_back(self, failed_at: datetime) -> None:
        """The head-end is told of the trouble now that a record of it can be kept."""
        fault = store_fault(failed_at.astimezone(self.config.concentrator.tzinfo))
        now = int(self._clock.now().timestamp())
        self.notes.keep(Note(TERMINAL_POINT, now, [fault]))
        self.uplink.news.set()

    def _on_readings(self) -> None:
        self.uplink.news.set()

    def _uplink_failed(self, way: Way, error: Exception) -> None:
        self.counters.uplink.failures += 1
        self.counters.uplink.last_failure = str(error)
        if isinstance(error, StoreError):
            self.watch.store_failed(error)
            return
        self._troubles.met(f"{way.name} failed", error)

    def _uplink_works(self, way: Way) -> None:
        self._troubles.over(f"{way.name} failed", f"the head-end knows us by [{way.name}] again")

    def _uplink_moved(self, way: Way) -> None:
        self._log.warning(f"the head-end is reached by [{way.name}] now")

    def _telling(self, event: str, **facts: object) -> Callable[[Exception], None]:
        def told(error: Exception) -> None:
            if isinstance(error, StoreError):
                self.watch.store_failed(error)
                return
            self._troubles.met(event, error, **facts)

        return told
