"""Values for the holes of one series of one meter, from what the store knows of it."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

import numpy as np

from kwhub.domain.errors import LocalError
from kwhub.domain.readings import DAY_INTERVAL_S, Register
from kwhub.headend.quality.estimate import Method, Shape, estimate
from kwhub.headend.quality.walk import Numbers, Walk
from kwhub.headend.store.days import Days
from kwhub.headend.store.figures import on_grid
from kwhub.headend.store.read import Reader
from kwhub.headend.store.vectors import EMPTY, Series

__all__ = ["WEEKS", "fill"]

WEEKS = 4
"""Weeks before that make a profile."""

_FOR_DAYS = frozenset({Method.SCALAR_FROM_INTERVAL, Method.INTERPOLATION})
_FOR_CURVES = frozenset(Method) - {Method.SCALAR_FROM_INTERVAL, Method.MANUAL}
_WEEK_S = 7 * 86_400
_ONE_DAY = timedelta(days=1)


def fill(  # noqa: PLR0913  everything that says which holes
    reader: Reader,
    days: Days,
    meter_id: int,
    series: tuple[Register, int],
    curve_s: int,
    span: tuple[date, date],
    *,
    method: Method,
) -> dict[int, int]:
    """Values in millionths for holes, by moment in seconds.

    Args:
        reader: of one snapshot, with earlier edits laid over.
        days: the zone's days.
        meter_id: whose.
        series: a cumulative register and the interval of the series with the holes.
        curve_s: spacing of the meter's curve, for SCALAR_FROM_INTERVAL.
        span: first and last local day, both inclusive.
        method: how.

    Raises:
        LocalError: the method does not fit the series.
    """
    register, interval_s = series
    fitting = _FOR_DAYS if interval_s == DAY_INTERVAL_S else _FOR_CURVES
    if method not in fitting:
        names = ", ".join(sorted(each.value for each in fitting))
        raise LocalError(f"{method.value} does not fill this series; these do: {names}")
    wide = (span[0] - timedelta(weeks=WEEKS) - _ONE_DAY, span[1] + _ONE_DAY)

    def values_of(spacing_s: int) -> Series:
        found = reader.series([meter_id], [register], spacing_s, wide)
        return found.get((meter_id, str(register)), EMPTY)

    own = values_of(interval_s)
    grid = _grid(days, span, interval_s)
    walk = Walk.of(grid, on_grid(own, grid))
    if method is Method.SCALAR_FROM_INTERVAL:
        return _taken(walk, on_grid(values_of(curve_s), grid))
    found: dict[int, int] = {}
    if method is Method.ADJUST_FROM_SCALAR:
        found = _taken(walk, on_grid(values_of(DAY_INTERVAL_S), grid))
        both = [
            int(value) if known else found.get(int(at))
            for at, value, known in zip(walk.at, walk.value, walk.known, strict=True)
        ]
        walk = Walk.of(grid, both)
    return found | estimate(walk, method, _shapes(own, grid, method))


def _taken(walk: Walk, others: Sequence[int | None]) -> dict[int, int]:
    """Values of another series of the same register at the holes of this one."""
    return {
        int(at): other
        for at, known, other in zip(walk.at, walk.known, others, strict=True)
        if not known and other is not None
    }


def _shapes(own: Series, grid: Numbers, method: Method) -> list[Shape]:
    """What was used between the moments of the grid some weeks before."""
    weeks = {Method.INTERPOLATION: 0, Method.PROXY_DAY: 1}.get(method, WEEKS)
    found: list[Shape] = []
    for week in range(1, weeks + 1):
        before = on_grid(own, grid - week * _WEEK_S)
        found.append(
            [
                None if first is None or second is None else second - first
                for first, second in pairwise(before)
            ]
        )
    return found


def _grid(days: Days, span: tuple[date, date], interval_s: int) -> Numbers:
    """Moments from the midnight before the first day to the midnight after the last, both inclusive."""
    if interval_s != DAY_INTERVAL_S:
        start_s, stop_s = days.span_s(*span)
        return np.arange(start_s, stop_s + 1, interval_s, dtype="<i8")
    count = (span[1] - span[0]).days + 2
    return np.array([days.start_s(span[0] + n * _ONE_DAY) for n in range(count)], "<i8")
