"""Orders in the database: written with their audit row before anything is sent, and kept for ever."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, select, update

from kwhub.domain.readings import Register
from kwhub.headend.store import schema
from kwhub.headend.store.views import Order, OrderItem, OrderState

__all__ = ["create", "finish", "get", "interrupt", "mark_sent", "of_meter"]

READ_NOW = "read_now"

WHO_MAX = 100
"""Characters that are kept of whoever ordered."""

INTERRUPTED = "interrupted: the head-end stopped before the answer was written"


def create(
    connection: Connection, meter_id: int, items: Sequence[OrderItem], by: str, at: datetime
) -> int:
    """Write an order with its items and its audit row. Returns its number."""
    by = by[:WHO_MAX]
    inserted = connection.execute(
        schema.orders.insert().values(
            meter_id=meter_id,
            kind=READ_NOW,
            state=OrderState.NEW,
            detail="",
            ordered_by=by,
            created_at=at,
        )
    )
    key = inserted.inserted_primary_key
    order_id = int(key[0]) if key else 0
    connection.execute(
        schema.order_item.insert(),
        [{"order_id": order_id, "number": n, **_columns(item)} for n, item in enumerate(items)],
    )
    connection.execute(
        schema.audit.insert().values(
            at=at,
            who=by,
            action=READ_NOW,
            subject=f"meter {meter_id}",
            detail=f"order {order_id}: " + ", ".join(item.register for item in items),
        )
    )
    return order_id


def mark_sent(connection: Connection, order_id: int) -> None:
    """Note that the first frame is about to go out."""
    connection.execute(
        update(schema.orders).where(schema.orders.c.id == order_id).values(state=OrderState.SENT)
    )


def finish(
    connection: Connection,
    order_id: int,
    state: OrderState,
    detail: str,
    items: Sequence[OrderItem],
    *,
    at: datetime,
) -> None:
    """Write what became of an order and of each of its items."""
    connection.execute(
        update(schema.orders)
        .where(schema.orders.c.id == order_id)
        .values(state=state, detail=detail, finished_at=at)
    )
    table = schema.order_item
    for number, item in enumerate(items):
        connection.execute(
            update(table)
            .where(table.c.order_id == order_id, table.c.number == number)
            .values(**_columns(item))
        )


def interrupt(connection: Connection, at: datetime) -> int:
    """Fail what a head-end that stopped has left unfinished; how many orders that were.

    They are not sent again: nobody waits for a reading of before the restart, and the next kind of
    order may be one that must not be carried out twice.
    """
    done = connection.execute(
        update(schema.orders)
        .where(schema.orders.c.state.in_((OrderState.NEW, OrderState.SENT)))
        .values(state=OrderState.FAILED, detail=INTERRUPTED, finished_at=at)
    )
    return done.rowcount


def get(connection: Connection, order_id: int) -> Order | None:
    """One order with its items."""
    found = _orders(connection, schema.orders.c.id == order_id, 1, 0)
    return found[0] if found else None


def of_meter(connection: Connection, meter_id: int, limit: int, offset: int) -> list[Order]:
    """The newest orders of a meter."""
    return _orders(connection, schema.orders.c.meter_id == meter_id, limit, offset)


def _orders(connection: Connection, where: Any, limit: int, offset: int) -> list[Order]:
    query = select(schema.orders).where(where).order_by(schema.orders.c.id.desc())
    rows = connection.execute(query.limit(limit).offset(offset)).all()
    table = schema.order_item
    items: dict[int, list[OrderItem]] = {row.id: [] for row in rows}
    query = select(table).where(table.c.order_id.in_(items)).order_by(table.c.number)
    for row in connection.execute(query):
        items[row.order_id].append(_item(row))
    return [_order(row, items[row.id]) for row in rows]


def _order(row: Row[Any], items: list[OrderItem]) -> Order:
    return Order(
        id=row.id,
        meter_id=row.meter_id,
        kind=row.kind,
        state=OrderState(row.state),
        detail=row.detail,
        created_at=row.created_at,
        finished_at=row.finished_at,
        by=row.ordered_by,
        items=items,
    )


def _item(row: Row[Any]) -> OrderItem:
    return OrderItem(
        register=Register(row.register),
        identifier=row.identifier,
        value=None if row.value is None else Decimal(row.value),
        unit=row.unit,
        request_raw=row.request_raw,
        answer_raw=row.answer_raw,
        error=row.error,
    )


def _columns(item: OrderItem) -> dict[str, Any]:
    return {
        "register": item.register,
        "identifier": item.identifier,
        "value": None if item.value is None else str(item.value),
        "unit": item.unit,
        "request_raw": item.request_raw,
        "answer_raw": item.answer_raw,
        "error": item.error,
    }
