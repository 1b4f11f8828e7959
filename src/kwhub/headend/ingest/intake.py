"""The way into the journal: batches that arrive together are committed together."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from kwhub.headend.ingest.offload import Offload
from kwhub.headend.store.database import StoreError
from kwhub.headend.store.journal import Batch
from kwhub.headend.store.store import Store

__all__ = ["Intake"]


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
        self._waiting: list[tuple[Batch, asyncio.Future[None]]] = []
        self._writing = False

    async def take(self, batch: Batch) -> None:
        """Return when the batch is durable.

        Raises:
            StoreError: it is not, or nobody knows; it may be taken again, which is harmless.
        """
        durable = asyncio.get_running_loop().create_future()
        self._waiting.append((batch, durable))
        if not self._writing:  # the first to come writes for all who come meanwhile
            await self._write()
        await durable

    async def _write(self) -> None:
        self._writing = True
        group: Sequence[tuple[Batch, asyncio.Future[None]]] = ()
        try:
            while self._waiting:
                await asyncio.sleep(0)  # others who are ready in this round join
                group, self._waiting = self._waiting, []
                await self._commit(group)
        finally:
            self._writing = False
            # Only when this task was cancelled is anybody left: they were waiting for it.
            for _, durable in (*group, *self._waiting):
                if not durable.done():
                    durable.set_exception(StoreError("writing was interrupted"))
                    durable.exception()  # told even if the waiter is gone too
            self._waiting = []

    async def _commit(self, group: Sequence[tuple[Batch, asyncio.Future[None]]]) -> None:
        batches = [batch for batch, _ in group]
        try:
            await self._offload(partial(self._store.append, batches))
        except StoreError as error:
            for _, durable in group:
                if not durable.done():
                    durable.set_exception(error)
            return
        self.commits += 1
        self.readings += sum(len(batch.columns) for batch in batches)
        for _, durable in group:
            if not durable.done():
                durable.set_result(None)
        self._told()
