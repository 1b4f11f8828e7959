"""The one place that says which readings a meter owes: 96 curve points, 24 of each hourly register, one day freeze."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kwhub.domain.readings import (
    CURVE_INTERVAL_S,
    DAY_INTERVAL_S,
    HOUR_INTERVAL_S,
    Register,
)

__all__ = ["ENERGY", "EXPECTED", "GRACE_S", "Expected", "Moments", "due", "intervals"]

Moments: TypeAlias = NDArray[np.integer[Any]]

ENERGY = Register("1-0:1.8.0")
"""The register that consumption and loss are made of: active energy import, total."""

GRACE_S = 5_400
"""A reading is missed when it is not here so long after its moment: concentrators read load records every
hour, and have half an hour to read and report them all."""

_SINGLE = ("1-0:16.7.0", "1-0:32.7.0", "1-0:31.7.0", "1-0:13.7.0")
_THREE = (
    *("1-0:16.7.0", "1-0:36.7.0", "1-0:56.7.0", "1-0:76.7.0"),
    *("1-0:32.7.0", "1-0:52.7.0", "1-0:72.7.0"),
    *("1-0:31.7.0", "1-0:51.7.0", "1-0:71.7.0"),
    *("1-0:13.7.0", "1-0:33.7.0", "1-0:53.7.0", "1-0:73.7.0"),
)


@dataclass(frozen=True, slots=True)
class Expected:
    """One series that every meter of a kind owes."""

    register: Register
    interval_s: int


def _owed(hourly: tuple[str, ...]) -> tuple[Expected, ...]:
    return (
        Expected(ENERGY, CURVE_INTERVAL_S),
        *(Expected(Register(register), HOUR_INTERVAL_S) for register in hourly),
        Expected(ENERGY, DAY_INTERVAL_S),
    )


EXPECTED: Mapping[int, tuple[Expected, ...]] = MappingProxyType(
    {1: _owed(_SINGLE), 3: _owed(_THREE)}
)
"""Series by the number of phases: total power, voltages, currents and power factors each hour."""


def intervals() -> dict[int, frozenset[Register]]:
    """Every interval in seconds, with the registers that some meter owes at it."""
    found: dict[int, frozenset[Register]] = {}
    for series in EXPECTED.values():
        for one in series:
            found[one.interval_s] = found.get(one.interval_s, frozenset()) | {one.register}
    return found


def due(interval_s: int, day_s: tuple[int, int], now_s: int) -> Moments:
    """Moments of one local day at which a series should have a reading by now.

    Args:
        interval_s: spacing of the series.
        day_s: first second of the day, and first second of the next one; 23 to 25 hours apart.
        now_s: the present, seconds since 1970.
    """
    start, stop = day_s
    if interval_s == DAY_INTERVAL_S:  # stamped with the end of its day
        moments = np.array([stop], "<i8")
    else:
        moments = np.arange(start, stop, interval_s, dtype="<i8")
    return moments[moments <= now_s - GRACE_S]
