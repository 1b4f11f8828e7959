"""The store: durable, idempotent, and the same whatever the order of arrival."""

import datetime as dt
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, delete, event, inspect, select, text
from sqlalchemy.exc import DBAPIError
from tests.headend.world import ADDRESSES, DAYS, NOON, batch, config, open_store, shanghai

from kwhub.domain.errors import ConfigError
from kwhub.headend.people import trail
from kwhub.headend.store import schema, tables
from kwhub.headend.store.columns import Columns
from kwhub.headend.store.database import Database, StoreError
from kwhub.headend.store.doubles import stored_twice
from kwhub.headend.store.journal import Batch, Stray
from kwhub.headend.store.read import Reader
from kwhub.headend.store.store import Store

ENERGY = "1-0:1.8.0"
DAY = dt.date(2026, 3, 3)


@pytest.fixture
def store(address) -> Iterator[Store]:
    one = open_store(address)
    yield one
    one.close()


def curve(meter: int, first: int, count: int, start: int = 1_000_000) -> list[Any]:
    begin = shanghai(3)
    return [
        (meter, ENERGY, 900, begin + 900 * n, start + 10_000 * n)
        for n in range(first, first + count)
    ]


def everything(store: Store) -> dict[Any, Any]:
    """All measured values by meter, register, interval and moment, as a query sees them."""
    found = {}
    with store.database.read() as connection:
        reader = Reader(connection, DAYS)
        for interval in (0, 900, 3600, 86400):
            span = (DAY, DAY + dt.timedelta(days=1))
            for key, series in reader.series([1, 2, 3], [ENERGY], interval, span).items():
                for at, value, quality in zip(series.at, series.value, series.quality, strict=True):
                    found[(*key, interval, int(at))] = int(value) if quality else None
    return found


def rows_of(store: Store, table) -> list[Any]:
    with store.database.read() as connection:
        return list(connection.execute(select(table)).all())


def test_readings_are_seen_before_and_after_packing(store):
    store.append([batch(curve(1, 0, 10))])
    before = everything(store)
    assert len(before) == 10
    assert store.waiting == 10
    assert store.pack().readings == 10
    assert everything(store) == before
    assert store.waiting == 0
    store.append([batch(curve(1, 10, 5))])  # half packed, half not
    assert len(everything(store)) == 15


def test_what_comes_again_changes_nothing_and_is_counted(store):
    store.append([batch(curve(1, 0, 10)), batch(curve(1, 0, 10))])
    store.append([batch(curve(1, 5, 10))])
    packing = store.pack()
    assert (packing.readings, packing.repeated, packing.conflicts) == (30, 15, 0)
    assert len(everything(store)) == 15
    tallies = {(row.kind, row[2]) for row in rows_of(store, schema.tally)}
    assert tallies == {("repeated", 15)}


def test_another_value_is_kept_beside_the_measurement(store):
    store.append([batch(curve(1, 0, 4))])
    store.pack()
    before = everything(store)
    largest = 20_000_000
    for other in (7, 7, largest):
        store.append([batch([(1, ENERGY, 900, shanghai(3), other)])])
    seen = everything(store)
    packing = store.pack()
    assert (packing.repeated, packing.conflicts) == (1, 2)
    assert everything(store) == seen != before
    versions = sorted(row.version for row in rows_of(store, schema.day_vector))
    assert versions == [0, 1, 2]
    store.append([batch([(1, ENERGY, 900, shanghai(3), 7)])])
    assert store.pack().repeated == 1
    assert everything(store) == seen


def test_the_order_of_arrival_and_packing_does_not_matter(store, tmp_path):
    rows = curve(1, 0, 96) + curve(2, 0, 96) + [(1, ENERGY, 86400, shanghai(4), 5)]
    store.append([batch(rows)])
    store.pack()
    other = open_store(tmp_path / "other.sqlite")
    for part in (rows[150:], rows[:50], rows[40:160], rows[::7]):
        other.append([batch(part)])
        if len(part) > 60:
            other.pack()
    assert everything(other) == everything(store)
    other.pack()
    assert everything(other) == everything(store)
    first, second = (
        {(r.meter_id, r.interval_s, r.day, r.vector) for r in rows_of(each, schema.day_vector)}
        for each in (store, other)
    )
    assert first == second
    other.close()


FEW_VALUES = st.none() | st.sampled_from([0, 5, 10_000, 10_000, -7])
ARRIVING = st.lists(
    st.tuples(st.integers(1, 2), st.sampled_from([900, 86_400]), st.integers(0, 3), FEW_VALUES),
    min_size=1,
    max_size=14,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ARRIVING, st.randoms(use_true_random=False))
