"""Conversations about a meter's clock: compare it, adjust it a little, set it.

Adjusting goes by the broadcast order 08, which needs no password: a meter takes it once a day and only
when its clock is at most five minutes off. Setting writes date and time, with a password. The caller's
``now`` gives the true wall time at the meter's place: naive, like the meter's own.

Source: DL/T 645-2007, clause 7 (codes 08 and 14) and table A.5 (04000101, 04000102); DL/T 645-1997,
clause 6 (C010, C011).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import TypeAlias

from kwhub.domain.errors import LocalError, NoAnswer, Refusal, RemoteError
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change, ChangeError, Verdict, tell
from kwhub.exchange.read import CLOCK_ITEMS, read_clock
from kwhub.exchange.transfer import order
from kwhub.protocols.dlt645.addresses import BROADCAST
from kwhub.protocols.dlt645.authority import Authority
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import encode
from kwhub.protocols.dlt645.orders import SetTime
from kwhub.protocols.dlt645.writing import WriteData

__all__ = [
    "ADJUST_LIMIT_S",
    "MIDNIGHT_GUARD_S",
    "SET_ROUNDS_MAX",
    "TOLERANCE_S",
    "AdjustProblem",
    "Advice",
    "ClockReading",
    "Now",
    "adjust_clock",
    "advise",
    "broadcast_clock",
    "compare_clock",
    "may_adjust",
    "may_set",
    "set_clock",
]

Now: TypeAlias = Callable[[], datetime]
"""The true wall time at the meter's place, naive."""

ADJUST_LIMIT_S = 300
"""Offset, s, above which a meter ignores the order 08."""

MIDNIGHT_GUARD_S = 300
"""Distance from midnight, s, that both clocks keep while one is adjusted: else a day's freeze would be
taken twice, or not at all."""

TOLERANCE_S = 2.0
"""Offset, s, that remains after a clock was put right: whole seconds, and the way of the frame."""

SET_ROUNDS_MAX = 3
"""How often date and time are written when no answer comes, or midnight passes between them."""

_DAY_S = 86_400
_RECORD_GUARD = timedelta(seconds=10)


class AdjustProblem(Enum):
    """Why a clock is not adjusted by 08."""

    TOO_FAR = "too_far"
    NEAR_MIDNIGHT = "near_midnight"


