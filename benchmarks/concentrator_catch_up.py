"""How fast a head-end that was down for a day is caught up: times real time.

A day of 320 meters waits in a real store; the real uplink brings it to a real head-end, which commits every report
before it confirms it. Once over loopback TCP, and once on virtual time over a way that takes 300 ms in each
direction, as cellular networks do (to which the time on the processor is added). The reference is real time.
"""

import asyncio
import time
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from benchmarks.result import Result
from kwhub.concentrator.answers import Answers
from kwhub.concentrator.config import Identity, MeterSettings, PlanSettings, UplinkSettings
from kwhub.concentrator.counters import UplinkCounters
from kwhub.concentrator.outbox import Batch, Outbox
from kwhub.concentrator.plan import Plan
from kwhub.concentrator.uplink import Uplink
from kwhub.domain.errors import LinkDown
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Area, Config, Meter, Service, Terminal
from kwhub.links.address import open_link
from kwhub.links.base import Link
from kwhub.links.layers import Layer
from kwhub.links.memory import pair
from kwhub.runtime.clock import Clock, LoopClock, SystemClock
from kwhub.runtime.virtual import run_virtual

__all__ = ["run"]

METERS = 320
DAY_S = 86_400
ONE_WAY_S = 0.3
PROMISED = 50.0
LOOK_S = 0.05
ZONE = ZoneInfo("Asia/Shanghai")
BEGIN = datetime(2026, 3, 2, tzinfo=ZONE)


class _Far(Layer):
    """A link on which everything takes a while in both directions."""

    async def read(self) -> bytes:
        data = await super().read()
        await asyncio.sleep(ONE_WAY_S)
        return data

    async def write(self, data: bytes) -> None:
        await asyncio.sleep(ONE_WAY_S)
        await super().write(data)


def _address(number: int) -> str:
    return f"{number:012d}"


def _fill(path: Path) -> tuple[Outbox, list[Any]]:
    """A store in which a whole day waits."""
    outbox = Outbox.open(str(path))
    plan = Plan(PlanSettings(), ZONE)
    meters = [plan.meter(MeterSettings(_address(n), n)) for n in range(1, METERS + 1)]
    begin = int(BEGIN.timestamp())
    for meter in meters:
        batch = Batch(begin + DAY_S)
        for series in meter.series:
            for slot in plan.slots(series, meter.point, begin - 1, begin + DAY_S - 1):
                value = Decimal(slot.at // 900 % 10).scaleb(-1)
                batch.read(slot, meter.settings.address, value, "benchmark")
        outbox.keep(batch)
    return outbox, meters


def _head_end(path: Path, clock: Clock, uplink: str) -> HeadEnd:
    meters = tuple(Meter(address=_address(n), point=n) for n in range(1, METERS + 1))
    terminal = Terminal(region="4101", terminal=1, meter=meters)
    area = Area(code="A1", name="benchmark", terminal=(terminal,))
    return HeadEnd(Config(Service(store=str(path), uplink=uplink), area=(area,)), clock)


def _uplink(outbox: Outbox, meters: list[Any], clock: Clock, opener: Any) -> Uplink:
    return Uplink(
        Identity("4101", 1),
        UplinkSettings("tcp:head-end:1"),
        outbox,
        Answers(outbox, meters, ZONE),
        clock=clock,
        open_link=opener,
        ports={},
        counters=UplinkCounters(),
    )


async def _empty(uplink: Uplink, outbox: Outbox, clock: Clock) -> None:
    """Connect, and wait until nothing waits any more."""
    task = asyncio.ensure_future(uplink.connect())
    while outbox.waiting(1):
        if task.done():
            await task
        await clock.sleep(LOOK_S)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _count(head_end: HeadEnd, expected: int) -> None:
    if head_end.front.counters["readings"] != expected:
        raise ValueError(f"{expected} readings expected: {head_end.front.counters}")


async def _near(folder: Path) -> float:
    clock = SystemClock()
    outbox, meters = _fill(folder / "near.sqlite")
    head_end = _head_end(folder / "head-end.sqlite", clock, "tcp-listen:127.0.0.1:0")
    serving = asyncio.ensure_future(head_end.run())
    await head_end.running.wait()
    address = head_end.address.replace("-listen", "")

    async def opener(_address: str) -> Link:
        return await open_link(address, clock=clock)

    count = outbox.counts().waiting
    began = time.perf_counter()
    await _empty(_uplink(outbox, meters, clock, opener), outbox, clock)
    took_s = time.perf_counter() - began
    _count(head_end, count)
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving
    await head_end.close()
    outbox.close()
    return took_s


async def _far(clock: LoopClock, folder: Path) -> float:
    outbox, meters = _fill(folder / "far.sqlite")
    head_end = _head_end(folder / "far-head-end.sqlite", clock, "")
    attending: list[asyncio.Future[None]] = []

    async def opener(_address: str) -> Link:
        near, far = pair()
        attending.append(asyncio.ensure_future(head_end.attend(far)))
        return _Far(near)

    count = outbox.counts().waiting
    began, cpu = clock.monotonic(), time.process_time()
    await _empty(_uplink(outbox, meters, clock, opener), outbox, clock)
    took_s = clock.monotonic() - began + time.process_time() - cpu
    _count(head_end, count)
    with suppress(LinkDown):
        await asyncio.wait(attending)
    await head_end.close()
    outbox.close()
    return took_s


def run() -> list[Result]:
    """Both ways; how many times real time."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        near_s = asyncio.run(_near(folder))
        start = BEGIN + timedelta(seconds=DAY_S)
        far_s = run_virtual(lambda clock: _far(clock, folder), start=start)
    return [
        Result(
            f"a day of {METERS} meters, {way}",
            ours=DAY_S / took_s,
            reference=1.0,
            unit="x",
            against="real time",
            least_ratio=PROMISED,
        )
        for way, took_s in (("loopback", near_s), ("600 ms away", far_s))
    ]
