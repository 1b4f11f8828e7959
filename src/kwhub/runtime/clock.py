"""Clocks: the machine's own, and one that runs on the event loop's time (real or virtual)."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "LoopClock", "SystemClock"]


class Clock(Protocol):
    """Monotonic seconds for intervals, aware UTC for stamps, and a way to wait."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""

    def now(self) -> datetime:
        """The present moment, aware, UTC."""

    async def sleep(self, seconds: float) -> None:
        """Wait; zero or less yields once to other tasks."""

    async def sleep_until(self, when: datetime) -> None:
        """Wait until a wall-clock moment."""


class SystemClock:
    """The clock of the machine."""

    def monotonic(self) -> float:
        """See Clock."""
        return time.monotonic()

    def now(self) -> datetime:
        """See Clock."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """See Clock."""
        await asyncio.sleep(max(0.0, seconds))

    async def sleep_until(self, when: datetime) -> None:
        """Wait in steps of at most a minute, so that a clock that is set does not strand the sleeper."""
        while (left := (when - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - time is the event
            await asyncio.sleep(min(left, 60.0))


class LoopClock:
    """A wall clock that is ``start`` plus the time of the running event loop."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock starts at an aware moment")
        self._start = start.astimezone(UTC)
        self._loop = asyncio.get_running_loop()
        self._zero = self._loop.time()

    def monotonic(self) -> float:
        """See Clock."""
        return self._loop.time()

    def now(self) -> datetime:
        """See Clock."""
        return self._start + timedelta(seconds=self._loop.time() - self._zero)

    async def sleep(self, seconds: float) -> None:
        """See Clock."""
        await asyncio.sleep(max(0.0, seconds))

    async def sleep_until(self, when: datetime) -> None:
        """See Clock."""
        await asyncio.sleep(max(0.0, (when - self.now()).total_seconds()))
