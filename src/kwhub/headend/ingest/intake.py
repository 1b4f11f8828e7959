"""The way into the journal: batches that arrive together are committed together."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from kwhub.headend.ingest.offload import Offload
from kwhub.headend.store.database import StoreError
from kwhub.headend.store.journal import Batch
from kwhub.headend.store.store import Store

__all__ = ["Intake"]

_Waiter: TypeAlias = tuple[Batch, asyncio.Future[bool]]
"""A batch, and who waits for it: told False when it is durable, True when it is their turn to write."""


class Intake:
    """Commits batches in groups: one flush of the disk serves everybody who waits for one.

    Attributes:
        commits: groups written.
        readings: readings written.
    """

    def __init__(
        self, store: Store, offload: Offload, told: Callable[[], None] = lambda: None
    ) -> None:
        """Write into ``store``; ``told`` is called after every group."""
        self.commits = 0
        self.readings = 0
        self._store = store
        self._offload = offload
        self._told = told
        self._waiting: list[_Waiter] = []
        self._writing = False

    async def take(self, batch: Batch) -> None:
        """Return when the batch is durable, whatever comes in after it.

        Raises:
            StoreError: it is not, or nobody knows; it may be taken again, which is harmless.
        """
        own: _Waiter = (batch, asyncio.get_running_loop().create_future())
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
        """Commit one group, which the writer's own batch is part of, and let the next one write."""
        group: Sequence[_Waiter] = ()
        try:
            await asyncio.sleep(0)  # others who are ready in this round join
            group, self._waiting = self._waiting, []
            await self._commit(group)
        finally:
            # Not told yet: this task was cancelled, and nobody knows what was written. The next one
            # writes it again, which is harmless.
            self._waiting[:0] = [each for each in group if not each[1].done()]
            self._hand_over()

    def _hand_over(self) -> None:
        """Wake the first of those who came meanwhile, to write for all of them."""
        heir = next((durable for _, durable in self._waiting if not durable.done()), None)
        self._writing = heir is not None
        if heir is not None:
            heir.set_result(True)

    async def _commit(self, group: Sequence[_Waiter]) -> None:
        batches = [batch for batch, _ in group]
        try:
            await self._offload(partial(self._store.append, batches))
        except StoreError as error:
            for _, durable in group:
                if not durable.done():
                    durable.set_exception(error)
            raise
        self.commits += 1
        self.readings += sum(len(batch.columns) for batch in batches)
        for _, durable in group:
            if not durable.done():
                durable.set_result(False)
        self._told()
