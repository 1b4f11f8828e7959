"""Orders of every kind and tasks over the API."""

from collections.abc import Awaitable
from typing import Annotated, Any, TypeAlias, TypeVar

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.exceptions import (
    ClientException,
    NotFoundException,
    PermissionDeniedException,
    ValidationException,
)
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter

from kwhub.domain.errors import KwhubError
from kwhub.headend.api.once import once
from kwhub.headend.api.paging import ITEMS_DEFAULT, ITEMS_MAX, cursor_of, position_of
from kwhub.headend.api.shapes import Items, Ordered
from kwhub.headend.api.site import NUMBER_MAX, Site
from kwhub.headend.api.task_shapes import Command, KeptFile, NewTask, Result, TaskShown
from kwhub.headend.orders.desk import KEY_CHARACTERS_MAX, KeyTaken, Terms
from kwhub.headend.orders.files import FILE_BYTES_MAX
from kwhub.headend.orders.wanted import KINDS, CompareArchive, kind_of
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store.database import StoreError
from kwhub.headend.store.task_rows import Task
from kwhub.headend.store.views import OrderState
from kwhub.headend.tasks.desk import Plan

__all__ = [
    "ROUTES",
    "Key",
    "approve_order",
    "cancel_order",
    "cancel_task",
    "changeable_task",
    "command_meter",
    "command_terminal",
    "compare_terminal",
    "keep_file",
    "make_task",
    "orders",
    "pause_task",
    "placed",
    "resume_task",
    "retry_task",
    "right_for",
    "task",
    "task_results",
    "tasks",
    "visible_task",
]

T = TypeVar("T")

Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=ITEMS_MAX)]
Key: TypeAlias = Annotated[
    str, HeaderParameter(name="Idempotency-Key", max_length=KEY_CHARACTERS_MAX, required=False)
]
UNPROCESSABLE = 422


async def placed(order: Awaitable[T]) -> T:
    """What an order brings.

    Raises:
        ClientException: the Idempotency-Key belongs to something else.
        ValidationException: it cannot be ordered.
    """
    try:
        return await order
    except StoreError:
        raise
    except KeyTaken as error:
        raise ClientException(str(error), status_code=UNPROCESSABLE) from error
    except KwhubError as error:
        raise ValidationException(str(error)) from error


def right_for(caller: Caller, kind: str) -> Right:
    """The right that orders of a kind need. Raises PermissionDeniedException: the caller lacks it."""
    right = Right.CONTROL if KINDS[kind].changes else Right.ORDER
    if not caller.may(right):
        raise PermissionDeniedException(f"{kind} needs the right {right.value}")
    return right


def visible_task(site: Site, caller: Caller, task_id: int) -> Task:
    """A task that has an order where the caller may see, and only that part of it. Raises NotFoundException."""
    task = site.tasks.get(task_id, caller.scope()) if 0 < task_id <= NUMBER_MAX else None
    if task is None or not task.total:
        raise NotFoundException(f"task {task_id}")
    return task


def changeable_task(site: Site, caller: Caller, task_id: int) -> Task:
    """A task that lies wholly where the caller may order. Raises as ``visible_task``."""
    task = visible_task(site, caller, task_id)
    scope = caller.scope(right_for(caller, task.kind))
    if scope is not None and site.tasks.reaches_beyond(task_id, scope):
        raise PermissionDeniedException("the task goes beyond the areas where you may order")
    return task


@get("/orders", sync_to_thread=True, opt=needs(Right.SEE))
def orders(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    states: Annotated[list[OrderState] | None, QueryParameter(name="state")] = None,
    terminal: FromQuery[int | None] = None,
    limit: Limit = ITEMS_DEFAULT,
    cursor: FromQuery[str | None] = None,
) -> Items[Ordered]:
    """Orders, newest first: of some states, of a terminal and its meters."""
    at = position_of(cursor)
    if terminal is not None and not 0 < terminal <= NUMBER_MAX:
        raise NotFoundException(f"terminal {terminal}")
    found, total = site.orders.find(
        states=states or (), terminal_id=terminal, areas=caller.scope(), limit=limit, offset=at
    )
    more = cursor_of(at + limit) if found and at + limit < total else None
    return Items([Ordered.of(each) for each in found], more)


@post("/meters/{meter_id:int}/commands", status_code=202, opt=needs(Right.CONTROL))
async def command_meter(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    meter_id: FromPath[int],
    data: JSONBody[Command],
    key: Key = "",
) -> Ordered:
    """Order anything of a meter: clock, relay (waits for a second person), parameter, reading."""
    terms = Terms(key, data.deadline_s, data.patient, data.tries)
    site.meter(meter_id)
    number = await placed(site.orders.to_meter(meter_id, data.order, caller.name, terms))
    return Ordered.of(site.order(number))


@post("/terminals/{terminal_id:int}/commands", status_code=202, opt=needs(Right.CONTROL))
async def command_terminal(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    terminal_id: FromPath[int],
    data: JSONBody[Command],
    key: Key = "",
) -> Ordered:
    """Order anything of a terminal: clock, parameters, archive, reading plan, report task, file."""
    terms = Terms(key, data.deadline_s, data.patient, data.tries)
    number = await placed(site.orders.to_terminal(terminal_id, data.order, caller.name, terms))
    return Ordered.of(site.order(number))


@post("/terminals/{terminal_id:int}/comparison", status_code=202, opt=needs(Right.ORDER))
async def compare_terminal(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    terminal_id: FromPath[int],
    key: Key = "",
) -> Ordered:
    """Have the meters that a terminal knows compared with the archive; changes nothing."""
    order = site.orders.to_terminal(terminal_id, CompareArchive(), caller.name, Terms(key))
    return Ordered.of(site.order(await placed(order)))


