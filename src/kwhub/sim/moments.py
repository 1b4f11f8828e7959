"""Moments at which a meter does something again and again, from the last one back.

All in wall seconds of the meter's own clock (see ``clockwork``).

Source: DL/T 645-2007, clause 7 (code 16: 99 from the left stands for "every"), annex A (settlement days).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from kwhub.sim.clockwork import wall_datetime, wall_seconds
from kwhub.sim.denial import other_error

__all__ = ["check_pattern", "every", "matching", "monthly"]

_HOUR_S = 3600
_DAY_S = 86_400


def every(interval_s: int, offset_s: int, last_s: int) -> Iterator[int]:
    """Multiples of an interval, shifted by an offset, at or before a moment; without end."""
    moment = last_s - (last_s - offset_s) % interval_s
    while True:
        yield moment
        moment -= interval_s


def monthly(days: Sequence[tuple[int, int]], last_s: int) -> Iterator[int]:
    """Days of the month (1 to 28) at an hour, at or before a moment; without end before year 2."""
    month = wall_datetime(last_s).replace(day=1, hour=0, minute=0, second=0)
    while month.year > 1:
        for day, hour in sorted(days, reverse=True):
            moment = wall_seconds(month) + (day - 1) * _DAY_S + hour * _HOUR_S
            if moment <= last_s:
                yield moment
        year, number = divmod(month.year * 12 + month.month - 2, 12)
        month = month.replace(year=year, month=number + 1)


def check_pattern(pattern: str) -> None:
    """Insist on a freeze pattern MM DD hh mm whose 99 stand at its left.

    Raises:
        Denied: other error.
    """
    open_places = _open_places(pattern)
    closed = "01010000"[: 2 * open_places] + pattern[2 * open_places :]
    try:
        datetime.strptime("2000" + closed, "%Y%m%d%H%M")  # noqa: DTZ007 - a wall time; 2000 has 29 February
    except ValueError:
        raise other_error(f"{pattern} is no moment") from None


def matching(pattern: str, since_s: int, last_s: int) -> Iterator[int]:
    """Moments of a freeze pattern after one moment and not after another, the last one first.

    A pattern without 99 stands for its first moment only.
    """
    open_places = _open_places(pattern)
    hour, minute = int(pattern[4:6]), int(pattern[6:8])
    if open_places >= 2:
        second = minute * 60 + (hour * _HOUR_S if open_places == 2 else 0)
        moments = every(_DAY_S if open_places == 2 else _HOUR_S, second, last_s)
    else:
        moments = _in_months(pattern, open_places, since_s, last_s)
    found: int | None = None
    for moment in moments:
        if moment <= since_s:
            break
        found = moment
        if open_places:
            yield moment
    if not open_places and found is not None:
        yield found


def _in_months(pattern: str, open_places: int, since_s: int, last_s: int) -> Iterator[int]:
    """The moments of a pattern with a fixed day; months that lack the day are left out."""
    month = wall_datetime(last_s).replace(day=1, second=0)
    while wall_seconds(month) > since_s - 32 * _DAY_S:
        if open_places or month.month == int(pattern[:2]):
            try:
                moment = month.replace(
                    day=int(pattern[2:4]), hour=int(pattern[4:6]), minute=int(pattern[6:8])
                )
            except ValueError:
                moment = None
            if moment is not None and wall_seconds(moment) <= last_s:
                yield wall_seconds(moment)
        year, number = divmod(month.year * 12 + month.month - 2, 12)
        month = month.replace(year=year, month=number + 1)


def _open_places(pattern: str) -> int:
    """Pairs of 99 in front."""
    return next((n for n in range(4) if pattern[2 * n : 2 * n + 2] != "99"), 4)
