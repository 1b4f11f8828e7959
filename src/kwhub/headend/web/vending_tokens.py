"""Tokens of twenty digits at the counter: sell one, list them, show one again for whoever has lost it."""

from collections.abc import Mapping
from typing import Final

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromQuery
from litestar.response import Redirect, Template

from kwhub.domain.errors import KwhubError
from kwhub.headend.api.vending import meters_of, vending_of
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.vending_service import hundredths
from kwhub.headend.vending_tokens import Wanted
from kwhub.headend.vending_views import token_sale, token_sales
from kwhub.headend.web.page import Page, query
from kwhub.headend.web.quality_forms import form_of
from kwhub.headend.web.refusals import told
from kwhub.headend.web.sheets import table_file
from kwhub.headend.web.tables import ROWS_PER_FILE, ROWS_PER_PAGE, Head, Listing, PageNumber
from kwhub.headend.web.vending import money

__all__ = ["COLUMNS", "ROUTES", "sell_token", "token_page", "tokens_file", "tokens_page"]

COLUMNS: Final = (
    *("payment", "meter", "customer", "name", "kwh", "amount", "operator", "identifier", "at"),
)
"""Columns of the file; their names never change. The digits stand on the receipt only."""

HEADS: Final = (
    Head("payment"),
    Head("meter"),
    Head("customer"),
    Head("kwh", numeric=True),
    Head("amount", numeric=True),
    Head("operator"),
    Head("at"),
)
SELL: Final = needs(Right.SELL)


@get("/vending/tokens", sync_to_thread=True, opt=SELL)
def tokens_page(
    page: NamedDependency[Page], meter: FromQuery[str] = "", number: PageNumber = 1
) -> Template:
    """Sell a token, and see which were sold."""
    return _shown(page, {"meter": meter}, number=number)


@get(["/vending/tokens.csv", "/vending/tokens.xlsx"], opt=SELL)
async def tokens_file(page: NamedDependency[Page]) -> Response[str] | Response[bytes]:
    """Every token that was sold, as a file, without its digits."""

    def made() -> Response[str] | Response[bytes]:
        meters = meters_of(page.site, page.caller)
        with vending_of(page.site).books() as books:
            found, _ = token_sales(books, meters=meters, limit=ROWS_PER_FILE)
        rows = (
            (
                *(one.sale.payment, one.sale.meter, one.sale.customer, one.name),
                *(str(one.sale.units), money(one.sale.amount), one.sale.operator),
                *(one.sale.identifier, one.sale.at),
            )
            for one in found
        )
        return table_file(page.request, "tokens", COLUMNS, rows)

    return await page.site.people.offload(made)


@post("/vending/tokens", status_code=200, opt=SELL)
async def sell_token(page: NamedDependency[Page]) -> Redirect | Template:
    """Sell a token and show it; the same payment again shows the same token."""
    form, site = await form_of(page), page.site
    service = vending_of(site)

    def work() -> Redirect | Template:
        meter, payment = form.get("meter", ""), form.get("payment", "")
        meters = meters_of(site, page.caller)
        if meters is not None and meter not in meters:
            raise NotFoundException(f"meter {meter}")
        try:
            amount = hundredths(form.get("amount", ""))
            wanted = Wanted(meter, amount, page.who, payment, form.get("tariff", ""))
            service.sell_token(wanted, page.who)
        except KwhubError as error:
            return _shown(page, form, wrong=told(page.t, error))
        return Redirect(f"/vending/token{query(payment=payment)}", status_code=303)

    return await site.people.offload(work)


@get("/vending/token", sync_to_thread=True, opt=SELL)
def token_page(page: NamedDependency[Page], payment: FromQuery[str] = "") -> Template:
    """The receipt of a token with its digits, for the printer; again for whoever has lost it."""
    with vending_of(page.site).books() as books:
        one = token_sale(books, payment)
    meters = meters_of(page.site, page.caller)
    if one is None or (meters is not None and one.sale.meter not in meters):
        raise NotFoundException(f"payment {payment}")
    digits = one.sale.token
    groups = " ".join(digits[place : place + 4] for place in range(0, len(digits), 4))
    return page.show("vending_token.html", {"one": one, "groups": groups, "money": money})


def _shown(page: Page, form: Mapping[str, str], *, number: int = 1, wrong: str = "") -> Template:
    service, offset = vending_of(page.site), (number - 1) * ROWS_PER_PAGE
    with service.books() as books:
        found, total = token_sales(
            books,
            meters=meters_of(page.site, page.caller),
            limit=ROWS_PER_PAGE,
            offset=offset,
        )
        tariffs = sorted(books.prices)
    listed = Listing(
        path="/vending/tokens", heads=HEADS, asked={}, rows=found, total=total, page=number
    )
    context = {
        "listed": listed,
        "form": form,
        "wrong": wrong,
        "tariffs": tariffs,
        "may_sell": bool(service.settings.token_keys),
        "money": money,
        "tab": "tokens",
    }
    return page.show("vending_tokens.html", context, status_code=400 if wrong else 200)


ROUTES = (tokens_page, tokens_file, sell_token, token_page)
