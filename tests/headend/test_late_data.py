"""Late data belongs to the meter that was at the point when it was measured, whoever is there now."""

import datetime as dt
from decimal import Decimal

import pytest
from sqlalchemy import select
from tests.headend.test_archive_desk import NEW, at_desk
from tests.headend.world import DAYS, NOON, shanghai

from kwhub.domain.readings import CURVE_INTERVAL_S, DAY_INTERVAL_S
from kwhub.headend.ingest.decode import decode
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.store import schema
from kwhub.headend.store.read import Reader
from kwhub.protocols.gdw1376.afn_0d import CurveUnit, DayFreezeUnit

FIRST, SECOND, THIRD = (dt.date(2026, 3, day) for day in (1, 2, 3))
ENERGY_CURVE = 101


def freeze(day, point=3, kwh="1234"):
    at = dt.datetime(2026, 3, day.day + 1, 0, 5)
    return DayFreezeUnit(point, 161, day, at, (Decimal(kwh),)).to_unit()


def curve(day, count, point=3):
    begin = dt.datetime.combine(day, dt.time())
    values = tuple(Decimal(100 + n) for n in range(count))
    return CurveUnit(point, ENERGY_CURVE, begin, values).to_unit()


def taken(store, *units, afn=0x0D):
    """Meters that data of a terminal goes to, with moments; reasons of what goes to none."""
    terminal = store.archive.terminals["4101", 2082]
    found = decode(terminal, afn, units, DAYS, NOON)
    columns = found.columns
    rows = set(zip(columns.meter.tolist(), columns.at.tolist(), strict=True))
    return rows, [each.reason for each in found.strays], found


async def moved(desk):
    """Meter 3 goes from point 3 to 90 on 3 March, and a new one takes its place."""
    await desk.place(3, {"point": "90"}, THIRD, "ann")
    return await desk.save("meter", NEW | {"point": "3"}, "ann")


def test_a_late_freeze_goes_to_the_meter_of_its_day(address):
    async def script(desk, store):
        new = await moved(desk)
        # The freeze of the last day of the old meter carries the midnight at which the new one began.
        rows, reasons, _ = taken(store, freeze(FIRST), freeze(SECOND), freeze(THIRD))
        assert reasons == []
        assert rows == {(3, shanghai(2)), (3, shanghai(3)), (new, shanghai(4))}
        rows, reasons, _ = taken(store, freeze(THIRD, point=90))
        assert (rows, reasons) == ({(3, shanghai(4))}, [])

    at_desk(address, script)


@pytest.mark.parametrize("count", [4, 192])
def test_a_curve_over_the_change_is_divided(tmp_path, count):
    async def script(desk, store):
        new = await moved(desk)
        rows, reasons, _ = taken(store, curve(SECOND, 96), curve(THIRD, 4), curve(FIRST, count))
        assert reasons == []
        assert {meter for meter, at in rows if at < shanghai(3)} == {3}
        assert {meter for meter, at in rows if at >= shanghai(3)} == {new}

    at_desk(tmp_path / "s.sqlite", script)


def test_data_of_a_time_when_nobody_was_there_waits(tmp_path):
    async def script(desk, store):
        await moved(desk)
        rows, reasons, found = taken(store, freeze(FIRST, point=90))
        assert (rows, reasons) == (set(), ["unknown_point"])
        assert len(found.unplaced) == 1
        store.append([found])
        for _ in range(2):  # it is not counted again each time the archive changes
            await desk.renew()
            with store.database.read() as connection:
                assert len(connection.execute(select(schema.unplaced)).all()) == 1
                assert connection.execute(select(schema.unknown.c["count"])).scalars().all() == [1]

    at_desk(tmp_path / "s.sqlite", script)


def test_a_retired_meter_gets_what_comes_late_and_nothing_of_after(address):
    async def script(desk, store):
        await desk.retire("meter", 3, "ann")  # on 4 March
        rows, reasons, _ = taken(store, freeze(THIRD), curve(THIRD, 96))
        assert {meter for meter, _ in rows} == {3}
        assert reasons == []
        assert taken(store, curve(dt.date(2026, 3, 4), 8))[:2] == (set(), ["unknown_point"])
        new = await desk.save("meter", NEW | {"point": "3"}, "ann")
        assert {meter for meter, _ in taken(store, freeze(THIRD))[0]} == {3}
        assert {meter for meter, _ in taken(store, curve(dt.date(2026, 3, 4), 8))[0]} == {new}

    at_desk(address, script)


def test_what_waited_is_placed_by_its_moment(tmp_path):
    async def script(desk, store):
        _, _, found = taken(store, freeze(FIRST, point=7), freeze(THIRD, point=7))
        store.append([found])
        await desk.save("meter", NEW | {"point": "7"}, "ann")
        number = max(store.archive.meters)
        with store.database.read() as connection:
            series = Reader(connection, DAYS).series(
                [number], [ENERGY], DAY_INTERVAL_S, (FIRST, THIRD)
            )
        assert series[number, ENERGY].at.tolist() == [shanghai(2), shanghai(4)]

    at_desk(tmp_path / "s.sqlite", script)


def test_only_points_with_a_change_are_searched(tmp_path):
    async def script(desk, store):
        assert store.archive.terminals["4101", 2082].stays == {}
        await desk.place(2, {"ct": "5"}, THIRD, "ann")  # another ratio at the same point
        assert store.archive.terminals["4101", 2082].stays == {}
        await moved(desk)
        assert set(store.archive.terminals["4101", 2082].stays) == {3, 90}
        day = DAYS.start_s(SECOND)
        assert store.archive.place(3, day, (0, 0)) == (1, 3)
        assert store.archive.place(3, DAYS.start_s(THIRD), (0, 0)) == (1, 90)
        assert store.archive.place(1, day, (1, 1)) == (1, 1)
        assert taken(store, curve(SECOND, 8))[2].columns.interval[0] == CURVE_INTERVAL_S

    at_desk(tmp_path / "s.sqlite", script)
