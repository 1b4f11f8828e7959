"""Energy that does not flow: an open relay, a power cut, a phase without voltage.

The load stays the closed form that it is; what was not drawn (or not counted) is worked out from the
few moments at which something was switched.
"""

from bisect import bisect_right
from typing import Final

from kwhub.sim.load import Load
from kwhub.sim.memory import Supply

__all__ = ["SwitchedLoad"]

_WHOLE: Final = 1000


class SwitchedLoad:
    """What a meter counts of a load that is switched now and then.

    Args:
        whole: the load as if nothing had been switched.
        steps: in order of time; may grow at its end.
        shares: permille of the load on each phase.
    """

    def __init__(self, whole: Load, steps: list[Supply], shares: tuple[int, ...]) -> None:
        self.whole = whole
        self.first_s = whole.first_s
        self.power_factor_permille = whole.power_factor_permille
        self._steps = steps
        self._shares = shares
        self._lost = [0]  #: joules that were missing at each step

    def at(self, at_s: int) -> Supply | None:
        """The state of the supply at a moment; None before anything was switched."""
        number = self._number(at_s)
        return None if number < 0 else self._steps[number]

    def has_voltage(self, phase: int, at_s: int) -> bool:
        """Whether a phase (from 0) is alive."""
        supply = self.at(at_s)
        return supply is None or not (supply.power_cut or phase in supply.dark)

    def is_dead(self, phase: int, at_s: int) -> bool:
        """Whether nothing flows through a phase."""
        supply = self.at(at_s)
        return supply is not None and self._is_dead(phase, supply)

    def joules(self, at_s: int) -> int:
        """See Load."""
        whole = self.whole.joules(at_s)
        number = self._number(at_s)
        if number < 0:
            return whole
        while len(self._lost) <= number:
            self._lost.append(self._lost_at(len(self._lost) - 1, self._steps[len(self._lost)].at_s))
        return whole - self._lost_at(number, at_s)

    def phase_joules(self, phase: int, at_s: int) -> int:
        """What flowed through one phase (from 0)."""
        whole, stop = self.whole, self._number(at_s)
        lost = 0
        for number in range(stop + 1):
            step = self._steps[number]
            if self._is_dead(phase, step):
                until_s = at_s if number == stop else self._steps[number + 1].at_s
                lost += whole.joules(until_s) - whole.joules(step.at_s)
        return (whole.joules(at_s) - lost) * self._shares[phase] // _WHOLE

    @staticmethod
    def _is_dead(phase: int, supply: Supply) -> bool:
        cut = supply.relay_open or supply.power_cut
        return cut or phase in supply.dark or phase in supply.still

    def watts10(self, at_s: int) -> int:
        """See Load."""
        supply = self.at(at_s)
        power = self.whole.watts10(at_s)
        return power if supply is None else power * (_WHOLE - self._missing(supply)) // _WHOLE

    def _number(self, at_s: int) -> int:
        return bisect_right(self._steps, at_s, key=lambda step: step.at_s) - 1

    def _lost_at(self, number: int, at_s: int) -> int:
        """Joules missing at a moment after a step and not after the next."""
        step = self._steps[number]
        flowed = self.whole.joules(at_s) - self.whole.joules(step.at_s)
        return self._lost[number] + flowed * self._missing(step) // _WHOLE

    def _missing(self, supply: Supply) -> int:
        """Permille of the load that is not counted."""
        phases = range(len(self._shares))
        return sum(self._shares[phase] for phase in phases if self._is_dead(phase, supply))
