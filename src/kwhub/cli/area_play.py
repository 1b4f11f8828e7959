"""A simulated area on virtual time: the real concentrator and head-end, and everything that goes wrong.

Links live in memory; everything above them is what runs in the field. When the power goes, the tasks of the
concentrator end where they are, its store refuses everything from that moment on, and what comes up again has
nothing but the file.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from kwhub.cli.area_arrivals import Arrivals
from kwhub.cli.area_judge import Judged, judge
from kwhub.cli.area_world import REGION, TERMINAL, AreaWorld
from kwhub.cli.play import damage_rates, serve_until_over
from kwhub.concentrator.app import Concentrator
from kwhub.concentrator.database import Connection, open_file
from kwhub.domain.errors import LinkDown
from kwhub.headend.app import HeadEnd
from kwhub.links.base import Link
from kwhub.links.layers import Faulty, Throttled
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import Clock, LoopClock
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.device import serve_meters
from kwhub.sim.mbus import serve_mbus
from kwhub.sim.plc import serve_module
from kwhub.sim.plc_network import PlcSettings

__all__ = ["play_area"]

PROGRESS_STEP_S = 900.0
MBUS_BAUD = 2400
MODULE_BAUD = 9600


class _Supply:
    """The power of the store: while it is off, every statement fails."""

    def __init__(self) -> None:
        self.on = True

    def opener(self, path: str) -> Connection:
        return _Powered(self, open_file(path))


class _Powered:
    """A connection that knows whether there is power."""

    def __init__(self, supply: _Supply, real: Connection) -> None:
        self._supply = supply
        self._real = real

    @property
    def in_transaction(self) -> bool:
        return self._supply.on and self._real.in_transaction

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> sqlite3.Cursor:
        self._check()
        return self._real.execute(sql, values)

    def executemany(self, sql: str, values: Iterable[Sequence[Any]], /) -> sqlite3.Cursor:
        self._check()
        return self._real.executemany(sql, values)

    def close(self) -> None:
        self._real.close()  # an open transaction is undone, as after a crash

    def _check(self) -> None:
        if not self._supply.on:
            raise sqlite3.OperationalError("no power")


class _SteppedClock(LoopClock):
    """A clock that is wrong now and then."""

    def __init__(self, start: datetime, steps: Sequence[tuple[datetime, datetime, int]]) -> None:
        super().__init__(start)
        self._steps = steps

    def now(self) -> datetime:
        """See Clock."""
        true = super().now()
        wrong = sum(seconds for begin, end, seconds in self._steps if begin <= true < end)
        return true + timedelta(seconds=wrong)

    async def sleep_until(self, when: datetime) -> None:
        """Wait in steps, since the clock may be set meanwhile."""
        while (left := (when - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - time is the event
            await asyncio.sleep(min(left, 60.0))


class _Wires:
    """The memory links of the area, each with its other end attended to."""

    def __init__(
        self, world: AreaWorld, headend: HeadEnd, clock: Clock, tasks: asyncio.TaskGroup
    ) -> None:
        self._world = world
        self._headend = headend
        self._clock = clock
        self._tasks = tasks
        self._opened = 0
        self._up: list[Link] = []
        self.uplink_works = True
        archive = headend.store.archive.terminals
        self.arrivals = Arrivals(archive[REGION, TERMINAL], headend.store.days, clock)
        self.running: list[asyncio.Task[None]] = []

    async def open(self, address: str) -> Link:
        """Open a link of the concentrator's settings. Raises LinkDown while the uplink is cut."""
        name = address.removeprefix("memory:")
        self._opened += 1
        if name == "headend":
            return self._open_uplink()
        baud = {"mbus": MBUS_BAUD, "module": MODULE_BAUD}.get(name, self._world.file.baud)
        near, far = pair(baud=baud)
        self._keep(self._serve(name, far))
        chance = seeded(self._world.seed, "damage", name, self._opened)
        damaged = Faulty(near, chance, damage_rates(self._world.file.damage))
        return Throttled(damaged, self._clock, baud=baud)

    async def cut_uplink(self, works: bool) -> None:  # noqa: FBT001 - on or off
        """Cut it, or mend it."""
        self.uplink_works = works
        if not works:
            for link in self._up:
                await link.aclose()
            self._up.clear()

    def _open_uplink(self) -> Link:
        if not self.uplink_works:
            raise LinkDown("the uplink is cut")
        near, far = pair()
        self._up.append(far)
        chance = seeded(self._world.seed, "damage", "headend", self._opened)
        damaged = Faulty(near, chance, damage_rates(self._world.file.damage))
        below, above = self.arrivals.listen(damaged, far)
        self._keep(self._attend(above))
        return below

    async def _attend(self, link: Link) -> None:
        with suppress(LinkDown):
            await self._headend.attend(link)
        await link.aclose()

    async def _serve(self, name: str, link: Link) -> None:
        world = self._world
        if name == "mbus":
            await serve_mbus(link, [place.meter for place in world.mbus], self._clock)
        elif name == "module":
            meters = [place.meter for place in world.behind]
            line = PlcSettings(loss_permille=round(world.file.module_loss * 1000))
            await serve_module(link, meters, self._clock, seed=world.seed, settings=line)
        else:
            meters = list(world.wired.bus(int(name.removeprefix("bus-"))))
            await serve_meters(link, meters, self._clock)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        self.running = [task for task in self.running if not task.done()]
        self.running.append(serve_until_over(self._tasks, work))


