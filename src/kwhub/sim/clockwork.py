"""A meter's own clock: it runs fast or slow, was set wrong, and is sometimes pushed.

Moments are whole seconds since 1970-01-01 UTC. Wall seconds are the same count as the meter's own
display would give it, so 1970-01-01 00:00 on the display is wall second 0; they have no zone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

__all__ = ["ClockStep", "MeterClock", "wall_datetime", "wall_seconds"]

_WALL_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  wall time of a meter has no zone


def wall_datetime(wall_s: int) -> datetime:
    """Wall seconds as a naive date and time."""
    return _WALL_EPOCH + timedelta(seconds=wall_s)


def wall_seconds(wall: datetime) -> int:
    """A naive date and time as wall seconds."""
    return (wall - _WALL_EPOCH) // timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ClockStep:
    """At ``at_s`` the clock jumps by ``step_s``, forward or (negative) back."""

    at_s: int
    step_s: int


@dataclass(frozen=True, slots=True)
class MeterClock:
    """What a meter believes the time to be.

    Attributes:
        utc_offset_s: zone that the clock was set in, seconds east of Greenwich.
        set_s: when it was set for the last time.
        offset_s: how wrong it was set.
        drift_ppm: microseconds a second by which it runs fast (negative: slow).
        steps: pushes, in order of time.
    """

    utc_offset_s: int = 28_800
    set_s: int = 0
    offset_s: int = 0
    drift_ppm: int = 0
    steps: Sequence[ClockStep] = ()

    def wall(self, at_s: int) -> int:
        """What the display shows at a moment, in wall seconds."""
        pushed = sum(step.step_s for step in self.steps if step.at_s <= at_s)
        return self._smooth(at_s) + pushed

    def moment(self, wall_s: int) -> int | None:
        """The last moment at which the display came to show ``wall_s``.

        Returns:
            None when a push forward jumped over it.
        """
        stop = None
        for count in range(len(self.steps), -1, -1):
            pushed = sum(step.step_s for step in self.steps[:count])
            at_s = self._unsmooth(wall_s - pushed)
            start = self.steps[count - 1].at_s if count else None
            if (start is None or at_s >= start) and (stop is None or at_s < stop):
                return at_s
            stop = start
        return None

    def reached(self, wall_s: int) -> int:
        """The same, but where a push jumped over it the moment of that push."""
        moment = self.moment(wall_s)
        if moment is not None:
            return moment
        return next(step.at_s for step in self.steps if self.wall(step.at_s) >= wall_s)

    def _smooth(self, at_s: int) -> int:
        drift = (at_s - self.set_s) * self.drift_ppm // 1_000_000
        return at_s + self.utc_offset_s + self.offset_s + drift

    def _unsmooth(self, wall_s: int) -> int:
        """First second at which the clock without pushes shows at least ``wall_s``."""
        at_s = wall_s - self.utc_offset_s - self.offset_s
        at_s -= (at_s - self.set_s) * self.drift_ppm // 1_000_000
        while self._smooth(at_s) < wall_s:
            at_s += 1
        while self._smooth(at_s - 1) >= wall_s:
            at_s -= 1
        return at_s
