"""The counter's books in SQLite: customers, prices, purchases, and the ledger that every change is written to.

One transaction makes one change and its ledger entry, so a power cut leaves both or neither. The database itself
refuses a second amount for a number, and every change or removal of a ledger entry.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from kwhub.domain.errors import LocalError, Refusal
from kwhub.prepay.vending import (
    GENESIS,
    Entry,
    Limits,
    Purchase,
    State,
    Totals,
    check_sale,
    first_bad,
    linked,
)

__all__ = ["Customer", "VendingStore"]

_SCHEMA: Final = """
BEGIN;
CREATE TABLE IF NOT EXISTS customer (
    number TEXT PRIMARY KEY, meter TEXT NOT NULL UNIQUE, name TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS price (
    tariff TEXT NOT NULL, since TEXT NOT NULL, price INTEGER NOT NULL CHECK (price >= 0),
    PRIMARY KEY (tariff, since)) STRICT;
CREATE TABLE IF NOT EXISTS purchase (
    id INTEGER PRIMARY KEY, meter TEXT NOT NULL, count INTEGER NOT NULL, amount INTEGER NOT NULL,
    customer TEXT NOT NULL REFERENCES customer, operator TEXT NOT NULL, payment TEXT NOT NULL,
    state TEXT NOT NULL, signed INTEGER NOT NULL DEFAULT 0, at TEXT NOT NULL,
    CHECK (amount > 0 AND count > 0)) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS one_number ON purchase (meter, count)
    WHERE state <> 'cancelled' OR signed;
CREATE UNIQUE INDEX IF NOT EXISTS one_payment ON purchase (payment);
CREATE TRIGGER IF NOT EXISTS one_amount BEFORE UPDATE OF meter, count, amount, customer ON purchase
    BEGIN SELECT RAISE(ABORT, 'a number has one amount'); END;
CREATE TRIGGER IF NOT EXISTS purchases_stay BEFORE DELETE ON purchase
    BEGIN SELECT RAISE(ABORT, 'a purchase stays'); END;
CREATE TABLE IF NOT EXISTS meter_count (
    meter TEXT PRIMARY KEY, count INTEGER NOT NULL, at TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS ledger (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, content TEXT NOT NULL,
    previous TEXT NOT NULL, digest TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS by_payment ON ledger (kind, json_extract(content, '$.payment'));
CREATE INDEX IF NOT EXISTS by_day ON purchase (substr(at, 1, 10));
CREATE TRIGGER IF NOT EXISTS entries_stay BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'a ledger entry stays'); END;
CREATE TRIGGER IF NOT EXISTS entries_stay_so BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'a ledger entry stays as it is'); END;
COMMIT;
"""

_COLUMNS = "meter, count, amount, customer, operator, payment, state, signed"
_PAID_BEFORE = (
    "SELECT 1 FROM ledger WHERE kind = 'purchase' AND json_extract(content, '$.payment') = ?"
)
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Customer:
    """Who buys for which meter; both numbers have 12 digits."""

    number: str
    meter: str
    name: str


class VendingStore:
    """The books of one counter.

    Args:
        path: of the database.
        limits: what is sold at most.
    """

    def __init__(self, path: Path | str, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute("PRAGMA synchronous = EXTRA")
        self._base.execute("PRAGMA foreign_keys = ON")
        self._base.executescript(_SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def _run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._base.execute(statement, values).fetchall()

    @contextmanager
    def _change(self) -> Iterator[None]:
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            if self._base.in_transaction:
                self._base.rollback()
            raise

    def _log(self, at: datetime, kind: str, content: Mapping[str, Any]) -> None:
        last = self._run("SELECT number, digest FROM ledger ORDER BY number DESC LIMIT 1")
        number, previous = last[0] if last else (0, GENESIS)
        text = json.dumps(content, ensure_ascii=False, sort_keys=True)
        entry = linked(number + 1, at.isoformat(), kind, text, previous)
        row = (entry.number, entry.at, entry.kind, entry.content, entry.previous, entry.digest)
        self._run("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?)", *row)

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
        with self._change():
            known = self._select("payment = ?", payment)
            if known:
                if (known[0].meter, known[0].amount) != (meter, amount):
                    raise Refusal((f"payment {payment} has bought something else",))
                return known[0]
            if self._run(_PAID_BEFORE, payment):
                raise Refusal((f"payment {payment} was cancelled: it buys nothing any more",))
            customer = self.customer_of(meter)
            of_meter = self._select("meter = ?", meter)
            totals = self._totals(customer.number, operator, at)
            present = self.counts.get(meter, 0)
            count = check_sale(self.limits, totals, amount, of_meter, present)
            row = (meter, count, amount, customer.number, operator, payment)
            purchase = Purchase(*row, State.RESERVED)
            bound = [each for each in of_meter if each.count == count and each.signed]
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

    def issued(self, purchase: Purchase, at: datetime) -> Purchase:
        """It was signed and handed out."""
        return self._move(purchase, (State.RESERVED, State.ISSUED), State.ISSUED, at)

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
        if is_signed or purchase.signed:
            seen = self._run("SELECT count, at FROM meter_count WHERE meter = ?", purchase.meter)
            issued_at = self._run("SELECT at FROM purchase WHERE payment = ?", payment)[0][0]
            if not seen or seen[0][1] <= issued_at:
                raise Refusal(("the meter was not read since: collect its usage first",))
            if seen[0][0] >= purchase.count:
                raise Refusal(("the meter has it",))
        wanted = (State.RESERVED, State.ISSUED)
        return self._move(purchase, wanted, State.CANCELLED, at, signed=is_signed)

    def saw_count(self, meter: str, count: int, at: datetime) -> list[Purchase]:
        """The meter's element has signed its count; confirm what that covers.

        Returns:
            What is confirmed now.

        Raises:
            Refusal: it was higher before: an old usage.
        """
        with self._change():
            before = self.counts.get(meter, 0)
            if count < before:
                raise Refusal((f"the meter had {before} already: this usage is old",))
            values = (meter, count, at.isoformat())
            self._run("INSERT OR REPLACE INTO meter_count VALUES (?, ?, ?)", *values)
            self._log(at, "count", {"meter": meter, "count": count})
            confirmed = self._select("meter = ? AND state = 'issued' AND count <= ?", meter, count)
            for purchase in confirmed:
                self._set_state(purchase, State.CONFIRMED, at)
        return [self.purchase(each.payment) for each in confirmed]

    def purchase(self, payment: str) -> Purchase:
        """By its payment. Raises Refusal when there is none."""
        found = self._select("payment = ?", payment)
        if not found:
            raise Refusal((f"payment {payment} is not known",))
        return found[0]

    def payment_of(self, meter: str, count: int) -> str | None:
        """What has paid for a number last; None when nothing has."""
        found = self._select("meter = ? AND count = ?", meter, count)
        return found[-1].payment if found else None

    @property
    def purchases(self) -> list[Purchase]:
        """All of them."""
        return self._select("1 = 1")

    @property
    def counts(self) -> dict[str, int]:
        """The last signed purchase number of each meter."""
        return dict(self._run("SELECT meter, count FROM meter_count"))

    # The ledger

    @property
    def ledger(self) -> list[Entry]:
        """All entries in order."""
        return [Entry(*row) for row in self._run("SELECT * FROM ledger ORDER BY number")]

    @property
    def head(self) -> str:
        """Hash of the last entry."""
        entries = self._run("SELECT digest FROM ledger ORDER BY number DESC LIMIT 1")
        return str(entries[0][0]) if entries else GENESIS

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
        missing = {place[:2] for place in told} - {(x.meter, x.count) for x in self.purchases}
        return next((f"purchase {n} of meter {meter}" for meter, n in sorted(missing)), None)

    # Within a change

    def _select(self, where: str, *values: Any) -> list[Purchase]:
        rows = self._run(f"SELECT {_COLUMNS} FROM purchase WHERE {where} ORDER BY id", *values)  # noqa: S608 - fixed texts
        return [
            Purchase(meter, count, amount, customer, operator, payment, State(state), bool(signed))
            for meter, count, amount, customer, operator, payment, state, signed in rows
        ]

    def _totals(self, customer: str, operator: str, at: datetime) -> Totals:
        day = at.date().isoformat()
        sums = [
            self._run(
                f"SELECT total(amount) FROM purchase WHERE {column} = ? "  # noqa: S608 - one of two names
                "AND substr(at, 1, 10) = ? AND state <> 'cancelled'",
                *(value, day),
            )[0][0]
            for column, value in (("customer", customer), ("operator", operator))
        ]
        return Totals(int(sums[0]), int(sums[1]))

    def _move(
        self,
        purchase: Purchase,
        wanted: tuple[State, ...],
        state: State,
        at: datetime,
        *,
        signed: bool = True,
    ) -> Purchase:
        with self._change():
            present = self.purchase(purchase.payment)
            if present.state not in wanted:
                raise Refusal((f"the purchase is {present.state}",))
            if present.state is not state:
                self._set_state(present, state, at, signed=signed)
        return self.purchase(purchase.payment)

    def _set_state(
        self, purchase: Purchase, state: State, at: datetime, *, signed: bool = True
    ) -> None:
        self._run(
            "UPDATE purchase SET state = ?, signed = max(signed, ?), at = "
            "CASE ? WHEN 'issued' THEN ? ELSE at END WHERE payment = ?",
            *(state, int(signed), state, at.isoformat(), purchase.payment),
        )
        self._log_state(at, self.purchase(purchase.payment))

    def _log_state(self, at: datetime, purchase: Purchase) -> None:
        names = ("meter", "count", "amount", "customer", "operator", "payment", "state")
        self._log(at, "purchase", {name: getattr(purchase, name) for name in names})
