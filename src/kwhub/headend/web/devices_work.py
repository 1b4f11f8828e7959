"""Pages that give handhelds work and orders: choose meters, watch a round, recall it; a second person agrees to orders."""

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, TypeVar

from litestar import get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Template

from kwhub.domain.errors import LocalError
from kwhub.headend.api.device_work import giving_of, round_of
from kwhub.headend.api.devices import desk_of
from kwhub.headend.identity.giving import (
    HOURS_MAX,
    METERS_SHOWN,
    MINUTES_MAX,
    NOTE_MAX,
    OPERATIONS_GIVEN,
    USES_MAX,
    GivingDesk,
    WaitingOrder,
)
from kwhub.headend.identity.listing import OPEN
from kwhub.headend.identity.makers import OPERATIONS
from kwhub.headend.identity.orders import ORDER_MINUTES
from kwhub.headend.identity.terminal_orders import TERMINAL_OPERATIONS
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.web.page import Page
from kwhub.headend.web.problems import declined
from kwhub.headend.web.refusals import told
from kwhub.headend.web.tables import Search

__all__ = [
    "ORDERABLE",
    "ROUTES",
    "approve_carried",
    "give_round",
    "give_work",
    "order_carried",
    "recall_carried",
    "recall_work",
    "waiting_orders",
    "work_page",
]

T = TypeVar("T")

DEVICES = needs(Right.DEVICES)

ORDERABLE = {
    "operations": (*OPERATIONS, *TERMINAL_OPERATIONS),
    "minutes": ORDER_MINUTES,
    "minutes_max": MINUTES_MAX,
}
"""What the form of an order on the page of a device needs."""

LIMITS = {
    "uses_max": USES_MAX,
    "hours_max": HOURS_MAX,
    "note_max": NOTE_MAX,
    "shown_max": METERS_SHOWN,
}


@get("/devices/{name:str}/give", sync_to_thread=True, opt=DEVICES)
def give_work(
    page: NamedDependency[Page],
    name: FromPath[str],
    area: FromQuery[str] = "",
    terminal: FromQuery[str] = "",
    search: Search = "",
) -> Template:
    """The form of a round: choose an area, a terminal or by name, and tick the meters."""
    return _form(page, name, {"area": area, "terminal": terminal, "search": search.strip()})


@post("/devices/{name:str}/give", status_code=200, opt=DEVICES)
async def give_round(page: NamedDependency[Page], name: FromPath[str]) -> Template | Redirect:
    """Give the round; leads to its page."""
    form = await page.request.form()
    asked = {each: str(form.get(each, "")) for each in ("area", "terminal", "search")}

    def given() -> Template | Redirect:
        _known(lambda: desk_of(page.site).sheet(name, page.caller))
        try:
            number = giving_of(page.site).give(name, round_of(_fields(form)), page.caller)
        except LocalError as error:
            return _form(page, name, asked, wrong=told(page.t, error))
        return Redirect(f"/device-work/{number}", status_code=303)

    return await page.site.people.offload(given)


@get("/device-work/{number:int}", sync_to_thread=True, opt=DEVICES)
def work_page(page: NamedDependency[Page], number: FromPath[int]) -> Template:
    """A work order with its progress; only that when it renews itself."""
    sheet = _known(lambda: giving_of(page.site).sheet(number, page.caller))
    context = {"sheet": sheet, "running": sheet.state == OPEN and sheet.not_after > page.site.now()}
    return page.show("device_round.html" if page.swaps == "round" else "device_work.html", context)


@post("/device-work/{number:int}/recall", sync_to_thread=True, status_code=200, opt=DEVICES)
def recall_work(page: NamedDependency[Page], number: FromPath[int]) -> Redirect:
    """Take work back."""
    desk = giving_of(page.site)
    _known(lambda: desk.sheet(number, page.caller))
    with suppress(LocalError):  # over meanwhile: the page says so
        desk.recall(number, page.caller)
    return Redirect(f"/device-work/{number}", status_code=303)


@post("/devices/{name:str}/orders", status_code=200, opt=needs(Right.CONTROL))
async def order_carried(page: NamedDependency[Page], name: FromPath[str]) -> Template | Redirect:
    """Order something dangerous of a meter, to be carried by a handheld; it waits for a second person."""
    form = await page.request.form()
    wanted = tuple(str(form.get(each, "")).strip() for each in ("meter", "operation", "detail"))
    minutes = str(form.get("minutes", ""))

    def ordered() -> Template | Redirect:
        desk = giving_of(page.site)
        _known(lambda: desk_of(page.site).sheet(name, page.caller))
        try:
            lasts = int(minutes) if minutes.isdecimal() else 0
            desk.order(name, (wanted[0], wanted[1], wanted[2]), page.caller, lasts)
        except LocalError as error:
            return declined(page, str(error), f"/devices/{name}")
        return Redirect(f"/devices/{name}", status_code=303)

    return await page.site.people.offload(ordered)


@post(
    "/device-orders/{number:int}/approve",
    sync_to_thread=True,
    status_code=200,
    opt=needs(Right.APPROVE),
)
def approve_carried(page: NamedDependency[Page], number: FromPath[int]) -> Template | Redirect:
    """Agree to another person's order; leads to the work that goes with it."""
    try:
        work = giving_of(page.site).approve(number, page.caller)
    except LocalError as error:
        return declined(page, str(error), "/devices")
    return Redirect(f"/device-work/{work}", status_code=303)


@post(
    "/device-orders/{number:int}/recall",
    sync_to_thread=True,
    status_code=200,
    opt=needs(Right.CONTROL),
)
def recall_carried(page: NamedDependency[Page], number: FromPath[int]) -> Template | Redirect:
    """Take an order back, or decline it."""
    try:
        giving_of(page.site).recall_order(number, page.caller)
    except LocalError as error:
        return declined(page, str(error), "/devices")
    return Redirect("/devices", status_code=303)


def waiting_orders(page: Page, name: str = "") -> list[WaitingOrder]:
    """Orders that wait for a second person, of one device or of all that the reader handles."""
    found = giving_of(page.site).waiting(page.caller)
    return [each for each in found if name in {"", each.device}]


def _form(page: Page, name: str, asked: dict[str, str], *, wrong: str = "") -> Template:
    sheet = _known(lambda: desk_of(page.site).sheet(name, page.caller))
    desk: GivingDesk = giving_of(page.site)
    context: dict[str, object] = {
        "device": sheet.device,
        "asked": asked,
        "found": desk.candidates(page.caller, **asked),
        "operations": [each for each, right in OPERATIONS_GIVEN.items() if page.caller.may(right)],
        "hours": page.site.devices and page.site.devices.registry.rules.offline_hours,
        "wrong": wrong,
        **LIMITS,
    }
    return page.show("device_give.html", context, status_code=400 if wrong else 200)


def _fields(form: Any) -> dict[str, Collection[str]]:
    """What a form says, each field as often as it is there."""
    names = ("meter", "addresses", "allow", "uses", "hours", "note", "register")
    return {name: [str(each) for each in form.getall(name, [])] for name in names}


def _known(work: Callable[[], T]) -> T:
    try:
        return work()
    except LocalError as error:
        raise NotFoundException(str(error)) from error


ROUTES = (
    give_work,
    give_round,
    work_page,
    recall_work,
    order_carried,
    approve_carried,
    recall_carried,
)
