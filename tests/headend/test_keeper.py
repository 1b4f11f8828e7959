"""Kept figures of areas: after late, edited, repeated and conflicting data they say what summing from scratch says."""

import datetime as dt
from decimal import Decimal
from random import Random

import pytest
from msgspec.structs import replace
from sqlalchemy import func, insert, select, update
from tests.headend.test_queries import MICRO, ONE, SUPPLY, TWO, energy, full_day
from tests.headend.world import DAYS, batch, config, open_store, shanghai

from kwhub.domain.readings import DAY_INTERVAL_S
from kwhub.headend.archive.write import bump
from kwhub.headend.config import Area, Meter, Terminal
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.store import area_days, overview, schema, sessions
from kwhub.headend.store.queries import Queries
from kwhub.headend.store.schema_archive import exchange_reading, meter_exchange, placement
from kwhub.headend.store.schema_figures import area_day, area_stale
from kwhub.headend.validation.desk import QualityDesk
from kwhub.headend.validation.keeper import TODAY_AGE, Keeper

TODAY = dt.date(2026, 3, 5)
NOON = DAYS.start(TODAY) + dt.timedelta(hours=12)
SPAN = (2, 3, 4, 5)


class Bench:
    """A store of two areas with a keeper and a clock that is moved by hand."""

    def __init__(self, address):
        settings = config(address)
        meters = (Meter(address="000000000052", point=1, name="Far"),)
        far = Area(
            code="A2", name="Far", terminal=(Terminal(region="4101", terminal=9, meter=meters),)
        )
        self.store = open_store(address, replace(settings, area=(*settings.area, far)))
        self.now = NOON
        self.queries = Queries(self.store.database, DAYS, lambda: self.now)
        self.desk = QualityDesk(self.store.database, DAYS, lambda: self.now)
        self.keeper = Keeper(self.store.database, DAYS, lambda: self.now)

    def take(self, rows):
        self.store.append([batch(rows)])

    def settle(self):
        self.store.pack()
        return self.keeper.refresh()

    def kept(self, day):
        with self.store.database.read() as connection:
            return area_days.areas_of(connection, dt.date(2026, 3, day))

    def check(self):
        """Everything that is kept is what a page that sums over meters would say."""
        kept = {day: self.kept(day) for day in SPAN}
        assert [len(each) for each in kept.values()] == [2] * len(SPAN)
        for day, found in kept.items():
            assert found == self.queries.areas(dt.date(2026, 3, day))


@pytest.fixture
def bench(address):
    made = Bench(address)
    yield made
    made.store.close()


def began(bench, day=2):
    """The terminals have been there since a day of March."""
    with bench.store.database.write() as connection:
        since = DAYS.start(dt.date(2026, 3, day))
        sessions.begin(connection, "4101", 2082, "", terminal_id=1, at=since)


def arrived(until, days=SPAN):
    return [
        row
        for day in days
        for meter in (SUPPLY, ONE, TWO)
        for row in full_day(meter, day)
        if row[3] <= until
    ]


@pytest.mark.slow
def test_late_repeated_and_conflicting_data_in_any_order(bench):
    random = Random(7)
    began(bench)
    rows = arrived(int(NOON.timestamp()))
    random.shuffle(rows)
    wrong = [(meter, code, spacing, at, value + MICRO) for meter, code, spacing, at, value in rows]
    pieces = [rows[n::7] for n in range(7)] + [rows[:300], random.sample(wrong, 200)]
    random.shuffle(pieces)
    for piece in pieces:
        bench.take(piece)
        assert bench.settle() >= len(SPAN)  # both areas of today, and what was touched
        bench.check()
    (near, far) = bench.kept(3)
    assert near.loss_percent is not None
    assert (far.got, len(far.missing)) == (0, 1)
    assert bench.keeper.refresh() == 0


