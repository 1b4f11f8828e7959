"""The rules of validation at work on one meter and one local day. Pure: the same day gives the same findings."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from statistics import median
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from kwhub.domain.readings import Register
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.quality.rules import RULES, Bounds, RuleName, Severity
from kwhub.headend.quality.walk import (
    MICRO,
    Flags,
    Numbers,
    Walk,
    rolled_over,
    shown,
    to_micro,
)

__all__ = [
    "DEFAULT_AMPERE",
    "DEFAULT_VOLT",
    "USUAL_DAYS",
    "Found",
    "MeterDay",
    "Series",
    "Settings",
    "check",
    "usual_day",
]

USUAL_DAYS = 7
"""Days before that tell what is usual."""

DEFAULT_VOLT = 220
DEFAULT_AMPERE = 100
"""Largest current of a meter whose archive does not say it; a wide guess finds only what cannot be."""

Series: TypeAlias = tuple[Register, int]
"""A register and the spacing of its values in seconds."""

Settings: TypeAlias = Mapping[RuleName, tuple[Severity, Bounds]]
"""The rules that are switched on for a meter."""

_DAY = 0
_THIRD = 3
_HOUR_S = 3_600
_KILO = 1_000


@dataclass(frozen=True, slots=True)
class MeterDay:
    """What is known of a meter and one of its days. Energies in millionths of a kWh, on the meter's side.

    Attributes:
        phases: 1 or 3.
        volt: nominal voltage of a phase.
        ampere: largest current of a phase.
        energy: the register of energy, the one that curves and freezes count.
        walks: cumulative registers on their grid.
        instants: registers of single moments, such as voltage.
        freeze: energy register at both ends of the day, from the meter's own freezes.
        before: energy of the days before, the newest last; None where not known.
        siblings: of each like meter beside it, energy of the day as a part of its usual energy.
        expected: values that each series owes for this day.
        got: values that came.
        conflicts: values kept beside a different measurement, by series.
        beside: values stamped beside the grid, by series.
        exchanged: the meter was exchanged on this day; its registers may go anywhere.
    """

    phases: int = 1
    volt: int = DEFAULT_VOLT
    ampere: int = DEFAULT_AMPERE
    energy: Register = ENERGY
    walks: Mapping[Series, Walk] = field(default_factory=dict)
    instants: Mapping[Series, Walk] = field(default_factory=dict)
    freeze: tuple[int | None, int | None] = (None, None)
    before: Sequence[int | None] = ()
    siblings: Sequence[float] = ()
    expected: Mapping[Series, int] = field(default_factory=dict)
    got: Mapping[Series, int] = field(default_factory=dict)
    conflicts: Mapping[Series, int] = field(default_factory=dict)
    beside: Mapping[Series, int] = field(default_factory=dict)
    exchanged: bool = False

    @property
    def used(self) -> int | None:
        """Energy of the day: from the freezes, else from both ends of the curve."""
        first, last = self.freeze
        if first is not None and last is not None:
            return last - first
        for (register, _), walk in self.walks.items():
            if register == self.energy and len(walk.at) and walk.known[0] and walk.known[-1]:
                return int(walk.value[-1] - walk.value[0])
        return None


@dataclass(frozen=True, slots=True)
class Found:
    """One finding: a rule, where, and the evidence."""

    rule: RuleName
    series: Series
    first_s: int  #: first moment that it is about, seconds since 1970; 0 for the whole day
    last_s: int
    count: int
    evidence: Mapping[str, str]


def check(day: MeterDay, settings: Settings) -> list[Found]:
    """Everything that the rules find, in the order of the table of rules."""
    return [
        found
        for name in RULES
        if name in settings
        for found in _CHECKS[name](day, settings[name][1])
    ]


def _bound_micro(day: MeterDay, span_s: int, margin: float) -> int:
    """Most energy that the meter's phases can carry in a span, millionths of a kWh."""
    watt = day.phases * day.volt * day.ampere * margin
    return round(watt * span_s / _HOUR_S / _KILO * MICRO)


