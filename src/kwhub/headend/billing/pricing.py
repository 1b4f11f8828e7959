"""From energy to money: the lines of a statement. Pure arithmetic in decimals."""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum

from kwhub.headend.billing.tariffs import Period, Tariff, money

__all__ = ["Kind", "Line", "Part", "price", "price_of_a_kwh"]

_DAY = timedelta(days=1)


class Kind(Enum):
    """What a line is for."""

    ENERGY = "energy"
    TIER = "tier"
    FEE = "fee"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the billed span under one version of the tariff.

    Attributes:
        first: first day, inclusive.
        last: last day, inclusive.
        kwh: energy by period.
        tier_kwh: energy that was used in the tier's span before this part.
    """

    tariff: Tariff
    first: date
    last: date
    kwh: Mapping[Period, Decimal]
    tier_kwh: Decimal = Decimal(0)

    @property
    def total_kwh(self) -> Decimal:
        """Energy of all periods."""
        return sum(self.kwh.values(), Decimal(0))


@dataclass(frozen=True, slots=True)
class Line:
    """One line: quantity times price is the amount, rounded.

    Attributes:
        kind: what for.
        period: for energy, which price.
        above_kwh: for tiers, the bound.
        quantity: kWh, or months for a fee.
        price: for one of them.
        amount: rounded to MONEY_STEP.
        first: first day, inclusive.
        last: last day, inclusive.
        valid_from: names the version of the tariff.
        corrects: number of the earlier statement that the line puts right; None for a line of the span itself.
            The amount is then what the right amount differs from what was charged, each rounded for itself.
    """

    kind: Kind
    period: Period | None
    above_kwh: Decimal | None
    quantity: Decimal
    price: Decimal
    amount: Decimal
    first: date
    last: date
    valid_from: date
    corrects: int | None = None


def price(parts: Sequence[Part]) -> list[Line]:
    """The lines of a statement, part by part; their amounts sum to what is to be paid."""
    return [line for part in parts for line in (*_energy(part), *_tiers(part), *_fee(part))]


def price_of_a_kwh(tariff: Tariff, used: Mapping[Period, Decimal], tier_kwh: Decimal) -> Decimal:
    """What the next kilowatt-hour costs on the average of the times at which somebody uses energy."""
    total = sum(used.values(), Decimal(0))
    if total > 0:
        base = sum(tariff.prices.get(each, Decimal(0)) * kwh for each, kwh in used.items()) / total
    else:
        base = sum(tariff.prices.values(), Decimal(0)) / len(tariff.prices)
    adders = [tier.adder for tier in tariff.tiers if tier.above_kwh <= tier_kwh]
    return base + (adders[-1] if adders else Decimal(0))


def _energy(part: Part) -> list[Line]:
    return [
        _line(part, Kind.ENERGY, kwh, part.tariff.prices[period], period=period)
        for period, kwh in part.kwh.items()
        if period in part.tariff.prices
    ]


def _tiers(part: Part) -> list[Line]:
    """Each tier's adder for the energy that lies between its bound and the next one's."""
    found = []
    bounds = [tier.above_kwh for tier in part.tariff.tiers]
    begin, end = part.tier_kwh, part.tier_kwh + part.total_kwh
    for number, tier in enumerate(part.tariff.tiers):
        upper = bounds[number + 1] if number + 1 < len(bounds) else end
        inside = min(end, upper) - max(begin, tier.above_kwh)
        if inside > 0:
            found.append(_line(part, Kind.TIER, inside, tier.adder, above_kwh=tier.above_kwh))
    return found


def _fee(part: Part) -> list[Line]:
    if not part.tariff.monthly_fee:
        return []
    return [_line(part, Kind.FEE, _months(part.first, part.last), part.tariff.monthly_fee)]


def _months(first: date, last: date) -> Decimal:
    """A span in months: whole ones count 1, parts by their days.

    >>> _months(date(2026, 1, 17), date(2026, 2, 28))
    Decimal('1.4839')
    """
    months, day = Decimal(0), first
    while day <= last:
        days = monthrange(day.year, day.month)[1]
        end = min(last, day.replace(day=days))
        months += Decimal((end - day).days + 1) / days
        day = end + _DAY
    return months.quantize(Decimal("0.0001"))


def _line(
    part: Part,
    kind: Kind,
    quantity: Decimal,
    each: Decimal,
    *,
    period: Period | None = None,
    above_kwh: Decimal | None = None,
) -> Line:
    return Line(
        kind,
        period,
        above_kwh,
        quantity,
        each,
        money(quantity * each),
        part.first,
        part.last,
        part.tariff.valid_from,
    )
