"""Statements: made from readings, issued once, never changed, cancelled with a reason."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from kwhub.domain.errors import LocalError
from kwhub.headend.billing import balances
from kwhub.headend.billing.energies import Trace, Unbillable, energies
from kwhub.headend.billing.pricing import Line, Part, price
from kwhub.headend.billing.tariff_rows import assigned, versions
from kwhub.headend.billing.tariffs import Tariff, in_force
from kwhub.headend.store import archive_rows, schema, schema_archive
from kwhub.headend.store.days import Days
from kwhub.headend.store.schema import day_number, local_date
from kwhub.headend.store.schema_billing import statement as table
from kwhub.headend.validation import findings

__all__ = ["Account", "Draft", "Issued", "account", "cancel", "draft", "find", "get", "issue"]

SPAN_DAYS_MAX = 400
"""Longest span of one statement."""

_DAY = timedelta(days=1)


class Account(msgspec.Struct, frozen=True):
    """Who pays for which meter, and since when."""

    id: int
    number: str
    customer_id: int
    customer: str
    customer_number: str
    meter_id: int
    address: str
    area_id: int
    from_day: date
    to_day: date | None  #: first day that is not theirs any more


class Draft(msgspec.Struct, frozen=True):
    """A statement that is not issued: every figure, and the readings behind it."""

    account: Account
    first: date
    last: date
    currency: str
    lines: tuple[Line, ...]
    traces: tuple[Trace, ...]
    kwh: Decimal
    total: Decimal


class Issued(msgspec.Struct, frozen=True):
    """A statement as it went to the customer."""

    id: int
    issued_at: datetime
    issued_by: str
    draft: Draft
    cancelled_at: datetime | None
    cancelled_by: str
    reason: str


def account(connection: Connection, account_id: int) -> Account:
    """One account with its customer and meter. Raises LocalError: there is none of this number."""
    own, customer = schema_archive.account, schema_archive.customer
    row = connection.execute(
        select(
            own,
            customer.c.name,
            customer.c.number.label("customer_number"),
            schema.meter.c.address,
            schema.terminal.c.area_id,
        )
        .join(customer, own.c.customer_id == customer.c.id)
        .join(schema.meter, own.c.meter_id == schema.meter.c.id)
        .join(schema.terminal, schema.meter.c.terminal_id == schema.terminal.c.id)
        .where(own.c.id == account_id)
    ).one_or_none()
    if row is None:
        raise LocalError(f"there is no account {account_id}")
    return Account(
        row.id,
        row.number,
        row.customer_id,
        row.name,
        row.customer_number,
        row.meter_id,
        row.address,
        row.area_id,
        local_date(row.from_day),
        None if row.to_day is None else local_date(row.to_day),
    )


def draft(connection: Connection, days: Days, account_id: int, first: date, last: date) -> Draft:
    """What an account owes for the energy from the beginning of ``first`` to the end of ``last``.

    Raises:
        LocalError: no such account, no tariff, or an impossible span.
        Unbillable: readings are missing, wrong or do not agree.
    """
    own = account(connection, account_id)
    _check_span(own, first, last)
    found = archive_rows.meters(connection, meter_id=own.meter_id, retired=True)
    meter = next(iter(found), None)
    if meter is None:
        raise LocalError(f"meter {own.address} is not in service")
    if wrong := findings.blocked(connection, [own.meter_id], first, last):
        when = ", ".join(str(day) for _, day in sorted(wrong))
        raise Unbillable(
            f"meter {own.address}: open findings call values wrong on {when}; accept or mend them first"
        )
    parts: list[Part] = []
    traces: list[Trace] = []
    for tariff, begin, end in _parts(connection, own, first, last):
        found = energies(connection, days, meter, tariff, begin, end)
        before = Decimal(0)
        since = max(_span_start(tariff, begin), own.from_day)
        if tariff.tiers and since < begin:
            before = energies(connection, days, meter, tariff, since, begin - _DAY).total
        parts.append(Part(tariff, begin, end, found.kwh, before))
        traces += found.traces
    lines = price(parts)
    return Draft(
        own,
        first,
        last,
        parts[-1].tariff.currency,
        tuple(lines),
        tuple(traces),
        sum((part.total_kwh for part in parts), Decimal(0)),
        sum((line.amount for line in lines), Decimal(0)),
    )


def issue(
    connection: Connection,
    days: Days,
    account_id: int,
    span: tuple[date, date],
    *,
    by: str,
    at: datetime,
) -> Issued:
    """Issue the statement of a span and charge its total; asked again, return the one that is there.

    Raises:
        LocalError: the span is not over, or overlaps another statement.
        Unbillable: see ``draft``.
    """
    first, last = span
    balances.lock(connection, account_id)
    for old in _valid(connection, account_id, first, last):
        if (local_date(old.first_day), local_date(old.last_day)) == span:
            return _issued(old)
        raise LocalError(
            f"statement {old.id} of this account covers {local_date(old.first_day)} to "
            f"{local_date(old.last_day)} already"
        )
    if days.start_s(last + _DAY) > at.timestamp():
        raise LocalError(f"{last} is not over yet")
    made = draft(connection, days, account_id, first, last)
    inserted = connection.execute(
        insert(table).values(
            account_id=account_id,
            first_day=day_number(first),
            last_day=day_number(last),
            issued_at=at,
            issued_by=by,
            total=made.total,
            currency=made.currency,
            content=msgspec.json.encode(made).decode(),
            cancelled_by="",
            reason="",
        )
    )
    (number,) = inserted.inserted_primary_key or (0,)
    entry = balances.Entry("statement", -made.total, f"statement {number}", f"{first} to {last}")
    balances.add(connection, account_id, entry, by=by, at=at)
    return Issued(int(number), at, by, made, None, "", "")


def cancel(connection: Connection, number: int, *, by: str, reason: str, at: datetime) -> Issued:
    """Cancel a statement and give its total back; the span can then be billed anew.

    Raises:
        LocalError: no such statement, cancelled before, or no reason.
    """
    if not reason.strip():
        raise LocalError("say why the statement is cancelled: the customer will ask")
    issued = get(connection, number)
    account_id = issued.draft.account.id
    balances.lock(connection, account_id)
    done = connection.execute(
        update(table)
        .where(table.c.id == number, table.c.cancelled_at.is_(None))
        .values(cancelled_at=at, cancelled_by=by, reason=reason.strip())
    )
    if not done.rowcount:
        raise LocalError(f"statement {number} was cancelled before")
    entry = balances.Entry("cancelled", issued.draft.total, f"cancelled {number}", reason.strip())
    balances.add(connection, account_id, entry, by=by, at=at)
    return get(connection, number)


def get(connection: Connection, number: int) -> Issued:
    """One statement. Raises LocalError: there is none of this number."""
    row = connection.execute(select(table).where(table.c.id == number)).one_or_none()
    if row is None:
        raise LocalError(f"there is no statement {number}")
    return _issued(row)


def find(
    connection: Connection,
    *,
    account_id: int | None = None,
    areas: Collection[int] | None = None,
    limit: int = 50,
    offset: int = 0,
) -> list[Issued]:
    """Statements, the newest first; of one account, or of the areas that may be seen."""
    query = select(table).order_by(table.c.id.desc()).limit(limit).offset(offset)
    if account_id is not None:
        query = query.where(table.c.account_id == account_id)
    if areas is not None:
        own, meter, terminal = schema_archive.account, schema.meter, schema.terminal
        query = (
            query.join(own, table.c.account_id == own.c.id)
            .join(meter, own.c.meter_id == meter.c.id)
            .join(terminal, meter.c.terminal_id == terminal.c.id)
            .where(terminal.c.area_id.in_(areas))
        )
    return [_issued(row) for row in connection.execute(query)]


def _check_span(own: Account, first: date, last: date) -> None:
    if not 0 <= (last - first).days < SPAN_DAYS_MAX:
        raise LocalError(f"from the first to the last day, at most {SPAN_DAYS_MAX} days")
    if first < own.from_day or (own.to_day is not None and last >= own.to_day):
        until = "" if own.to_day is None else f" and ends before {own.to_day}"
        raise LocalError(f"account {own.number} begins on {own.from_day}{until}")


def _parts(
    connection: Connection, own: Account, first: date, last: date
) -> list[tuple[Tariff, date, date]]:
    """The span cut where the tariff or its version changes, and where its tiers begin anew."""
    found = []
    for code, begin, end in assigned(connection, own.id, first, last):
        for tariff, start, stop in in_force(versions(connection, code), begin, end):
            day = start
            while day <= stop:
                until = min(stop, _span_end(tariff, day)) if tariff.tiers else stop
                found.append((tariff, day, until))
                day = until + _DAY
    return found


def _span_start(tariff: Tariff, day: date) -> date:
    """First day of the span in which the tiers of a day count."""
    return day.replace(day=1) if tariff.tier_span == "month" else day.replace(month=1, day=1)


def _span_end(tariff: Tariff, day: date) -> date:
    if tariff.tier_span == "year":
        return day.replace(month=12, day=31)
    return (day.replace(day=28) + 4 * _DAY).replace(day=1) - _DAY


def _valid(connection: Connection, account_id: int, first: date, last: date) -> list[Row[Any]]:
    query = select(table).where(
        table.c.account_id == account_id,
        table.c.cancelled_at.is_(None),
        table.c.first_day <= day_number(last),
        table.c.last_day >= day_number(first),
    )
    return list(connection.execute(query))


def _issued(row: Row[Any]) -> Issued:
    return Issued(
        row.id,
        row.issued_at,
        row.issued_by,
        msgspec.json.decode(row.content, type=Draft),
        row.cancelled_at,
        row.cancelled_by,
        row.reason,
    )
