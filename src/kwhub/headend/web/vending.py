"""The counter as pages: sell over the line, receipts, cancelling, limits, the comparison of the books, low balances."""

from collections.abc import Mapping
from typing import Final

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import ClientException, PermissionDeniedException
from litestar.params import FromQuery
from litestar.response import Redirect, Template

from kwhub.domain.errors import KwhubError
from kwhub.headend.api.vending import (
    meters_of,
    vending_of,
    visible_sale,
    wanted_meter,
)
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.vending_remote import Bought
from kwhub.headend.vending_service import hundredths
from kwhub.headend.vending_store import Customer
from kwhub.headend.vending_views import sales, sold_today
from kwhub.headend.web.page import Page, query
from kwhub.headend.web.quality_forms import form_of
from kwhub.headend.web.refusals import told
from kwhub.headend.web.sheets import table_file
from kwhub.headend.web.tables import ROWS_PER_FILE, ROWS_PER_PAGE, Head, Listing, PageNumber
from kwhub.prepay.vending import State

__all__ = [
    "COLUMNS",
    "ROUTES",
    "add_customer",
    "cancel_sale",
    "compare_books",
    "money",
    "prepaid_page",
    "receipt_page",
    "sales_file",
    "sell",
    "settle_sale",
    "vending_page",
]

COLUMNS: Final = (
    *("payment", "meter", "customer", "name", "count", "amount", "operator", "state", "at"),
)
"""Columns of the file; their names never change."""

HEADS: Final = (
    Head("payment"),
    Head("meter"),
    Head("customer"),
    Head("count", numeric=True),
    Head("amount", numeric=True),
    Head("operator"),
    Head("state"),
    Head("at"),
)
PREPAID_HEADS: Final = (
    Head("customer"),
    Head("meter"),
    Head("money", numeric=True),
    Head("told"),
    Head("a_day", numeric=True),
    Head("days_left", numeric=True),
    Head("count", numeric=True),
    Head("keys"),
)
SELL: Final = needs(Right.SELL)


@get("/vending", sync_to_thread=True, opt=SELL)
def vending_page(
    page: NamedDependency[Page], meter: FromQuery[str] = "", number: PageNumber = 1
) -> Template:
    """Sell, and see what was sold and whether the books agree."""
    return _counter(page, {"meter": meter}, number=number)


@get(["/vending.csv", "/vending.xlsx"], opt=SELL)
async def sales_file(page: NamedDependency[Page]) -> Response[str] | Response[bytes]:
    """Every sale as a file."""

    def made() -> Response[str] | Response[bytes]:
        meters = meters_of(page.site, page.caller)
        with vending_of(page.site).books() as books:
            found, _ = sales(books, meters=meters, limit=ROWS_PER_FILE)
        rows = (
            (
                *(one.purchase.payment, one.purchase.meter, one.purchase.customer, one.name),
                *(one.purchase.count, money(one.purchase.amount), one.purchase.operator),
                *(one.purchase.state.value, one.at),
            )
            for one in found
        )
        return table_file(page.request, "purchases", COLUMNS, rows)

    return await page.site.people.offload(made)


@post("/vending", status_code=200, opt=SELL)
async def sell(page: NamedDependency[Page]) -> Redirect | Template:
    """Sell for a meter and bring it there; then show the receipt."""
    form, site = await form_of(page), page.site
    service = vending_of(site)
    meter = await site.people.offload(
        lambda: wanted_meter(site, page.caller, form.get("meter", ""))
    )
    try:
        amount, payment = hundredths(form.get("amount", "")), form.get("payment", "")
        bought: Bought = await service.sell(meter, amount, payment, page.who)
    except KwhubError as error:
        why = told(page.t, error)
        return await site.people.offload(lambda: _counter(page, form, wrong=why))
    asked = query(payment=payment, outcome=bought.outcome.value)
    return Redirect(f"/vending/receipt{asked}", status_code=303)


@get("/vending/receipt", sync_to_thread=True, opt=SELL)
def receipt_page(
    page: NamedDependency[Page], payment: FromQuery[str] = "", outcome: FromQuery[str] = ""
) -> Template:
    """The receipt of a payment, for the printer, and how far the purchase has come."""
    return _receipt(page, payment, outcome)


@post("/vending/cancel", status_code=200, opt=SELL)
async def cancel_sale(page: NamedDependency[Page]) -> Redirect | Template:
    """Take a sale back that is not in the meter."""
    form = await form_of(page)
    payment = form.get("payment", "")

    offload = page.site.people.offload
    await offload(lambda: visible_sale(page.site, page.caller, payment))
    try:
        await vending_of(page.site).cancel(payment, page.who)
    except KwhubError as error:
        why = told(page.t, error)
        return await offload(lambda: _receipt(page, payment, "", wrong=why))
    return Redirect(f"/vending/receipt{query(payment=payment)}", status_code=303)


