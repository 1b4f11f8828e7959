"""Where edges come from: something that knows the levels of sixteen inputs and what happened since the last look."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from kwhub.catalog.terminal_profile import CHANNELS
from kwhub.runtime.chance import Random, seeded
from kwhub.terminal.box import Batch

__all__ = ["Inputs", "SimulatedInputs", "SimulatedMeter"]

_US_PER_HOUR: Final = 3_600_000_000
_PULSE_US: Final = 30_000
_BURST_EDGES: Final = 4
_BOUNCE_US: Final = 300


class Inputs(Protocol):
    """Sixteen inputs; moments are monotonic microseconds."""

    def levels(self) -> int:
        """Bit n is the level of channel n+1 now."""

    def edges(self, now_us: int) -> Mapping[int, Batch]:
        """Edges by channel number up to a moment, each told once."""

    def lost(self) -> Mapping[int, int]:
        """How many edges were lost by channel number, each told once: the count of such a channel may be low."""

    def cover_open(self) -> bool | None:
        """Whether the cover of the box is open now; None when nothing watches it."""

    def close(self) -> None:
        """Let go of the inputs."""


@dataclass(frozen=True, slots=True)
class SimulatedMeter:
    """A meter before a simulated input: steady load, a contact that bounces.

    Attributes:
        constant: imp/kWh.
        load_kw: above zero.
    """

    constant: int
    load_kw: float

    @property
    def period_us(self) -> int:
        """Between two pulses."""
        return max(2 * _PULSE_US, int(_US_PER_HOUR / (self.constant * self.load_kw)))


class SimulatedInputs:
    """Meters that pulse by themselves.

    Args:
        meters: by channel number.
        seed: of the bounce.
        start_us: the present moment.
    """

    def __init__(self, meters: Mapping[int, SimulatedMeter], seed: int, start_us: int) -> None:
        self._meters = {n: meter for n, meter in meters.items() if 1 <= n <= CHANNELS}
        self._chance = seeded(seed, "inputs")
        self._next_us = {
            n: start_us + self._chance.randrange(meter.period_us)
            for n, meter in self._meters.items()
        }
        self._later: dict[int, list[tuple[int, bool]]] = {n: [] for n in self._meters}

    def levels(self) -> int:
        """See Inputs; all are idle at the start."""
        return 0

    def edges(self, now_us: int) -> Mapping[int, Batch]:
        """See Inputs."""
        found: dict[int, Batch] = {}
        for number, meter in self._meters.items():
            waiting = self._later[number]
            while self._next_us[number] <= now_us:
                waiting += _pulse(self._next_us[number], self._chance)
                spread = meter.period_us // 20
                self._next_us[number] += meter.period_us + self._chance.randint(-spread, spread)
            due = [edge for edge in waiting if edge[0] <= now_us]
            if due:
                self._later[number] = waiting[len(due) :]
                times, levels = zip(*due, strict=True)
                found[number] = (np.array(times, np.int64), np.array(levels, np.bool_))
        return found

    def lost(self) -> Mapping[int, int]:
        """See Inputs; nothing is."""
        return {}

    def cover_open(self) -> bool | None:
        """See Inputs; a simulated box has no cover."""
        return None

    def close(self) -> None:
        """See Inputs."""
        self._meters = {}


def _pulse(start_us: int, chance: Random) -> list[tuple[int, bool]]:
    """The edges of one pulse: bounce, level, bounce."""
    edges: list[tuple[int, bool]] = []
    for begin_us, level in ((start_us, True), (start_us + _PULSE_US, False)):
        moments = sorted(begin_us + chance.randrange(_BOUNCE_US) for _ in range(_BURST_EDGES + 1))
        edges += [(moment, level ^ bool(n % 2)) for n, moment in enumerate(moments)]
    return edges
