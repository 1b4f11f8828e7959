"""Where blocking work runs: beside the loop in a thread, or in place on virtual time."""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

__all__ = ["Offload", "in_place", "in_thread"]

T = TypeVar("T")


class Offload(Protocol):
    """Runs a blocking function and waits for what it returns or raises."""

    async def __call__(self, work: Callable[[], T], /) -> T:
        """Run ``work``."""


async def in_place(work: Callable[[], T], /) -> T:
    """Run at once; the loop waits. On virtual time nothing else is possible: threads take real time."""
    return work()


async def in_thread(work: Callable[[], T], /) -> T:
    """Run in a thread; the loop goes on."""
    return await asyncio.to_thread(work)
