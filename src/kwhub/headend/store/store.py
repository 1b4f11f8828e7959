"""The store as ingest and orders use it: append durably, pack now and then."""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select

from kwhub.headend.config import Config
from kwhub.headend.store import journal, schema, unplaced
from kwhub.headend.store.archive import Archive, synchronise
from kwhub.headend.store.database import Database
from kwhub.headend.store.days import Days
from kwhub.headend.store.pack import Packing, pack
from kwhub.headend.store.service import follow_settings

__all__ = ["Store"]


class Store:
    """Readings of a head-end. Every method may be called from any thread.

    Attributes:
        archive: who may send what; a copy in memory, see ``reload``.
        waiting: readings in the journal that are not packed yet.
    """

    def __init__(self, database: Database, days: Days, config: Config) -> None:
        """Bring the archive up to date with the settings and see what waits in the journal."""
        self.database = database
        self.days = days
        self._counting = threading.Lock()
        self._reloading = threading.Lock()
        with database.write() as connection:
            synchronise(connection, config)
            follow_settings(connection, days)
            self.archive = Archive(connection)
            self.waiting: int = connection.execute(
                select(func.coalesce(func.sum(schema.journal.c.count), 0))
            ).scalar_one()

    def reload(self) -> None:
        """Take a fresh copy of the archive; who looks something up sees all of it or nothing. Raises StoreError."""
        with self._reloading, self.database.read() as connection:
            self.archive = Archive(connection)

    def append(self, batches: Sequence[journal.Batch]) -> None:
        """Write batches to the journal; durable on return. Raises StoreError: nothing was written."""
        with self.database.write() as connection:
            journal.append(connection, batches)
        self.count(sum(len(batch.columns) for batch in batches))

    def unplaced_bytes(self, terminal_id: int) -> int:
        """Bytes that are kept of a terminal for points that the archive does not know. Raises StoreError."""
        with self.database.read() as connection:
            return unplaced.bytes_of(connection, terminal_id)

    def see(self, seen: Mapping[int, datetime]) -> None:
        """Note when terminals were heard last. Raises StoreError."""
        with self.database.write() as connection:
            journal.see(connection, seen)

    def pack(self) -> Packing:
        """Pack everything that waits. Raises StoreError: what was not packed waits on."""
        total = Packing()
        while True:
            with self.database.write() as connection:
                done = pack(connection, self.days)
            if not done.batches:
                return total
            self.count(-done.readings)
            total = Packing(
                total.batches + done.batches,
                total.readings + done.readings,
                total.repeated + done.repeated,
                total.conflicts + done.conflicts,
            )

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def count(self, change: int) -> None:
        """Note that more or fewer readings wait in the journal."""
        with self._counting:
            self.waiting += change
