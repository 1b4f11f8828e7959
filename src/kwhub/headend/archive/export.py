"""What can be exported: the archive kind by kind, its history, and templates for imports."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

from kwhub.headend.archive.fields import (
    FROM_DAY_FIELD,
    KINDS,
    REQUIRED,
    Kind,
    terminal_key,
)
from kwhub.headend.archive.formats import Table
from kwhub.headend.store import schema, schema_archive
from kwhub.headend.store.schema import from_micro

__all__ = ["HISTORY", "archive_tables", "history_table", "kind_table", "template", "within"]

_FETCHED = 2_000


def template(kind: Kind) -> Table:
    """An empty table with the header row, and lines of help that an import passes over."""
    fields = (*kind.fields, *((FROM_DAY_FIELD,) if kind.dated else ()))
    names = [each.name for each in fields]
    helps = [
        [f"# {' / '.join(each.titles)}" for each in fields],
        [f"# {'; '.join(filter(None, (*each.helps, _needed(each.default))))}" for each in fields],
    ]
    return Table(kind.name, names, helps)


def _needed(default: object) -> str:
    return "required 必填" if default is REQUIRED else ""


def archive_tables(connection: Connection, areas: Sequence[int] | None = None) -> list[Table]:
    """All kinds; an import takes them back in this order."""
    return [kind_table(connection, kind, areas) for kind in KINDS.values()]


def kind_table(connection: Connection, kind: Kind, areas: Sequence[int] | None = None) -> Table:
    """The rows of a kind in the columns of the import, retired ones too.

    Args:
        connection: a snapshot, in use until the rows have been read.
        kind: of ``KINDS``.
        areas: only what belongs to these areas; None for everything.
    """
    return Table(
        kind.name, [each.name for each in kind.fields], _kind_rows(connection, kind, areas)
    )


def _kind_rows(
    connection: Connection, kind: Kind, areas: Sequence[int] | None
) -> Iterator[list[Any]]:
    keys = {
        one.refers: dict(_keys(connection, KINDS[one.refers])) for one in kind.fields if one.refers
    }
    query: Select[Any] = select(kind.table).order_by(kind.table.c.id)
    if areas is not None:
        query = query.where(within(kind, areas))
    found = connection.execution_options(yield_per=_FETCHED).execute(query)
    for row in found.mappings():
        cells = []
        for one in kind.fields:
            if one.refers:
                cells.append(keys[one.refers].get(row[one.column], ""))
            elif one.name == kind.key:
                cells.append(kind.key_of(dict(row)))
            elif one.name == "ct":
                cells.append(row["ct"] or row["ratio"])
            else:
                cells.append(one.show(row[one.column]))
        yield cells


def _keys(connection: Connection, kind: Kind) -> Iterator[tuple[int, str]]:
    columns = ("region", "number") if kind.name == "terminal" else (kind.key,)
    table = kind.table
    query = select(table.c.id, *(table.c[name] for name in columns))
    for row in connection.execute(query).mappings():
        yield row["id"], kind.key_of(dict(row))


def within(kind: Kind, areas: Sequence[int]) -> ColumnElement[bool]:
    """Rows that belong to some areas."""
    area, terminal, meter = schema.area, schema.terminal, schema.meter
    owners = select(area.c.organisation_id).where(area.c.id.in_(areas))
    terminals = select(terminal.c.id).where(terminal.c.area_id.in_(areas))
    meters = select(meter.c.id).where(meter.c.terminal_id.in_(terminals))
    account = schema_archive.account
    customers = select(account.c.customer_id).where(account.c.meter_id.in_(meters))
    table = kind.table
    found: Mapping[str, Callable[[], ColumnElement[bool]]] = {
        "organisation": lambda: table.c.id.in_(owners),
        "area": lambda: table.c.id.in_(areas),
        "terminal": lambda: table.c.id.in_(terminals),
        "meter": lambda: table.c.id.in_(meters),
        "customer": lambda: table.c.id.in_(customers) | table.c.organisation_id.in_(owners),
        "account": lambda: table.c.meter_id.in_(meters),
        "group": lambda: table.c.organisation_id.in_(owners) | table.c.area_id.in_(areas),
    }
    return found[kind.name]()


HISTORY: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "placement": (
            *("meter", "valid_from", "valid_to", "terminal", "point", "port"),
            *("ct", "pt", "ratio"),
        ),
        "terminal_area": ("terminal", "valid_from", "valid_to", "area"),
        "exchange": (
            *("meter", "at", "old_address", "new_address", "register", "final", "first"),
            *("reason", "recorded_by", "recorded_at"),
        ),
        "member": ("group", "meter"),
    }
)
"""What an export has beside the kinds of the import, and its columns."""


def history_table(connection: Connection, name: str, areas: Sequence[int] | None = None) -> Table:
    """Former places and ratios, former areas of terminals, exchanges of meters, or members of free groups."""
    rows = {
        "placement": _placements,
        "terminal_area": _terminal_areas,
        "exchange": _exchanges,
        "member": _members,
    }[name]
    return Table(name, HISTORY[name], rows(connection, areas))


def _scoped(query: Select[Any], areas: Sequence[int] | None) -> Select[Any]:
    if areas is None:
        return query
    own = select(schema.terminal.c.id).where(schema.terminal.c.area_id.in_(areas))
    return query.where(schema.meter.c.terminal_id.in_(own))


def _placements(connection: Connection, areas: Sequence[int] | None) -> Iterator[list[Any]]:
    table, terminal, meter = schema_archive.placement, schema.terminal, schema.meter
    query = (
        select(table, meter.c.address, terminal.c.region, terminal.c.number)
        .join(meter, meter.c.id == table.c.meter_id)
        .join(terminal, terminal.c.id == table.c.terminal_id)
        .order_by(meter.c.address, table.c.id)
    )
    for row in connection.execute(_scoped(query, areas)):
        yield [
            row.address,
            row.valid_from,
            row.valid_to,
            terminal_key(row.region, row.number),
            *map(str, (row.point, row.port, row.ct, row.pt, row.ratio)),
        ]


def _terminal_areas(connection: Connection, areas: Sequence[int] | None) -> Iterator[list[Any]]:
    table, terminal, area = schema_archive.terminal_area, schema.terminal, schema.area
    query = (
        select(table, terminal.c.region, terminal.c.number, area.c.code)
        .join(terminal, terminal.c.id == table.c.terminal_id)
        .join(area, area.c.id == table.c.area_id)
        .order_by(terminal.c.region, terminal.c.number, table.c.id)
    )
    if areas is not None:
        query = query.where(terminal.c.area_id.in_(areas))
    for row in connection.execute(query):
        key = terminal_key(row.region, row.number)
        yield [key, row.valid_from, row.valid_to, row.code]


def _exchanges(connection: Connection, areas: Sequence[int] | None) -> Iterator[list[Any]]:
    table, reading = schema_archive.meter_exchange, schema_archive.exchange_reading
    meter = schema.meter
    query = (
        select(table, reading.c.register, reading.c.final, reading.c.first, meter.c.address)
        .join(reading, reading.c.exchange_id == table.c.id)
        .join(meter, meter.c.id == table.c.meter_id)
        .order_by(table.c.id, reading.c.register)
    )
    for row in connection.execute(_scoped(query, areas)):
        values = (f"{from_micro(each, 2):f}" for each in (row.final, row.first))
        yield [
            row.address,
            row.at,
            row.old_address,
            row.new_address,
            row.register,
            *values,
            row.reason,
            row.recorded_by,
            row.recorded_at,
        ]


def _members(connection: Connection, areas: Sequence[int] | None) -> Iterator[list[Any]]:
    table, group, meter = schema_archive.group_member, schema_archive.meter_group, schema.meter
    query = (
        select(group.c.code, meter.c.address)
        .select_from(table)
        .join(group, group.c.id == table.c.group_id)
        .join(meter, meter.c.id == table.c.meter_id)
        .order_by(group.c.code, meter.c.address)
    )
    for row in connection.execute(_scoped(query, areas)):
        yield [row.code, row.address]
