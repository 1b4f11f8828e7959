"""The store: what was read is kept, waits until it is delivered, and is never kept twice."""

import sqlite3
from decimal import Decimal

import pytest

from kwhub.concentrator.database import Database, StoreError, open_file
from kwhub.concentrator.migrations import MIGRATIONS
from kwhub.concentrator.outbox import Batch, Gap, MeterState, Outbox, Slot
from kwhub.domain.errors import DecodeError
from kwhub.domain.readings import Register

ENERGY = Register("1-0:1.8.0")
OLD, NEW = "000000000038", "000000000099"
NOON = 1_772_000_000 // 900 * 900


@pytest.fixture
def store(tmp_path):
    outbox = Outbox.open(str(tmp_path / "store.sqlite"))
    yield outbox
    outbox.close()


def batch_of(*slots, value="12.50", at=NOON, meter=OLD):
    batch = Batch(at)
    for slot in slots:
        batch.read(slot, meter, Decimal(value) if value else None, "dlt645:06000001")
    return batch


def slot(index=0, point=1, interval_s=900):
    return Slot(point, ENERGY, interval_s, NOON + index * interval_s)


def test_a_reading_waits_until_it_is_delivered_and_comes_back_unchanged(store):
    assert store.keep(batch_of(slot(0), slot(1))) == 2
    first, second = store.waiting(10)
    assert (first.point, first.register, first.interval_s, first.at) == slot(0)
    assert str(first.decimal) == "12.50"
    store.delivered([first.id], NOON)
    assert store.waiting(10) == [second]
    assert store.counts().waiting == 1


def test_the_same_value_twice_is_kept_once_and_the_first_stays(store):
    store.keep(batch_of(slot(0)))
    assert store.keep(batch_of(slot(0), slot(1), value="99.99")) == 1
    assert [entry.decimal for entry in store.waiting(10)] == [Decimal("12.50"), Decimal("99.99")]


def test_a_value_that_the_meter_does_not_have_is_kept_as_nothing(store):
    store.keep(batch_of(slot(0), value=None))
    assert store.waiting(1)[0].decimal is None


@pytest.mark.parametrize("text", ["1E+18", "-1E+38", "12345678901234567.89", "NaN", "Infinity"])
def test_a_value_that_has_no_place_is_refused_and_costs_nothing(store, text):
    batch = batch_of(slot(0))
    with pytest.raises(DecodeError):
        batch.read(slot(1), OLD, Decimal(text), "mbus:0707")
    assert store.keep(batch) == 1


@pytest.mark.parametrize("text", ["999999999999999999", "-0.000000000000000001", "0E-9", "0E+99"])
def test_the_largest_and_the_finest_values_come_back(store, text):
    store.keep(batch_of(slot(0), value=text))
    assert store.waiting(1)[0].decimal == Decimal(text)


def test_a_number_too_large_for_the_file_leaves_the_batch_with_its_owner(store):
    batch = batch_of(slot(0))
    batch.readings.append((slot(1), OLD, 2**63, 0, "mbus:0707"))
    with pytest.raises(StoreError, match="too large"):
        store.keep(batch)
    assert store.counts().readings == 0
    del batch.readings[1]
    assert store.keep(batch) == 1


def test_reading_gap_progress_and_manners_are_one_transaction(store):
    store.adopt([(1, OLD)], NOON)
    missing = Gap(slot(1), "open", "no answer", 1, NOON + 300, 2)
    state = MeterState(1, "000000000038", clock_error_s=1.5, clock_read_at=NOON)
    batch = batch_of(slot(0))
    batch.gaps, batch.progress, batch.meters = [missing], {(1, "curve"): NOON + 900}, [state]
    store.keep(batch)
    assert store.gaps() == [missing]
    assert store.progress() == {(1, "curve"): NOON + 900}
    assert store.meters() == [state]
    later = batch_of(slot(1))
    later.filled = [slot(1)]
    store.keep(later)
    assert store.gaps() == []


def test_a_failed_write_leaves_nothing_behind(store):
    broken = batch_of(slot(0))
    broken.gaps = [Gap(slot(1), "mislaid", "", 0, 0)]  # a state that the table does not allow
    with pytest.raises(sqlite3.IntegrityError):
        store.keep(broken)
    assert store.counts().readings == 0
    assert store.keep(batch_of(slot(0))) == 1


