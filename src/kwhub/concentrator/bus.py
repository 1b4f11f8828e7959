"""One bus with its meters: works through the plan, and lets orders of the head-end go first."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeAlias, TypeVar

from kwhub.concentrator.collect import MeterTalk
from kwhub.concentrator.config import BusSettings, MeterSettings
from kwhub.concentrator.counters import BusCounters
from kwhub.concentrator.forward import Forwarded, RawRequest
from kwhub.concentrator.line import Line
from kwhub.concentrator.outbox import Batch, Duty, Gap, MeterState, Outbox
from kwhub.concentrator.plan import Ledger, Plan, PlannedMeter
from kwhub.domain.errors import LinkDown
from kwhub.domain.machine import Conversation
from kwhub.domain.readings import Register
from kwhub.links.base import Link
from kwhub.protocols.gdw1376.afn_10 import Forward
from kwhub.runtime.clock import Clock

__all__ = ["Bus", "OpenLink"]

T = TypeVar("T")

COMMIT_AFTER_S = 30
"""What was read is kept at the latest so long after it was read."""

BYTE_GAP_S_MIN = 0.1
"""Shortest pause after which a forwarded answer is taken to be over, whatever the head-end says."""

OpenLink: TypeAlias = Callable[[str], Awaitable[Link]]
"""Opens a link by its address."""


class Bus:
    """The only one that talks on its link; ``serve`` runs while the link is up."""

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        settings: BusSettings,
        plan: Plan,
        outbox: Outbox,
        *,
        clock: Clock,
        open_link: OpenLink,
        counters: BusCounters,
        on_readings: Callable[[], None],
    ) -> None:
        self.settings = settings
        self.counters = counters
        self.meters: Sequence[PlannedMeter] = [plan.meter(meter) for meter in settings.meter]
        self._plan = plan
        self._outbox = outbox
        self._clock = clock
        self._open_link = open_link
        self._on_readings = on_readings
        self._line: Line | None = None
        self._batch: Batch | None = None
        self._wake = asyncio.Event()  # look at the plan before the moment that was planned
        self._is_stale = False  # archive or schedule have changed
        self.reload: Callable[[], None] | None = None  #: takes over the new archive, between rounds
        self.held_until: Callable[[int], int] | None = None  #: when reading is allowed again

    def assign(self, plan: Plan, meters: Sequence[MeterSettings]) -> None:
        """Make these the plan and the meters; between rounds only."""
        self._plan = plan
        self.meters = [plan.meter(meter) for meter in meters]

    @property
    def is_down(self) -> bool:
        """Whether its link is down."""
        return self._line is None

    def renew(self) -> None:
        """Archive, schedule or clock have changed: end the round and look at the plan anew."""
        self._is_stale = True
        self._wake.set()

    async def talk(self, conversation: Conversation[T]) -> T:
        """Run a conversation for the head-end, before the work of the plan.

        Raises:
            LinkDown: the bus is down.
            Exception: whatever the conversation raises.
        """
        if self._line is None:
            raise LinkDown(f"{self.settings.name} is down")
        return await self._line.talk(conversation)

    async def serve(self) -> None:
        """Open the link and read by the plan until the link is down.

        Raises:
            LinkDown: it cannot be opened, or went down.
            StoreError: the store cannot be read or written.
        """
        try:
            await self._serve(await self._open_link(self.settings.address))
        except LinkDown:
            self.counters.link_failures += 1
            raise

    async def _serve(self, link: Link) -> None:
        try:
            line = self._line = Line(link, self.settings, self._clock, self.counters)
            while True:
                moment = await self._round(line)
                await self._rest(moment - self._clock.now().timestamp())
        finally:
            self._line = None
            await link.aclose()

    async def _rest(self, seconds: float) -> None:
        """Sleep until the next round, or until something has changed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        self._wake.clear()

    async def forward(self, order: Forward) -> bytes:
        """Send raw bytes once, before the work of the plan; the raw answer, empty when silent."""
        gap_s = max(order.byte_timeout_ms / 1000, BYTE_GAP_S_MIN)
        request = RawRequest(order.payload, order.message_timeout_s, gap_s, baud=self.settings.baud)
        event = None
        if self._line is not None:
            with suppress(LinkDown):  # to the head-end a bus that is down is silent
                event = await self._line.order(request)
        if isinstance(event, Forwarded):
            self.counters.forwarded += 1
            return event.raw
        self.counters.forwarded_silent += 1
        return b""

    async def _round(self, line: Line) -> int:
        """Talk to every meter that something is due for, and keep what it says.

        Returns:
            The moment of the next round, seconds since 1970 UTC.
        """
        self._keep()
        self._take_over()
        ledgers = self._ledgers()
        try:
            for meter in self.meters:
                if self._is_stale or self._held() > self._now():
                    break
                await self._talk_to(line, meter, ledgers[meter.point])
        finally:
            self._keep()
        if self._is_stale:
            return self._now()
        if (held := self._held()) > self._now():
            return held
        self.counters.rounds += 1
        return self._plan.next_moment(self._ledgers().values(), self._now())

    def _take_over(self) -> None:
        """Read archive and schedule when they have changed."""
        self._wake.clear()
        if self._is_stale and self.reload is not None:
            self.reload()
        self._is_stale = False

    def _held(self) -> int:
        return self.held_until(self._now()) if self.held_until else 0

    async def _talk_to(self, line: Line, meter: PlannedMeter, ledger: Ledger) -> None:
        due = self._plan.due(meter, ledger, self._now())
        if due.idle:
            return
        if self._batch is not None and self._batch.received_at > self._now():
            self._keep()  # our clock was set back: what is read now is of another time
        if self._batch is None:
            self._batch = Batch(self._now())
        async with line.turn(meter.settings.address) as turn:
            talk = MeterTalk(
                meter,
                ledger,
                due,
                self._batch,
                plan=self._plan,
                clock=self._clock,
                talker=turn,
            )
            await talk.run()
        self.counters.sessions += due.asks
        self.counters.silent_sessions += due.asks and not talk.heard
        if self._now() - self._batch.received_at >= COMMIT_AFTER_S:
            self._keep()

    def _keep(self) -> None:
        """Put what was read into the store, in one transaction.

        When the store cannot be written, the batch stays: no meter is asked again before it is kept.
        """
        batch = self._batch
        if batch is None:
            return
        new = self._outbox.keep(batch)
        self._batch = None
        self.counters.readings += new
        self.counters.gaps_filled += len(batch.filled)
        self.counters.gaps_opened += sum(gap.state == "open" for gap in batch.gaps)
        self.counters.lost += sum(gap.state == "lost" for gap in batch.gaps)
        if new:
            self._on_readings()

    def _ledgers(self) -> dict[int, Ledger]:
        """What the store knows of the meters of this bus."""
        states = {state.point: state for state in self._outbox.meters()}
        progress: dict[int, dict[str, int]] = {}
        for (point, kind), until in self._outbox.progress().items():
            progress.setdefault(point, {})[kind] = until
        gaps: dict[int, list[Gap]] = {}
        for gap in self._outbox.gaps():
            gaps.setdefault(gap.slot.point, []).append(gap)
        duties: dict[int, dict[tuple[str, Register], Duty]] = {}
        for duty in self._outbox.duties():
            duties.setdefault(duty.point, {})[duty.series, duty.register] = duty
        return {
            meter.point: Ledger(
                states.get(meter.point) or MeterState(meter.point, meter.settings.address),
                progress.get(meter.point, {}),
                gaps.get(meter.point, []),
                duties.get(meter.point, {}),
            )
            for meter in self.meters
        }

    def _now(self) -> int:
        return int(self._clock.now().timestamp())
