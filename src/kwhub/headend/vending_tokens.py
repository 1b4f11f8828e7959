"""Token sales in the counter's books: the same customers, limits, payments and ledger as purchases of cost-control meters.

A token has no way back: once it is shown it may be in the meter, so it is never taken back, and nobody can confirm it. What
makes a sale exactly once is the payment: the token is written down before it is shown, and the same payment shows it again.
Each token of a meter has an identifier of its own (two of one minute would be one to the meter).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from kwhub.domain.errors import LocalError, Refusal
from kwhub.headend.vending_store import VendingStore
from kwhub.prepay.sts.keys import DecoderKey
from kwhub.prepay.sts.tokens import IDENTIFIERS, identifier_at, issue
from kwhub.prepay.vending import check_limits, check_payment

__all__ = ["CREDIT", "TokenBooks", "TokenSale", "Wanted"]

CREDIT: Final = "TransferElectricityCredit"
_STEP = Decimal("0.1")
_PRICE_UNITS = 10_000
_RANDOM = 16

_COLUMNS: Final = (
    "meter, identifier, amount, units, customer, operator, payment, token, base_year, at"
)


@dataclass(frozen=True, slots=True)
class TokenSale:
    """One token that was sold.

    Attributes:
        meter: 12 digits, as the customer has it.
        identifier: minutes since the base date; one of its own for each token of a meter.
        amount: hundredths.
        units: kWh, in steps of 0.1.
        token: twenty digits.
        base_year: that the identifier counts from.
        at: moment of the sale.
    """

    meter: str
    identifier: int
    amount: int
    units: Decimal
    customer: str
    operator: str
    payment: str
    token: str
    base_year: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """A sale that is wanted.

    Attributes:
        meter: 12 digits.
        amount: hundredths.
        operator: who sells.
        payment: its reference.
        tariff: whose price turns money into energy; parts of a tenth of a kWh stay with the seller.
    """

    meter: str
    amount: int
    operator: str
    payment: str
    tariff: str


class TokenBooks:
    """Sells tokens.

    Args:
        store: the books.
        draw: a number below its argument.
    """

    def __init__(self, store: VendingStore, draw: Callable[[int], int]) -> None:
        self._store, self._draw = store, draw

    def sell(self, wanted: Wanted, key: DecoderKey, base_year: int, at: datetime) -> TokenSale:
        """Make the token of a payment; the same payment gets the same token again.

        Args:
            wanted: what.
            key: of the meter.
            base_year: of the identifiers, that of the key.
            at: now.

        Raises:
            LocalError: no such price, too little for 0.1 kWh, or the base date has ended.
            Refusal: a limit, or the payment has bought something else.
        """
        meter, amount, operator = wanted.meter, wanted.amount, wanted.operator
        payment = wanted.payment
        check_payment(payment)
        store = self._store
        with store.changed():
            known = self.find(payment)
            if known is not None:
                if (known.meter, known.amount) != (meter, amount):
                    raise Refusal((f"payment {payment} has bought something else",))
                return known
            if store.rows("SELECT 1 FROM purchase WHERE payment = ?", payment):
                raise Refusal((f"payment {payment} has bought something else",))
            if store.was_cancelled(payment):
                raise Refusal((f"payment {payment} was cancelled: it buys nothing any more",))
            customer = store.customer_of(meter).number
            check_limits(store.limits, store.totals(customer, operator, at), amount)
            units = self._units(amount, wanted.tariff)
            identifier = self._identifier(meter, base_year, at)
            token = issue(key, CREDIT, units, identifier=identifier, random=self._draw(_RANDOM))
            row = (meter, identifier, amount, units, customer, operator, payment, token, base_year)
            sale = TokenSale(*row, at)
            store.rows(
                f"INSERT INTO token ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - fixed text
                *(*row[:3], str(units), *row[4:], at.isoformat()),
            )
            names = ("meter", "identifier", "amount", "customer", "operator", "payment")
            store.log(at, "token", {name: getattr(sale, name) for name in names})
        return sale

    def page(
        self, where: str, values: Sequence[object], limit: int, offset: int
    ) -> list[TokenSale]:
        """Some of them, the newest first; ``where`` is a fixed text of ours."""
        query = f"SELECT {_COLUMNS} FROM token WHERE {where} ORDER BY id DESC LIMIT ? OFFSET ?"  # noqa: S608 - fixed text
        return [_sale(row) for row in self._store.rows(query, *values, limit, offset)]

    def find(self, payment: str) -> TokenSale | None:
        """The token of a payment; None when it bought none."""
        rows = self._store.rows(f"SELECT {_COLUMNS} FROM token WHERE payment = ?", payment)  # noqa: S608 - fixed text
        return _sale(rows[0]) if rows else None

    @property
    def sales(self) -> list[TokenSale]:
        """All of them, in the order of their sale."""
        return [_sale(row) for row in self._store.rows(f"SELECT {_COLUMNS} FROM token ORDER BY id")]  # noqa: S608 - fixed text

    def _units(self, amount: int, tariff: str) -> Decimal:
        price = self._store.prices.get(tariff)
        if not price:
            raise LocalError(f"tariff {tariff!r} has no price: set it with 'kwhub vend price'")
        energy = Decimal(amount) * _PRICE_UNITS / (100 * Decimal(price))
        units = energy.quantize(_STEP, rounding=ROUND_DOWN)
        if units <= 0:
            raise LocalError("that is too little money for 0.1 kWh")
        return units

    def _identifier(self, meter: str, base_year: int, at: datetime) -> int:
        """That of now, or the next one that this meter has not had."""
        rows = self._store.rows(
            "SELECT max(identifier) FROM token WHERE meter = ? AND base_year = ?", meter, base_year
        )
        last = -1 if rows[0][0] is None else int(rows[0][0])
        found = max(identifier_at(at.replace(tzinfo=None), base_year), last + 1)
        if found >= IDENTIFIERS:
            raise LocalError(
                f"base date {base_year} has ended: the meter needs a key of the next one"
            )
        return found


def _sale(row: tuple[Any, ...]) -> TokenSale:
    meter, identifier, amount, units, customer, operator, payment, token, base_year, at = row
    return TokenSale(
        meter,
        identifier,
        amount,
        Decimal(units),
        customer,
        operator,
        payment,
        token,
        base_year,
        datetime.fromisoformat(at),
    )
