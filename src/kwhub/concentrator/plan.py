"""What is to be asked of which meter at which moment: pure calculation over the ledger.

Three series: the curve (load record, read every hour), the hourly registers (read live soon after
the full hour) and the day freeze. Meters of DL/T 645-1997 have hourly registers only, and their
energy is one of them. What a meter has answered for moves the ledger on; what it did not give stays
behind as a gap, which is asked again while the meter still has it. An hourly value whose hour has
passed is looked for in the load record.

A register that is new to the plan, or wanted at another spacing, is read from the beginning of the
history on; so is what lies before when the settings now ask for a longer history.

A ledger that lies in the future was written while our clock was wrong. What it says is not believed,
and its series begin anew.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta, tzinfo
from enum import StrEnum
from functools import lru_cache
from itertools import chain

from kwhub.concentrator.config import PlanSettings
from kwhub.concentrator.config_downlinks import MbusMeterSettings, PointSettings
from kwhub.concentrator.ledger_causes import CAUSE_OF, Cause, Miss, Why
from kwhub.concentrator.outbox_rows import Duty, Gap, MeterState, Slot
from kwhub.concentrator.plan_registers import hourly_registers
from kwhub.concentrator.times import aligned, day_of, midnight, midnights
from kwhub.domain.readings import DAY_INTERVAL_S, HOUR_INTERVAL_S, Register

__all__ = [
    "GAP_ATTEMPTS_MAX",
    "SLOTS_PER_SESSION_MAX",
    "Due",
    "Kind",
    "Ledger",
    "Miss",
    "Plan",
    "PlannedMeter",
    "Series",
    "Why",
]

SLOTS_PER_SESSION_MAX = 192
"""Moments asked of one meter before the next meter has its turn: two days of a 15-minute curve."""

GAP_ATTEMPTS_MAX = 24
"""A gap that so many answers did not fill is lost; silence does not count."""

GONE_ANSWERS = 2
"""So many answers must say that the meter does not have a value before it is lost: the checksum of
DL/T 645 is a plain sum, and now and then a damaged answer passes it."""

PAUSE_S_MAX = 3_600
"""Longest pause before a gap or a silent meter is tried again."""

RECORD_SETTLES_S = 3_600
"""A record that the meter does not have yet may still come while it is younger than this: the
meter's clock may be behind ours."""

CLOCK_PERIOD_S = 86_400
"""How often a meter's clock is compared with ours."""

CLOCK_STEP_S_MAX = 3_600
"""A ledger that is ahead by no more is waited for; one that is further ahead begins anew."""

MOMENTS_CACHED = 16
"""Spans of the plan whose moments are remembered."""

ENERGY = Register("1-0:1.8.0")


class Kind(StrEnum):
    """The three series; the words stand in the store."""

    CURVE = "curve"
    HOURLY = "hourly"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Series:
    """Registers of a meter that are wanted at the same moments."""

    kind: Kind
    interval_s: int
    registers: tuple[Register, ...]


