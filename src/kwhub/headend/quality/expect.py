"""The one place that says which readings a meter owes: what the concentrator's plan asks of it, no more and no less.

By default 96 points of the curve, 24 of each hourly register, and the day freeze with its tariffs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kwhub.domain.readings import (
    CURVE_INTERVAL_S,
    DAY_INTERVAL_S,
    HOUR_INTERVAL_S,
    Register,
)

__all__ = ["ENERGY", "GRACE_S", "Duty", "Expected", "Moments", "due", "intervals", "owed"]

Moments: TypeAlias = NDArray[np.integer[Any]]

ENERGY = Register("1-0:1.8.0")
"""The register that consumption and loss are made of: active energy import, total."""

GRACE_S = 5_400
"""A reading is missed when it is not here so long after its moment: concentrators read load records every
hour, and have half an hour to read and report them all."""

DUTIES_CACHED = 64
"""Kinds of meters whose series are remembered."""

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


@dataclass(frozen=True, slots=True)
class Duty:
    """What is read of a meter; the same settings as in the concentrator's plan."""

    phases: int = 1
    curve_minutes: int = 15  #: 0: no curve
    hourly: bool = True
    day_freeze: bool = True
    tariffs: int = 4  #: of the day freeze, beside the total
    has_records: bool = True  #: keeps a load record and day freezes; DL/T 645-1997 does not

    @property
    def energy_interval_s(self) -> int:
        """Spacing of the readings that the energy of a part of a day is made of."""
        if not self.has_records:
            return HOUR_INTERVAL_S
        return self.curve_minutes * 60 or CURVE_INTERVAL_S


@lru_cache(maxsize=DUTIES_CACHED)
def owed(duty: Duty) -> tuple[Expected, ...]:
    """The series of a meter: curve; each hour power, voltages, currents and power factors; day freeze.

    A meter without records is asked for its energy each hour instead.
    """
    found: list[Expected] = []
    if duty.has_records and duty.curve_minutes:
        found.append(Expected(ENERGY, duty.energy_interval_s))
    if duty.hourly:
        if not duty.has_records:
            found.append(Expected(ENERGY, HOUR_INTERVAL_S))
        codes = _THREE if duty.phases == 3 else _SINGLE
        found += [Expected(Register(code), HOUR_INTERVAL_S) for code in codes]
    if duty.has_records and duty.day_freeze:
        tariffs = range(duty.tariffs + 1)
        found += [Expected(Register(f"1-0:1.8.{each}"), DAY_INTERVAL_S) for each in tariffs]
    return tuple(found)


def intervals(duties: Iterable[Duty]) -> dict[int, frozenset[Register]]:
    """Every interval in seconds, with the registers that some meter owes at it."""
    found: dict[int, frozenset[Register]] = {}
    for duty in set(duties):
        for one in owed(duty):
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
