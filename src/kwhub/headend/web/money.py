"""Bills: accounts with their balances, statements from preview to cancel, payments; every figure leads to readings."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import quote

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Template

from kwhub.domain.errors import KwhubError
from kwhub.headend.api.money import account_of
from kwhub.headend.api.site import NUMBER_MAX
from kwhub.headend.billing.paper import CSV_COLUMNS, csv_rows, html_of, line_words, pdf_of
from kwhub.headend.billing.shapes import Account, Draft, Issued
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.web.fleet import areas_to_choose, row_number
from kwhub.headend.web.page import Page
from kwhub.headend.web.quality_around import decimal_of
from kwhub.headend.web.quality_forms import day_of, form_of, known_day, register_name
from kwhub.headend.web.refusals import told
from kwhub.headend.web.sheets import table_file
from kwhub.headend.web.tables import ROWS_PER_FILE, ROWS_PER_PAGE, Head, Listing, PageNumber

__all__ = [
    "BALANCE_COLUMNS",
    "ROUTES",
    "account_page",
    "assign_tariff",
    "balances_file",
    "balances_page",
    "book_payment",
    "cancel_statement",
    "issue_all",
    "issue_one",
    "statement_file",
    "statement_page",
    "statement_pdf",
    "statements_page",
]

BALANCE_COLUMNS = (
    *("account", "customer", "balance", "low_balance", "is_low", "kwh_a_day", "days_left"),
)
"""Columns of the file; their names never change."""

BALANCE_HEADS = (
    Head("account"),
    Head("customer"),
    Head("balance", numeric=True),
    Head("low", numeric=True),
    Head("day_kwh", numeric=True),
    Head("days_left", numeric=True),
)
STATEMENT_HEADS = (
    Head("number", numeric=True),
    Head("account"),
    Head("customer"),
    Head("span"),
    Head("kwh", numeric=True),
    Head("total", numeric=True),
    Head("issued"),
    Head("state"),
)
BILL = needs(Right.BILL)
_DAY = timedelta(days=1)


@get("/bills", sync_to_thread=True, opt=BILL)
def balances_page(
    page: NamedDependency[Page], low: FromQuery[str] = "", number: PageNumber = 1
) -> Template:
    """Every account with a tariff: balance, daily use, days left; the most urgent first."""
    scope = page.caller.scope(Right.BILL)
    found = page.site.billing.forecasts(areas=scope, only_low=low == "1")
    offset = (number - 1) * ROWS_PER_PAGE
    listed = Listing(
        path="/bills",
        heads=BALANCE_HEADS,
        asked={"low": low if low == "1" else None},
        rows=found[offset : offset + ROWS_PER_PAGE],
        total=len(found),
        page=number,
    )
    accounts = page.site.archive.lists.page("account", areas=scope, limit=ROWS_PER_FILE).items
    known = {one.account_id for one in found}
    context = {
        "listed": listed,
        "low": low == "1",
        "warned": sum(one.is_low for one in found),
        "without": [] if low == "1" else [a for a in accounts if int(a["id"]) not in known][:50],
        "tab": "balances",
    }
    return page.show("money.html", context)


@get(["/bills.csv", "/bills.xlsx"], opt=BILL)
async def balances_file(
    page: NamedDependency[Page], low: FromQuery[str] = ""
) -> Response[str] | Response[bytes]:
    """The balances as a file."""

    def made() -> Response[str] | Response[bytes]:
        scope = page.caller.scope(Right.BILL)
        rows = (
            (
                *(one.number, one.customer, one.balance, one.low_balance, int(one.is_low)),
                *(one.day_kwh, one.days_left),
            )
            for one in page.site.billing.forecasts(areas=scope, only_low=low == "1")
        )
        return table_file(page.request, "balances", BALANCE_COLUMNS, rows)

    return await page.site.people.offload(made)


@get("/bills/accounts/{account:int}", sync_to_thread=True, opt=BILL)
def account_page(
    page: NamedDependency[Page],
    account: FromPath[int],
    first: FromQuery[str] = "",
    last: FromQuery[str] = "",
) -> Template:
    """One account: book, statements, and the statement that would be issued for a span."""
    return _account(page, _own(page, account), {"first": first, "last": last})


@post("/bills/accounts/{account:int}/issue", status_code=200, opt=BILL)
async def issue_one(page: NamedDependency[Page], account: FromPath[int]) -> Redirect | Template:
    """Issue the statement of a span, once."""
    form = await form_of(page)

    def work(own: Account) -> str:
        first, last = day_of(page, form, "first"), day_of(page, form, "last")
        made = page.site.billing.issue(own.id, first, last, by=page.who)
        return f"/bills/statements/{made.id}"

    return await _done(page, account, form, work)


@post("/bills/accounts/{account:int}/pay", status_code=200, opt=BILL)
async def book_payment(page: NamedDependency[Page], account: FromPath[int]) -> Redirect | Template:
    """Book a payment, or a correction in either direction."""
    form = await form_of(page)

    def work(own: Account) -> str:
        amount, reference = decimal_of(form.get("amount", "")), form.get("reference", "")
        note = form.get("note", "")
        desk = page.site.billing
        book: Callable[..., Any] = desk.adjust if form.get("kind") == "adjustment" else desk.pay
        book(own.id, amount, reference, by=page.who, note=note)
        return f"/bills/accounts/{own.id}"

    return await _done(page, account, form, work)


@post("/bills/accounts/{account:int}/tariff", status_code=200, opt=BILL)
async def assign_tariff(page: NamedDependency[Page], account: FromPath[int]) -> Redirect | Template:
    """Give an account a tariff from a day on, and the balance below which it is warned."""
    form = await form_of(page)

    def work(own: Account) -> str:
        day = day_of(page, form, "from_day")
        low = form.get("low_balance", "")
        bound = decimal_of(low) if low else None
        code = form.get("code", "")
        page.site.billing.assign(own.id, code, day, by=page.who, low_balance=bound)
        return f"/bills/accounts/{own.id}"

    return await _done(page, account, form, work)


@get("/bills/statements", sync_to_thread=True, opt=BILL)
def statements_page(page: NamedDependency[Page], number: PageNumber = 1) -> Template:
    """Statements, the newest first; and the form that issues them for an area or for all."""
    return _statements(page, number)


@post("/bills/statements", status_code=200, opt=BILL)
async def issue_all(page: NamedDependency[Page]) -> Template:
    """Issue the statements of a span for every account of an area, or of all areas."""
    form = await form_of(page)

    def work() -> Template:
        try:
            first, last = day_of(page, form, "first"), day_of(page, form, "last")
        except KwhubError as error:
            return _statements(page, 1, wrong=str(error))
        scope, area = page.caller.scope(Right.BILL), row_number(form.get("area", ""))
        if area is not None:
            scope = frozenset({area}) if scope is None else scope & {area}
        run = page.site.billing.issue_all(first, last, by=page.who, areas=scope)
        refused = [(one, told(page.t, KwhubError(one.why))) for one in run.refused]
        return _statements(page, 1, run=run, refused=refused)

    return await page.site.people.offload(work)


@get("/bills/statements/{number:int}", sync_to_thread=True, opt=BILL)
def statement_page(page: NamedDependency[Page], number: FromPath[int]) -> Template:
    """One statement with the readings behind every figure."""
    return _statement(page, number)


@post("/bills/statements/{number:int}/cancel", status_code=200, opt=BILL)
async def cancel_statement(
    page: NamedDependency[Page], number: FromPath[int]
) -> Redirect | Template:
    """Cancel a statement; its total goes back to the account."""
    form = await form_of(page)

    def work() -> Redirect | Template:
        _issued(page, number)
        try:
            page.site.billing.cancel(number, by=page.who, reason=form.get("reason", ""))
        except KwhubError as error:
            return _statement(page, number, wrong=told(page.t, error))
        return Redirect(f"/bills/statements/{number}", status_code=303)

    return await page.site.people.offload(work)


@get("/bills/statements/{number:int}/paper.pdf", opt=BILL)
async def statement_pdf(page: NamedDependency[Page], number: FromPath[int]) -> Response[bytes]:
    """The statement as PDF, in the language of the reader."""

    def made() -> Response[bytes]:
        one = _issued(page, number)
        html = html_of(one.draft, page.site.zone, page.t.code, one, page.site.choices.config.bills)
        name = quote(f"statement-{number}.pdf")
        headers = {"Content-Disposition": f"inline; filename*=UTF-8''{name}"}
        return Response(pdf_of(html), media_type="application/pdf", headers=headers)

    return await page.site.people.offload(made)


@get(
    ["/bills/statements/{number:int}/lines.csv", "/bills/statements/{number:int}/lines.xlsx"],
    opt=BILL,
)
async def statement_file(
    page: NamedDependency[Page], number: FromPath[int]
) -> Response[str] | Response[bytes]:
    """The statement as a file: its lines and the readings behind them."""

    def made() -> Response[str] | Response[bytes]:
        rows = csv_rows(_issued(page, number).draft, number)
        return table_file(page.request, f"statement-{number}", CSV_COLUMNS, rows)

    return await page.site.people.offload(made)


async def _done(
    page: Page, account: int, form: Mapping[str, str], work: Callable[[Account], str]
) -> Redirect | Template:
    """Carry an order about an account out; show it again with the reason when it was refused."""

    def carried_out() -> Redirect | Template:
        own = _own(page, account)
        try:
            return Redirect(work(own), status_code=303)
        except KwhubError as error:
            return _account(page, own, form, wrong=told(page.t, error))

    return await page.site.people.offload(carried_out)


def _own(page: Page, account: int) -> Account:
    if not 0 < account <= NUMBER_MAX:
        raise NotFoundException(f"account {account}")
    return account_of(page.site, page.caller, account, Right.BILL)


def _issued(page: Page, number: int) -> Issued:
    if not 0 < number <= NUMBER_MAX:
        raise NotFoundException(f"statement {number}")
    try:
        found = page.site.billing.statement(number)
    except KwhubError as error:
        raise NotFoundException(str(error)) from error
    if not page.caller.sees_area(found.draft.account.area_id, Right.BILL):
        raise NotFoundException(f"statement {number}")
    return found


def _span(page: Page, form: Mapping[str, str]) -> tuple[date, date]:
    """The span of a form; the month before unless it says otherwise."""
    end = page.site.today().replace(day=1) - _DAY
    first = known_day(page, form.get("first", ""), end.replace(day=1))
    return first, known_day(page, form.get("last", ""), end)


def _account(page: Page, own: Account, form: Mapping[str, str], *, wrong: str = "") -> Template:
    desk = page.site.billing
    first, last = _span(page, form)
    draft: Draft | None = None
    refused = ""
    if form.get("first") and not wrong:
        try:
            draft = desk.preview(own.id, first, last)
        except KwhubError as error:
            refused = told(page.t, error)
    book = desk.book(own.id)
    context: dict[str, object] = {
        "own": own,
        "first": first,
        "last": last,
        "draft": draft,
        "wrong": wrong or refused,
        "book": book,
        "balance": book[0].balance if book else Decimal(0),
        "statements": desk.statements(account_id=own.id, limit=24),
        "tariffs": sorted(desk.tariffs()),
        "today": page.site.today(),
        **_words(page),
    }
    return page.show("money_account.html", context, status_code=400 if wrong else 200)


def _statements(
    page: Page, number: int, *, run: Any = None, refused: Any = (), wrong: str = ""
) -> Template:
    scope = page.caller.scope(Right.BILL)
    offset = (number - 1) * ROWS_PER_PAGE
    found = page.site.billing.statements(areas=scope, limit=ROWS_PER_PAGE + 1, offset=offset)
    listed = Listing(
        path="/bills/statements",
        heads=STATEMENT_HEADS,
        asked={},
        rows=found[:ROWS_PER_PAGE],
        total=offset + len(found),
        page=number,
    )
    first, last = _span(page, {})
    context = {
        "listed": listed,
        "run": run,
        "refused": refused,
        "areas": areas_to_choose(page),
        "first": first,
        "last": last,
        "today": page.site.today(),
        "tab": "statements",
        "wrong": wrong,
        "changed": page.site.billing.changed(areas=scope) if number == 1 else [],
        "told": lambda why: told(page.t, KwhubError(why)),
    }
    return page.show("money_statements.html", context, status_code=400 if wrong else 200)


def _statement(page: Page, number: int, *, wrong: str = "") -> Template:
    one = _issued(page, number)
    context = {"one": one, "draft": one.draft, "wrong": wrong, **_words(page)}
    return page.show("money_statement.html", context, status_code=400 if wrong else 200)


def _words(page: Page) -> dict[str, object]:
    return {
        "line_words": partial(line_words, language=page.t.code),
        "told": lambda why: told(page.t, KwhubError(why)),
        "register_words": partial(register_name, page.t),
    }


ROUTES = (
    balances_page,
    balances_file,
    account_page,
    issue_one,
    book_payment,
    assign_tariff,
    statements_page,
    issue_all,
    statement_page,
    cancel_statement,
    statement_pdf,
    statement_file,
)
