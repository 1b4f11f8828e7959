"""Orders in the database: written with their audit row before anything is sent, and kept for ever."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, case, func, insert, literal, or_, select, update

from kwhub.domain.readings import Register
from kwhub.headend.store import schema, schema_tasks
from kwhub.headend.store.views import Order, OrderItem, OrderState

__all__ = [
    "INTERRUPTED",
    "NewOrder",
    "change",
    "change_from",
    "create",
    "create_many",
    "due_terminals",
    "expire",
    "finish",
    "get",
    "interrupt",
    "late",
    "mark_sent",
    "next_due",
    "of_key",
    "of_meter",
    "put_off",
    "select_orders",
    "tasks_of",
    "waiting",
]

WHO_MAX = 100
"""Characters that are kept of whoever ordered."""

INTERRUPTED = "interrupted: the head-end stopped before the answer was written"

GRACE = timedelta(hours=1)
"""An order that was sent before the head-end stopped is looked after for at least so long."""

_RUNNING = "running"
_PENDING = (OrderState.UNAPPROVED, OrderState.NEW)
_AT_WORK = (OrderState.NEW, OrderState.SENT)


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order that is about to be written."""

    kind: str
    terminal_id: int
    meter_id: int | None
    wanted: str
    by: str
    deadline_at: datetime
    unapproved: bool = False
    once_key: str | None = None
    patient: bool = False
    tries_max: int = 1
    task_id: int | None = None

    def row(self, at: datetime) -> dict[str, Any]:
        """Its columns, for an order that is made now."""
        return {
            "kind": self.kind,
            "terminal_id": self.terminal_id,
            "meter_id": self.meter_id,
            "wanted": self.wanted,
            "ordered_by": self.by[:WHO_MAX],
            "deadline_at": self.deadline_at,
            "once_key": self.once_key,
            "patient": self.patient,
            "tries_max": self.tries_max,
            "task_id": self.task_id,
            "state": OrderState.UNAPPROVED if self.unapproved else OrderState.NEW,
            "detail": "",
            "created_at": at,
            "next_at": at,
        }


def create(
    connection: Connection, order: NewOrder, at: datetime, items: Sequence[OrderItem] = ()
) -> int:
    """Write an order with its items. Returns its number; its row in the trail is the caller's business."""
    inserted = connection.execute(schema.orders.insert().values(**order.row(at)))
    key = inserted.inserted_primary_key
    order_id = int(key[0]) if key else 0
    if items:
        connection.execute(
            schema.order_item.insert(),
            [{"order_id": order_id, "number": n, **_columns(item)} for n, item in enumerate(items)],
        )
    return order_id


def create_many(connection: Connection, orders: Sequence[NewOrder], at: datetime) -> None:
    """Write many orders without items."""
    if orders:
        connection.execute(insert(schema.orders), [each.row(at) for each in orders])


def mark_sent(connection: Connection, order_id: int, at: datetime) -> bool:
    """Note that the first frame is about to go out; False when the order was taken back, or is too late by now."""
    table = schema.orders
    done = connection.execute(
        update(table)
        .where(table.c.id == order_id, table.c.state == OrderState.NEW, _in_time(at))
        .values(
            state=OrderState.SENT,
            tries=table.c.tries + 1,
            sent_at=func.coalesce(table.c.sent_at, literal(at, table.c.sent_at.type)),
        )
    )
    return bool(done.rowcount)


def put_off(connection: Connection, order_id: int, detail: str, next_at: datetime) -> bool:
    """Write that an order is tried again later, and why; False when it has ended meanwhile."""
    values = {"state": OrderState.NEW, "detail": detail, "next_at": next_at}
    return change_from(connection, order_id, _AT_WORK, **values)


def change(connection: Connection, order_id: int, **values: Any) -> None:
    """Change columns of an order."""
    connection.execute(update(schema.orders).where(schema.orders.c.id == order_id).values(**values))


def change_from(
    connection: Connection, order_id: int, states: Collection[OrderState], **values: Any
) -> bool:
    """Change columns of an order that is in one of some states; False when it is not, and nothing is changed.

    Who has only looked at the state does not know it: somebody else may have changed it since.
    """
    table = schema.orders
    done = connection.execute(
        update(table).where(table.c.id == order_id, table.c.state.in_(states)).values(**values)
    )
    return bool(done.rowcount)


def finish(  # noqa: PLR0913  a row of the table
    connection: Connection,
    order_id: int,
    state: OrderState,
    detail: str,
    items: Sequence[OrderItem],
    *,
    at: datetime,
    result: str = "",
) -> bool:
    """Write what became of an order and of each of its items; False when it had ended before."""
    values = {"state": state, "detail": detail, "finished_at": at, "result": result}
    if not change_from(connection, order_id, _AT_WORK, **values):
        return False
    table = schema.order_item
    rows = [{"order_id": order_id, "number": n, **_columns(item)} for n, item in enumerate(items)]
    if rows:
        connection.execute(table.delete().where(table.c.order_id == order_id))
        connection.execute(table.insert(), rows)
    return True


def interrupt(connection: Connection, at: datetime) -> int:
    """Take up what a head-end that stopped has left: how many orders were sent and not answered.

    What was not sent goes on. What was sent is told as such: a reading that somebody waited for has
    failed; all others are taken up again by whoever knows how, and that begins with looking at the device.
    """
    table = schema.orders
    sent = table.c.state == OrderState.SENT
    failed = connection.execute(
        update(table)
        .where(
            sent, table.c.patient.is_(False), or_(table.c.kind == "read_now", table.c.wanted == "")
        )
        .values(state=OrderState.FAILED, detail=INTERRUPTED, finished_at=at)
    )
    later = literal(at + GRACE, table.c.deadline_at.type)
    again = connection.execute(
        update(table)
        .where(sent)
        .values(
            state=OrderState.NEW,
            detail=INTERRUPTED,
            next_at=at,
            patient=True,
            deadline_at=case((table.c.deadline_at > later, table.c.deadline_at), else_=later),
        )
    )
    return failed.rowcount + again.rowcount


