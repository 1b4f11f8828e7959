"""Watches the clocks of meters: tells of those that are wrong, and puts right what the order 08 may put right.

Source: DL/T 645-2007, clause 7 (code 08): once a day, at most five minutes, not near midnight. What is further off is
reported (ERC 12) and stays until somebody sets it by a written order.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeAlias

from kwhub.concentrator.config_watch import ClockSettings
from kwhub.concentrator.counters import WatchCounters
from kwhub.concentrator.events_notes import Note, Notes
from kwhub.concentrator.events_records import clock_off, clock_set
from kwhub.concentrator.outbox_rows import MeterState
from kwhub.concentrator.plan import Kind, PlannedMeter
from kwhub.concentrator.times import day_of, wall
from kwhub.domain.errors import LinkDown, LocalError, NoAnswer, Refusal, RemoteError
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change, Verdict
from kwhub.exchange.clock import (
    Advice,
    ClockReading,
    adjust_clock,
    advise,
    broadcast_clock,
    compare_clock,
)
from kwhub.protocols.dlt645.editions import Edition
from kwhub.runtime.clock import Clock

__all__ = ["ClockWatch", "Talk"]

Talk: TypeAlias = Callable[[Conversation[Any]], Awaitable[Any]]
"""Runs a conversation with a meter on its bus."""

CLOCK = "clock"
SPACING_S = 900
"""Of a meter's records, where the plan knows nothing narrower."""
BROADCAST_FROM = 2
"""So many meters that need the time are told it together, where all can be told at once."""
TROUBLE = (NoAnswer, Refusal, RemoteError, LocalError, LinkDown)
"""What says that a meter cannot be talked to now."""
LOOK_AGE_S_MAX = 2 * 86_400
"""An older look at a clock says nothing about it."""


class ClockWatch:
    """The clocks of all meters of a concentrator."""

    def __init__(
        self,
        notes: Notes,
        clock: Clock,
        zone: tzinfo,
        settings: ClockSettings,
        counters: WatchCounters,
    ) -> None:
        self._notes = notes
        self._clock = clock
        self._zone = zone
        self._settings = settings
        self._counters = counters

    async def visit(self, meter: PlannedMeter, state: MeterState, talk: Talk, note: Note) -> None:
        """Judge the last look at a meter's clock, and adjust it when the rules allow it.

        Raises:
            NoAnswer, Refusal, RemoteError: it cannot be read.
            LocalError: it has moved since it was looked at, and must not be adjusted now.
            LinkDown: the bus is down.
        """
        error_s = _error_s(state, note.at)
        if error_s is None:
            return
        advice = self._advice(meter, error_s, note.at)
        self._judge(meter.point, error_s, note, is_off=advice is Advice.TOO_FAR)
        if advice is Advice.ADJUST and self._notes.corrects_clocks(default=self._settings.correct):
            self._notes.tell(meter.point, note.at)
            self._counters.clocks_told += 1
            order = adjust_clock(meter.settings.address, self._wall_now, _edition(meter))
            self.take(meter.point, await talk(order), note)

    async def tell_all(
        self,
        meters: Sequence[PlannedMeter],
        states: Mapping[int, MeterState],
        talk: Talk,
        keep: Callable[[Note], None],
    ) -> None:
        """Tell all meters the time at once, when several of them need it and none may not be moved now.

        Everybody hears it: when one has been told today, or would be pushed over a record, all are left
        to ``visit``.

        Args:
            meters: all that hear it.
            states: what the store knows of them, by point.
            talk: runs a conversation with them.
            keep: takes what became of each.
        """
        at = int(self._clock.now().timestamp())
        wrong = self._all_wrong(meters, states, at)
        if len(wrong) < BROADCAST_FROM:
            return
        before = [(meter, look) for meter in wrong if (look := await self._look(meter, talk))]
        for meter in meters:
            self._notes.tell(meter.point, at)
        with suppress(*TROUBLE):
            await talk(broadcast_clock(self._wall_now, _edition(wrong[0])))
        for meter, look in before:
            self._counters.clocks_told += 1
            after = await self._look(meter, talk)
            verdict = Verdict.DONE if after and after.is_right else Verdict.NOT_DONE
            note = Note(meter.point, at)
            self.take(meter.point, Change(verdict, look, after), note)
            keep(note)

    def _all_wrong(
        self, meters: Sequence[PlannedMeter], states: Mapping[int, MeterState], at: int
    ) -> list[PlannedMeter]:
        """Meters that need the time; none when they may not be told together."""
        if not self._notes.corrects_clocks(default=self._settings.correct):
            return []
        advised: dict[int, Advice] = {}
        for meter in meters:
            state = states.get(meter.point)
            error_s = _error_s(state, at) if state else None
            if error_s is not None:
                advised[meter.point] = self._advice(meter, error_s, at)
        if Advice.WAIT in advised.values():
            return []
        return [meter for meter in meters if advised.get(meter.point) is Advice.ADJUST]

    async def _look(self, meter: PlannedMeter, talk: Talk) -> ClockReading | None:
        compare = compare_clock(meter.settings.address, self._wall_now, _edition(meter))
        with suppress(*TROUBLE):
            look: ClockReading = await talk(compare)
            return look
        return None

    def _advice(self, meter: PlannedMeter, error_s: float, at: int) -> Advice:
        told_at = self._notes.told_at(meter.point)
        return advise(
            error_s,
            self._wall_now(),
            told_today=told_at is not None and self._day(told_at) == self._day(at),
            tolerance_s=self._settings.correct_from_s,
            spacing_s=_spacing_s(meter),
        )

    def _judge(self, point: int, error_s: float, note: Note, *, is_off: bool) -> None:
        """Begin or end the event that a clock is too far off."""
        was_off = any(each.kind == CLOCK for each in self._notes.abnormal(point))
        if is_off == was_off:
            return
        note.records.append(clock_off(point, wall(note.at, self._zone), begins=is_off))
        if is_off:
            note.begun[CLOCK] = f"{error_s:+.0f} s"
        else:
            note.ended.add(CLOCK)

    def take(self, point: int, change: Change[ClockReading], note: Note) -> None:
        """Keep what a clock showed before and after it was put right."""
        looks: dict[int, float] = {}
        for look in (change.before, change.after):
            if look is not None:  # two looks within a second are two points of the curve
                looks[max(self._moment(look.true), *(at + 1 for at in looks), 0)] = look.offset_s
        self._notes.drifted(point, looks.items())
        if change.verdict is Verdict.DONE and change.before and change.after:
            self._counters.clocks_adjusted += 1
            note.records.append(clock_set(point, change.before.meter, change.after.meter))

    def _wall_now(self) -> datetime:
        return self._clock.now().astimezone(self._zone).replace(tzinfo=None)

    def _moment(self, true: datetime) -> int:
        return int(true.replace(tzinfo=self._zone).astimezone(UTC).timestamp())

    def _day(self, at: int) -> object:
        return day_of(at, self._zone)


def _error_s(state: MeterState, at: int) -> float | None:
    """How wrong a meter's clock is; None when that was not looked at of late."""
    age_s = at - (state.clock_read_at or 0)
    return state.clock_error_s if 0 <= age_s <= LOOK_AGE_S_MAX else None


def _edition(meter: PlannedMeter) -> Edition:
    return Edition.E1997 if meter.settings.protocol == "dlt645-1997" else Edition.E2007


def _spacing_s(meter: PlannedMeter) -> int:
    """The narrowest spacing of records that may be read of a meter."""
    curves = [series.interval_s for series in meter.series if series.kind is Kind.CURVE]
    return min([SPACING_S, *curves])
