"""Meters of the archive as a technician needs them: place, customer, way of paying, balance."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, ScalarSelect, or_, select

from kwhub.domain.errors import LocalError
from kwhub.exchange.device_messages import WorkMeter
from kwhub.headend.billing.balances import balance
from kwhub.headend.store import schema
from kwhub.headend.store.schema_archive import account, customer
from kwhub.headend.store.schema_billing import account_tariff

__all__ = ["POSTPAID", "PREPAID", "meters_to_visit", "terminal_to_visit"]

PREPAID: Final = "prepaid"
POSTPAID: Final = "postpaid"


def meters_to_visit(
    connection: Connection,
    area: str = "",
    addresses: Collection[str] = (),
    registers: tuple[str, ...] = (),
    prepaid: Collection[str] = (),
) -> tuple[WorkMeter, ...]:
    """The active meters of an area, and single ones, by terminal and point.

    Args:
        connection: to the store.
        area: code of an area; empty: none.
        addresses: of meters.
        registers: to be read at each.
        prepaid: addresses of meters that hold money themselves, as the counter knows them. Who is warned of a low
            balance pays before, too; every other account pays after.

    Raises:
        LocalError: the archive does not know a meter, or there is none at all.
    """
    rows = _found(connection, area, addresses)
    unknown = sorted(set(addresses) - {row.address for row in rows})
    if unknown:
        raise LocalError(f"the archive has no active meter {', '.join(unknown)}")
    if not rows:
        raise LocalError(f"area {area!r} has no active meters; name another, or single meters")
    return tuple(
        WorkMeter(
            row.address,
            row.terminal,
            row.code,
            row.protocol,
            row.postal_address or row.name,
            row.customer or "",
            _paying(row, prepaid),
            balance=balance(connection, row.account) if row.account is not None else None,
            registers=registers,
        )
        for row in rows
    )


def terminal_to_visit(connection: Connection, address: str) -> WorkMeter:
    """A collecting terminal, which the archive names by its twelve digits. Raises LocalError: it knows none of that name."""
    terminal, area = schema.terminal, schema.area
    row = connection.execute(
        select(terminal.c.name, area.c.code)
        .join(area, area.c.id == terminal.c.area_id)
        .where(terminal.c.name == address, terminal.c.active)
        .limit(1)
    ).one_or_none()
    if row is None:
        raise LocalError(f"the archive has no active terminal that is named {address}")
    return WorkMeter(address, row.name, row.code)


def _paying(row: Any, prepaid: Collection[str]) -> str:
    if row.address in prepaid:
        return PREPAID
    if row.account is None:
        return ""
    return POSTPAID if row.low_balance is None else PREPAID


def _found(connection: Connection, area: str, addresses: Collection[str]) -> list[Any]:
    meter, terminal = schema.meter, schema.terminal
    wanted: list[ColumnElement[bool]] = [meter.c.address.in_(tuple(addresses))]
    if area:
        wanted.append(schema.area.c.code == area)
    query = (
        select(
            meter.c.address,
            meter.c.name,
            meter.c.protocol,
            terminal.c.name.label("terminal"),
            schema.area.c.code,
            customer.c.name.label("customer"),
            customer.c.postal_address,
            account.c.id.label("account"),
            _low_balance().label("low_balance"),
        )
        .join(terminal, terminal.c.id == meter.c.terminal_id)
        .join(schema.area, schema.area.c.id == terminal.c.area_id)
        .outerjoin(account, (account.c.meter_id == meter.c.id) & account.c.to_day.is_(None))
        .outerjoin(customer, customer.c.id == account.c.customer_id)
        .where(meter.c.active, or_(*wanted))
        .order_by(terminal.c.name, meter.c.point, meter.c.address)
    )
    return list(connection.execute(query))


def _low_balance() -> ScalarSelect[Any]:
    """That of the tariff that an account was given last; null when nobody is warned."""
    table = account_tariff
    return (
        select(table.c.low_balance)
        .where(table.c.account_id == account.c.id)
        .order_by(table.c.from_day.desc())
        .limit(1)
        .correlate(account)
        .scalar_subquery()
    )
