"""Bills over the API: tariffs, statements with their readings, payments, forecasts."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

from litestar import get, post, put
from litestar.di import NamedDependency
from litestar.exceptions import (
    ClientException,
    NotFoundException,
    PermissionDeniedException,
)
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Struct

from kwhub.domain.errors import KwhubError
from kwhub.headend.api.once import once
from kwhub.headend.api.paging import ITEMS_DEFAULT, ITEMS_MAX, cursor_of, position_of
from kwhub.headend.api.shapes import Items
from kwhub.headend.api.site import Site
from kwhub.headend.billing.balances import Booked
from kwhub.headend.billing.desk import Forecast
from kwhub.headend.billing.shapes import Account, Draft, Issued
from kwhub.headend.billing.tariffs import Tariff, tariff_from
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store.database import StoreError

__all__ = [
    "ROUTES",
    "Assign",
    "BookEntry",
    "Cancel",
    "Outlook",
    "Payment",
    "Span",
    "account_book",
    "account_of",
    "assign_tariff",
    "cancel_statement",
    "forecasts",
    "issue_statement",
    "pay",
    "preview_statement",
    "put_tariff",
    "statement",
    "statements",
    "tariffs",
]

Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=ITEMS_MAX)]


class Span(Struct, forbid_unknown_fields=True):
    """First and last local day, both inclusive."""

    first: date
    last: date


class Assign(Struct, forbid_unknown_fields=True):
    """A tariff for an account from a day on; below ``low_balance`` somebody is warned."""

    code: str
    from_day: date
    low_balance: Decimal | None = None


class Payment(Struct, forbid_unknown_fields=True):
    """Money that came in; the reference makes it the same payment for ever."""

    amount: Decimal
    reference: str
    note: str = ""


class Cancel(Struct, forbid_unknown_fields=True):
    """Why a statement is taken back."""

    reason: str


class BookEntry(Struct):
    """One entry of an account's book."""

    number: int
    at: datetime
    kind: str
    amount: Decimal
    balance: Decimal
    reference: str
    by: str
    note: str

    @classmethod
    def of(cls, booked: Booked) -> "BookEntry":
        """From what is stored."""
        entry = booked.entry
        return cls(
            booked.number,
            booked.at,
            entry.kind,
            entry.amount,
            booked.balance,
            entry.reference,
            booked.by,
            entry.note,
        )


class Outlook(Struct):
    """How long a balance will last; None is "not known"."""

    account_id: int
    number: str
    customer: str
    balance: Decimal
    low_balance: Decimal | None
    day_kwh: Decimal | None
    days_left: int | None
    is_low: bool

    @classmethod
    def of(cls, one: Forecast) -> "Outlook":
        """From what was computed."""
        return cls(
            one.account_id,
            one.number,
            one.customer,
            one.balance,
            one.low_balance,
            one.day_kwh,
            one.days_left,
            one.is_low,
        )


def account_of(site: Site, caller: Caller, account_id: int, right: Right) -> Account:
    """An account that the caller may see; raises NotFoundException."""
    try:
        own = site.billing.account(account_id)
    except KwhubError as error:
        raise NotFoundException(str(error)) from error
    if not caller.sees_area(own.area_id, right):
        raise NotFoundException(f"there is no account {account_id}")
    return own


@get("/tariffs", sync_to_thread=True, opt=needs(Right.BILL))
def tariffs(site: NamedDependency[Site]) -> dict[str, list[Tariff]]:
    """Every tariff with its versions, the oldest first."""
    return site.billing.tariffs()


@put("/tariffs", sync_to_thread=True, status_code=201, **once(Right.BILL))
def put_tariff(
    site: NamedDependency[Site], caller: NamedDependency[Caller], data: JSONBody[dict[str, Any]]
) -> Tariff:
    """Write a version of a tariff; refused when statements stand on what held until now."""
    if caller.scope(Right.BILL) is not None:
        raise PermissionDeniedException("tariffs are for all organisations")
    with _refusing():
        tariff = tariff_from(data)
        site.billing.put_tariff(tariff, by=caller.name)
    return tariff


@post("/accounts/{account_id:int}/tariff", sync_to_thread=True, **once(Right.BILL))
def assign_tariff(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    account_id: FromPath[int],
    data: JSONBody[Assign],
) -> Assign:
    """Give an account a tariff from a day on."""
    account_of(site, caller, account_id, Right.BILL)
    with _refusing():
        site.billing.assign(
            account_id, data.code, data.from_day, by=caller.name, low_balance=data.low_balance
        )
    return data


