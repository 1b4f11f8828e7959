"""What a meter has to say under an identifier: plain values, before they become bytes.

Source: DL/T 645-2007, annex A, tables A.1 (energy), A.2 (demand), A.3 (variables), A.5 (the
clock); an identifier is DI3 DI2 DI1 DI0, and FF in a byte means all its values.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import islice, repeat
from typing import TypeVar

from kwhub.sim.clockwork import MeterClock, wall_datetime
from kwhub.sim.denial import NoSuchData
from kwhub.sim.electrical import DISPLAY_W10_MAX, Connection, Instant
from kwhub.sim.memory import Memory
from kwhub.sim.moments import monthly
from kwhub.sim.quantities import (
    Plain,
    apparent_powers,
    counter,
    currents,
    power_factors,
    powers,
    reactive_powers,
    scaled,
    voltages,
)
from kwhub.sim.registers import TARIFFS, EnergyRegisters
from kwhub.sim.settings import SETTLEMENT_DAYS, Settings
from kwhub.sim.shapes import SLOT_S

__all__ = ["NO_TIME", "SETTLEMENTS", "Readout"]

_T = TypeVar("_T")

SETTLEMENTS = 12
"""Settlement days that are kept."""
NO_TIME = "2000-00-00 00:00"
"""A moment that never was: all digits zero."""
_ALL = 0xFF
_ACTIVE_FORWARD = 1
_NET_KINDS = (0, 3, 4)  #: combined energies, which have a sign
_REACTIVE_KINDS = (3, 5)  #: combined reactive 1 is quadrant I here
_PHASE_KINDS = {
    first + kind: (phase, kind + 1)
    for phase, first in enumerate((0x15, 0x29, 0x3D))
    for kind in range(8)
}
"""Kinds of energy of one phase: which phase, and the kind of the whole meter that it is like."""


class Readout:
    """The memory of one meter, as a function of the moment.

    Args:
        connection: what flows now.
        registers: what flowed so far.
        clock: the meter's own.
        memory: when the registers were cleared, and when settlement days were written.
        settings: the parameters.
        reset_s: moment at which all registers fell to zero; None: never.
    """

    def __init__(
        self,
        connection: Connection,
        registers: EnergyRegisters,
        clock: MeterClock,
        *,
        memory: Memory,
        settings: Settings,
        reset_s: int | None = None,
    ) -> None:
        self.connection = connection
        self.registers = registers
        self.clock = clock
        self.settings = settings
        self._memory = memory
        self._reset_s = reset_s
        self._classes: dict[int, Callable[[int, int], list[Plain]]] = {
            0x00: self._energy_item,
            0x01: self._demand_item,
            0x02: self._variable_item,
            0x04: self._parameter_item,
        }

    def values(self, identifier: int, at_s: int) -> list[Plain]:
        """The values of an identifier of 2007 in the order of the wire.

        Raises:
            NoSuchData: the meter does not keep it.
        """
        item = self._classes.get(identifier >> 24)
        if item is None:
            raise NoSuchData(f"{identifier:08X}")
        return item(identifier, at_s)

    def total(self, at_s: int) -> int:
        """Forward active energy, in ticks of 0.01 kWh."""
        if self._reset_s is None and self._memory.cleared_s is None:
            return self.registers.total(at_s)  # by far the most common
        return self._since_zero(self.registers.total, at_s)

    def reactive(self, at_s: int) -> int:
        """Reactive energy of quadrant I, in ticks of 0.01 kvarh."""
        return self._since_zero(self.registers.reactive, at_s)

    def _since_zero(self, register: Callable[[int], int], at_s: int) -> int:
        """What a register has counted since it was last set to zero."""
        zero_s = self._zero_s(at_s)
        return register(at_s) - (0 if zero_s is None else register(zero_s))

    def _zero_s(self, at_s: int) -> int | None:
        """When the registers that show at a moment were last zero; the moment itself if cleared later."""
        cleared_s, zero_s = self._memory.cleared_s, self._reset_s
        if zero_s is not None and at_s < zero_s:
            zero_s = None
        if cleared_s is None:
            return zero_s
        # Nothing from before a clearing is kept.
        return min(cleared_s, at_s) if zero_s is None else max(min(cleared_s, at_s), zero_s)

    def energies(self, at_s: int) -> list[int]:
        """Forward active energy: total, then tariffs 1 to 4, in ticks."""
        tariffs = list(self.registers.tariffs(at_s))
        zero_s = self._zero_s(at_s)
        if zero_s is not None:
            lost = self.registers.tariffs(zero_s)
            tariffs = [count - gone for count, gone in zip(tariffs, lost, strict=True)]
        return [sum(tariffs), *tariffs]

    def _energy_item(self, identifier: int, at_s: int) -> list[Plain]:
        """00: kind, tariff, settlement."""
        kind, tariff, settlement = identifier.to_bytes(4)[1:]
        return [
            counter(ticks, net=_PHASE_KINDS.get(kind, (0, kind))[1] in _NET_KINDS)
            for moment_s in self._settlement_moments(settlement, at_s)
            for ticks in _pick(self.energy_kind(kind, moment_s, whole=tariff == 0), tariff)
        ]

    def energy_kind(self, kind: int, at_s: int, *, whole: bool) -> list[int]:
        """Total and, unless only the ``whole`` is wanted, tariffs. Tariffs are kept of active energy."""
        if kind in (0, _ACTIVE_FORWARD):
            return [self.total(at_s)] if whole else self.energies(at_s)
        if kind in (3, 5):  # combined reactive 1 is quadrant I here: nothing flows back
            return [self.reactive(at_s)]
        if kind in _PHASE_KINDS:
            return [self._phase_energy(*_PHASE_KINDS[kind], at_s)]
        if kind in (2, 4, 6, 7, 8):
            return [0] * (1 if kind != 2 else 1 + TARIFFS)
        raise NoSuchData(f"energy kind {kind:02X}")

    def _phase_energy(self, phase: int, kind: int, at_s: int) -> int:
        """Energy of one phase (from 0); kinds are numbered as those of the whole meter."""
        shares = self.connection.shares
        if phase >= len(shares):
            raise NoSuchData(f"phase {phase}")
        if kind not in (_ACTIVE_FORWARD, *_REACTIVE_KINDS):
            return 0  # nothing flows back
        active = self._since_zero(lambda moment: self.registers.phase(phase, shares, moment), at_s)
        return active if kind == _ACTIVE_FORWARD else self.registers.reactive_of(active)

    def phase_energies(self, phase: int, at_s: int) -> list[Plain]:
        """Forward, reverse, combined reactive 1 and 2 of one phase (from 0); none that it does not have."""
        if phase >= self.connection.phases:
            return [None] * 4
        ticks = [self._phase_energy(phase, kind, at_s) for kind in range(1, 5)]
        return [counter(each, net=kind in _NET_KINDS) for kind, each in enumerate(ticks, 1)]

    def _settlement_moments(self, settlement: int, at_s: int) -> list[int]:
        """Now, or the end of the n-th last month by the meter's clock, or all of them."""
        if settlement == _ALL:
            return [self.settled(number, at_s) for number in range(SETTLEMENTS + 1)]
        if settlement > SETTLEMENTS:
            raise NoSuchData(f"settlement {settlement}")
        return [self.settled(settlement, at_s)]

    def settled(self, number: int, at_s: int) -> int:
        """The moment of the n-th last settlement day; the moment itself for 0."""
        if number == 0:
            return at_s
        return next(islice(self._settlements(at_s), number - 1, None))

    def keep_settlements(self, at_s: int) -> None:
        """Hold on to the settlement days so far: the rule for them is about to change."""
        kept = list(islice(self._settlements(at_s), SETTLEMENTS + 1))
        self._memory.settled = kept
        self._memory.settled_since_s = at_s

    def _settlements(self, at_s: int) -> Iterator[int]:
        """Settlement days, the last one first, without end."""
        memory = self._memory
        moment = at_s
        for wall_s in monthly(self._settlement_days(), self.clock.wall(at_s)):
            moment = self.clock.reached(wall_s)
            if memory.settled_since_s is not None and moment <= memory.settled_since_s:
                break
            yield moment
        yield from memory.settled
        yield from repeat(moment if not memory.settled else memory.settled[-1])

    def _settlement_days(self) -> list[tuple[int, int]]:
        """Days of the month and hours."""
        digits = [self.settings.digits(each) for each in SETTLEMENT_DAYS]
        return [(int(each[:2]), int(each[2:])) for each in digits if each != "9999"]

    def _demand_item(self, identifier: int, at_s: int) -> list[Plain]:
        """01: kind, tariff, settlement."""
        kind, tariff, settlement = identifier.to_bytes(4)[1:]
        if kind not in (1, 2) or settlement > SETTLEMENTS:
            raise NoSuchData(f"{identifier:08X}")
        if tariff != _ALL and tariff > TARIFFS:
            raise NoSuchData(f"tariff {tariff}")
        stop_s, since_s = self.settled(settlement, at_s), self.settled(settlement + 1, at_s)
        return self.demands(kind, tariff, since_s, stop_s)

    def demands(self, kind: int, tariff: int, since_s: int, stop_s: int) -> list[Plain]:
        """Maximum demands between two moments, each followed by its time."""
        zero_s = self._zero_s(stop_s)
        if zero_s is not None:
            since_s = max(since_s, zero_s)
        cleared = [each for each in self._memory.demand_cleared_s if each <= stop_s]
        since_s = max(since_s, cleared[-1]) if cleared else since_s
        pairs: list[tuple[Plain, Plain]] = [
            (scaled(min(DISPLAY_W10_MAX, found.watts10), 4), self.stamp(found.at_s))
            if kind == _ACTIVE_FORWARD and found.watts10
            else (scaled(0, 4), NO_TIME)
            for found in self.registers.demand(since_s, stop_s)
        ]
        return [value for pair in _pick(pairs, tariff) for value in pair]

    def stamp(self, at_s: int) -> str:
        """A moment as the meter's clock shows it, to the nearest minute, YYYY-MM-DD hh:mm.

        Nearest, because demand periods are worked out in true time and end at whole quarters.
        """
        return f"{wall_datetime(self.clock.wall(at_s + 30)):%Y-%m-%d %H:%M}"

    def _variable_item(self, identifier: int, at_s: int) -> list[Plain]:
        """02: quantity, phase (00 total, 01 to 03, FF all), 00; 80 are single variables."""
        quantity, phase, last = identifier.to_bytes(4)[1:]
        if quantity == 0x80:
            return [self._single_variable(identifier & 0xFFFF, at_s)]
        row = _QUANTITIES.get(quantity)
        if row is None or last:
            raise NoSuchData(f"{identifier:08X}")
        return _pick(
            row(self.connection.at(at_s)), phase, first=0 if quantity in _WITH_TOTAL else 1
        )

    def _single_variable(self, number: int, at_s: int) -> Plain:
        instant = self.connection.at(at_s)
        if number == 1 and self.connection.phases == 1:
            return scaled(instant.phases[0].current_ma, 3)
        if number == 2:
            return scaled(instant.frequency_hz100, 2)
        if number == 3:
            return scaled(instant.power_w10, 4)
        if number in (4, 5):
            return self.present_demand(at_s)[number - 4]
        if number in (8, 9):
            return Decimal("3.60")
        raise NoSuchData(f"0280{number:04X}")

    def present_demand(self, at_s: int) -> tuple[Decimal, Decimal]:
        """Mean active (kW) and reactive (kvar) power over the last 15 minutes."""
        active, reactive = self.connection.mean(at_s - SLOT_S, at_s)
        return scaled(active, 4), scaled(reactive, 4)

    def _parameter_item(self, identifier: int, at_s: int) -> list[Plain]:
        """04: date and time; all others are written, not worked out."""
        wall = wall_datetime(self.clock.wall(at_s))
        form = _CLOCK.get(identifier)
        if form is None:
            raise NoSuchData(f"{identifier:08X}")
        return [wall.strftime(form)]


def _pick(values: Sequence[_T], number: int, *, first: int = 0) -> list[_T]:
    """One of several values by its number, or all of them."""
    if number == _ALL:
        return list(values)
    if not first <= number < first + len(values):
        raise NoSuchData(f"value {number} of {len(values)}")
    return [values[number - first]]


_QUANTITIES: dict[int, Callable[[Instant], list[Decimal | None]]] = {
    0x01: voltages,
    0x02: currents,
    0x03: powers,
    0x04: reactive_powers,
    0x05: apparent_powers,
    0x06: power_factors,
}
_WITH_TOTAL = (0x03, 0x04, 0x05, 0x06)

_CLOCK = {0x0400_0101: "%Y-%m-%d", 0x0400_0102: "%H:%M:%S", 0x0400_010C: "%Y-%m-%d %H:%M:%S"}
