"""The audit trail: every kind of tampering shows, whatever the database."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text

from kwhub.domain.errors import LocalError
from kwhub.headend.people import trail
from kwhub.headend.people.trail import Head
from kwhub.headend.store import schema, schema_people
from kwhub.headend.store.database import Database

NOW = dt.datetime(2026, 3, 4, 4, 40, 0, 123456, tzinfo=dt.UTC)
ROWS = 6
COPIED_LAST = """INSERT INTO audit (id, at, who, action, subject, detail, digest)
    SELECT 7, at, who, action, subject, detail, digest FROM audit WHERE id = 2"""
COPIED_BETWEEN = """INSERT INTO audit (id, at, who, action, subject, detail, digest)
    SELECT 3, at, 'eve', action, subject, detail, digest FROM audit WHERE id = 2"""


@pytest.fixture
def database(address):
    made = Database(address)
    for number in range(1, ROWS + 1):
        with made.write() as connection:
            trail.record(connection, "ann", "read_now", f"meter {number}", "电表", NOW)
    yield made
    made.close()


def findings(database, noted=()):
    with database.read() as connection:
        return [(each.audit_id, each.kind) for each in trail.verify(connection, noted)]


def tamper(database, *statements):
    """Write as somebody would who has the database in their hands: the guards are taken off first."""
    with database.engine.connect() as connection, connection.begin():
        if connection.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER audit_no_update"))
            connection.execute(text("DROP TRIGGER audit_no_delete"))
        else:
            connection.execute(text("DROP TRIGGER audit_no_change ON audit"))
        for statement in statements:
            connection.execute(text(statement))


def rehashed(database, first):
    """Compute the chain anew from a row on, and the head with it."""
    with database.engine.connect() as connection, connection.begin():
        digest = trail.FIRST
        rows = connection.execute(select(schema.audit).order_by(text("id"))).all()
        for row in rows:
            digest = trail.link(digest, row._mapping) if row.id >= first else row.digest
            table = schema.audit
            connection.execute(table.update().where(table.c.id == row.id).values(digest=digest))
        head = schema_people.audit_head
        connection.execute(head.update().values(last_id=rows[-1].id, digest=digest))


def test_an_untouched_trail_is_whole(database):
    assert findings(database) == []
    with database.read() as connection:
        assert trail.head(connection).last_id == ROWS
        newest = trail.entries(connection, limit=2)
        assert [each.subject for each in newest] == ["meter 6", "meter 5"]
        assert [each.id for each in trail.entries(connection, before=3)] == [2, 1]
        assert newest[0].at == NOW


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE audit SET who = 'eve' WHERE id = 3", (3, "changed")),
        ("UPDATE audit SET at = at + 1 WHERE id = 1", (1, "changed")),
        ("UPDATE audit SET subject = 'meter 9', detail = '' WHERE id = 6", (6, "changed")),
        ("DELETE FROM audit WHERE id = 4", (5, "missing")),
        ("DELETE FROM audit WHERE id = 1", (2, "missing")),
        ("DELETE FROM audit WHERE id > 4", (4, "head")),
        ("DELETE FROM audit", (0, "head")),
        (
            COPIED_LAST,
            (7, "changed"),
        ),
        ("UPDATE audit SET id = 7 WHERE id = 6", (7, "missing")),
    ],
)
def test_tampering_shows_at_the_first_bad_row(database, statement, expected):
    tamper(database, statement)
    assert findings(database)[0] == expected


def test_a_row_put_in_between_shows_at_the_row_behind_it(database):
    tamper(
        database,
        "DELETE FROM audit WHERE id = 3",
        COPIED_BETWEEN,
    )
    assert findings(database) == [(3, "changed"), (4, "changed")]


def test_a_chain_computed_anew_passes_but_not_against_a_noted_head(database):
    with database.read() as connection:
        noted = trail.head(connection)
    tamper(database, "UPDATE audit SET who = 'eve' WHERE id = 3")
    rehashed(database, 3)
    assert findings(database) == []
    assert findings(database, [Head.parse(str(noted))]) == [(ROWS, "noted")]


def test_an_end_cut_off_together_with_the_head_shows_against_a_noted_head(database):
    with database.read() as connection:
        noted = trail.head(connection)
    tamper(database, "DELETE FROM audit WHERE id > 4")
    rehashed(database, 5)
    assert findings(database) == []
    assert findings(database, [noted]) == [(ROWS, "noted")]


def test_rows_from_before_the_chain_are_brought_into_it(bare_address):
    old = Database(bare_address, revision="0007")
    with old.write() as connection:
        for number in (1, 2):
            connection.execute(
                text(
                    "INSERT INTO audit (at, who, action, subject, detail)"
                    " VALUES (:at, 'ann', 'read_now', 'meter 1', '旧')"
                ),
                {"at": number},
            )
    old.close()
    new = Database(bare_address)
    with new.write() as connection:
        assert trail.record(connection, "ann", "read_now", "meter 2", "", NOW) == 3
    assert findings(new) == []
    tamper(new, "UPDATE audit SET who = 'eve' WHERE id = 2")
    assert findings(new) == [(2, "changed")]
    new.close()


def test_what_no_database_takes_is_cut_and_cleaned(database):
    with database.write() as connection:
        trail.record(connection, "a" * 300, "b" * 300, "c" * 300, "x\0y\ud800z", NOW)
    with database.read() as connection:
        (entry,) = trail.entries(connection, limit=1)
    assert (len(entry.who), len(entry.action), len(entry.subject)) == (100, 64, 200)
    assert entry.detail == "x\ufffdy?z"
    assert findings(database) == []


@given(st.lists(st.text(max_size=5), min_size=4, max_size=4), st.integers(0, 2))
def test_no_two_contents_have_the_same_bytes(texts, place):
    """Text that moves from one field into the next one makes another row."""
    row = {
        "id": 1,
        "at": NOW,
        **dict(zip(("who", "action", "subject", "detail"), texts, strict=True)),
    }
    names = ("who", "action", "subject", "detail")
    moved = row | {names[place]: "", names[place + 1]: texts[place] + texts[place + 1]}
    try:
        same = trail.link(trail.FIRST, row) == trail.link(trail.FIRST, moved)
    except UnicodeEncodeError:  # what ``record`` would have cleaned
        return
    assert same is (texts[place] == "")


@pytest.mark.parametrize("wrong", ["", "7", "x:00", "-1:" + "00" * 32, "7:00"])
def test_a_head_that_is_none_is_told(wrong):
    with pytest.raises(LocalError, match="no head"):
        Head.parse(wrong)