class _Site:
    """The concentrator and its power."""

    def __init__(self, world: AreaWorld, clock: Clock, wires: _Wires) -> None:
        self._world = world
        self._clock = clock
        self._wires = wires
        self.starts = 0
        self.frames = 0
        self._supply = _Supply()
        self._box: Concentrator | None = None
        self._task: asyncio.Task[None] | None = None

    def power_on(self, tasks: asyncio.TaskGroup) -> None:
        """Start the concentrator from what its file says."""
        self.starts += 1
        self._supply = _Supply()
        self._box = Concentrator(
            self._world.settings(),
            self._clock,
            chance=seeded(self._world.seed, "concentrator", self.starts),
            open_link=self._wires.open,
            opener=self._supply.opener,
        )
        self._task = tasks.create_task(self._box.run())

    async def power_off(self) -> None:
        """Everything ends here and now."""
        self._supply.on = False
        await self.stop()

    async def stop(self) -> None:
        """End the concentrator's work; with power, it keeps what it has read."""
        box, task = self._box, self._task
        if box is None or task is None:
            return
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task
        self.frames += sum(each.requests + each.retries for each in box.counters.buses.values())
        self.frames += box.counters.uplink.reports
        box.close()
        self._box = self._task = None


async def _happenings(
    world: AreaWorld, start: datetime, clock: Clock, wires: _Wires, site: _Site
) -> None:
    """Cut and mend at the moments that the file says."""
    group = asyncio.TaskGroup()
    moments: list[tuple[datetime, int, Callable[[], Coroutine[Any, Any, None]]]] = []

    async def on() -> None:
        site.power_on(group)

    for cut in world.file.uplink_cut:
        begin = start + timedelta(hours=cut.after_h)
        moments.append((begin, len(moments), lambda: wires.cut_uplink(works=False)))
        end = begin + timedelta(hours=cut.hours)
        moments.append((end, len(moments), lambda: wires.cut_uplink(works=True)))
    for dark in world.file.power_cut:
        begin = start + timedelta(hours=dark.after_h)
        moments.append((begin, len(moments), site.power_off))
        moments.append((begin + timedelta(minutes=dark.minutes), len(moments), on))
    async with group:
        site.power_on(group)
        for moment, _, happen in sorted(moments, key=lambda each: each[:2]):
            await clock.sleep_until(moment)
            await happen()


async def _progress(
    clock: Clock, start: datetime, stop: datetime, told: Callable[[float], None]
) -> None:
    while True:
        told(min(1.0, (clock.now() - start) / (stop - start)))
        await clock.sleep(PROGRESS_STEP_S)


async def _run(
    clock: LoopClock,
    world: AreaWorld,
    span: tuple[datetime, datetime],
    afterwards: timedelta,
    told: Callable[[float], None],
) -> Judged:
    start, stop = span
    end = stop + afterwards
    steps = [
        (begin, begin + timedelta(minutes=step.minutes), step.seconds)
        for step in world.file.clock_step
        for begin in [start + timedelta(hours=step.after_h)]
    ]
    headend = HeadEnd(world.headend(), clock)
    async with asyncio.TaskGroup() as tasks:
        wires = _Wires(world, headend, clock, tasks)
        site = _Site(world, _SteppedClock(start, steps), wires)
        running = [
            tasks.create_task(headend.run()),
            tasks.create_task(_happenings(world, start, clock, wires, site)),
            tasks.create_task(_progress(clock, start, end, told)),
        ]
        await clock.sleep_until(end)
        await site.stop()
        for task in [*running, *wires.running]:
            task.cancel()
    await headend.pack()
    judged = judge(
        world, headend, span, end, wires.arrivals, frames=site.frames, starts=site.starts
    )
    await headend.close()
    told(1.0)
    return judged


def play_area(
    world: AreaWorld,
    *,
    start: datetime,
    stop: datetime,
    afterwards: timedelta,
    told: Callable[[float], None] = lambda _share: None,
) -> Judged:
    """Play an area from ``start`` to ``stop`` (aware) on virtual time.

    Args:
        world: the meters, and the folder in which the stores are left behind.
        start: first moment.
        stop: last moment that is judged.
        afterwards: played on top, for the last hours to be read and reported.
        told: hears how far it is, 0 to 1.
    """
    return run_virtual(
        lambda clock: _run(clock, world, (start, stop), afterwards, told), start=start
    )
