"""What arrived before the archive knew its point is read when it does."""

from kwhub.headend.ingest.decode import decode
from kwhub.headend.store import journal, unplaced
from kwhub.headend.store.store import Store
from kwhub.protocols.gdw1376.units import MARK_BYTES, Unit

__all__ = ["replay"]


def replay(store: Store) -> int:
    """Move kept units whose point is known by now into the journal, in one transaction.

    Returns:
        how many units found their place.

    Raises:
        StoreError: nothing was moved.
    """
    terminals = {each.id: each for each in store.archive.terminals.values()}
    batches = []
    with store.database.write() as connection:
        for kept in unplaced.waiting(connection):
            terminal = terminals.get(kept.terminal_id)
            if terminal is None or not terminal.has(kept.point):
                continue
            unit = Unit.from_mark(kept.unit[:MARK_BYTES], kept.unit[MARK_BYTES:])
            batch = decode(terminal, kept.afn, [unit], store.days, kept.received_at)
            if batch.unplaced:  # the point is known, but nobody was there at the time
                continue
            batches.append(batch)
            unplaced.forget(connection, kept)
        journal.append(connection, batches)
    store.count(sum(len(batch.columns) for batch in batches))
    return len(batches)
