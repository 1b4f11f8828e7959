"""Statements: made from readings, issued once, never changed, cancelled with a reason.

The statements of an account are a chain: each begins on the day after the one before, with the readings on which
that one ended. What turns out to have been wrong in earlier ones is put right by lines of the next.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, and_, func, insert, or_, select, update

from kwhub.domain.errors import LocalError
from kwhub.headend.billing import balances
from kwhub.headend.billing.corrections import Mended, due, settle, stood_on, valid
from kwhub.headend.billing.energies import Trace, Unbillable
from kwhub.headend.billing.figures import account, figures
from kwhub.headend.billing.shapes import Account, Draft, Due, Issued
from kwhub.headend.store import schema, schema_archive
from kwhub.headend.store.dated import Dated
from kwhub.headend.store.days import Days
from kwhub.headend.store.former import Homes
from kwhub.headend.store.schema import day_number, local_date
from kwhub.headend.store.schema_billing import statement as table

__all__ = ["cancel", "changed", "draft", "find", "get", "inside", "issue"]

SPAN_DAYS_MAX = 400
"""Longest span of one statement."""

_DAY = timedelta(days=1)


def draft(connection: Connection, days: Days, account_id: int, first: date, last: date) -> Draft:
    """What an account owes for the energy from the beginning of ``first`` to the end of ``last``.

    Of days that are billed already it is what they would come to now, without corrections of others.

    Raises:
        LocalError: no such account, no tariff, an impossible span, or a gap to the statements that there are.
        Unbillable: readings are missing, wrong or do not agree.
    """
    own = account(connection, account_id)
    _check_span(own, first, last)
    there = Dated.load(connection, [own.meter_id]).area(
        own.meter_id, days.start_s(last), own.area_id
    )
    own = msgspec.structs.replace(own, area_id=own.area_id if there is None else there)
    rows = valid(connection, account_id)
    is_new = _overlap(rows, first, last) is None
    before, after = _neighbours(rows, first, last) if is_new else (None, None)
    found = figures(connection, days, own, first, last)
    if others := {row.currency for row in rows} - {found.currency}:
        raise LocalError(
            f"account {own.number} is billed in {', '.join(others)}; an account has one currency"
        )
    mended: list[Mended] = []
    if is_new:
        near = {row.id for row in (before, after) if row is not None}
        mended = due(connection, days, own, rows, near)
        if before is not None:
            _check_joined(own, before, rows, mended, found.traces)
    lines = (*found.lines, *(line for each in mended for line in each.lines))
    return Draft(
        own,
        first,
        last,
        found.currency,
        lines,
        found.traces,
        found.kwh + sum((each.correction.kwh for each in mended), Decimal(0)),
        sum((line.amount for line in lines), Decimal(0)),
        tuple(each.correction for each in mended),
        None if before is None else before.id,
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
        LocalError: the span is not over, overlaps another statement, or leaves days between unbilled.
        Unbillable: see ``draft``.
    """
    first, last = span
    balances.lock(connection, account_id)
    if old := _overlap(valid(connection, account_id), first, last):
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
            look_again=False,
            due_kwh="",
            due_why="",
        )
    )
    settle(connection, [each.statement for each in made.corrections])
    (number,) = inserted.inserted_primary_key or (0,)
    entry = balances.Entry("statement", -made.total, f"statement {number}", f"{first} to {last}")
    balances.add(connection, account_id, entry, by=by, at=at)
    return Issued(int(number), at, by, made, None, "", "")


def cancel(connection: Connection, number: int, *, by: str, reason: str, at: datetime) -> Issued:
    """Cancel the newest statement of an account and give its total back; the span can then be billed anew.

    Raises:
        LocalError: no such statement, cancelled before, no reason, or a later one stands on it.
    """
    if not reason.strip():
        raise LocalError("say why the statement is cancelled: the customer will ask")
    issued = get(connection, number)
    account_id = issued.draft.account.id
    balances.lock(connection, account_id)
    newest = max((row.id for row in valid(connection, account_id)), default=number)
    if newest > number and issued.cancelled_at is None:
        raise LocalError(
            f"statement {newest} carries on from this one; cancel it first, or let the next one correct this"
        )
    done = connection.execute(
        update(table)
        .where(table.c.id == number, table.c.cancelled_at.is_(None))
        .values(cancelled_at=at, cancelled_by=by, reason=reason.strip())
    )
    if not done.rowcount:
        raise LocalError(f"statement {number} was cancelled before")
    settle(connection, [each.statement for each in issued.draft.corrections], again=True)
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
    days: Days,
    *,
    account_id: int | None = None,
    areas: Collection[int] | None = None,
    limit: int = 50,
    offset: int = 0,
) -> list[Issued]:
    """Statements, the newest first; of one account, or of the areas that may be seen.

    A statement belongs to the area in which the meter was on its last day.
    """
    query = _seen(connection, days, areas).order_by(table.c.id.desc()).limit(limit).offset(offset)
    if account_id is not None:
        query = query.where(table.c.account_id == account_id)
    return [_issued(row) for row in connection.execute(query)]


