"""Pages of the handhelds: list, allocation with its code shown once, lock, loss, retirement, what one could still do."""

import re
from functools import partial

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from kwhub.domain.errors import LocalError
from kwhub.headend.api.devices import desk_of
from kwhub.headend.identity.records import Description, Device, DeviceState
from kwhub.headend.identity.staff import (
    REASON_MAX,
    STEPS,
    TEXT_MAX,
    DeviceDesk,
    DeviceSheet,
    HandedOut,
)
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.web.devices_work import ORDERABLE, waiting_orders
from kwhub.headend.web.language import Texts
from kwhub.headend.web.page import Page
from kwhub.headend.web.refusals import said, told
from kwhub.headend.web.sheets import local, table_file
from kwhub.headend.web.tables import (
    ROWS_PER_PAGE,
    Head,
    Listing,
    PageNumber,
    Search,
    StateName,
)

__all__ = [
    "COLUMNS",
    "ROUTES",
    "allocate_device",
    "allocate_device_again",
    "close_device",
    "device_page",
    "devices_file",
    "devices_page",
]

COLUMNS = (
    *("device", "model", "serial", "owner", "area", "state", "reason", "generation"),
    *("valid_until", "heard_at", "allocated_at", "wrong_secrets"),
)
"""Columns of the file; their names never change."""

HEADS = (
    Head("device"),
    Head("model"),
    Head("owner"),
    Head("area"),
    Head("state"),
    Head("generation", numeric=True),
    Head("valid"),
    Head("heard"),
)
DEVICES = needs(Right.DEVICES)
_DESCRIBED = ("model", "serial", "owner", "area")
_NEVER_KEPT = "no-store"
_COPIED = re.compile(r"generation \d+ was used again")


@get("/devices", sync_to_thread=True, opt=DEVICES)
def devices_page(
    page: NamedDependency[Page],
    search: Search = "",
    chosen: StateName = "",
    number: PageNumber = 1,
) -> Template:
    """The handhelds that the reader may handle, and the form by which one is taken in."""
    if page.site.devices is None:
        return page.show("devices_off.html", {})
    listed = _listed(page, search.strip(), chosen, number)
    if page.swaps == "devices":
        return page.show(
            "devices_table.html", {"listed": listed, "said_reason": partial(_reason, page.t)}
        )
    return _list(page, listed)


@get(["/devices.csv", "/devices.xlsx"], opt=DEVICES)
async def devices_file(
    page: NamedDependency[Page], search: Search = "", chosen: StateName = ""
) -> Response[str] | Response[bytes]:
    """The list as a file."""
    return await page.site.people.offload(partial(_file, page, search.strip(), chosen))


@post("/devices", status_code=200, opt=DEVICES)
async def allocate_device(page: NamedDependency[Page]) -> Template:
    """Take a handheld in; the page that answers shows its code, once."""
    form = await page.request.form()
    given = {name: str(form.get(name, "")).strip() for name in _DESCRIBED}

    def made() -> Template:
        listed = _listed(page, "", "", 1)
        try:
            handed = _desk(page).allocate(Description(**given), page.caller)
        except LocalError as error:
            return _list(page, listed, wrong=told(page.t, error))
        return _unkept(_list(page, _listed(page, "", "", 1), handed=handed))

    return await page.site.people.offload(made)


@get("/devices/{name:str}", sync_to_thread=True, opt=DEVICES)
def device_page(page: NamedDependency[Page], name: FromPath[str]) -> Template:
    """One handheld: its identity, what it could still do without the head-end, its work, and what may be done."""
    return _sheet(page, name)


@post("/devices/{name:str}/allocate", sync_to_thread=True, status_code=200, opt=DEVICES)
def allocate_device_again(page: NamedDependency[Page], name: FromPath[str]) -> Template:
    """Give a handheld a new code, shown once; its old identities end."""
    _sheet_of(page, name)
    try:
        handed = _desk(page).allocate_again(name, page.caller)
    except LocalError as error:
        return _sheet(page, name, wrong=told(page.t, error))
    return _unkept(_sheet(page, name, handed=handed))


