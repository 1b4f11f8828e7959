"""The clock of the concentrator: that of the machine, plus what the head-end has set it by.

Source: Q/GDW 1376.1-2013, AFN 05 F31. A program has no right to set the machine's clock; the difference is
kept in the store instead.
"""

from datetime import datetime, timedelta

from kwhub.runtime.clock import Clock

__all__ = ["SiteClock"]

STEP_S = 60.0
"""Longest sleep after which the time is looked at again."""


class SiteClock:
    """A `kwhub.runtime.clock.Clock` that can be set."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset_s = 0  #: ahead of the machine's clock

    def offset_to(self, when: datetime) -> int:
        """The offset with which it would show an aware moment now, in whole seconds."""
        return round((when - self._clock.now()).total_seconds())

    def set(self, when: datetime) -> None:
        """Set it to an aware moment."""
        self.offset_s = self.offset_to(when)

    def monotonic(self) -> float:
        """See Clock."""
        return self._clock.monotonic()

    def now(self) -> datetime:
        """See Clock."""
        return self._clock.now() + timedelta(seconds=self.offset_s)

    async def sleep(self, seconds: float) -> None:
        """See Clock."""
        await self._clock.sleep(seconds)

    async def sleep_until(self, when: datetime) -> None:
        """See Clock."""
        while (left := (when - self.now()).total_seconds()) > 0:
            await self._clock.sleep(min(left, STEP_S))
