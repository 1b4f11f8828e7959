"""Orders for the relay that the element has opened: the only ones that a cost-control meter obeys.

Source: DL/T 645-2007, clause 7 (code 1C), with the State Grid filings on relay control (error word with P2 = 1,
single source).
"""

from typing import Final

from kwhub.domain.errors import DecodeError
from kwhub.protocols.dlt645.authority import RelayOrder
from kwhub.protocols.dlt645.orders import ControlRelay
from kwhub.protocols.dlt645.refusals import Error2007
from kwhub.sim.clockwork import wall_datetime
from kwhub.sim.denial import Denied
from kwhub.sim.prepay_consumption import Consumption
from kwhub.sim.prepay_core import Core, WindowKind

__all__ = ["Control"]

_SEALED_BYTES: Final = 20
_TRIPS: Final = frozenset({0x1A, 0x1D, 0x1E})
_RESTORING: Final = frozenset({0x1D, 0x1E})

SUSPENDED, MAC_WRONG, OTHER, TIMED_OUT, TOO_LATE, PROTECTED, NO_RESTORE, NO_TIME, OPEN = (
    1 << bit for bit in range(9)
)
_ONE_BYTE: Final = {
    OTHER: Error2007.OTHER,
    TOO_LATE: Error2007.OTHER,
    NO_TIME: Error2007.OTHER,
    OPEN: Error2007.OTHER,
}


class Control:
    """Control code 1C of one meter."""

    def __init__(self, core: Core, consumption: Consumption) -> None:
        self._core = core
        self._consumption = consumption

    def order(self, request: ControlRelay) -> None:
        """Carry out a sealed order.

        Raises:
            Denied: with the two-byte word when P2 asks for it, else with one byte.
        """
        wants_word = request.authority.key.password.startswith("01")
        error = self._error(request)
        if not error:
            return
        if wants_word:
            raise Denied(error, f"order refused: {error:04X}", size=2)
        raise Denied(_ONE_BYTE.get(error, Error2007.NOT_AUTHORISED), "order refused")

    def carry_out(self, plain: bytes, operator: str) -> int:
        """Do what an opened order says; a bit of the error word, 0 for good.

        Args:
            plain: command, delay, and the deadline, high byte first.
            operator: who gives it.
        """
        core, relay = self._core, self._core.body.relay
        try:
            order = RelayOrder.from_bytes(plain[:2] + plain[:1:-1])
        except DecodeError:
            return OTHER
        now = wall_datetime(core.body.wall(core.now_s))
        restores = order.command in _RESTORING
        blocked = (
            (order.valid_until is not None and order.valid_until < now, TOO_LATE),
            (order.command in _TRIPS and relay.state.is_protected, PROTECTED),
            (restores and not order.restore_steps, NO_TIME),
            (restores and relay.state.is_open, OPEN),
        )
        error = next((bit for is_so, bit in blocked if is_so), 0)
        if error:
            return error | (NO_RESTORE if error == PROTECTED and restores else 0)
        self._consumption.settle(core.now_s)
        try:
            relay.order(order.command, order.restore_steps, operator, core.now_s)
        except Denied:
            return OTHER
        self._consumption.ordered()
        return 0

    def _error(self, request: ControlRelay) -> int:
        core = self._core
        if core.is_suspended:
            return SUSPENDED
        if not core.is_open(WindowKind.REMOTE):
            return TIMED_OUT
        if len(request.order) != _SEALED_BYTES:
            return OTHER
        plain = core.driver.open_order(request.order[::-1])
        core.window.spent = True
        if plain is None:
            return MAC_WRONG
        return self.carry_out(plain, request.authority.operator)
