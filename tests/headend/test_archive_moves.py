"""A terminal's area, the end of service and its beginning are dated: what was true before stays so."""

import datetime as dt

import pytest
from sqlalchemy import event
from tests.headend.test_archive_dated import (
    FIRST,
    FOURTH,
    SECOND,
    THIRD,
    freezes,
    losses,
    queries,
)
from tests.headend.test_archive_desk import at_desk, keys, rows
from tests.headend.world import DAYS, NOON, batch, shanghai

from kwhub.domain.readings import CURVE_INTERVAL_S, Register
from kwhub.headend.archive.jobs import Imports, JobState
from kwhub.headend.archive.problems import ArchiveError
from kwhub.headend.store import schema_archive, sessions
from kwhub.headend.store.schema import day_number
from kwhub.headend.store.schema_figures import area_stale
from kwhub.headend.store.schema_quality import hole, ledger_day
from kwhub.headend.validation.completeness import By, calendar
from kwhub.headend.validation.keeper import Keeper
from kwhub.headend.validation.ledger import Ledger

ENERGY = Register("1-0:1.8.0")
TERMINAL = "4101-02082"


def grown(*meters: int):
    """Freezes that grow by one kWh a day, from the beginning of the 1st to that of the 4th."""
    days = range(1, 5)
    return [each for m in meters for each in freezes(m, *zip(days, days, strict=True))]


async def furnished(desk, store):
    store.append([batch(grown(1, 2, 3))])
    await desk.save("area", {"code": "A2", "name": "Elm", "name_zh": "榆"}, "ann")


def look(store):
    """Have the ledger look at every day since the 1st."""
    with store.database.write() as connection:
        sessions.begin(connection, "4101", 2082, "", terminal_id=1, at=DAYS.start(FIRST))
    ledger = Ledger(store.database, DAYS, lambda: NOON)
    ledger.look()
    return ledger


def owed(store, by, areas=None):
    """By the name of each line, what it owes from the 1st to the 3rd."""
    with store.database.read() as connection:
        found = calendar(connection, DAYS, by, (FIRST, THIRD), areas)
    return {
        line.name: [None if cell is None else (cell.expected, cell.missing) for cell in line.cells]
        for line in found.lines
    }


def test_a_terminal_that_was_moved_leaves_its_days_to_the_old_area(address):
    async def script(desk, store):
        await furnished(desk, store)
        look(store)
        before, whole = losses(store, 1, FIRST, SECOND), owed(store, By.AREA)
        holes = Ledger(store.database, DAYS, lambda: NOON).holes
        number = holes(FIRST, THIRD, areas={1})[1]
        assert number
        await desk.save("terminal", {"area": "A2"}, "ann", row_id=1, from_day=THIRD)
        assert losses(store, 1, FIRST, SECOND) == before
        assert losses(store, 2, FIRST, SECOND) == ({}, [(None, 0), (None, 0)])
        assert losses(store, 1, FIRST, THIRD) == ({1: 20, 2: 2, 3: 2}, [(2, 3), (2, 3), (None, 0)])
        assert losses(store, 2, FIRST, THIRD) == (
            {1: 10, 2: 1, 3: 1},
            [(None, 0), (None, 0), (2, 3)],
        )
        listed = [
            [each.id for each in queries(store).meters(area, day=day).items]
            for area in (1, 2)
            for day in (SECOND, THIRD)
        ]
        assert listed == [[1, 2, 3], [], [], [1, 2, 3]]
        divided = owed(store, By.AREA)
        assert divided["Willow Lane"][:2] == whole["Willow Lane"][:2]
        assert divided["Willow Lane"][2] == (0, 0)
        assert divided["Elm"] == [(0, 0), (0, 0), whole["Willow Lane"][2]]
        assert owed(store, By.AREA, {2}).keys() == {"Elm"}
        assert owed(store, By.CHANNEL, {1})[f"{TERMINAL}:2"][2] == (0, 0)
        old, new = (holes(FIRST, THIRD, areas={area}) for area in (1, 2))
        assert {one.key.day for one in old[0]} == {FIRST, SECOND}
        assert {one.area_id for one in old[0]} == {1}
        assert {(one.key.day, one.area_id) for one in new[0]} == {(THIRD, 2)}
        assert old[1] + new[1] == number == holes(FIRST, THIRD)[1]

    at_desk(address, script)