def test_different_values_for_one_moment_make_one_store_in_any_order(store, readings, chance):
    rows = [(meter, ENERGY, step, shanghai(3) + step * n, v) for meter, step, n, v in readings]
    found = []
    for _ in range(2):
        chance.shuffle(rows)
        store.pack()
        with store.database.write() as connection:
            for table in (schema.day_vector, schema.latest, schema.tally):
                connection.execute(delete(table))
        for row in rows:
            store.append([batch([row])])
            if chance.random() < 0.4:
                store.pack()
        waiting = everything(store), newest_of(store)
        store.pack()
        assert (everything(store), newest_of(store)) == waiting
        vectors = sorted(tuple(row) for row in rows_of(store, schema.day_vector))
        found.append((vectors, newest_of(store), everything(store)))
    assert found[0] == found[1]


def newest_of(store: Store) -> list[Any]:
    with store.database.read() as connection:
        latest = Reader(connection, DAYS).latest([1, 2])
    return [
        (meter, one.interval_s, one.captured_at, one.value, one.quality)
        for meter, every in sorted(latest.items())
        for one in every
    ]


def test_the_newest_value_is_known_whether_packed_or_not(store):
    def newest() -> list[Any]:
        with store.database.read() as connection:
            found = Reader(connection, DAYS).latest([1]).get(1, [])
        return [(one.interval_s, one.captured_at, one.value) for one in found]

    assert newest() == []
    store.append([batch(curve(1, 3, 1)), batch(curve(1, 1, 1))])
    expected = [(900, shanghai(3, 0, 45), 1_030_000)]
    assert newest() == expected
    store.pack()
    assert newest() == expected
    store.append([batch([(1, ENERGY, 900, shanghai(3, 1), None)])])  # no value is no news
    assert newest() == expected
    store.append([batch(curve(1, 2, 1))])
    store.pack()
    assert newest() == expected
    store.append([batch(curve(1, 4, 1))])
    assert newest() == [(900, shanghai(3, 1), 1_040_000)]


def test_data_without_a_place_is_kept_and_counted(store):
    stray = Stray(9, 0x0D, 101, "unknown_point", b"\x01" * 1000)
    later = NOON + dt.timedelta(hours=1)
    for moment in (NOON, later):
        store.append([Batch(1, moment, "test", Columns.from_rows([]), (stray,))])
    (row,) = rows_of(store, schema.unknown)
    assert (row.point, row.reason, row[5], row.first_at, row.last_at) == (
        *(9, "unknown_point", 2),
        *(NOON, later),
    )
    assert len(row.sample) == 512


class PowerCut(Exception):
    """What the machine does not survive."""


def play(
    store: Store,
    acknowledged: list[int],
    deliveries: list[Any],
    step: Callable[[], None] = lambda: None,
) -> None:
    """Deliver what is not acknowledged, packing twice in between."""
    for number, rows in enumerate(deliveries):
        if number not in acknowledged:
            store.append([batch(rows)])
            step()  # durable, but nobody knows it yet
            acknowledged.append(number)
        if number % 2:
            store.pack()


def empty_store(path: Path) -> Path:
    """A store as the migrations leave it; a copy of it costs less than they do."""
    open_store(path).close()
    return path


def renewed(database: Database, path: Path, fresh: Path) -> None:
    """Put the fresh file in the place of the one that was cut."""
    database.close()
    for left_over in path.parent.glob(f"{path.name}*"):
        left_over.unlink()
    shutil.copy(fresh, path)


@pytest.mark.slow
def test_a_power_cut_at_any_statement_loses_and_doubles_nothing(tmp_path):
    deliveries = [
        curve(1, 0, 3) + curve(2, 0, 2),
        [(1, ENERGY, 900, shanghai(3), 77)],
        curve(1, 2, 3),
        [*curve(2, 1, 3), (2, ENERGY, 86400, shanghai(4), 5)],
    ]
    fresh = empty_store(tmp_path / "fresh.sqlite")
    calm = open_store(tmp_path / "calm.sqlite")
    play(calm, [], deliveries)
    wanted = everything(calm)
    calm.close()
    # One engine for all, for making its statements takes longest; closing lets go of every connection.
    path = tmp_path / "cut.sqlite"
    database = Database(str(shutil.copy(fresh, path)))
    for cut_at in count(1):
        renewed(database, path, fresh)
        acknowledged: list[int] = []
        store = Store(database, DAYS, config(path))
        step, disarm = cut_power(store, cut_at)
        try:
            play(store, acknowledged, deliveries, step)
        except PowerCut:
            pass
        else:
            break
        finally:
            disarm()
            store.close()
        again = Store(database, DAYS, config(path))
        for known in (acknowledged, []):  # and as if no confirmation had ever arrived
            play(again, known, deliveries)
            again.pack()
            assert everything(again) == wanted, cut_at
        with database.read() as connection:
            assert stored_twice(connection, DAYS, (DAY, DAY)) == 0
    assert cut_at > 20
    database.close()


