"""Sessions and one-time secrets in the database: only digests, never what a browser could present."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from kwhub.headend.people import secret
from kwhub.headend.store.schema_people import once_secret, web_session

__all__ = ["Session", "begin", "end", "find", "of_user", "offer", "prune", "seen", "take", "valid"]

ADDRESS_MAX, AGENT_MAX = 64, 200


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that is signed in."""

    digest: bytes
    user_id: int
    created_at: datetime
    seen_at: datetime
    address: str
    agent: str


def begin(connection: Connection, user_id: int, address: str, agent: str, at: datetime) -> str:
    """Begin a session. Returns its id, which only the browser keeps."""
    fresh = secret.new()
    connection.execute(
        web_session.insert().values(
            digest=secret.digest(fresh),
            user_id=user_id,
            created_at=at,
            seen_at=at,
            address=address[:ADDRESS_MAX],
            agent=agent.replace("\0", " ")[:AGENT_MAX],
        )
    )
    return fresh


def find(connection: Connection, digest: bytes) -> Session | None:
    """One session."""
    query = select(web_session).where(web_session.c.digest == digest)
    row = connection.execute(query).one_or_none()
    return None if row is None else _session(row)


def of_user(connection: Connection, user_id: int) -> list[Session]:
    """The sessions of a user, the newest first."""
    query = select(web_session).where(web_session.c.user_id == user_id)
    rows = connection.execute(query.order_by(web_session.c.seen_at.desc())).all()
    return [_session(row) for row in rows]


def seen(connection: Connection, digest: bytes, at: datetime) -> None:
    """Note that a session was used."""
    connection.execute(update(web_session).where(web_session.c.digest == digest).values(seen_at=at))


def end(connection: Connection, user_id: int, *, digest: bytes = b"", but: bytes = b"") -> int:
    """End one session of a user, or all of them but one; how many that were."""
    query = delete(web_session).where(web_session.c.user_id == user_id, web_session.c.digest != but)
    if digest:
        query = query.where(web_session.c.digest == digest)
    return connection.execute(query).rowcount


def prune(connection: Connection, idle: timedelta, longest: timedelta, at: datetime) -> None:
    """Forget sessions and secrets that have run out."""
    over = (web_session.c.seen_at < at - idle) | (web_session.c.created_at < at - longest)
    connection.execute(delete(web_session).where(over))
    connection.execute(delete(once_secret).where(once_secret.c.expires_at <= at))


def offer(connection: Connection, purpose: str, user_id: int | None, expires_at: datetime) -> str:
    """Make a secret that works once; those made before for the same purpose and user die."""
    connection.execute(
        delete(once_secret).where(
            once_secret.c.purpose == purpose,
            once_secret.c.user_id.is_(user_id)
            if user_id is None
            else once_secret.c.user_id == user_id,
        )
    )
    fresh = secret.new()
    connection.execute(
        once_secret.insert().values(
            digest=secret.digest(fresh), purpose=purpose, user_id=user_id, expires_at=expires_at
        )
    )
    return fresh


def valid(connection: Connection, purpose: str, text: str, at: datetime) -> bool:
    """Whether a secret would be taken."""
    query = select(once_secret.c.digest).where(*_named(purpose, text, at))
    return connection.execute(query).first() is not None


def take(connection: Connection, purpose: str, text: str, at: datetime) -> tuple[bool, int | None]:
    """Use up a secret: whether it was good, and for whom. Of two at once only one gets it."""
    where = _named(purpose, text, at)
    row = connection.execute(select(once_secret.c.user_id).where(*where)).one_or_none()
    gone = connection.execute(delete(once_secret).where(*where)).rowcount
    return (False, None) if row is None or gone != 1 else (True, row.user_id)


def _named(purpose: str, text: str, at: datetime) -> tuple[Any, ...]:
    return (
        once_secret.c.digest == secret.digest(text),
        once_secret.c.purpose == purpose,
        once_secret.c.expires_at > at,
    )


def _session(row: Row[Any]) -> Session:
    return Session(row.digest, row.user_id, row.created_at, row.seen_at, row.address, row.agent)
