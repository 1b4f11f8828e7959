"""Random changes of the archive, dated and not: what areas, spans, lists and days say always agrees, and undo undoes."""

import datetime as dt
import itertools
import random
from decimal import Decimal

import pytest
from tests.headend.test_archive_dated import queries
from tests.headend.test_archive_desk import at_desk, rows
from tests.headend.test_archive_moves import imported
from tests.headend.world import DAYS, NOON, batch

from kwhub.domain.readings import DAY_INTERVAL_S, Register
from kwhub.headend.archive.jobs import JobState
from kwhub.headend.archive.problems import ArchiveError
from kwhub.headend.store import schema_archive
from kwhub.headend.store.former import Homes
from kwhub.headend.store.schema import day_number
from kwhub.headend.store.spans import Spans

ENERGY = Register("1-0:1.8.0")
FEBRUARY = [dt.date(2026, 2, day) for day in range(1, 29)]
EDGES = [*FEBRUARY, dt.date(2026, 3, 1)]
TERMINALS = ("4101-02082", "4101-99")
AREAS = ("A1", "A2", "A3")
OFTEN = 0.85


async def furnished(desk, store):
    """Meter n uses n kWh a day; two terminals, three areas."""
    first = DAYS.start_s(FEBRUARY[0])
    store.append(
        [
            batch(
                [
                    (m, ENERGY, DAY_INTERVAL_S, first + 86_400 * n, (100 + n * m) * 10**6)
                    for m in (1, 2, 3)
                    for n in range(30)
                ]
            )
        ]
    )
    for code in AREAS[1:]:
        await desk.save("area", {"code": code, "name": code}, "ann")
    await desk.save("terminal", {"terminal": TERMINALS[1], "area": "A2"}, "ann")


async def change(desk, chance):
    """Something that a person may do, or is refused."""
    day = chance.choice(FEBRUARY) if chance.random() < OFTEN else None
    meter = chance.choice((2, 3))
    kind, row, texts = chance.choice(
        (
            ("terminal", chance.choice((1, 2)), {"area": chance.choice(AREAS)}),
            (
                "meter",
                meter,
                {"terminal": chance.choice(TERMINALS), "point": str(chance.randrange(10, 99))},
            ),
            ("meter", chance.choice((1, 2, 3)), {"ct": str(chance.randrange(1, 9))}),
            ("meter", meter, {"active": "no"}),
            ("meter", meter, {"active": "yes"}),
        )
    )
    try:
        await desk.save(kind, texts, "ann", row_id=row, from_day=day)
    except ArchiveError:
        return


def by_area(spans, first, last):
    found: dict[int, dict[int, Decimal | None]] = {}
    for each in spans.energies(first, last):
        found.setdefault(each.meter.area_id, {})[each.meter.id] = each.kwh
    return found


def check(store):
    ask = queries(store)
    with store.database.read() as connection:
        month = by_area(Spans(connection, DAYS, EDGES), FEBRUARY[0], FEBRUARY[-1])
        summed: dict[int, dict[int, Decimal]] = {}
        for area in (1, 2, 3):
            own = Spans(connection, DAYS, EDGES, {area})
            assert by_area(own, FEBRUARY[0], FEBRUARY[-1]).get(area) == month.get(area)
            for day in FEBRUARY:
                for meter, kwh in by_area(own, day, day).get(area, {}).items():
                    total = summed.setdefault(area, {}).get(meter, Decimal(0))
                    summed[area][meter] = total + kwh
        homes = Homes.load(connection, DAYS)
    assert summed == month
    for area in (1, 2, 3):
        days = ask.area_days(area, FEBRUARY[0], FEBRUARY[-1])
        sold = sum((kwh for meter, kwh in month.get(area, {}).items() if meter != 1), Decimal(0))
        assert sum(each.sold_kwh or 0 for each in days) == sold
        for day, found in zip(FEBRUARY, days, strict=True):
            there = {each.id for each in ask.meters(area, day=day).items}
            assert len(there) == found.meters
            for meter in homes.meters:
                assert (homes.area(meter, day_number(day)) == area) == (meter in there)
    for table, key in (
        (schema_archive.placement, "meter_id"),
        (schema_archive.terminal_area, "terminal_id"),
    ):
        check_no_overlap(rows(store, table), key)


