"""The journal: batches of readings as they came, durable before anybody is told that they arrived."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, select, text

from kwhub.headend.store import event_rows, schema, unplaced
from kwhub.headend.store.columns import Columns
from kwhub.headend.store.database import BINARY, upsert
from kwhub.headend.store.event_rows import Happening
from kwhub.headend.store.many import array_text, insert_columns
from kwhub.headend.store.unplaced import Unplaced

__all__ = ["Batch", "Entry", "Stray", "append", "entries", "oldest", "see"]

_SEE_SQLITE = (
    "UPDATE terminal SET last_seen_at = json_extract(told.value, '$[1]')"
    " FROM json_each(:told) AS told WHERE terminal.id = json_extract(told.value, '$[0]')"
)
_SEE_POSTGRESQL = (
    "UPDATE terminal SET last_seen_at = told.moment"
    " FROM unnest(CAST(:ids AS integer[]), CAST(:moments AS bigint[])) AS told (id, moment)"
    " WHERE terminal.id = told.id"
)
_MOMENT = schema.Moment()

SAMPLE_BYTES_MAX = 512
"""Bytes kept of the newest sample of data without a place."""


@dataclass(frozen=True, slots=True)
class Stray:
    """Data of a known terminal that has no place in the store."""

    point: int
    afn: int
    function: int
    reason: str  #: short key: unknown_point, unknown_function, undecodable, bad_time
    sample: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """What is written together and confirmed together."""

    terminal_id: int | None  #: None when an order read it
    received_at: datetime
    source: str
    columns: Columns
    strays: tuple[Stray, ...] = ()
    unplaced: tuple[Unplaced, ...] = ()  #: kept whole until the archive knows their points
    happenings: tuple[Happening, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A batch that waits in the journal to be packed."""

    sequence: int
    received_at: datetime
    source: str
    columns: Columns


def append(connection: Connection, batches: Sequence[Batch]) -> None:
    """Write batches; they are durable when the caller's transaction is committed."""
    full = [batch for batch in batches if len(batch.columns)]
    if full:
        rows: dict[str, Sequence[Any]] = {
            "terminal_id": [batch.terminal_id for batch in full],
            "received_at": [batch.received_at for batch in full],
            "source": [batch.source for batch in full],
            "count": [len(batch.columns) for batch in full],
            "first_at": [int(batch.columns.at.min()) for batch in full],
            "last_at": [int(batch.columns.at.max()) for batch in full],
            "columns": [batch.columns.to_bytes() for batch in full],
        }
        insert_columns(connection, schema.journal, rows)
    for batch in batches:
        _count_strays(connection, batch)
        unplaced.keep(connection, batch.unplaced)
        event_rows.keep(connection, batch.happenings)
    seen = {
        batch.terminal_id: batch.received_at for batch in batches if batch.terminal_id is not None
    }
    see(connection, seen)


def see(connection: Connection, seen: Mapping[int, datetime]) -> None:
    """Note when terminals were heard last."""
    if not seen:
        return
    told = {key: _MOMENT.process_bind_param(each, connection.dialect) for key, each in seen.items()}
    if connection.dialect.name == "postgresql":
        arrays = {"ids": array_text(list(told)), "moments": array_text(list(told.values()))}
        connection.execute(text(_SEE_POSTGRESQL), arrays)
    else:
        pairs = msgspec.json.encode(list(told.items())).decode()
        connection.execute(text(_SEE_SQLITE), {"told": pairs})


def oldest(connection: Connection, batches_max: int, readings_max: int) -> list[Entry]:
    """The oldest batches: at most so many, with at most so many readings, but at least one."""
    table = schema.journal
    query = select(table.c.sequence, table.c["count"]).order_by(table.c.sequence)
    numbers: list[int] = []
    readings = 0
    for sequence, count in connection.execute(query.limit(batches_max)):
        readings += count
        if numbers and readings > readings_max:
            break
        numbers.append(sequence)
    return list(entries(connection, last=numbers[-1])) if numbers else []


def entries(
    connection: Connection,
    *,
    span_s: tuple[int, int] | None = None,
    last: int | None = None,
) -> Iterator[Entry]:
    """The batches that are not packed yet, oldest first.

    Args:
        connection: of any transaction.
        span_s: only batches with a moment from the first (inclusive) to the second (inclusive).
        last: only up to the one with this number.
    """
    table = schema.journal
    query = select(table).order_by(table.c.sequence)
    if span_s is not None:
        query = query.where(table.c.first_at <= span_s[1], table.c.last_at >= span_s[0])
    if last is not None:
        query = query.where(table.c.sequence <= last)
    for row in connection.execute(query, execution_options=dict(BINARY)):
        columns = Columns.from_bytes(row.columns)
        yield Entry(row.sequence, row.received_at, row.source, columns)


def _count_strays(connection: Connection, batch: Batch) -> None:
    for stray in batch.strays:
        row = {
            "terminal_id": batch.terminal_id,
            "point": stray.point,
            "afn": stray.afn,
            "function": stray.function,
            "reason": stray.reason,
            "count": 1,
            "first_at": batch.received_at,
            "last_at": batch.received_at,
            "sample": stray.sample[:SAMPLE_BYTES_MAX],
        }
        upsert(connection, schema.unknown, [row], add="count", keep=("first_at",))
