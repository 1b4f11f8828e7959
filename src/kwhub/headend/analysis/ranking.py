"""Consumption of meters beside one another: rank and share, and who used suspiciously little. Pure arithmetic."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Generic, TypeVar

__all__ = ["DROP_SHARE", "LEAST_KWH", "Place", "Suspect", "Why", "ranked", "suspects"]

DROP_SHARE = Decimal("0.3")
"""What is used must be at least this share of what was used before."""

LEAST_KWH = Decimal(5)
"""Whoever used less than this before is not compared: small numbers jump."""

_STEP = Decimal("0.01")

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Place(Generic[K]):
    """One meter in the order of consumption."""

    key: K
    rank: int  #: from 1; who used as much has the same
    kwh: Decimal
    percent: Decimal | None  #: of the whole; None when nothing was used at all


class Why(Enum):
    """What is suspicious."""

    NOTHING = "nothing"  #: used nothing at all, and did before
    DROP = "drop"  #: used far less than before


@dataclass(frozen=True, slots=True)
class Suspect(Generic[K]):
    """A meter that used suspiciously little, with the two figures that say so."""

    key: K
    why: Why
    kwh: Decimal
    before: Decimal


def ranked(used: Mapping[K, Decimal]) -> list[Place[K]]:
    """The largest first; equal ones in the order in which they came.

    >>> [(each.key, each.rank, each.percent) for each in ranked({"a": Decimal(1), "b": Decimal(3)})]
    [('b', 1, Decimal('75.00')), ('a', 2, Decimal('25.00'))]
    """
    whole = sum(used.values(), Decimal(0))
    found: list[Place[K]] = []
    for number, (key, kwh) in enumerate(sorted(used.items(), key=lambda each: -each[1]), start=1):
        rank = found[-1].rank if found and found[-1].kwh == kwh else number
        percent = (kwh / whole * 100).quantize(_STEP) if whole else None
        found.append(Place(key, rank, kwh, percent))
    return found


def suspects(now: Mapping[K, Decimal], before: Mapping[K, Decimal]) -> list[Suspect[K]]:
    """Who used nothing or far less than in an equally long span before, the largest loss first.

    >>> suspects({"a": Decimal(0), "b": Decimal(9)}, {"a": Decimal(80), "b": Decimal(10)})
    [Suspect(key='a', why=<Why.NOTHING: 'nothing'>, kwh=Decimal('0'), before=Decimal('80'))]
    """
    found = []
    for key, kwh in now.items():
        earlier = before.get(key)
        if earlier is None or earlier < LEAST_KWH or kwh >= earlier * DROP_SHARE:
            continue
        found.append(Suspect(key, Why.DROP if kwh else Why.NOTHING, kwh, earlier))
    return sorted(found, key=lambda each: each.kwh - each.before)
