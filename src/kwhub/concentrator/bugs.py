"""Errors that nobody expects, in a part that must not end the others: told once, counted, and begun anew after a pause."""

import asyncio
from collections.abc import Awaitable, Callable
from traceback import extract_tb

import structlog

from kwhub.runtime.chance import Random
from kwhub.runtime.clock import Clock
from kwhub.runtime.tasks import Backoff

__all__ = ["Bugs", "contain"]

PLACES_MAX = 64
"""Places in the program that are told in the log, each once."""


class Bugs:
    """Of one part.

    Args:
        event: what the log says.
        count: called for each of them.
    """

    def __init__(self, event: str, count: Callable[[], None]) -> None:
        self._event = event
        self._count = count
        self._places: set[tuple[str, str, int | None]] = set()

    def note(self, error: Exception, **facts: object) -> None:
        """Count an error; tell it with its traceback if none has come from the same place."""
        self._count()
        leaf: BaseException = error
        while isinstance(leaf, BaseExceptionGroup):
            leaf = leaf.exceptions[0]
        trace = extract_tb(leaf.__traceback__)
        at = (trace[-1].filename, trace[-1].lineno) if trace else ("", None)
        place = (type(leaf).__name__, *at)
        if place not in self._places and len(self._places) < PLACES_MAX:
            self._places.add(place)
            structlog.get_logger("kwhub.concentrator").error(self._event, exc_info=error, **facts)


async def contain(
    work: Callable[[], Awaitable[None]],
    bugs: Bugs,
    *,
    clock: Clock,
    chance: Random,
    backoff: Backoff,
) -> None:
    """Run ``work`` again and again while it fails, whatever the error; return when it returns.

    A run that lasted longer than the longest pause starts the back-off anew.
    """
    pauses = backoff.pauses(chance)
    while True:
        began = clock.monotonic()
        try:
            await work()
        except Exception as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from error  # see runtime.tasks.supervise
            bugs.note(error)
            if clock.monotonic() - began > backoff.most_s:
                pauses = backoff.pauses(chance)
            await clock.sleep(next(pauses))
        else:
            return
