"""Work and orders of handhelds over the API: give, watch, recall; order, agree, recall."""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar, cast

from litestar import get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException, ValidationException
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from kwhub.domain.errors import LocalError
from kwhub.exchange.device_messages import Operation
from kwhub.headend.api.devices import desk_of
from kwhub.headend.api.once import once
from kwhub.headend.api.site import Site
from kwhub.headend.identity.giving import GivingDesk, Round
from kwhub.headend.identity.orders import ORDER_MINUTES
from kwhub.headend.identity.progress import WorkSheet
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.vending_views import customers

__all__ = [
    "ROUTES",
    "CarriedOrder",
    "MeterState",
    "NewCarried",
    "NewRound",
    "Value",
    "WorkGiven",
    "WorkState",
    "approve_carried_order",
    "carried_waiting",
    "give_round",
    "giving_of",
    "order_carried",
    "recall_carried_order",
    "recall_work",
    "round_of",
    "work",
]

T = TypeVar("T")

DEVICES = needs(Right.DEVICES)
_SPLIT: Final = re.compile(r"[\s,;，；、]+")


class NewRound(Struct, forbid_unknown_fields=True):
    """The body of a round: its meters by address, what the device may do there, how often, how long."""

    meters: tuple[str, ...]
    allow: tuple[str, ...] = ("read",)
    uses: int = 3
    hours: int | None = None
    note: str = ""
    registers: tuple[str, ...] = ()


class WorkGiven(Struct):
    """Number of a work order."""

    work: int


class Value(Struct):
    """What a register showed."""

    register: str
    value: Decimal | None
    unit: str
    at: datetime


class MeterState(Struct):
    """A meter of a work order; ``values`` is empty until readings of it were taken."""

    meter: str
    terminal: str
    uses: int
    used: int
    values: list[Value]


class WorkState(Struct):
    """A work order with its progress."""

    work: int
    device: str
    kind: str
    note: str
    state: str
    by: str
    created_at: datetime
    not_after: datetime
    finished_at: datetime | None
    total: int
    read: int
    meters: list[MeterState]

    @classmethod
    def of(cls, sheet: WorkSheet) -> "WorkState":
        """From the store."""
        meters = [
            MeterState(
                each.meter.address,
                each.meter.terminal,
                each.uses,
                each.used,
                [Value(*value) for value in each.values],
            )
            for each in sheet.lines
        ]
        return cls(
            sheet.id,
            sheet.device,
            sheet.kind,
            sheet.note,
            sheet.state,
            sheet.by,
            sheet.created_at,
            sheet.not_after,
            sheet.finished_at,
            len(meters),
            sheet.read,
            meters,
        )


class NewCarried(Struct, forbid_unknown_fields=True):
    """The body of an order that a handheld carries."""

    meter: str
    operation: str
    detail: str = ""
    minutes: int = ORDER_MINUTES


class CarriedOrder(Struct):
    """An order that waits for a second person."""

    order: int
    device: str
    meter: str
    operation: str
    detail: str
    by: str
    created_at: datetime
    not_after: datetime


@post("/devices/{name:str}/work", sync_to_thread=True, **once(Right.DEVICES))
def give_round(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    name: FromPath[str],
    data: JSONBody[NewRound],
) -> WorkGiven:
    """Give a device a round over meters; it hears of it at its next contact."""
    _known(lambda: desk_of(site).sheet(name, caller))
    wanted = Round(
        data.meters,
        cast("tuple[Operation, ...]", data.allow),  # checked by the desk
        data.uses,
        data.hours,
        data.note,
        data.registers,
    )
    return WorkGiven(_taken(lambda: giving_of(site).give(name, wanted, caller)))


@get("/device-work/{number:int}", sync_to_thread=True, opt=DEVICES)
def work(
    site: NamedDependency[Site], caller: NamedDependency[Caller], number: FromPath[int]
) -> WorkState:
    """A work order, and what was read of its meters."""
    return WorkState.of(_known(lambda: giving_of(site).sheet(number, caller)))