@get("/accounts/{account_id:int}/preview", sync_to_thread=True, opt=needs(Right.BILL))
def preview_statement(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    account_id: FromPath[int],
    first: FromQuery[date],
    last: FromQuery[date],
) -> Draft:
    """The statement that would be issued, with the readings behind every figure."""
    account_of(site, caller, account_id, Right.BILL)
    with _refusing():
        return site.billing.preview(account_id, site.day(first), site.day(last))


@post("/accounts/{account_id:int}/statements", sync_to_thread=True, **once(Right.BILL))
def issue_statement(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    account_id: FromPath[int],
    data: JSONBody[Span],
) -> Issued:
    """Issue the statement of a span, once: asked again, the same one is returned."""
    account_of(site, caller, account_id, Right.BILL)
    with _refusing():
        return site.billing.issue(
            account_id, site.day(data.first), site.day(data.last), by=caller.name
        )


@get("/accounts/{account_id:int}/book", sync_to_thread=True, opt=needs(Right.BILL))
def account_book(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    account_id: FromPath[int],
    limit: Limit = ITEMS_DEFAULT,
    cursor: FromQuery[str | None] = None,
) -> Items[BookEntry]:
    """The entries of an account, the newest first."""
    account_of(site, caller, account_id, Right.BILL)
    at = position_of(cursor)
    rows = site.billing.book(account_id, limit=limit + 1, offset=at)
    following = cursor_of(at + limit) if len(rows) > limit else None
    return Items([BookEntry.of(row) for row in rows[:limit]], following)


@post("/accounts/{account_id:int}/payments", sync_to_thread=True, **once(Right.BILL))
def pay(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    account_id: FromPath[int],
    data: JSONBody[Payment],
) -> BookEntry:
    """Book a payment, once for each reference."""
    account_of(site, caller, account_id, Right.BILL)
    with _refusing():
        booked = site.billing.pay(
            account_id, data.amount, data.reference, by=caller.name, note=data.note
        )
    return BookEntry.of(booked)


@get("/statements", sync_to_thread=True, opt=needs(Right.BILL))
def statements(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    limit: Limit = ITEMS_DEFAULT,
    cursor: FromQuery[str | None] = None,
    changed: FromQuery[bool] = False,  # noqa: FBT002  a parameter of the request
) -> Items[Issued]:
    """Statements, the newest first, cancelled ones among them; or only those that differ from their readings by now."""
    if changed:
        return Items(site.billing.changed(areas=caller.scope(Right.BILL), limit=limit), None)
    at = position_of(cursor)
    rows = site.billing.statements(areas=caller.scope(Right.BILL), limit=limit + 1, offset=at)
    return Items(rows[:limit], cursor_of(at + limit) if len(rows) > limit else None)


@get("/statements/{number:int}", sync_to_thread=True, opt=needs(Right.BILL))
def statement(
    site: NamedDependency[Site], caller: NamedDependency[Caller], number: FromPath[int]
) -> Issued:
    """One statement."""
    try:
        found = site.billing.statement(number)
    except KwhubError as error:
        raise NotFoundException(str(error)) from error
    if not caller.sees_area(found.draft.account.area_id, Right.BILL):
        raise NotFoundException(f"there is no statement {number}")
    return found


@post("/statements/{number:int}/cancel", sync_to_thread=True, **once(Right.BILL))
def cancel_statement(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    number: FromPath[int],
    data: JSONBody[Cancel],
) -> Issued:
    """Cancel a statement; its total goes back to the account."""
    statement.fn(site, caller, number)
    with _refusing():
        return site.billing.cancel(number, by=caller.name, reason=data.reason)


@get("/forecasts", sync_to_thread=True, opt=needs(Right.BILL))
def forecasts(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    low: FromQuery[bool] = False,  # noqa: FBT002  a parameter of the request
) -> list[Outlook]:
    """Balance, daily use and days left of every account with a tariff, the most urgent first."""
    found = site.billing.forecasts(areas=caller.scope(Right.BILL), only_low=low)
    return [Outlook.of(one) for one in found]


@contextmanager
def _refusing() -> Iterator[None]:
    """What billing refuses is told with its reason. Raises ClientException (422)."""
    try:
        yield
    except StoreError:
        raise
    except KwhubError as error:
        raise ClientException(str(error), status_code=422) from error


ROUTES = (
    tariffs,
    put_tariff,
    assign_tariff,
    preview_statement,
    issue_statement,
    account_book,
    pay,
    statements,
    statement,
    cancel_statement,
    forecasts,
)
"""Everything about bills."""
