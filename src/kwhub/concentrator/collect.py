"""One talk with one meter: asks what is due, and says for every planned value what became of it.

A meter that does not say a word leaves the ledger where it was. As soon as it has said anything, the
ledger moves on, and what it did not give becomes a gap.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol, TypeAlias, TypeVar

from kwhub.concentrator.ledger_causes import CAUSES, Cause
from kwhub.concentrator.outbox import Batch, Duty, Gap, Slot
from kwhub.concentrator.plan import ENERGY, Due, Ledger, Miss, Plan, PlannedMeter, Why
from kwhub.concentrator.times import day_of, instant, wall
from kwhub.domain.errors import DecodeError, LocalError, NoAnswer, Refusal, RemoteError
from kwhub.domain.machine import Conversation
from kwhub.domain.readings import Register
from kwhub.exchange.read import (
    DAY_FREEZES_MAX,
    CurvePoint,
    RegisterAnswer,
    read_clock,
    read_curve,
    read_day_freeze,
    read_registers,
)
from kwhub.protocols.dlt645.editions import Edition
from kwhub.runtime.clock import Clock

__all__ = ["MeterTalk", "Talker"]

T = TypeVar("T")

_Values: TypeAlias = Mapping[Register, Decimal | None]

RECORDS_PER_READ_MAX = 24
"""Load records asked for in one request."""

DAY_FREEZE_TRIES_MAX = 4
"""Freezes looked at to find that of a day: a meter that was off at a midnight has one less."""

ENERGIES, EVERYTHING = 4, 0
"""Classes of load records."""

FAULTY = "the meter marked its record as faulty"
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
        old = meter.settings.protocol == "dlt645-1997"
        self._edition = Edition.E1997 if old else Edition.E2007
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
        self._missing: dict[Slot, Miss] = dict.fromkeys(
            self._wanted(), Miss(Why.SILENT, "no answer")
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
        answers = await self._talker(read_registers(self._address, tuple(slots), self._edition))
        silences = [each.error for each in answers if isinstance(each.error, NoAnswer)]
        if len(silences) == len(answers):
            raise silences[0]
        self.heard = True
        for answer in answers:
            self._take_live(slots[answer.register], answer)

    def _take_live(self, slot: Slot, answer: RegisterAnswer) -> None:
        if answer.error is not None:
            self._miss([slot], str(answer.error), _why(answer.error))
        elif isinstance(answer.value, str):
            self._miss([slot], f"{answer.value!r} is no number", Why.GONE)
        else:
            self._got(slot, answer.value, f"dlt645:{answer.identifier}")

    async def _read_record(self) -> None:
        """Read what is wanted of the load record; energies apart, many of them fit into a frame."""
        record = self._due.record or {}
        for load_class in (ENERGIES, EVERYTHING):
            wanted = _of_class(record, load_class)
            for times in _runs(sorted(wanted), self._plan.settings.curve_minutes * 60):
                await self._read_records(load_class, times, wanted)

    async def _read_records(
        self, load_class: int, times: Sequence[int], wanted: Mapping[int, Sequence[Slot]]
    ) -> None:
        """Read load records that follow one another; what is refused as a whole, by halves."""
        slots = [slot for at in times for slot in wanted[at]]
        start = wall(times[0], self._zone)
        try:
            points = await self._ask(read_curve(self._address, start, len(times), load_class))
        except Refusal as error:
            if len(times) == 1:
                self._miss(slots, str(error), Why.REFUSED)
                return
            middle = len(times) // 2
            await self._read_records(load_class, times[:middle], wanted)
            await self._read_records(load_class, times[middle:], wanted)
        except RemoteError as error:
            self._miss(slots, str(error), Why.DAMAGED)
        else:
            self._take_records(slots, points, f"dlt645:06{load_class:02X}0001")

    def _take_records(
        self, slots: Sequence[Slot], points: Sequence[CurvePoint], source: str
    ) -> None:
        found = {point.time: point for point in points}
        for slot in slots:
            point = found.get(wall(slot.at, self._zone))
            if point is None:
                self._miss([slot], NO_RECORD, Why.GONE)
            elif point.faulty:
                self._miss([slot], FAULTY, Why.FAULTY)
            else:
                self._take(slot, point.values, source, NOT_RECORDED)

    async def _read_days(self) -> None:
        for at, slots in (self._due.days or {}).items():
            try:
                values = await self._read_day(wall(at, self._zone))
            except Refusal as error:
                self._miss(slots, str(error), Why.REFUSED)
            except RemoteError as error:
                self._miss(slots, str(error), Why.DAMAGED)
            else:
                for slot in slots:
                    self._take(slot, values, "dlt645:050601", NO_FREEZE)

    async def _read_day(self, midnight: datetime) -> _Values | None:
        """The freeze of a midnight (naive wall time); None when the meter has none."""
        index = (day_of(self._now, self._zone) - midnight.date()).days + 1
        tried: set[int] = set()
        while 1 <= index <= DAY_FREEZES_MAX and index not in tried:
            if len(tried) == DAY_FREEZE_TRIES_MAX:
                break
            tried.add(index)
            freeze = await self._ask(read_day_freeze(self._address, index))
            if freeze.time == midnight:
                return freeze.values
            # A freeze that is too new lies before the wanted one in the meter's list.
            index += (freeze.time.date() - midnight.date()).days
        return None

    async def _read_clock(self) -> None:
        """Compare the meter's clock with ours at the middle of the exchange."""
        if not self._due.clock:
            return
        asked = self._clock.now()
        try:
            shown = await self._ask(read_clock(self._address, self._edition))
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

    def _take(self, slot: Slot, values: _Values | None, source: str, absent: str) -> None:
        """Take a value of a record or freeze; ``absent`` is the reason when it does not hold it."""
        if values is None or slot.register not in values:
            self._miss([slot], absent, Why.GONE)
        else:
            self._got(slot, values[slot.register], source)

    def _got(self, slot: Slot, value: Decimal | None, source: str) -> None:
        try:
            self._batch.read(slot, self._address, value, source)
        except DecodeError as error:
            if slot in self._missing:
                self._miss([slot], str(error), Why.DAMAGED)
            return
        self._missing.pop(slot, None)
        if slot in self._gaps:
            self._batch.filled.append(slot)

    def _miss(self, slots: Sequence[Slot], reason: str, why: Why) -> None:
        self._missing.update(dict.fromkeys(slots, Miss(why, reason)))

    def _leave_alone(self) -> None:
        """Not a word: the ledger stays, and the meter has a pause."""
        self._batch.duties += self._unsettled_duties()
        attempts = self._state.attempts + 1
        self._batch.meters.append(
            self._state._replace(
                attempts=attempts,
                next_try=self._now + self._plan.pause_s(attempts),
                silent_since=min(self._state.silent_since or self._now, self._now),
            )
        )

    def _unsettled_duties(self) -> list[Duty]:
        """What is wanted from now on of the series that have no progress yet; the others as they were.

        A duty says that what it wants is a reading, a gap, or beyond the progress. Where there is
        progress already, that holds of a new one only when the meter has answered for its past.
        """
        begun = self._ledger.progress
        old = [duty for duty in self._ledger.duties.values() if duty.series in begun]
        new = [duty for duty in self._due.duties if duty.series not in begun]
        return old + new if new else []

    def _settle(self) -> None:
        """Move the ledger on and note what is still missing."""
        batch = self._batch
        batch.duties += self._due.duties
        for slot, miss in self._missing.items():
            batch.gaps.append(self._plan.missing(slot, self._gaps.get(slot), self._now, miss))
        for slot, cause in self._due.lost:
            batch.gaps.append(Gap(slot, "lost", CAUSES[cause][0], 0, 0, cause=cause))
        for slot in self._due.later:
            if slot not in self._gaps:
                reason = CAUSES[Cause.TURN][0]
                batch.gaps.append(Gap(slot, "open", reason, 0, self._now, cause=Cause.TURN))
        if self._due.anew:
            batch.anew.append(self._meter.point)
        for kind, until in (self._due.progress or {}).items():
            batch.progress[self._meter.point, kind] = until
        if self.heard:  # else it was not asked, and is as silent as before
            self._is_well()

    def _is_well(self) -> None:
        state = self._state._replace(attempts=0, next_try=0, silent_since=None)
        if state != self._ledger.state:
            self._batch.meters.append(state)


def _why(error: Exception) -> Why:
    if isinstance(error, NoAnswer):
        return Why.SILENT
    if isinstance(error, Refusal):
        return Why.REFUSED
    return Why.GONE if isinstance(error, LocalError) else Why.DAMAGED


def _of_class(record: Mapping[int, Sequence[Slot]], load_class: int) -> dict[int, list[Slot]]:
    """The energies, or all that is not energies, of what is wanted of the load record."""
    energies = load_class == ENERGIES
    wanted = {
        at: [slot for slot in slots if (slot.register == ENERGY) is energies]
        for at, slots in record.items()
    }
    return {at: slots for at, slots in wanted.items() if slots}


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