@post("/vending/settle", status_code=200, opt=SELL)
async def settle_sale(page: NamedDependency[Page]) -> Redirect | Template:
    """A second person says whether a sale has arrived that no reading can prove."""
    form = await form_of(page)
    payment, arrived = form.get("payment", ""), form.get("end", "")

    offload = page.site.people.offload
    await offload(lambda: visible_sale(page.site, page.caller, payment))
    if arrived not in ("arrived", "cancelled"):
        raise ClientException("end is arrived or cancelled")
    try:
        service = vending_of(page.site)
        await service.settle(payment, page.who, arrived=arrived == "arrived")
    except KwhubError as error:
        why = told(page.t, error)
        return await offload(lambda: _receipt(page, payment, "", wrong=why))
    return Redirect(f"/vending/receipt{query(payment=payment)}", status_code=303)


@post("/vending/customers", status_code=200, opt=SELL)
async def add_customer(page: NamedDependency[Page]) -> Redirect | Template:
    """Take a customer in, for a meter of the archive."""
    form, site = await form_of(page), page.site

    def work() -> Redirect | Template:
        meter = wanted_meter(site, page.caller, form.get("meter", ""))
        customer = Customer(form.get("customer", ""), meter.address, form.get("name", ""))
        try:
            vending_of(site).add_customer(customer, page.who)
        except KwhubError as error:
            return _counter(page, form, wrong=told(page.t, error))
        return Redirect(f"/vending{query(meter=meter.address)}", status_code=303)

    return await site.people.offload(work)


@post("/vending/compare", status_code=200, opt=SELL)
async def compare_books(page: NamedDependency[Page]) -> Redirect:
    """Compare the books now instead of at the next hour."""
    if page.caller.scope(Right.SELL) is not None:
        raise PermissionDeniedException("the books are those of all organisations")
    await page.site.people.offload(vending_of(page.site).compare)
    return Redirect("/vending", status_code=303)


@get("/vending/prepaid", sync_to_thread=True, opt=SELL)
def prepaid_page(
    page: NamedDependency[Page], low: FromQuery[str] = "", number: PageNumber = 1
) -> Template:
    """Every prepaid meter: money forecast for now, days left; the most urgent first."""
    known = vending_of(page.site).customers(meters_of(page.site, page.caller))
    found = [one for one in known if low != "1" or (one.outlook and one.outlook.is_low)]
    offset = (number - 1) * ROWS_PER_PAGE
    listed = Listing(
        path="/vending/prepaid",
        heads=PREPAID_HEADS,
        asked={"low": low if low == "1" else None},
        rows=found[offset : offset + ROWS_PER_PAGE],
        total=len(found),
        page=number,
        files=False,
    )
    warned = sum(one.outlook is not None and one.outlook.is_low for one in known)
    context = {"listed": listed, "low": low == "1", "warned": warned, "tab": "prepaid"}
    return page.show("vending_prepaid.html", context | _words())


def money(hundredths: int) -> str:
    """An amount as people write it.

    >>> money(-1205)
    '-12.05'
    """
    sign, value = ("-", -hundredths) if hundredths < 0 else ("", hundredths)
    return f"{sign}{value // 100}.{value % 100:02d}"


def _words() -> dict[str, object]:
    return {"money": money}


def _counter(page: Page, form: Mapping[str, str], *, number: int = 1, wrong: str = "") -> Template:
    service = page.site.vending
    if service is None:
        return page.show("vending_none.html", {})
    meters, settings = meters_of(page.site, page.caller), service.settings
    offset = (number - 1) * ROWS_PER_PAGE
    with service.books() as books:
        found, total = sales(books, meters=meters, limit=ROWS_PER_PAGE, offset=offset)
        totals = sold_today(books, page.who, page.site.clock.now())
    listed = Listing(path="/vending", heads=HEADS, asked={}, rows=found, total=total, page=number)
    warned = [one for one in service.customers(meters) if one.outlook and one.outlook.is_low]
    context = {
        "listed": listed,
        "form": form,
        "wrong": wrong,
        "settings": settings,
        "totals": totals,
        "warned": warned,
        "compared": service.compared if meters is None else None,
        "may_compare": meters is None,
        "tab": "sales",
    }
    return page.show("vending.html", context | _words(), status_code=400 if wrong else 200)


def _receipt(page: Page, payment: str, outcome: str, *, wrong: str = "") -> Template:
    one = visible_sale(page.site, page.caller, payment)
    outcome = outcome if f"vending.outcome_{outcome}" in page.t.table else ""
    with vending_of(page.site).books() as books:
        sold = one.purchase
        told_by_meter = books.count_of(sold.meter) >= sold.count
    is_unproven = sold.state is State.ISSUED and told_by_meter
    context = {"one": one, "outcome": outcome, "wrong": wrong, "is_unproven": is_unproven}
    return page.show("vending_receipt.html", context | _words(), status_code=400 if wrong else 200)


ROUTES = (
    vending_page,
    sales_file,
    sell,
    receipt_page,
    cancel_sale,
    settle_sale,
    add_customer,
    compare_books,
    prepaid_page,
)
