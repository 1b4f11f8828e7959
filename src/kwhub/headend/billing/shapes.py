"""What a statement is made of."""

from datetime import date, datetime
from decimal import Decimal

import msgspec

from kwhub.headend.billing.energies import Trace
from kwhub.headend.billing.pricing import Line

__all__ = ["Account", "Correction", "Draft", "Due", "Issued"]


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


class Correction(msgspec.Struct, frozen=True):
    """What an earlier statement, with its corrections until now, had charged wrongly.

    Attributes:
        statement: number of the earlier one.
        first: its first day.
        last: its last day.
        kwh: energy that is charged (or given back) now.
        amount: money for it, by the prices of those days.
        billed: the readings that it stood on until now.
        now: the readings that it stands on from now on.
    """

    statement: int
    first: date
    last: date
    kwh: Decimal
    amount: Decimal
    billed: tuple[Trace, ...]
    now: tuple[Trace, ...]


class Draft(msgspec.Struct, frozen=True):
    """A statement that is not issued: every figure, and the readings behind it.

    Attributes:
        lines: those of the span, then those that correct earlier statements; they sum to ``total``.
        traces: readings behind the lines of the span.
        kwh: energy of the span and of the corrections.
        corrections: what is behind the lines that correct.
        carries_on: the statement on whose last readings this one begins.
    """

    account: Account
    first: date
    last: date
    currency: str
    lines: tuple[Line, ...]
    traces: tuple[Trace, ...]
    kwh: Decimal
    total: Decimal
    corrections: tuple[Correction, ...] = ()
    carries_on: int | None = None


class Due(msgspec.Struct, frozen=True):
    """How a statement differs from what its readings say now.

    Attributes:
        kwh: to be charged, or given back, by the next statement; nought when it cannot be told.
        amount: the same in money.
        why: what keeps it from being told; empty when nothing does.
    """

    kwh: Decimal
    amount: Decimal
    why: str = ""


class Issued(msgspec.Struct, frozen=True):
    """A statement as it went to the customer.

    Attributes:
        due: how it differs from its readings by now; None when it does not, as far as is known.
    """

    id: int
    issued_at: datetime
    issued_by: str
    draft: Draft
    cancelled_at: datetime | None
    cancelled_by: str
    reason: str
    due: Due | None = None
