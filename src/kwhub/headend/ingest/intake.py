"""The way into the journal: batches that arrive together are committed together."""

from collections.abc import Callable, Sequence
from functools import partial

from kwhub.headend.ingest.groups import Groups
from kwhub.headend.ingest.offload import Offload
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
        self._groups = Groups(self._commit)

    async def take(self, batch: Batch) -> None:
        """Return when the batch is durable, whatever comes in after it.

        Raises:
            StoreError: it is not, or nobody knows; it may be taken again, which is harmless.
        """
        await self._groups.take(batch)

    async def _commit(self, batches: Sequence[Batch]) -> None:
        await self._offload(partial(self._store.append, batches))
        self.commits += 1
        self.readings += sum(len(batch.columns) for batch in batches)
        self._told()
