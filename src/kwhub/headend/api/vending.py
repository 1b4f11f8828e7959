"""Prepaid purchases over the API: sell over the line, look up, cancel, compare the books."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

from litestar import get, post
from litestar.di import NamedDependency
from litestar.exceptions import ClientException, NotFoundException
from litestar.params import FromQuery, JSONBody, QueryParameter
from msgspec import Struct
from sqlalchemy import select

from kwhub.domain.errors import KwhubError
from kwhub.headend.api.paging import ITEMS_DEFAULT, ITEMS_MAX, cursor_of, position_of
from kwhub.headend.api.shapes import Items
from kwhub.headend.api.site import Site
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store import schema
from kwhub.headend.store.archive import KnownMeter
from kwhub.headend.vending_service import Compared, VendingService, hundredths
from kwhub.headend.vending_views import Sale, sale, sales

__all__ = [
    "ROUTES",
    "BookState",
    "CancelSale",
    "Sell",
    "Sold",
    "book_state",
    "cancel_sale",
    "meters_of",
    "purchases",
    "sell",
    "vending_of",
    "visible_sale",
    "wanted_meter",
]

Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=ITEMS_MAX)]
SELL = needs(Right.SELL)
_CENT = Decimal("0.01")


class Sell(Struct, forbid_unknown_fields=True):
    """A sale: the reference of its payment makes it the same sale for ever."""

    meter: str
    amount: str
    payment: str


class CancelSale(Struct, forbid_unknown_fields=True):
    """Which sale is taken back."""

    payment: str


class Sold(Struct):
    """A sale, and what the line has said to it."""

    payment: str
    meter: str
    customer: str
    name: str
    count: int
    amount: str
    operator: str
    state: str  #: reserved, issued, confirmed (the meter has signed that it has it), cancelled
    at: datetime
    outcome: str | None = None  #: of this attempt to bring it: done, already, unknown, refused
    balance: str | None = None  #: that the meter has signed just now

    @classmethod
    def of(cls, one: Sale, outcome: str | None = None, balance: int | None = None) -> "Sold":
        """From the books."""
        sold = one.purchase
        return cls(
            sold.payment,
            sold.meter,
            sold.customer,
            one.name,
            sold.count,
            f"{sold.amount * _CENT:.2f}",
            sold.operator,
            sold.state.value,
            one.at,
            outcome,
            None if balance is None else f"{balance * _CENT:.2f}",
        )


class BookState(Struct):
    """The last comparison of the books."""

    at: datetime
    trouble: str
    findings: list[dict[str, Any]]
    warnings: list[dict[str, Any]]

    @classmethod
    def of(cls, compared: Compared) -> "BookState":
        """From the counter."""
        found = [asdict(each) for each in compared.findings]
        return cls(
            compared.at, compared.trouble, found, [asdict(each) for each in compared.warnings]
        )


def vending_of(site: Site) -> VendingService:
    """The counter. Raises NotFoundException: the settings have none."""
    if site.vending is None:
        raise NotFoundException("nothing is sold from here: the settings have no [vending]")
    return site.vending


def meters_of(site: Site, caller: Caller) -> Collection[str] | None:
    """The meters that somebody may sell for; None: all, also those that no terminal reads."""
    scope = caller.scope(Right.SELL)
    if scope is None:
        return None
    meter, terminal = schema.meter, schema.terminal
    found = (
        select(meter.c.address)
        .join(terminal, meter.c.terminal_id == terminal.c.id)
        .where(meter.c.active, terminal.c.area_id.in_(scope))
    )
    with site.store.database.read() as connection:
        return set(connection.execute(found).scalars())


def wanted_meter(site: Site, caller: Caller, address: str) -> KnownMeter:
    """The meter of an address. Raises NotFoundException: there is none where the caller may sell."""
    known = site.store.archive.meters.values()
    found = next((each for each in known if each.address == address), None)
    if found is None or not caller.sees_area(site.meter(found.id).area_id, Right.SELL):
        raise NotFoundException(f"meter {address}")
    return found


def visible_sale(site: Site, caller: Caller, payment: str) -> Sale:
    """A sale by its payment. Raises NotFoundException: there is none where the caller may sell."""
    meters = meters_of(site, caller)
    with vending_of(site).books() as books:
        found = sale(books, payment)
    if found is None or (meters is not None and found.purchase.meter not in meters):
        raise NotFoundException(f"payment {payment}")
    return found


@get("/purchases", sync_to_thread=True, opt=SELL)
def purchases(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    payment: FromQuery[str] = "",
    limit: Limit = ITEMS_DEFAULT,
    cursor: FromQuery[str | None] = None,
) -> Items[Sold]:
    """Sales, the newest first; or the one of a payment."""
    service = vending_of(site)
    if payment:
        return Items([Sold.of(visible_sale(site, caller, payment))], None)
    at = position_of(cursor)
    with service.books() as books:
        found, total = sales(books, meters=meters_of(site, caller), limit=limit, offset=at)
    more = cursor_of(at + limit) if at + limit < total else None
    return Items([Sold.of(each) for each in found], more)


@post("/purchases", status_code=200, opt=SELL)
async def sell(
    site: NamedDependency[Site], caller: NamedDependency[Caller], data: JSONBody[Sell]
) -> Sold:
    """Sell for a meter and bring it there over its terminal; the same payment again brings the same purchase."""
    service = vending_of(site)
    meter = await site.people.offload(lambda: wanted_meter(site, caller, data.meter))
    try:
        bought = await service.sell(meter, hundredths(data.amount), data.payment, caller.name)
    except KwhubError as error:
        raise ClientException(str(error)) from error
    one = await site.people.offload(lambda: visible_sale(site, caller, data.payment))
    told = bought.account
    return Sold.of(one, bought.outcome.value, None if told is None else told.money)


@post("/purchases/cancel", status_code=200, opt=SELL)
async def cancel_sale(
    site: NamedDependency[Site], caller: NamedDependency[Caller], data: JSONBody[CancelSale]
) -> Sold:
    """Take a sale back that is not in the meter; the meter must have told so since it was signed."""
    service = vending_of(site)

    await site.people.offload(lambda: visible_sale(site, caller, data.payment))
    try:
        await service.cancel(data.payment, caller.name)
    except KwhubError as error:
        raise ClientException(str(error)) from error
    return Sold.of(await site.people.offload(lambda: visible_sale(site, caller, data.payment)))


@get("/purchases/books", sync_to_thread=True, opt=SELL)
def book_state(site: NamedDependency[Site], caller: NamedDependency[Caller]) -> BookState:
    """Compare sales, signatures, meters and payments now; for those who may sell everywhere."""
    if caller.scope(Right.SELL) is not None:
        raise NotFoundException("books")
    return BookState.of(vending_of(site).compare())


ROUTES = (purchases, sell, cancel_sale, book_state)