def test_another_meter_at_the_point_begins_anew_and_its_gaps_are_lost(store):
    store.adopt([(1, OLD), (2, "000000000039")], NOON)
    batch = batch_of(slot(0), slot(0, point=2))
    batch.gaps = [Gap(slot(1), "open", "no answer", 1, 0)]
    batch.progress = {(1, "curve"): NOON, (2, "curve"): NOON}
    store.keep(batch)
    assert store.adopt([(1, NEW), (2, "000000000039")], NOON + 60) == 1
    assert store.progress() == {(2, "curve"): NOON}
    assert store.gaps() == []
    assert store.gaps(state="lost")[0].reason == "the meter was replaced"
    assert store.counts().readings == 2


def test_the_old_meter_is_delivered_up_to_the_exchange_and_the_new_one_is_kept_apart(store):
    store.adopt([(1, OLD)], NOON)
    store.keep(batch_of(slot(0), slot(1), slot(2), slot(3)))
    store.adopt([(1, NEW)], slot(2).at)
    (state,) = store.meters()
    assert (state.address, state.adopted_at) == (NEW, slot(2).at)
    assert store.keep(batch_of(slot(3), slot(4), value="0.25", meter=NEW)) == 2
    waiting = [(entry.at, str(entry.decimal)) for entry in store.waiting(10)]
    assert waiting == [
        *((slot(index).at, "12.50") for index in range(3)),
        *((slot(index).at, "0.25") for index in (3, 4)),
    ]
    assert store.latest(1, ENERGY, NEW).at == slot(4).at
    assert store.latest(1, ENERGY, OLD).at == slot(3).at


def test_a_store_of_the_first_version_opens_with_all_that_is_in_it(tmp_path):
    path = str(tmp_path / "store.sqlite")
    old = Database(path, MIGRATIONS[:1])
    with old.transaction() as connection:
        connection.execute("INSERT INTO meter (point, address) VALUES (1, ?)", (OLD,))
        connection.executemany(
            "INSERT INTO reading (point, register, interval_s, at, value, scale, quality,"
            " received_at, source, delivered_at) VALUES (?, ?, 900, ?, 1250, 2, 0, ?, 'x', ?)",
            [(1, ENERGY, slot(n).at, NOON, NOON if n == 0 else None) for n in range(3)]
            + [(2, ENERGY, NOON, NOON, None)],
        )
        connection.execute("DELETE FROM reading WHERE point = 2")  # its place was given
        connection.execute(
            "INSERT INTO gap VALUES (1, ?, 900, ?, 'open', 'no answer', 2, ?)",
            (ENERGY, slot(3).at, NOON),
        )
    old.close()
    store = Outbox.open(path)
    assert [(entry.id, entry.at) for entry in store.waiting(9)] == [
        (2, slot(1).at),
        (3, slot(2).at),
    ]
    assert store.gaps() == [Gap(slot(3), "open", "no answer", 2, NOON)]
    assert store.keep(batch_of(slot(1), slot(3))) == 1  # what is there is known as the meter's
    assert store.waiting(9)[-1].id > 4
    assert store.meters() == [MeterState(1, OLD)]
    store.close()


def test_what_a_clock_that_was_ahead_has_written_is_taken_back(store):
    ahead = batch_of(slot(0), slot(400 * 96))
    lost = [Gap(slot(index), "lost", "older than the meter keeps", 0, 0) for index in (1, 2, 96)]
    ahead.gaps, ahead.progress = lost, {(1, "curve"): slot(400 * 96).at}
    store.keep(ahead)
    right = batch_of(slot(1), at=slot(3).at)
    right.anew, right.progress = [1], {(1, "curve"): slot(3).at}
    store.keep(right)
    assert [entry.at for entry in store.waiting(10)] == [slot(0).at, slot(1).at]
    assert store.progress() == {(1, "curve"): slot(3).at}
    assert store.gaps(state="lost") == []
    assert [gap.slot for gap in store.gaps()] == [slot(2)]  # it may still be had


def test_only_what_was_delivered_is_forgotten(store):
    store.keep(batch_of(slot(0), slot(1), slot(2)))
    ids = [entry.id for entry in store.waiting(10)]
    store.delivered(ids[1:], NOON)
    assert store.prune(NOON + 86_400) == 2
    assert [entry.id for entry in store.waiting(10)] == ids[:1]
    store.keep(batch_of(slot(3)))
    assert store.waiting(10)[-1].id > max(ids)  # a place in the outbox is never given twice


