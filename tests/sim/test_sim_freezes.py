"""Frozen data of every kind, and the load record that follows its mode word."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from tests.sim.line import ADDRESS, NO_SUCH_DATA, OTHER, WALL, Line, made

from kwhub.protocols.dlt645 import Freeze, ReadData
from kwhub.protocols.dlt645.load_record import decode_records
from kwhub.sim.climate import DAY_S
from kwhub.sim.clockwork import wall_seconds
from kwhub.sim.freezes import RECORDS
from kwhub.sim.moments import matching


def times(line, kind, count):
    """Stamps of the last records of a kind, then what a further one is refused with."""
    stamps = [line.values(0x0500_0001 + (kind << 16) + number)[0] for number in range(count)]
    further = 0x0500_0001 + (kind << 16) + count
    return [*stamps, line.read_error(further)] if count < RECORDS[kind] else stamps


def test_instant_freezes_are_three():
    line = Line(made(phases=3))
    for _ in range(4):
        assert line.error(Freeze(ADDRESS)) == 0
        line.later(60)
    assert times(line, 1, 3) == ["2026-03-16 10:10", "2026-03-16 10:09", "2026-03-16 10:08"]
    assert line.read_error(0x0501_0004) == NO_SUCH_DATA
    energies = line.values(0x0501_0101)
    assert energies[0] == sum(energies[1:])
    assert line.values(0x0501_0103)[0] <= energies[0] <= line.values(0x0001_0000)[0]
    assert line.values(0x0501_0301)[1:] == [None] * 4
    assert len(line.values(0x0501_0901)) == 10
    assert len(line.values(0x0501_1001)) == 8


def test_a_freeze_by_broadcast():
    line = Line(made(), made("000000000039"))
    line.ask(Freeze("9" * 12))
    line.later(1)
    assert all(meter.body.memory.frozen[1] for meter in line.meters)


@pytest.mark.parametrize(
    ("pattern", "days", "stamps"),
    [
        ("99999930", 0.2, ["2026-03-16 14:30", "2026-03-16 13:30", "2026-03-16 12:30"]),
        ("99990600", 3, ["2026-03-19 06:00", "2026-03-18 06:00", "2026-03-17 06:00"]),
        ("99201200", 40, ["2026-04-20 12:00", "2026-03-20 12:00", NO_SUCH_DATA]),
        ("99311200", 50, ["2026-03-31 12:00", NO_SUCH_DATA]),
        ("03201200", 40, ["2026-03-20 12:00", NO_SUCH_DATA]),
        ("03201200", 400, ["2026-03-20 12:00", NO_SUCH_DATA]),  # once, not every year
        ("03201200", 2, [NO_SUCH_DATA]),
    ],
)
def test_freeze_patterns(pattern, days, stamps):
    line = Line(made())
    assert line.error(Freeze(ADDRESS, pattern)) == 0
    line.later(int(days * DAY_S))
    found = times(line, 0, len([each for each in stamps if isinstance(each, str)]))
    assert found[: len(stamps)] == stamps
    month, day, hour, minute = (pattern[at : at + 2] for at in range(0, 8, 2))
    assert line.values(0x0400_1204) == [f"{month}-{day} {hour}:{minute}"]


def test_a_new_pattern_keeps_what_the_old_one_froze():
    line = Line(made())
    line.error(Freeze(ADDRESS, "99999900"))
    line.later(2 * 3600)
    line.error(Freeze(ADDRESS, "99999910"))
    line.later(3600)
    assert times(line, 0, 3) == [
        "2026-03-16 12:10",
        "2026-03-16 12:00",
        "2026-03-16 11:00",
        NO_SUCH_DATA,
    ]


def test_sixty_timed_freezes_are_kept():
    line = Line(made())
    line.error(Freeze(ADDRESS, "99999900"))
    line.later(70 * 3600)
    assert line.values(0x0500_003C) == ["2026-03-16 21:00"]
    assert line.read_error(0x0500_003D) == NO_SUCH_DATA


@pytest.mark.parametrize("pattern", ["13011200", "02300000", "99999960", "99992400", "01999900"])
def test_a_pattern_that_is_no_moment_is_refused(pattern):
    assert Line(made()).error(Freeze(ADDRESS, pattern)) == OTHER


def test_a_leap_day_comes_every_fourth_year():
    leap = wall_seconds(datetime(2028, 2, 29, 12, 0))
    assert list(matching("02291200", wall_seconds(WALL), leap + 10)) == [leap]
    assert list(matching("02291200", wall_seconds(WALL), leap - 10)) == []


def test_hourly_freezes():
    line = Line(made())
    assert times(line, 4, 2)[:2] == ["2026-03-16 10:00", "2026-03-16 09:00"]
    assert line.values(0x0504_00FE) == ["2026-03-05 21:00"]
    assert len(line.values(0x0504_0101)) == 1
    assert line.values(0x0504_0201) == [0]
    assert line.read_error(0x0504_0301) == NO_SUCH_DATA
    assert len(line.values(0x0504_FF01)) == 3
    line.write(0x0400_1202, Decimal(30))
    line.later(3600)
    assert times(line, 4, 3)[:3] == ["2026-03-16 11:00", "2026-03-16 10:30", "2026-03-16 10:00"]
    assert line.values(0x0504_0004) == ["2026-03-16 09:00"]


def test_the_time_of_the_daily_freeze():
    line = Line(made())
    line.write(0x0400_1203, "12:30")
    line.later(DAY_S)
    assert times(line, 6, 3)[:3] == ["2026-03-16 12:30", "2026-03-16 00:00", "2026-03-15 00:00"]


def test_a_mode_word_chooses_what_is_frozen():
    line = Line(made())
    whole = line.values(0x0506_FF01)
    assert len(whole) == 1 + 8 * 5 + 2 * 10 + 8
    line.write(0x0400_0906, "01")
    assert line.read_error(0x0506_0201) == NO_SUCH_DATA
    assert line.values(0x0506_0101) == whole[1:6]
    assert len(line.whole(0x0506_FF01)) == 5 + 5 * 4


def test_nothing_is_frozen_in_a_power_cut_nor_filled_in_later():
    line = Line(made())
    line.meter.body.cut_power(line.at_s)
    line.later(DAY_S)
    line.meter.body.restore_power(line.at_s)
    assert times(line, 4, 1)[:1] == ["2026-03-16 10:00"]
    assert times(line, 6, 1)[:1] == ["2026-03-16 00:00"]
    start = datetime(2026, 3, 16, 9, 45)
    argument = bytes.fromhex(f"04{start:%M%H%d%m%y}")
    records = decode_records(line.whole(0x0604_0001, argument))
    assert [record.time for record in records] == [start, start + timedelta(minutes=15)]
    before = line.values(0x0506_0101)[0]
    assert line.values(0x0001_0000)[0] - before < 20  # nothing flowed meanwhile


def test_the_load_record_follows_its_mode_word():
    line = Line(made(phases=3))
    for word, classes in (("3F", [1, 2, 3, 4, 5, 6]), ("10", [5]), ("20", [6])):
        line.write(0x0400_0901, word)
        (record,) = decode_records(line.whole(0x0600_0002, b"\x01"))
        assert sorted(record.classes) == classes
    assert line.error(ReadData(ADDRESS, 0x0601_0002, b"\x01")) == NO_SUCH_DATA
