"""Supervised tasks: what fails is told, waits with back-off and jitter, and starts again."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from kwhub.domain.errors import KwhubError
from kwhub.runtime.chance import Random
from kwhub.runtime.clock import Clock

__all__ = ["Backoff", "supervise"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double from ``first_s`` to ``most_s``, each shortened by up to half at random.

    Source: "full" and "equal" jitter are both in use; equal jitter keeps a lower bound, so a
    head-end that comes back is not met by all its concentrators in the same second.
    """

    first_s: float = 1.0
    most_s: float = 300.0

    def pauses(self, chance: Random) -> Iterator[float]:
        """An endless series of pauses in seconds."""
        pause = self.first_s
        while True:
            yield pause * (0.5 + 0.5 * chance.random())
            pause = min(self.most_s, pause * 2)


async def supervise(
    work: Callable[[], Awaitable[None]],
    *,
    clock: Clock,
    chance: Random,
    backoff: Backoff | None = None,
    told: Callable[[Exception], None] = lambda _error: None,
) -> None:
    """Run ``work`` again and again while it fails with an expected error; return when it returns.

    A run that lasted longer than the longest pause starts the back-off anew. Errors that are not
    KwhubError or OSError are bugs and pass through.
    """
    rule = backoff or Backoff()
    pauses = rule.pauses(chance)
    while True:
        began = clock.monotonic()
        try:
            await work()
        except (KwhubError, OSError) as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # A task group that fails in the very moment in which it is cancelled tells the
                # failure and forgets the cancellation; whoever cancelled must not wait for ever.
                raise asyncio.CancelledError from error
            told(error)
            if clock.monotonic() - began > rule.most_s:
                pauses = rule.pauses(chance)
            await clock.sleep(next(pauses))
        else:
            return
