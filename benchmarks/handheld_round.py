"""A collection round of 300 customers behind 20 terminals, on virtual time, against the way's own minimum.

The line is a half-duplex way of 9600 bits a second, 8E1, to one terminal at a time. Its minimum is what the frames
of 300 readings take on it, with the 20 ms in which a meter must not answer and nothing else: no pauses, no repeats, and
a device whose own work takes no time, which is so on virtual time for ours, too: what shows is whether its way of asking
wastes any of the air. Ours is a whole round: identity, grants, sealed store, route.

The radio is the simulated short-range one at 10 kbit/s, shared by all, with 1 % loss close by and more with the
distance; its terminals sleep until they are woken. Its minimum is every packet once: the wake-up of each terminal, a
request and an answer for each customer, turnarounds, the meters' 20 ms. Lost packets are ours to make good.
"""

import asyncio
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from benchmarks.result import Result
from kwhub.domain.errors import LinkDown
from kwhub.exchange.device_messages import (
    Answer,
    Grant,
    Request,
    Work,
    WorkMeter,
    WorkOrder,
)
from kwhub.handheld.channel import Channel
from kwhub.handheld.identity import Identity
from kwhub.handheld.line import Dial, Ways
from kwhub.handheld.state import Held, State
from kwhub.handheld.tasks import Tasks
from kwhub.handheld.vault import FileKeyStore, Vault
from kwhub.links.base import Link
from kwhub.links.layers import Throttled
from kwhub.links.layers.waking import WAKE_BYTES, Dozing, Waking
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import LoopClock
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.bus import REPLY_DELAY_S
from kwhub.sim.climate import Climate, day_number
from kwhub.sim.device import serve_meters
from kwhub.sim.load import CustomerLoad
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.radio import Air, AirSettings
from kwhub.sim.shapes import Kind

__all__ = ["run"]

START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
TERMINALS, METERS = 20, 15
BAUD, BITS_PER_BYTE = 9_600, 11
REQUEST_BYTES = 4 + 16
"""Wake-up bytes and the frame that asks for one register."""
ANSWER_BYTES = 20
"""Meters may leave the wake-up bytes out, and the simulated ones do."""
LEAST_RATIO, LEAST_RATIO_ON_AIR = 0.95, 0.7

Meters: TypeAlias = dict[str, list[SimulatedMeter]]
Way: TypeAlias = Callable[[asyncio.TaskGroup, Meters, LoopClock], Dial]


def run() -> tuple[Result, Result]:
    """Walk the round on both ways, once each."""
    return _on_a_line(), _on_the_air()


def _on_a_line() -> Result:
    with tempfile.TemporaryDirectory() as folder:
        took_s = run_virtual(lambda clock: _walk(Path(folder), clock, _line), start=START)
    wire_s = (REQUEST_BYTES + ANSWER_BYTES) * BITS_PER_BYTE / BAUD
    least_s = TERMINALS * METERS * (wire_s + REPLY_DELAY_S)
    return Result(
        "round of 300 customers behind 20 terminals",
        took_s,
        least_s,
        "s",
        "the frames on the air at 9600 bit/s and the meters' 20 ms",
        lower_is_better=True,
        least_ratio=LEAST_RATIO,
    )


def _on_the_air() -> Result:
    with tempfile.TemporaryDirectory() as folder:
        took_s = run_virtual(lambda clock: _walk(Path(folder), clock, _air), start=START)
    air, frames = AirSettings(), REQUEST_BYTES + ANSWER_BYTES
    each_s = air.minimum_s(REQUEST_BYTES) + air.minimum_s(frames - REQUEST_BYTES) + REPLY_DELAY_S
    first_s = air.minimum_s(WAKE_BYTES + REQUEST_BYTES) - air.minimum_s(REQUEST_BYTES)
    return Result(
        "the same over a short-range radio with loss",
        took_s,
        TERMINALS * (first_s + METERS * each_s),
        "s",
        "every packet once at 10 kbit/s, wake-ups and the meters' 20 ms",
        lower_is_better=True,
        least_ratio=LEAST_RATIO_ON_AIR,
    )


