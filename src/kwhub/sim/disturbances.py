"""What goes wrong on the phases of a meter: begun and ended by hand or by a plan, with what it shows and records.

Source: DL/T 645-2007, annex A, table A.4 (03 01 to 04, 0B to 0D, 0F), and the State Grid filings (classes 10 to
13, 18 to 1A, 1C). The limits are the meter's own business: a disturbance begins when it is said to.
"""

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Final

from kwhub.domain.errors import LocalError
from kwhub.sim import eventbook as kinds
from kwhub.sim.electrical import Connection
from kwhub.sim.faults import PhaseEvent
from kwhub.sim.happenings import Happenings
from kwhub.sim.memory import Memory
from kwhub.sim.power import Power

__all__ = ["PHASE_EVENTS", "Disturbances"]

PHASE_EVENTS: Final = MappingProxyType(
    {
        "voltage loss": kinds.VOLTAGE_LOSS,
        "undervoltage": kinds.UNDERVOLTAGE,
        "overvoltage": kinds.OVERVOLTAGE,
        "phase failure": kinds.PHASE_FAILURE,
        "current loss": kinds.CURRENT_LOSS,
        "current interruption": kinds.CURRENT_INTERRUPTION,
        "overcurrent": kinds.OVERCURRENT,
        "overload": kinds.OVERLOAD,
    }
)
"""Everything that can be made to happen on a phase."""

_DARK: Final = frozenset({kinds.VOLTAGE_LOSS, kinds.PHASE_FAILURE})
_STILL: Final = frozenset({kinds.CURRENT_LOSS, kinds.CURRENT_INTERRUPTION})
_VOLTAGES_V10: Final = {kinds.UNDERVOLTAGE: 1_650, kinds.OVERVOLTAGE: 2_750}


class Disturbances:
    """The disturbances of one meter.

    Args:
        memory: keeps odd voltages.
        power: is told of phases through which nothing flows.
        connection: shows what there is.
        happenings: writes the records.
        advance: does what is due before a moment.
    """

    def __init__(
        self,
        memory: Memory,
        power: Power,
        connection: Connection,
        happenings: Happenings,
        advance: Callable[[int], None],
    ) -> None:
        self._memory = memory
        self._power = power
        self._connection = connection
        self._happenings = happenings
        self._advance = advance
        self._planned: tuple[tuple[int, bool, PhaseEvent], ...] = ()
        connection.odd_voltages = memory.odd_voltages

    def plan(self, events: Sequence[PhaseEvent]) -> None:
        """What is to happen by itself. Raises LocalError: no such event, or no such phase."""
        for each in events:
            self._kind(each.event, each.phase)
        steps = [(each.span.from_s, True, each) for each in events]
        steps += [(each.span.until_s, False, each) for each in events]
        self._planned = tuple(sorted(steps, key=lambda step: step[:2]))

    def next_s(self) -> int | None:
        """When the next planned step is due."""
        done_s = self._memory.disturbed_until_s
        return next((at_s for at_s, _, _ in self._planned if at_s > done_s), None)

    def advance(self, at_s: int) -> None:
        """Take the planned steps that are due at a moment."""
        done_s = self._memory.disturbed_until_s
        self._memory.disturbed_until_s = max(done_s, at_s)
        for from_s, begins, each in self._planned:
            if done_s < from_s <= at_s:
                act = self.begin if begins else self.end
                act(each.event, each.phase, max(from_s, self._power.last.at_s))

    def begin(self, event: str, phase: int, at_s: int) -> bool:
        """Something begins on a phase (0 to 2); False when it lasts already.

        Raises:
            LocalError: no such event or phase, or something later has happened already.
        """
        kind = self._kind(event, phase)
        self._advance(at_s)
        if kind not in _DARK:
            self._change(kind, phase, at_s, begins=True)
        begun = self._happenings.phase_event(kind, phase, at_s)
        if kind in _DARK:  # the record shows what there was before
            self._change(kind, phase, at_s, begins=True)
        return begun

    def end(self, event: str, phase: int, at_s: int) -> bool:
        """It is over; False when it did not last. Raises LocalError as ``begin`` does."""
        kind = self._kind(event, phase)
        self._advance(at_s)
        self._change(kind, phase, at_s, begins=False)
        return self._happenings.phase_event_over(kind, phase, at_s)

    def _kind(self, event: str, phase: int) -> int:
        if event not in PHASE_EVENTS:
            raise LocalError(f"no event {event!r}; there are {', '.join(PHASE_EVENTS)}")
        if not 0 <= phase < self._connection.phases:
            raise LocalError(f"there is no phase {phase}")
        return PHASE_EVENTS[event]

    def _change(self, kind: int, phase: int, at_s: int, *, begins: bool) -> None:
        """What is different on the phase from now on."""
        last = self._power.last
        if kind in _VOLTAGES_V10:
            voltage_v10 = _VOLTAGES_V10[kind] if begins else 0
            self._memory.odd_voltages.append((at_s, phase, voltage_v10))
            self._connection.forget()
        elif kind in _DARK:
            self._power.change(at_s, dark=_with(last.dark, phase, begins))
        elif kind in _STILL:
            self._power.change(at_s, still=_with(last.still, phase, begins))


def _with(phases: Sequence[int], phase: int, present: bool) -> list[int]:  # noqa: FBT001 - a table's column
    others = [each for each in phases if each != phase]
    return sorted([*others, phase]) if present else others
