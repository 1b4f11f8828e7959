"""Rows by the thousand: with few statements, and the same in both databases."""

import datetime as dt

import pytest
from sqlalchemy import event, func, select
from tests.headend.world import batch, open_store, shanghai

from kwhub.headend.store import journal, schema
from kwhub.headend.store.many import ROWS_OF_STATEMENT, upsert_columns

ENERGY = "1-0:1.8.0"
NOON = dt.datetime(2026, 3, 4, 4, 0, tzinfo=dt.UTC)


@pytest.fixture
def store(address):
    one = open_store(address)
    yield one
    one.close()


def told(count, captured_at):
    return {
        "meter_id": [1] * count,
        "register": [f"1-0:{number}.7.0" for number in range(count)],
        "interval_s": [900] * count,
        "value": list(range(count)),
        "quality": [3] * count,
        "captured_at": [captured_at] * count,
        "received_at": [NOON] * count,
        "source": ["it's a (?, ?) test"] * count,
    }


@pytest.mark.parametrize("count", [1, ROWS_OF_STATEMENT, ROWS_OF_STATEMENT * 2 + 1])
def test_rows_of_several_statements_are_all_there(store, count):
    with store.database.write() as connection:
        upsert_columns(connection, schema.latest, told(count, 5), newer=("captured_at",))
        older = {**told(count, 4), "value": [-1] * count}
        upsert_columns(connection, schema.latest, older, newer=("captured_at",))
    table = schema.latest
    with store.database.read() as connection:
        found = connection.execute(select(table).order_by(table.c.value)).all()
    assert [row.value for row in found] == list(range(count))
    assert {row.received_at for row in found} == {NOON}
    assert {row.source for row in found} == {"it's a (?, ?) test"}


def test_a_group_is_written_with_few_statements(store):
    """Beside a busy thread each statement of SQLite may have to wait for it."""
    group = [batch([(1, ENERGY, 900, shanghai(4, n), 10)]) for n in range(1, 11)]
    statements = []

    def note(_connection, _cursor, statement, _parameters, _context, many):
        statements.append((statement.split()[0], many))

    event.listen(store.database.engine, "before_cursor_execute", note)
    store.append(group)
    event.remove(store.database.engine, "before_cursor_execute", note)
    kinds = [kind for kind, _ in statements if kind in {"INSERT", "UPDATE"}]
    assert kinds == ["INSERT", "UPDATE"]
    with store.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(schema.journal)).scalar() == 10
        terminal = select(schema.terminal.c.last_seen_at).where(schema.terminal.c.id == 1)
        assert connection.execute(terminal).scalar_one() == NOON
        found = list(journal.entries(connection))
    assert [int(each.columns.at[0]) for each in found] == [shanghai(4, n) for n in range(1, 11)]
