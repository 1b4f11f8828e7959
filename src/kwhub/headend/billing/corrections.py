"""Earlier statements against what their readings say now: what is due for them, as lines of the next one.

A statement that is issued is never changed. When a reading that it stands on is mended later, its figures are
computed anew, by the prices of its own days; what differs from all that was charged for these days until now is
charged, or given back, by the next statement. So all statements together always sum to the truth.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Connection, Row, select, update

from kwhub.domain.errors import LocalError
from kwhub.headend.billing.energies import Trace, Unbillable
from kwhub.headend.billing.figures import Figures, account, figures
from kwhub.headend.billing.pricing import Kind, Line
from kwhub.headend.billing.shapes import Account, Correction, Draft, Due
from kwhub.headend.store.days import Days
from kwhub.headend.store.schema_billing import statement as table

__all__ = ["Mended", "due", "look", "settle", "stood_on", "valid"]

_Key: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Mended:
    """A correction and its lines."""

    correction: Correction
    lines: tuple[Line, ...]


def valid(connection: Connection, account_id: int) -> list[Row[Any]]:
    """The statements of an account that are not cancelled, in the order in which they were issued."""
    query = (
        select(table)
        .where(table.c.account_id == account_id, table.c.cancelled_at.is_(None))
        .order_by(table.c.id)
    )
    return list(connection.execute(query))


def due(
    connection: Connection,
    days: Days,
    own: Account,
    rows: Sequence[Row[Any]],
    near: Collection[int],
) -> list[Mended]:
    """What is due for earlier statements.

    Args:
        connection: of any transaction.
        days: the zone's days.
        own: the account.
        rows: its valid statements.
        near: numbers of those that touch the new one; the others are looked at when something has changed.
    """
    found = []
    for row in rows:
        if row.id in near or row.look_again or row.due is not None or row.due_why:
            try:
                mended = _mended(connection, days, own, row, rows)
            except (LocalError, Unbillable):
                continue  # it stays marked, and is mended when it can be
            if mended is not None and mended.lines:
                found.append(mended)
    return found


def stood_on(row: Row[Any], rows: Sequence[Row[Any]]) -> tuple[Trace, ...]:
    """The readings that a statement stands on, with what later statements have mended."""
    traces = _draft(row).traces
    for later in rows:
        for each in _draft(later).corrections if later.id > row.id else ():
            if each.statement == row.id:
                traces = each.now
    return traces


def look(connection: Connection, days: Days, limit: int) -> int:
    """Look at some statements of which something may have changed, and write what is due for them.

    Returns:
        how many were looked at; nought when there are none.
    """
    query = select(table.c.id).where(table.c.look_again, table.c.cancelled_at.is_(None))
    numbers = list(connection.execute(query.order_by(table.c.id).limit(limit)).scalars())
    for number in numbers:
        # Written first: whoever changes a reading meanwhile waits, and has it looked at once more.
        _write(connection, [number], None)
        row = connection.execute(select(table).where(table.c.id == number)).one()
        own, rows = account(connection, row.account_id), valid(connection, row.account_id)
        try:
            mended = _mended(connection, days, own, row, rows)
        except (LocalError, Unbillable) as error:
            _write(connection, [number], Due(Decimal(0), Decimal(0), str(error)))
            continue
        if mended is not None and mended.lines:
            _write(connection, [number], Due(mended.correction.kwh, mended.correction.amount))
    return len(numbers)


def settle(connection: Connection, numbers: Collection[int], *, again: bool = False) -> None:
    """Note that nothing is due for some statements any more; or that they are to be looked at again."""
    if numbers:
        _write(connection, numbers, None, again=again)


def _write(
    connection: Connection, numbers: Collection[int], due: Due | None, *, again: bool = False
) -> None:
    told = due is not None and not due.why
    connection.execute(
        update(table)
        .where(table.c.id.in_(numbers))
        .values(
            look_again=again,
            due=due.amount if due is not None and told else None,
            due_kwh=str(due.kwh) if due is not None and told else "",
            due_why="" if due is None else due.why,
        )
    )


def _mended(
    connection: Connection, days: Days, own: Account, row: Row[Any], rows: Sequence[Row[Any]]
) -> Mended | None:
    """What is due for one statement; None when nothing is. Raises as ``figures``."""
    old = _draft(row)
    now = figures(connection, days, own, old.first, old.last)
    if now.currency != old.currency:
        raise LocalError(f"statement {row.id} is in {old.currency}, and its days in {now.currency}")
    lines = _differences(_charged(row, rows), now, row.id)
    if not lines:
        return None
    kwh = sum((line.quantity for line in lines if line.kind is Kind.ENERGY), Decimal(0))
    amount = sum((line.amount for line in lines), Decimal(0))
    billed = stood_on(row, rows)
    correction = Correction(row.id, old.first, old.last, kwh, amount, billed, now.traces)
    return Mended(correction, tuple(lines))


def _charged(row: Row[Any], rows: Sequence[Row[Any]]) -> list[Line]:
    """Every line that was charged for the days of a statement."""
    lines = [line for line in _draft(row).lines if line.corrects is None]
    for later in rows:
        lines += [line for line in _draft(later).lines if line.corrects == row.id]
    return lines


def _differences(charged: Sequence[Line], now: Figures, number: int) -> list[Line]:
    """What lines must be added for the sum to be what holds now.

    The amount is the difference of rounded amounts, not the rounded price of a difference: only so the
    sum of all lines is what one statement of the true figures would have come to.
    """
    want = {_key(line): line for line in now.lines}
    quantity: dict[_Key, Decimal] = {}
    amount: dict[_Key, Decimal] = {}
    known = dict(want)
    for line in charged:
        key = _key(line)
        known.setdefault(key, line)
        quantity[key] = quantity.get(key, Decimal(0)) + line.quantity
        amount[key] = amount.get(key, Decimal(0)) + line.amount
    found = []
    for key, line in known.items():
        right = want.get(key)
        more = (right.quantity if right else Decimal(0)) - quantity.get(key, Decimal(0))
        money = (right.amount if right else Decimal(0)) - amount.get(key, Decimal(0))
        if more or money:
            found.append(replace(line, quantity=more, amount=money, corrects=number))
    return found


def _key(line: Line) -> _Key:
    return (
        *(line.kind, line.period, line.above_kwh),
        *(line.price, line.first, line.last, line.valid_from),
    )


def _draft(row: Row[Any]) -> Draft:
    return msgspec.json.decode(row.content, type=Draft)
