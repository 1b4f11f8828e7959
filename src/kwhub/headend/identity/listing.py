"""Lists of devices, what they hold, and its recall."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select, update

from kwhub.headend.identity.records import (
    Description,
    Device,
    DeviceState,
    Exposure,
    GenerationState,
    GrantLeft,
)
from kwhub.headend.store.schema_devices import (
    device,
    device_generation,
    device_grant,
    device_order,
    device_work,
)

__all__ = [
    "BEGUN",
    "OPEN",
    "RECALLED",
    "UNAPPROVED",
    "devices",
    "exposure",
    "heard",
    "recall",
    "recall_order",
    "recall_work",
]

OPEN, BEGUN, RECALLED = "open", "begun", "recalled"
UNAPPROVED = "unapproved"
"""An order that waits for a second person; no device hears of it."""

_UNKNOWN = "recalled after it was begun: look at the meter, then order anew"


def devices(connection: Connection) -> list[Device]:
    """All of them by name."""
    current = and_(
        device_generation.c.device_id == device.c.id,
        device_generation.c.state == GenerationState.CURRENT,
    )
    query = (
        select(device, device_generation.c.number, device_generation.c.not_after)
        .select_from(device.outerjoin(device_generation, current))
        .order_by(device.c.name)
    )
    return [
        Device(
            row.name,
            Description(row.model, row.serial, row.owner, row.area),
            DeviceState(row.state),
            row.reason,
            row.number or 0,
            row.not_after,
            row.seen_at,
            row.allocated_at,
            row.wrong_secrets,
            row.changed_at,
        )
        for row in connection.execute(query)
    ]


def heard(connection: Connection, row: Row[Any], now: datetime) -> bool:
    """A device that was sent away has called; whether it is the first time since then."""
    connection.execute(update(device).where(device.c.id == row.id).values(seen_at=now))
    return row.seen_at is None or bool(row.seen_at < row.changed_at)


def recall(connection: Connection, device_id: int, now: datetime) -> tuple[int, ...]:
    """Recall work, grants and orders of a device; returns the orders that were open or begun.

    What a begun one has done at its meter is not known; no device can go on with it, that one with a new identity neither.
    """
    orders = _recalled_orders(connection, device_order.c.device_id == device_id, now)
    _recalled_works(connection, device_work.c.device_id == device_id, now)
    return orders


def recall_work(connection: Connection, work: int, now: datetime) -> tuple[int, ...]:
    """Recall one work order with its grants and the order that goes with it; returns that order as ``recall`` does."""
    carried = select(device_work.c.order_id).where(device_work.c.id == work)
    orders = _recalled_orders(connection, device_order.c.id.in_(carried), now)
    _recalled_works(connection, device_work.c.id == work, now)
    return orders


def recall_order(connection: Connection, order: int, now: datetime) -> tuple[int, ...]:
    """Recall one order, approved or not, with the work order that it goes with; returns as ``recall`` does."""
    orders = _recalled_orders(connection, device_order.c.id == order, now)
    _recalled_works(connection, device_work.c.order_id == order, now)
    return orders


def _recalled_orders(
    connection: Connection, which: ColumnElement[bool], now: datetime
) -> tuple[int, ...]:
    orders: list[int] = []
    for state, outcome in ((UNAPPROVED, ""), (OPEN, ""), (BEGUN, _UNKNOWN)):
        orders += connection.scalars(
            update(device_order)
            .where(which, device_order.c.state == state)
            .values(state=RECALLED, finished_at=now, outcome=outcome)
            .returning(device_order.c.id)
        )
    return tuple(sorted(orders))


def _recalled_works(connection: Connection, which: ColumnElement[bool], now: datetime) -> None:
    works = select(device_work.c.id).where(which)
    connection.execute(
        update(device_grant)
        .where(device_grant.c.work_id.in_(works), device_grant.c.state == OPEN)
        .values(state=RECALLED)
    )
    connection.execute(
        update(device_work)
        .where(which, device_work.c.state == OPEN)
        .values(state=RECALLED, finished_at=now)
    )


def exposure(
    connection: Connection, row: Row[Any], orders: tuple[int, ...], now: datetime
) -> Exposure:
    """What a device may hold now: grants that have not ended by themselves, recalled or not."""
    query = (
        select(device_grant)
        .join(device_work, device_work.c.id == device_grant.c.work_id)
        .where(device_work.c.device_id == row.id, device_grant.c.used < device_grant.c.uses)
        .where(device_grant.c.not_after > now)
        .order_by(device_grant.c.meter, device_grant.c.operation)
    )
    grants = tuple(
        GrantLeft(each.meter, each.operation, each.uses - each.used, each.not_after)
        for each in connection.execute(query)
    )
    until = max((each.not_after for each in grants), default=None)
    return Exposure(row.name, DeviceState(row.state), grants, orders, until)
