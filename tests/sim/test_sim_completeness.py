"""Phase energies, price and tier switches, load records by class intervals, short frames and follow-ups of 1997."""

from decimal import Decimal

import pytest
from tests.sim.line import ADDRESS, NO_SUCH_DATA, Line, made

from kwhub.domain.errors import LocalError
from kwhub.exchange.transfer import transfer
from kwhub.protocols.dlt645 import Edition, ReadData, ReadFollowUp
from kwhub.protocols.dlt645.load_record import decode_records
from kwhub.sim.climate import DAY_S

E1997 = Edition.E1997
FORWARD_A, FORWARD_B, FORWARD_C = 0x0015_0000, 0x0029_0000, 0x003D_0000


@pytest.mark.parametrize("settlement", [0, 1, 2])
def test_the_phases_add_up_to_the_total(settlement):
    line = Line(made(phases=3))
    phases = [line.values(each + settlement)[0] for each in (FORWARD_A, FORWARD_B, FORWARD_C)]
    total = line.values(0x0001_0000 + settlement)[0]
    assert all(phases)
    assert Decimal(0) <= total - sum(phases) <= Decimal("0.02")
    reactive = [line.values(each + 0x0002_0000 + settlement)[0] for each in (FORWARD_A, FORWARD_B)]
    assert [0 < part < whole for part, whole in zip(reactive, phases, strict=False)] == [True] * 2
    assert line.values(FORWARD_A + 0x0001_0000 + settlement) == [0]  # nothing flows back
    assert len(line.values(FORWARD_A + 0xFF)) == 13


def test_a_single_phase_meter_has_phase_a_alone():
    line = Line(made())
    assert line.values(FORWARD_A) == line.values(0x0001_0000)
    assert line.read_error(FORWARD_B) == line.read_error(FORWARD_C) == NO_SUCH_DATA


@pytest.mark.parametrize(("switch", "kind"), [(0x0400_0108, 5), (0x0400_0109, 7)])
def test_a_switch_of_prices_and_of_tiers_is_frozen(switch, kind):
    line = Line(made())
    freeze = 0x0500_0001 | kind << 16
    for day in (17, 18, 19):
        assert line.write(switch, f"2026-03-{day} 00:00") == 0
        line.later(DAY_S)
    assert line.values(freeze) == ["2026-03-19 00:00"]
    assert line.values(freeze + 1) == ["2026-03-18 00:00"]
    assert line.read_error(freeze + 2) == NO_SUCH_DATA
    total, *tariffs = line.values(freeze | 0x0100)
    assert total == sum(tariffs) == line.values(0x0506_0101)[0] > 0
    assert line.whole(freeze | 0xFF00).startswith(line.whole(freeze) + line.whole(freeze | 0x0100))


def test_the_standby_prices_come_into_force():
    line = Line(made())
    assert line.write(0x0405_0202, Decimal("1.2345")) == 0
    assert line.values(0x0405_0102) == [Decimal("0.5")]
    line.write(0x0400_0108, "2026-03-17 00:00")
    line.later(DAY_S)
    line.values(0x0001_0000)
    assert line.values(0x0405_0102) == [Decimal("1.2345")]
    assert line.values(0x0405_0101) == [Decimal("0.5")]


def records(line, identifier, count, since="00 10 16 03 26"):
    argument = bytes.fromhex(f"{count:02d} {since}")
    return decode_records(line.whole(identifier, argument))


def test_each_class_has_its_interval():
    line = Line(made(phases=3))
    assert line.write(0x0400_0A02, Decimal(5)) == 0  # voltage, current, frequency
    assert line.write(0x0400_0A03, Decimal(30)) == 0  # powers
    line.later(3600)
    stamps = {
        group: [f"{record.time:%H:%M}" for record in records(line, 0x0600_0001 | group << 16, 20)]
        for group in (1, 2, 3)
    }
    assert stamps[1] == [f"{10 + m // 60}:{m % 60:02d}" for m in range(0, 70, 5)]
    assert stamps[2] == ["10:00", "10:30", "11:00"]
    assert stamps[3] == ["10:00", "10:15", "10:30", "10:45", "11:00"]
    together = line.whole(0x0600_0001, bytes.fromhex("03 00 10 16 03 26"))
    sizes = [len(part) for part in together.split(b"\xa0\xa0")[1:]]
    assert (
        sizes[0] > sizes[1] == sizes[2]
    )  # all classes at 10:00, the first alone at 10:05 and 10:10


def test_the_latest_record_of_a_class_is_the_last_full_interval():
    line = Line(made())
    line.write(0x0400_0A03, Decimal(60))
    for group, wanted in ((1, "10:00"), (2, "10:00")):
        assert f"{records(line, 0x0600_0002 | group << 16, 1)[0].time:%H:%M}" == wanted
    line.later(55 * 60)
    assert f"{records(line, 0x0601_0002, 1)[0].time:%H:%M}" == "11:00"
    assert f"{records(line, 0x0602_0002, 1)[0].time:%H:%M}" == "11:00"
    line.later(50 * 60)
    assert f"{records(line, 0x0602_0002, 1)[0].time:%H:%M}" == "11:00"
    assert f"{records(line, 0x0601_0002, 1)[0].time:%H:%M}" == "11:45"


@pytest.mark.parametrize("edition", Edition)
def test_a_meter_with_short_frames_is_read_in_parts(edition):
    identifier = 0x901F if edition is E1997 else 0x0001_FF00
    whole = Line(made(edition=edition)).whole(identifier)
    line = Line(made(edition=edition, part_bytes=8))
    done = line.pair.run(transfer(ADDRESS, identifier, edition=edition))
    assert done.payload == whole
    assert len(done.raw) == 3


def test_a_follow_up_of_1997_has_no_number_and_goes_on_where_the_last_one_ended():
    line = Line(made(edition=E1997, part_bytes=8))
    follow_up = ReadFollowUp(ADDRESS, 0x901F, 0, E1997)
    first = line.ask(ReadData(ADDRESS, 0x901F, edition=E1997))
    parts = [first, line.ask(follow_up), line.ask(follow_up)]
    assert [part.more for part in parts] == [True, True, False]
    assert line.error(follow_up) == NO_SUCH_DATA
    assert line.error(ReadFollowUp(ADDRESS, 0x9010, 0, E1997)) == NO_SUCH_DATA


@pytest.mark.parametrize("part_bytes", [0, 196])
def test_parts_that_no_frame_can_carry(part_bytes):
    with pytest.raises(LocalError, match="1 to 195 are possible"):
        made(part_bytes=part_bytes)