@dataclass(frozen=True, slots=True)
class PlannedMeter:
    """A meter and what is wanted of it."""

    settings: PointSettings
    series: tuple[Series, ...]
    has_history: bool  #: keeps a load record and day freezes (DL/T 645-2007)

    @property
    def point(self) -> int:
        """The measuring point."""
        return self.settings.point


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the store knows of one meter."""

    state: MeterState
    progress: Mapping[str, int]  #: by kind of series
    gaps: Sequence[Gap] = ()  #: the open ones
    duties: Mapping[tuple[str, Register], Duty] = field(default_factory=dict)  #: what is wanted
    forgotten: Mapping[tuple[Register, int], int] = field(default_factory=dict)
    """Up to when values of a register and spacing were kept and dropped again."""


@dataclass(frozen=True, slots=True)
class Due:
    """One meter's work now. Moments are seconds since 1970 UTC."""

    live: tuple[Slot, ...] = ()  #: registers to be read at present, all of the same full hour
    record: Mapping[int, tuple[Slot, ...]] | None = None  #: wanted of the load record, by moment
    days: Mapping[int, tuple[Slot, ...]] | None = None  #: wanted of the day freezes, by midnight
    lost: tuple[tuple[Slot, Cause], ...] = ()  #: cannot be had any more, and why
    later: tuple[Slot, ...] = ()  #: too many for one session
    clock: bool = False
    anew: bool = False  #: the ledger was written by a clock that was ahead
    progress: Mapping[str, int] | None = None  #: where the ledger stands when all this was handled
    duties: tuple[Duty, ...] = ()  #: all that is wanted of the point, when that has changed

    @property
    def asks(self) -> bool:
        """Whether the meter must be talked to."""
        return bool(self.live or self.record or self.days or self.clock)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do or to note."""
        return not (self.asks or self.lost or self.later)


class Plan:
    """The rules of one concentrator."""

    def __init__(self, settings: PlanSettings, zone: tzinfo) -> None:
        self.settings = settings
        self.zone = zone
        # The meters of a concentrator mostly stand at the same place in the plan.
        self._moments = lru_cache(maxsize=MOMENTS_CACHED)(self._list_moments)
        self.settled_hour = lru_cache(maxsize=1)(self._settled_hour)

    def meter(self, meter: PointSettings) -> PlannedMeter:
        """What is wanted of a meter."""
        if isinstance(meter, MbusMeterSettings):
            return _on_mbus(meter)
        plan = self.settings
        has_history = meter.protocol == "dlt645-2007"
        series: list[Series] = []
        if plan.curve_minutes and has_history:
            series.append(Series(Kind.CURVE, plan.curve_minutes * 60, (ENERGY,)))
        if plan.hourly:
            registers = hourly_registers(meter.phases)
            if not has_history:
                registers = (ENERGY, *registers)  # the present total is all the energy that it has
            series.append(Series(Kind.HOURLY, HOUR_INTERVAL_S, registers))
        if plan.day_freeze and has_history:
            tariffs = (Register(f"1-0:1.8.{tariff}") for tariff in range(plan.tariffs + 1))
            series.append(Series(Kind.DAY, DAY_INTERVAL_S, tuple(tariffs)))
        return PlannedMeter(meter, tuple(series), has_history)

    def slots(self, series: Series, point: int, after: int, until: int) -> list[Slot]:
        """Every planned value of a series with ``after < at <= until``."""
        times = self._moments(series.kind, series.interval_s, after, until)
        return [
            Slot(point, register, series.interval_s, at)
            for at in times
            for register in series.registers
        ]

    def _list_moments(
        self,
        kind: Kind,
        interval_s: int,
        after: int,
        until: int,
    ) -> tuple[int, ...]:
        if kind is Kind.DAY:
            return tuple(midnights(after, until, self.zone))
        return tuple(aligned(after, until, interval_s, self.zone))

    def _settled_hour(self, now: int) -> int:
        """The newest full hour whose values ought to be there."""
        hour = now - self.settings.settle_s
        return max(aligned(hour - 2 * HOUR_INTERVAL_S, hour, HOUR_INTERVAL_S, self.zone))

    def due(self, meter: PlannedMeter, ledger: Ledger, now: int) -> Due:
        """What is to be asked of a meter now; nothing while it is being left alone."""
        if _waits(ledger.state.next_try, now):
            return Due()
        until = self.settled_hour(now)
        anew = _is_ahead(ledger, now)
        known = {} if anew else ledger.progress
        beginning = self._beginning(ledger.state.adopted_at, now)
        wanted = list(_wanted(meter, ledger, beginning, anew=anew))
        fresh: dict[Slot, None] = {}
        progress: dict[str, int] = {}
        for series in meter.series:
            begin = known.get(series.kind, beginning)
            for duty, start, stop in wanted:
                if duty.series == series.kind and start < stop:
                    past = replace(series, registers=(duty.register,))
                    fresh.update(dict.fromkeys(self.slots(past, meter.point, start, stop)))
            if begin < until:
                fresh.update(dict.fromkeys(self.slots(series, meter.point, begin, until)))
                progress[series.kind] = until
            if series.kind not in known and ledger.forgotten:
                step_s = series.interval_s
                fresh = {
                    slot: None
                    for slot in fresh
                    if slot.interval_s != step_s or not _was_dropped(ledger, slot, now)
                }
        again = [
            gap.slot
            for gap in ledger.gaps
            if not _waits(gap.next_try, now) and gap.slot.at <= now and gap.slot not in fresh
        ]
        clock = self._clock_due(ledger, now)
        due = self._sort(meter, chain(again, fresh), now, progress, clock=clock)
        duties = {(duty.series, duty.register): duty for duty, _, _ in wanted}
        changed = tuple(duties.values()) if duties != ledger.duties else ()
        return replace(due, anew=anew, duties=changed)

    def next_moment(self, ledgers: Iterable[Ledger], now: int) -> int:
        """When the meters are to be looked at again: the next hour, or an earlier second attempt."""
        hour = self.settled_hour(now) + HOUR_INTERVAL_S + self.settings.settle_s
        tries = [
            max(gap.next_try, ledger.state.next_try) for ledger in ledgers for gap in ledger.gaps
        ]
        tries += [ledger.state.next_try for ledger in ledgers if ledger.state.attempts]
        return max(now, min([hour, *tries]))

    def pause_s(self, attempts: int) -> int:
        """The pause after so many attempts in a row that failed: doubling, with a bound."""
        return int(min(PAUSE_S_MAX, self.settings.retry_s * 2 ** min(attempts - 1, 16)))

    def missing(self, slot: Slot, gap: Gap | None, now: int, miss: Miss) -> Gap:
        """What becomes of a planned value that a talk with the meter did not bring.

        Answers are counted and have a bound. Silence only makes the pause longer: what the meter
        keeps may still be had when it answers again.

        Args:
            slot: the value.
            gap: its gap from before, if there was one.
            now: seconds since 1970 UTC.
            miss: why it did not come.
        """
        attempts, silences = (gap.attempts, gap.silences) if gap else (0, 0)
        cause = CAUSE_OF[miss.why]
        if miss.why is Why.SILENT:
            silences += 1
            pause_s = self.pause_s(attempts + silences)
            return Gap(slot, "open", miss.reason, attempts, now + pause_s, silences, cause)
        attempts += 1
        gone = miss.why is not Why.DAMAGED
        if gone and attempts >= GONE_ANSWERS and slot.at + RECORD_SETTLES_S <= now:
            return Gap(slot, "lost", miss.reason, attempts, 0, cause=cause)
        if attempts >= GAP_ATTEMPTS_MAX:
            reason = f"{miss.reason} ({attempts} attempts)"
            return Gap(slot, "lost", reason, attempts, 0, cause=Cause.GIVEN_UP)
        return Gap(slot, "open", miss.reason, attempts, now + self.pause_s(attempts), cause=cause)

    def _sort(
        self,
        meter: PlannedMeter,
        wanted: Iterable[Slot],
        now: int,
        progress: Mapping[str, int],
        *,
        clock: bool,
    ) -> Due:
        """Give each wanted value to the way by which it can still be had."""
        live: list[Slot] = []
        record: dict[int, list[Slot]] = {}
        days: dict[int, list[Slot]] = {}
        lost: list[tuple[Slot, Cause]] = []
        later: list[Slot] = []
        oldest = now - int(timedelta(days=self.settings.meter_keeps_days).total_seconds())
        for slot in wanted:
            group = days if slot.interval_s == DAY_INTERVAL_S else record
            if self._is_live(meter, slot, now):
                live.append(slot)
            elif not meter.has_history:
                lost.append((slot, Cause.NO_RECORD))
            elif slot.at < oldest:
                lost.append((slot, Cause.TOO_OLD))
            elif slot.at in group or len(record) + len(days) < SLOTS_PER_SESSION_MAX:
                group.setdefault(slot.at, []).append(slot)
            else:
                later.append(slot)
        return Due(
            live=tuple(live),
            record={at: tuple(slots) for at, slots in sorted(record.items())},
            days={at: tuple(slots) for at, slots in sorted(days.items())},
            lost=tuple(lost),
            later=tuple(later),
            clock=clock,
            progress=progress,
        )

    def _is_live(self, meter: PlannedMeter, slot: Slot, now: int) -> bool:
        """Whether a present value may stand for the slot."""
        if meter.has_history and (
            slot.interval_s != HOUR_INTERVAL_S
            or slot.register == ENERGY
            or self.settings.hourly_from == "record"
        ):
            return False
        return 0 <= now - slot.at <= self.settings.hourly_window_s

    def _beginning(self, adopted_at: int | None, now: int) -> int:
        """Where the plan begins for a meter that is new to it.

        Whole days back; where it took the place of another, not before that moment.
        """
        first = day_of(now, self.zone) - timedelta(days=self.settings.history_days)
        begin = midnight(first, self.zone) - 1
        return max(begin, adopted_at) if adopted_at is not None and adopted_at <= now else begin

    def _clock_due(self, ledger: Ledger, now: int) -> bool:
        read_at = ledger.state.clock_read_at
        return read_at is None or read_at > now or now - read_at >= CLOCK_PERIOD_S


def _wanted(
    meter: PlannedMeter, ledger: Ledger, beginning: int, *, anew: bool
) -> Iterator[tuple[Duty, int, int]]:
    """For each register what is wanted since when, and a span before the usual one to be read now."""
    kinds = {series for series, _ in ledger.duties}
    for series in meter.series:
        begin = beginning if anew else ledger.progress.get(series.kind, beginning)
        for register in series.registers:
            old = ledger.duties.get((series.kind, register))
            first, stop = min(begin, beginning), begin
            if anew or series.kind not in ledger.progress:
                since = min(old.since, beginning) if old else beginning
                first = beginning if anew else since
            elif series.kind not in kinds:  # a store from before there were duties
                since, stop = first, first
            elif old is None or old.interval_s != series.interval_s:
                since = first
            elif old.since > first:
                since, stop = first, old.since
            else:
                since, stop = old.since, first
            duty = Duty(meter.point, series.kind, register, series.interval_s, since)
            yield duty, first, stop


def _on_mbus(meter: MbusMeterSettings) -> PlannedMeter:
    """Present values only, at full hours or at midnight; what it has stored comes along with them."""
    if meter.every == "hourly":
        series = Series(Kind.HOURLY, HOUR_INTERVAL_S, meter.wanted)
    else:
        series = Series(Kind.DAY, DAY_INTERVAL_S, meter.wanted)
    return PlannedMeter(meter, (series,), has_history=False)


def _waits(next_try: int, now: int) -> bool:
    """Whether a pause is not over; one that is longer than any pause is an error of our clock."""
    return now < next_try <= now + PAUSE_S_MAX


def _was_dropped(ledger: Ledger, slot: Slot, now: int) -> bool:
    """Whether a value was kept once and dropped; a mark that lies ahead is not believed."""
    return slot.at <= ledger.forgotten.get((slot.register, slot.interval_s), 0) <= now


def _is_ahead(ledger: Ledger, now: int) -> bool:
    """Whether the ledger lies in the future by more than a small correction of our clock explains."""
    return any(until > now + CLOCK_STEP_S_MAX for until in ledger.progress.values())
