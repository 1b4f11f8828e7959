"""An import taken back, as a whole or not at all."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table, delete, func, select

from kwhub.headend.archive.dating import take_back_dates, take_back_ends
from kwhub.headend.archive.fields import KINDS, Kind
from kwhub.headend.archive.known import Known, portions
from kwhub.headend.archive.problems import ArchiveError, Problem
from kwhub.headend.archive.terminals import follow_terminals
from kwhub.headend.archive.write import Undo, apply_changes, bump, sync_places
from kwhub.headend.store.journal import entries
from kwhub.headend.store.tables import metadata

__all__ = ["take_back"]


def take_back(connection: Connection, undo: Undo, today: datetime, now: datetime) -> None:
    """Restore what was changed and remove what was made.

    Args:
        connection: of a writing transaction, which the caller ends.
        undo: what ``write`` returned.
        today: the last local midnight.
        now: the present.

    Raises:
        ArchiveError: a row was changed since, or data depends on a new one; the transaction must not be kept.
    """
    kinds = [each for each in reversed(tuple(KINDS.values())) if each.name in undo]
    problems = [each for kind in kinds for each in _changed_since(connection, kind, undo)]
    if problems:
        raise ArchiveError(problems)
    for kind in kinds:
        _give_back(connection, kind, undo, today, now)
    for kind in kinds:
        created: dict[str, int] = undo[kind.name]["created"]
        if "parent_id" in kind.table.c:
            _loosen(connection, kind, created)
        if problems := list(_depending(connection, kind, created)):
            raise ArchiveError(problems)
        for part in portions(created.values()):
            connection.execute(delete(kind.table).where(kind.table.c.id.in_(part)))
    bump(connection)


def _give_back(
    connection: Connection, kind: Kind, undo: Undo, today: datetime, now: datetime
) -> None:
    """Give rows their columns of before, and the time of before its facts. Raises ArchiveError."""
    changed = undo[kind.name]["changed"]
    _restore(connection, kind, changed)
    if problems := take_back_dates(connection, kind.name, undo[kind.name].get("dated", {})):
        raise ArchiveError(problems)
    take_back_ends(connection, kind.name, undo[kind.name].get("ended", {}))
    numbers = [int(number) for number in changed]
    if kind.name == "meter":
        sync_places(connection, numbers, today, now)
    elif kind.name == "terminal":
        follow_terminals(connection, numbers, today)


def _changed_since(connection: Connection, kind: Kind, undo: Undo) -> Iterator[Problem]:
    changed = undo[kind.name]["changed"]
    known = Known(connection)
    known.want_ids(kind, {int(number) for number in changed})
    for number, (_, after) in changed.items():
        row = known.of_id(kind, int(number)) or {}
        if any(row.get(name) != value for name, value in after.items()):
            key = kind.key_of(row) if row else number
            yield Problem("", "changed_since", f"{kind.name} {key}")


def _restore(connection: Connection, kind: Kind, changed: Mapping[str, Any]) -> None:
    by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for number, (before, _) in changed.items():
        row = {f"new_{name}": value for name, value in before.items()}
        by_columns[tuple(before)].append({"row_id": int(number), **row})
    apply_changes(connection, kind, by_columns)


def _loosen(connection: Connection, kind: Kind, created: Mapping[str, int]) -> None:
    """New rows below one another must not keep one another."""
    table = kind.table
    for part in portions(created.values()):
        connection.execute(table.update().where(table.c.id.in_(part)).values(parent_id=None))


def _depending(connection: Connection, kind: Kind, created: Mapping[str, int]) -> Iterator[Problem]:
    """What hangs on rows that the import made."""
    if not created:
        return
    keys = {number: key for key, number in created.items()}
    for table, column in _referring(kind.table):
        count, first = 0, None
        for part in portions(keys):
            where = table.c[column].in_(part)
            query = select(func.count(), func.min(table.c[column])).where(where)
            found, least = connection.execute(query).one()
            count += found
            first = least if first is None else first
        if first is not None:
            yield Problem("", "has_data", f"{kind.name} {keys[first]}: {table.name} ({count})")
    if kind.name == "meter" and (waiting := _in_journal(connection, set(keys))):
        yield Problem("", "has_data", f"{kind.name} {keys[min(waiting)]}: journal")


def _referring(target: Table) -> Iterator[tuple[Table, str]]:
    for table in metadata.sorted_tables:
        for column in table.c:
            if any(each.column.table is target for each in column.foreign_keys):
                yield table, column.name


def _in_journal(connection: Connection, meters: set[int]) -> set[int]:
    """Those meters that have readings which are not packed yet."""
    found: set[int] = set()
    for entry in entries(connection):
        found |= meters & {int(each) for each in np.unique(entry.columns.meter)}
    return found
