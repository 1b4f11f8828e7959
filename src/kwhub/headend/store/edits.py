"""Values beside the measurement: estimates for holes and substitutes for what was measured wrongly.

A measurement is never touched. An edit remembers what it stands for: nothing (a hole) or one measured value. When
something else is there, because the measurement came after all, the edit steps back by itself; so the order in
which readings and edits arrive makes no difference. Of several edits of a moment the newest set counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, func, insert, select, update

from kwhub.domain.errors import LocalError
from kwhub.domain.readings import Quality
from kwhub.headend.store import schema_quality as schema
from kwhub.headend.store.many import among
from kwhub.headend.store.vectors import EMPTY, Series

__all__ = ["Edit", "EditSet", "edited", "edits_of", "overlay", "sets_of", "withdraw", "write"]


@dataclass(frozen=True, slots=True)
class Edit:
    """One value beside the measurement."""

    meter_id: int
    register: str
    interval_s: int
    at: int  #: seconds since 1970 UTC
    value: int  #: millionths
    over: int | None  #: the measured value that it stands for, None for a hole


@dataclass(frozen=True, slots=True)
class EditSet:
    """Edits that were made together, for one reason, and are withdrawn together."""

    id: int
    made_at: datetime
    made_by: str
    method: str
    reason: str
    withdrawn_at: datetime | None
    withdrawn_by: str
    count: int


def write(
    connection: Connection,
    edits: Sequence[Edit],
    *,
    by: str,
    method: str,
    reason: str,
    at: datetime,
) -> int:
    """Write a set of edits and return its number.

    Raises:
        LocalError: no edit, or no reason.
    """
    if not edits:
        raise LocalError("there is nothing to write")
    if not reason.strip():
        raise LocalError("an edit needs a reason, in words that an auditor understands")
    made = connection.execute(
        insert(schema.edit_set).values(
            made_at=at, made_by=by, method=method, reason=reason.strip(), withdrawn_by=""
        )
    )
    (set_id,) = made.inserted_primary_key or (0,)
    rows = [
        {
            "meter_id": edit.meter_id,
            "interval_s": edit.interval_s,
            "register": edit.register,
            "at": edit.at,
            "set_id": set_id,
            "value": edit.value,
            "quality": Quality.ESTIMATED if edit.over is None else Quality.SUBSTITUTED,
            "over": edit.over,
        }
        for edit in edits
    ]
    connection.execute(insert(schema.value_edit), rows)
    return int(set_id)


def withdraw(connection: Connection, set_id: int, *, by: str, at: datetime) -> list[Edit]:
    """Take a set back; it stays in the store, marked. Returns its edits.

    Raises:
        LocalError: there is no such set, or it was withdrawn before.
    """
    table = schema.edit_set
    done = connection.execute(
        update(table)
        .where(table.c.id == set_id, table.c.withdrawn_at.is_(None))
        .values(withdrawn_at=at, withdrawn_by=by)
    )
    if not done.rowcount:
        raise LocalError(f"there is no set of edits {set_id} that could be withdrawn")
    return edits_of(connection, set_id)


def edits_of(connection: Connection, set_id: int) -> list[Edit]:
    """The edits of a set, by meter and moment."""
    table = schema.value_edit
    query = select(table).where(table.c.set_id == set_id).order_by(table.c.meter_id, table.c.at)
    return [_edit(row) for row in connection.execute(query)]


def sets_of(connection: Connection, meter_id: int, limit: int = 50) -> list[EditSet]:
    """The sets that touch a meter, the newest first."""
    table, values = schema.edit_set, schema.value_edit
    counted = (
        select(values.c.set_id, func.count().label("count"))
        .where(values.c.meter_id == meter_id)
        .group_by(values.c.set_id)
        .subquery()
    )
    query = (
        select(table, counted.c.count)
        .join(counted, table.c.id == counted.c.set_id)
        .order_by(table.c.id.desc())
        .limit(limit)
    )
    return [EditSet(*row) for row in connection.execute(query)]


def overlay(
    connection: Connection,
    found: Mapping[tuple[int, str], Series],
    meters: Sequence[int],
    registers: Sequence[str],
    interval_s: int,
    span_s: tuple[int, int],
) -> dict[tuple[int, str], Series]:
    """What is to be used: the measured series with the edits that hold laid over them.

    Args:
        connection: of any transaction.
        found: measured, by meter and register.
        meters: numbers of meters that were asked for.
        registers: codes that were asked for.
        interval_s: spacing of the series.
        span_s: moments from the first (inclusive) to the second (exclusive).
    """
    laid: dict[tuple[int, str], dict[int, Row[Any]]] = {}
    for row in _holding(connection, meters, registers, interval_s, span_s):
        laid.setdefault((row.meter_id, row.register), {})[row.at] = row  # the newest set is last
    merged = dict(found)
    for key, rows in laid.items():
        merged[key] = _laid_over(merged.get(key, EMPTY), rows)
    return merged


def _holding(
    connection: Connection,
    meters: Sequence[int],
    registers: Sequence[str],
    interval_s: int,
    span_s: tuple[int, int],
) -> Iterator[Row[Any]]:
    table, sets = schema.value_edit, schema.edit_set
    query = (
        select(table)
        .join(sets, table.c.set_id == sets.c.id)
        .where(
            among(connection, table.c.meter_id, meters),
            table.c.interval_s == interval_s,
            table.c.register.in_(registers),
            table.c.at >= span_s[0],
            table.c.at < span_s[1],
            sets.c.withdrawn_at.is_(None),
        )
        .order_by(table.c.set_id)
    )
    yield from connection.execute(query)


def edited(
    connection: Connection,
    meters: Sequence[int],
    registers: Sequence[str],
    interval_s: int,
    span_s: tuple[int, int],
) -> set[int]:
    """Which of some meters have edits; the arguments are those of ``overlay``."""
    rows = _holding(connection, meters, registers, interval_s, span_s)
    return {row.meter_id for row in rows}


def _laid_over(measured: Series, rows: Mapping[int, Row[Any]]) -> Series:
    """Edits whose measurement is still what they stand for."""
    known = {
        int(at): int(value)
        for at, value, quality in zip(measured.at, measured.value, measured.quality, strict=True)
        if quality != Quality.NULL and int(at) in rows
    }
    holding = {at: row for at, row in rows.items() if known.get(at) == row.over}
    kept = ~np.isin(measured.at, np.array(list(holding), "<i8"))
    at = np.concatenate((measured.at[kept], np.array(list(holding), "<i8")))
    value = np.concatenate(
        (measured.value[kept], np.array([row.value for row in holding.values()], "<i8"))
    )
    quality = np.concatenate(
        (measured.quality[kept], np.array([row.quality for row in holding.values()], "u1"))
    )
    order = np.argsort(at, kind="stable")
    return Series(at[order], value[order], quality[order])


def _edit(row: Row[Any]) -> Edit:
    return Edit(row.meter_id, row.register, row.interval_s, row.at, row.value, row.over)
