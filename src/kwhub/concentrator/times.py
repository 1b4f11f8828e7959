"""Moments as seconds since 1970 UTC, and the naive wall time that meters and the uplink speak."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache

__all__ = ["aligned", "day_of", "instant", "midnight", "midnights", "wall"]


WALL_TIMES_CACHED = 4_096
"""The meters of a concentrator share their moments."""


@lru_cache(maxsize=WALL_TIMES_CACHED)
def wall(at: int, zone: tzinfo) -> datetime:
    """The site's wall time at a moment, naive, as a meter shows it."""
    return datetime.fromtimestamp(at, zone).replace(tzinfo=None)


def instant(when: datetime, zone: tzinfo) -> int:
    """The moment of a naive wall time; of an hour that happens twice, the first."""
    return int(when.replace(tzinfo=zone).timestamp())


def day_of(at: int, zone: tzinfo) -> date:
    """The site's calendar day at a moment."""
    return datetime.fromtimestamp(at, zone).date()


def midnight(day: date, zone: tzinfo) -> int:
    """The moment at which a calendar day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def midnights(after: int, until: int, zone: tzinfo) -> Iterator[int]:
    """The beginnings of days with ``after < at <= until``, whatever the clocks do in between."""
    day = day_of(after, zone)
    while (at := midnight(day := day + timedelta(days=1), zone)) <= until:
        yield at


def aligned(after: int, until: int, interval_s: int, zone: tzinfo) -> Iterator[int]:
    """The moments with ``after < at <= until`` at which the wall time is a multiple of an interval.

    Args:
        after: seconds since 1970 UTC.
        until: the same.
        interval_s: divides an hour.
        zone: of the wall time; matters where it is not whole hours from UTC.
    """
    at = after + 1
    while True:
        at += -(at + _offset_s(at, zone)) % interval_s
        if at > until:
            return
        if (at + _offset_s(at, zone)) % interval_s == 0:
            yield at
        at += 1


def _offset_s(at: int, zone: tzinfo) -> int:
    offset = datetime.fromtimestamp(at, zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
