"""The healer: holes of the ledger are asked for again, until they are filled or known to stay.

A terminal that is connected is asked for the values themselves (AFN 0D), then for the causes of what is still
missing (0D-F239, an extension). What it calls lost is closed with its word; everything else is tried again with
growing pauses. A terminal that keeps silent or does not know the extension costs a try, and nothing else.
"""

import asyncio
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from itertools import groupby

import structlog

from kwhub.catalog.names import to_gdw_curve, to_gdw_day_freeze
from kwhub.domain.errors import KwhubError, LinkDown, LocalError, NoAnswer, Refusal
from kwhub.domain.readings import DAY_INTERVAL_S
from kwhub.headend.front.front import Front
from kwhub.headend.ingest.decode import decode
from kwhub.headend.ingest.intake import Intake
from kwhub.headend.ingest.offload import Offload
from kwhub.headend.store.archive import KnownTerminal
from kwhub.headend.store.database import StoreError
from kwhub.headend.store.schema import day_number
from kwhub.headend.store.store import Store
from kwhub.headend.validation.ledger import Hole, Ledger, State, refresh
from kwhub.protocols.gdw1376 import afn_0d
from kwhub.protocols.gdw1376.afn_0d import CurveRequest, DayFreezeRequest, density_of
from kwhub.protocols.gdw1376.missing_values import MissingValue
from kwhub.protocols.gdw1376.units import Unit
from kwhub.runtime.clock import Clock

__all__ = ["HEAL_EVERY_S", "HOLES_AT_ONCE", "PAUSES_S", "TRIES_MAX", "Healed", "Healer"]

HEAL_EVERY_S = 300.0
"""Pause between two looks at the ledger, in seconds."""

HOLES_AT_ONCE = 2_000
"""Holes that one look takes up, the newest first."""

TERMINALS_AT_ONCE = 16
"""Terminals that are asked at the same time."""

UNITS_AT_ONCE = 4
"""Data units of one request: with their answers below what slow lines carry in the time of an answer."""

PAUSES_S = (900, 3_600, 14_400, 43_200, 86_400)
"""Pauses before a hole is asked for again, in seconds; the last one from then on."""

TRIES_MAX = 20
"""A hole that was asked for so often is given up."""

GIVEN_UP = "given_up"
_LOST = "lost"

_log = structlog.get_logger("kwhub.headend.heal")


@dataclass(slots=True)
class Healed:
    """What one look has brought."""

    asked: int = 0
    healed: int = 0
    lost: int = 0


@dataclass(slots=True)
class _Told:
    """What a terminal says of a point and day."""

    values: dict[tuple[str, int], list[MissingValue]] = field(default_factory=dict)
    known: bool = False  #: it knows the extension
    trouble: str = ""


