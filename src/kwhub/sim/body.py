"""The parts of a meter put together, and what the world outside the line does to them.

People push its keys and open its covers; the network takes its power away; time passes. What is asked
and ordered over the line is answered by ``answers`` and ``commands``.
"""

from typing import Final, Protocol

from kwhub.protocols.dlt645.editions import Edition
from kwhub.sim.clockwork import ClockStep, MeterClock, wall_datetime, wall_seconds
from kwhub.sim.disturbances import Disturbances
from kwhub.sim.electrical import Connection
from kwhub.sim.eventbook import EventBook
from kwhub.sim.freezes import (
    PRICE_SWITCH,
    RULES,
    SLOT_SWITCH,
    TIER_SWITCH,
    ZONE_SWITCH,
    Freezes,
)
from kwhub.sim.happenings import Happenings
from kwhub.sim.memory import Memory
from kwhub.sim.passwords import Passwords
from kwhub.sim.power import Power
from kwhub.sim.readout import Readout
from kwhub.sim.records import LoadRecords
from kwhub.sim.relay import RelayControl
from kwhub.sim.settings import PRICES, SETTLEMENT_DAYS, Settings
from kwhub.sim.tariff_tables import TariffTables, is_table

__all__ = ["CLOCK_STEPS_MAX", "DEMAND_CLEARS_MAX", "Body", "Duty"]

CLOCK_STEPS_MAX: Final = 400
"""Clock settings that are told apart; older ones run together."""
DEMAND_CLEARS_MAX: Final = 64
"""Clearings of the demand that are remembered."""

_ZONE_SWITCH_TIME, _SLOT_SWITCH_TIME = 0x0400_0106, 0x0400_0107
_PRICE_SWITCH_TIME, _TIER_SWITCH_TIME = 0x0400_0108, 0x0400_0109
_SWITCHES: Final = {
    _ZONE_SWITCH_TIME: ZONE_SWITCH,
    _SLOT_SWITCH_TIME: SLOT_SWITCH,
    _PRICE_SWITCH_TIME: PRICE_SWITCH,
    _TIER_SWITCH_TIME: TIER_SWITCH,
}


class Duty(Protocol):
    """Something built into a meter that has moments of its own, later than the last one it was told."""

    def next_s(self) -> int | None:
        """When there is something to do."""

    def advance(self, at_s: int) -> None:
        """Do what is due."""

    def power_returned(self, at_s: int) -> None:
        """The power is back after a cut."""