def test_what_was_withheld_is_forgotten_by_its_age(store):
    store.keep(batch_of(slot(0), slot(1), slot(2)))
    ids = [entry.id for entry in store.waiting(10)]
    store.withhold(ids[:2], "99.9999 kW at most")
    store.keep(batch_of(slot(3), at=NOON + 86_400))
    store.withhold([store.waiting(10)[-1].id], "99.9999 kW at most")
    assert store.prune(NOON + 43_200) == 2
    assert (store.counts().withheld, store.counts().waiting) == (1, 1)


def test_latest_and_series(store):
    store.keep(batch_of(slot(0), slot(1), slot(2)))
    store.keep(batch_of(slot(0, interval_s=86_400), value="3.00"))
    latest = store.latest(1, ENERGY, OLD)
    assert latest is not None
    assert latest.at == slot(2).at
    assert store.latest(2, ENERGY, OLD) is None
    series = store.series(1, ENERGY, 900, NOON, NOON + 1_800)
    assert [entry.at for entry in series] == [NOON, NOON + 900]


def test_what_cannot_be_said_is_held_back_and_counted(store):
    store.keep(batch_of(slot(0), slot(1)))
    store.withhold([store.waiting(1)[0].id], "99.9999 kW at most")
    assert (store.counts().waiting, store.counts().withheld) == (1, 1)


def test_migrations_are_done_once_and_a_newer_file_is_refused(tmp_path):
    path = str(tmp_path / "store.sqlite")
    Outbox.open(path).close()
    newer = [*MIGRATIONS, *[("SELECT 1",)] * (99 - len(MIGRATIONS))]
    Database(path, newer).close()
    with pytest.raises(StoreError, match="has version 99; this program knows up to"):
        Outbox.open(path)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "store.sqlite").write_text("not a database at all, but long enough" * 100)
    with pytest.raises(StoreError, match=r"not a database \(put a backup in its place"):
        Outbox.open(str(tmp_path / "store.sqlite"))


def test_a_store_that_cannot_be_made_says_what_to_look_at(tmp_path):
    with pytest.raises(
        StoreError, match=r"unable to open database file \(is the disk full or read"
    ):
        Outbox.open(str(tmp_path / "nowhere" / "store.sqlite"))


def test_a_store_that_cannot_grow_asks_for_room(tmp_path):
    outbox = Outbox.open(str(tmp_path / "store.sqlite"))
    outbox.database.rows("PRAGMA max_page_count = 1")
    many = [(point, "1" * 3_000) for point in range(1_000)]
    with pytest.raises(StoreError, match=r"is full \(make room on the disk\)"):
        outbox.adopt(many, 0)
    outbox.close()


def test_a_commit_waits_for_the_disk(store):
    """The other tests end the process; that a commit survives a power cut, SQLite promises for this."""
    connection = store._database._connection
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_full_disk_is_told_and_loses_nothing(tmp_path):
    def small_disk(path):
        connection = open_file(path)
        connection.execute("PRAGMA max_page_count = 40")
        return connection

    outbox = Outbox.open(str(tmp_path / "store.sqlite"), opener=small_disk)
    outbox.keep(batch_of(slot(0)))
    with pytest.raises(StoreError, match="full"):
        outbox.keep(batch_of(*(slot(index) for index in range(5_000))))
    assert outbox.counts().readings == 1
    outbox.keep(batch_of(slot(1)))
    outbox.close()


@pytest.mark.slow
def test_a_log_torn_at_any_byte_gives_the_store_of_an_earlier_commit(tmp_path):
    """The write-ahead log, cut short as by a power failure in the middle of a page."""
    path = tmp_path / "store.sqlite"
    outbox = Outbox.open(str(path))
    for index in range(5):
        outbox.keep(batch_of(slot(index)))
    log = (tmp_path / "store.sqlite-wal").read_bytes()
    seen = set()
    for number, size in enumerate(range(0, len(log), 2_111)):
        copy = tmp_path / f"torn-{number}.sqlite"
        copy.write_bytes(path.read_bytes())
        (tmp_path / f"torn-{number}.sqlite-wal").write_bytes(log[:size])
        torn = Outbox.open(str(copy))
        kept = [entry.at for entry in torn.waiting(10)]
        assert kept == [slot(index).at for index in range(len(kept))]
        seen.add(len(kept))
        torn.keep(batch_of(*(slot(index) for index in range(5))))
        assert torn.counts().readings == 5
        torn.close()
    outbox.close()
    assert seen == set(range(5))
