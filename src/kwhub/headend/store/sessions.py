"""Connections of terminals, written down: also of those that were turned away."""

from datetime import datetime

from sqlalchemy import Connection, delete, update

from kwhub.headend.store import schema

__all__ = ["FORGET_EVERY", "SESSIONS_KEPT", "begin", "end", "interrupt"]

SESSIONS_KEPT = 10_000
"""Rows that are kept, so that strangers who knock without end do not fill the disk."""

FORGET_EVERY = 100
"""Rows between two looks at what is too old."""

INTERRUPTED = "the head-end stopped"


def begin(  # noqa: PLR0913  one column each
    connection: Connection,
    region: str,
    number: int,
    peer: str,
    *,
    terminal_id: int | None,
    at: datetime,
    denied: str = "",
) -> int:
    """Write down a connection; with ``denied`` it is over already. Returns its number."""
    table = schema.terminal_session
    inserted = connection.execute(
        table.insert().values(
            terminal_id=terminal_id,
            region=region,
            number=number,
            peer=peer[:200],
            began_at=at,
            ended_at=at if denied else None,
            end_reason=denied,
        )
    )
    key = inserted.inserted_primary_key
    session_id = int(key[0]) if key else 0
    if session_id % FORGET_EVERY == 0:  # of those that are open, all are looked at each time
        connection.execute(
            delete(table).where(
                table.c.id <= session_id - SESSIONS_KEPT, table.c.ended_at.is_not(None)
            )
        )
    return session_id


def end(connection: Connection, session_id: int, at: datetime, reason: str) -> None:
    """Write down that a connection is over, and why."""
    table = schema.terminal_session
    connection.execute(
        update(table).where(table.c.id == session_id).values(ended_at=at, end_reason=reason[:200])
    )


def interrupt(connection: Connection, at: datetime) -> None:
    """End what a head-end that died has left open."""
    table = schema.terminal_session
    connection.execute(
        update(table).where(table.c.ended_at.is_(None)).values(ended_at=at, end_reason=INTERRUPTED)
    )
