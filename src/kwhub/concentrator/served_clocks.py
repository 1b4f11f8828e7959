"""A meter's clock put right by an order of the head-end, and judged by what the meter shows afterwards.

Source: Q/GDW 1376.1-2013, clause 5.6, F31, which sets the terminal's clock at p0. Of a measuring point it sets the
meter's, which is an extension of this package. DL/T 645-2007, clause 7: the order 08 corrects at most five minutes,
once a day, and no order is given within five minutes of midnight; what is further off is written with a password
(code 14).
"""

from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import partial

from kwhub.concentrator.clock_watch import ClockWatch
from kwhub.concentrator.events_notes import Note, Notes
from kwhub.concentrator.served_live import Talks
from kwhub.concentrator.times import day_of
from kwhub.domain.errors import LocalError, RemoteError
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change, Verdict
from kwhub.exchange.clock import (
    AdjustProblem,
    ClockReading,
    Now,
    adjust_clock,
    compare_clock,
    may_adjust,
    may_set,
    set_clock,
)
from kwhub.protocols.dlt645.authority import Authority
from kwhub.protocols.dlt645.editions import Edition
from kwhub.runtime.clock import Clock

__all__ = ["AGREES_S", "MeterClocks", "put_right"]

AGREES_S = 60
"""An order's time that differs by more from the concentrator's clock is not carried out: that one is to be set first."""


def put_right(
    address: str,
    now: Now,
    edition: Edition,
    authority: Authority | None,
    *,
    tell: Callable[[], None] | None,
) -> Conversation[Change[ClockReading]]:
    """Correct a clock by 08 where that may do, else write it; at once, also over a moment of the load record.

    Args:
        address: of the meter.
        now: the true wall time, naive.
        edition: of the meter.
        authority: for writing; None: only 08.
        tell: called before the meter is told the time by 08; None: it was told today already.

    Raises:
        LocalError: neither may be done.
        Refusal, NoAnswer, RemoteError: the clock cannot be read; nothing was sent.
    """
    before = yield from compare_clock(address, now, edition)
    if before.is_right:
        return Change(Verdict.DONE, before, before)
    problem = may_adjust(before)
    if problem is AdjustProblem.NEAR_MIDNIGHT or not may_set(before):
        raise LocalError("no clock is put right near midnight: a day's freeze would be taken twice")
    if problem is None and tell is not None:
        tell()
        change = yield from adjust_clock(address, now, edition)
        if change.verdict is Verdict.DONE or authority is None:
            return change
    if authority is None:
        raise LocalError(f"the clock is {before.offset_s:+.0f} s off, and nobody may write it")
    return (yield from set_clock(address, now, authority, edition))


class MeterClocks:
    """Carries such orders out, and keeps what came of them as the watch of clocks does."""

    def __init__(
        self,
        watch: ClockWatch,
        notes: Notes,
        clock: Clock,
        zone: tzinfo,
        on_important: Callable[[], None],
    ) -> None:
        self._watch = watch
        self._notes = notes
        self._clock = clock
        self._zone = zone
        self._on_important = on_important

    async def set(
        self,
        point: int,
        wanted: datetime,
        edition: Edition,
        authority: Authority | None,
        site: Talks,
    ) -> None:
        """Put a meter's clock right.

        Raises:
            LocalError: it must not be done.
            RemoteError: it was not done, or nobody knows.
            LinkDown: the bus is down.
            StoreError: it cannot be noted.
        """
        if abs((wanted - self._wall_now()).total_seconds()) > AGREES_S:
            raise LocalError("the concentrator's own clock says something else: set that one first")
        now = int(self._clock.now().timestamp())
        told_at = self._notes.told_at(point)
        told_today = told_at is not None and day_of(told_at, self._zone) == day_of(now, self._zone)
        order = partial(
            put_right,
            now=self._wall_now,
            edition=edition,
            authority=authority,
            tell=None if told_today else partial(self._notes.tell, point, now),
        )
        change: Change[ClockReading] = await site.talk(point, order)
        note = Note(point, now)
        if change.before is not change.after:
            self._watch.take(point, change, note)
        if note.records and self._notes.keep(note):
            self._on_important()
        if change.verdict is not Verdict.DONE:
            raise RemoteError(f"the meter's clock is not right: {change.verdict.value}")

    def _wall_now(self) -> datetime:
        return self._clock.now().astimezone(self._zone).replace(tzinfo=None)
