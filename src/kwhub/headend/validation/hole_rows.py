"""Holes of the ledger joined with what they belong to: the area is that of their day."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, func, select

from kwhub.headend.store import schema
from kwhub.headend.store.days import Days
from kwhub.headend.store.former import Homes
from kwhub.headend.store.schema_quality import hole

__all__ = ["holes_now", "joined_holes", "select_holes"]


def holes_now() -> FromClause:
    """Holes with the meters that they are of, and the terminals of these at present."""
    meter, terminal = schema.meter, schema.terminal
    return hole.join(meter, hole.c.meter_id == meter.c.id).join(
        terminal, meter.c.terminal_id == terminal.c.id
    )


def joined_holes(connection: Connection, days: Days) -> tuple[FromClause, ColumnElement[int]]:
    """Holes with what they belong to, and the area in which the meter was on the day."""
    here: ColumnElement[int] = schema.terminal.c.area_id
    other = Homes.load(connection, days).elsewhere(connection)
    if other is None:
        return holes_now(), here
    day = hole.c.day
    then = and_(
        other.c.meter_id == hole.c.meter_id, other.c.first_day <= day, day < other.c.end_day
    )
    return holes_now().join(other, then, isouter=True), func.coalesce(other.c.area_id, here)


def select_holes(joined: FromClause, area_id: ColumnElement[int]) -> Select[Any]:
    """The columns of holes, of one of the joins above with its area."""
    meter = schema.meter
    columns = (meter.c.address, meter.c.point, meter.c.terminal_id, area_id.label("area_id"))
    return select(hole, *columns).select_from(joined)