def test_meters_that_were_moved_or_retired_count_in_the_completeness_of_their_days(address):
    async def script(desk, store):
        await furnished(desk, store)
        await desk.save("terminal", {"terminal": "4101-99", "area": "A2"}, "ann")
        look(store)
        (whole,) = owed(store, By.AREA).values()
        await desk.retire("meter", 3, "ann", from_day=THIRD)
        assert [cell[0] for cell in owed(store, By.AREA)["Willow Lane"]][:2] == [
            cell[0] for cell in whole
        ][:2]
        await desk.save(
            "meter", {"terminal": "4101-99", "point": "1"}, "ann", row_id=2, from_day=SECOND
        )
        with store.database.write() as connection:  # the other terminal was there as well
            sessions.begin(connection, "4101", 99, "", terminal_id=2, at=DAYS.start(FIRST))
        found = owed(store, By.AREA)
        assert found["Elm"][0] == (0, 0)
        assert found["Elm"][1][0] == found["Elm"][2][0] > 0
        assert found["Willow Lane"][2][0] < found["Willow Lane"][1][0] < found["Willow Lane"][0][0]

    at_desk(address, script)


def test_a_correction_of_the_area_holds_for_the_past_too_and_from_the_last_move_on(address):
    async def script(desk, store):
        await furnished(desk, store)
        await desk.save("area", {"code": "A3", "name": "Oak"}, "ann")
        await desk.save("terminal", {"area": "A2"}, "ann", row_id=1)
        assert rows(store, schema_archive.terminal_area) == []
        assert losses(store, 2, FIRST, FIRST)[1] == [(2, 3)]
        await desk.save("terminal", {"area": "A1"}, "ann", row_id=1, from_day=THIRD)
        await desk.save("terminal", {"area": "A3"}, "ann", row_id=1)
        history = rows(store, schema_archive.terminal_area)
        assert [(each["area_id"], each["valid_from"]) for each in history] == [
            (2, None),
            (3, DAYS.start(THIRD)),
        ]
        assert [losses(store, area, SECOND, THIRD)[1] for area in (1, 2, 3)] == [
            [(None, 0), (None, 0)],
            [(2, 3), (None, 0)],
            [(None, 0), (2, 3)],
        ]

    at_desk(address, script)


def test_a_terminal_and_its_meter_move_one_after_the_other(address):
    async def script(desk, store):
        await furnished(desk, store)
        await desk.save("terminal", {"terminal": "4101-99", "area": "A1"}, "ann")
        await desk.save("terminal", {"area": "A2"}, "ann", row_id=1, from_day=SECOND)
        await desk.place(3, {"terminal": "4101-99", "point": "1"}, THIRD, "ann")
        assert losses(store, 1, FIRST, THIRD)[1] == [(2, 3), (None, 0), (1, 1)]
        assert losses(store, 2, FIRST, THIRD)[1] == [(None, 0), (2, 3), (1, 2)]
        assert losses(store, 1, FIRST, THIRD)[0] == {1: 10, 2: 1, 3: 2}

    at_desk(address, script)


@pytest.mark.parametrize(
    ("kind", "texts", "day", "expected"),
    [
        ("terminal", {"area": "A2"}, dt.date(2026, 3, 5), ("from_day", "in_future")),
        ("terminal", {"area": "A2"}, SECOND, ("from_day", "before_last")),
        ("meter", {"active": "no"}, dt.date(2026, 3, 5), ("from_day", "in_future")),
        ("meter", {"active": "no"}, SECOND, ("from_day", "before_last")),
        ("area", {"name": "Oak"}, SECOND, ("from_day", "unknown_column")),
    ],
)
def test_days_before_the_last_or_ahead_are_refused(tmp_path, kind, texts, day, expected):
    async def script(desk, store):
        await furnished(desk, store)
        await desk.save("terminal", {"area": "A2"}, "ann", row_id=1, from_day=SECOND)
        await desk.save("terminal", {"area": "A1"}, "ann", row_id=1, from_day=THIRD)
        await desk.place(1, {"ct": "12"}, SECOND, "ann")
        history = rows(store, schema_archive.terminal_area)
        with pytest.raises(ArchiveError) as refused:
            await desk.save(kind, texts, "ann", row_id=1, from_day=day)
        assert keys(refused) == [expected]
        assert rows(store, schema_archive.terminal_area) == history

    at_desk(tmp_path / "s.sqlite", script)


