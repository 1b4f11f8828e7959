"""Tasks on pages: the list with what waits for approval, the form, one task with its results; orders of devices."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import (
    NotFoundException,
    PermissionDeniedException,
    ValidationException,
)
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Template

from kwhub.headend.api.site import readable
from kwhub.headend.api.tasks import changeable_task, right_for, visible_task
from kwhub.headend.orders.wanted import (
    CompareArchive,
    PushArchive,
    PushPlan,
    ReadRegisters,
    SetMeterClock,
    SetTerminalClock,
    SwitchRelay,
    Wanted,
    kind_of,
)
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store.task_rows import FAILURES, Task
from kwhub.headend.store.views import OrderState
from kwhub.headend.tasks.desk import Plan
from kwhub.headend.tasks.scope import Scope
from kwhub.headend.web.fleet import areas_to_choose, row_number
from kwhub.headend.web.page import Page
from kwhub.headend.web.problems import done
from kwhub.headend.web.sheets import local, table_file
from kwhub.headend.web.tables import ROWS_PER_FILE, ROWS_PER_PAGE, Head, Listing, PageNumber

__all__ = [
    "COLUMNS",
    "ROUTES",
    "TASK_COLUMNS",
    "approve",
    "cancel",
    "command_meter",
    "command_terminal",
    "make_task",
    "move_task",
    "task_file",
    "task_page",
    "task_results_page",
    "tasks_file",
    "tasks_page",
]

TASK_COLUMNS = (
    *("task", "name", "kind", "state", "total", "over", "failed"),
    *("by", "made_at", "deadline_at", "retry_of"),
)
COLUMNS = (
    *("order", "terminal", "meter", "state", "detail", "tries", "finished_at"),
    *("register", "value", "unit"),
)
"""Columns of the files; their names never change."""

TASK_HEADS = (
    *(Head("number", numeric=True), Head("name"), Head("kind"), Head("state"), Head("progress")),
    *(Head("by"), Head("made_at")),
)
LINE_HEADS = (
    *(Head("order", numeric=True), Head("terminal"), Head("meter"), Head("state"), Head("detail")),
    *(Head("register"), Head("value", numeric=True), Head("finished_at")),
)

_COMMON = ReadRegisters(tuple(map(str, readable(1)["common"])))
FOR_MANY: Mapping[str, Callable[[], Wanted]] = MappingProxyType(
    {
        "read_now": lambda: _COMMON,
        "compare_archive": CompareArchive,
        "meter_clock": SetMeterClock,
        "terminal_clock": SetTerminalClock,
        "push_archive": PushArchive,
        "push_plan": PushPlan,
    }
)
OF_METER: Mapping[str, Callable[[], Wanted]] = MappingProxyType(
    {
        "meter_clock": SetMeterClock,
        "trip": lambda: SwitchRelay("trip"),
        "permit_closing": lambda: SwitchRelay("permit_closing"),
        "close": lambda: SwitchRelay("close"),
    }
)
OF_TERMINAL: Mapping[str, Callable[[], Wanted]] = MappingProxyType(
    {
        "terminal_clock": SetTerminalClock,
        "compare_archive": CompareArchive,
        "push_archive": PushArchive,
        "push_plan": PushPlan,
    }
)
APPROVALS_SHOWN = 50


@get("/tasks", sync_to_thread=True, opt=needs(Right.SEE))
def tasks_page(page: NamedDependency[Page], number: PageNumber = 1) -> Template:
    """Tasks, the newest first; only the table when that is what changes."""
    offset = (number - 1) * ROWS_PER_PAGE
    found, total = page.site.tasks.find(page.scope, ROWS_PER_PAGE, offset)
    listed = Listing("/tasks", TASK_HEADS, {}, found, total, number)
    if page.swaps == "tasks":
        return page.show("tasks_table.html", {"listed": listed})
    waiting, _ = page.site.orders.find(
        states=(OrderState.UNAPPROVED,), areas=page.scope, limit=APPROVALS_SHOWN
    )
    context = {
        "listed": listed,
        "waiting": waiting,
        "kinds": [each for each in FOR_MANY if _allowed(page, FOR_MANY[each]())],
        "areas": areas_to_choose(page),
        "may_approve": Right.APPROVE in page.rights,
    }
    return page.show("tasks.html", context)


@get(["/tasks.csv", "/tasks.xlsx"], opt=needs(Right.SEE))
async def tasks_file(page: NamedDependency[Page]) -> Response[str] | Response[bytes]:
    """Every task as a file."""

    def made() -> Response[str] | Response[bytes]:
        zone = page.site.zone
        found, _ = page.site.tasks.find(page.scope, ROWS_PER_FILE, 0)
        rows = (
            (
                *(each.id, each.name, each.kind, each.state, each.total, each.over, each.failed),
                *(each.by, local(each.made_at, zone), local(each.deadline_at, zone)),
                each.retry_of,
            )
            for each in found
        )
        return table_file(page.request, "tasks", TASK_COLUMNS, rows)

    return await page.site.people.offload(made)


@post("/tasks", status_code=200, opt=needs(Right.ORDER))
async def make_task(page: NamedDependency[Page]) -> Redirect:
    """Make a task of what the form says."""
    form = await page.request.form()
    wanted = _wanted(page, FOR_MANY, str(form.get("kind", "")))
    right = right_for(page.caller, kind_of(wanted))
    area, addresses = row_number(str(form.get("area", ""))), str(form.get("addresses", ""))
    reach = page.caller.scope(right)
    named = partial(page.site.tasks.meters_of, addresses, reach)
    meters = await done(page.site.people.offload(named), "/tasks")
    scope = Scope(areas=(area,) if area else (), meters=meters)
    plan = Plan(wanted, scope, str(form.get("name", "")).strip())
    made = page.site.tasks.make(plan, page.who, allowed=reach)
    return Redirect(f"/tasks/{await done(made, '/tasks')}", status_code=303)


@get("/tasks/{task_id:int}", sync_to_thread=True, opt=needs(Right.SEE))
def task_page(
    page: NamedDependency[Page], task_id: FromPath[int], failed: FromQuery[str] = ""
) -> Template:
    """One task: progress, why orders failed, and the beginning of the table of results."""
    return _shown(page, task_id, failed, 1)


@get("/tasks/{task_id:int}/results", sync_to_thread=True, opt=needs(Right.SEE))
def task_results_page(
    page: NamedDependency[Page],
    task_id: FromPath[int],
    failed: FromQuery[str] = "",
    number: PageNumber = 1,
) -> Template:
    """The same with another page of the table."""
    return _shown(page, task_id, failed, number)


def _shown(page: Page, task_id: int, failed: str, number: int) -> Template:
    task = visible_task(page.site, page.caller, task_id)
    states = FAILURES if failed else ()
    offset = (number - 1) * ROWS_PER_PAGE
    lines = page.site.tasks.lines(
        task_id, page.scope, states=states, limit=ROWS_PER_PAGE + 1, offset=offset
    )
    shown = lines[:ROWS_PER_PAGE]
    listed = Listing(
        f"/tasks/{task_id}/results",
        LINE_HEADS,
        {"failed": 1 if failed else None},
        shown,
        offset + len(lines),
        number,
    )
    context = {
        "task": task,
        "listed": listed,
        "failed": bool(failed),
        "running": task.state in {"running", "paused"},
        "may": _changeable(page, task),
    }
    return page.show("task_state.html" if page.swaps == "task" else "task.html", context)


@get(
    ["/tasks/{task_id:int}/results.csv", "/tasks/{task_id:int}/results.xlsx"],
    opt=needs(Right.SEE),
)
async def task_file(
    page: NamedDependency[Page], task_id: FromPath[int], failed: FromQuery[str] = ""
) -> Response[str] | Response[bytes]:
    """Every result of a task as a file."""

    def made() -> Response[str] | Response[bytes]:
        visible_task(page.site, page.caller, task_id)
        rows = _rows(page, task_id, FAILURES if failed else ())
        return table_file(page.request, f"task-{task_id}", COLUMNS, rows)

    return await page.site.people.offload(made)


@post("/tasks/{task_id:int}/{step:str}", status_code=200, opt=needs(Right.ORDER))
async def move_task(
    page: NamedDependency[Page], task_id: FromPath[int], step: FromPath[str]
) -> Redirect:
    """Pause, resume or cancel a task, or repeat what failed."""
    known, tasks = changeable_task(page.site, page.caller, task_id), page.site.tasks
    here = f"/tasks/{task_id}"
    steps = {"pause": tasks.pause, "resume": tasks.resume, "cancel": tasks.cancel}
    if step == "retry":
        allowed = page.caller.scope(right_for(page.caller, known.kind))
        task_id = await done(tasks.retry(task_id, page.who, allowed=allowed), here)
    elif step in steps:
        await done(steps[step](task_id, page.who), here)
    else:
        raise NotFoundException(step)
    return Redirect(f"/tasks/{task_id}", status_code=303)


@post("/meters/{meter_id:int}/commands", status_code=200, opt=needs(Right.CONTROL))
async def command_meter(page: NamedDependency[Page], meter_id: FromPath[int]) -> Redirect:
    """Order something of a meter that changes it."""
    kind = str((await page.request.form()).get("command", ""))
    page.site.meter(meter_id)
    order = page.site.orders.to_meter(meter_id, _wanted(page, OF_METER, kind), page.who)
    number = await done(order, f"/meters/{meter_id}")
    return Redirect(f"/orders/{number}", status_code=303)


@post("/terminals/{terminal_id:int}/commands", status_code=200, opt=needs(Right.CONTROL))
async def command_terminal(page: NamedDependency[Page], terminal_id: FromPath[int]) -> Redirect:
    """Order something of a terminal."""
    kind = str((await page.request.form()).get("command", ""))
    order = page.site.orders.to_terminal(terminal_id, _wanted(page, OF_TERMINAL, kind), page.who)
    number = await done(order, f"/terminals/{terminal_id}")
    return Redirect(f"/orders/{number}", status_code=303)


@post("/orders/{order_id:int}/approve", status_code=200, opt=needs(Right.APPROVE))
async def approve(page: NamedDependency[Page], order_id: FromPath[int]) -> Redirect:
    """Agree to another person's order."""
    page.site.order(order_id)
    here = f"/orders/{order_id}"
    await done(page.site.orders.approve(order_id, page.who), here)
    return Redirect(here, status_code=303)


