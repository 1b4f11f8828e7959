"""Things to be written that arrive together are written together: one flush of the disk serves them all."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeAlias, TypeVar

__all__ = ["Groups"]

T = TypeVar("T")

_Waiter: TypeAlias = tuple[T, asyncio.Future[bool]]
"""A thing, and who waits for it: told False when it is durable, True when it is their turn to write."""


class Groups(Generic[T]):
    """Writes things in groups; there is no task beside those that wait."""

    def __init__(self, commit: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        """Write with ``commit``, which makes a group durable or raises."""
        self._commit = commit
        self._waiting: list[_Waiter[T]] = []
        self._writing = False

    async def take(self, thing: T) -> None:
        """Return when the thing is durable, whatever comes in after it.

        Raises:
            KwhubError: as ``commit`` does; it is not durable, or nobody knows.
        """
        own: _Waiter[T] = (thing, asyncio.get_running_loop().create_future())
        self._waiting.append(own)
        if not self._writing:
            self._hand_over()
        try:
            writes = await own[1]
        except asyncio.CancelledError:
            if own[1].done() and not own[1].cancelled() and own[1].result():
                self._hand_over()  # the turn came in the very moment of giving up
            raise
        if writes:
            await self._write()

    async def _write(self) -> None:
        """Write one group, which the writer's own thing is part of, and let the next one write."""
        group: Sequence[_Waiter[T]] = ()
        try:
            await asyncio.sleep(0)  # others who are ready in this round join
            group, self._waiting = self._waiting, []
            await self._make_durable(group)
        finally:
            # Not told yet: this task was cancelled, and nobody knows what was written. The next one
            # writes it again, which must be harmless.
            self._waiting[:0] = [each for each in group if not each[1].done()]
            self._hand_over()

    def _hand_over(self) -> None:
        """Wake the first of those who came meanwhile, to write for all of them."""
        heir = next((durable for _, durable in self._waiting if not durable.done()), None)
        self._writing = heir is not None
        if heir is not None:
            heir.set_result(True)

    async def _make_durable(self, group: Sequence[_Waiter[T]]) -> None:
        try:
            await self._commit([thing for thing, _ in group])
        except Exception as error:
            for _, durable in group:
                if not durable.done():
                    durable.set_exception(error)
            raise
        for _, durable in group:
            if not durable.done():
                durable.set_result(False)
