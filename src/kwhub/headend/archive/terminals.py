"""Which area a terminal belongs to is true from a moment on, and so is that it is out of service."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from kwhub.headend.archive.known import portions
from kwhub.headend.store import schema
from kwhub.headend.store.schema_archive import placement, terminal_area

__all__ = ["area_since", "follow_terminals", "last_end"]


def area_since(connection: Connection, terminal_id: int) -> datetime | None:
    """When a terminal was moved last; None when it never was."""
    newest = _newest(connection, terminal_id)
    found: datetime | None = None if newest is None else newest.valid_from
    return found


def follow_terminals(connection: Connection, terminals: Iterable[int], at: datetime) -> None:
    """Let the history of terminals say what their rows say: a correction, out of service, or back in it.

    Args:
        connection: of a writing transaction.
        terminals: numbers of terminals whose rows were written.
        at: from when on one is out of service, or in it again: a local midnight.
    """
    table = schema.terminal
    for part in portions(sorted(terminals)):
        for row in connection.execute(select(table).where(table.c.id.in_(part))):
            newest = _newest(connection, row.id)
            values = {"terminal_id": row.id, "area_id": row.area_id}
            if newest is None:
                if not row.active:
                    connection.execute(terminal_area.insert().values(**values, valid_to=at))
            elif newest.valid_to is None:
                until = None if row.active else max(at, newest.valid_from or at)
                connection.execute(_where(newest).values(area_id=row.area_id, valid_to=until))
            elif row.active:
                _return(connection, newest, values, at)


def last_end(connection: Connection, terminal_id: int) -> datetime | None:
    """When the last meter behind a terminal was moved away or taken out of service; None when none ever was."""
    ends = placement.c.valid_to
    query = select(func.max(ends, type_=ends.type)).where(placement.c.terminal_id == terminal_id)
    found: datetime | None = connection.execute(query).scalar()
    return found


def _newest(connection: Connection, terminal_id: int) -> Row[Any] | None:
    query = (
        select(terminal_area)
        .where(terminal_area.c.terminal_id == terminal_id)
        .order_by(terminal_area.c.valid_from.desc().nulls_last(), terminal_area.c.id.desc())
    )
    return connection.execute(query.limit(1)).one_or_none()


def _where(row: Row[Any]) -> Any:
    return update(terminal_area).where(terminal_area.c.id == row.id)


def _return(connection: Connection, newest: Row[Any], values: dict[str, Any], at: datetime) -> None:
    """A terminal that was out of service is in it again: on the same day as if nothing had been."""
    if newest.area_id == values["area_id"] and newest.valid_to >= at:
        connection.execute(_where(newest).values(valid_to=None))
        return
    since = max(at, newest.valid_to)
    connection.execute(terminal_area.insert().values(**values, valid_from=since))
