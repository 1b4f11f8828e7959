"""Watches the clocks of meters: tells of those that are wrong, and puts right what the order 08 may put right.

Source: DL/T 645-2007, clause 7 (code 08): once a day, at most five minutes, not near midnight. What is further off is
reported (ERC 12) and stays until somebody sets it by a written order.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeAlias

from kwhub.concentrator.config_watch import ClockSettings
from kwhub.concentrator.counters import WatchCounters
from kwhub.concentrator.events_notes import Note, Notes
from kwhub.concentrator.events_records import clock_off, clock_set
from kwhub.concentrator.outbox_rows import MeterState
from kwhub.concentrator.plan import Kind, PlannedMeter
from kwhub.concentrator.times import day_of, wall
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change, Verdict
from kwhub.exchange.clock import Advice, ClockReading, adjust_clock, advise
from kwhub.protocols.dlt645.editions import Edition
from kwhub.runtime.clock import Clock

__all__ = ["ClockWatch", "Talk"]

Talk: TypeAlias = Callable[[Conversation[Any]], Awaitable[Any]]
"""Runs a conversation with a meter on its bus."""

CLOCK = "clock"
SPACING_S = 900
"""Of a meter's records, where the plan knows nothing narrower."""
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
        error_s = state.clock_error_s
        age_s = note.at - (state.clock_read_at or 0)
        if error_s is None or not 0 <= age_s <= LOOK_AGE_S_MAX:
            return
        told_at = self._notes.told_at(meter.point)
        advice = advise(
            error_s,
            self._wall_now(),
            told_today=told_at is not None and self._day(told_at) == self._day(note.at),
            tolerance_s=self._settings.correct_from_s,
            spacing_s=_spacing_s(meter),
        )
        self._judge(meter.point, error_s, note, is_off=advice is Advice.TOO_FAR)
        if advice is Advice.ADJUST and self._settings.correct:
            self._notes.tell(meter.point, note.at)
            self._counters.clocks_told += 1
            old = meter.settings.protocol == "dlt645-1997"
            edition = Edition.E1997 if old else Edition.E2007
            order = adjust_clock(meter.settings.address, self._wall_now, edition)
            self._take(meter.point, await talk(order), note)

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

    def _take(self, point: int, change: Change[ClockReading], note: Note) -> None:
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


def _spacing_s(meter: PlannedMeter) -> int:
    """The narrowest spacing of records that may be read of a meter."""
    curves = [series.interval_s for series in meter.series if series.kind is Kind.CURVE]
    return min([SPACING_S, *curves])