@post("/orders/{order_id:int}/approval", status_code=200, opt=needs(Right.APPROVE))
async def approve_order(
    site: NamedDependency[Site], caller: NamedDependency[Caller], order_id: FromPath[int]
) -> Ordered:
    """Agree to an order that another person has placed."""
    site.order(order_id)
    return Ordered.of(await placed(site.orders.approve(order_id, caller.name)))


@post("/orders/{order_id:int}/cancellation", status_code=200, opt=needs(Right.ORDER))
async def cancel_order(
    site: NamedDependency[Site], caller: NamedDependency[Caller], order_id: FromPath[int]
) -> Ordered:
    """Take back an order that was not sent yet."""
    site.order(order_id)
    return Ordered.of(await placed(site.orders.cancel(order_id, caller.name)))


@post("/files", status_code=201, **once(Right.CONTROL), request_max_body_size=FILE_BYTES_MAX)
async def keep_file(
    request: Request[Any, Any, Any],
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    name: Annotated[str, QueryParameter(max_length=200)] = "",
) -> KeptFile:
    """Keep the body of the request as a file that orders can send; the same file twice is one."""
    body = await request.body()
    return KeptFile(await placed(site.orders.keep_file(name, body, caller.name)), len(body))


@get("/tasks", sync_to_thread=True, opt=needs(Right.SEE))
def tasks(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    limit: Limit = ITEMS_DEFAULT,
    cursor: FromQuery[str | None] = None,
) -> Items[TaskShown]:
    """Tasks, newest first."""
    at = position_of(cursor)
    found, total = site.tasks.find(caller.scope(), limit, at)
    more = cursor_of(at + limit) if found and at + limit < total else None
    return Items([TaskShown.of(each) for each in found], more)


@post("/tasks", status_code=202, opt=needs(Right.ORDER))
async def make_task(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    data: JSONBody[NewTask],
    key: Key = "",
) -> TaskShown:
    """Order one thing of many; what changes devices needs the right to do so."""
    right = right_for(caller, kind_of(data.order))
    plan = Plan(data.order, data.scope, data.name, data.deadline_s, data.tries, key)
    number = await placed(site.tasks.make(plan, caller.name, allowed=caller.scope(right)))
    return TaskShown.of(visible_task(site, caller, number))


@get("/tasks/{task_id:int}", sync_to_thread=True, opt=needs(Right.SEE))
def task(
    site: NamedDependency[Site], caller: NamedDependency[Caller], task_id: FromPath[int]
) -> TaskShown:
    """A task, how far it has come, and why orders of it came to nothing."""
    return TaskShown.of(visible_task(site, caller, task_id))


@get("/tasks/{task_id:int}/results", sync_to_thread=True, opt=needs(Right.SEE))
def task_results(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    task_id: FromPath[int],
    states: Annotated[list[OrderState] | None, QueryParameter(name="state")] = None,
    limit: Limit = ITEMS_MAX,
    cursor: FromQuery[str | None] = None,
) -> Items[Result]:
    """What every order of a task has brought, a line for each register."""
    visible_task(site, caller, task_id)
    at = position_of(cursor)
    found = site.tasks.lines(
        task_id, caller.scope(), states=states or (), limit=limit + 1, offset=at
    )
    more = cursor_of(at + limit) if len(found) > limit else None
    return Items([Result.of(each) for each in found[:limit]], more)


@post("/tasks/{task_id:int}/pause", status_code=200, opt=needs(Right.ORDER))
async def pause_task(
    site: NamedDependency[Site], caller: NamedDependency[Caller], task_id: FromPath[int]
) -> TaskShown:
    """Send nothing more of a task for now."""
    changeable_task(site, caller, task_id)
    await placed(site.tasks.pause(task_id, caller.name))
    return TaskShown.of(visible_task(site, caller, task_id))


@post("/tasks/{task_id:int}/resumption", status_code=200, opt=needs(Right.ORDER))
async def resume_task(
    site: NamedDependency[Site], caller: NamedDependency[Caller], task_id: FromPath[int]
) -> TaskShown:
    """Go on with a paused task."""
    changeable_task(site, caller, task_id)
    await placed(site.tasks.resume(task_id, caller.name))
    return TaskShown.of(visible_task(site, caller, task_id))


@post("/tasks/{task_id:int}/cancellation", status_code=200, opt=needs(Right.ORDER))
async def cancel_task(
    site: NamedDependency[Site], caller: NamedDependency[Caller], task_id: FromPath[int]
) -> TaskShown:
    """Take back every order of a task that was not sent yet."""
    changeable_task(site, caller, task_id)
    await placed(site.tasks.cancel(task_id, caller.name))
    return TaskShown.of(visible_task(site, caller, task_id))


@post("/tasks/{task_id:int}/retry", status_code=202, **once(Right.ORDER))
async def retry_task(
    site: NamedDependency[Site], caller: NamedDependency[Caller], task_id: FromPath[int]
) -> TaskShown:
    """Make a new task of the orders that came to nothing."""
    known = changeable_task(site, caller, task_id)
    allowed = caller.scope(right_for(caller, known.kind))
    order = site.tasks.retry(task_id, caller.name, allowed=allowed)
    return TaskShown.of(visible_task(site, caller, await placed(order)))


ROUTES = (
    orders,
    command_meter,
    command_terminal,
    compare_terminal,
    approve_order,
    cancel_order,
    keep_file,
    tasks,
    make_task,
    task,
    task_results,
    pause_task,
    resume_task,
    cancel_task,
    retry_task,
)
