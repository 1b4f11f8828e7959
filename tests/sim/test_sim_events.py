"""The event book: counters, the last ten records, and what clears them."""

from decimal import Decimal

import pytest
from tests.sim.line import (
    ADDRESS,
    NO_SUCH_DATA,
    NOT_AUTHORISED,
    OPERATOR,
    OTHER,
    Line,
    authority,
    made,
)

from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645 import ClearDemand, ClearEvents, ClearMeter, Freeze
from kwhub.protocols.dlt645.items import decode
from kwhub.sim.climate import DAY_S

SCREENS = 0x0400_0301
BOSS = authority(2)


def test_power_cuts():
    line = Line(made())
    for _ in range(11):
        line.meter.body.cut_power(line.at_s)
        line.later(30)
        line.meter.body.restore_power(line.at_s)
        line.later(30)
    assert line.values(0x0311_0000) == [11]
    assert line.values(0x0311_0001) == ["2026-03-16 10:17:00", "2026-03-16 10:17:30"]
    assert line.values(0x0311_000A) == ["2026-03-16 10:08:00", "2026-03-16 10:08:30"]
    line.meter.body.restore_power(line.at_s)  # it is on: nothing happens
    assert line.values(0x0311_0000) == [11]


def test_what_never_happened_counts_zero_and_has_no_record():
    line = Line(made())
    assert line.values(0x0307_0000) == [0, 0]
    assert line.values(0x0312_0000) == [0] * 6
    assert line.values(0x0301_0000) == [0] * 6
    for record in (0x0311_0001, 0x0301_0101, 0x1001_FF01, 0x1D00_0101, 0x0330_0D01, 0x0307_0001):
        assert line.read_error(record) == NO_SUCH_DATA


@pytest.mark.parametrize(("terminal", "head", "bit"), [(False, 0x0D, 9), (True, 0x0E, 10)])
def test_covers(terminal, head, bit):
    line = Line(made())
    happenings = line.meter.body.happenings
    record = 0x0330_0001 + (head << 8)
    assert happenings.cover_opened(line.at_s, terminal=terminal)
    assert not happenings.cover_opened(line.at_s, terminal=terminal)
    assert line.word(7) == 1 << bit
    assert line.values(record)[1] == "2000-00-00 00:00:00"
    line.later(600)
    assert happenings.cover_closed(line.at_s, terminal=terminal)
    assert not happenings.cover_closed(line.at_s, terminal=terminal)
    assert line.word(7) == 0
    start, end, *energies = line.values(record)
    assert (start, end) == ("2026-03-16 10:07:00", "2026-03-16 10:17:00")
    assert energies[6] > energies[0] > 0
    assert line.values(record - 1) == [1]


def test_voltage_loss():
    line = Line(made(phases=3))
    body = line.meter.body
    body.lose_voltage(1, line.at_s)
    body.lose_voltage(1, line.at_s)
    assert line.word(5) == 1
    assert line.word(4) == 0
    voltages, powers = line.values(0x0201_FF00), line.values(0x0203_FF00)
    assert voltages[1] == powers[2] == 0
    assert voltages[0] > 200
    assert powers[0] == sum(powers[1:])
    start = line.values(0x0001_0000)[0]
    whole = made(phases=3).registers
    line.later(3600)
    body.regain_voltage(1, line.at_s)
    counted = line.values(0x0001_0000)[0] - start
    drawn = Decimal(whole.total(line.at_s) - whole.total(line.at_s - 3600)).scaleb(-2)
    assert 0.5 * float(drawn) < counted < 0.8 * float(drawn)
    assert line.values(0x0301_0000) == [0, 0, 1, 60, 0, 0]
    assert (line.values(0x1002_0001), line.values(0x1002_0002)) == ([1], [60])
    record = line.whole(0x0301_0201)
    whole_record = line.whole(0x1002_FF01)
    assert (len(record), len(whole_record)) == (131, 195)
    assert whole_record.startswith(record)
    assert line.values(0x1002_0101) == ["2026-03-16 10:07:00"]
    ends = [value.value for value in decode(0x1002_FF01, whole_record)]
    assert ends[36] == "2026-03-16 11:07:00"
    assert line.values(0x1002_2501) == [ends[36]]


def test_what_the_meter_does_not_have_cannot_be_lost_and_time_does_not_go_back():
    line = Line(made())
    with pytest.raises(LocalError, match="no phase 1"):
        line.meter.body.lose_voltage(1, line.at_s)
    line.meter.body.lose_voltage(0, line.at_s)
    assert line.values(0x0203_0000) == [0]
    with pytest.raises(LocalError, match="earlier"):
        line.meter.body.regain_voltage(0, line.at_s - 1)


def test_programming_is_recorded_with_what_was_written():
    line = Line(made())
    line.write(SCREENS, Decimal(9))
    line.write(0x0400_0302, Decimal(9))
    line.write(SCREENS, Decimal(8))
    assert line.values(0x0330_0000) == [1]
    time, operator, *written = line.values(0x0330_0001)
    assert (time, operator) == ("2026-03-16 10:07:00", OPERATOR)
    assert written[:3] == ["04000301", "04000302", None]
    line.later(1200)
    line.write(SCREENS, Decimal(9))
    assert line.values(0x0330_0000) == [2]


