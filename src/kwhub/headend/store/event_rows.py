"""Events that terminals report: each record once, however often it is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, select

from kwhub.headend.store import schema
from kwhub.headend.store.database import upsert

__all__ = ["Happening", "events_of", "keep"]


@dataclass(frozen=True, slots=True)
class Happening:
    """One event record of AFN 0E.

    Attributes:
        point: measuring point, 0 for the terminal itself.
        number: counted by the terminal within its class, modulo 256.
        begins: False when the record tells of an end.
        at: seconds since 1970 UTC.
        body: the record without ERC and Le.
    """

    terminal_id: int
    point: int
    code: int
    important: bool
    number: int
    begins: bool
    at: int
    received_at: datetime
    body: bytes

    @property
    def digest(self) -> bytes:
        """Tells records apart, so that one that comes again is kept once."""
        return sha256(bytes((self.important, self.number, self.code)) + self.body).digest()


def keep(connection: Connection, happenings: Sequence[Happening]) -> None:
    """Write records; they are durable when the caller's transaction is committed."""
    rows = [
        {
            "terminal_id": each.terminal_id,
            "digest": each.digest,
            "point": each.point,
            "code": each.code,
            "important": each.important,
            "number": each.number,
            "begins": each.begins,
            "at": each.at,
            "received_at": each.received_at,
            "body": each.body,
        }
        for each in {each.digest: each for each in happenings}.values()
    ]
    if rows:
        upsert(connection, schema.terminal_event, rows, keep=("received_at",))


def events_of(connection: Connection, terminal_id: int) -> list[Happening]:
    """Everything that a terminal has reported, in the order of its moments."""
    table = schema.terminal_event
    query = select(table).where(table.c.terminal_id == terminal_id)
    return [
        Happening(
            row.terminal_id,
            row.point,
            row.code,
            row.important,
            row.number,
            row.begins,
            row.at,
            row.received_at,
            row.body,
        )
        for row in connection.execute(query.order_by(table.c.at, table.c.number))
    ]
