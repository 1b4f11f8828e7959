"""The whole store as one file: from either database into either, checked, and never over something."""

import json
import shutil
import sqlite3
from contextlib import closing
from zipfile import ZipFile

import pytest
from sqlalchemy import func, select
from tests.headend.world import NOON, batch, config, open_store, shanghai

from kwhub.domain.errors import LocalError
from kwhub.headend.store import sessions
from kwhub.headend.store.backup import back_up, restore
from kwhub.headend.store.backup_files import copy_files
from kwhub.headend.store.database import Database
from kwhub.headend.store.schema import metadata, meter
from kwhub.headend.store.store import Store


def filled(address) -> Store:
    """Readings in journal and vectors, a meter below another, a session."""
    store = open_store(address, config(address))
    rows = [(2, "1-0:1.8.0", 900, shanghai(3, 0, minute), minute) for minute in (0, 15, 30)]
    store.append([batch(rows)])
    store.pack()
    store.append([batch([(3, "1-0:1.8.0", 900, shanghai(3), None)])])
    with store.database.write() as connection:
        sessions.begin(connection, "4101", 2082, "peer", terminal_id=1, at=NOON)
        connection.execute(meter.update().where(meter.c.id == 1).values(parent_id=3))
    return store


def content(database):
    with database.read() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table))))
            for table in metadata.sorted_tables
        }


@pytest.fixture
def kept(tmp_path, sqlite_template):
    """A backup of a store in SQLite, and what is in it."""
    path = tmp_path / "from.sqlite"
    shutil.copy(sqlite_template, path)
    store = filled(str(path))
    file = tmp_path / "kept.zip"
    done = back_up(store.database, file)
    told = content(store.database)
    store.close()
    assert done.rows == sum(map(len, told.values())) > 10
    return file, told


def test_a_backup_of_sqlite_is_restored_into_either(kept, address):
    file, told = kept
    database = Database(address)
    done = restore(database, file)
    assert content(database) == told
    assert done.rows == sum(map(len, told.values()))
    database.close()
    store = open_store(address, config(address))  # new numbers follow the old ones
    store.append([batch([(3, "1-0:1.8.0", 900, shanghai(4), 5)])])
    with store.database.write() as connection:
        assert sessions.begin(connection, "4101", 2082, "p", terminal_id=1, at=NOON) > 1
    assert store.waiting == 2
    store.close()


def test_a_backup_of_either_is_restored_into_sqlite(address, tmp_path, sqlite_template):
    store = filled(address)
    told = content(store.database)
    back_up(store.database, tmp_path / "kept.zip")
    store.close()
    path = tmp_path / "to.sqlite"
    shutil.copy(sqlite_template, path)
    database = Database(str(path))
    restore(database, tmp_path / "kept.zip")
    assert content(database) == told
    database.close()


def test_nothing_is_overwritten(kept, tmp_path):
    file, told = kept
    database = Database(str(tmp_path / "from.sqlite"))
    with pytest.raises(LocalError, match="there already"):
        back_up(database, file)
    with pytest.raises(LocalError, match="has rows already"):
        restore(database, file)
    assert content(database) == told
    database.close()


@pytest.mark.parametrize("harm", ["digest", "count", "revision", "format", "member", "cut"])
def test_a_file_that_is_not_whole_restores_nothing(kept, tmp_path, sqlite_template, harm):
    file, _ = kept
    harmed = tmp_path / "harmed.zip"
    with ZipFile(file) as before, ZipFile(harmed, "w") as after:
        for name in before.namelist():
            raw = before.read(name)
            if name == "manifest.json":
                raw = _harmed(json.loads(raw), harm)
            if name == "meter.ndjson" and harm == "member":
                continue
            after.writestr(name, raw)
    if harm == "cut":
        harmed.write_bytes(file.read_bytes()[:-200])
    path = tmp_path / "to.sqlite"
    shutil.copy(sqlite_template, path)
    database = Database(str(path))
    with pytest.raises(LocalError):
        restore(database, harmed)
    with database.read() as connection:
        assert not connection.execute(select(func.count()).select_from(meter)).scalar_one()
    database.close()


def _harmed(manifest, harm):
    if harm == "digest":
        manifest["tables"]["journal"]["sha256"] = "0" * 64
    elif harm == "count":
        manifest["tables"]["journal"]["rows"] += 1
    elif harm in manifest:
        manifest[harm] = "other"
    return json.dumps(manifest)


def book(path, *rows):
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("CREATE TABLE IF NOT EXISTS sale (number INTEGER PRIMARY KEY)")
    base.executemany("INSERT INTO sale VALUES (?)", [(row,) for row in rows])
    return base


def sales(path):
    with closing(sqlite3.connect(path)) as base:
        return [number for (number,) in base.execute("SELECT number FROM sale ORDER BY number")]


@pytest.fixture
def with_books(tmp_path, sqlite_template):
    """A backup of a store and of two books that are open, with sales that only the logs of SQLite hold."""
    path, file = tmp_path / "sold.sqlite", tmp_path / "sold.zip"
    shutil.copy(sqlite_template, path)
    places = {"ledger": tmp_path / "ledger.sqlite", "book": tmp_path / "book.sqlite"}
    with closing(book(places["ledger"], 1, 2)), closing(book(places["book"], 1)):
        store = filled(str(path))
        assert back_up(store.database, file, places).files == ("ledger", "book")
        store.close()
    return file


def test_the_books_of_sales_are_in_a_backup_and_come_back(with_books, tmp_path, address):
    there = {name: tmp_path / f"new-{name}.sqlite" for name in ("ledger", "book")}
    database = Database(address)
    with pytest.raises(
        LocalError, match=r"holds the ledger of sales: name a place for it in \[vending\]"
    ):
        restore(database, with_books)
    there["book"].write_bytes(b"mine")
    with pytest.raises(LocalError, match="is there already: move it away"):
        restore(database, with_books, there)
    assert (there["book"].read_bytes(), there["ledger"].exists()) == (b"mine", False)
    there["book"].unlink()
    assert restore(database, with_books, there).files == ("ledger", "book")
    assert (sales(there["ledger"]), sales(there["book"])) == ([1, 2], [1])
    assert there["book"].stat().st_mode & 0o777 == 0o600
    database.close()


def test_of_a_damaged_book_nothing_is_restored(with_books, tmp_path, address):
    spoilt = tmp_path / "spoilt.zip"
    with ZipFile(with_books) as old, ZipFile(spoilt, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"other" if name == "files/book" else old.read(name))
    there = {name: tmp_path / f"new-{name}.sqlite" for name in ("ledger", "book")}
    database = Database(address)
    with pytest.raises(LocalError, match="book is not what was written"):
        restore(database, spoilt, there)
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(meter)).scalar_one() == 0
    assert not list(tmp_path.glob("new-*"))
    database.close()


def test_a_sale_waits_while_the_books_are_copied(tmp_path):
    """Both books are of one moment: nobody writes to the second one while the first is copied."""
    places = {"ledger": tmp_path / "ledger.sqlite", "book": tmp_path / "book.sqlite"}
    with closing(book(places["ledger"], 1)), closing(book(places["book"], 1)) as other:
        other.execute("PRAGMA busy_timeout=0")

        class Selling(ZipFile):
            def writestr(self, *given, **more):
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    other.execute("INSERT INTO sale VALUES (2)")
                super().writestr(*given, **more)

        with Selling(tmp_path / "a.zip", "w") as archive:
            told = copy_files(archive, places)
        assert list(told) == ["ledger", "book"]
        other.execute("INSERT INTO sale VALUES (2)")
    assert sales(places["book"]) == [1, 2]
