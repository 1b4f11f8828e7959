"""How near a concentrator comes to the shortest time in which a bus of 32 meters can be read.

The real bus of the concentrator with plan, ledger and store reads simulated meters at 2400 baud for
some hourly rounds, over a half-duplex line on virtual time, where the wire time is exact. A meter begins
its answer after 20 ms; the line loses 2 % of all frames, requests and answers. A round lasts from
the first bit of its first request to the last bit of its last answer.

The reference is the theoretical minimum, from the same rounds on a line without losses and the number of
frames that were lost::

    minimum = bytes * 11 / 2400 + exchanges * 0.02 s + lost * (mean request * 11 / 2400 + 0.5 s)

Bytes and exchanges are those of the line without losses. A lost frame costs its request again and the
0.5 s that a meter has by DL/T 645-2007, clause 5.1, to begin its answer: who waits for less
talks into answers that are on their way.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from zoneinfo import ZoneInfo

from benchmarks.result import Result
from kwhub.concentrator.bus import Parts
from kwhub.concentrator.config import BusSettings, MeterSettings, PlanSettings
from kwhub.concentrator.counters import BusCounters
from kwhub.concentrator.downlinks.wired import WireBus
from kwhub.concentrator.outbox import Outbox
from kwhub.concentrator.plan import Plan
from kwhub.links.base import Link
from kwhub.links.layers import Faulty, Throttled
from kwhub.links.layers.faulty import FaultRates
from kwhub.links.layers.layer import Layer
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import Clock, LoopClock
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.area import TransformerArea
from kwhub.sim.device import serve_meters

__all__ = ["run"]

METERS = 32
BAUD: Final = 2400
BITS_PER_BYTE = 11
REPLY_DELAY_S = 0.02
LONGEST_REPLY_DELAY_S = 0.5
LOSS = 0.02
HOURS = 12
PAUSE_S = 20.0  #: silence for longer than this lies between two rounds
PROMISED = 0.97
SEED = 5
ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 3, 2, tzinfo=ZONE)


class _Watched(Layer):
    """Times what goes over a line."""

    def __init__(self, inner: Link, clock: Clock) -> None:
        super().__init__(inner)
        self._clock = clock
        self._began: float | None = None
        self._last = 0.0
        self.busy_s = 0.0
        self.rounds = 0
        self.requests = self.bytes_out = self.bytes_in = 0

    async def write(self, data: bytes) -> None:
        now = self._clock.monotonic()
        if self._began is None or now - self._last > PAUSE_S:
            self.end_round()
            self._began = now
            self.rounds += 1
        self.requests += 1
        self.bytes_out += len(data)
        await super().write(data)
        self._last = self._clock.monotonic()

    async def read(self) -> bytes:
        data = await super().read()
        self.bytes_in += len(data)
        self._last = self._clock.monotonic()
        return data

    def end_round(self) -> None:
        if self._began is not None:
            self.busy_s += self._last - self._began
        self._began = None


@dataclass(frozen=True, slots=True)
class _Heard:
    """What went over a line in all rounds."""

    seconds: float
    rounds: int
    requests: int
    bytes_out: int
    bytes_in: int
    lost: int
    readings: int


async def _rounds(clock: LoopClock, path: Path, loss: float) -> _Heard:
    """Read the meters for some hours."""
    area = TransformerArea(SEED, start=START, meters=METERS, concentrators=1, buses=1)
    near, far = pair()
    faulty = Faulty(near, seeded(SEED, "loss"), FaultRates(loss=loss))
    watched = _Watched(Throttled(faulty, clock, baud=BAUD), clock)
    meters = [place.meter for place in area.places]
    serving = asyncio.ensure_future(serve_meters(far, meters, clock, reply_delay_s=REPLY_DELAY_S))

    async def opener(_address: str) -> Link:
        return watched

    outbox = Outbox.open(str(path))
    below = tuple(
        MeterSettings(place.meter.address, place.point, 3 if place.meter.phases == 3 else 1)
        for place in area.places
    )
    outbox.adopt(((each.point, each.address) for each in below), int(clock.now().timestamp()))
    settings = BusSettings("bus", "serial:/dev/ttyS0", 2, BAUD, meter=below)
    parts = Parts(outbox, clock, opener, BusCounters(), lambda: None)
    bus = WireBus(settings, Plan(PlanSettings(history_days=0), ZONE), parts)
    reading = asyncio.ensure_future(bus.serve())
    await asyncio.wait({reading}, timeout=HOURS * 3_600 - 60)
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    await serving
    watched.end_round()
    counts = outbox.counts()
    outbox.close()
    if counts.gaps_lost or counts.gaps_open:
        raise ValueError(f"the rounds left gaps: {counts}")
    lost = faulty.counts.lost
    return _Heard(
        watched.busy_s,
        watched.rounds,
        watched.requests,
        watched.bytes_out,
        watched.bytes_in,
        lost,
        counts.readings,
    )


def _minimum_s(clean: _Heard, lost: int) -> float:
    byte_s = BITS_PER_BYTE / BAUD
    needed_s = (clean.bytes_out + clean.bytes_in) * byte_s + clean.requests * REPLY_DELAY_S
    request_s = clean.bytes_out / clean.requests * byte_s
    return needed_s + lost * (request_s + LONGEST_REPLY_DELAY_S)


def run() -> list[Result]:
    """Without losses and with them."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        clean, lossy = (
            run_virtual(partial(_rounds, path=folder / f"{loss}.sqlite", loss=loss), start=START)
            for loss in (0.0, LOSS)
        )
    if (clean.readings, clean.rounds) != (lossy.readings, lossy.rounds):
        raise ValueError(f"other work was done with losses: {clean} {lossy}")
    return [
        Result(
            f"{heard.rounds} rounds of {METERS} meters, {loss:.0%} lost",
            ours=heard.seconds,
            reference=_minimum_s(clean, heard.lost),
            unit="s",
            against="theoretical minimum",
            lower_is_better=True,
            least_ratio=PROMISED,
        )
        for loss, heard in ((0.0, clean), (LOSS, lossy))
    ]
