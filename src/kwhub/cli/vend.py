"""``kwhub vend``: sell to cost-control meters through a medium, and keep the books."""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from cyclopts import Parameter

from kwhub.cli.counter import (
    KeyOption,
    MediumOption,
    open_keys,
    open_medium,
)
from kwhub.cli.output import (
    ZH,
    Exit,
    JsonFlag,
    LanguageOption,
    complain,
    pick_language,
    print_json,
    say,
)
from kwhub.cli.vend_place import (
    HeadendOption,
    LimitOption,
    ZoneOption,
    place_alone,
    place_of_headend,
)
from kwhub.cli.vend_receipt import token_receipt
from kwhub.domain.errors import ConfigError, LocalError
from kwhub.headend.vending_crypto import CountingMaster
from kwhub.headend.vending_desk import Desk
from kwhub.headend.vending_ledger import SITE_ZONE
from kwhub.headend.vending_service import hundredths, read_payments
from kwhub.headend.vending_store import Customer, VendingStore
from kwhub.headend.vending_tokens import TokenBooks
from kwhub.headend.vending_words import in_chinese
from kwhub.prepay.vending import HeadRoom, Limits, Purchase, State
from kwhub.runtime.clock import SystemClock

__all__ = [
    "BookOption",
    "StoreOption",
    "add_customer",
    "collect_usage",
    "issue_medium",
    "opened_books",
    "opened_desk",
    "reconcile_books",
    "sell_purchase",
    "set_price",
    "show_receipt",
    "tell_purchase",
    "verify_ledger",
]

StoreOption = Annotated[Path, Parameter(name="--store", help="The sales ledger, an SQLite file.")]
BookOption = Annotated[
    Path | None,
    Parameter(name="--book", help="The book of the master crypto; otherwise beside the ledger."),
]

_STORE = Path("vending.sqlite")
_CENT = Decimal("0.01")
_PRICE_MAX = 10**12
_STATES: Final = {
    State.RESERVED: "已占号",
    State.ISSUED: "已发出",
    State.CONFIRMED: "已到表",
    State.CANCELLED: "已撤销",
}


@contextmanager
def opened_books(
    store: Path, limits: Limits | None = None, zone: ZoneInfo | None = None
) -> Iterator[VendingStore]:
    """The books of a counter. Raises ConfigError: they fail."""
    try:
        opened = VendingStore(store, limits, zone or SITE_ZONE)
        try:
            yield opened
        finally:
            opened.close()
    except sqlite3.Error as error:  # no folder, no database, locked for too long
        raise ConfigError(f"the books fail: {error}", file=str(store)) from None


@contextmanager
def opened_desk(
    store: Path,
    book: Path | None,
    root_key: str | None,
    limits: Limits | None = None,
    zone: ZoneInfo = SITE_ZONE,
) -> Iterator[Desk]:
    """The counter with its keys. Raises ConfigError, LocalError: books or keys cannot be opened."""
    now = SystemClock().now
    with open_keys(root_key) as keys, opened_books(store, limits, zone) as books:
        place = book or store.with_suffix(".book.sqlite")
        crypto = CountingMaster(
            place, keys.source, keys.draw, now, lambda: books.head, books.check_signing
        )
        try:
            yield Desk(books, crypto, now)
        finally:
            crypto.close()


def _money(hundredths: int) -> str:
    return str((Decimal(hundredths) * _CENT).quantize(_CENT))


def _as_json(purchase: Purchase) -> dict[str, object]:
    return asdict(purchase) | {"amount": _money(purchase.amount)}


def tell_purchase(purchase: Purchase, *, json: bool) -> int:
    """Say where a purchase is; the exit code."""
    if json:
        print_json(_as_json(purchase))
    elif pick_language() == ZH:
        state = _STATES[purchase.state]
        say(f"表 {purchase.meter} 第 {purchase.count} 次购电 {_money(purchase.amount)}：{state}")
    else:
        amount = _money(purchase.amount)
        say(f"meter {purchase.meter}: purchase {purchase.count}, {amount}: {purchase.state}")
    return Exit.OK


