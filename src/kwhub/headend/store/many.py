"""Rows by the thousand, column by column: nothing is done for each of them but what the driver does."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    Column,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    Select,
    String,
    Table,
    TypeDecorator,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.types import TypeEngine

from kwhub.domain.errors import LocalError
from kwhub.headend.store.database import BINARY, INSERTS, StoreError, or_update

__all__ = [
    "ROWS_OF_STATEMENT",
    "among",
    "array_text",
    "insert_columns",
    "rows_of",
    "tuples",
    "upsert_columns",
]

ROWS_OF_STATEMENT = 250
"""Rows that SQLite is given with one statement; it takes 32,766 values at most."""


def upsert_columns(
    connection: Connection,
    table: Table,
    columns: Mapping[str, Sequence[Any]],
    *,
    add: str = "",
    newer: Sequence[str] = (),
) -> None:
    """What `kwhub.headend.store.database.upsert` does, for very many rows.

    Args:
        connection: of a writing transaction.
        table: with a primary key.
        columns: values by name of column, all of one length; no key may be there twice, no value None.
        add: see ``upsert``.
        newer: see ``upsert``.
    """
    names = list(columns)
    values = [_bound(connection, table.c[name], columns[name]) for name in names]
    if not values or not len(values[0]):
        return
    insert = INSERTS[connection.dialect.name](table)
    if connection.dialect.name == "postgresql":  # one statement for all
        rows = [_unnested(table.c[name], each) for name, each in zip(names, values, strict=True)]
        insert = insert.from_select(names, select(*rows))
        connection.execute(or_update(insert, table, names, add=add, newer=newer))
        return
    statement = or_update(insert, table, names, add=add, newer=newer)
    _in_portions(connection, statement, names, values)


def insert_columns(
    connection: Connection, table: Table, columns: Mapping[str, Sequence[Any]]
) -> None:
    """Insert rows, column by column; their number may be small, but one statement takes them all.

    Args:
        connection: of a writing transaction.
        table: with a key of its own.
        columns: values by name of column, all of one length; None only where a column takes it.
    """
    names = list(columns)
    values = [_bound(connection, table.c[name], columns[name]) for name in names]
    if connection.dialect.name == "postgresql":
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        connection.execute(table.insert(), rows)
        return
    _in_portions(connection, table.insert(), names, values)


def _in_portions(
    connection: Connection, statement: Any, names: Sequence[str], values: Sequence[Sequence[Any]]
) -> None:
    """Have SQLite take many rows with each statement.

    The driver gives the interpreter away for every statement, and for every row of its own ``executemany``: beside a
    busy thread each costs as long as that thread may keep it.
    """
    compiled = statement.compile(dialect=connection.dialect, column_keys=names)
    places = [names.index(name) for name in compiled.positiontup or ()]
    rows = list(zip(*(values[place] for place in places), strict=True))
    text = str(compiled)
    marks = f"({', '.join('?' * len(names))})"
    before, found, after = text.partition(marks)
    if not found:
        raise LocalError(f"no place for rows in {text!r}")
    for start in range(0, len(rows), ROWS_OF_STATEMENT):
        part = rows[start : start + ROWS_OF_STATEMENT]
        sql = f"{before}{', '.join([marks] * len(part))}{after}"
        connection.exec_driver_sql(sql, tuple(chain.from_iterable(part)))


def among(
    connection: Connection, column: Column[int], numbers: Sequence[int]
) -> ColumnElement[bool]:
    """Whether a column has one of some numbers, however many they are."""
    if connection.dialect.name == "postgresql":
        return column == func.any(_array(numbers, Integer()))
    each = func.json_each(f"[{','.join(map(str, numbers))}]").table_valued("value")
    return column.in_(select(each.c.value))


def rows_of(connection: Connection, columns: Mapping[str, Sequence[int]]) -> CTE:
    """Rows of whole numbers as something that can be joined, however many they are.

    Args:
        connection: of the query.
        columns: values by name of column, all of one length.
    """
    if connection.dialect.name == "postgresql":
        arrays = [
            func.unnest(_array(each, Integer())).label(name) for name, each in columns.items()
        ]
        return select(*arrays).cte()
    rows = ",".join(f"[{','.join(map(str, row))}]" for row in zip(*columns.values(), strict=True))
    each = func.json_each(f"[{rows}]").table_valued("value")
    values = [
        cast(func.json_extract(each.c.value, f"$[{place}]"), Integer).label(name)
        for place, name in enumerate(columns)
    ]
    return select(*values).cte()


def tuples(connection: Connection, query: Select[Any]) -> list[tuple[Any, ...]]:
    """The rows of a query as the driver gives them; no column may be of a type of our own. Raises StoreError."""
    result = connection.execute(query, execution_options=dict(BINARY))
    driver = connection.dialect.loaded_dbapi
    try:
        rows = list(result.cursor.fetchall())
    except driver.Error as error:
        raise StoreError(f"the store does not answer: {error}") from error
    result.close()
    return rows


def array_text(values: Sequence[int] | Sequence[str]) -> str:
    r"""Values as PostgreSQL reads an array: a text costs far less than an object for each value.

    >>> print(array_text([1, 2]), array_text(["a", 'b"']))
    {1,2} {"a","b\""}
    """
    if values and isinstance(values[0], str):
        quoted = {each: _quoted(str(each)) for each in set(values)}
        return "{" + ",".join(map(quoted.__getitem__, values)) + "}"
    return "{" + ",".join(map(str, values)) + "}"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _unnested(column: Column[Any], values: Sequence[Any]) -> ColumnElement[Any]:
    """A value for each row, in step with the other columns."""
    kind = _plain(column)
    if not isinstance(kind, LargeBinary):
        return func.unnest(_array(values, kind))
    sizes = [len(each) for each in values]
    starts, at = [], 1
    for size in sizes:
        starts.append(at)
        at += size
    first, count = (func.unnest(_array(each, Integer())) for each in (starts, sizes))
    return func.substring(literal(b"".join(values), LargeBinary), first, count)


def _array(values: Sequence[Any], kind: TypeEngine[Any]) -> ColumnElement[Any]:
    return cast(literal(array_text(values), String), ARRAY(kind))


def _plain(column: Column[Any]) -> TypeEngine[Any]:
    """The type of a column as the database has it."""
    kind = column.type
    return kind.impl_instance if isinstance(kind, TypeDecorator) else kind


def _bound(connection: Connection, column: Column[Any], values: Sequence[Any]) -> Sequence[Any]:
    """Values as the database has them; only types of our own change any."""
    kind = column.type
    if not isinstance(kind, TypeDecorator):
        return values
    return [kind.process_bind_param(value, connection.dialect) for value in values]
