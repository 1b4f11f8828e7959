"""Tasks that a device has running beside its callers' own, ended together with it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from kwhub.runtime.clock import Clock

__all__ = ["Background", "until_enough"]


class Background:
    """A set of tasks; a bug in one is never silent."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something until it ends or the set is closed."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def aclose(self) -> None:
        """End all; waits until they have."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler(
                {"message": "a task of a device failed", "exception": error, "task": task}
            )


async def until_enough(
    works: Sequence[Callable[[], Awaitable[bool]]], clock: Clock, step_s: float
) -> None:
    """Do several beside each other until all are done, or one says that it was enough.

    The others are ended then. The first failure is raised.

    Args:
        works: in the order in which they begin.
        clock: gives the time.
        step_s: from the beginning of one to that of the next.
    """

    async def begun(work: Callable[[], Awaitable[bool]], after_s: float) -> bool:
        if after_s:
            await clock.sleep(after_s)
        return await work()

    running = {asyncio.ensure_future(begun(work, i * step_s)) for i, work in enumerate(works)}
    left = running
    try:
        while left:
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            enough = [work.result() for work in done]
            if any(enough):
                return
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)
