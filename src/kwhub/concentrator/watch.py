"""Watches what a person must be told of: once when it begins and once when it is over.

Meters that fall silent, a store that cannot be written or is full, a disk that is nearly full, a clock that jumps.
"""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from kwhub.concentrator.database import StoreError
from kwhub.concentrator.outbox import Outbox
from kwhub.concentrator.store_size import StoreSize
from kwhub.runtime.clock import Clock

__all__ = [
    "DISK_FREE_MIN_BYTES",
    "JUMP_S",
    "LOOK_S",
    "QUIET_S",
    "SILENT_ROUNDS",
    "Watch",
    "free_bytes",
]

LOOK_S = 60.0
"""How often everything is looked at."""

SILENT_ROUNDS = 2
"""Unanswered rounds in a row after which a meter is called silent: one may be an accident."""

JUMP_S = 5.0
"""A difference between the clock and the time that has passed which is told."""

QUIET_S = 150.0
"""So long nobody may have failed with the store before the trouble is over: who has something to keep tries at
least every minute."""

DISK_FREE_MIN_BYTES = 64 << 20
"""Less free space than this is told."""


def free_bytes(folder: str) -> int:
    """Free bytes on the disk of a folder, for those who are not root."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class Watch:
    """Tells ``log``, a structlog logger.

    Attributes:
        silent: points of meters that are silent.
        trouble: why the store cannot be used, while that lasts.
        jumps: how often the clock has jumped.
    """

    def __init__(
        self,
        outbox: Outbox,
        size: StoreSize,
        clock: Clock,
        log: Any,
        *,
        again: Callable[[datetime], None] = lambda _: None,
        free: Callable[[str], int] = free_bytes,
    ) -> None:
        """Begin with what the store knows: a restart tells nothing a second time.

        Args:
            outbox: the store.
            size: of it.
            clock: the machine's.
            log: told.
            again: called when the store can be used again, with the moment at which the trouble began.
            free: free bytes on the disk of a folder.
        """
        self._outbox = outbox
        self._size = size
        self._clock = clock
        self._log = log
        self._again = again
        self._free = free
        self.silent = self._silent_now()
        self.trouble = ""
        self.jumps = 0
        self._failed_at = 0.0
        self._trouble_since = clock.now()
        self._disk_low = False
        self._ahead_s = self._wall_ahead_s()

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await self._clock.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Look once."""
        self._look_at_clock()
        self._look_at_disk()
        try:
            if self.trouble and self._clock.monotonic() - self._failed_at >= QUIET_S:
                self._try_store()
            while self._size.used_bytes() > self._size.limit_bytes and self._size.make_room():
                pass
            self._look_at_meters()
        except StoreError as error:
            self.store_failed(error)

    def store_failed(self, error: StoreError) -> None:
        """Somebody could not use the store; told once until it can be used again."""
        if not self.trouble:
            self._log.error(
                "store cannot be used; nothing is lost, meters are asked again later",
                error=str(error),
            )
            self._trouble_since = self._clock.now()
        self.trouble = str(error)
        self._failed_at = self._clock.monotonic()

    def _try_store(self) -> None:
        """Find out whether the trouble is over."""
        self._size.guard()
        with self._outbox.database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO state VALUES ('tried', 1)")
        self.trouble = ""
        self._log.warning("store can be used again")
        self._again(self._trouble_since)

    def _silent_now(self) -> dict[int, str]:
        return {
            state.point: state.address
            for state in self._outbox.meters()
            if state.silent_since is not None and state.attempts >= SILENT_ROUNDS
        }

    def _look_at_meters(self) -> None:
        now = self._silent_now()
        for point in sorted(now.keys() - self.silent.keys()):
            self._log.warning("meter went silent", point=point, meter=now[point])
        for point in sorted(self.silent.keys() - now.keys()):
            self._log.warning("meter answers again", point=point, meter=self.silent[point])
        self.silent = now

    def _look_at_clock(self) -> None:
        ahead_s = self._wall_ahead_s()
        jump_s, self._ahead_s = ahead_s - self._ahead_s, ahead_s
        if abs(jump_s) >= JUMP_S:
            self.jumps += 1
            where = "ahead" if jump_s > 0 else "back"
            self._log.warning(f"clock was set {where}", seconds=round(abs(jump_s)))

    def _look_at_disk(self) -> None:
        folder = str(Path(self._outbox.database.path).resolve().parent)
        try:
            free = self._free(folder)
        except OSError:
            return  # a disk that is gone is told by the store
        if (free < DISK_FREE_MIN_BYTES) != self._disk_low:
            self._disk_low = not self._disk_low
            event = "disk is nearly full" if self._disk_low else "disk has room again"
            self._log.warning(event, folder=folder, free_mib=free >> 20)

    def _wall_ahead_s(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()
