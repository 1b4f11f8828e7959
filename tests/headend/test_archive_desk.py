"""The desk: what is changed there is checked, written down, and in force at once."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import select
from tests.headend.stage import CURVE, DAY, ENERGY, WALL, connect, curve_of, play
from tests.headend.world import ADDRESSES, DAYS, NOON, config, open_store

from kwhub.headend.archive.dated import Exchange
from kwhub.headend.archive.desk import AGE_CHECK_S, ArchiveDesk
from kwhub.headend.archive.problems import ArchiveError
from kwhub.headend.ingest.offload import in_place
from kwhub.headend.store import schema, schema_archive
from kwhub.protocols.gdw1376.messages import Denied, Login, Report
from kwhub.runtime.clock import LoopClock
from kwhub.runtime.virtual import run_virtual

SUPPLY, ONE, TWO = ADDRESSES
NEW = {"address": "000000000052", "terminal": "4101-02082", "point": "9"}


def at_desk(address, script, *, settings=None):
    """Run script(desk, store) on an open store."""

    async def main(clock: LoopClock) -> None:
        store = open_store(address, settings)

        async def renewed() -> None:
            pass

        try:
            await script(ArchiveDesk(store, clock, in_place, renewed), store)
        finally:
            store.close()

    run_virtual(main, start=NOON)


def rows(store, table):
    with store.database.read() as connection:
        return list(connection.execute(select(table).order_by(*table.primary_key)).mappings())


def keys(error) -> list[tuple[str, str]]:
    return [(each.column, each.key) for each in error.value.problems]


def test_every_kind_is_made_and_known_at_once(address):
    async def script(desk, store):
        await desk.save("organisation", {"code": "O1", "name": "North"}, "ann")
        below = await desk.save(
            "organisation", {"code": "O2", "name": "Harbour", "parent": "O1"}, "ann"
        )
        await desk.save(
            "area",
            {
                "code": "B1",
                "name": "Quay",
                "organisation": "O2",
                "feeder": "F 12",
                "rated_kva": "315",
            },
            "ann",
        )
        await desk.save("terminal", {"terminal": "4101-77", "area": "B1"}, "ann")
        meter = await desk.save(
            "meter",
            {"address": "77", "terminal": "4101-00077", "point": "1", "ct": "30", "pt": "1.5"},
            "ann",
        )
        await desk.save("customer", {"number": "C1", "name": "Ms Li", "organisation": "O2"}, "ann")
        await desk.save(
            "account",
            {"number": "K1", "customer": "C1", "meter": "77", "from_day": "2026-03-01"},
            "ann",
        )
        known = store.archive.terminals["4101", 77].points[1]
        assert (known.id, known.address, known.ratio) == (meter, "000000000077", Decimal(45))
        area = rows(store, schema.area)[-1]
        assert (area["organisation_id"], area["name_zh"], area["origin"]) == (below, "Quay", "desk")
        trail = rows(store, schema.audit)
        assert [each["who"] for each in trail] == ["ann"] * 7
        assert trail[4]["subject"] == "meter 000000000077"

    at_desk(address, script)


@pytest.mark.parametrize(
    ("kind", "texts", "expected"),
    [
        ("meter", NEW | {"point": "2"}, ("point", "place_taken")),
        ("meter", NEW | {"terminal": "4101-00001"}, ("terminal", "unknown")),
        ("meter", NEW | {"ct": "0"}, ("ct", "wrong")),
        ("meter", NEW | {"address": "12a"}, ("address", "wrong")),
        ("meter", NEW | {"phases": "2"}, ("phases", "wrong")),
        ("meter", {"address": "52"}, ("terminal", "missing")),
        ("meter", NEW | {"colour": "red"}, ("colour", "unknown_column")),
        ("meter", NEW | {"parent": "000000000052"}, ("parent", "loop")),
        ("terminal", {"terminal": "4101", "area": "A1"}, ("terminal", "wrong")),
        ("terminal", {"terminal": "4101-02082", "active": "no"}, ("active", "in_use")),
        ("area", {"code": "A1", "active": "no"}, ("active", "in_use")),
        ("area", {"code": "A2"}, ("name", "missing")),
        ("area", {"name": "A2"}, ("code", "missing")),
        ("area", {"code": "A2", "name": "x" * 201}, ("name", "wrong")),
        ("group", {"code": "G", "name": "g", "kind": "area"}, ("area", "group_needs")),
        ("nothing", {}, ("", "unknown_sheet")),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason_and_changes_nothing(
    tmp_path, kind, texts, expected
):
    async def script(desk, store):
        before = rows(store, schema.meter), rows(store, schema.area), rows(store, schema.terminal)
        with pytest.raises(ArchiveError) as error:
            await desk.save(kind, texts, "ann")
        assert expected in keys(error)
        for problem in error.value.problems:
            assert problem.what("zh") != problem.what("en")
            assert problem.advice("zh") != problem.advice("en")
        after = rows(store, schema.meter), rows(store, schema.area), rows(store, schema.terminal)
        assert after == before
        assert rows(store, schema.audit) == []

    at_desk(tmp_path / "s.sqlite", script)


def test_a_meter_moves_is_retired_and_comes_back(address):
    async def script(desk, store):
        number = await desk.save("meter", {"address": ONE, "point": "8"}, "ann")
        assert store.archive.terminals["4101", 2082].points[8].id == number
        assert 2 not in store.archive.terminals["4101", 2082].points
        await desk.retire("meter", number, "ann")
        assert number not in store.archive.meters
        await desk.save("meter", NEW | {"point": "8"}, "ann")
        with pytest.raises(ArchiveError) as error:
            await desk.save("meter", {"active": "yes"}, "ann", row_id=number)
        assert keys(error) == [("point", "place_taken")]
        await desk.save("meter", {"active": "yes", "point": "2"}, "ann", row_id=number)
        assert store.archive.meters[number].point == 2

    at_desk(address, script)


def test_a_key_may_be_corrected_but_not_to_one_that_exists(tmp_path):
    async def script(desk, store):
        await desk.save("meter", {"address": "53"}, "ann", row_id=2)
        assert store.archive.meters[2].address == "000000000053"
        with pytest.raises(ArchiveError) as error:
            await desk.save("meter", {"address": TWO}, "ann", row_id=2)
        assert keys(error) == [("address", "used")]

    at_desk(tmp_path / "s.sqlite", script)


def test_nothing_is_above_itself(tmp_path):
    async def script(desk, _store):
        first = await desk.save("organisation", {"code": "1", "name": "1"}, "ann")
        await desk.save("organisation", {"code": "2", "name": "2", "parent": "1"}, "ann")
        await desk.save("organisation", {"code": "3", "name": "3", "parent": "2"}, "ann")
        with pytest.raises(ArchiveError) as error:
            await desk.save("organisation", {"parent": "3"}, "ann", row_id=first)
        assert keys(error) == [("parent", "loop")]

    at_desk(tmp_path / "s.sqlite", script)


def test_a_meter_has_one_account_at_a_time(address):
    async def script(desk, store):
        await desk.save("customer", {"number": "C1", "name": "Ms Li"}, "ann")
        account = {"customer": "C1", "meter": ONE}
        first = await desk.save(
            "account", {"number": "K1", "from_day": "2026-01-01", **account}, "ann"
        )
        with pytest.raises(ArchiveError) as error:
            await desk.save("account", {"number": "K2", "from_day": "2026-03-01", **account}, "ann")
        assert keys(error) == [("meter", "overlap")]
        with pytest.raises(ArchiveError) as error:
            await desk.save("account", {"to_day": "2026-01-01"}, "ann", row_id=first)
        assert keys(error) == [("to_day", "ends_before")]
        with pytest.raises(ArchiveError) as error:
            await desk.retire("meter", 2, "ann")
        assert keys(error) == [("active", "in_use")]
        await desk.save("account", {"to_day": "2026-03-01"}, "ann", row_id=first)
        await desk.save("account", {"number": "K2", "from_day": "2026-03-01", **account}, "ann")
        assert len(rows(store, schema_archive.account)) == 2

    at_desk(address, script)


def test_saving_what_is_there_already_changes_nothing(tmp_path):
    async def script(desk, store):
        assert await desk.save("meter", {"address": ONE, "name": "Flat 1"}, "ann") == 2
        assert rows(store, schema.audit) == []
        assert rows(store, schema.meter)[1]["origin"] == "file"

    at_desk(tmp_path / "s.sqlite", script)


def test_the_file_keeps_its_hands_off_what_the_desk_made(address):
    async def script(desk, _store):
        await desk.save("terminal", {"terminal": "4101-9", "area": "A1"}, "ann")
        await desk.save("meter", {"address": ONE, "name": "Corner flat", "point": "7"}, "ann")
        await desk.save("meter", NEW | {"point": "2"}, "ann")
        told = Exchange(NOON, {"1.8.0": (Decimal(5), Decimal(0))}, {"address": "54"})
        await desk.exchange(3, told, "ann")

    at_desk(address, script)
    store = open_store(address)
    assert ("4101", 9) in store.archive.terminals
    points = store.archive.terminals["4101", 2082].points
    found = {point: each.address for point, each in points.items()}
    assert found == {1: SUPPLY, 2: NEW["address"], 3: "000000000054", 7: ONE}
    store.close()
    store = open_store(address, config(address).__class__(headend=config(address).headend))
    assert 3 in store.archive.meters
    assert 1 not in store.archive.meters  # the file named it, and does not any more
    assert [each["active"] for each in rows(store, schema.area)] == [False]
    store.close()


def test_free_groups_have_members(address):
    async def script(desk, store):
        group = await desk.save("group", {"code": "G", "name": "Test set"}, "ann")
        await desk.set_members(group, [1, 3], "ann")
        await desk.set_members(group, [3, 2], "ann")
        members = rows(store, schema_archive.group_member)
        assert sorted(each["meter_id"] for each in members) == [2, 3]
        with pytest.raises(ArchiveError, match="meter 99"):
            await desk.set_members(group, [99], "ann")
        other = await desk.save(
            "group", {"code": "H", "name": "By area", "kind": "area", "area": "A1"}, "ann"
        )
        with pytest.raises(ArchiveError) as error:
            await desk.set_members(other, [1], "ann")
        assert keys(error) == [("group", "not_free")]

    at_desk(address, script)


def test_a_new_terminal_gets_in_without_a_restart(tmp_path):
    async def script(headend, tasks):
        stranger = connect(headend, tasks, number=99)
        assert isinstance(await stranger.ask(Login()), Denied)
        number = await headend.archive.save("terminal", {"terminal": "4101-99", "area": "A1"}, "a")
        await connect(headend, tasks, number=99).login()
        assert headend.front.is_online(number)

    play(tmp_path, script)


def test_a_retired_terminal_is_sent_away(tmp_path):
    async def script(headend, tasks):
        number = await headend.archive.save("terminal", {"terminal": "4101-99", "area": "A1"}, "a")
        await connect(headend, tasks, number=99).login()
        await headend.archive.retire("terminal", number, "ann")
        await headend.clock.sleep(1)
        assert not headend.front.is_online(number)

    play(tmp_path, script)


def test_a_change_by_another_process_is_seen_soon(tmp_path):
    async def script(headend, _tasks):
        async def renewed() -> None:
            pass

        other = ArchiveDesk(
            open_store(tmp_path / "headend.sqlite"), headend.clock, in_place, renewed
        )
        await other.save("terminal", {"terminal": "4101-99", "area": "A1"}, "ann")
        other.store.close()
        assert ("4101", 99) not in headend.store.archive.terminals
        await headend.clock.sleep(AGE_CHECK_S + 1)
        assert ("4101", 99) in headend.store.archive.terminals

    play(tmp_path, script)


def test_data_of_a_point_that_the_desk_names_later_is_placed(tmp_path):
    async def script(headend, tasks):
        await headend.archive.retire("meter", 2, "ann")
        concentrator = connect(headend, tasks)
        await concentrator.login()
        today = replace(CURVE, start=WALL + dt.timedelta(days=1))
        await concentrator.ask(Report((CURVE.to_unit(), today.to_unit())))
        start = DAYS.start(DAY + dt.timedelta(days=1))

        def of_today():
            hour = start + dt.timedelta(hours=1)
            return headend.queries.curve(2, ENERGY, start, hour).values[0]

        assert curve_of(headend)[0] == Decimal("1.25")  # of the day before, when it was in service
        assert of_today() is None
        await headend.archive.save("meter", {"active": "yes"}, "ann", row_id=2)
        assert of_today() == Decimal("1.25")

    play(tmp_path, script)


def test_moments_before_the_last_or_ahead_are_refused(tmp_path):
    async def script(desk, _store):
        await desk.place(2, {"ct": "20"}, dt.date(2026, 3, 3), "ann")
        for day, key in ((dt.date(2026, 3, 3), "before_last"), (dt.date(2026, 3, 5), "in_future")):
            with pytest.raises(ArchiveError) as error:
                await desk.place(2, {"ct": "30"}, day, "ann")
            assert keys(error) == [("at", key)]

    at_desk(tmp_path / "s.sqlite", script)
