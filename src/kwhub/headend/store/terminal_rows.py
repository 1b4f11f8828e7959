"""What is known of one terminal: its connections, what came without a place, and who knocked unknown."""

from sqlalchemy import ColumnElement, Connection, func, select

from kwhub.headend.store import schema
from kwhub.headend.store.archive_rows import terminal_name
from kwhub.headend.store.views import SessionRow, UnknownRow

__all__ = ["sessions_of", "strangers", "unknown_of", "unplaced_of"]


def sessions_of(connection: Connection, terminal_id: int, limit: int) -> list[SessionRow]:
    """The newest connections of a terminal."""
    table = schema.terminal_session
    return _sessions(connection, table.c.terminal_id == terminal_id, limit)


def strangers(connection: Connection, limit: int) -> list[SessionRow]:
    """The newest log-ins of terminals that are not in the archive; all of them were turned away."""
    return _sessions(connection, schema.terminal_session.c.terminal_id.is_(None), limit)


def unknown_of(connection: Connection, terminal_id: int) -> list[UnknownRow]:
    """Data of a terminal that has no place, the newest first."""
    table, terminal = schema.unknown, schema.terminal
    query = (
        select(table, table.c["count"].label("times"), terminal.c.region, terminal.c.number)
        .join(terminal, table.c.terminal_id == terminal.c.id)
        .where(table.c.terminal_id == terminal_id)
        .order_by(table.c.last_at.desc())
    )
    return [
        UnknownRow(
            terminal=terminal_name(row.region, row.number),
            point=row.point,
            afn=row.afn,
            function=row.function,
            reason=row.reason,
            count=row.times,
            first_at=row.first_at,
            last_at=row.last_at,
            sample=row.sample,
        )
        for row in connection.execute(query)
    ]


def unplaced_of(connection: Connection, terminal_id: int) -> tuple[int, int]:
    """How many data units of a terminal wait for a meter in the archive, and their bytes."""
    table = schema.unplaced
    query = select(func.count(), func.coalesce(func.sum(func.length(table.c.unit)), 0))
    units, size = connection.execute(query.where(table.c.terminal_id == terminal_id)).one()
    return int(units), int(size)


def _sessions(connection: Connection, where: ColumnElement[bool], limit: int) -> list[SessionRow]:
    table = schema.terminal_session
    query = select(table).where(where).order_by(table.c.id.desc()).limit(limit)
    return [
        SessionRow(
            id=row.id,
            region=row.region,
            terminal=row.number,
            peer=row.peer,
            known=row.terminal_id is not None,
            began_at=row.began_at,
            ended_at=row.ended_at,
            end_reason=row.end_reason,
        )
        for row in connection.execute(query)
    ]
