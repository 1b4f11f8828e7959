"""The whole store as one file: from either database into either, checked, and never over something."""

import json
import shutil
from zipfile import ZipFile

import pytest
from sqlalchemy import func, select
from tests.headend.world import NOON, batch, config, open_store, shanghai

from kwhub.domain.errors import LocalError
from kwhub.headend.store import sessions
from kwhub.headend.store.backup import back_up, restore
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
