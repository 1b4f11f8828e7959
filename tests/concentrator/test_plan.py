"""What is asked of which meter at which moment."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from kwhub.concentrator.config import MeterSettings, PlanSettings
from kwhub.concentrator.ledger_causes import Cause
from kwhub.concentrator.outbox import Gap, MeterState, Slot
from kwhub.concentrator.plan import (
    GAP_ATTEMPTS_MAX,
    SLOTS_PER_SESSION_MAX,
    Kind,
    Ledger,
    Miss,
    Plan,
    Why,
)
from kwhub.concentrator.times import aligned, instant, midnight, midnights, wall
from kwhub.domain.readings import Register

SHANGHAI = ZoneInfo("Asia/Shanghai")
ENERGY = Register("1-0:1.8.0")
POWER = Register("1-0:16.7.0")
ADDRESS = "000000000038"
METER = MeterSettings(ADDRESS, 1)


def at(hour, minute=0, second=0, day=2):
    return instant(datetime(2026, 3, day, hour, minute, second), SHANGHAI)


def a_plan(**settings):
    return Plan(PlanSettings(**{"history_days": 0, **settings}), SHANGHAI)


def ledger(until=None, *, gaps=(), **state):
    progress = {} if until is None else dict.fromkeys(Kind, until)
    return Ledger(MeterState(1, ADDRESS, **{"clock_read_at": at(0), **state}), progress, gaps)


def hours(moments):
    return [wall(moment, SHANGHAI).strftime("%H:%M") for moment in moments]


def test_at_the_settled_hour_the_curve_of_that_hour_and_the_live_registers_are_due():
    plan = a_plan()
    due = plan.due(plan.meter(METER), ledger(at(11)), at(12, 1))
    assert hours(due.record) == ["11:15", "11:30", "11:45", "12:00"]
    assert {slot.at for slot in due.live} == {at(12)}
    assert [str(slot.register) for slot in due.live] == [
        "1-0:16.7.0",
        "1-0:32.7.0",
        "1-0:31.7.0",
        "1-0:13.7.0",
    ]
    assert not due.days
    assert due.progress == dict.fromkeys(Kind, at(12))


def test_before_the_hour_has_settled_nothing_is_due():
    plan = a_plan()
    due = plan.due(plan.meter(METER), ledger(at(12)), at(13, 0, 59))
    assert due.idle
    assert plan.next_moment([ledger(at(12))], at(13, 0, 59)) == at(13, 1)


def test_a_three_phase_meter_has_fourteen_hourly_registers():
    plan = a_plan()
    meter = plan.meter(MeterSettings(ADDRESS, 1, phases=3))
    registers = next(series.registers for series in meter.series if series.kind is Kind.HOURLY)
    assert [str(register)[4:-4] for register in registers] == (
        ["16", "36", "56", "76", "32", "52", "72", "31", "51", "71", "13", "33", "53", "73"]
    )


def test_the_day_freeze_is_due_after_midnight_with_its_tariffs():
    plan = a_plan(tariffs=2)
    due = plan.due(plan.meter(METER), ledger(at(23, day=2)), at(0, 1, day=3))
    assert list(due.days) == [at(0, day=3)]
    registers = [slot.register for slot in due.days[at(0, day=3)]]
    assert registers == ["1-0:1.8.0", "1-0:1.8.1", "1-0:1.8.2"]


def test_a_meter_new_to_the_plan_begins_at_midnight_so_many_days_ago():
    plan = a_plan(history_days=1)
    due = plan.due(plan.meter(METER), ledger(), at(0, 1, day=3))
    assert len(due.record) == 96 + 1
    assert list(due.days) == [at(0, day=2), at(0, day=3)]
    assert next(iter(due.record)) == at(0, day=2)


def test_hours_that_were_missed_are_looked_for_in_the_load_record():
    plan = a_plan()
    due = plan.due(plan.meter(METER), ledger(at(8)), at(12, 1))
    assert len(due.record) == 16
    assert {slot.register for slot in due.record[at(11)]} > {ENERGY, POWER}
    assert {slot.register for slot in due.record[at(12)]} == {ENERGY}
    assert {slot.at for slot in due.live} == {at(12)}


def test_when_the_window_has_passed_a_live_value_is_not_stamped_with_the_hour():
    plan = a_plan(hourly_window_s=900)
    assert plan.due(plan.meter(METER), ledger(at(11)), at(12, 15)).live
    due = plan.due(plan.meter(METER), ledger(at(11)), at(12, 15, 1))
    assert not due.live
    assert POWER in {slot.register for slot in due.record[at(12)]}


def test_a_meter_of_the_old_edition_has_live_values_only():
    plan = a_plan()
    meter = plan.meter(MeterSettings(ADDRESS, 1, protocol="dlt645-1997"))
    due = plan.due(meter, ledger(at(10)), at(12, 1))
    assert [str(slot.register) for slot in due.live] == [
        "1-0:1.8.0",
        "1-0:16.7.0",
        "1-0:32.7.0",
        "1-0:31.7.0",
        "1-0:13.7.0",
    ]
    assert not due.record
    assert {cause for _, cause in due.lost} == {Cause.NO_RECORD}


def test_the_energy_of_an_hourly_curve_is_still_taken_from_the_load_record():
    plan = a_plan(curve_minutes=60)
    due = plan.due(plan.meter(METER), ledger(at(11)), at(12, 1))
    assert due.record == {at(12): (Slot(1, ENERGY, 3_600, at(12)),)}


def test_what_is_older_than_the_meter_keeps_is_lost():
    plan = a_plan(meter_keeps_days=1)
    due = plan.due(plan.meter(METER), ledger(at(0, day=1)), at(12, 1, day=3))
    assert {reason for _, reason in due.lost} == {Cause.TOO_OLD}
    assert min(due.record) == at(12, 15, day=2)


def test_a_long_backlog_is_cut_into_sessions():
    plan = a_plan(hourly=False, day_freeze=False)
    due = plan.due(plan.meter(METER), ledger(at(0, day=1)), at(12, 1, day=4))
    assert len(due.record) == SLOTS_PER_SESSION_MAX
    assert min(slot.at for slot in due.later) == max(due.record) + 900


def test_gaps_are_asked_again_when_their_moment_has_come():
    plan = a_plan()
    slots = [Slot(1, ENERGY, 900, at(9, 15)), Slot(1, ENERGY, 900, at(9, 30))]
    gaps = [
        Gap(slots[0], "open", "no answer", 1, at(12, 5)),
        Gap(slots[1], "open", "no answer", 1, at(12, 10)),
    ]
    known = ledger(at(12), gaps=gaps)
    assert plan.next_moment([known], at(12, 2)) == at(12, 5)
    due = plan.due(plan.meter(METER), known, at(12, 5))
    assert due.record == {at(9, 15): (slots[0],)}
    assert not due.live
    assert plan.next_moment([ledger(at(12), gaps=gaps[1:])], at(12, 6)) == at(12, 10)


def test_a_silent_meter_is_left_alone_until_its_next_try():
    plan = a_plan()
    silent = ledger(at(8), attempts=2, next_try=at(12, 11))
    assert plan.due(plan.meter(METER), silent, at(12, 1)).idle
    assert plan.next_moment([silent], at(12, 1)) == at(12, 11)
    assert plan.due(plan.meter(METER), silent, at(12, 11)).asks


def test_a_meter_that_took_the_place_of_another_begins_with_that_moment():
    plan = a_plan()
    due = plan.due(plan.meter(METER), ledger(adopted_at=at(11, 20)), at(12, 1))
    assert hours(due.record) == ["11:30", "11:45", "12:00"]
    assert not due.days
    ahead = plan.due(plan.meter(METER), ledger(adopted_at=at(12) + AHEAD), at(12, 1))
    assert min(ahead.record) == at(0)  # a wrong clock does not put the beginning off


AHEAD = 400 * 86_400


def test_a_ledger_written_by_a_clock_that_was_ahead_begins_anew():
    plan = a_plan()
    wrong = ledger(at(12) + AHEAD, next_try=at(12) + AHEAD, clock_read_at=at(12) + AHEAD)
    due = plan.due(plan.meter(METER), wrong, at(12, 1))
    assert due.anew
    assert (min(due.record), max(due.record)) == (at(0), at(12))
    assert due.live
    assert due.clock
    assert due.progress == dict.fromkeys(Kind, at(12))


def test_a_clock_that_is_corrected_by_a_minute_does_not_begin_the_day_anew():
    plan = a_plan()
    due = plan.due(plan.meter(METER), ledger(at(12)), at(12, 0, 30))
    assert due.idle
    assert not due.anew


def test_a_gap_of_a_moment_that_has_not_come_is_not_asked_and_a_pause_of_years_is_over():
    plan = a_plan()
    future = Gap(Slot(1, ENERGY, 900, at(12) + AHEAD), "open", "no answer", 1, at(12))
    paused = Gap(Slot(1, ENERGY, 900, at(9)), "open", "no answer", 1, at(12) + AHEAD)
    due = plan.due(plan.meter(METER), ledger(at(12), gaps=[future, paused]), at(12, 1))
    assert due.record == {at(9): (paused.slot,)}


def test_pauses_double_up_to_an_hour():
    plan = a_plan(retry_s=300)
    assert [plan.pause_s(n) for n in range(1, 7)] == [300, 600, 1200, 2400, 3600, 3600]


@pytest.mark.parametrize(
    ("minutes_old", "why", "attempts", "state"),
    [
        (120, Why.DAMAGED, 0, "open"),
        (120, Why.GONE, 0, "open"),  # the answer may have been damaged
        (120, Why.GONE, 1, "lost"),
        (30, Why.GONE, 1, "open"),  # the meter's clock may be behind
        (120, Why.DAMAGED, GAP_ATTEMPTS_MAX - 1, "lost"),
    ],
)
def test_what_becomes_of_a_value_that_did_not_come(minutes_old, why, attempts, state):
    plan = a_plan()
    slot = Slot(1, ENERGY, 900, at(12) - minutes_old * 60)
    before = Gap(slot, "open", "no answer", attempts, 0) if attempts else None
    gap = plan.missing(slot, before, at(12), Miss(why, "refused"))
    assert (gap.state, gap.attempts) == (state, attempts + 1)
    assert gap.reason.startswith("refused")
    assert state == "lost" or gap.next_try > at(12)


def test_silence_makes_the_pause_longer_and_never_loses_a_value():
    plan = a_plan(retry_s=300)
    gap, pauses = None, []
    for _ in range(2 * GAP_ATTEMPTS_MAX):
        gap = plan.missing(Slot(1, ENERGY, 900, at(9)), gap, at(12), Miss(Why.SILENT, "no answer"))
        pauses.append(gap.next_try - at(12))
    assert gap is not None
    assert (gap.state, gap.attempts) == ("open", 0)
    assert pauses[:6] == [300, 600, 1200, 2400, 3600, 3600]
    assert set(pauses[6:]) == {3600}


def test_the_clock_is_compared_once_a_day():
    plan = a_plan()
    assert not plan.due(plan.meter(METER), ledger(at(12)), at(23)).clock
    assert plan.due(plan.meter(METER), ledger(at(12)), at(0, day=3)).clock


@pytest.mark.parametrize(
    ("zone", "day", "count"),
    [
        ("Asia/Shanghai", date(2026, 3, 29), 96),
        ("Europe/Berlin", date(2026, 3, 29), 92),
        ("Europe/Berlin", date(2026, 10, 25), 100),
        ("Asia/Kathmandu", date(2026, 3, 29), 96),
        ("Australia/Lord_Howe", date(2026, 4, 5), 98),
    ],
)
def test_a_day_has_as_many_quarters_as_it_lasts(zone, day, count):
    place = ZoneInfo(zone)
    begin = midnight(day, place)
    (end,) = midnights(begin, begin + 26 * 3_600, place)
    quarters = list(aligned(begin - 1, end - 1, 900, place))
    assert len(quarters) == count
    assert all(wall(quarter, place).minute % 15 == 0 for quarter in quarters)


def test_full_hours_follow_the_wall_where_it_is_not_whole_hours_from_utc():
    place = ZoneInfo("Asia/Kathmandu")
    begin = midnight(date(2026, 3, 29), place)
    assert datetime.fromtimestamp(begin, UTC).minute == 15
    assert list(aligned(begin - 1, begin + 3_600, 3_600, place)) == [begin, begin + 3_600]