def test_a_meter_is_retired_from_a_day_on_and_its_terminal_not_before_it(address):
    async def script(desk, store):
        await furnished(desk, store)
        before = losses(store, 1, FIRST, FIRST)
        for meter in (1, 2, 3):
            await desk.retire("meter", meter, "ann", from_day=THIRD)
        assert losses(store, 1, FIRST, FIRST) == before
        assert losses(store, 1, SECOND, THIRD)[1] == [(2, 3), (None, 0)]
        with pytest.raises(ArchiveError) as refused:
            await desk.retire("terminal", 1, "ann", from_day=SECOND)
        assert keys(refused) == [("from_day", "before_last")]
        await desk.retire("terminal", 1, "ann", from_day=THIRD)
        (row,) = rows(store, schema_archive.terminal_area)
        assert (row["valid_from"], row["valid_to"]) == (None, DAYS.start(THIRD))
        assert losses(store, 1, FIRST, FIRST) == before
        await desk.save("terminal", {"active": "yes"}, "ann", row_id=1)
        assert [each["valid_from"] for each in rows(store, schema_archive.terminal_area)] == [
            None,
            DAYS.start(FOURTH),
        ]

    at_desk(address, script)


def test_a_new_meter_counts_from_the_day_it_was_put_in(address):
    async def script(desk, store):
        await furnished(desk, store)
        look(store)
        known, whole = losses(store, 1, FIRST, THIRD), owed(store, By.AREA)
        new = {"address": "000000000052", "terminal": TERMINAL, "point": "9"}
        number = await desk.save("meter", new, "ann")  # on the 4th
        assert losses(store, 1, FIRST, THIRD) == known
        assert owed(store, By.AREA) == whole
        assert losses(store, 1, FOURTH, FOURTH)[1][0][1] == 4
        # Its first reading is older: it was there before somebody wrote it down.
        curve = [
            (number, ENERGY, CURVE_INTERVAL_S, shanghai(3) + 900 * n, n * 10_000) for n in range(97)
        ]
        store.append([batch(curve)])
        store.pack()
        assert [each[1] for each in losses(store, 1, FIRST, THIRD)[1]] == [3, 3, 4]
        energy, _ = losses(store, 1, FIRST, THIRD)
        assert float(energy[number]) == pytest.approx(0.96)
        assert [cell[0] for cell in owed(store, By.AREA)["Willow Lane"]][:2] == [
            cell[0] for cell in whole["Willow Lane"]
        ][:2]
        with store.database.write() as connection:
            connection.execute(hole.delete())
            connection.execute(ledger_day.delete())
        ledger = Ledger(store.database, DAYS, lambda: NOON)
        ledger.look()
        found, _ = ledger.holes(FIRST, THIRD, meter_id=number)
        assert {one.key.day for one in found} == {THIRD}

    at_desk(address, script)


def test_a_new_fleet_costs_no_question_for_each_meter(tmp_path):
    async def script(desk, store):
        await furnished(desk, store)
        for number in range(40):
            new = {"address": str(500 + number), "terminal": TERMINAL, "point": str(50 + number)}
            await desk.save("meter", new, "ann", from_day=SECOND)
        store.append([batch([each for m in range(4, 44) for each in freezes(m, (3, 5), (4, 7))])])
        late = [(44 - 1, ENERGY, CURVE_INTERVAL_S, shanghai(2) + 900, 4_000_000)]
        store.append([batch(late)])
        store.pack()
        asked = []

        def note(*arguments):
            asked.append(arguments[2])

        event.listen(store.database.engine, "before_cursor_execute", note)
        energy, _ = losses(store, 1, SECOND, THIRD)
        event.remove(store.database.engine, "before_cursor_execute", note)
        assert len(asked) < 80
        assert energy[43] == 3  # from its first reading on
        assert energy[4] is None  # nobody knows what it showed on the 2nd
        assert losses(store, 1, FIRST, THIRD)[0][43] == 3
        assert losses(store, 1, FIRST, FIRST)[0].keys() == {1, 2, 3}

    at_desk(tmp_path / "s.sqlite", script)