def add_customer(
    number: str, meter: str, name: str, *, store: StoreOption = _STORE, json: JsonFlag = False
) -> int:
    """Take a customer in; number and meter have 12 digits each.

    A meter belongs to one customer. Example:

        kwhub vend customer 000000012345 202611200001 Wang
    """
    customer = Customer(number, meter, name)
    with opened_books(store) as books:
        books.add_customer(customer, SystemClock().now())
    if json:
        print_json(asdict(customer))
    else:
        say(f"{number} {name}: {meter}")
    return Exit.OK


def set_price(
    tariff: str, price: str, *, store: StoreOption = _STORE, json: JsonFlag = False
) -> int:
    """Set what a kWh costs from now on; four decimals at most.

    Earlier prices stay in the ledger. Example:

        kwhub vend price day 0.5600
    """
    try:
        units = Decimal(price) * 10_000
        fits = units.is_finite() and abs(units) < _PRICE_MAX and units == units.to_integral_value()
    except ArithmeticError:
        raise LocalError(f"{price!r} is not a price") from None
    if not fits:
        raise LocalError(f"{price!r} is not a price with at most four decimals")
    with opened_books(store) as books:
        books.set_price(tariff, int(units), SystemClock().now())
        prices = {name: str(Decimal(each) / 10_000) for name, each in books.prices.items()}
    if json:
        print_json(prices)
    else:
        for name, each in prices.items():
            say(f"{name}: {each}")
    return Exit.OK


def issue_medium(
    meter: str,
    *,
    medium: MediumOption,
    store: StoreOption = _STORE,
    book: BookOption = None,
    root_key: KeyOption = None,
    json: JsonFlag = False,
) -> int:
    """Pair a blank medium with a meter and its customer.

    The same medium may be issued again to the same meter, and to no other. Example:

        kwhub vend issue 202611200001 --medium wang.medium --root-key root.key
    """
    with opened_desk(store, book, root_key) as desk, open_medium(medium, blank=True) as element:
        serial = element.serial if element.is_issued else secrets.token_bytes(8)
        desk.issue(element, meter, serial)
        told = {"meter": meter, "medium": serial.hex(), "customer": element.customer.hex()}
    if json:
        print_json(told)
    else:
        say(f"{told['medium']}: {meter}, {told['customer']}")
    return Exit.OK


def sell_purchase(
    amount: str,
    *,
    payment: Annotated[str, Parameter(help="Reference of the payment; again is the same sale.")],
    medium: MediumOption,
    operator: str,
    store: StoreOption = _STORE,
    book: BookOption = None,
    root_key: KeyOption = None,
    headend: HeadendOption = None,
    zone: ZoneOption = str(SITE_ZONE),
    limit_sale: LimitOption = None,
    limit_customer: LimitOption = None,
    limit_operator: LimitOption = None,
    json: JsonFlag = False,
) -> int:
    """Sell to the customer of a medium and load the purchase onto it.

    After a power cut give the same command again: the payment makes it the same sale. The books of a head-end are sold
    from with --headend only, by one of its users, within its limits. Example:

        kwhub vend sell 50.00 --payment R-1 --medium wang.medium --operator ann --root-key root.key
    """
    limits, cents = (limit_sale, limit_customer, limit_operator), hundredths(amount)
    if headend is None:
        place = place_alone(store, book, root_key, limits, zone)
    elif any(limits):
        raise ConfigError("the limits stand in the settings of the head-end", key="--limit-sale")
    else:
        place = place_of_headend(headend, operator, f"medium {medium}", f"{payment}: {cents}")
    row = (place.store, place.book, place.root_key, place.limits, place.zone)
    with opened_desk(*row) as desk, open_medium(medium) as element:
        if desk.store.is_claimed and not place.is_of_headend:
            raise ConfigError(
                "these are the books of a head-end: sell with --headend, as one of its users",
                file=str(store),
            )
        purchase = desk.sell(element, cents, operator, payment)
    return tell_purchase(purchase, json=json)