def late(connection: Connection, now: datetime) -> list[int]:
    """The numbers of the orders that were not sent, or not answered, by their deadline."""
    table = schema.orders
    over = select(table.c.id).where(table.c.state.in_(_PENDING), table.c.deadline_at <= now)
    return list(connection.execute(over).scalars())


def expire(connection: Connection, now: datetime) -> list[int]:
    """End what was not sent, or not answered, by its deadline; the numbers of the orders that were ended."""
    table = schema.orders
    ended = case(
        (table.c.sent_at.is_not(None), OrderState.NO_ANSWER.value), else_=OrderState.EXPIRED.value
    )
    numbers = late(connection, now)
    done: list[int] = []
    for start in range(0, len(numbers), 500):
        part = table.c.id.in_(numbers[start : start + 500])
        expired = connection.execute(
            update(table)
            .where(part, table.c.state.in_(_PENDING), table.c.deadline_at <= now)
            .values(state=ended, finished_at=now)
            .returning(table.c.id)
        )
        done += expired.scalars()
    return done


def tasks_of(connection: Connection, numbers: Sequence[int]) -> set[int]:
    """The tasks that some orders belong to."""
    table = schema.orders
    found: set[int] = set()
    for start in range(0, len(numbers), 500):
        part = table.c.id.in_(numbers[start : start + 500])
        rows = connection.execute(select(table.c.task_id).where(part).distinct()).scalars()
        found.update(each for each in rows if each is not None)
    return found


def due_terminals(connection: Connection, now: datetime) -> dict[int, bool]:
    """Terminals that something may be sent to now, and whether somebody waits for an answer at once."""
    table = schema.orders
    impatient = func.max(case((table.c.patient.is_(False), 1), else_=0))
    rows = connection.execute(
        select(table.c.terminal_id, impatient)
        .select_from(_with_task())
        .where(*_is_due(now))
        .group_by(table.c.terminal_id)
    )
    return {terminal_id: bool(hurry) for terminal_id, hurry in rows}


def next_due(
    connection: Connection, terminal_id: int, now: datetime, *, online: bool
) -> Order | None:
    """The order of a terminal whose turn it is: people's before tasks', the oldest first."""
    table = schema.orders
    query = (
        select(table.c.id)
        .select_from(_with_task())
        .where(table.c.terminal_id == terminal_id, *_is_due(now))
        .order_by(table.c.task_id.is_not(None), table.c.next_at, table.c.id)
        .limit(1)
    )
    if not online:
        query = query.where(table.c.patient.is_(False))
    order_id = connection.execute(query).scalar_one_or_none()
    return None if order_id is None else get(connection, order_id)


def waiting(connection: Connection, terminal_id: int | None = None) -> int:
    """How many orders are not finished; of one terminal, only those that people wait for."""
    table = schema.orders
    query = select(func.count()).where(table.c.state.in_((*_PENDING, OrderState.SENT)))
    if terminal_id is not None:
        query = query.where(table.c.terminal_id == terminal_id, table.c.task_id.is_(None))
    return int(connection.execute(query).scalar_one())


def get(connection: Connection, order_id: int) -> Order | None:
    """One order with its items."""
    found = select_orders(connection, [schema.orders.c.id == order_id], 1, 0)
    return found[0] if found else None


def of_key(connection: Connection, once_key: str) -> Order | None:
    """The order that was made with a key."""
    found = select_orders(connection, [schema.orders.c.once_key == once_key], 1, 0)
    return found[0] if found else None


def of_meter(connection: Connection, meter_id: int, limit: int, offset: int) -> list[Order]:
    """The newest orders of a meter."""
    return select_orders(connection, [schema.orders.c.meter_id == meter_id], limit, offset)


def select_orders(
    connection: Connection, where: Collection[Any], limit: int, offset: int
) -> list[Order]:
    """Orders, the newest first, with their items."""
    query = select(schema.orders).where(*where).order_by(schema.orders.c.id.desc())
    rows = connection.execute(query.limit(limit).offset(offset)).all()
    table = schema.order_item
    items: dict[int, list[OrderItem]] = {row.id: [] for row in rows}
    query = select(table).where(table.c.order_id.in_(items)).order_by(table.c.number)
    for row in connection.execute(query):
        items[row.order_id].append(_item(row))
    return [_order(row, items[row.id]) for row in rows]


def _with_task() -> Any:
    task = schema_tasks.task
    return schema.orders.outerjoin(task, schema.orders.c.task_id == task.c.id)


def _in_time(now: datetime) -> Any:
    """What is too late is not sent any more, even before it is ended."""
    deadline = schema.orders.c.deadline_at
    return or_(deadline.is_(None), deadline > now)


def _is_due(now: datetime) -> tuple[Any, ...]:
    table, task = schema.orders, schema_tasks.task
    return (
        table.c.state == OrderState.NEW,
        or_(table.c.next_at.is_(None), table.c.next_at <= now),
        _in_time(now),
        or_(table.c.task_id.is_(None), task.c.state == _RUNNING),
    )


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
        terminal_id=row.terminal_id,
        task_id=row.task_id,
        wanted=row.wanted,
        result=row.result,
        approved_by=row.approved_by,
        patient=row.patient,
        tries=row.tries,
        tries_max=row.tries_max,
        next_at=row.next_at,
        deadline_at=row.deadline_at,
        sent_at=row.sent_at,
        progress=row.progress,
        total=row.total,
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
