"""Connections of terminals, written down: also of those that were turned away."""

from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from kwhub.headend.store import schema

__all__ = ["FORGET_EVERY", "SESSIONS_KEPT", "STRANGERS_KEPT", "begin", "end", "interrupt"]

SESSIONS_KEPT = 1_000_000
"""Rows that are kept of terminals, so that one that calls without end does not fill the disk."""

STRANGERS_KEPT = 10_000
"""Rows that are kept of strangers, who put out nobody but each other."""

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
    """Write down a connection; with ``denied`` it is over already. Returns its number.

    The first connection of a terminal is noted with the terminal itself: from then on its meters owe readings,
    however many rows are forgotten.
    """
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
    if terminal_id is not None and not denied:
        known = schema.terminal
        connection.execute(
            update(known)
            .where(known.c.id == terminal_id, known.c.first_connected_at.is_(None))
            .values(first_connected_at=at)
        )
    if session_id % FORGET_EVERY == 0:  # of those that are open, all are looked at each time
        _forget(connection, session_id)
    return session_id


def _forget(connection: Connection, newest: int) -> None:
    """Delete what is too old, of strangers and of terminals apart."""
    table = schema.terminal_session
    stranger = table.c.terminal_id.is_(None)
    last = connection.execute(
        select(table.c.id)
        .where(stranger)
        .order_by(table.c.id.desc())
        .offset(STRANGERS_KEPT)
        .limit(1)
    ).scalar()
    if last is not None:
        connection.execute(delete(table).where(stranger, table.c.id <= last))
    old = (table.c.id <= newest - SESSIONS_KEPT, table.c.ended_at.is_not(None))
    connection.execute(delete(table).where(~stranger, *old))


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
