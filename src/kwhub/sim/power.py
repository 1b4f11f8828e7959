"""What comes to the meter and goes through it: power cuts, phases without voltage, the relay."""

from collections.abc import Sequence

from kwhub.domain.errors import LocalError
from kwhub.sim.electrical import Connection
from kwhub.sim.memory import Memory, Supply
from kwhub.sim.registers import EnergyRegisters
from kwhub.sim.switching import SwitchedLoad

__all__ = ["Power"]


class Power:
    """The supply of one meter over time.

    Args:
        memory: keeps each change.
        connection: shows what flows now.
        registers: count what flowed.

    Attributes:
        is_cut: whether the meter is without power now.
    """

    def __init__(self, memory: Memory, connection: Connection, registers: EnergyRegisters) -> None:
        self._memory = memory
        self._connection = connection
        self._registers = registers
        self._switched: SwitchedLoad | None = None
        self.is_cut = self.last.power_cut
        if memory.supply:
            self._install()

    @property
    def first_s(self) -> int:
        """From when on the meter has records: its first moment, or when it was cleared."""
        first_s = self._registers.load.first_s
        return first_s if self._memory.cleared_s is None else max(first_s, self._memory.cleared_s)

    def is_on(self, at_s: int) -> bool:
        """Whether the meter had power at a moment."""
        supply = None if self._switched is None else self._switched.at(at_s)
        return supply is None or not supply.power_cut

    @property
    def last(self) -> Supply:
        """The state after the last change."""
        steps = self._memory.supply
        return steps[-1] if steps else Supply(0, (), relay_open=False, power_cut=False)

    def change(
        self,
        at_s: int,
        *,
        dark: Sequence[int] | None = None,
        relay_open: bool | None = None,
        power_cut: bool | None = None,
        still: Sequence[int] | None = None,
    ) -> None:
        """Something is switched; what is left out stays.

        Raises:
            LocalError: something later has happened already.
        """
        last = self.last
        if at_s < last.at_s:
            raise LocalError(f"the supply was changed at {last.at_s}, {at_s} is earlier")
        steps = self._memory.supply
        if steps and steps[-1].at_s == at_s:
            steps.pop()
        steps.append(
            Supply(
                at_s,
                last.dark if dark is None else tuple(dark),
                relay_open=last.relay_open if relay_open is None else relay_open,
                power_cut=last.power_cut if power_cut is None else power_cut,
                still=last.still if still is None else tuple(still),
            )
        )
        self.is_cut = steps[-1].power_cut
        self._connection.forget()
        if self._switched is None:
            self._install()

    def _install(self) -> None:
        """Put the switch between the load and what measures it."""
        whole = self._registers.load
        self._switched = SwitchedLoad(whole, self._memory.supply, self._connection.shares)
        self._registers.load = self._connection.load = self._switched
