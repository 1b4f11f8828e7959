"""The demonstration on virtual time: the real concentrators and head-end, a week in seconds.

Links live in memory, because a virtual clock cannot wait for a socket; everything above them is what
runs in the field. Frames are damaged on every bus and on the uplink.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from time import process_time
from typing import Any
from zoneinfo import ZoneInfo

from kwhub.cli.demo_story import happen, issue_statements, set_up
from kwhub.cli.world import BAUD, CONCENTRATORS, REGION, ZONE, World
from kwhub.concentrator.app import Concentrator
from kwhub.domain.errors import LinkDown
from kwhub.domain.readings import Register
from kwhub.headend.app import HeadEnd
from kwhub.headend.store import alarm_rows
from kwhub.headend.store.alarm_rows import AlarmsWanted
from kwhub.headend.store.views import OrderState
from kwhub.links.base import Link
from kwhub.links.layers import FaultRates, Faulty, Throttled
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import Clock, LoopClock
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.device import serve_meters

__all__ = ["Played", "Wires", "damage_rates", "play", "serve_until_over"]

PROGRESS_STEP_S = 1_800.0
ORDERED = (Register("1-0:1.8.0"), Register("1-0:32.7.0"))
ORDER_PAUSE_S = 9_000.0
"""Between two orders to read a meter now: all meters get theirs within a week."""


@dataclass(frozen=True, slots=True)
class Played:
    """What became of the time that was played."""

    meters: int
    points_expected: int
    points_got: int
    duplicates: int
    orders_done: int
    line_loss_percent: Decimal | None
    alarms: int  #: that the concentrators have reported
    statements: int  #: issued for the whole days
    frames: int  #: sent on the buses, repeats included, and reports on the uplink
    cpu_seconds: float

    @property
    def completeness(self) -> float:
        """Points that came, divided by those that were expected."""
        return self.points_got / self.points_expected if self.points_expected else 0.0


def damage_rates(share: float) -> FaultRates:
    """Knobs that damage this share of the frames: a quarter lost, a quarter cut, half with a bit turned."""
    return FaultRates(loss=share / 4, cut=share / 4, flip=share / 2)


class Wires:
    """Opens the memory links of the world, with the other end of each attended to."""

    def __init__(
        self, world: World, headend: HeadEnd, clock: Clock, tasks: asyncio.TaskGroup, damage: float
    ) -> None:
        self._world = world
        self._headend = headend
        self._clock = clock
        self._tasks = tasks
        self._rates = damage_rates(damage)
        self._opened = 0
        self.running: list[asyncio.Task[None]] = []

    async def open(self, address: str) -> Link:
        """Open ``memory:headend`` or ``memory:bus-N``."""
        name = address.removeprefix("memory:")
        self._opened += 1
        is_bus = name.startswith("bus-")
        near, far = pair(baud=BAUD if is_bus else None)
        chance = seeded(self._world.area.seed, "damage", name, self._opened)
        damaged = Faulty(near, chance, self._rates)
        if not is_bus:
            self._keep(self._attend(far))
            return damaged
        meters = self._world.area.bus(int(name.removeprefix("bus-")))
        self._keep(serve_meters(far, meters, self._clock))
        return Throttled(damaged, self._clock, baud=BAUD)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        self.running = [task for task in self.running if not task.done()]
        self.running.append(serve_until_over(self._tasks, work))

    async def _attend(self, link: Link) -> None:
        try:
            await self._headend.attend(link)
        except LinkDown:
            await link.aclose()


def serve_until_over(
    tasks: asyncio.TaskGroup, work: Coroutine[Any, Any, None]
) -> asyncio.Task[None]:
    """Serve the far end of a link that is being opened.

    Raises:
        LinkDown: Ctrl-C has ended everything; whoever opens the link meets a way that is down.
    """
    try:
        return tasks.create_task(work)
    except RuntimeError as error:  # the group takes no more
        work.close()
        raise LinkDown("what is played has been ended") from error


async def _order(headend: HeadEnd, clock: Clock, world: World, stop: datetime) -> int:
    """Have each meter read on demand once, spread over the time; returns how many answered."""
    done = 0
    known = {meter.address: number for number, meter in headend.store.archive.meters.items()}
    for place in world.area.places:
        if clock.now() + timedelta(seconds=ORDER_PAUSE_S) >= stop:
            break
        await clock.sleep(ORDER_PAUSE_S)
        meter_id = known[place.meter.address]
        number = await headend.orders.read_now(meter_id, ORDERED, by="demonstration")
        order = await headend.orders.wait(number)
        done += order is not None and order.state is OrderState.DONE
    return done


async def _progress(
    clock: Clock, start: datetime, stop: datetime, told: Callable[[float], None]
) -> None:
    while True:
        told(min(1.0, (clock.now() - start) / (stop - start)))
        await clock.sleep(PROGRESS_STEP_S)


def _judge(
    headend: HeadEnd, start: datetime, stop: datetime
) -> tuple[int, int, int, Decimal | None]:
    """Points expected and got, duplicates, and the line loss of the whole days between."""
    zone = ZoneInfo(ZONE)
    first = start.astimezone(zone).date()
    last = (stop - timedelta(seconds=1)).astimezone(zone).date()
    complete = headend.queries.completeness(first, last)
    supply = loss = Decimal(0)
    known = True
    for offset in range((last - first).days + 1):
        for area in headend.queries.areas(first + timedelta(days=offset)):
            if area.supply_kwh is None or area.loss_kwh is None:
                known = False
            else:
                supply += area.supply_kwh
                loss += area.loss_kwh
    percent = (loss * 100 / supply).quantize(Decimal("0.01")) if known and supply else None
    return complete.expected, complete.got, complete.duplicates, percent


class _Play:
    """One run of the world."""

    def __init__(self, world: World, clock: Clock, damage: float, tasks: asyncio.TaskGroup) -> None:
        self.world = world
        self.clock = clock
        self.headend = HeadEnd(world.headend(), clock)
        self.wires = Wires(world, self.headend, clock, tasks, damage)
        buses = {number: f"memory:bus-{number}" for number in range(1, world.area.bus_count + 1)}
        self.concentrators = [
            Concentrator(
                world.concentrator(number, uplink="memory:headend", buses=buses),
                clock,
                chance=seeded(world.area.seed, REGION, number),
                open_link=self.wires.open,
            )
            for number in range(1, CONCENTRATORS + 1)
        ]

    async def close(self) -> None:
        """Close every store."""
        await self.headend.close()
        for concentrator in self.concentrators:
            concentrator.close()

    def frames(self) -> int:
        """Requests on the buses, repeats included, and reports on the uplink."""
        counters = [concentrator.counters for concentrator in self.concentrators]
        asked = sum(bus.requests + bus.retries for each in counters for bus in each.buses.values())
        return asked + sum(each.uplink.reports for each in counters)


async def _run(
    clock: LoopClock,
    world: World,
    span: tuple[datetime, datetime],
    afterwards: timedelta,
    damage: float,
    told: Callable[[float], None],
) -> Played:
    began = process_time()
    start, stop = span
    end = stop + afterwards
    async with asyncio.TaskGroup() as tasks:
        play_ = _Play(world, clock, damage, tasks)
        await set_up(play_.headend, world, start)
        running = [tasks.create_task(play_.headend.run())]
        running += [tasks.create_task(each.run()) for each in play_.concentrators]
        running.append(tasks.create_task(_progress(clock, start, end, told)))
        orders = tasks.create_task(_order(play_.headend, clock, world, stop))
        events = tasks.create_task(happen(play_.headend, clock, world, start, stop))
        await clock.sleep_until(end)
        await events
        orders_done = await orders
        for task in [*running, *play_.wires.running]:
            task.cancel()
    await play_.headend.pack()
    expected, got, duplicates, percent = _judge(play_.headend, start, stop)
    statements = issue_statements(play_.headend, start)
    with play_.headend.store.database.read() as connection:
        _, alarms = alarm_rows.alarms(connection, AlarmsWanted())
    await play_.close()
    told(1.0)
    spent = round(process_time() - began, 2)
    return Played(
        len(world.area.places),
        expected,
        got,
        duplicates,
        orders_done,
        percent,
        alarms,
        statements,
        play_.frames(),
        spent,
    )


def play(
    world: World,
    *,
    start: datetime,
    stop: datetime,
    damage: float,
    afterwards: timedelta = timedelta(0),
    told: Callable[[float], None] = lambda _share: None,
) -> Played:
    """Play the world from ``start`` to ``stop`` (aware) on virtual time.

    Args:
        world: the meters, and the folder in which the stores are left behind.
        start: first moment.
        stop: last moment that is judged.
        damage: share of the frames that are damaged, 0 to 1.
        afterwards: played on top, for the last hour to be read and reported.
        told: hears how far it is, 0 to 1.
    """
    return run_virtual(
        lambda clock: _run(clock, world, (start, stop), afterwards, damage, told), start=start
    )
