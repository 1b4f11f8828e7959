"""Local days of a site: which day a moment belongs to, and where a day begins."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from kwhub.domain.readings import DAY_INTERVAL_S
from kwhub.headend.store.columns import Ints
from kwhub.headend.store.schema import day_number, local_date

__all__ = ["Days"]

_DAY_S = 86_400

_STARTS_CACHED = 4_096
"""Days whose beginning is remembered."""


@dataclass(frozen=True, slots=True)
class Days:
    """The days of one zone; they have 23, 24 or 25 hours."""

    zone: ZoneInfo

    def start(self, day: date) -> datetime:
        """Local midnight at which a day begins, aware, UTC."""
        return datetime.combine(day, time.min, self.zone).astimezone(UTC)

    def start_s(self, day: date) -> int:
        """The same in seconds since 1970."""
        return int(self.start(day).timestamp())

    def of(self, moment: datetime) -> date:
        """The local day in which a moment lies."""
        return moment.astimezone(self.zone).date()

    def utc_s(self, wall: datetime) -> int:
        """A wall time of the site in seconds since 1970; of an hour that comes twice, the first."""
        return int(wall.replace(tzinfo=self.zone).timestamp())

    def span_s(self, first: date, last: date) -> tuple[int, int]:
        """Seconds from the beginning of ``first`` to the end of ``last`` (exclusive)."""
        return self.start_s(first), self.start_s(last + timedelta(days=1))

    def numbers(self, at: Ints, interval: Ints) -> Ints:
        """Day number of each moment.

        A day freeze is the state at the end of its day: stamped 2026-03-02 00:00, it belongs to
        1 March. Every other series belongs to the day in which its moment lies.

        Args:
            at: seconds since 1970 UTC.
            interval: spacing of the series of each moment, seconds.
        """
        moments = at - (interval == DAY_INTERVAL_S)
        if not len(moments):
            return np.empty(0, "<i8")
        # A zone moves the days of UTC by one at most.
        candidates = np.arange(moments.min() // _DAY_S - 1, moments.max() // _DAY_S + 2)
        if len(candidates) > len(moments):
            near = np.unique(moments // _DAY_S)
            candidates = np.unique(np.concatenate((near - 1, near, near + 1)))
        starts = self.starts_s(candidates)
        numbers: Ints = candidates[np.searchsorted(starts, moments, side="right") - 1]
        return numbers

    def number_start_s(self, number: int) -> int:
        """Seconds since 1970 at which the day with a number begins."""
        return _start_s(self.zone, number)

    def starts_s(self, numbers: Ints) -> Ints:
        """The same of many days."""
        different, places = np.unique(numbers, return_inverse=True)
        starts = [_start_s(self.zone, each) for each in different.tolist()]
        return np.array(starts, "<i8")[places]

    def number(self, day: date) -> int:
        """See ``schema.day_number``."""
        return day_number(day)


@lru_cache(maxsize=_STARTS_CACHED)
def _start_s(zone: ZoneInfo, number: int) -> int:
    return int(datetime.combine(local_date(number), time.min, zone).timestamp())