class Body:
    """One meter without its line.

    Args:
        memory: what it keeps.
        connection: what flows now.
        readout: its registers and its clock.
        edition: that it speaks.

    Attributes:
        duties: of what is built into it.
    """

    def __init__(
        self, memory: Memory, connection: Connection, readout: Readout, edition: Edition
    ) -> None:
        self.duties: list[Duty] = []
        self.memory = memory
        self.edition = edition
        self.readout = readout
        self.settings: Settings = readout.settings
        self.power = Power(memory, connection, readout.registers)
        self.passwords = Passwords(memory)
        self.book = EventBook(memory)
        self.happenings = Happenings(readout, self.book)
        self.freezes = Freezes(readout, self.power, memory)
        self.records = LoadRecords(readout, self.power)
        self.relay = RelayControl(memory.relay, self.settings, self._current_ma, self._relay_moved)
        offset_s = readout.clock.utc_offset_s
        self.tables = TariffTables(memory, self.settings.raw, offset_s)
        self._basic_clock = readout.clock
        self._place_clock()
        self.disturbances = Disturbances(
            memory, self.power, connection, self.happenings, self.advance
        )
        if self.tables.changed:
            readout.registers.tables = self.tables.at
        self.due_s = self._due_s()

    def wall(self, at_s: int) -> int:
        """What the meter's clock shows, in wall seconds."""
        return self.readout.clock.wall(at_s)

    def advance(self, at_s: int) -> None:
        """Do what has become due until a moment; while the power is off nothing is done."""
        if self.power.is_cut:
            return
        while self.due_s is not None and self.due_s <= at_s:
            due_s = self.due_s
            self.relay.advance(due_s)
            for identifier in self._switches_due(due_s):
                self._switch_tables(identifier, due_s)
            self.disturbances.advance(due_s)
            for duty in self.duties:
                duty.advance(due_s)
            self.due_s = self._due_s()

    def refresh(self) -> None:
        """Something was ordered: work out anew what is due next."""
        self.due_s = self._due_s()

    def set_clock(self, wall_s: int, at_s: int) -> None:
        """Set the meter's clock."""
        step_s = wall_s - self.wall(at_s)
        steps = self.memory.clock_steps
        steps.append((at_s, step_s))
        if len(steps) > CLOCK_STEPS_MAX:
            (_, first), (moment, second) = steps[:2]
            steps[:2] = [(moment, first + second)]
        self._place_clock()

    def write(self, identifier: int, payload: bytes, operator: str, at_s: int) -> None:
        """Take a new parameter, with everything that follows from it.

        Raises:
            Denied: the parameter or its value is not allowed.
        """
        self.settings.check(identifier, payload)
        if self.edition is Edition.E2007:
            self.happenings.programmed(identifier, operator, at_s)
        if identifier in SETTLEMENT_DAYS:
            self.readout.keep_settlements(at_s)
        if identifier in RULES:
            self.freezes.keep(RULES[identifier], at_s)
        self.settings.put(identifier, payload)
        if identifier in _SWITCHES:
            self._arm(identifier, at_s)
        if is_table(identifier):
            self._keep_tables(at_s)

    def clear_demand(self, operator: str, at_s: int) -> None:
        """Maximum demands start again."""
        self.happenings.demand_cleared(operator, at_s)
        self.memory.demand_cleared_s.append(at_s)
        del self.memory.demand_cleared_s[:-DEMAND_CLEARS_MAX]

    def clear(self, operator: str, at_s: int) -> None:
        """Energies, demands, freezes, load records and events are gone; settings stay."""
        self.happenings.meter_cleared(operator, at_s)
        self.memory.cleared_s = at_s
        self.memory.demand_cleared_s.clear()
        self.freezes.clear()

    def cut_power(self, at_s: int) -> None:
        """The power goes: no answers, no freezes, no load records, and nothing flows."""
        self.advance(at_s)
        if not self.power.is_cut:
            self.happenings.power_down(at_s)
            self.power.change(at_s, power_cut=True)

    def restore_power(self, at_s: int) -> None:
        """The power is back; the output terminal shows the second pulse again."""
        if self.power.is_cut:
            self.power.change(at_s, power_cut=False)
            self.happenings.power_up(at_s)
            self.memory.output = 0
            self.relay.power_returned(at_s)
            for duty in self.duties:
                duty.power_returned(at_s)
            self.due_s = self._due_s()
            self.advance(at_s)

    def lose_voltage(self, phase: int, at_s: int) -> None:
        """A phase (0 to 2) of the meter loses its voltage; what flows through it is not counted.

        Raises:
            LocalError: the meter has no such phase.
        """
        self.disturbances.begin("voltage loss", phase, at_s)

    def regain_voltage(self, phase: int, at_s: int) -> None:
        """The voltage of a phase is back."""
        self.disturbances.end("voltage loss", phase, at_s)

    def push_relay_key(self, at_s: int) -> bool:
        """The customer pushes the key that closes; False when that is not permitted."""
        self.advance(at_s)
        return self.relay.push_key(at_s)

    def _place_clock(self) -> None:
        basic = self._basic_clock
        steps = [*basic.steps, *(ClockStep(*step) for step in self.memory.clock_steps)]
        self.readout.clock = MeterClock(
            basic.utc_offset_s,
            basic.set_s,
            basic.offset_s,
            basic.drift_ppm,
            sorted(steps, key=lambda step: step.at_s),
        )

    def _current_ma(self, at_s: int) -> int:
        return max(phase.current_ma for phase in self.readout.connection.at(at_s).phases)

    def _relay_moved(self, *, opened: bool, at_s: int, operator: str) -> None:
        moment = max(at_s, self.power.last.at_s)
        self.happenings.switched(operator, opened=opened, at_s=moment)
        self.power.change(moment, relay_open=opened)

    def _arm(self, identifier: int, at_s: int) -> None:
        """A switch time that is still to come will be kept; all zeros mean never."""
        armed = self.memory.armed
        if identifier in armed:
            armed.remove(identifier)
        if self._switch_wall(identifier) > self.wall(at_s):
            armed.append(identifier)

    def _switch_wall(self, identifier: int) -> int:
        """The switch time in wall seconds; 0 for never."""
        digits = self.settings.digits(identifier)
        if not digits.strip("0"):
            return 0
        year, month, day, hour, minute = (int(digits[at : at + 2]) for at in range(0, 10, 2))
        base = wall_datetime(0).replace(year=2000 + year, month=month, day=day)
        return wall_seconds(base.replace(hour=hour, minute=minute))

    def _switch_moment(self, identifier: int) -> int:
        return self.readout.clock.reached(self._switch_wall(identifier))

    def _switches_due(self, at_s: int) -> list[int]:
        return [each for each in self.memory.armed if self._switch_moment(each) <= at_s]

    def _switch_tables(self, identifier: int, at_s: int) -> None:
        """The other set of zones, day tables, prices or tiers comes into force, and a freeze is made."""
        memory = self.memory
        memory.armed.remove(identifier)
        self.freezes.freeze(_SWITCHES[identifier], at_s)
        if identifier == _ZONE_SWITCH_TIME:
            memory.zone_set = 3 - memory.zone_set
        elif identifier == _SLOT_SWITCH_TIME:
            memory.slot_set = 3 - memory.slot_set
        elif identifier == _PRICE_SWITCH_TIME:
            for standby, present in PRICES.items():
                self.settings.put(present, self.settings.raw(standby))
        self._keep_tables(at_s)

    def _keep_tables(self, at_s: int) -> None:
        self.tables.keep(at_s)
        self.readout.registers.tables = self.tables.at

    def _due_s(self) -> int | None:
        due = [self._switch_moment(each) for each in self.memory.armed]
        others = [self.relay.next_s(), self.disturbances.next_s()]
        others += [duty.next_s() for duty in self.duties]
        return min([*due, *(each for each in others if each is not None)], default=None)
