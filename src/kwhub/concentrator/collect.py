"""One talk with one meter: asks what is due, and says for every planned value what became of it.

A meter that does not say a word leaves the ledger where it was. As soon as it has said anything, the
ledger moves on, and what it did not give becomes a gap.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol, TypeVar

from kwhub.concentrator.outbox import Batch, Gap, Slot
from kwhub.concentrator.plan import Due, Ledger, Plan, PlannedMeter
from kwhub.concentrator.times import day_of, instant, wall
from kwhub.domain.errors import NoAnswer, Refusal, RemoteError
from kwhub.domain.machine import Conversation
from kwhub.domain.readings import Register
from kwhub.exchange.read import read_clock, read_curve, read_day_freeze, read_registers
from kwhub.protocols.dlt645.editions import Edition
from kwhub.runtime.clock import Clock

__all__ = ["MeterTalk", "Talker"]

T = TypeVar("T")

RECORDS_PER_READ_MAX = 24
"""Load records asked for in one request."""

DAY_FREEZE_TRIES_MAX = 4
"""Freezes looked at to find that of a day: a meter that was off at a midnight has one less."""

NO_RECORD = "the meter has no record of this moment"
NOT_RECORDED = "the meter's record does not hold this register"
NO_FREEZE = "the meter has no freeze of this day"


class Talker(Protocol):
    """Runs conversations with a meter on its bus."""

    async def __call__(self, conversation: Conversation[T]) -> T:
        """Run one to its end; raises what it raises, and LinkDown."""


class MeterTalk:
    """One meter in one round."""

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        meter: PlannedMeter,
        ledger: Ledger,
        due: Due,
        batch: Batch,
        *,
        plan: Plan,
        clock: Clock,
        talker: Talker,
    ) -> None:
        self.heard = False  #: whether the meter said a word
        self._meter = meter
        self._address = meter.settings.address
        self._ledger = ledger
        self._due = due
        self._batch = batch
        self._plan = plan
        self._zone = plan.zone
        self._clock = clock
        self._talker = talker
        self._now = int(clock.now().timestamp())
        self._gaps = {gap.slot: gap for gap in ledger.gaps}
        self._state = ledger.state
        self._missing: dict[Slot, tuple[str, bool]] = dict.fromkeys(
            self._wanted(), ("no answer", False)
        )

    async def run(self) -> None:
        """Ask for everything that is due, and put the outcome into the batch.

        Raises:
            LinkDown: the bus is down. What was read is in the batch, the ledger is where it was.
        """
        try:
            for step in (self._read_live, self._read_record, self._read_days, self._read_clock):
                await step()
        except NoAnswer:
            if not self.heard:
                self._leave_alone()
                return
        self._settle()

    def _wanted(self) -> Iterator[Slot]:
        yield from self._due.live
        for slots in (self._due.record or {}).values():
            yield from slots
        for slots in (self._due.days or {}).values():
            yield from slots

    # --- the four things that are asked

    async def _read_live(self) -> None:
        slots = {slot.register: slot for slot in self._due.live}
        if not slots:
            return
        old = self._meter.settings.protocol == "dlt645-1997"
        edition = Edition.E1997 if old else Edition.E2007
        answers = await self._ask(read_registers(self._address, tuple(slots), edition))
        for answer in answers:
            slot = slots[answer.register]
            if answer.error is None:
                self._got(slot, answer.value, "dlt645")
            else:
                self._miss([slot], str(answer.error), gone=isinstance(answer.error, Refusal))

    async def _read_record(self) -> None:
        record = self._due.record or {}
        for times in _runs(sorted(record), self._plan.settings.curve_minutes * 60):
            await self._read_records(times, record)

    async def _read_records(
        self, times: Sequence[int], record: Mapping[int, Sequence[Slot]]
    ) -> None:
        """Read load records that follow one another; what is refused as a whole, by halves."""
        slots = [slot for at in times for slot in record[at]]
        try:
            points = await self._ask(
                read_curve(self._address, wall(times[0], self._zone), len(times))
            )
        except Refusal as error:
            if len(times) == 1:
                self._miss(slots, str(error), gone=True)
                return
            middle = len(times) // 2
            await self._read_records(times[:middle], record)
            await self._read_records(times[middle:], record)
            return
        except RemoteError as error:
            self._miss(slots, str(error), gone=False)
            return
        found = {point.time: point.values for point in points}
        for slot in slots:
            self._take(slot, found.get(wall(slot.at, self._zone)), NO_RECORD, NOT_RECORDED)

    async def _read_days(self) -> None:
        for at, slots in (self._due.days or {}).items():
            try:
                values = await self._read_day(day_of(at, self._zone))
            except Refusal as error:
                self._miss(slots, str(error), gone=True)
            except RemoteError as error:
                self._miss(slots, str(error), gone=False)
            else:
                for slot in slots:
                    self._take(slot, values, NO_FREEZE, NO_FREEZE)

    async def _read_day(self, day: date) -> Mapping[Register, Decimal | None] | None:
        """The freeze at the beginning of a day; None when the meter has none."""
        index = (day_of(self._now, self._zone) - day).days + 1
        tried: set[int] = set()
        while index > 0 and index not in tried and len(tried) < DAY_FREEZE_TRIES_MAX:
            tried.add(index)
            freeze = await self._ask(read_day_freeze(self._address, index))
            if freeze.time.date() == day:
                return freeze.values
            index += (freeze.time.date() - day).days
        return None

    async def _read_clock(self) -> None:
        """Compare the meter's clock with ours at the middle of the exchange."""
        if not self._due.clock:
            return
        asked = self._clock.now()
        try:
            shown: datetime = await self._ask(read_clock(self._address))
        except (Refusal, RemoteError):
            error_s = None
        else:
            middle = (asked.timestamp() + self._clock.now().timestamp()) / 2
            error_s = instant(shown, self._zone) - middle
        self._state = self._state._replace(clock_error_s=error_s, clock_read_at=self._now)

    async def _ask(self, conversation: Conversation[T]) -> T:
        try:
            result = await self._talker(conversation)
        except (Refusal, RemoteError):
            self.heard = True
            raise
        self.heard = True
        return result

    # --- what became of it

    def _take(
        self,
        slot: Slot,
        values: Mapping[Register, Decimal | None] | None,
        no_values: str,
        no_register: str,
    ) -> None:
        if values is None:
            self._miss([slot], no_values, gone=True)
        elif slot.register not in values:
            self._miss([slot], no_register, gone=True)
        else:
            self._got(slot, values[slot.register], "dlt645")

    def _got(self, slot: Slot, value: Decimal | None, source: str) -> None:
        self._batch.read(slot, value, source)
        self._missing.pop(slot, None)
        if slot in self._gaps:
            self._batch.filled.append(slot)

    def _miss(self, slots: Sequence[Slot], reason: str, *, gone: bool) -> None:
        for slot in slots:
            self._missing[slot] = (reason, gone)

    def _leave_alone(self) -> None:
        """Not a word: the ledger stays, and the meter has a pause."""
        attempts = self._state.attempts + 1
        self._batch.meters.append(
            self._state._replace(
                attempts=attempts,
                next_try=self._now + self._plan.pause_s(attempts),
                silent_since=self._state.silent_since or self._now,
            )
        )

    def _settle(self) -> None:
        """Move the ledger on and note what is still missing."""
        batch = self._batch
        for slot, (reason, gone) in self._missing.items():
            gap = self._gaps.get(slot)
            batch.gaps.append(self._plan.missing(slot, gap, self._now, reason=reason, gone=gone))
        for slot, reason in self._due.lost:
            batch.gaps.append(Gap(slot, "lost", reason, 0, 0))
        for slot in self._due.later:
            if slot not in self._gaps:
                batch.gaps.append(Gap(slot, "open", "waits for its turn", 0, self._now))
        for kind, until in (self._due.progress or {}).items():
            batch.progress[self._meter.point, kind] = until
        state = self._state._replace(attempts=0, next_try=0, silent_since=None)
        if state != self._ledger.state:
            batch.meters.append(state)


def _runs(times: Sequence[int], step_s: int) -> Iterator[list[int]]:
    """Cut moments into runs that follow one another, none longer than one request may ask."""
    run: list[int] = []
    for at in times:
        if run and (at != run[-1] + step_s or len(run) == RECORDS_PER_READ_MAX):
            yield run
            run = []
        run.append(at)
    if run:
        yield run
