"""Where things belong: the area and the organisation of whatever has a number."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select

from kwhub.headend.store import schema

__all__ = ["Place", "of_area", "of_meter", "of_order", "of_organisation", "of_terminal"]


@dataclass(frozen=True, slots=True)
class Place:
    """The area of something, or the organisation of something that has no area."""

    area_id: int | None
    organisation_id: int | None = None

    def within(self, areas: Collection[int] | None, organisations: Collection[int] | None) -> bool:
        """Whether it lies within these areas or organisations; None stands for all of them."""
        if self.area_id is not None:
            return areas is None or self.area_id in areas
        return organisations is None or self.organisation_id in organisations


def of_area(connection: Connection, area_id: int) -> Place | None:
    """The place of an area, None when there is none of this number."""
    return _place(connection, select(schema.area.c.id).where(schema.area.c.id == area_id))


def of_terminal(connection: Connection, terminal_id: int) -> Place | None:
    """The place of a terminal."""
    table = schema.terminal
    return _place(connection, select(table.c.area_id).where(table.c.id == terminal_id))


def of_meter(connection: Connection, meter_id: int) -> Place | None:
    """The place of a meter."""
    query = select(schema.terminal.c.area_id).join(schema.meter)
    return _place(connection, query.where(schema.meter.c.id == meter_id))


def of_order(connection: Connection, order_id: int) -> Place | None:
    """The place of the terminal that was ordered something, or whose meter was."""
    query = select(schema.terminal.c.area_id).select_from(schema.orders)
    query = query.join(schema.terminal, schema.terminal.c.id == schema.orders.c.terminal_id)
    return _place(connection, query.where(schema.orders.c.id == order_id))


def of_organisation(_connection: Connection, organisation_id: int) -> Place | None:
    """An organisation is its own place."""
    return Place(None, organisation_id)


def _place(connection: Connection, query: Select[tuple[Any]]) -> Place | None:
    area_id = connection.execute(query).scalar()
    return None if area_id is None else Place(int(area_id))
