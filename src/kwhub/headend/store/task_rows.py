"""Tasks in the database; their orders stand among all others."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, update

from kwhub.headend.store import schema
from kwhub.headend.store.schema_tasks import task
from kwhub.headend.store.views import OrderState

__all__ = ["FAILURES", "Line", "Task", "TaskState", "find", "get", "lines", "of_key", "settle"]

FAILURES = (
    OrderState.REFUSED,
    OrderState.NO_ANSWER,
    OrderState.FAILED,
    OrderState.OFFLINE,
    OrderState.EXPIRED,
)
"""What is repeated when the failures of a task are."""

CAUSES_SHOWN = 20

_OPEN = (OrderState.UNAPPROVED, OrderState.NEW, OrderState.SENT)


class TaskState:
    """How a task stands."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Task:
    """One order for many, and how far it has come."""

    id: int
    name: str
    kind: str
    wanted: str  #: JSON
    scope: str  #: JSON
    state: str
    by: str
    made_at: datetime
    deadline_at: datetime
    finished_at: datetime | None
    tries_max: int
    retry_of: int | None
    counts: dict[OrderState, int] = field(default_factory=dict)  #: of its orders
    causes: list[tuple[str, str, int]] = field(default_factory=list)  #: state, detail, how many

    @property
    def total(self) -> int:
        """Orders in all."""
        return sum(self.counts.values())

    @property
    def over(self) -> int:
        """Orders of which nothing more will come."""
        return sum(count for state, count in self.counts.items() if state.final)

    @property
    def done(self) -> int:
        """Orders that brought what was wanted."""
        return self.counts.get(OrderState.DONE, 0)

    @property
    def failed(self) -> int:
        """Orders that came to nothing."""
        return sum(self.counts.get(each, 0) for each in FAILURES)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table of results: a register of an order, or an order without registers."""

    order_id: int
    terminal: str
    address: str
    state: OrderState
    detail: str
    tries: int
    finished_at: datetime | None
    register: str
    value: str | None
    unit: str


def get(connection: Connection, task_id: int, areas: Collection[int] | None = None) -> Task | None:
    """One task with its causes of failure; only orders in some areas count, None stands for all."""
    row = connection.execute(select(task).where(task.c.id == task_id)).one_or_none()
    if row is None:
        return None
    orders = schema.orders
    count = func.count()
    causes = connection.execute(
        _inside(select(orders.c.state, orders.c.detail, count), areas)
        .where(orders.c.task_id == task_id, orders.c.state.in_(FAILURES))
        .group_by(orders.c.state, orders.c.detail)
        .order_by(count.desc(), orders.c.detail)
        .limit(CAUSES_SHOWN)
    )
    told = [(state, detail, int(number)) for state, detail, number in causes]
    return _task(row, _counts(connection, [task_id], areas).get(task_id, {}), told)


def of_key(connection: Connection, once_key: str) -> Task | None:
    """The task that was made with a key."""
    query = select(task.c.id).where(task.c.once_key == once_key)
    number = connection.execute(query).scalar_one_or_none()
    return None if number is None else get(connection, number)


def find(
    connection: Connection, areas: Collection[int] | None, limit: int, offset: int
) -> tuple[list[Task], int]:
    """Tasks, the newest first, that have an order in some areas; and how many there are in all.

    Only orders in these areas count.
    """
    query = select(task)
    if areas is not None:
        inside = _inside(select(schema.orders.c.task_id), areas)
        query = query.where(task.c.id.in_(inside.where(schema.orders.c.task_id.is_not(None))))
    total = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    rows = connection.execute(query.order_by(task.c.id.desc()).limit(limit).offset(offset)).all()
    counts = _counts(connection, [row.id for row in rows], areas)
    return [_task(row, counts.get(row.id, {}), []) for row in rows], int(total)


def lines(
    connection: Connection,
    task_id: int,
    areas: Collection[int] | None,
    *,
    states: Collection[OrderState] = (),
    limit: int | None = None,
    offset: int = 0,
) -> Iterator[Line]:
    """The results of a task in the order in which its orders were written."""
    orders, item = schema.orders, schema.order_item
    meter, terminal = schema.meter, schema.terminal
    query = (
        select(
            orders,
            terminal.c.region,
            terminal.c.number.label("terminal_number"),
            meter.c.address,
            item.c.register,
            item.c.value,
            item.c.unit,
            item.c.error,
        )
        .join(terminal, orders.c.terminal_id == terminal.c.id)
        .outerjoin(meter, orders.c.meter_id == meter.c.id)
        .outerjoin(item, item.c.order_id == orders.c.id)
        .where(orders.c.task_id == task_id)
        .order_by(orders.c.id, item.c.number)
    )
    if areas is not None:
        query = query.where(terminal.c.area_id.in_(areas))
    if states:
        query = query.where(orders.c.state.in_(states))
    for row in connection.execute(query.limit(limit).offset(offset)):
        yield Line(
            row.id,
            f"{row.region}-{row.terminal_number:05}",
            row.address or "",
            OrderState(row.state),
            row.error or row.detail,
            row.tries,
            row.finished_at,
            row.register or "",
            row.value,
            row.unit or "",
        )


def settle(connection: Connection, task_id: int, at: datetime) -> bool:
    """End a task of which nothing more will come; whether it ended."""
    orders = schema.orders
    left = select(orders.c.id).where(orders.c.task_id == task_id, orders.c.state.in_(_OPEN))
    if connection.execute(left.limit(1)).first() is not None:
        return False
    done = connection.execute(
        update(task)
        .where(task.c.id == task_id, task.c.state.in_((TaskState.RUNNING, TaskState.PAUSED)))
        .values(state=TaskState.DONE, finished_at=at)
    )
    return bool(done.rowcount)


def _inside(query: Select[Any], areas: Collection[int] | None) -> Select[Any]:
    """Only orders of terminals in some areas."""
    if areas is None:
        return query
    orders, terminal = schema.orders, schema.terminal
    return query.join(terminal, orders.c.terminal_id == terminal.c.id).where(
        terminal.c.area_id.in_(areas)
    )


def _counts(
    connection: Connection, numbers: list[int], areas: Collection[int] | None
) -> dict[int, dict[OrderState, int]]:
    orders = schema.orders
    rows = connection.execute(
        _inside(select(orders.c.task_id, orders.c.state, func.count()), areas)
        .where(orders.c.task_id.in_(numbers))
        .group_by(orders.c.task_id, orders.c.state)
    )
    found: dict[int, dict[OrderState, int]] = {}
    for number, state, count in rows:
        found.setdefault(number, {})[OrderState(state)] = int(count)
    return found


def _task(row: Row[Any], counts: dict[OrderState, int], causes: list[tuple[str, str, int]]) -> Task:
    return Task(
        row.id,
        row.name,
        row.kind,
        row.wanted,
        row.scope,
        row.state,
        row.made_by,
        row.made_at,
        row.deadline_at,
        row.finished_at,
        row.tries_max,
        row.retry_of,
        counts,
        causes,
    )
