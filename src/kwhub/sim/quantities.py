"""The moment's numbers in the order and the units in which identifiers and load records want them.

Source: DL/T 645-2007, annex A, table A.3, and annex B (order total, A, B, C; a phase that the meter
does not have has no value, which goes as FF).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias

from kwhub.sim.electrical import Instant

__all__ = [
    "Plain",
    "apparent_powers",
    "counter",
    "currents",
    "power_factors",
    "powers",
    "reactive_powers",
    "scaled",
    "voltages",
]

Plain: TypeAlias = Decimal | str | None
"""A number, a text (times, numbers that name something, bits), or no value."""


_ROLL_OVER = 10**8
_NET_ROLL_OVER = 8 * 10**7


def scaled(number: int, places: int) -> Decimal:
    """A whole number of the smallest steps as a number with its point.

    >>> scaled(12345, 2)
    Decimal('123.45')
    """
    return Decimal(number).scaleb(-places)


def counter(ticks: int, *, net: bool = False) -> Decimal:
    """An energy register as it is shown, of ticks of 0.01: after the last digit it starts at zero.

    Args:
        ticks: what was counted.
        net: the top bit is a sign, so the register ends at 799999.99 and not at 999999.99.
    """
    return scaled(ticks % (_NET_ROLL_OVER if net else _ROLL_OVER), 2)


def _three(values: Sequence[int], places: int) -> list[Decimal | None]:
    """Values of the phases; a phase that the meter does not have has no value."""
    missing: list[Decimal | None] = [None] * (3 - len(values))
    return [*(scaled(value, places) for value in values), *missing]


def voltages(instant: Instant) -> list[Decimal | None]:
    """Phases A, B, C in V."""
    return _three([phase.voltage_v10 for phase in instant.phases], 1)


def currents(instant: Instant) -> list[Decimal | None]:
    """Phases A, B, C in A."""
    return _three([phase.current_ma for phase in instant.phases], 3)


def powers(instant: Instant) -> list[Decimal | None]:
    """Total, then phases A, B, C in kW."""
    phases = _three([phase.power_w10 for phase in instant.phases], 4)
    return [scaled(instant.power_w10, 4), *phases]


def reactive_powers(instant: Instant) -> list[Decimal | None]:
    """Total, then phases A, B, C in kvar."""
    phases = _three([phase.reactive_var10 for phase in instant.phases], 4)
    return [scaled(instant.reactive_var10, 4), *phases]


def apparent_powers(instant: Instant) -> list[Decimal | None]:
    """Total, then phases A, B, C in kVA."""
    apparent = [phase.voltage_v10 * phase.current_ma // 1000 for phase in instant.phases]
    return [scaled(sum(apparent), 4), *_three(apparent, 4)]


def power_factors(instant: Instant) -> list[Decimal | None]:
    """Total, then phases A, B, C."""
    phases = _three([phase.power_factor_permille for phase in instant.phases], 3)
    return [scaled(instant.power_factor_permille, 3), *phases]
