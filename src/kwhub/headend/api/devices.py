"""Handhelds over the API: list, allocate, lock, report lost, retire, and what one could still do without us."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, TypeVar

from litestar import get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException, ValidationException
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Struct

from kwhub.domain.errors import LocalError
from kwhub.headend.api.paging import ITEMS_DEFAULT, ITEMS_MAX, cursor_of, position_of
from kwhub.headend.api.shapes import Items
from kwhub.headend.api.site import Site
from kwhub.headend.identity.records import Description, Device, Exposure
from kwhub.headend.identity.staff import DeviceDesk, HandedOut
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.rights import Right, needs

__all__ = [
    "ROUTES",
    "Close",
    "DeviceCode",
    "Exposed",
    "GrantHeld",
    "Handheld",
    "NewHandheld",
    "allocate",
    "allocate_again",
    "desk_of",
    "device",
    "device_exposure",
    "devices",
    "lock",
    "lose",
    "retire",
]

T = TypeVar("T")

DEVICES = needs(Right.DEVICES)


class Handheld(Struct):
    """A device; ``generation`` is 0 before the first use of its identity."""

    name: str
    model: str
    serial: str
    owner: str
    area: str
    state: str
    reason: str
    generation: int
    not_after: datetime | None
    seen_at: datetime | None
    allocated_at: datetime
    wrong_secrets: int

    @classmethod
    def of(cls, device: Device) -> "Handheld":
        """From the register."""
        about = device.description
        return cls(
            device.name,
            about.model,
            about.serial,
            about.owner,
            about.area,
            device.state.value,
            device.reason,
            device.generation,
            device.not_after,
            device.seen_at,
            device.allocated_at,
            device.wrong_secrets,
        )


class NewHandheld(Struct, forbid_unknown_fields=True):
    """The body of an allocation."""

    model: str = ""
    serial: str = ""
    owner: str = ""
    area: str = ""  #: code of an area; who handles devices in some areas only must name one of them


class DeviceCode(Struct):
    """What the device scans: it holds a secret, works once, and is told here and never again."""

    device: str
    until: datetime
    code: str

    @classmethod
    def of(cls, made: HandedOut) -> "DeviceCode":
        """From what the desk hands out."""
        return cls(made.allocation.device, made.allocation.until, made.text)


class Close(Struct, forbid_unknown_fields=True):
    """Why a device is locked, lost or retired."""

    reason: str = ""


class GrantHeld(Struct):
    """What may be done at a meter without the head-end, as far as the device has told."""

    meter: str
    operation: str
    uses: int
    not_after: datetime


class Exposed(Struct):
    """What a device could do at worst without the head-end."""

    device: str
    state: str
    until: datetime | None
    grants: list[GrantHeld]
    recalled_orders: list[int]

    @classmethod
    def of(cls, told: Exposure) -> "Exposed":
        """From the register."""
        grants = [
            GrantHeld(each.meter, each.operation, each.uses, each.not_after) for each in told.grants
        ]
        return cls(told.device, told.state.value, told.until, grants, list(told.orders))


@get("/devices", sync_to_thread=True, opt=DEVICES)
def devices(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    limit: Annotated[int, QueryParameter(ge=1, le=ITEMS_MAX)] = ITEMS_DEFAULT,
    cursor: FromQuery[str | None] = None,
) -> Items[Handheld]:
    """The handhelds that the caller may handle, by name."""
    at, rows = position_of(cursor), desk_of(site).devices(caller)
    part = [Handheld.of(each) for each in rows[at : at + limit]]
    return Items(part, cursor_of(at + limit) if at + limit < len(rows) else None)


@post("/devices", sync_to_thread=True, opt=DEVICES)
def allocate(
    site: NamedDependency[Site], caller: NamedDependency[Caller], data: JSONBody[NewHandheld]
) -> DeviceCode:
    """Take a device in before it is handed out; the answer holds its one-time code."""
    desk = desk_of(site)
    about = Description(data.model, data.serial, data.owner, data.area)
    return DeviceCode.of(_taken(lambda: desk.allocate(about, caller)))


@get("/devices/{name:str}", sync_to_thread=True, opt=DEVICES)
def device(
    site: NamedDependency[Site], caller: NamedDependency[Caller], name: FromPath[str]
) -> Handheld:
    """One device."""
    return Handheld.of(_known(lambda: desk_of(site).sheet(name, caller)).device)


@get("/devices/{name:str}/exposure", sync_to_thread=True, opt=DEVICES)
def device_exposure(
    site: NamedDependency[Site], caller: NamedDependency[Caller], name: FromPath[str]
) -> Exposed:
    """What a device could still do without the head-end, if it were in wrong hands now."""
    return Exposed.of(_known(lambda: desk_of(site).sheet(name, caller)).exposure)


@post("/devices/{name:str}/allocate", sync_to_thread=True, opt=DEVICES)
def allocate_again(
    site: NamedDependency[Site], caller: NamedDependency[Caller], name: FromPath[str]
) -> DeviceCode:
    """Give a device a new code, after a lock or a loss; its old identities end."""
    desk = desk_of(site)
    _known(lambda: desk.sheet(name, caller))
    return DeviceCode.of(_taken(lambda: desk.allocate_again(name, caller)))


@post("/devices/{name:str}/lock", sync_to_thread=True, status_code=200, opt=DEVICES)
def lock(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    name: FromPath[str],
    data: JSONBody[Close],
) -> Exposed:
    """Keep a device out from its next request on."""
    return _closed(site, caller, name, ("lock", data.reason))


@post("/devices/{name:str}/lose", sync_to_thread=True, status_code=200, opt=DEVICES)
def lose(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    name: FromPath[str],
    data: JSONBody[Close],
) -> Exposed:
    """Report a device lost: it is locked, and told to wipe itself when it calls."""
    return _closed(site, caller, name, ("lose", data.reason))


@post("/devices/{name:str}/retire", sync_to_thread=True, status_code=200, opt=DEVICES)
def retire(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    name: FromPath[str],
    data: JSONBody[Close],
) -> Exposed:
    """Take a device out of service for ever."""
    return _closed(site, caller, name, ("retire", data.reason))


def desk_of(site: Site) -> DeviceDesk:
    """Where devices are handled. Raises NotFoundException: the settings have no table ``[devices]``."""
    if site.devices is None:
        raise NotFoundException("this head-end has no table [devices] in its settings")
    return DeviceDesk(site.devices)


def _closed(site: Site, caller: Caller, name: str, step: tuple[str, str]) -> Exposed:
    desk = desk_of(site)
    _known(lambda: desk.sheet(name, caller))
    return Exposed.of(_taken(lambda: desk.close(name, *step, caller)))


def _known(work: Callable[[], T]) -> T:
    try:
        return work()
    except LocalError as error:
        raise NotFoundException(str(error)) from error


def _taken(work: Callable[[], T]) -> T:
    try:
        return work()
    except LocalError as error:
        raise ValidationException(str(error)) from error


ROUTES = (
    devices,
    allocate,
    device,
    device_exposure,
    allocate_again,
    lock,
    lose,
    retire,
)
