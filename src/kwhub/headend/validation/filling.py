"""Values for the holes of one series of one meter, from what the store knows of it."""

from collections.abc import Mapping
from datetime import date, timedelta
from itertools import pairwise

import numpy as np

from kwhub.domain.errors import LocalError
from kwhub.domain.readings import DAY_INTERVAL_S, Quality, Register
from kwhub.headend.quality.estimate import Method, Shape, estimate
from kwhub.headend.quality.walk import Numbers, Walk
from kwhub.headend.store.dated import Dated
from kwhub.headend.store.days import Days
from kwhub.headend.store.figures import on_grid
from kwhub.headend.store.read import Reader
from kwhub.headend.store.vectors import EMPTY, Series

__all__ = ["VALUES_MAX", "WEEKS", "fill"]

WEEKS = 4
"""Weeks before that make a profile."""

SPACING_S_MIN = 60
"""Finest series, in seconds."""

VALUES_MAX = 50_000
"""Most moments that are filled at once: a year of quarter hours, and some."""

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

    A hole over an exchange of the meter, or over the end of the register, is filled as if one meter had
    gone on, with what the meter of the time will have shown.

    Raises:
        LocalError: the method does not fit the series, the spacing is none, there is too much to fill, or
            the readings of an exchange are missing.
    """
    register, interval_s = series
    _fits(method, interval_s)
    wide = (span[0] - timedelta(weeks=WEEKS) - _ONE_DAY, span[1] + _ONE_DAY)

    def values_of(spacing_s: int) -> Series:
        found = reader.series([meter_id], [register], spacing_s, wide)
        return found.get((meter_id, str(register)), EMPTY)

    grid = _grid(days, span, interval_s)
    dated = reader.dated([meter_id])
    _exchanges_known(dated, meter_id, register, grid)
    own = values_of(interval_s)
    if method is Method.SCALAR_FROM_INTERVAL:
        return _taken(own, values_of(curve_s), grid)
    taken: dict[int, int] = {}
    if method is Method.ADJUST_FROM_SCALAR:
        taken = _taken(own, values_of(DAY_INTERVAL_S), grid)
    chain = dated.chain(meter_id, register, _joined(own, taken))
    walk = Walk.of(grid, on_grid(chain.series, grid))
    found = estimate(walk, method, _shapes(chain.series, grid, method))
    return taken | {at: chain.shown(at, value) for at, value in found.items()}


def _fits(method: Method, interval_s: int) -> None:
    """Refuse what no series has, and a method that does not fill this one."""
    if interval_s < SPACING_S_MIN or DAY_INTERVAL_S % interval_s:
        raise LocalError(
            f"an interval of {interval_s} s has no holes: choose one that a day is divided by, "
            f"from {SPACING_S_MIN} s on"
        )
    fitting = _FOR_DAYS if interval_s == DAY_INTERVAL_S else _FOR_CURVES
    if method not in fitting:
        names = ", ".join(sorted(each.value for each in fitting))
        raise LocalError(f"{method.value} does not fill this series; these do: {names}")


def _exchanges_known(dated: Dated, meter_id: int, register: Register, grid: Numbers) -> None:
    """Refuse what would be filled from readings of two meters that nothing joins."""
    read = {each.at_s for each in dated.swaps(meter_id, register)}
    lacking = [each for each in dated.exchanges(meter_id) if each not in read]
    if any(grid[0] < each <= grid[-1] for each in lacking):
        raise LocalError(
            f"the meter was exchanged in this span, and the exchange has no readings of register {register}; "
            "withdraw the exchange and record it with them, or choose days before or after it"
        )


def _joined(own: Series, taken: Mapping[int, int]) -> Series:
    """A series with values at some of its holes."""
    if not taken:
        return own
    kept = ~np.isin(own.at, np.array(list(taken), "<i8"))
    at = np.concatenate((own.at[kept], np.array(list(taken), "<i8")))
    value = np.concatenate((own.value[kept], np.array(list(taken.values()), "<i8")))
    quality = np.concatenate((own.quality[kept], np.full(len(taken), Quality.ACTUAL, "u1")))
    order = np.argsort(at, kind="stable")
    return Series(at[order], value[order], quality[order])


def _taken(own: Series, other: Series, grid: Numbers) -> dict[int, int]:
    """Values of another series of the same register at the holes of this one."""
    both = zip(grid.tolist(), on_grid(own, grid), on_grid(other, grid), strict=True)
    return {at: there for at, here, there in both if here is None and there is not None}


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
        if (stop_s - start_s) // interval_s > VALUES_MAX:
            raise LocalError(f"at most {VALUES_MAX} values at once: choose fewer days")
        return np.arange(start_s, stop_s + 1, interval_s, dtype="<i8")
    count = (span[1] - span[0]).days + 2
    return np.array([days.start_s(span[0] + n * _ONE_DAY) for n in range(count)], "<i8")
