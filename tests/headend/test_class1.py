"""Reports of class-1 tasks become readings, and what has no place says why."""

from decimal import Decimal

import pytest
from tests.headend.stage import WALL
from tests.headend.world import DAYS, NOON, open_store

from kwhub.domain.readings import INSTANT
from kwhub.headend.ingest.decode import decode
from kwhub.headend.store.queries import Queries
from kwhub.headend.web.language import LANGUAGES, texts
from kwhub.protocols.gdw1376.afn_0c import CurrentEnergyUnit, InstantUnit, clock_answer
from kwhub.protocols.gdw1376.formats import A15
from kwhub.protocols.gdw1376.units import Unit


def rows_of(batch):
    columns = batch.columns
    return [
        (int(meter), columns.registers[number], int(interval), int(at), int(value))
        for meter, number, interval, at, value in zip(
            *(columns.meter, columns.register, columns.interval, columns.at, columns.value),
            strict=True,
        )
    ]


def test_reports_of_class_1_tasks_become_readings_of_the_moment(tmp_path):
    store = open_store(tmp_path / "headend.sqlite")
    terminal = store.archive.terminals["4101", 2082]
    meter, at = terminal.points[2].id, DAYS.utc_s(WALL)
    energy = CurrentEnergyUnit(2, 129, WALL, (Decimal("10.1234"), Decimal(3), None))
    seen: dict[tuple[str, str], Decimal | None] = {
        ("power_factor", "total"): Decimal("98.5"),
        ("apparent_power", "a"): Decimal("0.5"),
    }
    present = InstantUnit(2, WALL, seen)
    demand = A15.encode(WALL) + b"\x00" + bytes.fromhex("341200") + bytes.fromhex("00100403")
    units = (energy.to_unit(), present.to_unit(), Unit((2,), (145,), demand))
    batch = decode(terminal, 0x0C, units, DAYS, NOON)
    assert not batch.strays
    assert rows_of(batch) == [
        (meter, "1-0:1.8.0", INSTANT, at, 10_123_400),
        (meter, "1-0:1.8.1", INSTANT, at, 3_000_000),
        (meter, "1-0:13.7.0", INSTANT, at, 985_000),  # per cent on the wire
        (meter, "1-0:29.7.0", INSTANT, at, 500_000),
        (meter, "1-0:1.6.0", INSTANT, at, 123_400),
    ]
    store.append([batch])
    assert {
        each.register for each in Queries(store.database, DAYS, lambda: NOON).latest(meter)
    } == {row[1] for row in rows_of(batch)}
    store.close()


def test_present_readings_of_four_registers_in_one_function(tmp_path):
    store = open_store(tmp_path / "headend.sqlite")
    terminal = store.archive.terminals["4101", 2082]
    values = "0000120000 0000070000 00340000 EEEEEEEE 00560000 00060000 00780000 00080000"
    data = A15.encode(WALL) + b"\x01" + bytes.fromhex(values)
    batch = decode(terminal, 0x0C, (Unit((2,), (34,), data),), DAYS, NOON)
    assert [(row[1], row[4]) for row in rows_of(batch)] == [
        ("1-0:2.8.0", 12_000_000),
        ("1-0:2.8.1", 7_000_000),
        ("1-0:4.8.0", 34_000_000),
        ("1-0:6.8.0", 56_000_000),
        ("1-0:6.8.1", 6_000_000),
        ("1-0:7.8.0", 78_000_000),
        ("1-0:7.8.1", 8_000_000),
    ]
    store.close()


@pytest.mark.parametrize(
    ("unit", "reason"),
    [
        (CurrentEnergyUnit(2, 129, None, (Decimal(1),)).to_unit(), "no_time"),
        (
            CurrentEnergyUnit(2, 129, WALL.replace(year=2031), (Decimal(1),)).to_unit(),
            "from_the_future",
        ),
        (CurrentEnergyUnit(9, 129, WALL, (Decimal(1),)).to_unit(), "unknown_point"),
        (Unit((2,), (129,), A15.encode(WALL) + b"\x00\x01"), "truncated"),
        (Unit((2,), (129,), A15.encode(WALL) + b"\x00" + b"\xab" * 5), "not_bcd"),
        (clock_answer(WALL), "no_register"),
        (Unit((2,), (250,), b"\x01"), "unknown_function"),
    ],
)
def test_class_1_data_without_a_place_is_kept_with_the_reason(tmp_path, unit, reason):
    store = open_store(tmp_path / "headend.sqlite")
    batch = decode(store.archive.terminals["4101", 2082], 0x0C, (unit,), DAYS, NOON)
    assert [each.reason for each in batch.strays] == [reason]
    assert len(batch.columns) == 0
    assert len(batch.unplaced) == (reason == "unknown_point")
    for language in LANGUAGES:
        assert texts(language)(f"terminals.stray_{reason}")
    store.close()