class Healer:
    """Asks for holes while ``run`` is running."""

    def __init__(
        self,
        store: Store,
        front: Front,
        intake: Intake,
        ledger: Ledger,
        clock: Clock,
        offload: Offload,
    ) -> None:
        self._store = store
        self._front = front
        self._intake = intake
        self._ledger = ledger
        self._clock = clock
        self._offload = offload
        self._places = asyncio.Semaphore(TERMINALS_AT_ONCE)
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Heal now and then, until cancelled; a store in trouble puts it off."""
        while True:
            await self._clock.sleep(HEAL_EVERY_S)
            try:
                done = await self.heal()
            except KwhubError as error:
                _log.error("not_healed", error=str(error))
            else:
                if done.asked:
                    _log.info("healed", asked=done.asked, healed=done.healed, lost=done.lost)

    async def heal(self) -> Healed:
        """Ask once for every hole whose time has come. Raises StoreError."""
        async with self._one_at_a_time:
            known = {each.id: each for each in self._store.archive.terminals.values()}
            online = [number for number in known if self._front.is_online(number)]
            total = Healed()
            if not online:
                return total
            holes = await self._offload(partial(self._ledger.due, online, HOLES_AT_ONCE))
            by_terminal: dict[int, list[Hole]] = {}
            for hole in (self._where(each, known) for each in holes):
                by_terminal.setdefault(hole.terminal_id, []).append(hole)
            away = [each for each in by_terminal if each not in online]
            if unreached := [hole.key for each in away for hole in by_terminal.pop(each)]:
                # They must not take the place of others at every look.
                later = self._clock.now() + timedelta(seconds=PAUSES_S[0])
                await self._offload(partial(self._ledger.put_off, unreached, later))
            async with asyncio.TaskGroup() as tasks:
                for number, own in by_terminal.items():
                    tasks.create_task(self._heal_terminal(known[number], own, total))
            return total

    def _where(self, hole: Hole, known: Container[int]) -> Hole:
        """The hole with the terminal and the point through which the meter was read on its day.

        Where that terminal is out of service, the present one is asked: meters keep records, too.
        """
        start_s = self._store.days.start_s(hole.key.day)
        present = (hole.terminal_id, hole.point)
        terminal_id, point = self._store.archive.place(hole.key.meter_id, start_s, present)
        if terminal_id not in known:
            return hole
        return replace(hole, terminal_id=terminal_id, point=point)

    async def _heal_terminal(
        self, terminal: KnownTerminal, holes: Sequence[Hole], total: Healed
    ) -> None:
        """One meter and day after the other."""
        async with self._places:
            try:
                for _, group in groupby(holes, key=lambda each: (each.key.day, each.key.meter_id)):
                    await self._heal_day(terminal, list(group), total)
            except LinkDown:
                return  # it will call again, and nothing was counted
            except StoreError as error:
                _log.error("not_healed", terminal=terminal.id, error=str(error))

    async def _heal_day(
        self, terminal: KnownTerminal, holes: Sequence[Hole], total: Healed
    ) -> None:
        """Ask for the holes of one meter and day. Raises LinkDown, StoreError."""
        total.asked += len(holes)
        trouble = await self._read_again(terminal, holes)
        left = await self._offload(partial(self._refreshed, holes))
        total.healed += len(holes) - len(left)
        if not left:
            return
        told = await self._causes(terminal.id, left[0].point, left[0].key.day)
        told.trouble = told.trouble or trouble
        await self._offload(partial(self._note, left, told, total))

    async def _read_again(self, terminal: KnownTerminal, holes: Sequence[Hole]) -> str:
        """Ask for the values, and store what comes; what went wrong, in words."""
        units = list(dict.fromkeys(self._units(holes)))
        trouble = "" if units else "there are no words to ask a terminal for this register"
        for at in range(0, len(units), UNITS_AT_ONCE):
            try:
                answer = await self._front.ask(
                    terminal.id, afn_0d.AFN, tuple(units[at : at + UNITS_AT_ONCE])
                )
            except LinkDown:
                raise
            except Refusal:
                continue  # it has nothing of it
            except (NoAnswer, KwhubError) as error:
                trouble = str(error)
                break
            now = self._clock.now()
            await self._intake.take(decode(terminal, afn_0d.AFN, answer, self._store.days, now))
        return trouble

    def _units(self, holes: Iterable[Hole]) -> Iterator[Unit]:
        """What is asked; nothing for a register that Q/GDW 1376.1 has no function for."""
        for hole in holes:
            key = hole.key
            if key.interval_s == DAY_INTERVAL_S:
                function = to_gdw_day_freeze(key.register)
                if function is not None:
                    yield DayFreezeRequest(hole.point, function, key.day).to_unit()
                continue
            function = to_gdw_curve(key.register)
            with suppress(LocalError):  # no density for this spacing
                if function is not None:
                    yield self._curve(hole, function)

    def _curve(self, hole: Hole, function: int) -> Unit:
        start, stop = self._store.days.span_s(hole.key.day, hole.key.day)
        count = (stop - start) // hole.key.interval_s
        wall = datetime.combine(hole.key.day, datetime.min.time())
        density = density_of(hole.key.interval_s)
        return CurveRequest(hole.point, function, wall, count, density).to_unit()

    async def _causes(self, terminal_id: int, point: int, day: date) -> _Told:
        """What the terminal says of the day. Raises LinkDown."""
        told = _Told()
        try:
            values = await self._front.missing_values(terminal_id, point, day)
        except LinkDown:
            raise
        except Refusal:
            return told
        except KwhubError as error:
            told.trouble = str(error)
            return told
        told.known = True
        for each in values:
            told.values.setdefault((each.register, each.interval_s), []).append(each)
        return told

    def _refreshed(self, holes: Sequence[Hole]) -> list[Hole]:
        """Look at the ledger again: the holes that are still there."""
        first = holes[0].key
        with self._store.database.write() as connection:
            refresh(
                connection,
                self._store.days,
                {(first.meter_id, day_number(first.day))},
                self._clock.now(),
            )
        found, _ = self._ledger.holes(
            first.day, first.day, states=(State.OPEN,), meter_id=first.meter_id, limit=1_000
        )
        missing = {each.key for each in found}
        return [each for each in holes if each.key in missing]

    def _note(self, holes: Sequence[Hole], told: _Told, total: Healed) -> None:
        """Write what is known of holes that were asked for and are still there."""
        now = self._clock.now()
        for hole in holes:
            missing = told.values.get((str(hole.key.register), hole.key.interval_s), [])
            cause, detail = _cause(missing), _words(missing, told)
            pause = timedelta(seconds=PAUSES_S[min(hole.tries, len(PAUSES_S) - 1)])
            next_at: datetime | None = now + pause
            if missing and all(each.state == _LOST for each in missing):
                next_at = None
            elif hole.tries + 1 >= TRIES_MAX:
                cause, next_at = cause or GIVEN_UP, None
            total.lost += next_at is None
            self._ledger.tried([hole.key], cause=cause, next_at=next_at, detail=detail)


def _cause(missing: Sequence[MissingValue]) -> str:
    """The most frequent word of the terminal; empty when it says nothing."""
    words = Counter(each.cause for each in missing)
    return words.most_common(1)[0][0] if words else ""


def _words(missing: Sequence[MissingValue], told: _Told) -> str:
    if missing:
        words = Counter(f"{each.cause} ({each.state})" for each in missing)
        return ", ".join(f"{count} x {word}" for word, count in words.most_common())
    if told.known:
        return "the terminal misses nothing, and did not give it"
    return told.trouble or "the terminal does not tell why"