def _line(tasks: asyncio.TaskGroup, meters: Meters, clock: LoopClock) -> Dial:
    async def dial(address: str) -> Link:
        near, far = pair(baud=BAUD)
        tasks.create_task(_served(far, meters[address], clock))
        return Throttled(near, clock, baud=BAUD)

    return dial


def _air(tasks: asyncio.TaskGroup, meters: Meters, clock: LoopClock) -> Dial:
    air = Air(clock, seeded(1, "air"))
    for number, name in enumerate(meters):
        place = (20.0 + 5 * number, 30.0)
        node = Dozing(air.node(name, place), clock)
        tasks.create_task(_served(node, meters[name], clock))
    # Whoever walks is near each terminal when it is read.
    places = {name: (20.0 + 5 * number, 0.0) for number, name in enumerate(meters)}

    async def dial(address: str) -> Link:
        return Waking(air.node("handheld", places[address]), clock)

    return dial


async def _walk(folder: Path, clock: LoopClock, way: Way) -> float:
    meters = {
        f"t{terminal:02}": [_meter(terminal * METERS + place) for place in range(METERS)]
        for terminal in range(TERMINALS)
    }
    async with asyncio.TaskGroup() as tasks:
        dial = way(tasks, meters, clock)
        held = await _tasks(folder, clock, Ways("{terminal}", dial, clock), meters)
        start = clock.monotonic()
        (choice,) = held.choices("order")
        seen = [visit async for visit in held.collect(choice.places)]
        took_s = clock.monotonic() - start
        await held.aclose()
        for task in list(tasks._tasks):  # noqa: SLF001 - terminals listen without an end
            task.cancel()
    if sum(visit.read_at is not None for visit in seen) != TERMINALS * METERS:
        raise RuntimeError("the round has left meters out")
    return took_s


async def _served(link: Link, meters: list[SimulatedMeter], clock: LoopClock) -> None:
    try:
        await serve_meters(link, meters, clock)
    except LinkDown:
        await link.aclose()


def _meter(number: int) -> SimulatedMeter:
    load = CustomerLoad(
        Kind.HOUSEHOLD, number, Climate(1, day_number(START.date()) - 40), utc_offset_s=28_800
    )
    return SimulatedMeter(f"{202611200000 + number}", load, seed=number)


class _Desk(Channel):
    """A channel whose far end knows one work order."""

    work = Work(())

    async def ask(self, body: Request, lent_to: str = "") -> Answer:
        del body, lent_to
        return self.work


async def _tasks(
    folder: Path, clock: LoopClock, ways: Ways, meters: dict[str, list[SimulatedMeter]]
) -> Tasks:
    """A device whose identity holds, with work for every meter."""
    opened = Vault(folder / "vault", FileKeyStore(folder / "secret")).create("4711", cost=2)
    until = int(START.timestamp()) + 7 * 86_400
    held = Held(b"key", "chain", 1, until, until)
    opened.save(msgspec.msgpack.encode(State("device", "h:1", "h:2", "", current=held)))
    channel = _Desk(Identity(opened, clock, seeded(1)), _nowhere)
    visits = tuple(
        WorkMeter(each.address, terminal) for terminal, some in meters.items() for each in some
    )
    grants = tuple(
        Grant(number, each.address, "read", 1, until) for number, each in enumerate(visits)
    )
    channel.work = Work((WorkOrder(1, "collect", "", until, visits, grants),))
    tasks = Tasks(channel, folder / "work.sqlite", ways, clock, zone=ZoneInfo("Asia/Shanghai"))
    await tasks.delivery.fetch()
    return tasks


async def _nowhere() -> Link:
    raise LinkDown("nobody is called in a benchmark")
