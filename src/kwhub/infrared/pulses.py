"""Pulse trains: light and dark in turn, in microseconds, beginning with light.

Source: the inner form is our own; every file format (``formats``) and every code (``codes``) maps
onto it.
"""

import math
from dataclasses import dataclass

from kwhub.domain.errors import DecodeError

__all__ = ["CARRIER_HZ_MAX", "CARRIER_HZ_MIN", "EDGES_MAX", "Pulses"]

CARRIER_HZ_MIN = 15_000
CARRIER_HZ_MAX = 500_000
EDGES_MAX = 4_000_000


@dataclass(frozen=True, slots=True)
class Pulses:
    """A demodulated train of marks (light) and spaces (dark).

    ``durations_us`` holds marks at even places and spaces at odd places, each greater than zero.
    Raises ``DecodeError`` for a duration that is not a finite number above zero, and for a
    carrier or a duty outside its bounds.
    """

    durations_us: tuple[float, ...]  #: microseconds; the first is a mark
    carrier_hz: float | None = None  #: Hz; None when unknown or when there is none
    duty: float | None = None  #: share of a carrier period that is light, 0 to 1

    def __post_init__(self) -> None:
        """Refuse what is no pulse train."""
        if len(self.durations_us) > EDGES_MAX:
            raise DecodeError("pulses", f"more than {EDGES_MAX} durations", field="durations_us")
        for place, duration in enumerate(self.durations_us):
            if not (math.isfinite(duration) and duration > 0):
                raise DecodeError(
                    "pulses",
                    f"duration {duration} at place {place} is not a time above zero",
                    field="durations_us",
                    offset=place,
                )
        if self.carrier_hz is not None and not (
            CARRIER_HZ_MIN <= self.carrier_hz <= CARRIER_HZ_MAX
        ):
            raise DecodeError(
                "pulses",
                f"a carrier of {self.carrier_hz} Hz is outside {CARRIER_HZ_MIN} to "
                f"{CARRIER_HZ_MAX} Hz",
                field="carrier_hz",
            )
        if self.duty is not None and not (0 < self.duty < 1):
            raise DecodeError("pulses", f"duty {self.duty} is not between 0 and 1", field="duty")

    @property
    def marks(self) -> tuple[float, ...]:
        """Light, in microseconds."""
        return self.durations_us[::2]

    @property
    def spaces(self) -> tuple[float, ...]:
        """Dark, in microseconds."""
        return self.durations_us[1::2]

    @property
    def length_us(self) -> float:
        """From the first edge to the end of the last duration, in microseconds."""
        return math.fsum(self.durations_us)
