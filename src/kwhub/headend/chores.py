"""What the head-end does by itself: pack, validate days that are over, keep the ledger, sign the trail, drop what is too old."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog

from kwhub.domain.errors import KwhubError
from kwhub.headend import retention
from kwhub.headend.billing.desk import Billing
from kwhub.headend.config import Retention, Service
from kwhub.headend.ingest.offload import Offload
from kwhub.headend.people.anchors import ANCHOR_EVERY_S, Anchors
from kwhub.headend.people.trail import Head
from kwhub.headend.store.pack import Packing
from kwhub.headend.store.store import Store
from kwhub.headend.validation.desk import QualityDesk
from kwhub.headend.validation.keeper import TODAY_AGE, Keeper
from kwhub.headend.validation.ledger import Ledger
from kwhub.runtime.clock import Clock

__all__ = ["CHECK_EVERY_S", "DROP_EVERY_S", "PACK_PAUSE_S", "Chores"]

PACK_PAUSE_S = 60.0
"""Pause after a store that did not take the packed days, in seconds."""

CHECK_EVERY_S = 3_600.0
"""Longest time between two looks at the days that are over, in seconds."""

KEEP_PAUSE_S = 900.0
"""Shortest pause between two looks at the figures of areas, in seconds."""

KEEP_PAUSE_PART = 9
"""And so many times what the last look took: the figures take a tenth of a processor, however large the fleet is."""

DROP_EVERY_S = 86_400.0
"""Time between two looks at what is too old, in seconds."""

_log = structlog.get_logger("kwhub.headend")


class Chores:
    """Runs the chores of one head-end; a store that is in trouble puts them off and ends nothing."""

    def __init__(  # noqa: PLR0913, PLR0917  the parts that have chores
        self,
        store: Store,
        quality: QualityDesk,
        ledger: Ledger,
        billing: Billing,
        keeper: Keeper,
        anchors: Anchors | None,
        clock: Clock,
        offload: Offload,
        *,
        settings: Service,
        kept: Callable[[], Retention],
    ) -> None:
        self._store = store
        self._quality = quality
        self._ledger = ledger
        self._billing = billing
        self._keeper = keeper
        self._anchors = anchors
        self._clock = clock
        self._offload = offload
        self._settings = settings
        self._kept = kept
        self._full = asyncio.Event()
        self._packed = asyncio.Event()
        self._changed = asyncio.Event()
        self._packing = asyncio.Lock()

    async def run(self) -> None:
        """Do everything when it is time, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_packing())
            tasks.create_task(self._keep_checking())
            tasks.create_task(self._keep_figures())
            if self._anchors is not None:
                tasks.create_task(self._keep_anchoring(self._anchors))
            tasks.create_task(self._keep_dropping())

    def on_written(self) -> None:
        """Readings are in the journal: pack when enough wait."""
        if self._store.waiting >= self._settings.pack_rows:
            self._full.set()

    async def pack(self) -> Packing:
        """Pack now everything that waits in the journal. Raises StoreError."""
        async with self._packing:
            done = await self._offload(self._store.pack)
        if done.readings:
            self._packed.set()
            self._changed.set()
        return done

    async def check(self) -> None:
        """Validate now every day that is over, keep the ledger, look at statements. Raises StoreError."""
        checked = await self._offload(self._quality.check_waiting)
        days = await self._offload(self._ledger.look)
        if looked := await self._offload(self._billing.look_again):
            _log.info("statements_looked_at", statements=looked)
        if checked.meter_days or days:
            _log.info("checked", meter_days=checked.meter_days, findings=checked.open, days=days)

    async def keep(self) -> int:
        """Compute now the figures of areas that are stale; of how many areas and days. Raises StoreError."""
        return await self._offload(self._keeper.refresh)

    async def drop(self) -> dict[str, int]:
        """Drop now what is too old; rows by kind. Raises StoreError."""
        store, now = self._store, self._clock.now()
        async with self._packing:
            return await self._offload(
                partial(retention.drop, store.database, self._kept(), store.days, now)
            )

    async def _keep_dropping(self) -> None:
        """Drop what is too old, at the start and once a day."""
        while True:
            try:
                gone = await self.drop()
            except KwhubError as error:
                _log.error("not_dropped", error=str(error))
            else:
                if gone:
                    _log.info("dropped", **gone)
            await self._clock.sleep(DROP_EVERY_S)

    async def _keep_packing(self) -> None:
        """Pack when enough waits, and now and then."""
        while True:
            await _either(self._full, self._settings.pack_interval_s)
            try:
                done = await self.pack()
            except KwhubError as error:
                _log.error("not_packed", error=str(error))
                await self._clock.sleep(PACK_PAUSE_S)
            else:
                if done.readings:
                    _log.debug(
                        "packed",
                        readings=done.readings,
                        repeated=done.repeated,
                        conflicts=done.conflicts,
                    )

    async def _keep_checking(self) -> None:
        """Check after packing, and now and then: a day may end without any reading."""
        while True:
            await _either(self._packed, CHECK_EVERY_S)
            try:
                await self.check()
            except KwhubError as error:
                _log.error("not_checked", error=str(error))
                await self._clock.sleep(PACK_PAUSE_S)

    async def _keep_figures(self) -> None:
        """Keep the figures of areas: after packing, and now and then, for a day goes on without any reading."""
        while True:
            began = self._clock.monotonic()
            try:
                done = await self.keep()
            except KwhubError as error:
                _log.error("figures_not_kept", error=str(error))
                done = 0
            took_s = self._clock.monotonic() - began
            if done:
                _log.debug("figures_kept", area_days=done, seconds=round(took_s, 1))
            await self._clock.sleep(max(KEEP_PAUSE_S, KEEP_PAUSE_PART * took_s))
            await _either(self._changed, TODAY_AGE.total_seconds())

    async def _keep_anchoring(self, anchors: Anchors) -> None:
        """Sign the end of the audit trail at the start and once a day."""
        while True:
            try:
                done = await self._offload(partial(self._anchor, anchors))
            except KwhubError as error:
                _log.error("trail_not_anchored", error=str(error))
            else:
                _log.info("trail_anchored", head=str(done))
            await self._clock.sleep(ANCHOR_EVERY_S)

    def _anchor(self, anchors: Anchors) -> Head:
        with self._store.database.write() as connection:
            return anchors.set(connection, self._clock.now())


async def _either(event: asyncio.Event, longest_s: float) -> None:
    """Wait for an event, or for a time; the event begins anew."""
    with suppress(TimeoutError):
        async with asyncio.timeout(longest_s):
            await event.wait()
    event.clear()
