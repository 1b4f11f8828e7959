"""The counter's books in SQLite: customers, prices, purchases, and the ledger that every change is written to.

One transaction makes one change and its ledger entry, so a power cut leaves both or neither. The database itself
refuses a second amount for a number, and every change or removal of a ledger entry.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

from kwhub.domain.errors import LocalError, Refusal
from kwhub.headend.vending_evidence import Evidence
from kwhub.headend.vending_ledger import SITE_ZONE
from kwhub.prepay.element.driver import ALL_FORMAL
from kwhub.prepay.vending import (
    Limits,
    Purchase,
    State,
    Totals,
    check_payment,
    check_sale,
    first_bad,
)

__all__ = ["Customer", "VendingStore", "forgotten"]

_PAID_BEFORE = (
    "SELECT 1 FROM ledger WHERE kind = 'purchase' AND json_extract(content, '$.payment') = ?"
)
_OPEN = "meter = ? AND state IN ('reserved', 'issued')"
_DIGITS = 12
_PERSON = "person "
_READMITTED = "readmitted"
_TOKEN = ("meter", "identifier", "amount", "customer", "operator", "payment")


@dataclass(frozen=True, slots=True)
class Customer:
    """Who buys for which meter; both numbers have 12 digits."""

    number: str
    meter: str
    name: str


def forgotten(meter: str, count: int) -> Refusal:
    """An old ledger was put back, which has never heard of a sale."""
    lost = f"this ledger does not know sale {count} of meter {meter}"
    return Refusal((f"{lost}: an old one was put back; see 'kwhub vend readmit'",))


class VendingStore(Evidence):
    """The books of one counter.

    Args:
        path: of the database.
        limits: what is sold at most.
        zone: of the site.
    """

    def __init__(
        self, path: Path | str, limits: Limits | None = None, zone: tzinfo = SITE_ZONE
    ) -> None:
        self.limits = limits or Limits()
        super().__init__(path, zone)

    # Customers and prices

    def add_customer(self, customer: Customer, at: datetime) -> None:
        """Take a customer in; the same again does nothing.

        Raises:
            LocalError: a number without 12 digits.
            Refusal: the number or the meter belongs to somebody else.
        """
        for digits in (customer.number, customer.meter):
            if not (len(digits) == _DIGITS and digits.isascii() and digits.isdigit()):
                raise LocalError(f"a number has {_DIGITS} digits, not {digits!r}")
        row = (customer.number, customer.meter, customer.name)
        with self._change():
            taken = self._run("SELECT * FROM customer WHERE number = ? OR meter = ?", *row[:2])
            if taken == [row]:
                return
            if taken:
                raise Refusal((f"{taken[0][0]} has meter {taken[0][1]} already",))
            self._run("INSERT INTO customer VALUES (?, ?, ?)", *row)
            self._log(at, "customer", {"number": row[0], "meter": row[1], "name": row[2]})

    def customer_of(self, meter: str) -> Customer:
        """Who buys for a meter. Raises Refusal when nobody does."""
        rows = self._run("SELECT * FROM customer WHERE meter = ?", meter)
        if not rows:
            raise Refusal((f"no customer has meter {meter}",))
        return Customer(*rows[0])

    def set_price(self, tariff: str, price: int, at: datetime) -> None:
        """Set what a kWh costs from now on, 0.0001 of the currency. Raises LocalError below zero."""
        if price < 0:
            raise LocalError("a price is not below zero")
        with self._change():
            values = (tariff, at.isoformat(), price)
            self._run("INSERT OR REPLACE INTO price VALUES (?, ?, ?)", *values)
            self._log(at, "price", {"tariff": tariff, "price": price})

    @property
    def prices(self) -> dict[str, int]:
        """What holds now, by tariff."""
        return dict(self._run("SELECT tariff, price FROM price ORDER BY since"))

    # Purchases

    def reserve(
        self, meter: str, amount: int, operator: str, payment: str, at: datetime
    ) -> Purchase:
        """Take a number for a payment; the same payment gets the same purchase again.

        Raises:
            LocalError, Refusal: as ``check_sale``, or the payment has bought something else.
        """
        check_payment(payment)
        with self._change():
            known = self._select("payment = ?", payment)
            if known:
                if (known[0].meter, known[0].amount) != (meter, amount):
                    raise Refusal((f"payment {payment} has bought something else",))
                return known[0]
            if self._run("SELECT 1 FROM token WHERE payment = ?", payment):
                raise Refusal((f"payment {payment} has bought something else",))
            if self.was_cancelled(payment):
                raise Refusal((f"payment {payment} was cancelled: it buys nothing any more",))
            customer, keys = self.customer_of(meter), self.keys_of(meter)
            if keys is not None and keys[0] & ALL_FORMAL != ALL_FORMAL:
                raise Refusal(("the meter has test keys: it takes no money",))
            totals = self.totals(customer.number, operator, at)
            present = self.count_of(meter)
            open_ones = self._waiting(meter, present)
            same = self._select("meter = ? AND count = ?", meter, present + 1)
            count = check_sale(self.limits, totals, amount, [*open_ones, *same], present)
            row = (meter, count, amount, customer.number, operator, payment)
            purchase = Purchase(*row, State.RESERVED)
            bound = [each for each in same if each.signed]
            if bound:
                purchase = Purchase(*row, State.RESERVED, signed=True)
                self._run(
                    "UPDATE purchase SET state = 'reserved', operator = ?, payment = ?, at = ? "
                    "WHERE payment = ?",
                    *(operator, payment, at.isoformat(), bound[0].payment),
                )
            else:
                self._run(
                    "INSERT INTO purchase (meter, count, amount, customer, operator, payment, "
                    "state, at) VALUES (?, ?, ?, ?, ?, ?, 'reserved', ?)",
                    *(*row, at.isoformat()),
                )
            self._log_state(at, purchase)
        return purchase

    def check_whole(self, meter: str, signed: Mapping[int, int], payment: str, amount: int) -> None:
        """Sell nothing from a ledger that was put back and has forgotten sales of this meter: its money would come twice.

        The last one may be repeated, by the same amount: it gets the same number again.

        Args:
            meter: 12 digits.
            signed: amounts by number, as the master crypto has them.
            payment: of the sale that is wanted; one that is known already is no new sale.
            amount: of it, hundredths.

        Raises:
            Refusal: the ledger knows less than the master crypto has signed.
        """
        if self._select("payment = ?", payment):
            return
        known = {each.count for each in self._select("meter = ?", meter)}
        lost = sorted(signed.keys() - known)
        again = self.count_of(meter) + 1
        if lost and not (lost == [again] and signed[again] == amount):
            raise forgotten(meter, lost[0])

    def readmit(
        self, sale: tuple[str, int, int], payment: str, person: str, at: datetime
    ) -> Purchase:
        """Enter a sale again that the ledger has forgotten and the master crypto has signed; it is open then.

        Args:
            sale: meter, number and amount, as signed.
            payment: what had paid for it.
            person: who says so; the ledger keeps the name.
            at: now.

        Raises:
            LocalError: as ``check_payment``.
            Refusal: number or payment are known already, or the meter has no customer.
        """
        check_payment(payment)
        meter, count, amount = sale
        with self._change():
            if self._select("meter = ? AND count = ?", meter, count):
                raise Refusal((f"the ledger knows number {count} of meter {meter}",))
            if self._select("payment = ?", payment) or self.was_cancelled(payment):
                raise Refusal((f"payment {payment} has bought something else",))
            customer = self.customer_of(meter).number
            row = (meter, count, amount, customer, person, payment, State.ISSUED, at.isoformat())
            self._run(
                "INSERT INTO purchase (meter, count, amount, customer, operator, payment, state, "
                "signed, at) VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?)",
                *row,
            )
            self._log_state(at, self.purchase(payment), _READMITTED)
        return self.purchase(payment)

    def issued(self, purchase: Purchase, at: datetime, by: str = "") -> Purchase:
        """It is signed and handed out: onto a medium, or ``LINE``."""
        return self._move(purchase, (State.RESERVED, State.ISSUED), State.ISSUED, at, by=by)

    def cancel(self, payment: str, at: datetime, *, is_signed: bool) -> Purchase:
        """Take a purchase back that is not in the meter.

        Args:
            payment: its reference.
            at: now.
            is_signed: whether the master crypto has signed it.

        Raises:
            Refusal: it is in the meter, or the meter was not read since it was issued.
        """
        purchase = self.purchase(payment)
        is_in = self.count_of(purchase.meter) >= purchase.count and payment not in self.misfits
        wanted = (State.RESERVED, State.ISSUED)
        if purchase.state in wanted and (is_signed or purchase.signed):
            if is_in:
                raise Refusal(("the meter has it",))
            if not self._was_read_after(purchase):
                raise Refusal(("the meter was not read since: collect its usage first",))
        if purchase.state is State.CONFIRMED:
            raise Refusal(("the meter has it",))
        return self._move(purchase, wanted, State.CANCELLED, at, signed=is_signed)

    def settle(self, payment: str, person: str, at: datetime, *, arrived: bool) -> Purchase:
        """Let a person say what became of a sale whose number the meter has, when no reading has shown whose it is.

        Args:
            payment: its reference.
            person: who has looked into it; not who has sold.
            at: now.
            arrived: the money is in the meter; otherwise the sale is cancelled.

        Raises:
            Refusal: it is not open, the meter has not its number, or this person has sold it.
        """
        purchase = self.purchase(payment)
        if purchase.state is not State.ISSUED:
            raise Refusal((f"the purchase is {purchase.state}",))
        if self.count_of(purchase.meter) < purchase.count:
            raise Refusal(("the meter has not told this number: bring or collect the sale first",))
        if person == purchase.operator:
            raise Refusal(("another person than the seller must settle this sale",))
        state = State.CONFIRMED if arrived else State.CANCELLED
        return self._move(purchase, (State.ISSUED,), state, at, by=f"{_PERSON}{person}")

    @property
    def settled(self) -> set[str]:
        """Payments of the sales that a person has settled."""
        rows = self._run(
            "SELECT json_extract(content, '$.payment') FROM ledger WHERE kind = 'purchase' "
            "AND substr(json_extract(content, '$.by'), 1, ?) = ?",
            *(len(_PERSON), _PERSON),
        )
        return {str(payment) for (payment,) in rows}

    def check_signing(self, meter: str, count: int, amount: int) -> None:
        """Say whether a number may be signed now. Raises Refusal: it is sold no more, or for another amount."""
        found = self._select("meter = ? AND count = ?", meter, count)
        if found and found[-1].state is State.CANCELLED:
            raise Refusal((f"purchase {count} of meter {meter} is cancelled",))
        if found and found[-1].amount != amount:
            raise Refusal((f"number {count} was sold for another amount",))

    def was_cancelled(self, payment: str) -> bool:
        """Whether a payment has bought a purchase once whose number went to another one."""
        return bool(self._run(_PAID_BEFORE, payment)) and not self._select("payment = ?", payment)

    def payment_of(self, meter: str, count: int) -> str | None:
        """What has paid for a number last; None when nothing has."""
        found = self._select("meter = ? AND count = ?", meter, count)
        return found[-1].payment if found else None

    @property
    def purchases(self) -> list[Purchase]:
        """All of them."""
        return self._select("1 = 1")

    @property
    def pending(self) -> list[Purchase]:
        """What was reserved or issued and is not confirmed."""
        return self._select("state IN ('reserved', 'issued')")

    def _waiting(self, meter: str, present: int) -> list[Purchase]:
        """What must be settled before the next sale; not what the meter has under a number that was not proven ours."""
        strange = self.misfits
        return [
            each
            for each in self._select(_OPEN, meter)
            if each.state is State.RESERVED or each.count > present or each.payment in strange
        ]

    # The ledger

    def verify(self) -> str | None:
        """Name the first bad row; None when ledger and purchases agree."""
        bad = first_bad(self.ledger)
        if bad is not None:
            return f"ledger entry {bad}"
        told: dict[tuple[str, int, str], tuple[int, str]] = {}
        for entry in self.ledger:
            if entry.kind == "purchase":
                said = json.loads(entry.content)
                place = (said["meter"], said["count"], said["payment"])
                told[place] = (said["amount"], said["state"])
        for each in self.purchases:
            place = (each.meter, each.count, each.payment)
            if told.get(place) != (each.amount, each.state):
                return f"purchase {each.count} of meter {each.meter}"
        sold = self._run("SELECT meter, identifier, amount, customer, operator, payment FROM token")
        said_of = [json.loads(entry.content) for entry in self.ledger if entry.kind == "token"]
        written = {tuple(said[name] for name in _TOKEN) for said in said_of}
        if odd := sorted(written ^ set(sold)):
            return f"token {odd[0][1]} of meter {odd[0][0]}"
        missing = {place[:2] for place in told} - {(x.meter, x.count) for x in self.purchases}
        return next((f"purchase {n} of meter {meter}" for meter, n in sorted(missing)), None)

    # Within a change

    def totals(self, customer: str, operator: str, at: datetime) -> Totals:
        """What was sold on the site's day, purchases and tokens; within a change."""
        first, last = self.day_of(at)
        sold = (("purchase", " AND state <> 'cancelled'"), ("token", ""))
        sums = [
            sum(
                int(
                    self._run(
                        f"SELECT total(amount) FROM {table} "  # noqa: S608 - fixed names
                        f"WHERE {column} = ? AND at >= ? AND at < ?{more}",
                        *(value, first, last),
                    )[0][0]
                )
                for table, more in sold
            )
            for column, value in (("customer", customer), ("operator", operator))
        ]
        return Totals(sums[0], sums[1])

    def _move(
        self,
        purchase: Purchase,
        wanted: tuple[State, ...],
        state: State,
        at: datetime,
        *,
        signed: bool = True,
        by: str = "",
    ) -> Purchase:
        with self._change():
            present = self.purchase(purchase.payment)
            if present.state not in wanted:
                raise Refusal((f"the purchase is {present.state}",))
            if present.state is not state or state is State.ISSUED:  # what was read before is old
                self._set_state(present, state, at, signed=signed, by=by)
        return self.purchase(purchase.payment)
