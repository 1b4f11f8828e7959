"""How long a prepaid meter's money lasts, from what its element has signed and from what was sold in between.

Source: kwhub.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

__all__ = ["Balance", "Outlook", "outlook"]

SPAN_MAX = timedelta(days=45)
"""Older balances say nothing about today's use."""

SPAN_MIN = timedelta(hours=6)
"""A shorter span says too little."""

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Balance:
    """What a meter has told.

    Attributes:
        at: when it was told, aware.
        money: hundredths; below zero when owed.
        count: its last purchase number.
    """

    at: datetime
    money: int
    count: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where a meter stands.

    Attributes:
        money: hundredths, forecast for now.
        told: the last balance that the meter has signed.
        a_day: hundredths spent a day; None when that is not known.
        days_left: whole days until nothing is left; None when that is not known.
        is_low: less is left than the limit, or fewer days.
    """

    money: int
    told: Balance
    a_day: int | None
    days_left: int | None
    is_low: bool


def outlook(
    told: Sequence[Balance],
    bought: Sequence[tuple[int, int]],
    now: datetime,
    *,
    low: int,
    low_days: int,
) -> Outlook | None:
    """Forecast one meter.

    Args:
        told: its balances, the oldest first.
        bought: number and amount of its purchases.
        now: aware.
        low: hundredths below which somebody is warned.
        low_days: days below which somebody is warned.

    Returns:
        None when the meter has never told anything.
    """
    if not told:
        return None
    last = told[-1]
    a_day = _spent_a_day([each for each in told if last.at - each.at <= SPAN_MAX], bought)
    money = last.money
    if a_day:
        money -= int(a_day * max(0.0, (now - last.at).total_seconds()) / _DAY_S)
    days_left = max(0, money) // a_day if a_day else None
    is_low = money < low or (days_left is not None and days_left < low_days)
    return Outlook(money, last, a_day, days_left, is_low)


def _spent_a_day(told: Sequence[Balance], bought: Sequence[tuple[int, int]]) -> int | None:
    first, last = told[0], told[-1]
    if last.at - first.at < SPAN_MIN:
        return None
    credited = sum(amount for count, amount in bought if first.count < count <= last.count)
    spent = first.money + credited - last.money
    return max(0, round(spent * _DAY_S / (last.at - first.at).total_seconds()))
