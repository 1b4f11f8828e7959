"""The objects of orders and tasks over the API."""

from datetime import datetime
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Struct

from kwhub.headend.orders.wanted import Wanted
from kwhub.headend.store.task_rows import Line, Task
from kwhub.headend.tasks.scope import Scope

__all__ = ["Cause", "Command", "KeptFile", "NewTask", "Result", "TaskShown"]

Seconds: TypeAlias = Annotated[int, Meta(ge=10, le=31 * 86_400)]
Tries: TypeAlias = Annotated[int, Meta(ge=1, le=20)]


class Command(Struct, forbid_unknown_fields=True):
    """The body of an order: what, and how."""

    order: Wanted
    deadline_s: Seconds = 3_600
    patient: bool = False  #: wait for a terminal that is offline
    tries: Tries = 1


class NewTask(Struct, forbid_unknown_fields=True):
    """The body of a task: one order, and of whom it is asked."""

    order: Wanted
    scope: Scope
    name: Annotated[str, Meta(max_length=200)] = ""
    deadline_s: Seconds = 86_400
    tries: Tries = 4


class Cause(Struct):
    """Why some orders of a task came to nothing."""

    state: str
    detail: str
    count: int


class TaskShown(Struct):
    """A task and how far it has come."""

    id: int
    name: str
    kind: str
    order: dict[str, Any]
    scope: dict[str, Any]
    state: str
    by: str
    made_at: datetime
    deadline_at: datetime
    finished_at: datetime | None
    retry_of: int | None
    total: int
    over: int
    done: int
    failed: int
    counts: dict[str, int]
    causes: list[Cause]

    @classmethod
    def of(cls, task: Task) -> "TaskShown":
        """From a row of the store."""
        return cls(
            id=task.id,
            name=task.name,
            kind=task.kind,
            order=msgspec.json.decode(task.wanted),
            scope=msgspec.json.decode(task.scope),
            state=task.state,
            by=task.by,
            made_at=task.made_at,
            deadline_at=task.deadline_at,
            finished_at=task.finished_at,
            retry_of=task.retry_of,
            total=task.total,
            over=task.over,
            done=task.done,
            failed=task.failed,
            counts={state.value: count for state, count in task.counts.items()},
            causes=[Cause(*each) for each in task.causes],
        )


class Result(Struct):
    """One line of the results of a task."""

    order_id: int
    terminal: str
    address: str
    state: str
    detail: str
    tries: int
    finished_at: datetime | None
    register: str
    value: str | None
    unit: str

    @classmethod
    def of(cls, line: Line) -> "Result":
        """From a row of the store."""
        return cls(
            line.order_id,
            line.terminal,
            line.address,
            line.state.value,
            line.detail,
            line.tries,
            line.finished_at,
            line.register,
            line.value,
            line.unit,
        )


class KeptFile(Struct):
    """A file that orders can send."""

    digest: str  #: SHA-256
    size: int