@pytest.mark.slow
def test_an_edit_and_its_withdrawal_change_the_figures_of_every_day_that_they_touch(bench):
    began(bench)
    bench.take([row for row in arrived(int(NOON.timestamp())) if row[2] != 900])
    bench.settle()
    before = {day: bench.kept(day) for day in SPAN}
    at = shanghai(4)  # the freeze that ends 3 March and begins the 4th
    value = energy(ONE, at) + 5 * MICRO
    number = bench.desk.edit(ONE, (ENERGY, DAY_INTERVAL_S), {at: value}, by="a", reason="seen")
    assert bench.keeper.refresh() > 0
    bench.check()
    sold = [bench.kept(day)[0].sold_kwh - before[day][0].sold_kwh for day in (3, 4)]
    assert sold == [Decimal(5), Decimal(-5)]
    bench.desk.withdraw(number, by="a")
    bench.keeper.refresh()
    bench.check()
    assert bench.kept(3) == before[3]


@pytest.mark.slow
def test_a_late_freeze_begins_the_next_day(bench):
    began(bench)
    late = [row for row in arrived(int(NOON.timestamp())) if row[2] != 900]
    freeze = [row for row in late if row[0] == ONE and row[3] == shanghai(4)]
    bench.take([row for row in late if row not in freeze])
    bench.settle()
    assert bench.kept(4)[0].sold_kwh is None
    bench.take(freeze)
    bench.settle()
    bench.check()
    assert bench.kept(4)[0].sold_kwh is not None


@pytest.mark.slow
def test_a_day_goes_on_and_ends_without_any_reading(bench):
    began(bench)
    bench.take(arrived(int(NOON.timestamp())))
    bench.settle()
    (near, _) = bench.kept(5)
    bench.now += TODAY_AGE / 2
    assert bench.keeper.refresh() == 0  # not old enough
    bench.now += TODAY_AGE
    assert bench.keeper.refresh() == 2
    bench.check()
    assert bench.kept(5)[0].expected > near.expected
    for hours in (12, 13, 14, 40):
        bench.now = NOON + dt.timedelta(hours=hours)
        assert bench.keeper.refresh() >= 2
        bench.check()
    assert bench.keeper.refresh() == 0


@pytest.mark.slow
def test_the_archive_says_something_else(bench):
    began(bench)
    bench.take(arrived(int(NOON.timestamp())))
    bench.settle()
    supplied = bench.kept(3)[0].supply_kwh
    with bench.store.database.write() as connection:
        row = schema.meter.c.id == SUPPLY
        connection.execute(update(schema.meter).where(row).values(ratio="20"))
        bump(connection)
    assert bench.keeper.refresh() == len(SPAN) + 1  # of one area only; 1 March ends with a midnight
    bench.check()
    assert bench.kept(3)[0].supply_kwh == 2 * supplied
    again = Keeper(bench.store.database, DAYS, lambda: bench.now)
    assert again.refresh() == 0  # after a new start as well
    with bench.store.database.write() as connection:
        made = connection.execute(
            insert(meter_exchange).values(
                meter_id=ONE,
                at=DAYS.start(dt.date(2026, 3, 3)) + dt.timedelta(hours=9),
                **exchange_words(),
            )
        )
        (number,) = made.inserted_primary_key or (0,)
        reading = {"exchange_id": number, "register": str(ENERGY), "final": 0, "first": 9 * MICRO}
        connection.execute(insert(exchange_reading), [reading])
        bump(connection)
    assert again.refresh() == len(SPAN) + 1
    bench.check()


def exchange_words():
    """Columns of an exchange that the figures do not look at."""
    plain = {}
    for column in meter_exchange.columns:
        given = column.primary_key or column.name in {"meter_id", "at"} or column.nullable
        if not given and column.server_default is None:
            is_moment = column.type is meter_exchange.c.at.type or column.name.endswith("_at")
            plain[column.name] = NOON if is_moment else ""
    return plain


