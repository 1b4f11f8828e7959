"""Keeps the store below a size: what was delivered gives way, the oldest first; what was not never does.

When only readings are left that the head-end has not confirmed, nothing more is taken in: the plan asks no
meters, the ledger stands still, and what the meters keep themselves (load record, freezes, up to
``meter_keeps_days``) is fetched when there is room again. Marking as delivered still works, so that the way out
of the trouble stays open. A meter without a record (DL/T 645-1997) loses the hours in between.
"""

from collections.abc import Callable

from kwhub.concentrator.database import Database, StoreError
from kwhub.concentrator.outbox_forgotten import drop

__all__ = ["ROWS_AT_ONCE", "StoreFull", "StoreSize"]

ROWS_AT_ONCE = 5_000
"""Rows deleted in one transaction, so that reading is not held up."""

LOW_WATER = 0.9
"""To this part of the limit room is made."""


class StoreFull(StoreError):
    """The store has reached its limit, and nothing in it was delivered."""


class StoreSize:
    """The size of one store."""

    def __init__(self, database: Database, limit_bytes: int) -> None:
        self._database = database
        self._page_bytes = self._number("page_size")
        self.limit_bytes = limit_bytes
        self.is_full = False  #: of what was not delivered
        self.dropped = 0  #: delivered readings that gave way
        self.apart: Callable[[], int] = lambda: 0  #: bytes in it that have a limit of their own

    def used_bytes(self) -> int:
        """Bytes in use by readings and what belongs to them.

        The file may be larger: its free pages are used again, and files of the head-end stand apart.
        """
        pages = self._number("page_count") - self._number("freelist_count")
        return max(0, pages * self._page_bytes - self.apart())

    def guard(self) -> None:
        """Make room before something is added.

        Raises:
            StoreFull: there is none to be made.
        """
        used = self.used_bytes()
        if used > self.limit_bytes and not self.make_room():
            self.is_full = True
            raise StoreFull(
                f"the store has reached its limit of {self.limit_bytes >> 20} MiB with readings that the"
                " head-end has not confirmed; no meter is asked until it takes them"
            )
        self.is_full = False

    def make_room(self) -> int:
        """Drop some delivered readings if the store is too large; how many."""
        if self.used_bytes() <= self.limit_bytes * LOW_WATER:
            return 0
        with self._database.transaction() as connection:
            done = drop(
                connection,
                "delivered_at IS NOT NULL ORDER BY delivered_at, id LIMIT ?",
                (ROWS_AT_ONCE,),
            )
        self.dropped += done
        return done

    def _number(self, pragma: str) -> int:
        sql = f"SELECT {pragma} FROM pragma_{pragma}"  # noqa: S608 - one of the three above
        return int(self._database.rows(sql)[0][0])