def _high_low(day: MeterDay, bounds: Bounds) -> Iterator[Found]:
    margin = bounds["margin"]
    for series, walk in day.walks.items():
        if day.exchanged or not walk.spacing_s:
            continue
        high = _bound_micro(day, walk.spacing_s, margin)
        beyond = walk.both & (walk.used > high)
        yield from _beyond(day, series, walk.at[1:], walk.used, beyond, (0, high))
    for series, walk in day.instants.items():
        limits = _limits(day, series[0], bounds)
        if limits is not None:
            low, high = limits
            beyond = walk.known & ((walk.value < low) | (walk.value > high))
            yield from _beyond(day, series, walk.at, walk.value, beyond, limits)


def _limits(day: MeterDay, register: Register, bounds: Bounds) -> tuple[int, int] | None:
    """What an instantaneous value of a register can be, both inclusive; None for other registers."""
    group = register.partition(":")[2].partition(".")[0]
    margin = bounds["margin"]
    ampere = to_micro(day.ampere * margin)
    if group in {"32", "52", "72"}:
        return to_micro(day.volt * bounds["volt_low"]), to_micro(day.volt * bounds["volt_high"])
    if group in {"31", "51", "71"}:
        return -ampere, ampere
    if group in {"16", "36", "56", "76"}:
        phases = day.phases if group == "16" else 1
        most = to_micro(phases * day.volt * day.ampere * margin / _KILO)
        return -most, most
    return (-MICRO, MICRO) if group in {"13", "33", "53", "73"} else None


def _beyond(
    day: MeterDay,
    series: Series,
    at: Numbers,
    values: Numbers,
    beyond: Flags,
    limits: tuple[int, int],
) -> Iterator[Found]:
    where = np.flatnonzero(beyond)
    if not len(where):
        return
    low, high = limits
    worst = where[np.argmax(np.maximum(values[where] - high, low - values[where]))]
    evidence = {
        "value": shown(int(values[worst])),
        "low": shown(low),
        "high": shown(high),
        "phases": str(day.phases),
        "volt": str(day.volt),
        "ampere": str(day.ampere),
    }
    yield Found(
        RuleName.HIGH_LOW, series, int(at[where[0]]), int(at[where[-1]]), len(where), evidence
    )


def _spike(day: MeterDay, bounds: Bounds) -> Iterator[Found]:
    for series, walk in day.walks.items():
        used = walk.used[walk.both]
        if len(used) < _THIRD + 1 or series[0] != day.energy:
            continue
        third = int(np.partition(used, -_THIRD)[-_THIRD])
        top = int(used.max())
        if top < to_micro(bounds["least_kwh"]) or third < 0 or top <= bounds["times"] * third:
            continue
        where = int(np.argmax(np.where(walk.both, walk.used, -1)))
        times = f"{top / third:.1f}" if third else "∞"
        evidence = {"value": shown(top), "third": shown(third), "times": times}
        at = int(walk.at[where + 1])
        yield Found(RuleName.SPIKE, series, at, at, 1, evidence)


def _falls(day: MeterDay) -> Iterator[tuple[Series, int, int, int]]:
    """Every place where a register went down: series, moment, value before and after. Holes are stepped over."""
    if day.exchanged:
        return
    for series, walk in day.walks.items():
        where = np.flatnonzero(walk.known)
        for before, after in pairwise(where):
            if walk.value[after] < walk.value[before]:
                yield series, int(walk.at[after]), int(walk.value[before]), int(walk.value[after])


def _negative(day: MeterDay, bounds: Bounds) -> Iterator[Found]:
    del bounds
    for series, at, before, after in _falls(day):
        if rolled_over(before, after) is None:
            evidence = {"before": shown(before), "after": shown(after)}
            yield Found(RuleName.NEGATIVE, series, at, at, 1, evidence)


def _rollover(day: MeterDay, bounds: Bounds) -> Iterator[Found]:
    del bounds
    for series, at, before, after in _falls(day):
        if (used := rolled_over(before, after)) is not None:
            evidence = {"before": shown(before), "after": shown(after), "value": shown(used)}
            yield Found(RuleName.ROLLOVER, series, at, at, 1, evidence)


def _zero(day: MeterDay, bounds: Bounds) -> Iterator[Found]:
    days = int(bounds["days"])
    history = [*day.before, day.used]
    newest, older = history[-days:], [each for each in history[:-days] if each]
    if len(newest) == days and not any(each != 0 for each in newest) and older:
        evidence = {"days": str(days), "usual": shown(int(median(older)))}
        yield Found(RuleName.ZERO, (day.energy, _DAY), 0, 0, days, evidence)