def collect_usage(
    *,
    medium: MediumOption,
    store: StoreOption = _STORE,
    book: BookOption = None,
    root_key: KeyOption = None,
    json: JsonFlag = False,
) -> int:
    """Take the usage that a medium has brought back from its meter, and confirm what that covers.

    Usage that the meter has not signed, or that is older than what is known, is refused. Example:

        kwhub vend collect --medium wang.medium --root-key root.key
    """
    with opened_desk(store, book, root_key) as desk, open_medium(medium) as element:
        seen = desk.collect(element)
    told = seen.told
    if json:
        confirmed = [_as_json(each) for each in seen.confirmed]
        facts = {"meter": told.meter.hex(), "count": told.count, "money": _money(told.money)}
        print_json(facts | {"confirmed": confirmed, "numbers_left": seen.room})
    else:
        for each in seen.confirmed:
            tell_purchase(each, json=False)
        words = ("剩余", "次") if pick_language() == ZH else ("left", "purchases")
        say(f"{told.meter.hex()}: {words[0]} {_money(told.money)}, {words[1]} {told.count}")
    if seen.room is not HeadRoom.ENOUGH:
        complain(f"meter {told.meter.hex()} runs out of purchase numbers: exchange it")
    return Exit.OK


def show_receipt(
    payment: str,
    *,
    store: StoreOption = _STORE,
    language: LanguageOption = None,
    json: JsonFlag = False,
) -> int:
    """Show the receipt of a payment.

    It needs no key. Example:

        kwhub vend receipt R-1 --language zh
    """
    with opened_books(store) as books:
        token = TokenBooks(books, secrets.randbelow).find(payment)
        if token is not None:
            return token_receipt(token, language, json=json)
        purchase = books.purchase(payment)
        name = books.customer_of(purchase.meter).name
    if json:
        print_json(_as_json(purchase) | {"name": name})
        return Exit.OK
    is_zh = pick_language(language) == ZH
    rows = (
        ("收据", "Receipt", payment),
        ("用户", "Customer", f"{purchase.customer} {name}"),
        ("电表", "Meter", purchase.meter),
        ("购电次数", "Purchase", str(purchase.count)),
        ("金额", "Amount", _money(purchase.amount)),
        ("操作员", "Operator", purchase.operator),
        ("状态", "State", _STATES[purchase.state] if is_zh else purchase.state),
    )
    for zh, en, value in rows:
        say(f"{zh if is_zh else en}: {value}")
    return Exit.OK


def reconcile_books(
    *,
    payments: Annotated[
        Path | None, Parameter(help="CSV file of payments: reference, amount; no heading.")
    ] = None,
    store: StoreOption = _STORE,
    book: BookOption = None,
    root_key: KeyOption = None,
    json: JsonFlag = False,
) -> int:
    """Compare sales, signatures, meters and payments; the exit code is 1 when they differ. Run it every hour.

    Findings have stable names for programs. Example:

        kwhub vend reconcile --payments payments.csv --root-key root.key
    """
    paid = None if payments is None else read_payments(payments)
    with opened_desk(store, book, root_key) as desk:
        findings = desk.reconcile(paid)
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        for each in findings:
            detail = in_chinese(each.detail) if pick_language() == ZH else each.detail
            say(f"{each.kind} {each.meter} {each.count or ''}: {detail}")
        if not findings:
            say("各账一致" if pick_language() == ZH else "the books agree")
    return Exit.NO if findings else Exit.OK


def verify_ledger(*, store: StoreOption = _STORE, json: JsonFlag = False) -> int:
    """Check the chain of the sales ledger; names the first bad row, with exit code 1.

    It needs no key. Example:

        kwhub vend verify
    """
    with opened_books(store) as books:
        bad, entries = books.verify(), len(books.ledger)
    if json:
        print_json({"entries": entries, "bad": bad})
    elif bad is not None:
        complain(f"{bad} was changed, removed or put in")
    else:
        say(f"{entries} 条，完好" if pick_language() == ZH else f"{entries} entries, all well")
    return Exit.OK if bad is None else Exit.NO
