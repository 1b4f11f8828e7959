"""Files of every earlier form, with rows in every table, are brought up to date and lose nothing."""

import datetime as dt
import struct
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Boolean, Integer, LargeBinary, MetaData, Text, select, text
from tests.headend.world import DAYS, shanghai

from kwhub.domain.readings import Register
from kwhub.headend.store import database as database_module
from kwhub.headend.store import tables
from kwhub.headend.store.database import NEWEST, Database
from kwhub.headend.store.pack import pack
from kwhub.headend.store.queries import Queries
from kwhub.headend.store.schema import day_number

ENERGY = "1-0:1.8.0"
DAY = dt.date(2026, 3, 3)
LATER = dt.datetime(2026, 3, 5, tzinfo=dt.UTC)
MICROSECONDS = 1_772_600_000_000_000
REVISIONS = [f"{number:04}" for number in range(1, int(NEWEST))]
VECTOR = bytes.fromhex("00 00000000 6400000000000000 84030000 07 09")
"""1.00, 1.07 and 1.16 kWh at midnight and the two quarters after it, as revision 0001 wrote them."""

NAMED = {
    "register": ENERGY,
    "interval_s": 900,
    "kind": "customer",
    "ratio": "1",
    "region": "4101",
    "protocol": "dlt645-2007",
    "quality": 3,
    "phases": 1,
    "curve_minutes": 15,
    **dict.fromkeys(("active", "hourly", "day_freeze"), True),
}
"""Values that mean something, by the name of their column."""


def batch_of(meter):
    """A batch of the journal with one value, 1.23 kWh at 00:45, byte by byte."""
    name = b"\x91\xa9" + ENERGY.encode()
    row = struct.pack("<iHiqqB", meter, 0, 900, shanghai(3, 0, 45), 1_230_000, 3)
    return b"\x01" + struct.pack("<I", len(name)) + name + row


def special(table, number):
    """What the tables of readings hold."""
    at = shanghai(3, 0, 45)
    return {
        "day_vector": {
            "day": day_number(DAY),
            "version": 0,
            "scale": 2,
            "moments": 3,
            "present": 3,
            "vector": VECTOR,
        },
        "journal": {"count": 1, "first_at": at, "last_at": at, "columns": batch_of(number)},
        "latest": {"value": 1_230_000, "captured_at": at},
        "meter": {"parent_id": None},
    }.get(table.name, {})


def value_of(column, number):
    """Something of the column's type, another one for every revision."""
    by_type = {
        Boolean: True,
        LargeBinary: b"%d" % number,
        Text: "{}",
        Integer: MICROSECONDS if column.name.endswith("_at") else number,
    }
    fitting = (value for kind, value in by_type.items() if isinstance(column.type, kind))
    plain = next(fitting, str(number))
    refers = column.foreign_keys and not isinstance(column.type, LargeBinary)
    return number if refers else NAMED.get(column.name, plain)


def fill(connection, number, written):
    """One row in every table that there is."""
    found = MetaData()
    found.reflect(connection)
    for table in found.sorted_tables:
        if table.name == "alembic_version":
            continue
        row = {column.name: value_of(column, number) for column in table.columns}
        row |= {key: value for key, value in special(table, number).items() if key in row}
        connection.execute(table.insert(), row)
        keys = [column.name for column in table.primary_key]
        written.append((table.name, keys, row))


@pytest.fixture
def grown(bare_address):
    """A store that was opened by the program of every revision, each of which wrote into every table it knew."""
    written: list[tuple[str, list[str], dict[str, Any]]] = []
    for number, revision in enumerate(REVISIONS, start=1):
        old = Database(bare_address, revision=revision)
        with old.write() as connection:
            fill(connection, number, written)
        old.close()
    new = Database(bare_address)
    yield new, written
    new.close()


@pytest.mark.slow
def test_every_row_of_every_revision_is_there_and_means_the_same(grown):
    database, written = grown
    found = MetaData()
    with database.read() as connection:
        found.reflect(connection)
        for name, keys, row in written:
            table = found.tables[name]
            query = select(table).where(*(table.c[key] == row[key] for key in keys))
            (now,) = connection.execute(query).mappings()
            assert {key: now[key] for key in row} == row, name
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, tables.metadata) == []
    assert len(written) > len(REVISIONS) * 10
    queries = Queries(database, DAYS, lambda: LATER)
    start = DAYS.start(DAY)
    for packed in (False, True):
        for meter in range(1, len(REVISIONS) + 1):
            curve = queries.curve(meter, Register(ENERGY), start, start + dt.timedelta(hours=1))
            assert [str(each) for each in curve.values] == ["1.00", "1.07", "1.16", "1.23"]
            (latest,) = queries.latest(meter)
            assert str(latest.value) == "1.23"
            detail = queries.meter(meter)
            assert detail is not None
            assert (detail.address, detail.area_id, detail.point) == (str(meter), meter, meter)
        assert len(queries.terminals()) == len(REVISIONS)
        if not packed:
            with database.write() as connection:
                assert pack(connection, DAYS).readings == len(REVISIONS)


def test_the_newest_revision_is_the_head_of_the_scripts():
    config = Config()
    config.set_main_option("script_location", str(database_module._MIGRATIONS))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_current_head() == NEWEST
    assert [each.revision for each in reversed(list(scripts.walk_revisions()))] == [
        *REVISIONS,
        NEWEST,
    ]


def test_a_store_that_is_up_to_date_is_opened_without_its_migrations(address, monkeypatch):
    def fail(*_):
        raise AssertionError("nothing is to be migrated")

    monkeypatch.setattr(command, "upgrade", fail)
    opened = Database(address)
    with opened.read() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    opened.close()
    assert found == NEWEST


@pytest.mark.parametrize(("forgotten", "expected"), [(False, 700), (True, 5 * 86_400 + 43_200)])
def test_since_when_a_terminal_is_connected_is_kept_from_what_there_is(
    bare_address, forgotten, expected
):
    """Of connections that were forgotten already the holes of the ledger tell, which nobody owes who was never there."""
    old = Database(bare_address, revision="0016")
    with old.write() as connection:
        found = MetaData()
        found.reflect(connection)
        fill(connection, 2, [])
        fill(connection, 3, [])
        sessions, hole = found.tables["terminal_session"], found.tables["hole"]
        connection.execute(sessions.delete().where(sessions.c.id == 3))
        row = {"id": 7, "began_at": 700_000_000 + forgotten * 10**12}  # 700 s, or days later
        connection.execute(sessions.update().where(sessions.c.id == 2).values(**row))
        if not forgotten:
            other = {"terminal_id": None, "region": "", "number": 0, "peer": "", "end_reason": ""}
            connection.execute(sessions.insert().values(id=1, began_at=1, **other))
        connection.execute(hole.delete().where(hole.c.meter_id == 3))
        connection.execute(hole.update().values(day=5))
    old.close()
    new = Database(bare_address)
    with new.read() as connection:
        first_at = tables.metadata.tables["terminal"].c.first_connected_at
        told = [
            None if at is None else int(at.timestamp())
            for at in connection.execute(select(first_at).order_by(first_at)).scalars()
        ]
    new.close()
    assert sorted(told, key=lambda each: each is None) == [expected, None]