class Advice(Enum):
    """What is to be done about a clock that was looked at some time ago."""

    RIGHT = "right"
    ADJUST = "adjust"
    WAIT = "wait"  #: adjust it later: not now, or not again today
    TOO_FAR = "too_far"  #: only a written order sets it


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A meter's clock beside the true time.

    Attributes:
        meter: wall time that the meter showed, whole seconds.
        true: true wall time in the middle of the reading.
        uncertainty_s: half the time that the reading took, and half the meter's second.
    """

    meter: datetime
    true: datetime
    uncertainty_s: float

    @property
    def offset_s(self) -> float:
        """Seconds by which the meter is fast; negative when it is slow."""
        return (self.meter - self.true).total_seconds() + 0.5  # it shows seconds that have begun

    @property
    def is_right(self) -> bool:
        """Whether it is as right as a clock can be put."""
        return abs(self.offset_s) <= TOLERANCE_S + self.uncertainty_s


def compare_clock(
    address: str, now: Now, edition: Edition = Edition.E2007
) -> Conversation[ClockReading]:
    """Read a meter's clock and hold it against the true time.

    Raises:
        Refusal, NoAnswer, DecodeError, SequenceError: as usual.
    """
    before = now()
    shown = yield from read_clock(address, edition)
    took = now() - before
    return ClockReading(shown, before + took / 2, took.total_seconds() / 2 + 0.5)


def may_adjust(reading: ClockReading) -> AdjustProblem | None:
    """What speaks against adjusting this clock by 08; None when nothing does."""
    if abs(reading.offset_s) > ADJUST_LIMIT_S:
        return AdjustProblem.TOO_FAR
    if any(_near_midnight(moment) for moment in (reading.meter, reading.true)):
        return AdjustProblem.NEAR_MIDNIGHT
    return None


def may_set(reading: ClockReading) -> bool:
    """Whether date and time may be written: not while either clock is near midnight.

    Between the writing of the date and of the time midnight would pass, or the power may go: a day's freeze would
    be taken twice, not at all, or under another date.
    """
    return not any(_near_midnight(moment) for moment in (reading.meter, reading.true))


def _second_of_day(moment: datetime) -> int:
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def _near_midnight(moment: datetime) -> bool:
    second = _second_of_day(moment)
    return not MIDNIGHT_GUARD_S <= second <= _DAY_S - MIDNIGHT_GUARD_S


def advise(
    error_s: float, now: datetime, *, told_today: bool, tolerance_s: float, spacing_s: int
) -> Advice:
    """What to do about a meter's clock by the rules of order 08.

    A clock is not pushed over a moment at which the meter stores a record: it would store two, or none.

    Args:
        error_s: meter minus true, as it was found last.
        now: true wall time, naive.
        told_today: whether the meter was told the time today.
        tolerance_s: smaller errors are left alone.
        spacing_s: of the meter's records; divides a day.
    """
    if abs(error_s) > ADJUST_LIMIT_S:
        return Advice.TOO_FAR
    if abs(error_s) < tolerance_s:
        return Advice.RIGHT
    meter = now + timedelta(seconds=error_s)
    early, late = sorted((now, meter))
    early, late = early - _RECORD_GUARD, late + _RECORD_GUARD
    if told_today or any(map(_near_midnight, (now, meter))):
        return Advice.WAIT
    between = _second_of_day(early) // spacing_s != _second_of_day(late) // spacing_s
    return Advice.WAIT if between else Advice.ADJUST


def adjust_clock(
    address: str, now: Now, edition: Edition = Edition.E2007
) -> Conversation[Change[ClockReading]]:
    """Tell one meter the time by 08, and read its clock before and after.

    The meter does not answer, so only its clock shows whether it took the time: NOT_DONE mostly means
    that it has been adjusted today already.

    Raises:
        LocalError: ``may_adjust`` says no.
        Refusal, NoAnswer, DecodeError, SequenceError: the clock cannot be read; nothing was sent.
    """
    before = yield from compare_clock(address, now, edition)
    problem = may_adjust(before)
    if problem is AdjustProblem.TOO_FAR:
        raise LocalError(
            f"the clock is {before.offset_s:+.0f} s off: a meter takes at most {ADJUST_LIMIT_S} s"
        )
    if problem is AdjustProblem.NEAR_MIDNIGHT:
        raise LocalError(f"no clock is adjusted within {MIDNIGHT_GUARD_S} s of midnight")
    yield from order(SetTime(_whole_second(now()), address, edition))
    after, error = yield from _compare_again(address, now, edition)
    return Change(_verdict(after), before, after, look_error=error)


def broadcast_clock(now: Now, edition: Edition = Edition.E2007) -> Conversation[Change[None]]:
    """Tell all meters on the line the time by 08; those that are more than 5 minutes off ignore it.

    Raises:
        LocalError: it is too near to midnight.
    """
    moment = now()
    if _near_midnight(moment):
        raise LocalError(f"no clock is adjusted within {MIDNIGHT_GUARD_S} s of midnight")
    return (yield from tell(SetTime(_whole_second(moment), BROADCAST, edition)))


def set_clock(
    address: str, now: Now, authority: Authority, edition: Edition = Edition.E2007
) -> Conversation[Change[ClockReading]]:
    """Write date and time, and read the clock before and after.

    Raises:
        Refusal, NoAnswer, DecodeError, SequenceError: the clock cannot be read; nothing was written.
    """
    before = yield from compare_clock(address, now, edition)
    rounds = 0
    while True:
        rounds += 1
        error, same_day = yield from _write_clock(address, now, authority, edition)
        settled = isinstance(error, Refusal) or (error is None and same_day)
        if settled or rounds == SET_ROUNDS_MAX:
            break
    after, look_error = yield from _compare_again(address, now, edition)
    verdict = _verdict(after, error)
    if verdict is Verdict.REFUSED and after is not None and _moved(before, after):
        verdict = Verdict.REFUSED_BUT_CHANGED
    return Change(verdict, before, after, error, look_error, rounds)


def _moved(before: ClockReading, after: ClockReading) -> bool:
    """Whether the clock has been put elsewhere, by more than it can have run."""
    room = TOLERANCE_S + before.uncertainty_s + after.uncertainty_s
    return abs(after.offset_s - before.offset_s) > room


def _write_clock(
    address: str, now: Now, authority: Authority, edition: Edition
) -> Conversation[tuple[ChangeError | None, bool]]:
    """Write both items; the error, and whether both belong to the same day."""
    date_item, time_item = CLOCK_ITEMS[edition]
    day = now().date()
    try:
        date = encode(date_item, [day.isoformat()], edition)
        yield from order(WriteData(address, date_item, date, authority, edition))
        moment = _whole_second(now())
        time = encode(time_item, [f"{moment:%H:%M:%S}"], edition)
        yield from order(WriteData(address, time_item, time, authority, edition))
    except (Refusal, NoAnswer, RemoteError) as error:
        return error, now().date() == day
    return None, now().date() == day


def _compare_again(
    address: str, now: Now, edition: Edition
) -> Conversation[tuple[ClockReading | None, ChangeError | None]]:
    try:
        return (yield from compare_clock(address, now, edition)), None
    except (Refusal, NoAnswer, RemoteError) as error:
        return None, error


def _verdict(after: ClockReading | None, error: ChangeError | None = None) -> Verdict:
    if isinstance(error, Refusal):
        return Verdict.REFUSED
    if after is not None and after.is_right:
        return Verdict.DONE
    if error is not None:
        return Verdict.NO_ANSWER
    return Verdict.TAKEN if after is None else Verdict.NOT_DONE


def _whole_second(moment: datetime) -> datetime:
    """The nearest second: orders carry no fractions."""
    return (moment + timedelta(seconds=0.5)).replace(microsecond=0)
