"""What may be wrong with a meter: named knobs, all off unless turned.

Faults of the line (loss, bit flips, echo) belong to the links and to the kernel's cables; a clock
that was pushed belongs to :class:`kwhub.sim.clockwork.MeterClock`.
"""

from dataclasses import dataclass

from kwhub.sim.noise import unit_permille

__all__ = ["MeterFaults", "PhaseEvent", "Span"]

_SILENT, _LATE, _WRONG_ADDRESS = range(21, 24)  # streams of chance


@dataclass(frozen=True, slots=True)
class Span:
    """From a moment until, but not at, a later one; seconds since 1970-01-01 UTC."""

    from_s: int
    until_s: int

    def holds(self, at_s: int) -> bool:
        """Whether a moment lies within."""
        return self.from_s <= at_s < self.until_s


@dataclass(frozen=True, slots=True)
class PhaseEvent:
    """Something that goes wrong on a phase for a while; see ``kwhub.sim.disturbances``."""

    event: str  #: such as "undervoltage"
    phase: int  #: 0 to 2
    span: Span


@dataclass(frozen=True, slots=True)
class MeterFaults:
    """Knobs of one meter.

    What happens to its n-th request is a function of the seed of the meter and of n, so a run can
    be repeated and a knob that is turned does not move what the others do.
    """

    dead: tuple[Span, ...] = ()  #: nothing is answered; the registers go on
    reset_s: int | None = None  #: moment at which all registers fall back to zero
    silent_permille: int = 0  #: requests that are not answered
    late_permille: int = 0  #: requests that are answered late
    late_s: float = 3.0  #: how much later than usual
    events: tuple[PhaseEvent, ...] = ()  #: what the event book and the status words tell of
    wrong_address_permille: int = 0  #: answers that carry the address of the next meter

    def silent(self, seed: int, number: int, at_s: int) -> bool:
        """Whether the n-th request stays without an answer."""
        if any(span.holds(at_s) for span in self.dead):
            return True
        return self._hit(self.silent_permille, seed, _SILENT, number)

    def extra_delay_s(self, seed: int, number: int) -> float:
        """Seconds by which the n-th answer is late."""
        return self.late_s if self._hit(self.late_permille, seed, _LATE, number) else 0.0

    def wrong_address(self, seed: int, number: int) -> bool:
        """Whether the n-th answer carries a wrong address."""
        return self._hit(self.wrong_address_permille, seed, _WRONG_ADDRESS, number)

    @staticmethod
    def _hit(permille: int, *numbers: int) -> bool:
        return permille > 0 and unit_permille(*numbers) < permille