def test_the_figures_that_are_kept_follow_a_move(address):
    async def script(desk, store):
        await furnished(desk, store)
        look(store)
        keeper = Keeper(store.database, DAYS, lambda: NOON)
        keeper.refresh()
        await desk.save("terminal", {"area": "A2"}, "ann", row_id=1, from_day=THIRD)
        assert keeper.refresh() >= 6
        store.append([batch(freezes(2, (3, 9)))])  # a reading of a former day, late
        store.pack()
        with store.database.read() as connection:
            stale = {(row.day, row.area_id) for row in connection.execute(area_stale.select())}
        assert {(day_number(SECOND), 1), (day_number(THIRD), 2)} <= stale

    at_desk(address, script)


async def imported(desk, text, *, kind="terminal"):
    imports = Imports(desk)
    job = await imports.submit(text.encode(), kind=kind, file_name="t.csv", by="ann")
    await imports.work_off()
    return imports, job


def test_a_file_says_from_which_day_on_and_is_taken_back(address):
    async def script(desk, store):
        await furnished(desk, store)
        before = losses(store, 1, FIRST, THIRD)
        text = f"terminal,area,from_day\n{TERMINAL},A2,2026-03-03\n"
        imports, job = await imported(desk, text)
        assert imports.job(job).state is JobState.READY
        await imports.apply(job, "ann")
        await imports.work_off()
        assert imports.job(job).state is JobState.APPLIED
        assert losses(store, 1, FIRST, THIRD)[1] == [(2, 3), (2, 3), (None, 0)]
        await imports.undo(job, "ann")
        await imports.work_off()
        assert imports.job(job).state is JobState.UNDONE
        assert losses(store, 1, FIRST, THIRD) == before
        (left,) = rows(store, schema_archive.terminal_area)
        assert (left["valid_from"], left["valid_to"]) == (None, None)

    at_desk(address, script)


def test_a_file_of_meters_moves_retires_and_begins_by_day(address):
    async def script(desk, store):
        await furnished(desk, store)
        before = losses(store, 1, FIRST, THIRD)
        text = (
            "address,terminal,point,ct,active,from_day\n"
            f"000000000038,{TERMINAL},2,20,yes,2026-03-02\n"
            f"000000000045,{TERMINAL},3,1,no,2026-03-03\n"
            f"000000000052,{TERMINAL},9,1,yes,2026-03-02\n"
        )
        imports, job = await imported(desk, text, kind="meter")
        assert [each.what() for each in imports.errors(job)] == []
        await imports.apply(job, "ann")
        await imports.work_off()
        assert imports.job(job).state is JobState.APPLIED, imports.job(job).detail
        assert [each[1] for each in losses(store, 1, FIRST, THIRD)[1]] == [3, 4, 3]
        assert losses(store, 1, SECOND, SECOND)[0][2] == 20
        await imports.undo(job, "ann")
        await imports.work_off()
        assert imports.job(job).state is JobState.UNDONE, imports.job(job).detail
        assert losses(store, 1, FIRST, THIRD) == before

    at_desk(address, script)


@pytest.mark.parametrize(
    ("day", "problem"), [("2026-03-09", "in_future"), ("yesterday", "wrong"), ("", "")]
)
def test_a_file_with_a_day_that_cannot_be_is_refused_by_row(tmp_path, day, problem):
    async def script(desk, store):
        await furnished(desk, store)
        imports, job = await imported(desk, f"terminal,area,from_day\n{TERMINAL},A2,{day}\n")
        found = [(each.row, each.column, each.key) for each in imports.errors(job)]
        assert found == ([(2, "from_day", problem)] if problem else [])
        assert imports.job(job).state is (JobState.REFUSED if problem else JobState.READY)

    at_desk(tmp_path / "s.sqlite", script)