@pytest.mark.parametrize(
    ("identifier", "values", "head", "before"),
    [
        (0x0401_0000, ["01-01 01"] * 14, 0x06, ["01-01 01"] * 28),
        (0x0400_0802, [Decimal(1)], 0x07, [Decimal(1)]),
        (0x0400_0601, ["01"], 0x09, [Decimal(5)]),
        (0x0400_0602, ["01"], 0x0A, [Decimal(41)]),
        (0x0400_0603, ["01"], 0x0B, [Decimal(14)]),
        (0x0400_0B02, ["15 12"], 0x0C, ["01 00", "99 99", "99 99"]),
    ],
)
def test_what_was_in_force_before_is_recorded(identifier, values, head, before):
    line = Line(made())
    assert line.write(identifier, *values) == 0
    record = 0x0330_0001 + (head << 8)
    found = [value if value is not None else "99 99" for value in line.values(record)]
    assert found == ["2026-03-16 10:07:00", OPERATOR, *before]


def test_records_that_need_several_frames():
    line = Line(made())
    line.write(0x0401_0001, *["00:00 01"] * 14)
    line.write(0x0403_0001, "2026-10-01 01")
    line.error(ClearDemand(ADDRESS, authority()))
    sizes = [len(line.whole(record)) for record in (0x0330_0501, 0x0330_0801, 0x0330_0201)]
    assert sizes == [682, 1026, 202]


def test_clearing_the_demand():
    line = Line(made(phases=3))
    before, stamp = line.values(0x0101_0000)
    last_month = line.values(0x0101_0001)
    assert line.error(ClearDemand(ADDRESS, authority())) == 0
    assert line.values(0x0101_0000)[0] == 0
    assert line.values(0x0330_0201)[:4] == ["2026-03-16 10:07:00", OPERATOR, before, stamp]
    assert line.values(0x0101_0001) == last_month
    line.later(3600)
    again, stamp = line.values(0x0101_0000)
    assert 0 < again <= before
    assert stamp > "2026-03-16 10:15"


def test_clearing_the_meter():
    line = Line(made(phases=3))
    total = line.values(0x0001_0000)[0]
    line.write(SCREENS, Decimal(9))
    line.error(Freeze(ADDRESS))
    line.error(ClearDemand(ADDRESS, authority()))
    assert line.error(ClearMeter(ADDRESS, BOSS)) == 0
    assert line.values(0x0001_FF00) == [0] * 5
    assert line.values(0x0001_0001) == line.values(0x0003_0000) == [0]
    assert line.values(0x0101_0000)[0] == 0
    for gone in (0x0330_0001, 0x0501_0001, 0x0506_0001, 0x0504_0001):
        assert line.read_error(gone) == NO_SUCH_DATA
    assert line.whole(0x0600_0002, b"\x01") == b""
    assert line.values(0x0330_0000) == line.values(0x0330_0200) == [0]
    assert line.values(0x0330_0101)[:3] == ["2026-03-16 10:07:00", OPERATOR, total]
    assert line.values(SCREENS) == [9]  # settings stay
    line.later(DAY_S)
    total, *tariffs = line.values(0x0001_FF00)
    assert total == sum(tariffs) > 0
    assert line.values(0x0506_0001) == ["2026-03-17 00:00"]


@pytest.mark.parametrize(
    ("events", "gone", "stays"),
    [
        (0xFFFF_FFFF, {0x0311_0000, 0x1D00_0001, 0x0330_0000}, {0x0330_0100, 0x0330_0300}),
        (0x0311_00FF, {0x0311_0000}, {0x1D00_0001, 0x0330_0000}),
        (0x1D00_FFFF, {0x1D00_0001}, {0x0311_0000, 0x0330_0000}),
        (0x1D00_00FF, {0x1D00_0001}, {0x0311_0000}),
        (0x0330_00FF, {0x0330_0000}, {0x0311_0000}),
    ],
)
def test_clearing_events(events, gone, stays):
    line = Line(made())
    line.error(ClearMeter(ADDRESS, BOSS))
    line.write(SCREENS, Decimal(9))
    line.relay(0x1A)
    line.meter.body.cut_power(line.at_s)
    line.meter.body.restore_power(line.at_s + 1)
    line.later(2)
    assert line.error(ClearEvents(ADDRESS, BOSS, events)) == 0
    assert {line.values(each)[0] for each in gone} == {0}
    assert {line.values(each)[0] for each in stays} == {1}
    assert line.whole(0x0330_0301)[6:] == (
        int(OPERATOR, 16).to_bytes(4, "little") + events.to_bytes(4, "little")
    )


@pytest.mark.parametrize(
    ("events", "error"),
    [
        (0x0330_01FF, NOT_AUTHORISED),
        (0x0330_03FF, NOT_AUTHORISED),
        (0x0311_0001, NO_SUCH_DATA),
        (0x0001_00FF, NO_SUCH_DATA),
        (0x03FF_FFFF, NO_SUCH_DATA),
    ],
)
def test_events_that_cannot_be_cleared(events, error):
    assert Line(made()).error(ClearEvents(ADDRESS, BOSS, events)) == error


def test_voltage_events_are_cleared_by_phase_or_together():
    line = Line(made(phases=3))
    for phase in (0, 1):
        line.meter.body.lose_voltage(phase, line.at_s)
    line.error(ClearEvents(ADDRESS, BOSS, 0x0301_01FF))
    assert line.values(0x0301_0000) == [0, 0, 1, 0, 0, 0]
    line.error(ClearEvents(ADDRESS, BOSS, 0x0301_00FF))
    assert line.values(0x0301_0000) == [0] * 6
    assert line.error(ClearEvents(ADDRESS, BOSS, cipher=bytes(9))) == OTHER
