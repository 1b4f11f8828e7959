"""The terminal's own clock: it drifts, it is set, and it knows when a whole minute has been passed.

Wall seconds are the count that the display would give: wall second 0 is 1970-01-01 00:00 on the display, without a zone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

__all__ = [
    "FILL_S_MAX",
    "TerminalClock",
    "matches_pattern",
    "minutes_between",
    "wall_moment",
    "wall_seconds",
]

FILL_S_MAX: Final = 600
"""A clock that jumps forward over less than this still does what was due meanwhile; the gap of a power cut does not."""

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - the wall time of a display has no zone
_PPM: Final = 1_000_000
_MINUTE_S: Final = 60
_EVERY: Final = "99"


def wall_moment(wall_s: int) -> datetime:
    """Wall seconds as a naive date and time."""
    return _EPOCH + timedelta(seconds=wall_s)


def wall_seconds(wall: datetime) -> int:
    """A naive date and time as wall seconds."""
    return (wall - _EPOCH) // timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class TerminalClock:
    """What the terminal believes the time to be.

    Attributes:
        set_us: true microsecond since 1970-01-01 UTC at which it was set; 0 when it never was.
        wall_us: what it was set to, wall microseconds.
        drift_ppm: microseconds a second by which it runs fast since it was set (negative: slow).
    """

    set_us: int = 0
    wall_us: int = 28_800 * _PPM
    drift_ppm: int = 0

    def wall(self, true_us: int) -> int:
        """Wall microseconds at a true moment."""
        gone_us = true_us - self.set_us
        drift_us = gone_us * self.drift_ppm // _PPM if self.set_us else 0
        return self.wall_us + gone_us + drift_us

    def put(self, wall_s: int, true_us: int) -> "TerminalClock":
        """The clock after it was set."""
        return TerminalClock(true_us, wall_s * _PPM, self.drift_ppm)


def minutes_between(before_s: int, after_s: int) -> Iterator[int]:
    """Whole minutes after one wall second and not after another; none over a gap that is too long."""
    if 0 < after_s - before_s <= FILL_S_MAX:
        yield from range(before_s - before_s % _MINUTE_S + _MINUTE_S, after_s + 1, _MINUTE_S)


def matches_pattern(pattern: str, wall_s: int) -> bool:
    """Whether a whole minute is one of a freeze pattern: month, day, hour, minute; 99 is every.

    >>> matches_pattern("99990030", 1800), matches_pattern("99020030", 1800)
    (True, False)
    """
    shown = f"{wall_moment(wall_s):%m%d%H%M}"
    return all(
        pattern[at : at + 2] in (_EVERY, shown[at : at + 2]) for at in range(0, len(shown), 2)
    )
