"""A checked plan written in bulk, and taken back."""

import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from kwhub.headend.archive.fields import KINDS, Kind
from kwhub.headend.archive.known import Known, Stored, portions
from kwhub.headend.archive.plan import Draft, New, Plan
from kwhub.headend.store import schema, schema_archive
from kwhub.headend.store.service import close_holes, follow

__all__ = [
    "CHUNK",
    "PLACE",
    "Undo",
    "apply_changes",
    "bump",
    "pack_undo",
    "sync_places",
    "unpack_undo",
    "write",
]

CHUNK = 5_000
"""Rows in one statement."""

Undo = dict[str, dict[str, dict[str, Any]]]
"""Per kind: ``created`` (key to number) and ``changed`` (number to columns before and after)."""

PLACE = ("terminal_id", "point", "port", "ct", "pt", "ratio")
"""Columns of a meter that are dated in ``placement``."""


def write(connection: Connection, plan: Plan, told: Callable[[int], None] | None = None) -> Undo:
    """Write a plan without problems in the caller's transaction.

    Args:
        connection: of a writing transaction.
        plan: without problems.
        told: is given the number of rows written so far.

    Returns:
        What ``pack_undo`` keeps to take it back.
    """
    known = Known(connection)
    undo: Undo = {}
    written = 0
    for kind in KINDS.values():
        drafts = plan.drafts.get(kind.name, ())
        if not drafts:
            continue
        made = [each for each in drafts if each.stored is None]
        for part in portions(made, CHUNK):
            connection.execute(kind.table.insert(), [_record(known, kind, each) for each in part])
            written += len(part)
            if told is not None:
                told(written)
        known.want(kind, {each.incoming.key for each in made})
        created = {
            each.incoming.key: stored["id"]
            for each in made
            if (stored := known.get(kind, each.incoming.key)) is not None
        }
        _adopt(connection, known, kind, made)
        changed = _change(connection, known, kind, [each for each in drafts if each.stored])
        undo[kind.name] = {"created": created, "changed": changed}
    bump(connection)
    return undo


def bump(connection: Connection) -> None:
    """Note that the archive has changed, for every copy of it in memory."""
    table = schema_archive.archive_state
    connection.execute(update(table).values(version=table.c.version + 1))


def pack_undo(undo: Undo) -> bytes:
    """An undo record as it is kept."""
    return zlib.compress(json.dumps(undo).encode())


def unpack_undo(packed: bytes) -> Undo:
    """What ``pack_undo`` made."""
    found: Undo = json.loads(zlib.decompress(packed))
    return found


def sync_places(
    connection: Connection, meters: Sequence[int], today: datetime, now: datetime
) -> None:
    """Let the history of meters say what their rows say, and date the end of those that were retired.

    Args:
        connection: of a writing transaction.
        meters: numbers of meters whose rows were written.
        today: the last local midnight, up to which a retired meter was in service.
        now: the present.
    """
    table, meter = schema_archive.placement, schema.meter
    for part in portions(meters):
        values = {
            name: select(meter.c[name]).where(meter.c.id == table.c.meter_id).scalar_subquery()
            for name in PLACE
        }
        connection.execute(
            update(table)
            .where(table.c.meter_id.in_(part), table.c.valid_to.is_(None))
            .values(**values)
        )
        close_holes(connection, now, part)
    follow(connection, meters, today)


def _record(known: Known, kind: Kind, each: Draft) -> dict[str, Any]:
    """The columns of a new row; a row of the same kind is referred to afterwards."""
    return {
        name: None if _own_kind(value, kind) else _number(known, value)
        for name, value in each.final.items()
    }


def _own_kind(value: Any, kind: Kind) -> bool:
    return isinstance(value, New) and value.kind == kind.name


def _number(known: Known, value: Any) -> Any:
    """A value as the database takes it: ``New`` has its number by now."""
    if not isinstance(value, New):
        return value
    kind = KINDS[value.kind]
    stored: Stored | None = known.get(kind, value.key)
    if stored is None:
        known.want(kind, {value.key})
        stored = known.get(kind, value.key)
    return None if stored is None else stored["id"]


def _adopt(connection: Connection, known: Known, kind: Kind, made: Sequence[Draft]) -> None:
    """Give new rows their parents among the new rows."""
    rows = [
        {
            "row_id": _number(known, New(kind.name, each.incoming.key)),
            "above": _number(known, parent),
        }
        for each in made
        if _own_kind(parent := each.final.get("parent_id"), kind)
    ]
    if rows:
        connection.execute(
            update(kind.table)
            .where(kind.table.c.id == bindparam("row_id"))
            .values(parent_id=bindparam("above")),
            rows,
        )


def _change(
    connection: Connection, known: Known, kind: Kind, drafts: Sequence[Draft]
) -> dict[str, Any]:
    """Update rows; returns number to columns before and after."""
    kept: dict[str, Any] = {}
    by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for each in drafts:
        stored = each.stored or {}
        names = each.changed | ({"active"} if kind.name == "meter" else set())
        after = {name: _number(known, each.final[name]) for name in sorted(names)}
        kept[str(stored["id"])] = [{name: stored[name] for name in after}, after]
        row = {f"new_{name}": value for name, value in after.items()}
        by_columns[tuple(after)].append({"row_id": stored["id"], **row})
    apply_changes(connection, kind, by_columns)
    return kept


def apply_changes(
    connection: Connection,
    kind: Kind,
    by_columns: Mapping[tuple[str, ...], Sequence[Mapping[str, Any]]],
) -> None:
    """Update rows of a kind: lists of ``row_id`` and ``new_<column>`` by the columns they change.

    Rows of meters always have ``active`` among them.
    """
    table = kind.table
    if kind.name == "meter":
        # Two meters may change places: nobody keeps one while both are written.
        moving = [row["row_id"] for rows in by_columns.values() for row in rows]
        for part in portions(moving):
            connection.execute(update(table).where(table.c.id.in_(part)).values(active=False))
    for names, rows in by_columns.items():
        for portion in portions(rows, CHUNK):
            connection.execute(
                update(table)
                .where(table.c.id == bindparam("row_id"))
                .values({name: bindparam(f"new_{name}") for name in names}),
                list(portion),
            )
