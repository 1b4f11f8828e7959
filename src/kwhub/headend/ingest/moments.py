"""The moments of a curve, from the wall time of its first value."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from kwhub.headend.store.days import Days

__all__ = ["moments_of"]


def moments_of(start: datetime, count: int, step: int, days: Days) -> Sequence[int]:
    """Seconds since 1970 of every value; a range unless the clocks change in between.

    Args:
        start: naive wall time of the first value.
        count: of values.
        step: from one to the next, seconds.
        days: zone of the site.
    """
    first = days.utc_s(start)
    span = step * (count - 1)
    if count <= 1 or days.utc_s(start + timedelta(seconds=span)) - first == span:
        return range(first, first + step * count, step)
    return [days.utc_s(start + timedelta(seconds=step * number)) for number in range(count)]
