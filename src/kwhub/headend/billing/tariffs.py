"""Tariffs: what a kilowatt-hour costs at which time of day and in which tier, valid from a day on."""

from collections.abc import Mapping, Sequence
from datetime import date, time
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kwhub.domain.errors import LocalError
from kwhub.domain.readings import Register

__all__ = [
    "MONEY_STEP",
    "PERIOD_REGISTERS",
    "Money",
    "Period",
    "Slot",
    "Tariff",
    "Tier",
    "in_force",
    "money",
    "tariff_from",
]

MONEY_STEP = Decimal("0.01")
"""Every line of a statement is rounded to this, half up, as the field's bills are."""

Price = Annotated[Decimal, Meta(description='money for one kWh, such as "0.5583"')]
Money = Annotated[Decimal, Meta(description='money, such as "12.50"')]


class Period(Enum):
    """A part of the day with a price of its own; the meter counts each in a register of its own."""

    TOTAL = "total"  #: one price all day
    SHARP = "sharp"
    PEAK = "peak"
    FLAT = "flat"
    VALLEY = "valley"


PERIOD_REGISTERS: Mapping[Period, Register] = MappingProxyType(
    {
        period: Register(f"1-0:1.8.{number}")
        for number, period in enumerate(
            (Period.TOTAL, Period.SHARP, Period.PEAK, Period.FLAT, Period.VALLEY)
        )
    }
)
"""Source: DL/T 645-2007, appendix A: tariffs 1 to 4 are sharp, peak, flat, valley by the field's custom."""


class Slot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From a wall time on, until the next slot, a period; the last one goes on over midnight."""

    start: time
    period: Period


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Energy beyond a bound within the span costs more (or less)."""

    above_kwh: Decimal  #: from 0 on
    adder: Price  #: added to the price of the period


class Tariff(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One version of a tariff.

    Attributes:
        code: the tariff; its versions share it.
        valid_from: first day of this version; it ends where the next one begins.
        prices: per period; TOTAL alone, or any of the others.
        schedule: slots of the day, for ``source`` curve; empty takes the meter's own registers.
        tiers: by rising bound.
        tier_span: the bounds begin anew every month or every year.
        monthly_fee: for every month that is billed, in proportion to its days.
    """

    code: Annotated[str, Meta(min_length=1, max_length=64)]
    name: Annotated[str, Meta(max_length=200)] = ""
    name_zh: Annotated[str, Meta(max_length=200)] = ""
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")] = "CNY"
    valid_from: date
    prices: dict[Period, Price]
    schedule: tuple[Slot, ...] = ()
    tiers: tuple[Tier, ...] = ()
    tier_span: Literal["month", "year"] = "month"
    monthly_fee: Money = Decimal(0)

    def __post_init__(self) -> None:
        _check_prices(self.prices)
        _check_tiers(self.tiers)
        _check_schedule(self.schedule, self.prices)
        if not self.monthly_fee.is_finite() or self.monthly_fee < 0:
            raise ValueError("monthly_fee: from 0 on")

    def period_at(self, minute: int) -> Period:
        """The period of a minute of the local day; TOTAL without a schedule."""
        found = Period.TOTAL
        for slot in self.schedule:
            if slot.start.hour * 60 + slot.start.minute <= minute:
                found = slot.period
        return found


def _check_prices(prices: Mapping[Period, Decimal]) -> None:
    if not prices:
        raise ValueError("prices: at least one")
    if Period.TOTAL in prices and len(prices) > 1:
        raise ValueError("prices: either total alone, or periods")
    for period, price in prices.items():
        if not price.is_finite() or not 0 <= price < 10_000:
            raise ValueError(f"prices.{period.value}: from 0 to 10000")


def _check_tiers(tiers: Sequence[Tier]) -> None:
    for tier in tiers:
        if not (tier.above_kwh.is_finite() and tier.adder.is_finite() and tier.above_kwh >= 0):
            raise ValueError("tiers: above_kwh from 0 on, and an adder in money for one kWh")
    bounds = [tier.above_kwh for tier in tiers]
    if bounds != sorted(set(bounds)):
        raise ValueError("tiers: each bound once, the lower first")


def _check_schedule(schedule: Sequence[Slot], prices: Mapping[Period, Decimal]) -> None:
    starts = [slot.start for slot in schedule]
    if any(start.second or start.microsecond or start.tzinfo for start in starts):
        raise ValueError("schedule: wall times of whole minutes")
    if starts != sorted(set(starts)):
        raise ValueError("schedule: each time once, the earlier first")
    if schedule and starts[0] != time.min:
        raise ValueError("schedule: the first slot begins at 00:00")
    for slot in schedule:
        if slot.period not in prices:
            raise ValueError(f"schedule: {slot.period.value} has no price")


def tariff_from(values: Mapping[str, object]) -> Tariff:
    """A tariff from plain values, as they stand in JSON or TOML; money and prices are text.

    Raises:
        LocalError: with the key and what would be right.
    """
    try:
        return msgspec.convert(values, Tariff, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise LocalError(f"this is no tariff: {error}") from error


def in_force(
    versions: Sequence[Tariff], first: date, last: date
) -> list[tuple[Tariff, date, date]]:
    """The versions that hold in a span, each with its first and last day in it.

    Args:
        versions: of one tariff, in any order.
        first: first day, inclusive.
        last: last day, inclusive.

    Raises:
        LocalError: no version holds on some day.
    """
    rising = sorted(versions, key=lambda each: each.valid_from)
    if not rising or rising[0].valid_from > first:
        raise LocalError(f"no version of the tariff is in force on {first}")
    found = []
    for number, version in enumerate(rising):
        until = rising[number + 1].valid_from if number + 1 < len(rising) else None
        begin = max(first, version.valid_from)
        end = last if until is None else min(last, date.fromordinal(until.toordinal() - 1))
        if begin <= end:
            found.append((version, begin, end))
    return found


def money(amount: Decimal) -> Decimal:
    """An amount as it stands on a bill.

    >>> money(Decimal("1.005")), money(Decimal("-0.125"))
    (Decimal('1.01'), Decimal('-0.13'))
    """
    return amount.quantize(MONEY_STEP, ROUND_HALF_UP)
