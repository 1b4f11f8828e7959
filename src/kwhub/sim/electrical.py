"""Voltage, current, power and power factor of a moment, one set of numbers that agree.

Active power is the slope of the energy; the power factor belongs to the customer; the voltage
follows the time of day, the place on the line and the minute; the current is what makes
P = U x I x PF true at the resolution of the display.

Source: resolutions as in DL/T 645-2007, table A.3 (XXX.X V, XXX.XXX A, XX.XXXX kW, X.XXX, XX.XX Hz).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kwhub.sim.climate import DAY_S
from kwhub.sim.load import Load
from kwhub.sim.noise import mix, unit_permille
from kwhub.sim.registers import reactive_permille
from kwhub.sim.shapes import Kind, habit_of
from kwhub.sim.switching import SwitchedLoad

__all__ = ["DISPLAY_W10_MAX", "Connection", "Instant", "PhaseInstant"]

DISPLAY_W10_MAX = 799_999
"""The most that XX.XXXX kW can show when its top bit is a sign; larger loads need transformers."""
_NOMINAL_V10 = 2_345
_SAG_V10 = 70  #: fall of the voltage at the busiest hour, 0.1 V
_BUSIEST = max(habit_of(Kind.HOUSEHOLD).workday)
_GRID = 50  #: stream of the frequency; one grid for everybody


@dataclass(frozen=True, slots=True)
class PhaseInstant:
    """One phase at one moment."""

    voltage_v10: int  #: 0.1 V
    current_ma: int
    power_w10: int  #: 0.1 W
    reactive_var10: int  #: 0.1 var
    power_factor_permille: int


@dataclass(frozen=True, slots=True)
class Instant:
    """All phases that exist, and what they have in common."""

    phases: tuple[PhaseInstant, ...]
    power_w10: int
    reactive_var10: int
    power_factor_permille: int
    frequency_hz100: int  #: 0.01 Hz


class Connection:
    """How a load hangs on the network.

    Attributes:
        load: what flows; may be replaced by a switched one.
        shares: permille of it on each phase.
        odd_voltages: (from when, phase, 0.1 V or 0 for the usual), in order of time.

    Args:
        load: what flows.
        phases: 1 or 3.
        seed: of the meter: its place on the line and how its load spreads over the phases.
        ratio: of current transformers before the meter; currents and powers are secondary.
        utc_offset_s: of the site.
    """

    def __init__(
        self, load: Load, *, phases: int, seed: int, ratio: int, utc_offset_s: int
    ) -> None:
        if phases not in (1, 3):
            raise ValueError(f"a meter has one phase or three, not {phases}")
        self.load = load
        self.phases = phases
        self._seed = seed
        self._ratio = ratio
        self._offset_s = utc_offset_s
        weights = [800 + unit_permille(seed, 11, phase) * 2 // 5 for phase in range(phases)]
        others = [weight * 1000 // sum(weights) for weight in weights[1:]]
        self.shares = (1000 - sum(others), *others)
        self._last: tuple[int, Instant] | None = None
        self.odd_voltages: Sequence[tuple[int, int, int]] = ()
        self._place_v10 = unit_permille(seed, 12) * 60 // 1000

    def at(self, at_s: int) -> Instant:
        """Everything that the meter would show at a moment."""
        if self._last is None or self._last[0] != at_s:
            self._last = (at_s, self._at(at_s))  # the classes of a record ask one after the other
        return self._last[1]

    def forget(self) -> None:
        """Something was switched at this moment: what was shown a moment ago no longer holds."""
        self._last = None

    def _at(self, at_s: int) -> Instant:
        factor = self.load.power_factor_permille
        tangent = reactive_permille(factor)
        load = self.load
        whole = load.whole if isinstance(load, SwitchedLoad) else load
        power = min(DISPLAY_W10_MAX, whole.watts10(at_s) // self._ratio)
        powers = [power * share // 1000 for share in self.shares[1:]]
        powers.insert(0, power - sum(powers))
        phases = tuple(
            self._phase(self._voltage(at_s, index), each, tangent)
            for index, each in enumerate(powers)
        )
        if isinstance(load, SwitchedLoad):
            phases = tuple(
                _without_current(phase, has_voltage=load.has_voltage(number, at_s))
                if load.is_dead(number, at_s)
                else phase
                for number, phase in enumerate(phases)
            )
            power = sum(phase.power_w10 for phase in phases)
        return Instant(
            phases=phases,
            power_w10=power,
            reactive_var10=sum(phase.reactive_var10 for phase in phases),
            power_factor_permille=factor,
            frequency_hz100=5_000 + mix(_GRID, at_s // 60) % 7 - 3,
        )

    def mean(self, start_s: int, stop_s: int) -> tuple[int, int]:
        """Mean active (0.1 W) and reactive (0.1 var) power between two moments."""
        energy = self.load.joules(stop_s) - self.load.joules(start_s)
        power = min(DISPLAY_W10_MAX, energy * 10 // ((stop_s - start_s) * self._ratio))
        return power, power * reactive_permille(self.load.power_factor_permille) // 1000

    def _phase(self, voltage_v10: int, power_w10: int, tangent: int) -> PhaseInstant:
        factor = self.load.power_factor_permille
        apparent = voltage_v10 * factor
        return PhaseInstant(
            voltage_v10=voltage_v10,
            current_ma=(power_w10 * 1_000_000 + apparent // 2) // apparent,
            power_w10=power_w10,
            reactive_var10=power_w10 * tangent // 1000,
            power_factor_permille=factor,
        )

    def _voltage(self, at_s: int, phase: int) -> int:
        for from_s, number, voltage_v10 in reversed(self.odd_voltages):
            if number == phase and from_s <= at_s:
                if voltage_v10:
                    return voltage_v10
                break
        hour = (at_s + self._offset_s) % DAY_S // 3600
        sag = _SAG_V10 * habit_of(Kind.HOUSEHOLD).workday[hour] // _BUSIEST
        flicker = mix(self._seed, 13, phase, at_s // 60) % 21 - 10
        return _NOMINAL_V10 - self._place_v10 - sag + flicker


def _without_current(phase: PhaseInstant, *, has_voltage: bool) -> PhaseInstant:
    """A phase through which nothing flows."""
    return PhaseInstant(
        voltage_v10=phase.voltage_v10 if has_voltage else 0,
        current_ma=0,
        power_w10=0,
        reactive_var10=0,
        power_factor_permille=1000,
    )