@post("/device-work/{number:int}/recall", sync_to_thread=True, status_code=200, opt=DEVICES)
def recall_work(
    site: NamedDependency[Site], caller: NamedDependency[Caller], number: FromPath[int]
) -> WorkState:
    """Take work back; the device hears of it at its next contact."""
    desk = giving_of(site)
    _known(lambda: desk.sheet(number, caller))
    _taken(lambda: desk.recall(number, caller))
    return WorkState.of(desk.sheet(number, caller))


@get("/device-orders", sync_to_thread=True, opt=DEVICES)
def carried_waiting(
    site: NamedDependency[Site], caller: NamedDependency[Caller]
) -> list[CarriedOrder]:
    """Orders that wait for a second person."""
    return _waiting(site, caller)


@post("/devices/{name:str}/orders", sync_to_thread=True, **once(Right.CONTROL))
def order_carried(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    name: FromPath[str],
    data: JSONBody[NewCarried],
) -> CarriedOrder:
    """Order something dangerous of one meter; no device hears of it before a second person has agreed."""
    desk = giving_of(site)
    _known(lambda: desk_of(site).sheet(name, caller))
    wanted = (data.meter, data.operation, data.detail)
    number = _taken(lambda: desk.order(name, wanted, caller, data.minutes))
    (made,) = (each for each in _waiting(site, caller) if each.order == number)
    return made


@post(
    "/device-orders/{number:int}/approve",
    sync_to_thread=True,
    status_code=200,
    opt=needs(Right.APPROVE),
)
def approve_carried_order(
    site: NamedDependency[Site], caller: NamedDependency[Caller], number: FromPath[int]
) -> WorkGiven:
    """Agree to another person's order."""
    return WorkGiven(_taken(lambda: giving_of(site).approve(number, caller)))


@post(
    "/device-orders/{number:int}/recall",
    sync_to_thread=True,
    status_code=204,
    opt=needs(Right.CONTROL),
)
def recall_carried_order(
    site: NamedDependency[Site], caller: NamedDependency[Caller], number: FromPath[int]
) -> None:
    """Take an order back, or decline it."""
    _taken(lambda: giving_of(site).recall_order(number, caller))


def _waiting(site: Site, caller: Caller) -> list[CarriedOrder]:
    return [
        CarriedOrder(
            each.id,
            each.device,
            each.meter,
            each.operation,
            each.detail,
            each.by,
            each.created_at,
            each.not_after,
        )
        for each in giving_of(site).waiting(caller)
    ]


def giving_of(site: Site) -> GivingDesk:
    """Where work is given. Raises NotFoundException: the settings have no table ``[devices]``."""
    if site.devices is None:
        raise NotFoundException("this head-end has no table [devices] in its settings")

    def prepaid() -> Collection[str]:
        if site.vending is None:
            return ()
        with site.vending.books() as store:
            return {each.meter for each in customers(store)}

    return GivingDesk(site.devices, prepaid)


def round_of(fields: Mapping[str, Collection[str]]) -> Round:
    """A round of the fields of a form; addresses may be ticked and typed. Raises LocalError: a number is none."""
    typed = [each for text in fields["addresses"] for each in _SPLIT.split(text) if each]
    registers = [each for text in fields["register"] for each in _SPLIT.split(text) if each]
    return Round(
        (*fields["meter"], *typed),
        cast("tuple[Operation, ...]", tuple(fields["allow"])),  # checked by the desk
        _number(fields["uses"]) or 0,
        _number(fields["hours"]),
        " ".join(fields["note"]).strip(),
        tuple(registers),
    )


def _number(texts: Collection[str]) -> int | None:
    text = " ".join(texts).strip()
    if not text:
        return None
    if not text.isdecimal() or len(text) > len(str(10**6)):
        raise LocalError(f"{text[:20]} is no number that fits here")
    return int(text)


def _known(asked: Callable[[], T]) -> T:
    try:
        return asked()
    except LocalError as error:
        raise NotFoundException(str(error)) from error


def _taken(asked: Callable[[], T]) -> T:
    try:
        return asked()
    except LocalError as error:
        raise ValidationException(str(error)) from error


ROUTES = (
    give_round,
    work,
    recall_work,
    carried_waiting,
    order_carried,
    approve_carried_order,
    recall_carried_order,
)
