"""Line loss of a transformer area: what the supply meter delivered and no customer's meter saw.

Source: the field's definition, (supply - sold) / supply, both on the primary side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Contribution", "Loss", "line_loss"]

_PERCENT_STEP = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Contribution:
    """One meter's energy over the span."""

    meter_id: int
    is_supply: bool
    ratio: Decimal
    kwh: Decimal | None  #: of the meter's register; None when not known


@dataclass(frozen=True, slots=True)
class Loss:
    """Figures of one area over one span; None as long as a meter that belongs to the figure is missing."""

    supply_kwh: Decimal | None
    sold_kwh: Decimal | None
    loss_kwh: Decimal | None
    loss_percent: Decimal | None
    missing: tuple[int, ...]  #: meters whose energy is not known


def line_loss(contributions: Sequence[Contribution]) -> Loss:
    """Loss of an area.

    An area without a supply meter has no loss, not a loss of nothing; and an area in which nothing
    was delivered has no rate.
    """
    supply = _total([each for each in contributions if each.is_supply])
    sold = _total([each for each in contributions if not each.is_supply])
    loss = None if supply is None or sold is None else supply - sold
    percent = None
    if loss is not None and supply:
        percent = (loss / supply * 100).quantize(_PERCENT_STEP)
    missing = tuple(each.meter_id for each in contributions if each.kwh is None)
    return Loss(supply, sold, loss, percent, missing)


def _total(contributions: Sequence[Contribution]) -> Decimal | None:
    if not contributions:
        return None
    total = Decimal(0)
    for each in contributions:
        if each.kwh is None:
            return None
        total += each.kwh * each.ratio
    return total
