"""The audit trail: who did what, in rows that are chained by their digests so that tampering shows.

The digest of a row is SHA-256 over the digest of the row before it and its own content, each part with its
length before it. The head (number and digest of the last row) stands in a row of its own, which whoever adds to
the trail locks first: the rows of two writers never take the same place. A chain alone cannot tell that it
was computed anew as a whole, or that its end was cut off together with the head: against that stand the anchors
(``anchors.py``) and a head that was noted elsewhere.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, RowMapping, or_, select, update

from kwhub.domain.errors import LocalError
from kwhub.headend.store import schema, schema_people

__all__ = [
    "FIRST",
    "WHO_MAX",
    "Entry",
    "Finding",
    "Head",
    "Sought",
    "actions",
    "entries",
    "head",
    "link",
    "record",
    "verify",
]

FIRST = bytes(32)
"""Stands for the digest before the first row."""

WHO_MAX, ACTION_MAX, SUBJECT_MAX = 100, 64, 200
"""Characters that are kept."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEAD = 1


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the trail: number and digest of its last row."""

    last_id: int
    digest: bytes

    def __str__(self) -> str:
        """As it is noted elsewhere: ``number:digest``."""
        return f"{self.last_id}:{self.digest.hex()}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Read ``number:digest``; raises LocalError."""
        number, _, digits = text.partition(":")
        try:
            made = cls(int(number), bytes.fromhex(digits))
        except ValueError:
            made = cls(-1, b"")
        if made.last_id < 0 or len(made.digest) != len(FIRST):
            raise LocalError(f"{text!r} is no head of a trail such as 12:9f86d0…")
        return made


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the trail."""

    id: int
    at: datetime
    who: str
    action: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Sought:
    """Which rows are sought.

    Attributes:
        who: part of the name.
        action: exactly; empty for all.
        text: part of subject or detail.
        since: inclusive; ``until`` exclusive.
    """

    who: str = ""
    action: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING = Sought()


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with the trail.

    Attributes:
        audit_id: the row at which it shows.
        kind: changed, missing, head, noted, anchor or signature.
    """

    audit_id: int
    kind: str


def record(
    connection: Connection, who: str, action: str, subject: str, detail: str, at: datetime
) -> int:
    """Add a row to the trail, in the transaction of the change that it tells of.

    Args:
        connection: of a writing transaction.
        who: name of the user or API key; longer texts are cut.
        action: what was done, in one word.
        subject: to what, such as ``meter 7``.
        detail: more about it; never a secret.
        at: aware moment.

    Returns:
        The number of the row.
    """
    before = _locked_head(connection)
    number = before.last_id + 1
    row = {
        "id": number,
        "at": at,
        "who": _clean(who)[:WHO_MAX],
        "action": _clean(action)[:ACTION_MAX],
        "subject": _clean(subject)[:SUBJECT_MAX],
        "detail": _clean(detail),
    }
    digest = link(before.digest, row)
    connection.execute(schema.audit.insert().values(**row, digest=digest))
    table = schema_people.audit_head
    connection.execute(
        update(table).where(table.c.id == _HEAD).values(last_id=number, digest=digest)
    )
    return number


def link(previous: bytes, row: Mapping[str, Any] | RowMapping) -> bytes:
    """The digest of a row (32 bytes) behind another one."""
    micro = (row["at"] - _EPOCH) // timedelta(microseconds=1)
    texts = (str(row[name]) for name in ("who", "action", "subject", "detail"))
    parts = (part.encode() for part in (str(row["id"]), str(micro), *texts))
    content = b"".join(len(raw).to_bytes(4, "big") + raw for raw in parts)
    return hashlib.sha256(previous + content).digest()


def head(connection: Connection) -> Head:
    """Where the trail ends now."""
    row = connection.execute(select(schema_people.audit_head)).one_or_none()
    return Head(0, FIRST) if row is None else Head(row.last_id, row.digest)


def entries(
    connection: Connection,
    *,
    before: int | None = None,
    limit: int = 100,
    sought: Sought = EVERYTHING,
) -> list[Entry]:
    """Rows of the trail, the newest first, at most ``limit``, those numbered below ``before``."""
    table = schema.audit
    query = select(table).order_by(table.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(table.c.id < before)
    if sought.since is not None:
        query = query.where(table.c.at >= sought.since)
    if sought.until is not None:
        query = query.where(table.c.at < sought.until)
    if sought.action:
        query = query.where(table.c.action == sought.action)
    if sought.who:
        query = query.where(table.c.who.icontains(sought.who, autoescape=True))
    if sought.text:
        columns = (table.c.subject, table.c.detail)
        query = query.where(
            or_(*(each.icontains(sought.text, autoescape=True) for each in columns))
        )
    return [_entry(row) for row in connection.execute(query)]


def actions(connection: Connection) -> list[str]:
    """Everything that was ever done, by name."""
    query = select(schema.audit.c.action).distinct().order_by(schema.audit.c.action)
    return [row.action for row in connection.execute(query)]


def verify(connection: Connection, noted: Iterable[Head] = ()) -> Iterator[Finding]:
    """Walk the whole chain and tell everything that does not fit, in the order of the rows.

    A changed row is named itself; of rows that were taken away or put in, the row behind them.

    Args:
        connection: a snapshot.
        noted: heads that the trail once had, as they were noted elsewhere.
    """
    wanted = {each.last_id: each.digest for each in noted if each.last_id}
    previous, last = FIRST, 0
    query = select(schema.audit).order_by(schema.audit.c.id)
    for row in connection.execute(query.execution_options(yield_per=1000)).mappings():
        number, digest = row["id"], row["digest"]
        if link(previous, row) != digest:
            yield Finding(number, "missing" if number != last + 1 else "changed")
        if wanted.pop(number, digest) != digest:
            yield Finding(number, "noted")
        previous, last = digest, number
    if head(connection) != Head(last, previous):
        yield Finding(last, "head")
    yield from (Finding(number, "noted") for number in sorted(wanted))


def _locked_head(connection: Connection) -> Head:
    """The end of the trail, kept from other writers until the transaction ends."""
    row = connection.execute(select(schema_people.audit_head).with_for_update()).one()
    return Head(row.last_id, row.digest)


def _entry(row: Row[Any]) -> Entry:
    return Entry(row.id, row.at, row.who, row.action, row.subject, row.detail)


def _clean(text: str) -> str:
    """Without what a database does not take: NUL and halves of surrogate pairs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
