"""The figures of a span: its lines, and the readings that they stand on, as they are known at present."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from sqlalchemy import Connection, select

from kwhub.domain.errors import LocalError
from kwhub.headend.billing.energies import Trace, Unbillable, energies
from kwhub.headend.billing.pricing import Line, Part, price
from kwhub.headend.billing.shapes import Account
from kwhub.headend.billing.tariff_rows import assigned, versions
from kwhub.headend.billing.tariffs import Tariff, in_force
from kwhub.headend.store import archive_rows, schema, schema_archive
from kwhub.headend.store.days import Days
from kwhub.headend.store.schema import local_date
from kwhub.headend.validation import findings

__all__ = ["Figures", "account", "figures", "tier_start"]

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a span costs, and why."""

    lines: tuple[Line, ...]
    traces: tuple[Trace, ...]
    kwh: Decimal
    currency: str


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


def figures(connection: Connection, days: Days, own: Account, first: date, last: date) -> Figures:
    """What an account owes for the energy from the beginning of ``first`` to the end of ``last``.

    Raises:
        LocalError: no tariff, more than one currency, or a meter that is not in service.
        Unbillable: readings are missing, wrong or do not agree.
    """
    meters = archive_rows.meters(connection, meter_id=own.meter_id, retired=True)
    meter = next(iter(meters), None)
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
        since = max(tier_start(tariff, begin), own.from_day)
        if tariff.tiers and since < begin:
            before = energies(connection, days, meter, tariff, since, begin - _DAY).total
        parts.append(Part(tariff, begin, end, found.kwh, before))
        traces += found.traces
    currency, *others = dict.fromkeys(part.tariff.currency for part in parts)
    if others:
        raise LocalError(
            f"from {first} to {last} there are prices in {currency} and in {', '.join(others)}; "
            "bill the days of each by themselves"
        )
    kwh = sum((part.total_kwh for part in parts), Decimal(0))
    return Figures(tuple(price(parts)), tuple(traces), kwh, currency)


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


def tier_start(tariff: Tariff, day: date) -> date:
    """First day of the span in which the tiers of a day count."""
    return day.replace(day=1) if tariff.tier_span == "month" else day.replace(month=1, day=1)


def _span_end(tariff: Tariff, day: date) -> date:
    if tariff.tier_span == "year":
        return day.replace(month=12, day=31)
    return (day.replace(day=28) + 4 * _DAY).replace(day=1) - _DAY
