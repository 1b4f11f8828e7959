"""Events that terminals report: each record once, however often it is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import msgspec
from sqlalchemy import Connection, select

from kwhub.headend.store import schema
from kwhub.headend.store.database import upsert

__all__ = ["FLAPPING", "Evidence", "Happening", "events_of", "keep", "open_of"]

FLAPPING = 1001
"""Code of an event of the head-end's own, beyond the byte of an ERC: a terminal logs in again and again."""


OWN_CODES = 256
"""From here on codes are the head-end's own."""


class Evidence(msgspec.Struct, frozen=True):
    """What was seen of a terminal that logs in again and again: the body of such an event, as JSON.

    Attributes:
        logins: how many.
        within_s: in so many seconds.
        peers: addresses that they came from.
    """

    logins: int = 0
    within_s: int = 0
    peers: tuple[str, ...] = ()


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
        code = self.code.to_bytes(1 if self.code < OWN_CODES else 2, "big")
        return sha256(bytes((self.important, self.number)) + code + self.body).digest()


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


def open_of(connection: Connection, code: int) -> set[int]:
    """Terminals whose last event of a code has not ended."""
    table = schema.terminal_event
    query = select(table.c.terminal_id, table.c.begins).where(table.c.code == code)
    rows = connection.execute(query.order_by(table.c.at, table.c.begins.desc()))
    last = {row.terminal_id: bool(row.begins) for row in rows}
    return {terminal_id for terminal_id, begins in last.items() if begins}


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