def inside(
    connection: Connection, account_id: int, first: date, last: date
) -> list[tuple[int, date, date]]:
    """Number, first and last day of the valid statements of an account inside a span, by their days."""
    rows = valid(connection, account_id)
    found = [(row.id, local_date(row.first_day), local_date(row.last_day)) for row in rows]
    return sorted(
        (one for one in found if first <= one[1] and one[2] <= last), key=lambda one: one[1]
    )


def changed(
    connection: Connection, days: Days, *, areas: Collection[int] | None = None, limit: int = 50
) -> list[Issued]:
    """Statements that differ from what their readings say now, the oldest first; see ``Issued.due``."""
    query = _seen(connection, days, areas).where(
        table.c.cancelled_at.is_(None), or_(table.c.due.is_not(None), table.c.due_why != "")
    )
    return [_issued(row) for row in connection.execute(query.order_by(table.c.id).limit(limit))]


def _seen(connection: Connection, days: Days, areas: Collection[int] | None) -> Select[Any]:
    query = select(table)
    if areas is None:
        return query
    own, meter, terminal = schema_archive.account, schema.meter, schema.terminal
    query = (
        query.join(own, table.c.account_id == own.c.id)
        .join(meter, own.c.meter_id == meter.c.id)
        .join(terminal, meter.c.terminal_id == terminal.c.id)
    )
    other = Homes.load(connection, days).elsewhere(connection)
    if other is None:
        return query.where(terminal.c.area_id.in_(areas))
    day = table.c.last_day
    then = and_(other.c.meter_id == meter.c.id, other.c.first_day <= day, day < other.c.end_day)
    area_id = func.coalesce(other.c.area_id, terminal.c.area_id)
    return query.join(other, then, isouter=True).where(area_id.in_(areas))


def _check_span(own: Account, first: date, last: date) -> None:
    if not 0 <= (last - first).days < SPAN_DAYS_MAX:
        raise LocalError(f"from the first to the last day, at most {SPAN_DAYS_MAX} days")
    if first < own.from_day or (own.to_day is not None and last >= own.to_day):
        until = "" if own.to_day is None else f" and ends before {own.to_day}"
        raise LocalError(f"account {own.number} begins on {own.from_day}{until}")


def _overlap(rows: Sequence[Row[Any]], first: date, last: date) -> Row[Any] | None:
    begin, end = day_number(first), day_number(last)
    return next((row for row in rows if row.first_day <= end and row.last_day >= begin), None)


def _neighbours(
    rows: Sequence[Row[Any]], first: date, last: date
) -> tuple[Row[Any] | None, Row[Any] | None]:
    """The statements that end right before and begin right after a span.

    Raises:
        LocalError: days between the span and the other statements would stay unbilled.
    """
    begin, end = day_number(first), day_number(last)
    before = max(
        (row for row in rows if row.last_day < begin), key=lambda row: row.last_day, default=None
    )
    after = min(
        (row for row in rows if row.first_day > end), key=lambda row: row.first_day, default=None
    )
    if before is not None and before.last_day + 1 < begin:
        raise LocalError(
            f"the account is billed up to {local_date(before.last_day)}: the next statement begins on "
            f"{local_date(before.last_day + 1)}, or the days between would never be billed"
        )
    if before is None and after is not None and after.first_day - 1 > end:
        raise LocalError(
            f"the account is billed from {local_date(after.first_day)} on: an earlier statement ends on "
            f"{local_date(after.first_day - 1)}, or the days between would never be billed"
        )
    near = after if after is not None and after.first_day == end + 1 else None
    return before, near


def _check_joined(
    own: Account,
    before: Row[Any],
    rows: Sequence[Row[Any]],
    mended: Sequence[Mended],
    traces: Sequence[Trace],
) -> None:
    """The readings on which a statement ended, with what is mended now, are those on which the next begins.

    Raises:
        Unbillable: they are not, for the earlier one cannot be computed anew.
    """
    ended = next(
        (each.correction.now for each in mended if each.correction.statement == before.id),
        stood_on(before, rows),
    )
    ends = {(each.register, each.end): each.last for each in ended}
    for each in traces:
        last = ends.get((each.register, each.start), each.first)
        if last != each.first:
            raise Unbillable(
                f"meter {own.address}: statement {before.id} ended at {last} of register {each.register} and "
                f"this one would begin at {each.first}; mend the readings of statement {before.id} first"
            )


def _issued(row: Row[Any]) -> Issued:
    return Issued(
        row.id,
        row.issued_at,
        row.issued_by,
        msgspec.json.decode(row.content, type=Draft),
        row.cancelled_at,
        row.cancelled_by,
        row.reason,
        _due(row),
    )


def _due(row: Row[Any]) -> Due | None:
    if row.due is None and not row.due_why:
        return None
    return Due(Decimal(row.due_kwh or 0), row.due or Decimal(0), row.due_why)