@pytest.mark.slow
def test_a_mark_that_comes_while_figures_are_computed_stays(bench, monkeypatch):
    began(bench)
    rows = arrived(int(NOON.timestamp()))
    bench.take(rows[: len(rows) // 2])
    bench.store.pack()
    compute = Queries.areas

    def overtaken(self, day, only=None):
        found = compute(self, day, only)
        if bench.store.waiting:
            bench.store.pack()
        return found

    bench.take(rows[len(rows) // 2 :])
    monkeypatch.setattr(Queries, "areas", overtaken)
    bench.keeper.refresh()
    monkeypatch.undo()
    with bench.store.database.read() as connection:
        left = connection.execute(select(func.count()).select_from(area_stale)).scalar_one()
    assert left > 0
    bench.keeper.refresh()
    bench.check()


@pytest.mark.slow
def test_sums_are_those_of_the_areas(bench):
    began(bench)
    bench.take(arrived(int(NOON.timestamp())))
    bench.settle()
    with bench.store.database.read() as connection:
        every = area_days.sums(connection, dt.date(2026, 3, 2), TODAY)
        own = area_days.sums(connection, TODAY, TODAY, [2])
    assert sorted(every) == [dt.date(2026, 3, day) for day in SPAN]
    for day, found in every.items():
        areas = bench.queries.areas(day)
        assert found.areas == len(areas)
        assert found.expected == sum(each.expected for each in areas)
        assert found.got == sum(each.got for each in areas)
        assert found.at == NOON
    assert own[TODAY].areas == 1
    assert own[TODAY].got == 0


def test_silent_meters_are_those_of_the_readings(bench):
    bench.take(full_day(ONE, 4) + full_day(TWO, 2))
    bench.settle()
    with bench.store.database.read() as connection:
        since = bench.now - overview.SILENT_AFTER
        lines, count = overview.silent_meters(connection, DAYS, since, None, 8)
        kept = area_days.silence_of(connection, None, 8)
        far = area_days.silence_of(connection, [2], 8)
        one = area_days.silence_of(connection, None, 1)
        assert kept is not None
        assert far is not None
        assert one is not None
        assert overview.silent_lines(connection, kept.longest, None) == lines
    assert kept.count == count == 3
    assert [number for number, _ in kept.longest] == [SUPPLY, 4, TWO]
    assert far.longest == [(4, None)]
    assert one.longest == kept.longest[:1]


def test_an_area_that_is_given_up_has_no_figures(bench):
    began(bench)
    bench.take(arrived(int(NOON.timestamp())))
    bench.settle()
    with bench.store.database.write() as connection:
        connection.execute(update(schema.area).where(schema.area.c.id == 2).values(active=False))
        bump(connection)
    assert len(bench.kept(3)) == 1
    bench.now += 2 * TODAY_AGE
    assert bench.keeper.refresh() == 1
    with bench.store.database.read() as connection:
        today = area_day.c.day == schema.day_number(TODAY)
        assert len(connection.execute(select(area_day).where(today)).all()) == 2


@pytest.mark.slow
def test_late_data_of_a_meter_that_moved_changes_its_former_area(bench):
    began(bench)
    rows = arrived(int(NOON.timestamp()))
    late = [row for row in rows if row[0] == TWO and row[3] <= shanghai(4)]
    bench.take([row for row in rows if row not in late])
    moved = DAYS.start(dt.date(2026, 3, 4))
    with bench.store.database.write() as connection:
        stay = {"meter_id": TWO, "point": 3, "port": 2, "ct": "", "pt": "1", "ratio": "1"}
        then = {**stay, "terminal_id": 1, "valid_from": None, "valid_to": moved}
        now = {**stay, "terminal_id": 2, "point": 8, "valid_from": moved, "valid_to": None}
        connection.execute(insert(placement), [then, now])
        values = {"terminal_id": 2, "point": 8}
        connection.execute(update(schema.meter).where(schema.meter.c.id == TWO).values(**values))
        bump(connection)
    bench.settle()
    bench.check()
    assert bench.kept(3)[0].sold_kwh is None
    bench.take(late)
    bench.settle()
    bench.check()
    assert bench.kept(3)[0].sold_kwh is not None
    assert bench.kept(3)[0].meters == 3


@pytest.mark.parametrize(("above", "kept"), [(-1, True), (0, False)])
def test_of_a_small_fleet_nothing_is_kept(bench, above, kept):
    with bench.store.database.read() as connection:
        meters = connection.execute(select(func.count()).select_from(schema.meter)).scalar_one()
    bench.take(full_day(ONE, 4))
    bench.keeper = Keeper(bench.store.database, DAYS, lambda: bench.now, above=meters + above)
    assert (bench.settle() > 0) is kept
    assert bool(bench.kept(4)) is kept
