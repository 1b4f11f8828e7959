"""Time zones, day tables, weekends and holidays that are written decide which tariff counts."""

from datetime import datetime
from decimal import Decimal

import pytest
from tests.sim.line import NOW, WALL, Line, made

from kwhub.sim.climate import DAY_S
from kwhub.sim.registers import USUAL_TABLE

ZONES_1, ZONES_2 = 0x0401_0000, 0x0402_0000
SWITCH_ZONES, SWITCH_SLOTS = 0x0400_0106, 0x0400_0107
SLOTS = 0x0400_0203


def table_of(tariff):
    return [f"00:00 {tariff:02d}"] * 14


def counted(line, days=1.0):
    """Which tariffs count within the next days."""
    before = line.values(0x0001_FF00)
    line.later(int(days * DAY_S))
    after = line.values(0x0001_FF00)
    assert after[0] == sum(after[1:])
    return {number for number in range(1, 5) if after[number] > before[number]}


def until(line, wall):
    line.later((wall - line.wall).total_seconds())


def test_the_usual_table_can_be_read():
    rows = Line(made()).values(0x0401_0001)
    told = [
        f"{s // 3600:02d}:{s // 60 % 60:02d} {tariff:02d}" for s, tariff in USUAL_TABLE.switches
    ]
    assert rows == told + told[-1:] * (14 - len(told))


def test_a_day_table_counts_from_the_moment_it_is_written():
    line = Line(made())
    assert counted(line) == {1, 2, 3, 4}
    before = line.values(0x0506_0101)
    line.write(0x0401_0001, *table_of(2))
    assert counted(line) == {2}
    assert counted(line, 3) == {2}
    assert line.values(0x0506_0105) == before  # the past keeps its tariffs


def test_slots_are_as_many_as_their_number_says():
    line = Line(made())
    line.write(SLOTS, Decimal(1))
    assert counted(line) == {4}  # the first slot only


def test_the_last_slot_lasts_past_midnight():
    line = Line(made())
    line.write(SLOTS, Decimal(2))
    line.write(0x0401_0001, "06:00 01", "22:00 03", *["22:00 03"] * 12)
    until(line, datetime(2026, 3, 17, 0, 0))
    assert counted(line, 0.2) == {3}
    until(line, datetime(2026, 3, 17, 6, 0))
    assert counted(line, 0.5) == {1}


def with_tables(line):
    """Day tables 1 to 4 each with the tariff of its number."""
    for number in (1, 2, 3, 4):
        line.write(0x0401_0000 + number, *table_of(number))


def test_zones_of_the_year():
    line = Line(made())
    with_tables(line)
    line.write(0x0400_0201, Decimal(2))
    line.write(ZONES_1, "03-18 03", "10-01 04", *["10-01 04"] * 12)
    until(line, datetime(2026, 3, 17, 0, 0))
    assert counted(line) == {4}  # the last zone of the year before
    assert counted(line) == {3}
    until(line, datetime(2026, 10, 2, 0, 0))
    assert counted(line) == {4}


def test_weekends_and_holidays():
    line = Line(made())
    with_tables(line)
    line.write(0x0400_0802, Decimal(2))
    line.write(0x0400_0801, "3E")
    line.write(0x0400_0205, Decimal(1))
    line.write(0x0403_0001, "2026-03-22 03")
    until(line, datetime(2026, 3, 20, 0, 0))  # a Friday
    assert [counted(line) for _ in range(4)] == [{1}, {2}, {3}, {1}]


@pytest.mark.parametrize(
    ("switch", "bit", "kind"), [(SWITCH_ZONES, 5, 2), (SWITCH_SLOTS, 0, 3)], ids=["zones", "slots"]
)
def test_the_second_set_comes_into_force_at_its_time(switch, bit, kind):
    line = Line(made())
    with_tables(line)
    line.write(ZONES_2, *["01-01 02"] * 14)
    line.write(0x0402_0001, *table_of(2))
    line.write(switch, "2026-03-18 00:00")
    until(line, datetime(2026, 3, 17, 0, 0))
    assert counted(line) == {1}
    assert line.word(3) >> bit & 1 == 1
    assert counted(line) == {2}
    assert line.values(0x0500_0001 + (kind << 16)) == ["2026-03-18 00:00"]
    line.write(switch, "2026-03-20 00:00")
    until(line, datetime(2026, 3, 20, 0, 0))
    assert counted(line) == {1}  # and back again
    assert line.values(0x0500_0002 + (kind << 16)) == ["2026-03-18 00:00"]
    assert line.word(3) >> bit & 1 == 0


def test_a_switch_time_of_the_past_switches_nothing():
    line = Line(made())
    line.write(SWITCH_ZONES, "2026-03-01 00:00")
    line.later(10)
    assert line.word(3) >> 5 & 1 == 0


def test_settlement_days():
    line = Line(made())
    before = [line.values(0x0001_0001 + back)[0] for back in range(12)]
    line.write(0x0400_0B02, "15 12")
    assert [line.values(0x0001_0001 + back)[0] for back in range(12)] == before
    until(line, datetime(2026, 4, 16, 0, 0))
    moment = NOW + int((datetime(2026, 4, 15, 12, 0) - WALL).total_seconds())
    assert line.values(0x0001_0001) == [Decimal(made().registers.total(moment)).scaleb(-2)]
    assert [line.values(0x0001_0003 + back)[0] for back in range(10)] == before[:10]
    assert line.values(0x0101_0000)[1] > "2026-04-15 12"
