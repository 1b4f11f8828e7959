"""The counting registers of a meter: energy by tariff, reactive energy, maximum demand.

A register counts whole ticks of 0.01 kWh. The total and the tariffs count the same ticks, so the
tariffs add up to the total exactly, at every moment.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import NamedTuple

from kwhub.sim.climate import DAY_S
from kwhub.sim.load import JOULES_PER_KWH, Load
from kwhub.sim.shapes import SLOT_S, SLOTS
from kwhub.sim.switching import SwitchedLoad

__all__ = [
    "TARIFFS",
    "TICKS_PER_KWH",
    "USUAL_TABLE",
    "Demand",
    "EnergyRegisters",
    "TimeTable",
    "reactive_permille",
]

TICKS_PER_KWH = 100
_TICK_J = JOULES_PER_KWH // TICKS_PER_KWH
TARIFFS = 4
"""1 sharp (尖), 2 peak (峰), 3 flat (平), 4 valley (谷), the usual order in China."""


class TimeTable(NamedTuple):
    """From which second of the local day which tariff holds; the first entry starts at 0."""

    switches: tuple[tuple[int, int], ...]

    def at(self, second: int) -> int:
        """The tariff (1 to 4) at a second of the day."""
        return next(tariff for start, tariff in reversed(self.switches) if start <= second)


USUAL_TABLE = TimeTable(
    tuple(
        (hour * 3600, tariff)
        for hour, tariff in (
            (0, 4),
            (7, 3),
            (10, 2),
            (12, 3),
            (16, 2),
            (18, 1),
            (20, 2),
            (22, 3),
            (23, 4),
        )
    )
)


class Demand(NamedTuple):
    """Largest mean power over a demand period of 15 minutes, and when that period ended."""

    watts10: int  #: 0.1 W
    at_s: int  #: seconds since 1970-01-01 UTC; 0 when nothing was drawn yet


@dataclass(frozen=True, slots=True)
class _DayDemand:
    """Largest energy of a quarter within one day, in J and over all phases: total, then each tariff."""

    best: tuple[tuple[int, int], ...]


def reactive_permille(power_factor_permille: int) -> int:
    """Reactive power for each 1000 of active power: the tangent that belongs to a power factor.

    >>> reactive_permille(800)
    750
    """
    return isqrt((1000**2 - power_factor_permille**2) * 10**6) // power_factor_permille


class EnergyRegisters:
    """Registers of one meter, as functions of the moment.

    Args:
        load: what flows through the meter (its own view).
        ratio: of the current transformers before it; registers count the secondary side.
        initial: ticks that each tariff register showed when the load starts.
        table: tariffs of the day. They switch at true local time, whatever the meter's clock says.
        utc_offset_s: of the site.

    Attributes:
        tables: the table of each local day, counted from 1970-01-01; None while it is always the same.
    """

    def __init__(
        self,
        load: Load,
        *,
        ratio: int = 1,
        initial: Sequence[int] = (0, 0, 0, 0),
        table: TimeTable = USUAL_TABLE,
        utc_offset_s: int = 28_800,
    ) -> None:
        if len(initial) != TARIFFS:
            raise ValueError(
                f"{TARIFFS} tariffs need as many initial registers, not {len(initial)}"
            )
        self.load = load
        self.ratio = ratio
        self._tick_j = _TICK_J * ratio
        self._initial = sum(initial)
        self._table = table
        self.tables: Callable[[int], TimeTable] | None = None
        self._offset_s = utc_offset_s
        self._reactive_permille = reactive_permille(load.power_factor_permille)
        self._first_day = (load.first_s + utc_offset_s) // DAY_S
        self._day_tariffs = [tuple(initial)]
        self._day_demands: dict[int, _DayDemand] = {}

    def total(self, at_s: int) -> int:
        """Forward active energy of all tariffs, in ticks."""
        return self._initial + self.load.joules(at_s) // self._tick_j

    def phase(self, number: int, shares: Sequence[int], at_s: int) -> int:
        """Forward active energy of one phase (from 0) in ticks; together they lag the total by 2 at most.

        Args:
            number: of the phase.
            shares: permille of the load on each phase that there is.
            at_s: the moment.
        """
        load, share = self.load, shares[number]
        if isinstance(load, SwitchedLoad):
            joules = load.phase_joules(number, at_s)
        else:
            joules = load.joules(at_s) * share // 1000
        return (self._initial * share * self._tick_j // 1000 + joules) // self._tick_j

    def tariffs(self, at_s: int) -> tuple[int, ...]:
        """Forward active energy of tariffs 1 to 4, in ticks."""
        day = (at_s + self._offset_s) // DAY_S
        if day < self._first_day:
            return self._day_tariffs[0]
        while len(self._day_tariffs) <= day - self._first_day:
            start_s = (self._first_day + len(self._day_tariffs)) * DAY_S - self._offset_s
            self._day_tariffs.append(self._count(self._day_tariffs[-1], start_s - DAY_S, start_s))
        return self._count(
            self._day_tariffs[day - self._first_day], day * DAY_S - self._offset_s, at_s
        )

    def reactive(self, at_s: int) -> int:
        """Reactive energy taken (quadrant I), in ticks of 0.01 kvarh."""
        drawn = self.load.joules(at_s) * self._reactive_permille // 1000
        return self._initial * self._reactive_permille // 1000 + drawn // self._tick_j

    def reactive_of(self, ticks: int) -> int:
        """Reactive energy that goes with an active one, ticks."""
        return ticks * self._reactive_permille // 1000

    def demand(self, since_s: int, at_s: int) -> tuple[Demand, ...]:
        """Largest demands of the whole periods between two moments: all tariffs, then 1 to 4."""
        best = [(0, 0)] * (TARIFFS + 1)
        start_s = max(since_s, self.load.first_s)
        while start_s < at_s:
            day = (start_s + self._offset_s) // DAY_S
            day_stop_s = (day + 1) * DAY_S - self._offset_s
            whole = start_s == day_stop_s - DAY_S and day_stop_s <= at_s
            found = (
                self._whole_day(day) if whole else self._part_day(start_s, min(at_s, day_stop_s))
            )
            best = [max(pair, key=_energy) for pair in zip(best, found.best, strict=True)]
            start_s = day_stop_s
        return tuple(Demand(energy * 10 // (SLOT_S * self.ratio), stamp) for energy, stamp in best)

    def _count(self, before: tuple[int, ...], start_s: int, stop_s: int) -> tuple[int, ...]:
        """Add the ticks of one day, from its start on, to the tariffs that they belong to."""
        counts = list(before)
        low = self.total(start_s)
        switches = self._table_of(start_s).switches
        for index, (second, tariff) in enumerate(switches):
            if start_s + second >= stop_s:
                break
            following = switches[index + 1 : index + 2]
            edge_s = start_s + (following[0][0] if following else DAY_S)
            high = self.total(min(edge_s, stop_s))
            counts[tariff - 1] += high - low
            low = high
        return tuple(counts)

    def _table_of(self, at_s: int) -> TimeTable:
        """The tariffs of the local day of a moment."""
        if self.tables is None:
            return self._table
        return self.tables((at_s + self._offset_s) // DAY_S)

    def _whole_day(self, day: int) -> _DayDemand:
        if day not in self._day_demands:
            start_s = day * DAY_S - self._offset_s
            self._day_demands[day] = self._part_day(start_s, start_s + DAY_S)
        return self._day_demands[day]

    def _part_day(self, start_s: int, stop_s: int) -> _DayDemand:
        """The best quarters that lie wholly between two moments of one day."""
        best = [(0, 0)] * (TARIFFS + 1)
        second = (start_s + self._offset_s) % DAY_S
        skip = -second % SLOT_S
        edges = range(start_s + skip, stop_s + 1, SLOT_S)[: SLOTS + 1]
        energies = [self.load.joules(edge) for edge in edges]
        table = self._table_of(start_s)
        for index in range(1, len(edges)):
            found = (energies[index] - energies[index - 1], edges[index])
            tariff = table.at((second + skip + (index - 1) * SLOT_S) % DAY_S)
            best[0] = max(best[0], found, key=_energy)
            best[tariff] = max(best[tariff], found, key=_energy)
        return _DayDemand(tuple(best))


def _energy(found: tuple[int, int]) -> int:
    return found[0]
