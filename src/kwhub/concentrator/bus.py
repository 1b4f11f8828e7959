"""A way down with its meters: works through the plan, and lets orders of the head-end go first.

What is common to RS-485 wires, M-Bus lines and modules stands here; ``kwhub.concentrator.downlinks`` has
each of them. A round begins with the meters that answered last time. Those that were silent come after
them, the longest silent last, and share a budget of time: a dead meter costs the living ones nothing but
that.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import ClassVar, NamedTuple, TypeAlias, TypeVar

import structlog

from kwhub.concentrator.config import Downlink
from kwhub.concentrator.config_downlinks import PointSettings
from kwhub.concentrator.counters import BusCounters
from kwhub.concentrator.devices import Device
from kwhub.concentrator.outbox import Batch, Duty, Gap, MeterState, Outbox
from kwhub.concentrator.plan import Due, Ledger, Plan, PlannedMeter
from kwhub.concentrator.shown import Shown
from kwhub.domain.errors import LinkDown
from kwhub.domain.machine import Conversation
from kwhub.domain.readings import Register
from kwhub.links.base import Link
from kwhub.protocols.gdw1376.afn_10 import Forward
from kwhub.runtime.clock import Clock

__all__ = ["Bus", "OpenLink", "Parts"]

T = TypeVar("T")

COMMIT_AFTER_S = 30
"""What was read is kept at the latest so long after it was read."""

SILENT_BUDGET_S = 60.0
"""Time that a round gives to meters that were silent before; what is left of them is tried in the next."""

OpenLink: TypeAlias = Callable[[str], Awaitable[Link]]
"""Opens a link by its address."""


class Parts(NamedTuple):
    """What every way down needs."""

    outbox: Outbox
    clock: Clock
    open_link: OpenLink
    counters: BusCounters
    on_readings: Callable[[], None]


class Bus(ABC):
    """The only one that talks on its link; ``serve`` runs while the link is up."""

    tells_all: ClassVar[bool] = False  #: a word to one meter costs as much as a word to all of them

    def __init__(self, settings: Downlink, plan: Plan, parts: Parts) -> None:
        self.settings = settings
        self.counters = parts.counters
        self._plan = plan
        self._outbox = parts.outbox
        self._clock = parts.clock
        self._open_link = parts.open_link
        self._on_readings = parts.on_readings
        self._batch: Batch | None = None
        self._told: set[tuple[int, type[Exception]]] = set()  # bugs that stand in the log already
        self._wake = asyncio.Event()  # look at the plan before the moment that was planned
        self._is_stale = False  # archive or schedule have changed
        self.reload: Callable[[], None] | None = None  #: takes over the new archive, between rounds
        self.on_unknown: Callable[[str, bool], None] | None = None  #: a stranger, of 1997 or not
        self.on_up: Callable[[], None] | None = None  #: a round came to its end
        self.on_device: Callable[[Device], None] | None = None  #: how a radio device is
        self.held_until: Callable[[int], int] | None = None  #: when reading is allowed again
        self.meters: Sequence[PlannedMeter] = []
        self.assign(plan, settings.meter)

    def assign(self, plan: Plan, meters: Sequence[PointSettings]) -> None:
        """Make these the plan and the meters; between rounds only."""
        self._plan = plan
        self.meters = [self.planned(meter) for meter in meters]

    def planned(self, meter: PointSettings) -> PlannedMeter:
        """What is wanted of a meter."""
        return self._plan.meter(meter)

    # --- what each way down does in its own manner

    @property
    @abstractmethod
    def is_down(self) -> bool:
        """Whether its link is down."""

    @abstractmethod
    async def talk(self, conversation: Conversation[T]) -> T:
        """Run a conversation with a meter for the head-end, before the work of the plan.

        Raises:
            LinkDown: the way down is down.
            LocalError: its meters do not speak the language of the conversation.
            Exception: whatever the conversation raises.
        """

    @abstractmethod
    async def forward(self, order: Forward) -> bytes:
        """Send raw bytes once, before the work of the plan; the raw answer, empty when silent."""

    @abstractmethod
    async def read_now(self, meter: PlannedMeter) -> Sequence[Shown]:
        """What a meter shows now, before the work of the plan.

        Raises:
            LinkDown: the way down is down.
            NoAnswer: the meter is silent.
        """

    @abstractmethod
    async def _begin(self, link: Link) -> None:
        """The link is up."""

    @abstractmethod
    def _end(self) -> None:
        """The link is going to be closed."""

    @abstractmethod
    async def _visit(self, ledgers: Mapping[int, Ledger]) -> None:
        """Talk to every meter that something is due for; the outcome goes into the batch."""

    # --- what they have in common

    def renew(self) -> None:
        """Archive, schedule or clock have changed: end the round and look at the plan anew."""
        self._is_stale = True
        self._wake.set()

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
            await self._begin(link)
            while True:
                moment = await self._round()
                if self.on_up is not None:
                    self.on_up()
                await self._rest(moment - self._clock.now().timestamp())
        finally:
            self._end()
            await link.aclose()

    async def _rest(self, seconds: float) -> None:
        """Sleep until the next round, or until something has changed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        self._wake.clear()

    async def _round(self) -> int:
        """Talk to every meter that something is due for, and keep what it says.

        Returns:
            The moment of the next round, seconds since 1970 UTC.
        """
        self._keep()
        self._take_over()
        ledgers = self._ledgers()
        began = self._now()
        try:
            await self._visit(ledgers)
        finally:
            self._keep()
        if self._is_stale:
            return self._now()
        if (held := self._held()) > self._now():
            return held
        self.counters.rounds += 1
        # What has become due while others were read is not put off.
        return self._plan.next_moment(self._awaited(began), began)

    def _awaited(self, now: int) -> list[Ledger]:
        """The ledgers by which the next moment goes: not of silent meters that nothing is due for."""
        ledgers = self._ledgers()
        return [
            ledgers[meter.point]
            for meter in self.meters
            if not _is_over(ledgers[meter.point].state, now)
            or not self._due(meter, ledgers[meter.point], now).idle
        ]

    def _due(self, meter: PlannedMeter, ledger: Ledger, now: int) -> Due:
        """One meter's work."""
        return self._plan.due(meter, ledger, now)

    def _take_over(self) -> None:
        """Read archive and schedule when they have changed."""
        self._wake.clear()
        if self._is_stale and self.reload is not None:
            self.reload()
        self._is_stale = False

    def _held(self) -> int:
        return self.held_until(self._now()) if self.held_until else 0

    def _in_turn(self, ledgers: Mapping[int, Ledger]) -> Iterator[PlannedMeter]:
        """The meters by priority, until the round is to end."""
        end: float | None = None
        for meter in sorted(self.meters, key=lambda each: _patience(ledgers[each.point])):
            if end is None and ledgers[meter.point].state.attempts:
                end = self._clock.monotonic() + SILENT_BUDGET_S
            if self._must_end() or (end is not None and self._clock.monotonic() > end):
                return
            yield meter

    def _must_end(self) -> bool:
        return self._is_stale or self._held() > self._now()

    def _talked(self, *, heard: bool) -> None:
        """Count a talk, and keep what was read when it is time."""
        self._count_talk(heard=heard)
        self._keep_in_time()

    def _count_talk(self, *, heard: bool) -> None:
        self.counters.sessions += 1
        self.counters.silent_sessions += not heard

    def _keep_in_time(self) -> None:
        """Keep what was read when it has waited long enough."""
        if self._batch is not None and self._now() - self._batch.received_at >= COMMIT_AFTER_S:
            self._keep()

    def _contain(self, batch: Batch, state: MeterState, error: Exception) -> None:
        """A talk has ended in a bug: that meter is left alone for a while, all others go on.

        Each kind of error is told once for each meter, with its traceback; all are counted.
        """
        self.counters.broken_sessions += 1
        if (state.point, type(error)) not in self._told:
            self._told.add((state.point, type(error)))
            log = structlog.get_logger("kwhub.concentrator")
            log.error(
                "talk with a meter broke off",
                bus=self.settings.name,
                meter=state.address,
                exc_info=error,
            )
        attempts = state.attempts + 1
        next_try = self._now() + self._plan.pause_s(attempts)
        batch.meters.append(state._replace(attempts=attempts, next_try=next_try))

    def _open_batch(self) -> Batch:
        if self._batch is not None and self._batch.received_at > self._now():
            self._keep()  # our clock was set back: what is read now is of another time
        if self._batch is None:
            self._batch = Batch(self._now())
        return self._batch

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
        points = {meter.point for meter in self.meters}
        for gap in self._outbox.gaps(points=points):
            gaps.setdefault(gap.slot.point, []).append(gap)
        duties: dict[int, dict[tuple[str, Register], Duty]] = {}
        for duty in self._outbox.duties(points):
            duties.setdefault(duty.point, {})[duty.series, duty.register] = duty
        forgotten = self._outbox.forgotten()
        return {
            meter.point: Ledger(
                states.get(meter.point) or MeterState(meter.point, meter.settings.address),
                progress.get(meter.point, {}),
                gaps.get(meter.point, []),
                duties.get(meter.point, {}),
                forgotten.get(meter.point, {}),
            )
            for meter in self.meters
        }

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def _patience(ledger: Ledger) -> tuple[int, int, int]:
    """Those that answer come first, then those that were silent least often, then who waits longest.

    Who was left out by a round that was cut off is ahead in the next: otherwise the last of a bus would
    never be read where the power fails more often than a round takes.
    """
    paused_until = ledger.state.next_try if ledger.state.attempts else 0
    return ledger.state.attempts, paused_until, min(ledger.progress.values(), default=0)


def _is_over(state: MeterState, now: int) -> bool:
    """Whether the pause of a silent meter has ended."""
    return state.attempts > 0 and state.next_try <= now
