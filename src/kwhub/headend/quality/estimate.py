"""Values for the holes of a cumulative register, between readings that are known.

What lies between the two known ends is spread, never invented, so that the sum of the intervals stays the
register's difference, exactly.

Source: the names of the methods are Oracle's (interpolation, proxy day, profile, adjust from scalar).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from kwhub.domain.errors import LocalError
from kwhub.headend.quality.walk import Numbers, Walk

__all__ = ["Method", "Shape", "estimate", "spread"]

RESOLUTION_MICRO = 100
"""Estimates are rounded to 0.0001 of the unit, finer than any register shows."""

Shape: TypeAlias = Sequence[int | None]
"""What was used in each interval of another day, None where not known."""


class Method(Enum):
    """How values for holes are found."""

    INTERPOLATION = "interpolation"  #: evenly between the known neighbours
    PROXY_DAY = "proxy_day"  #: in the shape of one like day: the same weekday of the week before
    PROFILE = "profile"  #: in the mean shape of several like days
    ADJUST_FROM_SCALAR = "adjust_from_scalar"  #: a day without intervals, from its two freezes
    SCALAR_FROM_INTERVAL = "scalar_from_interval"  #: a missing freeze, from the curve at midnight
    MANUAL = "manual"  #: a person's value


@dataclass(frozen=True, slots=True)
class _Gap:
    """Neighbouring holes: indices of the known value before and after."""

    before: int
    after: int


def spread(total: int, weights: Sequence[int]) -> list[int]:
    """Parts of a whole in proportion to weights; they sum to it exactly, and none is negative.

    Args:
        total: not negative.
        weights: none negative; all zero means evenly.

    >>> spread(100, [1, 1, 1]), spread(7, [0, 0])
    ([33, 33, 34], [3, 4])
    """
    shares = list(weights) if any(weights) else [1] * len(weights)
    whole, given, done = sum(shares), 0, 0
    parts = []
    for share in shares:
        done += share
        upto = total * done // whole
        parts.append(upto - given)
        given = upto
    return parts


def estimate(walk: Walk, method: Method, shapes: Sequence[Shape] = ()) -> dict[int, int]:
    """Values for the holes between known values.

    Args:
        walk: the day; put the freezes at its ends where the curve lacks them, for ADJUST_FROM_SCALAR.
        method: INTERPOLATION, PROXY_DAY, PROFILE or ADJUST_FROM_SCALAR.
        shapes: for PROXY_DAY the intervals of one day, for PROFILE of several, for ADJUST_FROM_SCALAR of
            any; where a shape knows nothing of a gap, the gap is filled evenly.

    Returns:
        value in millionths by moment. Holes before the first and after the last known value have
        none, nor has a gap over which the register fell.

    Raises:
        LocalError: a method for something else.
    """
    weigh = _WEIGHTS.get(method)
    if weigh is None:
        raise LocalError(f"{method.value} does not fill the holes of a curve")
    found: dict[int, int] = {}
    for gap in _gaps(walk):
        grown = int(walk.value[gap.after] - walk.value[gap.before])
        if grown < 0:
            continue
        weights = weigh(gap, shapes)
        parts = spread(grown // RESOLUTION_MICRO, weights)
        value = int(walk.value[gap.before])
        for place, part in zip(range(gap.before + 1, gap.after), parts, strict=False):
            value += part * RESOLUTION_MICRO
            found[int(walk.at[place])] = value
    return found


def _gaps(walk: Walk) -> list[_Gap]:
    known: Numbers = np.flatnonzero(walk.known)
    return [
        _Gap(int(before), int(after)) for before, after in pairwise(known) if after - before > 1
    ]


def _evenly(gap: _Gap, shapes: Sequence[Shape]) -> list[int]:
    del shapes
    return [1] * (gap.after - gap.before)


def _shaped(gap: _Gap, shapes: Sequence[Shape]) -> list[int]:
    """The sum of the shapes over the gap; intervals that a shape does not know make it useless there."""
    summed = [0] * (gap.after - gap.before)
    for shape in shapes:
        part = shape[gap.before : gap.after]
        if len(part) == len(summed) and all(each is not None and each >= 0 for each in part):
            summed = [old + (new or 0) for old, new in zip(summed, part, strict=True)]
    return summed


_WEIGHTS: Mapping[Method, Callable[[_Gap, Sequence[Shape]], list[int]]] = MappingProxyType(
    {
        Method.INTERPOLATION: _evenly,
        Method.PROXY_DAY: _shaped,
        Method.PROFILE: _shaped,
        Method.ADJUST_FROM_SCALAR: _shaped,
    }
)
