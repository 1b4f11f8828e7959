"""Light on its way, train by train: what a receiver module makes of the marks that reach it.

No samples are made: a train goes in, a train comes out, with chance from a seed only.  Whether a
mark is seen follows the link budget (``channel_budget``) within a fluctuation of ``SIGMA_DB``;
bursts that are too short vanish, gaps that are too short close, long bursts cost gain until the
dark after them is made up, and marks come out a little longer.

Source: our own model; burst rules after data sheets of 38 kHz receiver modules (at least 10 cycles
a burst; at least 14 cycles dark; over 1.8 ms as much dark somewhere), which differ from type to type.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kwhub.infrared.channel_budget import Emitter, Eye, Scene, margin_db, range_m, threshold
from kwhub.infrared.pulses import Pulses
from kwhub.runtime.chance import Random

__all__ = [
    "SIGMA_DB",
    "Arrival",
    "Emitter",
    "Eye",
    "OpticalChannel",
    "Receiver",
    "Scene",
    "Seen",
    "margin_db",
    "range_m",
    "threshold",
]

SIGMA_DB = 0.1
"""Standard deviation of the strength of one mark, optical decibels."""

CARRIER_HZ = 38_000.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A train that reaches a receiver."""

    pulses: Pulses
    margin_db: float  #: over the receiver's threshold, without what long bursts cost
    start_us: float = 0.0  #: of the first mark, on the receiver's own line of time


@dataclass(frozen=True, slots=True)
class Seen:
    """What a receiver puts out for some arrivals."""

    pulses: Pulses | None  #: None when nothing was seen
    start_us: float = 0.0  #: of the first mark
    marks_lost: int = 0  #: marks that were too weak or too short


@dataclass(slots=True)
class _Mark:
    start_us: float
    end_us: float
    margin_db: float
    cycle_us: float


class Receiver:
    """A receiver module with a memory: what long bursts have cost it is carried from train to train.

    Args:
        eye: its figures.
        chance: for the strength of each mark and for how much longer it comes out.
    """

    def __init__(self, eye: Eye, chance: Random) -> None:
        self.eye = eye
        self._chance = chance
        self._owed_us = 0.0
        self._dark_since_us = -math.inf

    def see(self, arrivals: Iterable[Arrival]) -> Seen:
        """What comes out for trains that may overlap; light is light, whoever sends it."""
        marks = sorted(
            (mark for arrival in arrivals for mark in _marks(arrival)),
            key=lambda mark: mark.start_us,
        )
        seen: list[tuple[float, float]] = []
        lost = 0
        for mark in marks:
            if self._sees(mark):
                stretch = self._chance.uniform(0, self.eye.stretch_cycles) * mark.cycle_us
                self._put_out(seen, mark.start_us, mark.end_us + stretch, mark.cycle_us)
            else:
                lost += 1
        return _seen(seen, lost)

    def _sees(self, mark: _Mark) -> bool:
        """Judge a mark, and pay or owe dark time."""
        dark_us = max(0.0, mark.start_us - self._dark_since_us)
        self._owed_us = max(0.0, self._owed_us - dark_us)
        length_us = mark.end_us - mark.start_us
        margin = mark.margin_db + self._chance.gauss(0.0, SIGMA_DB)
        if self._owed_us > 0:
            margin -= self.eye.long_burst_db
        if margin < 0:
            return False
        self._dark_since_us = max(self._dark_since_us, mark.end_us)
        if length_us > self.eye.long_burst_us:
            self._owed_us += length_us
        return length_us >= self.eye.burst_cycles_min * mark.cycle_us * 0.99

    def _put_out(
        self, seen: list[tuple[float, float]], start_us: float, end_us: float, cycle_us: float
    ) -> None:
        gap_us = self.eye.gap_cycles_min * cycle_us * 0.5
        if seen and start_us - seen[-1][1] < gap_us:
            seen[-1] = (seen[-1][0], max(seen[-1][1], end_us))
        else:
            seen.append((start_us, end_us))


def _marks(arrival: Arrival) -> list[_Mark]:
    cycle_us = 1e6 / (arrival.pulses.carrier_hz or CARRIER_HZ)
    marks, at_us = [], arrival.start_us
    for place, duration in enumerate(arrival.pulses.durations_us):
        if place % 2 == 0:
            marks.append(_Mark(at_us, at_us + duration, arrival.margin_db, cycle_us))
        at_us += duration
    return marks


def _seen(marks: Sequence[tuple[float, float]], lost: int) -> Seen:
    if not marks:
        return Seen(None, 0.0, lost)
    durations: list[float] = []
    for place, (start_us, end_us) in enumerate(marks):
        if place:
            durations.append(start_us - marks[place - 1][1])
        durations.append(end_us - start_us)
    return Seen(Pulses(tuple(durations)), marks[0][0], lost)


class OpticalChannel:
    """One direction of light: from an emitter to a receiver.

    Args:
        scene: distance, angle and ambient light.
        chance: from ``runtime.chance.seeded``.
        emitter: the sending diode.
        eye: the receiving module.
        echo: share of one's own light that comes back from glass 10 cm away, 0 to 1.
    """

    def __init__(
        self,
        scene: Scene,
        chance: Random,
        *,
        emitter: Emitter | None = None,
        eye: Eye | None = None,
        echo: float = 0.0,
    ) -> None:
        self.scene = scene
        self.emitter = emitter or Emitter()
        self.eye = eye or Eye()
        self.echo = echo
        self.receiver = Receiver(self.eye, chance)

    def arrival(self, pulses: Pulses, start_us: float = 0.0) -> Arrival:
        """A train of the emitter as it reaches the receiver."""
        carrier_hz = pulses.carrier_hz or CARRIER_HZ
        margin = margin_db(self.scene, carrier_hz=carrier_hz, emitter=self.emitter, eye=self.eye)
        return Arrival(pulses, margin, start_us)

    def reflection(self, pulses: Pulses, start_us: float = 0.0) -> Arrival | None:
        """One's own train as it comes back; None when nothing is reflected."""
        if self.echo <= 0:
            return None
        light = self.emitter.intensity_mw_sr * self.echo / 0.2**2
        light *= self.eye.passes(pulses.carrier_hz or CARRIER_HZ)
        return Arrival(pulses, 10 * math.log10(light / threshold(self.scene, self.eye)), start_us)

    def transmit(self, pulses: Pulses, *, disturbed_by: Iterable[Arrival] = ()) -> Seen:
        """Send a train; what the receiver puts out.

        Args:
            pulses: what is sent.
            disturbed_by: trains of others; ``start_us`` counts from the beginning of this one.
        """
        first = 0.0
        others = list(disturbed_by)
        return self.receiver.see([self.arrival(pulses, first), *others])
