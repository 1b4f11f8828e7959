"""Data of points that the archive does not know yet: kept whole until it does, up to a bound."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, delete, func, select

from kwhub.headend.store import schema
from kwhub.headend.store.database import upsert

__all__ = ["UNPLACED_BYTES_MAX", "Unplaced", "bytes_of", "forget", "keep", "waiting"]

UNPLACED_BYTES_MAX = 4 * 1024 * 1024
"""Bytes kept of one terminal: weeks of everything that a handful of forgotten meters measure."""


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A data unit whose point is not in the archive."""

    terminal_id: int
    point: int
    afn: int
    received_at: datetime
    unit: bytes

    @property
    def digest(self) -> bytes:
        """Tells units apart, so that one that comes again is kept once."""
        return sha256(self.unit).digest()


def keep(connection: Connection, units: Sequence[Unplaced]) -> None:
    """Write units; they are durable when the caller's transaction is committed."""
    rows = [
        {
            "terminal_id": each.terminal_id,
            "point": each.point,
            "afn": each.afn,
            "digest": each.digest,
            "received_at": each.received_at,
            "unit": each.unit,
        }
        for each in units
    ]
    upsert(connection, schema.unplaced, rows)


def bytes_of(connection: Connection, terminal_id: int) -> int:
    """How much is kept of a terminal."""
    table = schema.unplaced
    size = func.coalesce(func.sum(func.length(table.c.unit)), 0)
    found: int = connection.execute(
        select(size).where(table.c.terminal_id == terminal_id)
    ).scalar_one()
    return found


def waiting(connection: Connection) -> list[Unplaced]:
    """Everything that is kept, in the order of its arrival."""
    table = schema.unplaced
    return [
        Unplaced(row.terminal_id, row.point, row.afn, row.received_at, row.unit)
        for row in connection.execute(select(table).order_by(table.c.received_at))
    ]


def forget(connection: Connection, unit: Unplaced) -> None:
    """Remove a unit that has found its place."""
    table = schema.unplaced
    connection.execute(
        delete(table).where(
            table.c.terminal_id == unit.terminal_id,
            table.c.point == unit.point,
            table.c.afn == unit.afn,
            table.c.digest == unit.digest,
        )
    )
