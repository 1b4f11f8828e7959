"""Load of one meter: how evenly it uses its phases, and how evenly its time. Pure arithmetic.

Source: GB/T 15543-2008 names unbalance; the field's rule for a transformer area takes the currents of one moment,
(largest - smallest) / largest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["LoadFactor", "PhaseBalance", "load_factor", "phase_balance"]

LEAST_SHARE = 0.5
"""Share of the values that must be known before a load factor means anything."""


@dataclass(frozen=True, slots=True)
class PhaseBalance:
    """One quantity of the phases over a span.

    Attributes:
        means: of each phase.
        unbalance: mean of (largest - smallest) / largest over the moments at which all phases are known, percent.
        worst: the largest of these, percent.
        worst_at: number of that moment in the series.
        moments: how many moments that were.
    """

    means: tuple[float, ...]
    unbalance: float
    worst: float
    worst_at: int
    moments: int


@dataclass(frozen=True, slots=True)
class LoadFactor:
    """Mean power over peak power."""

    mean: float
    peak: float
    peak_at: int  #: number of the interval with the peak
    factor: float  #: 0 to 1


def phase_balance(phases: Sequence[Sequence[float | None]]) -> PhaseBalance | None:
    """How evenly phases are used; None without a moment at which all are known.

    A moment at which nothing flows is even.

    >>> phase_balance([[10.0, None], [8.0, 1.0], [5.0, 1.0]]).unbalance
    50.0
    """
    rows: list[tuple[int, list[float]]] = []
    for place, values in enumerate(zip(*phases, strict=True)):
        known = [each for each in values if each is not None]
        if len(known) == len(phases):
            rows.append((place, known))
    if not rows or not phases:
        return None
    means = tuple(sum(values[n] for _, values in rows) / len(rows) for n in range(len(phases)))
    shares = [(_unbalance(values), place) for place, values in rows]
    worst, worst_at = max(shares, key=lambda each: (each[0], -each[1]))
    return PhaseBalance(
        means, sum(share for share, _ in shares) / len(rows), worst, worst_at, len(rows)
    )


def load_factor(powers: Sequence[float | None]) -> LoadFactor | None:
    """Mean over peak; None when less than half is known or nothing flows.

    >>> load_factor([1.0, 3.0, 2.0]).factor
    0.6666666666666666
    """
    known = [(power, place) for place, power in enumerate(powers) if power is not None]
    if not known or len(known) < LEAST_SHARE * len(powers):
        return None
    peak, peak_at = max(known, key=lambda each: (each[0], -each[1]))
    if peak <= 0:
        return None
    mean = sum(power for power, _ in known) / len(known)
    return LoadFactor(mean, peak, peak_at, mean / peak)


def _unbalance(values: Sequence[float]) -> float:
    largest = max(map(abs, values))
    smallest = min(map(abs, values))
    return (largest - smallest) / largest * 100 if largest else 0.0
