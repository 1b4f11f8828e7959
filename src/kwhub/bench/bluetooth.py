"""How well Bluetooth nodes talk: readings a second, latency, loss, throughput, and time to be back.

Every cell of a matrix (masters x slaves x distance) has an air of its own with the seeded radio model, and
runs on virtual time: the same seed gives the same figures on every machine. What is measured is the real
link, session and node over the model; it says nothing about a real aerial.
"""

import asyncio
import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import msgspec

from kwhub.bench.bluetooth_limits_file import BluetoothLimits
from kwhub.bench.results import BAD, Limit, Verdict, judge
from kwhub.bluetooth.air import Air, name_air
from kwhub.bluetooth.pairing import Pairing
from kwhub.bluetooth.radio import Radio, Setting
from kwhub.bluetooth.station import Station, StationSettings
from kwhub.domain.errors import LinkDown
from kwhub.links.base import Link
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import LoopClock
from kwhub.runtime.virtual import run_virtual

__all__ = ["BluetoothResult", "Cell", "Judged", "measure", "percentile"]

REQUEST, ANSWER = bytes(16), bytes(20)
"""Of reading one register of DL/T 645-2007."""

BULK_BYTES = 4_096
PATIENCE_S = 10.0
START = datetime(2026, 3, 1, tzinfo=UTC)
FOREVER_S = 120.0
RETRY_S = 0.5

_airs = count(1)


class Cell(msgspec.Struct, frozen=True):
    """What one size at one distance has shown."""

    masters: int
    slaves: int
    distance_m: float
    connected: int  #: links that could be made, of masters x slaves
    rate: float  #: readings a second and link
    p50: float | None  #: ms
    p95: float | None
    p99: float | None
    loss: float  #: share of readings without answer
    throughput: float  #: bytes a second from one slave to its master
    reconnect: float | None  #: s from the moment at which the radio is back


class Judged(msgspec.Struct, frozen=True):
    """One figure of one cell and what is thought of it."""

    key: str
    value: float | None
    verdict: Verdict
    limit: Limit | None = None


