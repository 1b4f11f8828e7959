"""Energy between two moments, from a register that only grows. Integers in, integers out: never rounded."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kwhub.headend.quality.walk import rolled_over

__all__ = ["RECONCILED_MICRO", "DayEnergy", "day_energy", "difference", "differences", "steps"]

Numbers: TypeAlias = NDArray[np.integer[Any]]
Flags: TypeAlias = NDArray[np.bool_]

RECONCILED_MICRO = 20_000
"""Widest gap between interval sum and register difference that is only rounding: both ends of both have a
resolution of 0.01 kWh.  In millionths of a kWh."""


@dataclass(frozen=True, slots=True)
class DayEnergy:
    """Energy of one day, in millionths of a kWh."""

    micro: int | None
    source: str  #: freeze, curve, or empty
    reconciles: bool | None  #: None when only one of the two is known


def difference(before: int | None, after: int | None) -> int | None:
    """What was used between two readings.

    None when one of them is missing, and when the register went down: an exchanged or reset meter
    is no consumption, neither a negative one nor a lifetime in one step. A register that came to its
    end and began at nought again went on.

    >>> difference(5_000_000, 4_000_000), difference(999_999_000_000, 1_000_000)
    (None, 2000000)
    """
    if before is None or after is None:
        return None
    return after - before if after >= before else rolled_over(before, after)


def steps(values: Sequence[int | None]) -> list[int | None]:
    """What was used between neighbours; one shorter than the values."""
    return [difference(before, after) for before, after in pairwise(values)]


def differences(values: Numbers, known: Flags) -> tuple[Numbers, Flags]:
    """What was used between neighbours, as ``steps`` for arrays.

    Args:
        values: of a register, millionths.
        known: whether each is there.

    Returns:
        what was used, one shorter than the values; whether it is known.
    """
    used = values[1:] - values[:-1]
    found = known[1:] & known[:-1]
    for place in np.flatnonzero(found & (used < 0)).tolist():  # reset, exchanged or rolled over
        energy = difference(int(values[place]), int(values[place + 1]))
        found[place], used[place] = energy is not None, energy or 0
    return np.where(found, used, 0), found


def day_energy(freezes: tuple[int | None, int | None], curve: Sequence[int | None]) -> DayEnergy:
    """Energy of a day from its two freezes, else from the curve.

    Args:
        freezes: register at the end of the day before, and at the end of the day.
        curve: register at every interval of the day and at the first moment of the next.
    """
    frozen = difference(*freezes)
    walked = difference(curve[0], curve[-1]) if curve else None
    parts = steps(curve)
    summed = None if not parts or None in parts else sum(part or 0 for part in parts)
    agree = None
    if frozen is not None and summed is not None:
        agree = abs(frozen - summed) <= RECONCILED_MICRO
    if frozen is not None:
        return DayEnergy(frozen, "freeze", agree)
    if walked is not None:
        return DayEnergy(walked, "curve", None)
    return DayEnergy(None, "", None)
