"""Counts become energy: by the constant on the name plate and the reading when counting began.

Source: GB/T 17215.321 (pulse constant, imp/kWh); power from current: P = phases x U x I.
"""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from kwhub.domain.errors import LocalError

__all__ = ["PulseMeter"]

SECONDS_PER_HOUR = 3_600
US_PER_S = 1_000_000
MARGIN = Decimal("1.2")
"""A meter turns up to its largest current and a little beyond."""


@dataclass(frozen=True, slots=True)
class PulseMeter:
    """The name plate of a meter with a pulse output. Raises LocalError for numbers not above zero."""

    constant: int  #: pulses for one unit: imp/kWh, or imp/m3
    initial: Decimal = Decimal(0)  #: reading of the register when the count was zero
    current_max_a: Decimal = Decimal(60)
    voltage_v: Decimal = Decimal(220)
    phases: int = 1
    decimals: int = 2  #: of the register

    def __post_init__(self) -> None:
        """Check the bounds."""
        if self.constant <= 0 or self.phases <= 0 or not self._largest_load_w > 0:
            raise LocalError("constant, phases, current_max_a and voltage_v are above zero")
        if self.initial < 0 or not 0 <= self.decimals <= 6:
            raise LocalError("initial is not below zero, decimals are 0 to 6")

    def reading(self, count: int) -> Decimal:
        """Return the register for a count, cut off after its decimals as a meter's display is."""
        exact = self.initial + Decimal(count) / self.constant
        return exact.quantize(Decimal(1).scaleb(-self.decimals), ROUND_DOWN)

    @property
    def _largest_load_w(self) -> Decimal:
        if min(self.current_max_a, self.voltage_v) <= 0:
            return Decimal(0)
        return self.phases * self.voltage_v * self.current_max_a * MARGIN

    @property
    def apart_us(self) -> int:
        """The shortest time between two pulses at the largest load, in microseconds."""
        per_hour = self._largest_load_w / 1000 * self.constant
        return int(SECONDS_PER_HOUR * US_PER_S / per_hour)

    def power_kw(self, between_us: int) -> Decimal:
        """Return the load that two pulses so far apart stand for.

        Raises:
            LocalError: no time between them.
        """
        if between_us <= 0:
            raise LocalError("two pulses are never at the same moment")
        return Decimal(SECONDS_PER_HOUR * US_PER_S) / (self.constant * between_us)
