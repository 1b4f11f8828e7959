"""One register over one local day on its grid, and what was used between its moments. Integers throughout."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CAPACITY_MICRO",
    "MICRO",
    "Flags",
    "Numbers",
    "Walk",
    "rolled_over",
    "shown",
    "to_micro",
]

Numbers: TypeAlias = NDArray[np.integer[Any]]
Flags: TypeAlias = NDArray[np.bool_]

MICRO = 1_000_000
"""Stored integer for one whole unit."""

CAPACITY_MICRO = 1_000_000 * MICRO
"""Where an energy register begins at nought again: six digits before the point (DL/T 645-2007, table A.1)."""

NEAR_MICRO = CAPACITY_MICRO // 50
"""How close to either end a register must be for a fall to be a roll-over and no reset or exchange."""

_MICRO_DIGITS = 6


def shown(micro: int) -> str:
    """A stored integer as people write it.

    >>> shown(12_500_000), shown(-40_000_000), shown(0)
    ('12.5', '-40', '0')
    """
    text = f"{Decimal(micro).scaleb(-_MICRO_DIGITS):f}"
    return text.rstrip("0").rstrip(".")


def to_micro(value: float) -> int:
    """A bound as the integer that stored values are compared with.

    >>> to_micro(0.02)
    20000
    """
    return round(value * MICRO)


def rolled_over(before: int, after: int) -> int | None:
    """What was used when a register rolled over between two readings; None when it did not.

    >>> shown(rolled_over(999_999_500_000, 250_000) or 0)
    '0.75'
    """
    rolled = before >= CAPACITY_MICRO - NEAR_MICRO and 0 <= after <= NEAR_MICRO
    return after + CAPACITY_MICRO - before if rolled else None


@dataclass(frozen=True, slots=True)
class Walk:
    """Values at the moments of a grid, both ends of the day included. All arrays have one length.

    Attributes:
        at: seconds since 1970, evenly spaced.
        value: millionths of the unit; means nothing where not ``known``.
        known: whether there is a value.
    """

    at: Numbers
    value: Numbers
    known: Flags

    @classmethod
    def of(cls, moments: Sequence[int] | Numbers, values: Sequence[int | None]) -> "Walk":
        """From values with None for holes."""
        known = np.array([each is not None for each in values], bool)
        return cls(
            np.asarray(moments, "<i8"), np.array([each or 0 for each in values], "<i8"), known
        )

    @property
    def used(self) -> Numbers:
        """Growth from each moment to the next; one shorter. Counts only where ``both``."""
        return np.diff(self.value)

    @property
    def both(self) -> Flags:
        """Whether both ends of each step are known; one shorter."""
        known: Flags = self.known[1:] & self.known[:-1]
        return known

    @property
    def spacing_s(self) -> int:
        """Seconds from one moment to the next."""
        return int(self.at[1] - self.at[0]) if len(self.at) > 1 else 0