class BluetoothResult(msgspec.Struct, frozen=True):
    """Everything about one set of limits."""

    limits: str
    seed: int
    cells: tuple[Cell, ...]
    judged: tuple[tuple[Judged, ...], ...]  #: for each cell

    @property
    def verdict(self) -> Verdict:
        """Passed when nothing failed or could not be measured."""
        bad = any(one.verdict in BAD for row in self.judged for one in row)
        return "fail" if bad else "pass"


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which a share of all lies, nearest rank; None without values.

    >>> percentile([5.0, 1.0, 3.0, 2.0, 4.0], 0.5)
    3.0
    """
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def measure(limits: BluetoothLimits, seed: int) -> BluetoothResult:
    """Go through the matrix. Runs loops of its own: call it from where none is running."""
    cells = [
        run_virtual(_Bench(limits, seed, masters, slaves, distance_m).run, start=START)
        for masters, slaves in limits.sizes
        for distance_m in limits.distances_m
    ]
    judged = tuple(_judge(cell, limits) for cell in cells)
    return BluetoothResult(limits.name, seed, tuple(cells), judged)


def _judge(cell: Cell, limits: BluetoothLimits) -> tuple[Judged, ...]:
    rows = []
    for key in ("rate", "p50", "p95", "p99", "loss", "throughput", "reconnect"):
        value = getattr(cell, key)
        limit = limits.of(key)
        rows.append(Judged(key, value, judge(value, None, limit)[0], limit))
    return tuple(rows)


@dataclass(slots=True)
class _Bench:
    """One cell while it is measured."""

    limits: BluetoothLimits
    seed: int
    masters: int
    slaves: int
    distance_m: float
    waits_s: list[float] = field(default_factory=list)
    lost: int = 0

    async def run(self, clock: LoopClock) -> Cell:
        """Make all links, read on all at once, then fill one, then cut it."""
        limits = self.limits
        setting = Setting(
            exponent=limits.exponent,
            interval_s=limits.interval_ms / 1_000,
            packet_loss=limits.interference,
            supervision_s=limits.supervision_s,
        )
        radio = Radio(seeded(self.seed, "bench", self.masters, self.slaves), setting)
        radio.places |= {_slave(n): (self.distance_m, 0.0) for n in range(self.slaves)}
        name = f"bench-{next(_airs)}"
        name_air(name, Air(radio))
        async with AsyncExitStack() as stack:
            links, first = await self._connect(stack, clock, f"air:{name}")
            began = clock.monotonic()
            async with asyncio.TaskGroup() as tasks:
                for link in links:
                    tasks.create_task(self._read(link, clock))
            took_s = clock.monotonic() - began
            bytes_a_second = await _fill(links[0], clock) if links else 0.0
            back_s = await self._come_back(first, radio, clock, links[0]) if links else None
        made = len(links) * limits.cycles
        waits = [wait * 1_000 for wait in self.waits_s]
        return Cell(
            self.masters,
            self.slaves,
            self.distance_m,
            len(links),
            rate=len(waits) / took_s / len(links) if links and took_s else 0.0,
            p50=percentile(waits, 0.5),
            p95=percentile(waits, 0.95),
            p99=percentile(waits, 0.99),
            loss=1.0 - len(waits) / (made or 1),
            throughput=bytes_a_second,
            reconnect=back_s,
        )

    async def _connect(
        self, stack: AsyncExitStack, clock: LoopClock, air: str
    ) -> tuple[list[Link], Station]:
        for number in range(self.slaves):
            slave = await _station(stack, clock, air, _slave(number))
            slave.listen(_answer, profile="nus", masters_max=self.masters)
        stations = [
            await _station(stack, clock, air, f"F0:00:00:00:02:{n:02X}")
            for n in range(self.masters)
        ]
        links: list[Link] = []
        for station in stations:
            for number in range(self.slaves):
                try:
                    links.append(await station.connect(_slave(number)))
                except LinkDown:
                    continue  # out of reach: it is counted by its absence
        return links, stations[0]

    async def _read(self, link: Link, clock: LoopClock) -> None:
        for _ in range(self.limits.cycles):
            began = clock.monotonic()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await link.write(REQUEST)
                    await _take(link, len(ANSWER))
            except (TimeoutError, LinkDown):
                self.lost += 1
                continue
            self.waits_s.append(clock.monotonic() - began)

    async def _come_back(
        self, station: Station, radio: Radio, clock: LoopClock, link: Link
    ) -> float | None:
        """Cut the first link's radio until the link has ended; how long until it answers again."""
        pair = (min(station.address, _slave(0)), max(station.address, _slave(0)))
        radio.cut.add(pair)
        try:
            await link.write(REQUEST)
            await _take(link, len(ANSWER))
        except LinkDown:
            pass  # what was waited for
        radio.cut.discard(pair)
        began = clock.monotonic()
        while clock.monotonic() - began < FOREVER_S:
            try:
                again = await station.connect(_slave(0))
                await again.write(REQUEST)
                await _take(again, len(ANSWER))
            except LinkDown:
                await clock.sleep(RETRY_S)
            else:
                return clock.monotonic() - began
        return None


def _slave(number: int) -> str:
    return f"F0:00:00:00:01:{number:02X}"


async def _station(stack: AsyncExitStack, clock: LoopClock, air: str, address: str) -> Station:
    station = await Station.open(StationSettings(air, address), clock, Pairing(enforced=False))
    stack.push_async_callback(station.aclose)
    return station


async def _answer(link: Link) -> None:
    """A slave: short requests get a reading, a single byte gets a lot."""
    while True:
        asked = await link.read()
        await link.write(bytes(BULK_BYTES) if len(asked) == 1 else ANSWER)


async def _take(link: Link, wanted: int) -> None:
    got = 0
    while got < wanted:
        got += len(await link.read())


async def _fill(link: Link, clock: LoopClock) -> float:
    """Bytes a second of a long answer; 0 when it does not arrive."""
    began = clock.monotonic()
    try:
        async with asyncio.timeout(FOREVER_S):
            await link.write(b"?")
            await _take(link, BULK_BYTES)
    except (TimeoutError, LinkDown):
        return 0.0
    return BULK_BYTES / (clock.monotonic() - began)