def _missing(day: MeterDay, bounds: Bounds) -> Iterator[Found]:
    for series, expected in day.expected.items():
        count = expected - day.got.get(series, 0)
        if count > bounds["share"] * expected:
            evidence = {"count": str(count), "expected": str(expected)}
            yield Found(RuleName.MISSING, series, 0, 0, count, evidence)


def _sum_check(day: MeterDay, bounds: Bounds) -> Iterator[Found]:
    first, last = day.freeze
    if first is None or last is None or day.exchanged:
        return
    for series, walk in day.walks.items():
        if series[0] != day.energy or not len(walk.at) or not walk.both.all():
            continue
        summed = int(walk.used.sum())
        if abs(summed - (last - first)) > to_micro(bounds["tolerance_kwh"]):
            evidence = {"summed": shown(summed), "register_grew": shown(last - first)}
            yield Found(
                RuleName.SUM_CHECK,
                series,
                int(walk.at[0]),
                int(walk.at[-1]),
                len(walk.at),
                evidence,
            )


def _counted(
    name: RuleName, pick: Callable[[MeterDay], Mapping[Series, int]], day: MeterDay, bounds: Bounds
) -> Iterator[Found]:
    """A rule about values that the store itself has counted."""
    del bounds
    for series, count in pick(day).items():
        if count:
            evidence = {"count": str(count), "minutes": str(series[1] // 60)}
            yield Found(name, series, 0, 0, count, evidence)


def _consecutive(day: MeterDay, bounds: Bounds) -> Iterator[Found]:
    least, need = to_micro(bounds["least_kwh"]), int(bounds["intervals"])
    for series, walk in day.walks.items():
        used = np.where(walk.both, walk.used, -1)
        if not len(used):
            continue
        edges = np.flatnonzero(np.diff(used)) + 1
        starts = np.concatenate(([0], edges))
        lengths = np.diff(np.concatenate((starts, [len(used)])))
        for start, length in zip(starts, lengths, strict=True):
            if length >= need and used[start] >= least:
                evidence = {"value": shown(int(used[start])), "count": str(int(length))}
                first, last = int(walk.at[start + 1]), int(walk.at[start + length])
                yield Found(RuleName.CONSECUTIVE, series, first, last, int(length), evidence)


def _sibling(day: MeterDay, bounds: Bounds) -> Iterator[Found]:
    """The day's energy against what the like meters' day makes of the meter's usual share of theirs."""
    own, usual = day.used, usual_day(day.before)
    if own is None or usual is None or len(day.siblings) < bounds["siblings"]:
        return
    expected = round(usual * median(day.siblings))
    least, times = to_micro(bounds["least_kwh"]), bounds["times"]
    if abs(own - expected) < least or expected / times <= own <= expected * times:
        return
    evidence = {"value": shown(own), "expected": shown(expected)}
    yield Found(RuleName.SIBLING, (day.energy, _DAY), 0, 0, 1, evidence)


def usual_day(before: Sequence[int | None]) -> int | None:
    """Energy of a usual day, from the last week; None when less than half of it is known."""
    known = [each for each in before[-USUAL_DAYS:] if each is not None and each >= 0]
    return int(median(known)) if len(known) * 2 > USUAL_DAYS else None


_CHECKS: Mapping[RuleName, Callable[[MeterDay, Bounds], Iterator[Found]]] = MappingProxyType(
    {
        RuleName.HIGH_LOW: _high_low,
        RuleName.SPIKE: _spike,
        RuleName.NEGATIVE: _negative,
        RuleName.ROLLOVER: _rollover,
        RuleName.ZERO: _zero,
        RuleName.MISSING: _missing,
        RuleName.SUM_CHECK: _sum_check,
        RuleName.DUPLICATE: partial(_counted, RuleName.DUPLICATE, lambda day: day.conflicts),
        RuleName.CLOCK: partial(_counted, RuleName.CLOCK, lambda day: day.beside),
        RuleName.CONSECUTIVE: _consecutive,
        RuleName.SIBLING: _sibling,
    }
)
