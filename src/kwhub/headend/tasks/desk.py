"""Tasks as the rest of the head-end uses them: make, pause, cancel, repeat what failed, look at the results.

A task only writes orders; the runner carries them out, one of a terminal at a time and people's before tasks'.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import msgspec
from sqlalchemy import Connection, select, update

from kwhub.domain.errors import LocalError
from kwhub.headend.ingest.offload import Offload
from kwhub.headend.orders.desk import KeyTaken, Orders
from kwhub.headend.orders.wanted import KINDS, Wanted, kind_of, pack
from kwhub.headend.people import trail
from kwhub.headend.store import order_rows, schema, task_rows
from kwhub.headend.store.database import Database
from kwhub.headend.store.order_rows import NewOrder
from kwhub.headend.store.schema_tasks import task
from kwhub.headend.store.task_rows import FAILURES, Line, Task, TaskState
from kwhub.headend.store.views import OrderState
from kwhub.headend.tasks.scope import Scope, Target, narrowed, read_addresses, targets
from kwhub.runtime.clock import Clock

__all__ = ["ORDERS_MAX", "Plan", "Tasks"]

ORDERS_MAX = 200_000
"""Orders of one task."""

NAME_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Plan:
    """What a task is to be.

    Attributes:
        wanted: ordered of everybody.
        scope: of whom.
        deadline_s: what was not sent by then has expired.
        tries_max: how often each is sent when nobody answers.
        key: the same key from the same person brings the same task.
    """

    wanted: Wanted
    scope: Scope
    name: str = ""
    deadline_s: int = 86_400
    tries_max: int = 4
    key: str = ""


class Tasks:
    """One order for many."""

    def __init__(self, database: Database, orders: Orders, clock: Clock, offload: Offload) -> None:
        self._database = database
        self._orders = orders
        self._clock = clock
        self._offload = offload

    async def make(self, plan: Plan, by: str, *, allowed: Collection[int] | None = None) -> int:
        """Write a task with all its orders and its row in the trail; returns its number.

        Args:
            plan: what, of whom, how.
            by: who orders it.
            allowed: numbers of the areas that they may order in; None: all.

        Raises:
            LocalError: nobody is meant, too many are, or it cannot be ordered for many.
            KeyTaken: the key belongs to another task.
            StoreError: nothing was written.
        """
        kind = kind_of(plan.wanted)
        if not KINDS[kind].for_many:
            raise LocalError(f"{kind}: each needs an order of its own")
        number = await self._offload(partial(self._make, plan, by, allowed))
        self._orders.runner.stir()
        return number

    async def pause(self, task_id: int, by: str) -> None:
        """Send nothing more for now. Raises LocalError: it is not running."""
        await self._move(task_id, by, TaskState.RUNNING, TaskState.PAUSED, "pause_task")

    async def resume(self, task_id: int, by: str) -> None:
        """Go on. Raises LocalError: it is not paused."""
        await self._move(task_id, by, TaskState.PAUSED, TaskState.RUNNING, "resume_task")
        self._orders.runner.stir()

    async def cancel(self, task_id: int, by: str) -> int:
        """Take back what was not sent; how many orders. Raises LocalError: it is over."""
        return await self._offload(partial(self._cancel, task_id, by))

    async def retry(self, task_id: int, by: str, *, allowed: Collection[int] | None = None) -> int:
        """Make a task of what has failed in another; returns its number. Raises LocalError: nothing has."""
        number = await self._offload(partial(self._retry, task_id, by, allowed))
        self._orders.runner.stir()
        return number

    def get(self, task_id: int, areas: Collection[int] | None = None) -> Task | None:
        """A task with its progress and causes of failure, as far as it lies in some areas. Raises StoreError."""
        with self._database.read() as connection:
            found = task_rows.get(connection, task_id, areas)
            return None if found is None else _told(connection, found, areas)

    def find(
        self, areas: Collection[int] | None = None, limit: int = 50, offset: int = 0
    ) -> tuple[list[Task], int]:
        """A page of tasks, the newest first, and how many there are in all; each as in ``get``. Raises StoreError."""
        with self._database.read() as connection:
            found, total = task_rows.find(connection, areas, limit, offset)
            return [_told(connection, each, areas) for each in found], total

    def lines(
        self,
        task_id: int,
        areas: Collection[int] | None = None,
        *,
        states: Collection[OrderState] = (),
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Line]:
        """The results of a task. Raises StoreError."""
        with self._database.read() as connection:
            return list(
                task_rows.lines(
                    connection, task_id, areas, states=states, limit=limit, offset=offset
                )
            )

    def reaches_beyond(self, task_id: int, areas: Collection[int]) -> bool:
        """Whether a task has orders outside some areas. Raises StoreError."""
        orders, terminal = schema.orders, schema.terminal
        query = (
            select(orders.c.id)
            .join(terminal, orders.c.terminal_id == terminal.c.id)
            .where(orders.c.task_id == task_id, terminal.c.area_id.not_in(areas))
        )
        with self._database.read() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def meters_of(self, addresses: str, areas: Collection[int] | None = None) -> tuple[int, ...]:
        """Numbers of meters in some areas by their addresses, separated by anything. Raises LocalError."""
        with self._database.read() as connection:
            return read_addresses(connection, addresses, areas)

    def _make(self, plan: Plan, by: str, allowed: Collection[int] | None) -> int:
        wanted, scope = pack(plan.wanted), msgspec.json.encode(plan.scope).decode()
        key = f"{by[:90]} {plan.key}" if plan.key else None
        with self._database.write() as connection:
            if key is not None and (known := task_rows.of_key(connection, key)):
                if (known.wanted, known.scope) != (wanted, scope):
                    raise KeyTaken("Idempotency-Key: used before for another task")
                return known.id
            of_meter = KINDS[kind_of(plan.wanted)].of_meter
            chosen = targets(connection, plan.scope, of_meter=of_meter, allowed=allowed)
            now = self._clock.now()
            row = _Row(plan.name, kind_of(plan.wanted), wanted, scope, plan.tries_max)
            return _write(connection, row, chosen, by, now, plan.deadline_s, key=key)

    def _retry(self, task_id: int, by: str, allowed: Collection[int] | None) -> int:
        with self._database.write() as connection:
            old = _known(connection, task_id)
            orders, terminal = schema.orders, schema.terminal
            query = (
                select(orders.c.terminal_id, orders.c.meter_id)
                .join(terminal, orders.c.terminal_id == terminal.c.id)
                .where(orders.c.task_id == task_id, orders.c.state.in_(FAILURES))
                .order_by(orders.c.id)
            )
            if allowed is not None:
                query = query.where(terminal.c.area_id.in_(allowed))
            chosen = [Target(*row) for row in connection.execute(query)]
            row = _Row(old.name, old.kind, old.wanted, old.scope, old.tries_max, task_id)
            span_s = int((old.deadline_at - old.made_at).total_seconds())
            return _write(connection, row, chosen, by, self._clock.now(), span_s)

    async def _move(self, task_id: int, by: str, before: str, after: str, action: str) -> None:
        def move() -> None:
            with self._database.write() as connection:
                known = _known(connection, task_id)
                if known.state != before:
                    raise LocalError(f"task {task_id} is {known.state}, not {before}")
                trail.record(connection, by, action, f"task {task_id}", "", self._clock.now())
                connection.execute(update(task).where(task.c.id == task_id).values(state=after))

        await self._offload(move)

    def _cancel(self, task_id: int, by: str) -> int:
        with self._database.write() as connection:
            known = _known(connection, task_id)
            if known.state not in {TaskState.RUNNING, TaskState.PAUSED}:
                raise LocalError(f"task {task_id} is over: {known.state}")
            now = self._clock.now()
            trail.record(connection, by, "cancel_task", f"task {task_id}", "", now)
            orders = schema.orders
            pending = (OrderState.NEW, OrderState.UNAPPROVED)
            done = connection.execute(
                update(orders)
                .where(orders.c.task_id == task_id, orders.c.state.in_(pending))
                .values(state=OrderState.CANCELLED, finished_at=now)
            )
            values = {"state": TaskState.CANCELLED, "finished_at": now}
            connection.execute(update(task).where(task.c.id == task_id).values(**values))
            return done.rowcount


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    kind: str
    wanted: str
    scope: str
    tries_max: int
    retry_of: int | None = None


def _write(  # noqa: PLR0913  one row of the table
    connection: Connection,
    row: _Row,
    chosen: Sequence[Target],
    by: str,
    now: datetime,
    deadline_s: int,
    *,
    key: str | None = None,
) -> int:
    """Write a task, its row in the trail and its orders. Raises LocalError."""
    if not chosen:
        raise LocalError("nobody is meant: no active meter or terminal is in what was chosen")
    if len(chosen) > ORDERS_MAX:
        raise LocalError(f"{len(chosen)} orders; one task has at most {ORDERS_MAX}")
    deadline = now + timedelta(seconds=deadline_s)
    inserted = connection.execute(
        task.insert().values(
            name=row.name[:NAME_CHARACTERS_MAX],
            kind=row.kind,
            wanted=row.wanted,
            scope=row.scope,
            state=TaskState.RUNNING,
            made_by=by[:100],
            made_at=now,
            deadline_at=deadline,
            tries_max=row.tries_max,
            retry_of=row.retry_of,
            once_key=key,
        )
    )
    (number,) = inserted.inserted_primary_key or (0,)
    detail = f"{len(chosen)} orders: {row.wanted}"
    trail.record(connection, by, f"task_{row.kind}", f"task {number}", detail, now)
    orders = [
        NewOrder(
            row.kind,
            terminal_id,
            meter_id,
            row.wanted,
            by,
            deadline,
            patient=True,
            tries_max=row.tries_max,
            task_id=number,
        )
        for terminal_id, meter_id in chosen
    ]
    order_rows.create_many(connection, orders, now)
    return int(number)


def _told(connection: Connection, known: Task, areas: Collection[int] | None) -> Task:
    """A task as whoever sees some areas may see it."""
    if areas is None:
        return known
    scope = narrowed(connection, msgspec.json.decode(known.scope, type=Scope), areas)
    return replace(known, scope=msgspec.json.encode(scope).decode())


def _known(connection: Connection, task_id: int) -> Task:
    found = task_rows.get(connection, task_id)
    if found is None:
        raise LocalError(f"there is no task {task_id}")
    return found
