"""The ledger: what is missing with its cause, healed when it comes, lost when it is known to stay away."""

import datetime as dt
from collections import Counter

import pytest
from sqlalchemy import select, update
from tests.headend.test_archive_desk import at_desk
from tests.headend.world import DAYS, NOON, batch, open_store

from kwhub.domain.errors import LocalError
from kwhub.domain.readings import DAY_INTERVAL_S
from kwhub.headend.quality.expect import ENERGY, Duty, owed
from kwhub.headend.store import schema, schema_quality, sessions
from kwhub.headend.validation.completeness import By, calendar
from kwhub.headend.validation.desk import QualityDesk
from kwhub.headend.validation.ledger import Cause, Ledger, State

DAY = dt.date(2026, 3, 3)
NOW = dt.datetime(2026, 3, 4, 4, 0, tzinfo=dt.UTC)
BEGAN = dt.datetime(2026, 3, 2, 17, 0, tzinfo=dt.UTC)  # 01:00 of 3 March in Shanghai


class Bench:
    """A store whose terminal was connected on the morning of 3 March."""

    def __init__(self, address):
        self.store = open_store(address)
        self.now = NOW
        self.ledger = Ledger(self.store.database, DAYS, lambda: self.now)
        self.desk = QualityDesk(self.store.database, DAYS, lambda: self.now)

    def connect(self, ended_at=None):
        with self.store.database.write() as connection:
            key = sessions.begin(connection, "4101", 2082, "", terminal_id=1, at=BEGAN)
            if ended_at is not None:
                sessions.end(connection, key, ended_at, "gone")

    def take(self, meter, *, only=None, without=()):
        start, stop = DAYS.span_s(DAY, DAY)
        rows = []
        for series in owed(Duty()):
            if only and series.register not in only:
                continue
            if series.interval_s == DAY_INTERVAL_S:
                rows.append((meter, series.register, series.interval_s, stop, 10**9))
                continue
            times = range(start, stop, series.interval_s)
            rows += [
                (meter, series.register, series.interval_s, at, 10**9)
                for number, at in enumerate(times)
                if number not in without or series.interval_s != 900
            ]
        self.store.append([batch(rows)])
        self.store.pack()

    def holes(self, *states):
        return self.ledger.holes(DAY, DAY, states=states or (State.OPEN,), limit=1000)[0]

    def causes(self, meter):
        return {each.cause for each in self.holes() if each.key.meter_id == meter}


@pytest.fixture
def bench(address):
    made = Bench(address)
    yield made
    made.store.close()


def test_a_terminal_that_was_never_connected_owes_nothing_yet(bench):
    assert bench.ledger.look() == 0
    assert bench.holes() == []


def test_nothing_is_missing_of_a_day_before_the_first_connection(bench):
    """A concentrator brings the midnight at which it began: it is kept, and the day it ends owes no more."""
    bench.connect()
    midnight = DAYS.span_s(DAY, DAY)[0]
    bench.store.append(
        [batch([(1, ENERGY, 900, midnight, 10**9), (1, ENERGY, 900, midnight - 900, 10**9)])]
    )
    bench.store.pack()
    assert bench.desk.check_waiting().meter_days > 0
    before = DAY - dt.timedelta(days=1)
    assert bench.ledger.holes(before, before, states=list(State), limit=9)[0] == []


def test_every_day_is_looked_at_once(bench):
    bench.connect()
    assert bench.ledger.look() == 1
    assert bench.ledger.look() == 0
    bench.now += dt.timedelta(days=3)
    assert bench.ledger.look() == 3


@pytest.mark.parametrize(
    ("ended_at", "cause"),
    [(None, Cause.TERMINAL_SILENT), (BEGAN - dt.timedelta(hours=2), Cause.TERMINAL_OFFLINE)],
)
def test_a_terminal_without_a_word(bench, ended_at, cause):
    bench.connect(ended_at)
    bench.ledger.look()
    assert {each.cause for each in bench.holes()} == {cause.value}
    curve = [each for each in bench.holes() if each.key.interval_s == 900]
    assert [(each.expected, each.got, each.address[-2:]) for each in curve] == [
        (96, 0, "31"),
        (96, 0, "38"),
        (96, 0, "45"),
    ]


@pytest.mark.parametrize("kept", [0, 10_000])
def test_a_terminal_owes_however_many_connections_are_forgotten(bench, monkeypatch, kept):
    """It was connected once, and strangers knock without end while it is dead."""
    for name in ("SESSIONS_KEPT", "STRANGERS_KEPT"):
        monkeypatch.setattr(sessions, name, kept)
    monkeypatch.setattr(sessions, "FORGET_EVERY", 1)
    bench.connect(BEGAN + dt.timedelta(hours=1))
    with bench.store.database.write() as connection:
        for number in range(8):
            sessions.begin(
                connection, "9999", number, "x", terminal_id=None, at=NOW, denied="denied"
            )
        left = connection.execute(select(schema.terminal_session.c.terminal_id)).scalars().all()
        assert sorted(left, key=str) == ([1, *[None] * 8] if kept else [])
    assert bench.ledger.look() == 1
    assert {each.key.meter_id for each in bench.holes()} == {1, 2, 3}
    with bench.store.database.write() as connection:  # it is back; what it owed it owes
        sessions.begin(connection, "4101", 2082, "", terminal_id=1, at=NOW)
    with bench.store.database.read() as connection:
        found = calendar(connection, DAYS, By.AREA, (DAY, DAY))
    (cell,) = found.total.cells
    assert cell is not None
    assert (cell.expected, cell.missing) == (cell.expected, cell.expected)
    assert cell.expected > 3 * 96


