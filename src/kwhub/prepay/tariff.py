"""Prices of energy: tariffs of the day, tiers of the period, and what a consumption costs.

All in whole numbers: energy in ticks of 0.01 kWh, prices in 0.0001 of the currency for a kWh, money in
millionths of the currency, so that nothing is ever rounded.

Source: file of 132 bytes of prices and 64 of tiers from public meter firmware (DI 040501FF, 040604FF);
the four bytes before the prices: kwhub.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from kwhub.domain.errors import DecodeError, LocalError

__all__ = [
    "MICRO",
    "PRICES",
    "TARIFF_BYTES",
    "TARIFF_NOW",
    "TARIFF_STANDBY",
    "TIERS",
    "TIERS_OFFSET",
    "TariffSet",
]

TARIFF_NOW, TARIFF_STANDBY = 0x03, 0x04
"""Files of the element."""
PRICES = 32
TIERS = 7
TIERS_OFFSET = 4 + 4 * PRICES
TARIFF_BYTES = TIERS_OFFSET + 4 * (2 * TIERS - 1) + 3 * 4
MICRO = 10_000
"""Millionths of the currency in a hundredth."""

_NEVER = frozenset({"000000", "999999"})


@dataclass(frozen=True, slots=True)
class TariffSet:
    """One set of prices.

    Attributes:
        prices: of the tariffs 1, 2, ...; 0.0001 of the currency for a kWh.
        limits: ends of the tiers within a period, ticks, rising; the last tier has no end.
        surcharges: what a kWh costs more in each tier: one more than limits, or none.
        period_starts: month, day and hour, two digits each: when a period of the tiers begins.
    """

    prices: tuple[int, ...] = ()
    limits: tuple[int, ...] = ()
    surcharges: tuple[int, ...] = ()
    period_starts: tuple[str, ...] = ()

    def cost(self, ticks: Sequence[int], used: int) -> int:
        """What a consumption costs, in millionths of the currency.

        Args:
            ticks: of each tariff.
            used: ticks of the period before it.
        """
        prices = self.prices + (0,) * max(0, len(ticks) - len(self.prices))
        tariffs = sum(tick * price for tick, price in zip(ticks, prices, strict=False))
        if not any(self.surcharges):
            return tariffs
        ends = (*self.limits, None)
        start, stop, tiers, low = used, used + sum(ticks), 0, 0
        for end, surcharge in zip(ends, self.surcharges, strict=False):
            high = stop if end is None else min(stop, end)
            tiers += max(0, high - max(start, low)) * surcharge
            low = stop if end is None else end
        return tariffs + tiers

    def period_start(self, wall: datetime) -> datetime | None:
        """When the period of a moment began; None when periods never end."""
        starts = [
            datetime(year, int(text[:2]), int(text[2:4]), int(text[4:]))  # noqa: DTZ001 - a meter's wall time
            for text in self.period_starts
            for year in (wall.year - 1, wall.year)
        ]
        return max((start for start in starts if start <= wall), default=None)

    def next_period(self, wall: datetime) -> datetime | None:
        """When the next period begins; None when periods never end."""
        starts = [
            datetime(year, int(text[:2]), int(text[2:4]), int(text[4:]))  # noqa: DTZ001 - a meter's wall time
            for text in self.period_starts
            for year in (wall.year, wall.year + 1)
        ]
        return min((start for start in starts if start > wall), default=None)

    def to_bytes(self) -> bytes:
        """The content of the file. Raises LocalError when something does not fit."""
        if len(self.prices) > PRICES or len(self.limits) >= TIERS or len(self.surcharges) > TIERS:
            raise LocalError(f"at most {PRICES} prices and {TIERS} tiers")
        try:
            numbers = [*_filled(self.prices, PRICES), *_filled(self.limits, TIERS - 1)]
            numbers += _filled(self.surcharges, TIERS)
            raw = bytes(4) + b"".join(bytes.fromhex(f"{number:08d}") for number in numbers)
            dates = "".join([*self.period_starts, *["000000"] * (4 - len(self.period_starts))])
            raw += bytes.fromhex(dates)
        except ValueError:
            raise LocalError("a price, a tier or a date does not fit its digits") from None
        if len(raw) != TARIFF_BYTES:
            raise LocalError(f"the tariff set has {TARIFF_BYTES} bytes, not {len(raw)}")
        return raw

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """From the content of the file. Raises DecodeError: ``value_length_mismatch``, ``not_bcd``, ..."""
        if len(raw) < TARIFF_BYTES:
            raise DecodeError("value_length_mismatch", f"{len(raw)} bytes are no tariff set")
        digits = raw[4:TARIFF_BYTES].hex()
        if not digits.isdecimal():
            raise DecodeError("not_bcd", "a price or a tier is not decimal", field="tariff set")
        cut = 8 * (PRICES + 2 * TIERS - 1)
        numbers = [int(digits[at : at + 8]) for at in range(0, cut, 8)]
        limits = numbers[PRICES : PRICES + TIERS - 1]
        used = next((index for index, end in enumerate(limits) if not end), len(limits))
        if sorted(set(limits[:used])) != limits[:used]:
            raise DecodeError("value_not_valid", "the ends of the tiers do not rise", field="tiers")
        surcharges = numbers[PRICES + TIERS - 1 :][: used + 1]
        dates = [digits[at : at + 6] for at in range(cut, len(digits), 6)]
        return cls(
            tuple(_stripped(numbers[:PRICES])),
            tuple(limits[:used]),
            tuple(surcharges) if any(surcharges) else (),
            tuple(_date(each) for each in dates if each not in _NEVER),
        )


def _filled(numbers: Sequence[int], count: int) -> list[int]:
    return [*numbers, *[0] * (count - len(numbers))]


def _stripped(numbers: Sequence[int]) -> list[int]:
    last = max((index for index, number in enumerate(numbers) if number), default=-1)
    return list(numbers[: last + 1])


def _date(text: str) -> str:
    month, day, hour = int(text[:2]), int(text[2:4]), int(text[4:])
    if not (1 <= month <= 12 and 1 <= day <= 28 and hour <= 23):
        raise DecodeError("time_not_valid", f"{text} begins no period", field="period")
    return text