def cut_power(store: Store, after: int):
    """Fail before the n-th statement, commits included."""
    left = after

    def step(*_) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise PowerCut

    engine = store.database.engine
    event.listen(engine, "before_cursor_execute", step)
    event.listen(engine, "commit", step)

    def disarm() -> None:
        event.remove(engine, "before_cursor_execute", step)
        event.remove(engine, "commit", step)

    return step, disarm


def test_fresh_tables_are_what_the_code_means(store):
    with store.database.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, tables.metadata) == []


def test_a_store_of_the_first_form_is_brought_up_to_date(bare_address):
    old = Database(bare_address, revision="0001")
    with old.engine.connect() as connection:
        tables = inspect(connection).get_table_names()
    assert "journal" in tables
    assert "orders" not in tables
    with old.write() as connection:
        connection.execute(
            text("INSERT INTO area (code, name, name_zh) VALUES ('A1', 'Old name', '旧名')")
        )
        connection.execute(
            text(
                "INSERT INTO terminal (area_id, region, number, name, active) "
                "VALUES (1, '4101', 7, 'Gone', :active)"
            ),
            {"active": True},
        )
        connection.execute(
            text(
                "INSERT INTO meter (terminal_id, address, point, port, name, kind, phases, ratio, "
                "baud, protocol, active) VALUES "
                "(1, '000000000099', 1, 2, 'Gone', 'customer', 1, '1', 2400, 'dlt645-2007', :active)"
            ),
            {"active": True},
        )
    old.close()
    new = open_store(bare_address)
    (area,) = rows_of(new, schema.area)
    assert (area.id, area.name) == (1, "Willow Lane")
    (meter,) = [row for row in rows_of(new, schema.meter) if row.id == 1]
    assert (meter.curve_minutes, meter.hourly, meter.day_freeze, meter.tariffs) == (15, 1, 1, 4)
    assert not meter.active
    assert rows_of(new, schema.orders) == rows_of(new, schema.unplaced) == []
    new.close()


def test_the_archive_follows_the_settings_and_forgets_no_meter(tmp_path):
    path = tmp_path / "headend.sqlite"
    store = open_store(path)
    assert [meter.address for meter in store.archive.meters.values()] == list(ADDRESSES)
    store.append([batch(curve(2, 0, 2))])
    store.close()
    full = config(path)
    terminal = full.area[0].terminal[0]
    fewer = msgspec.structs.replace(terminal, meter=terminal.meter[:1])
    area = msgspec.structs.replace(full.area[0], terminal=(fewer,))
    store = open_store(path, msgspec.structs.replace(full, area=(area,)))
    assert list(store.archive.meters) == [1]
    assert len(everything(store)) == 2
    store.close()


def test_the_audit_trail_only_grows(store):
    with store.database.write() as connection:
        trail.record(connection, "ann", "read_now", "meter 1", "", NOON)
    for statement in (schema.audit.delete(), schema.audit.update().values(who="eve")):
        with (
            pytest.raises((DBAPIError, StoreError), match="only grows"),
            store.database.write() as c,
        ):
            c.execute(statement)
    assert [each.who for each in rows_of(store, schema.audit)] == ["ann"]


@pytest.mark.parametrize("address", ["mysql://x", "nonsense://x", "postgresql+nodriver://x"])
def test_an_address_that_names_no_store_is_told(address):
    with pytest.raises(ConfigError):
        Database(address)


def test_a_store_that_cannot_be_opened_is_told(tmp_path):
    with pytest.raises(StoreError, match="cannot be opened"):
        Database(str(tmp_path / "missing" / "headend.sqlite"))


def test_a_commit_survives_a_power_cut(tmp_path):
    store = open_store(tmp_path / "headend.sqlite")
    with store.database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    store.close()


def test_a_damaged_file_is_an_error_of_the_store(tmp_path):
    path = tmp_path / "headend.sqlite"
    store = open_store(path)
    store.append([batch(curve(1, 0, 10))])
    store.close()
    raw = bytearray(path.read_bytes())
    raw[4096:] = b"\xa5" * (len(raw) - 4096)
    path.write_bytes(raw)
    damaged = create_engine(f"sqlite:///{path}")
    store.database.engine = damaged  # opening it anew would say so at once
    with pytest.raises(StoreError, match="malformed"):
        store.append([batch(curve(1, 0, 1))])
    with pytest.raises(StoreError, match="malformed"):
        rows_of(store, schema.journal)
    damaged.dispose()