def check_no_overlap(found, key):
    spans: dict[int, list[tuple[dt.datetime | None, dt.datetime | None]]] = {}
    for row in found:
        spans.setdefault(row[key], []).append((row["valid_from"], row["valid_to"]))
    beginning = NOON.replace(year=1970)
    for own in spans.values():
        own.sort(key=lambda each: each[0] or beginning)
        for (_, until), (since, _) in itertools.pairwise(own):
            assert until is not None
            assert since is not None
            assert until <= since


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_areas_spans_lists_and_days_agree_whatever_was_changed(address, seed):
    chance = random.Random(seed)

    async def script(desk, store):
        await furnished(desk, store)
        for _ in range(10):
            await change(desk, chance)
        check(store)

    at_desk(address, script)


def told(store):
    """All that can be undone."""
    with store.database.read() as connection:
        spans = Spans(connection, DAYS, EDGES)
        days = [by_area(spans, day, day) for day in FEBRUARY]
    known = store.archive.meters.values()
    return days, {each.id: (each.terminal_id, each.point, each.ratio) for each in known}


def file_of(chance):
    day = chance.choice(FEBRUARY) if chance.random() < OFTEN else ""
    if chance.random() < 0.5:
        head = "terminal,area,from_day\n"
        return "terminal", f"{head}{chance.choice(TERMINALS)},{chance.choice(AREAS)},{day}\n"
    head = "address,terminal,point,ct,active,from_day\n"
    values = (
        chance.choice(("000000000038", "000000000045")),
        chance.choice(TERMINALS),
        chance.randrange(10, 99),
        chance.randrange(1, 5),
        chance.choice(("yes", "yes", "no")),
        day,
    )
    return "meter", head + ",".join(map(str, values)) + "\n"


async def applied(desk, kind, text):
    imports, job = await imported(desk, text, kind=kind)
    if imports.job(job).state is not JobState.READY:
        return None
    await imports.apply(job, "ann")
    await imports.work_off()
    return (imports, job) if imports.job(job).state is JobState.APPLIED else None


async def undone(imports, job):
    await imports.undo(job, "ann")
    await imports.work_off()
    assert imports.job(job).state is JobState.UNDONE, imports.job(job).detail


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 2, 24, 42, 50])
def test_imports_that_are_taken_back_leave_nothing_behind(address, seed):
    chance = random.Random(seed)

    async def script(desk, store):
        await furnished(desk, store)
        done = []
        for _ in range(7):
            before = told(store)
            made = await applied(desk, *file_of(chance))
            if made is None:
                continue
            if chance.random() < 0.4:
                await undone(*made)
                assert told(store) == before
            else:
                done.append((made, before))
        for made, before in reversed(done):
            await undone(*made)
            assert told(store) == before

    at_desk(address, script)


@pytest.mark.parametrize("first", ["", "000000000045,4101-02082,3,1,no,2026-02-05\n"])
@pytest.mark.parametrize("day", ["", "2026-02-05"])
def test_a_row_that_retires_or_brings_back_and_moves_is_taken_back_whole(tmp_path, first, day):
    """Else the energy of the past has another ratio and another area afterwards."""
    head = "address,terminal,point,ct,active,from_day\n"

    async def script(desk, store):
        await furnished(desk, store)
        if first:
            assert await applied(desk, "meter", head + first)
        before = told(store)
        row = f"000000000045,4101-99,77,2,{'yes' if first else 'no'},{day}\n"
        made = await applied(desk, "meter", head + row)
        assert made
        await undone(*made)
        assert told(store) == before

    at_desk(tmp_path / "s.sqlite", script)


def test_nobody_comes_back_before_the_end_of_the_service(tmp_path):
    async def script(desk, store):
        await furnished(desk, store)
        await desk.retire("meter", 3, "ann", from_day=dt.date(2026, 2, 20))
        with pytest.raises(ArchiveError) as refused:
            await desk.save(
                "meter", {"active": "yes"}, "ann", row_id=3, from_day=dt.date(2026, 2, 5)
            )
        assert [each.key for each in refused.value.problems] == ["before_last"]

    at_desk(tmp_path / "s.sqlite", script)
