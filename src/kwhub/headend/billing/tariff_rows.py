"""Tariffs in the store: their versions, and which account has which from which day on."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import msgspec
from sqlalchemy import Connection, func, select

from kwhub.domain.errors import LocalError
from kwhub.headend.billing.tariffs import Tariff
from kwhub.headend.store.database import upsert
from kwhub.headend.store.schema import day_number, local_date
from kwhub.headend.store.schema_billing import account_tariff, statement, tariff_version

__all__ = ["assign", "assigned", "codes", "put", "versions"]

_DAY = timedelta(days=1)


def put(connection: Connection, tariff: Tariff, *, by: str, at: datetime) -> None:
    """Write a version; one that no statement stands on yet may be replaced.

    Raises:
        LocalError: a statement that was issued reaches into the days of this version.
    """
    accounts = select(account_tariff.c.account_id).where(account_tariff.c.code == tariff.code)
    billed = connection.execute(
        select(func.max(statement.c.last_day)).where(
            statement.c.account_id.in_(accounts), statement.c.cancelled_at.is_(None)
        )
    ).scalar_one()
    if billed is not None and billed >= day_number(tariff.valid_from):
        raise LocalError(
            f"tariff {tariff.code}: statements up to {local_date(billed)} stand on what held until "
            "now; let the new version begin after that day, or cancel them first"
        )
    row = {
        "code": tariff.code,
        "valid_from": day_number(tariff.valid_from),
        "content": msgspec.json.encode(tariff).decode(),
        "made_at": at,
        "made_by": by,
    }
    upsert(connection, tariff_version, [row])


def versions(connection: Connection, code: str) -> list[Tariff]:
    """The versions of a tariff, the oldest first."""
    table = tariff_version
    query = select(table.c.content).where(table.c.code == code).order_by(table.c.valid_from)
    return [msgspec.json.decode(text, type=Tariff) for text in connection.execute(query).scalars()]


def codes(connection: Connection) -> list[str]:
    """The codes of all tariffs."""
    query = select(tariff_version.c.code).distinct().order_by(tariff_version.c.code)
    return list(connection.execute(query).scalars())


def assign(
    connection: Connection, account_id: int, code: str, from_day: date, low_balance: Decimal | None
) -> None:
    """Give an account a tariff from a day on.

    Args:
        connection: of a writing transaction.
        account_id: whose.
        code: of a tariff that has a version.
        from_day: first day.
        low_balance: below it the customer is warned; None: never.

    Raises:
        LocalError: there is no such tariff, or the days are billed already.
    """
    if not versions(connection, code):
        raise LocalError(f"there is no tariff {code}; known are {', '.join(codes(connection))}")
    billed = connection.execute(
        select(func.max(statement.c.last_day)).where(
            statement.c.account_id == account_id, statement.c.cancelled_at.is_(None)
        )
    ).scalar_one()
    if billed is not None and billed >= day_number(from_day):
        raise LocalError(f"the account is billed up to {local_date(billed)}; begin after that day")
    row = {
        "account_id": account_id,
        "from_day": day_number(from_day),
        "code": code,
        "low_balance": low_balance,
    }
    upsert(connection, account_tariff, [row])


def assigned(
    connection: Connection, account_id: int, first: date, last: date
) -> list[tuple[str, date, date]]:
    """The tariffs of an account in a span, each with its first and last day in it.

    Raises:
        LocalError: the account has none on some day.
    """
    table = account_tariff
    query = select(table).where(table.c.account_id == account_id).order_by(table.c.from_day)
    rows = list(connection.execute(query))
    if not rows or local_date(rows[0].from_day) > first:
        raise LocalError(f"the account has no tariff on {first}; give it one first")
    found = []
    for number, row in enumerate(rows):
        begin = max(first, local_date(row.from_day))
        after = rows[number + 1].from_day if number + 1 < len(rows) else None
        end = last if after is None else min(last, local_date(after) - _DAY)
        if begin <= end:
            found.append((row.code, begin, end))
    return found
