"""Answers to requests that carry an Idempotency-Key, so that the same request again makes nothing twice."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from kwhub.headend.store.database import BINARY
from kwhub.headend.store.schema_site import answered

__all__ = ["KEPT", "Answered", "begin", "find", "finish", "forget"]

KEPT = timedelta(days=7)
"""For how long a key is remembered."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a key stands for.

    Attributes:
        digest: SHA-256 of what was asked.
        status: of the answer; None while it is at work, and for good when a crash came in between.
    """

    digest: bytes
    status: int | None
    media_type: str
    body: bytes


def find(connection: Connection, who: str, key: str) -> Answered | None:
    """What a key of somebody stands for."""
    table = answered
    query = select(table).where(table.c.who == who, table.c.once_key == key)
    row = connection.execute(query.execution_options(**BINARY)).one_or_none()
    if row is None:
        return None
    return Answered(bytes(row.digest), row.status, row.media_type, bytes(row.body))


def begin(connection: Connection, who: str, key: str, digest: bytes, now: datetime) -> None:
    """Take a key for a request; keys that are too old are forgotten. Raises IntegrityError when it is taken."""
    connection.execute(delete(answered).where(answered.c.at < now - KEPT))
    row = {"who": who, "once_key": key, "digest": digest, "at": now, "media_type": "", "body": b""}
    connection.execute(insert(answered).values(**row))


def finish(connection: Connection, who: str, key: str, answer: Answered) -> None:
    """Keep the answer."""
    kept = {"status": answer.status, "media_type": answer.media_type, "body": answer.body}
    connection.execute(update(answered).where(*_row(who, key)).values(**kept))


def forget(connection: Connection, who: str, key: str) -> None:
    """Give a key back: nothing was made."""
    connection.execute(delete(answered).where(*_row(who, key)))


def _row(who: str, key: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return answered.c.who == who, answered.c.once_key == key
