"""What pages and API show of the counter's books; nothing here changes them."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kwhub.headend.vending_store import Customer, VendingStore
from kwhub.headend.vending_tokens import TokenBooks, TokenSale
from kwhub.prepay.keys import Purpose
from kwhub.prepay.vending import COUNT_MAX, HeadRoom, Purchase, State, Totals, head_room
from kwhub.prepay.vending_outlook import Balance, Outlook, outlook

__all__ = [
    "MeterKeys",
    "Prepaid",
    "Sale",
    "SoldToken",
    "customers",
    "of_meter",
    "prepaid",
    "sale",
    "sales",
    "sold_today",
    "token_sale",
    "token_sales",
]

_COLUMNS: Final = (
    "p.meter, p.count, p.amount, p.customer, p.operator, p.payment, p.state, p.signed, p.at, c.name"
)
_FROM: Final = "FROM purchase p JOIN customer c ON c.number = p.customer"


@dataclass(frozen=True, slots=True)
class Sale:
    """A purchase with its customer's name and the moment of its last step at the counter."""

    purchase: Purchase
    at: datetime
    name: str


@dataclass(frozen=True, slots=True)
class MeterKeys:
    """What a meter has told of its keys.

    Attributes:
        test: names of those that are test keys still; such a meter takes no money.
        version: of the keys that opened it last; None when only a medium was there.
    """

    test: tuple[str, ...]
    version: int | None

    @classmethod
    def of(cls, state: int, version: int | None) -> "MeterKeys":
        """From the state word: bit n set, key n is formal."""
        test = tuple(each.name.lower() for each in Purpose if not state >> each & 1)
        return cls(test, version)


@dataclass(frozen=True, slots=True)
class Prepaid:
    """A customer who pays before, and where his meter stands.

    Attributes:
        outlook: None before the meter has told anything.
        room: of its purchase numbers.
        keys: state and version of its keys; None before the meter has told them.
    """

    customer: Customer
    outlook: Outlook | None
    room: HeadRoom
    keys: MeterKeys | None = None


def sales(
    store: VendingStore, *, meters: Collection[str] | None = None, limit: int = 50, offset: int = 0
) -> tuple[list[Sale], int]:
    """A page of purchases, the newest first, and how many there are.

    Args:
        store: the books.
        meters: only of these; None: all.
        limit: of the page.
        offset: of the page.
    """
    where, values = _of(meters)
    total = store.rows(f"SELECT count(*) FROM purchase p WHERE {where}", *values)[0][0]  # noqa: S608 - fixed texts
    query = f"SELECT {_COLUMNS} {_FROM} WHERE {where} ORDER BY p.id DESC LIMIT ? OFFSET ?"
    rows = store.rows(query, *values, limit, offset)
    return [_sale(row) for row in rows], int(total)


def sale(store: VendingStore, payment: str) -> Sale | None:
    """One purchase by its payment; None when there is none."""
    rows = store.rows(f"SELECT {_COLUMNS} {_FROM} WHERE p.payment = ?", payment)
    return _sale(rows[0]) if rows else None


@dataclass(frozen=True, slots=True)
class SoldToken:
    """A token with its customer's name."""

    sale: TokenSale
    name: str


def token_sales(
    store: VendingStore, *, meters: Collection[str] | None = None, limit: int = 50, offset: int = 0
) -> tuple[list[SoldToken], int]:
    """A page of tokens, the newest first, and how many there are. Args as ``sales``."""
    where, values = _of(meters, "meter")
    total = store.rows(f"SELECT count(*) FROM token WHERE {where}", *values)[0][0]  # noqa: S608 - fixed texts
    found = TokenBooks(store, _nothing).page(where, values, limit, offset)
    return [SoldToken(each, store.customer_of(each.meter).name) for each in found], int(total)


def token_sale(store: VendingStore, payment: str) -> SoldToken | None:
    """The token of a payment; None when it bought none."""
    found = TokenBooks(store, _nothing).find(payment)
    return None if found is None else SoldToken(found, store.customer_of(found.meter).name)


def _nothing(_most: int) -> int:
    """Who only looks draws nothing."""
    return 0


def customers(store: VendingStore, meters: Collection[str] | None = None) -> list[Customer]:
    """All customers of these meters, by number."""
    found = (
        Customer(*row) for row in store.rows("SELECT number, meter, name FROM customer ORDER BY 1")
    )
    return [each for each in found if meters is None or each.meter in meters]


def prepaid(
    store: VendingStore,
    now: datetime,
    *,
    low: int,
    low_days: int,
    meters: Collection[str] | None = None,
) -> list[Prepaid]:
    """Every customer with his outlook; the most urgent first, those who are not known at the end."""
    told: dict[str, list[Balance]] = {}
    for meter, at, money, count in store.rows("SELECT * FROM balance ORDER BY meter, at"):
        told.setdefault(meter, []).append(Balance(datetime.fromisoformat(at), money, count))
    bought: dict[str, list[tuple[int, int]]] = {}
    state = State.CONFIRMED.value
    rows = store.rows("SELECT meter, count, amount FROM purchase WHERE state = ?", state)
    for meter, count, amount in rows:
        bought.setdefault(meter, []).append((count, amount))
    keys = {
        meter: MeterKeys.of(state, version)
        for meter, state, version in store.rows("SELECT meter, state, version FROM meter_key")
    }
    found = [
        Prepaid(
            customer,
            outlook(
                told.get(customer.meter, ()),
                bought.get(customer.meter, ()),
                now,
                low=low,
                low_days=low_days,
            ),
            head_room(store.count_of(customer.meter), COUNT_MAX),
            keys.get(customer.meter),
        )
        for customer in customers(store, meters)
    ]
    return sorted(found, key=_urgency)


def of_meter(
    store: VendingStore, meter: str, now: datetime, *, low: int, low_days: int
) -> Prepaid | None:
    """One meter's customer with the outlook; None when nobody buys for it."""
    found = prepaid(store, now, low=low, low_days=low_days, meters={meter})
    return found[0] if found else None


def sold_today(store: VendingStore, operator: str, at: datetime) -> Totals:
    """What an operator, and everybody, has sold on the site's day of a moment, hundredths."""
    first, last = store.day_of(at)
    query = (
        "SELECT total(amount), total(CASE WHEN operator = ? THEN amount END) FROM ("
        "SELECT amount, operator, at FROM purchase WHERE state <> 'cancelled' "
        "UNION ALL SELECT amount, operator, at FROM token) WHERE at >= ? AND at < ?"
    )
    everybody, own = store.rows(query, operator, first, last)[0]
    return Totals(int(everybody), int(own))


def _urgency(each: Prepaid) -> tuple[bool, bool, int, int]:
    seen = each.outlook
    if seen is None:
        return (True, True, 0, 0)
    days = COUNT_MAX if seen.days_left is None else seen.days_left
    return (False, not seen.is_low, days, seen.money)


def _of(meters: Collection[str] | None, column: str = "p.meter") -> tuple[str, tuple[Any, ...]]:
    if meters is None:
        return "1 = 1", ()
    return f"{column} IN (SELECT value FROM json_each(?))", (json.dumps(sorted(meters)),)  # noqa: S608 - fixed texts


def _sale(row: tuple[Any, ...]) -> Sale:
    meter, count, amount, customer, operator, payment, state, signed, at, name = row
    purchase = Purchase(
        meter, count, amount, customer, operator, payment, State(state), bool(signed)
    )
    return Sale(purchase, datetime.fromisoformat(at), name)