@post("/devices/{name:str}/close", status_code=200, opt=DEVICES)
async def close_device(page: NamedDependency[Page], name: FromPath[str]) -> Template | Redirect:
    """Lock a handheld, report it lost, or retire it; the page of the device then says what it could still do."""
    form = await page.request.form()
    step, reason = str(form.get("step", "")), str(form.get("reason", "")).strip()

    def closed() -> Template | Redirect:
        _sheet_of(page, name)
        try:
            _desk(page).close(name, step, reason, page.caller)
        except LocalError as error:
            return _sheet(page, name, wrong=told(page.t, error))
        return Redirect(f"/devices/{name}", status_code=303)

    return await page.site.people.offload(closed)


def _desk(page: Page) -> DeviceDesk:
    return desk_of(page.site)


def _listed(page: Page, search: str, state: str, number: int) -> Listing[Device]:
    found = _found(page, search, state)
    offset = (number - 1) * ROWS_PER_PAGE
    return Listing(
        path="/devices",
        heads=HEADS,
        asked={"search": search, "state": state},
        rows=found[offset : offset + ROWS_PER_PAGE],
        total=len(found),
        page=number,
    )


def _found(page: Page, search: str, state: str) -> list[Device]:
    wanted = search.casefold()
    return [
        each
        for each in _desk(page).devices(page.caller)
        if state in {"", each.state.value} and wanted in _text(each)
    ]


def _text(device: Device) -> str:
    about = device.description
    return f"{device.name} {about.model} {about.serial} {about.owner} {about.area}".casefold()


def _list(
    page: Page, listed: Listing[Device], *, wrong: str = "", handed: HandedOut | None = None
) -> Template:
    context: dict[str, object] = {
        "listed": listed,
        "said_reason": partial(_reason, page.t),
        "states": [each.value for each in DeviceState],
        "areas": _desk(page).areas(page.caller),
        "everywhere": page.caller.scope(Right.DEVICES) is None,
        "text_max": TEXT_MAX,
        "wrong": wrong,
        "handed": handed,
        **_deciding(page),
    }
    return page.show("devices.html", context, status_code=400 if wrong else 200)


def _sheet_of(page: Page, name: str) -> DeviceSheet:
    """Everything about a device. Raises NotFoundException."""
    try:
        return _desk(page).sheet(name, page.caller)
    except LocalError as error:
        raise NotFoundException(str(error)) from error


def _sheet(page: Page, name: str, *, wrong: str = "", handed: HandedOut | None = None) -> Template:
    context: dict[str, object] = {
        "sheet": _sheet_of(page, name),
        "said_reason": partial(_reason, page.t),
        "steps": STEPS,
        "reason_max": REASON_MAX,
        "wrong": wrong,
        "handed": handed,
        **_deciding(page, name),
        **ORDERABLE,
    }
    return page.show("device.html", context, status_code=400 if wrong else 200)


def _reason(t: Texts, reason: str) -> str:
    """Why a device is kept out: what the head-end wrote in the reader's words, what a person wrote as it is."""
    return said(t, reason) if _COPIED.fullmatch(reason) else reason


def _deciding(page: Page, name: str = "") -> dict[str, object]:
    """Orders that wait for a second person, and what the reader may do about them."""
    return {
        "waiting": waiting_orders(page, name),
        "may_approve": page.caller.may(Right.APPROVE),
        "may_control": page.caller.may(Right.CONTROL),
    }


def _unkept(answer: Template) -> Template:
    """A page with a secret on it stays in no cache."""
    answer.headers["Cache-Control"] = _NEVER_KEPT
    return answer


def _file(page: Page, search: str, state: str) -> Response[str] | Response[bytes]:
    zone = page.site.zone
    rows = (
        (
            each.name,
            each.description.model,
            each.description.serial,
            each.description.owner,
            each.description.area,
            each.state.value,
            each.reason,
            each.generation,
            local(each.not_after, zone),
            local(each.seen_at, zone),
            local(each.allocated_at, zone),
            each.wrong_secrets,
        )
        for each in _found(page, search, state)
    )
    return table_file(page.request, "devices", COLUMNS, rows)


ROUTES = (
    devices_page,
    devices_file,
    allocate_device,
    device_page,
    allocate_device_again,
    close_device,
)
