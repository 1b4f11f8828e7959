"""What goes wrong while reports are made, and does not end the connection: the head-end may still ask.

A store that cannot be used is tried again after a pause. A bug is told once and counted, and the pause grows. A
reading that a bug keeps from being said does not hold up the others: it is kept back, and offered again later.
"""

from collections.abc import Callable, Sequence
from datetime import tzinfo
from itertools import groupby

from kwhub.concentrator.bugs import Bugs
from kwhub.concentrator.counters import UplinkCounters
from kwhub.concentrator.database import StoreError
from kwhub.concentrator.outbox_rows import Entry
from kwhub.concentrator.report import Packed, pack
from kwhub.domain.errors import KwhubError
from kwhub.runtime.clock import Clock

__all__ = ["BROKEN", "BUG_PAUSE_S_MAX", "STORE_PAUSE_S", "Setbacks"]

BROKEN = "a fault of this program keeps it from being reported"
"""Why a reading is kept back when a bug met it."""

STORE_PAUSE_S = 30.0
"""Pause before a store that cannot be read or written is tried again."""

BUG_PAUSE_S = 30.0
BUG_PAUSE_S_MAX = 1_800.0
"""First and longest pause after a bug; it doubles in between."""


class Setbacks:
    """Outlives connections.

    Attributes:
        store_failed: hears of every trouble with the store.
    """

    def __init__(self, clock: Clock, counters: UplinkCounters) -> None:
        self._clock = clock
        self._counters = counters
        self._bugs = Bugs("making reports met a bug and begins anew after a pause", self._count)
        self._pause_s = BUG_PAUSE_S
        self.store_failed: Callable[[StoreError], None] | None = None

    async def wait(self, error: Exception) -> None:
        """Wait until it is worth trying again. Raises the error, if it must end the connection."""
        if isinstance(error, StoreError):
            if self.store_failed is not None:
                self.store_failed(error)
            await self._clock.sleep(STORE_PAUSE_S)
            return
        if isinstance(error, KwhubError | OSError):
            raise error
        self._bugs.note(error)
        pause_s, self._pause_s = self._pause_s, min(BUG_PAUSE_S_MAX, 2 * self._pause_s)
        await self._clock.sleep(pause_s)

    def over(self) -> None:
        """All that waited was reported: the next pause is a short one."""
        self._pause_s = BUG_PAUSE_S

    def pack(self, entries: Sequence[Entry], zone: tzinfo, user_bytes_max: int) -> Packed:
        """See `kwhub.concentrator.report.pack`; what meets a bug is among the unsayable."""
        try:
            return pack(entries, zone, user_bytes_max=user_bytes_max)
        except Exception as error:
            if isinstance(error, KwhubError | OSError):
                raise
            self._bugs.note(error)
        good: list[Entry] = []
        bad: list[Entry] = []
        # What stands together in a unit stays together: the tariffs of a day freeze.
        for _, group in groupby(sorted(entries, key=_place), key=_place):
            together = list(group)
            try:
                pack(together, zone, user_bytes_max=user_bytes_max)
            except Exception:  # noqa: BLE001 - it is told above
                bad += together
            else:
                good += together
        good.sort(key=lambda entry: entry.id)
        packed = pack(good, zone, user_bytes_max=user_bytes_max)
        broken = tuple((entry.id, BROKEN) for entry in bad)
        return Packed(packed.parcels, packed.unsayable + broken)

    def _count(self) -> None:
        self._counters.broken += 1


def _place(entry: Entry) -> tuple[int, int, int]:
    return entry.point, entry.interval_s, entry.at
