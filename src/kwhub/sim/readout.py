"""What a meter has to say under an identifier: plain values, before they become bytes.

Source: DL/T 645-2007, annex A, tables A.1 (energy), A.2 (demand), A.3 (variables), A.4 (parameters),
A.6 (frozen data); an identifier is DI3 DI2 DI1 DI0, and FF in a byte means all its values.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

from kwhub.sim.climate import DAY_S
from kwhub.sim.clockwork import MeterClock, wall_datetime
from kwhub.sim.electrical import DISPLAY_W10_MAX, Connection, Instant
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
from kwhub.sim.shapes import SLOT_S

__all__ = ["DAY_FREEZES", "LOAD_RECORD_MODE", "NoSuchData", "Readout"]

_T = TypeVar("_T")

DAY_FREEZES = 62
"""Daily freezes that are kept (filings; 3E hexadecimal in table A.6)."""
SETTLEMENTS = 12
LOAD_RECORD_MODE = 0b0000_1111
"""Mode word 04000901: voltage, current, frequency; powers; power factors; energies."""
_ALL = 0xFF
_NO_TIME = "2000-00-00 00:00"  #: a demand that never was: all digits zero
_ACTIVE_FORWARD = 1
_NET_KINDS = (0, 3, 4)  #: combined energies, which have a sign


class NoSuchData(Exception):
    """The meter does not keep this."""


class Readout:
    """The memory of one meter, as a function of the moment.

    Args:
        address: also its meter number.
        connection: what flows now.
        registers: what flowed so far.
        clock: the meter's own.
        reset_s: moment at which all registers fell to zero; None: never.
    """

    def __init__(
        self,
        address: str,
        connection: Connection,
        registers: EnergyRegisters,
        clock: MeterClock,
        reset_s: int | None,
    ) -> None:
        self.address = address
        self.connection = connection
        self.registers = registers
        self.clock = clock
        self._reset_s = reset_s
        self._classes: dict[int, Callable[[int, int], list[Plain]]] = {
            0x00: self._energy_item,
            0x01: self._demand_item,
            0x02: self._variable_item,
            0x04: self._parameter_item,
            0x05: self._freeze_item,
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
        return self.registers.total(at_s) - self._before_reset(self.registers.total, at_s)

    def reactive(self, at_s: int) -> int:
        """Reactive energy of quadrant I, in ticks of 0.01 kvarh."""
        return self.registers.reactive(at_s) - self._before_reset(self.registers.reactive, at_s)

    def _before_reset(self, register: Callable[[int], int], at_s: int) -> int:
        """What a register had counted when it was set to zero, if it was."""
        return 0 if self._reset_s is None or at_s < self._reset_s else register(self._reset_s)

    def energies(self, at_s: int) -> list[int]:
        """Forward active energy: total, then tariffs 1 to 4, in ticks."""
        tariffs = list(self.registers.tariffs(at_s))
        if self._reset_s is not None and at_s >= self._reset_s:
            lost = self.registers.tariffs(self._reset_s)
            tariffs = [count - gone for count, gone in zip(tariffs, lost, strict=True)]
        return [sum(tariffs), *tariffs]

    def _energy_item(self, identifier: int, at_s: int) -> list[Plain]:
        """00: kind, tariff, settlement."""
        kind, tariff, settlement = identifier.to_bytes(4)[1:]
        return [
            counter(ticks, net=kind in _NET_KINDS)
            for moment_s in self._settlement_moments(settlement, at_s)
            for ticks in _pick(self._energy_kind(kind, moment_s, whole=tariff == 0), tariff)
        ]

    def _energy_kind(self, kind: int, at_s: int, *, whole: bool) -> list[int]:
        """Total and, unless only the ``whole`` is wanted, tariffs. Tariffs are kept of active energy."""
        if kind in (0, _ACTIVE_FORWARD):
            return [self.total(at_s)] if whole else self.energies(at_s)
        if kind in (3, 5):  # combined reactive 1 is quadrant I here: nothing flows back
            return [self.reactive(at_s)]
        if kind in (2, 4, 6, 7, 8):
            return [0] * (1 if kind != 2 else 1 + TARIFFS)
        raise NoSuchData(f"energy kind {kind:02X}")

    def _settlement_moments(self, settlement: int, at_s: int) -> list[int]:
        """Now, or the end of the n-th last month by the meter's clock, or all of them."""
        if settlement == _ALL:
            return [self._settled(number, at_s) for number in range(SETTLEMENTS + 1)]
        if settlement > SETTLEMENTS:
            raise NoSuchData(f"settlement {settlement}")
        return [self._settled(settlement, at_s)]

    def _settled(self, number: int, at_s: int) -> int:
        if number == 0:
            return at_s
        wall_s = self.clock.wall(at_s)
        today = wall_datetime(wall_s)
        months = today.year * 12 + today.month - number
        first = today.replace(
            year=months // 12, month=months % 12 + 1, day=1, hour=0, minute=0, second=0
        )
        return self.clock.reached(wall_s - int((today - first).total_seconds()))

    def _demand_item(self, identifier: int, at_s: int) -> list[Plain]:
        """01: kind, tariff, settlement."""
        kind, tariff, settlement = identifier.to_bytes(4)[1:]
        if kind not in (1, 2) or settlement > SETTLEMENTS:
            raise NoSuchData(f"{identifier:08X}")
        if tariff != _ALL and tariff > TARIFFS:
            raise NoSuchData(f"tariff {tariff}")
        stop_s, since_s = self._settled(settlement, at_s), self._settled(settlement + 1, at_s)
        return self._demands(kind, tariff, since_s, stop_s)

    def _demands(self, kind: int, tariff: int, since_s: int, stop_s: int) -> list[Plain]:
        """Maximum demands between two moments, each followed by its time."""
        if self._reset_s is not None and stop_s >= self._reset_s:
            since_s = max(since_s, self._reset_s)
        pairs: list[tuple[Plain, Plain]] = [
            (scaled(min(DISPLAY_W10_MAX, found.watts10), 4), self._stamp(found.at_s))
            if kind == _ACTIVE_FORWARD and found.watts10
            else (scaled(0, 4), _NO_TIME)
            for found in self.registers.demand(since_s, stop_s)
        ]
        return [value for pair in _pick(pairs, tariff) for value in pair]

    def _stamp(self, at_s: int) -> str:
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
        """04: date and time, numbers, words."""
        value = self._own_parameters(at_s).get(identifier)
        if value is not None:
            return [value]
        if identifier in _PARAMETERS:
            return list(_PARAMETERS[identifier])
        raise NoSuchData(f"{identifier:08X}")

    def _own_parameters(self, at_s: int) -> dict[int, Plain]:
        """Parameters that differ from meter to meter or from moment to moment."""
        wall = wall_datetime(self.clock.wall(at_s))
        return {
            0x0400_0101: f"{wall:%Y-%m-%d}",
            0x0400_0102: f"{wall:%H:%M:%S}",
            0x0400_010C: f"{wall:%Y-%m-%d %H:%M:%S}",
            0x0400_0306: Decimal(self.registers.ratio),
            0x0400_0401: self.address,
            0x0400_0402: self.address,
        }

    def _freeze_item(self, identifier: int, at_s: int) -> list[Plain]:
        """05 06: daily freeze, item, index (01 the last)."""
        kind, item, index = identifier.to_bytes(4)[1:]
        if kind != 0x06 or not 1 <= index <= DAY_FREEZES:
            raise NoSuchData(f"{identifier:08X}")
        wall_s = self.clock.wall(at_s)
        frozen_s = self.clock.moment(wall_s - wall_s % DAY_S - (index - 1) * DAY_S)
        if frozen_s is None or frozen_s < self.registers.load.first_s:
            raise NoSuchData(f"{identifier:08X}: not recorded")
        if item == 0:
            return [self._stamp(frozen_s)]
        if item <= 8:
            ticks = self._energy_kind(item, frozen_s, whole=False)
            return [counter(each, net=item in _NET_KINDS) for each in ticks]
        if item in (0x09, 0x0A):
            return self._demands(item - 8, _ALL, self._settled(1, frozen_s), frozen_s)
        if item == 0x10:
            instant = self.connection.at(frozen_s)
            return [*powers(instant), *reactive_powers(instant)]
        raise NoSuchData(f"{identifier:08X}")


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

_NO_FAULT = "0000"
_PARAMETERS: dict[int, tuple[Plain, ...]] = {
    0x0400_0103: (Decimal(15),),  # demand period, minutes
    0x0400_0104: (Decimal(15),),  # sliding step: as long as the period, so blocks
    0x0400_0204: (Decimal(TARIFFS),),
    0x0400_0307: (Decimal(1),),
    0x0400_0409: (Decimal(1200),),  # pulses for each kWh
    0x0400_040A: (Decimal(1200),),
    **{0x0400_0500 + word: (_NO_FAULT,) for word in range(1, 8)},
    0x0400_05FF: (_NO_FAULT,) * 7,
    0x0400_0601: ("05",),  # combined active = forward + reverse
    0x0400_0602: ("41",),  # combined reactive 1 = quadrants I and IV
    0x0400_0603: ("14",),  # combined reactive 2 = quadrants II and III
    0x0400_0703: ("08",),  # 2400 baud
    0x0400_0901: (f"{LOAD_RECORD_MODE:02X}",),
    **{0x0400_0A01 + number: (Decimal(15),) for number in range(1, 7)},  # minutes between records
}