@post("/orders/{order_id:int}/cancel", status_code=200, opt=needs(Right.ORDER))
async def cancel(page: NamedDependency[Page], order_id: FromPath[int]) -> Redirect:
    """Take back an order that was not sent."""
    page.site.order(order_id)
    here = f"/orders/{order_id}"
    await done(page.site.orders.cancel(order_id, page.who), here)
    return Redirect(here, status_code=303)


def _wanted(page: Page, kinds: Mapping[str, Callable[[], Wanted]], kind: str) -> Wanted:
    """What a button of the page stands for. Raises ValidationException."""
    if kind not in kinds:
        raise ValidationException(page.t("tasks.no_kind"))
    return kinds[kind]()


def _allowed(page: Page, wanted: Wanted) -> bool:
    try:
        right_for(page.caller, kind_of(wanted))
    except PermissionDeniedException:
        return False
    return True


def _changeable(page: Page, task: Task) -> bool:
    try:
        changeable_task(page.site, page.caller, task.id)
    except PermissionDeniedException:
        return False
    return True


def _rows(page: Page, task_id: int, states: Sequence[OrderState]) -> Iterator[Sequence[object]]:
    zone = page.site.zone
    for each in page.site.tasks.lines(task_id, page.scope, states=states, limit=ROWS_PER_FILE):
        yield (
            *(each.order_id, each.terminal, each.address, each.state.value, each.detail),
            *(each.tries, local(each.finished_at, zone), each.register, each.value, each.unit),
        )


ROUTES = (
    tasks_page,
    tasks_file,
    make_task,
    task_page,
    task_results_page,
    task_file,
    move_task,
    command_meter,
    command_terminal,
    approve,
    cancel,
)
