"""Sixteen bits that hold an amount: an exponent of two bits and a mantissa of fourteen.

Source: IEC 62055-41, transfer amount and rate fields; what does not fit exactly is rounded up.
"""

from decimal import ROUND_CEILING, Decimal

from kwhub.domain.errors import LocalError

__all__ = ["UNITS_MAX", "from_units", "to_units"]

_MANTISSAS = 1 << 14
_OFFSETS = (0, 16_384, 180_224, 1_818_624)
"""The first amount of each exponent."""

_STEPS = (1, 10, 100, 1_000)

UNITS_MAX = _OFFSETS[3] + 1_000 * (_MANTISSAS - 1)
"""The largest amount, in the smallest step of the field."""


def to_units(field: int) -> int:
    """Return the amount that a field of sixteen bits holds, in its smallest step."""
    exponent, mantissa = field >> 14, field & (_MANTISSAS - 1)
    return _OFFSETS[exponent] + mantissa * _STEPS[exponent]


def from_units(units: Decimal | int) -> int:
    """Return the field for an amount in its smallest step, rounded up to what a field can hold.

    Raises:
        LocalError: below zero, or more than ``UNITS_MAX``.
    """
    whole = int(Decimal(units).to_integral_value(ROUND_CEILING))
    if not 0 <= whole <= UNITS_MAX:
        raise LocalError(f"an amount of {units} steps is not within 0 to {UNITS_MAX}")
    exponent = max(place for place, offset in enumerate(_OFFSETS) if whole >= offset)
    mantissa = -(-(whole - _OFFSETS[exponent]) // _STEPS[exponent])
    if mantissa == _MANTISSAS:
        exponent, mantissa = exponent + 1, 0
    return exponent << 14 | mantissa
