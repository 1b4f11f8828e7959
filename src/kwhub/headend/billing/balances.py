"""Balances of accounts: entries that are added and never changed, each under a reference of its own."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from kwhub.domain.errors import LocalError
from kwhub.headend.billing.tariffs import MONEY_STEP
from kwhub.headend.store.schema_archive import account
from kwhub.headend.store.schema_billing import balance_entry as table

__all__ = ["Booked", "Entry", "add", "balance", "entries", "lock", "money"]

AMOUNT_MAX = Decimal(10) ** 12
"""Bound of one entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be booked.

    Attributes:
        kind: statement, cancelled, payment or adjustment.
        amount: what the customer gains; a statement is negative.
        reference: names it for ever among those of its kind: booked a second time it changes nothing.
        note: in words.
    """

    kind: str
    amount: Decimal
    reference: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Booked:
    """An entry in the book of an account."""

    number: int
    at: datetime
    entry: Entry
    balance: Decimal  #: after it
    by: str


def lock(connection: Connection, account_id: int) -> None:
    """Let nobody else book on an account before this transaction ends. Raises LocalError: no such account."""
    query = select(account.c.id).where(account.c.id == account_id).with_for_update()
    if connection.execute(query).one_or_none() is None:
        raise LocalError(f"there is no account {account_id}")


def money(amount: Decimal) -> Decimal:
    """The amount itself. Raises LocalError: it is no number, too large, or finer than a cent."""
    if (
        not amount.is_finite()
        or not -AMOUNT_MAX < amount < AMOUNT_MAX
        or amount != amount.quantize(MONEY_STEP)
    ):
        raise LocalError(f"{amount} is no amount of money in whole cents")
    return amount


def add(connection: Connection, account_id: int, entry: Entry, *, by: str, at: datetime) -> Booked:
    """Book an entry, once: the same reference of the same kind again returns what was booked.

    Raises:
        LocalError: no such account, an amount that is no money, or a reference that stands for something else.
    """
    lock(connection, account_id)
    money(entry.amount)
    if not entry.reference.strip() or len(entry.reference) > 100:
        raise LocalError("a reference of 1 to 100 characters, such as the number of the receipt")
    of_account = select(table).where(table.c.account_id == account_id)
    same = (table.c.kind == entry.kind, table.c.reference == entry.reference)
    old = connection.execute(of_account.where(*same)).one_or_none()
    if old is not None:
        booked = _booked(old)
        if booked.entry.amount != entry.amount:
            raise LocalError(
                f"reference {entry.reference!r} stands for {booked.entry.amount} already"
            )
        return booked
    newest = connection.execute(of_account.order_by(table.c.number.desc()).limit(1)).one_or_none()
    before = Decimal(0) if newest is None else newest.balance
    number = 1 if newest is None else newest.number + 1
    booked = Booked(number, at, entry, before + entry.amount, by)
    connection.execute(
        insert(table).values(
            account_id=account_id,
            number=booked.number,
            at=at,
            kind=entry.kind,
            amount=entry.amount,
            balance=booked.balance,
            reference=entry.reference,
            entered_by=by,
            note=entry.note,
        )
    )
    return booked


def balance(connection: Connection, account_id: int) -> Decimal:
    """What an account has: below nought the customer owes."""
    found = entries(connection, account_id, limit=1)
    return found[0].balance if found else Decimal(0)


def entries(
    connection: Connection, account_id: int, *, limit: int = 50, offset: int = 0
) -> list[Booked]:
    """The book of an account, the newest entry first."""
    query = (
        select(table)
        .where(table.c.account_id == account_id)
        .order_by(table.c.number.desc())
        .limit(limit)
        .offset(offset)
    )
    return [_booked(row) for row in connection.execute(query)]


def _booked(row: Row[Any]) -> Booked:
    entry = Entry(row.kind, row.amount, row.reference, row.note)
    return Booked(row.number, row.at, entry, row.balance, row.entered_by)