def test_who_was_turned_away_was_not_connected(bench):
    with bench.store.database.write() as connection:
        sessions.begin(connection, "4101", 2082, "", terminal_id=1, at=BEGAN, denied="denied: x")
    assert bench.ledger.look() == 0


def test_a_silent_meter_a_missing_series_and_a_part(bench):
    bench.connect()
    bench.take(1, only=[ENERGY], without={5, 6})
    bench.take(2)
    bench.ledger.look()
    assert bench.causes(1) == {Cause.PARTIAL.value, Cause.SERIES_MISSING.value}
    (part,) = [each for each in bench.holes() if each.cause == Cause.PARTIAL.value]
    assert (part.expected, part.got, part.key.register) == (96, 94, ENERGY)
    assert bench.causes(2) == set()
    assert bench.causes(3) == {Cause.METER_SILENT.value}


def test_what_comes_late_heals(bench):
    bench.connect()
    bench.take(2, without=range(96))
    bench.ledger.look()
    assert len([each for each in bench.holes() if each.key.meter_id == 2]) == 1
    bench.take(2)
    bench.desk.check_waiting()
    assert [each for each in bench.holes() if each.key.meter_id == 2] == []
    healed = bench.holes(State.HEALED)
    assert [(each.got, each.closed_at) for each in healed] == [(96, NOW)]


def test_a_hole_is_asked_for_until_it_is_lost_and_may_be_opened_again(bench):
    bench.connect()
    bench.take(2, without={7})
    bench.ledger.look()
    (one,) = [each for each in bench.ledger.due([1], 1000) if each.key.meter_id == 2]
    later = NOW + dt.timedelta(hours=1)
    bench.ledger.tried([one.key], cause="", next_at=later)
    assert one.key not in [each.key for each in bench.ledger.due([1], 1000)]
    bench.now = later
    assert one.key in [each.key for each in bench.ledger.due([1], 1000)]
    assert bench.ledger.due([99], 1000) == []
    bench.ledger.tried([one.key], cause="no_record", next_at=None, detail="older than its record")
    (lost,) = bench.holes(State.LOST)
    assert (lost.cause, lost.tries, lost.detail) == ("no_record", 2, "older than its record")
    bench.ledger.reopen(one.key, by="lu")
    assert bench.holes(State.LOST) == []
    with pytest.raises(LocalError, match="no lost hole"):
        bench.ledger.reopen(one.key, by="lu")


def test_a_lost_hole_that_is_filled_after_all_is_healed(bench):
    bench.connect()
    bench.take(2, without={7})
    bench.ledger.look()
    key = next(each.key for each in bench.holes() if each.key.meter_id == 2)
    bench.ledger.tried([key], cause="", next_at=None)
    bench.take(2)
    bench.desk.check_waiting()
    assert (bench.holes(State.LOST), len(bench.holes(State.HEALED))) == ([], 1)


def test_the_rows_are_only_what_is_missing(bench):
    bench.connect()
    bench.take(2)
    bench.take(3)
    bench.ledger.look()
    with bench.store.database.read() as connection:
        meters = Counter(connection.execute(select(schema_quality.hole.c.meter_id)).scalars())
    assert set(meters) == {1}


def test_holes_of_a_meter_that_is_retired_close_and_nobody_is_asked(address):
    async def script(desk, store):
        now = NOON + dt.timedelta(hours=1)
        ledger = Ledger(store.database, DAYS, lambda: now)
        with store.database.write() as connection:
            sessions.begin(connection, "4101", 2082, "", terminal_id=1, at=BEGAN)
        ledger.look()
        assert {each.key.meter_id for each in ledger.due([1], 5_000)} == {1, 2, 3}
        await desk.retire("meter", 3, "ann")
        assert {each.key.meter_id for each in ledger.due([1], 5_000)} == {1, 2}
        closed, count = ledger.holes(DAY, DAY, states=(State.LOST,), limit=1_000)
        assert count > 0
        assert {(each.key.meter_id, each.cause, each.next_at) for each in closed} == {
            (3, Cause.METER_RETIRED.value, None)
        }
        assert ledger.holes(DAY, DAY, meter_id=3)[1] == 0

    at_desk(address, script)


def test_holes_of_a_meter_that_the_settings_name_no_more_close_at_the_next_look(bench):
    bench.connect()
    bench.ledger.look()
    with bench.store.database.write() as connection:
        connection.execute(update(schema.meter).where(schema.meter.c.id == 3).values(active=False))
    assert {each.key.meter_id for each in bench.ledger.due([1], 5_000)} == {1, 2}
    bench.ledger.look()
    assert {each.key.meter_id for each in bench.holes()} == {1, 2}
    assert {each.cause for each in bench.holes(State.LOST)} == {Cause.METER_RETIRED.value}
