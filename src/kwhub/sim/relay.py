"""The relay between network and customer: orders, delays, protection, automatic restore.

Source: DL/T 645-2007, clause 7 (code 1C) with the rules of the State Grid filings (single source): a
protected meter refuses to trip; a trip waits for the trip delay (04001401) and until the current is below
a limit (04001402), a day at most; a later trip, close or protect order cancels an automatic restore;
an automatic restore is accepted only while closed and knows no trip delay; after a power cut a running
restore goes straight to its end.
"""

from collections.abc import Callable
from typing import Final, Protocol

from kwhub.protocols.dlt645.contents import RELAY_COMMANDS, RESTORE_STEP_MINUTES
from kwhub.sim.denial import not_authorised, other_error
from kwhub.sim.memory import Relay
from kwhub.sim.settings import Settings

__all__ = ["WAIT_MAX_S", "RelayControl", "Switch"]

TRIP, PERMIT, CLOSE, TRIP_THEN_CLOSE, TRIP_THEN_PERMIT = range(0x1A, 0x1F)
ALARM_ON, ALARM_OFF = 0x2A, 0x2B
PROTECT, UNPROTECT = 0x3A, 0x3B

WAIT_MAX_S: Final = 86_400
"""How long a trip waits for the current to fall."""

_TRIP_DELAY: Final = 0x0400_1401
_CURRENT_LIMIT: Final = 0x0400_1402
_NO_LIMIT_MA: Final = 999_999
_LOOK_S: Final = 60  #: how often a waiting trip looks at the current
_BY_ITSELF: Final = (
    "FFFFFFFF"  #: operator when nobody gave an order, or the customer pushed the key
)


class Switch(Protocol):
    """What moves when the relay does."""

    def __call__(self, *, opened: bool, at_s: int, operator: str) -> None:
        """The relay has moved."""


class RelayControl:
    """Carries out the orders of one relay.

    Args:
        state: kept by the meter.
        settings: delay and current limit.
        current_ma: largest current of a phase at a moment.
        switch: told about each movement.
    """

    def __init__(
        self, state: Relay, settings: Settings, current_ma: Callable[[int], int], switch: Switch
    ) -> None:
        self.state = state
        self._settings = settings
        self._current_ma = current_ma
        self._switch = switch

    def next_s(self) -> int | None:
        """When something is due."""
        due = [each for each in (self.state.trip_at_s, self.state.restore_at_s) if each is not None]
        return min(due, default=None)

    def order(self, command: int, steps: int, operator: str, at_s: int) -> None:
        """Carry out an order whose time has not passed.

        Args:
            command: N1.
            steps: N2, five minutes each.
            operator: who gave it.
            at_s: now.

        Raises:
            Denied: not authorised (protected) or other error.
        """
        if command not in RELAY_COMMANDS:
            raise other_error(f"no order {command:02X}")
        restores = command in (TRIP_THEN_CLOSE, TRIP_THEN_PERMIT)
        if restores != bool(steps):
            raise other_error(f"order {command:02X} with restore time {steps}")
        if command in (ALARM_ON, ALARM_OFF):
            self.state.alarm = command == ALARM_ON
        elif command in (PROTECT, UNPROTECT):
            self._protect(on=command == PROTECT)
        elif command in (CLOSE, PERMIT):
            self._release(at_s, operator, closes=command == CLOSE)
        else:
            self._trip(command, steps, operator, at_s)

    def advance(self, at_s: int) -> None:
        """Do what has become due."""
        state = self.state
        if state.trip_at_s is not None and state.trip_at_s <= at_s:
            trip_at_s, state.trip_at_s, state.warns = state.trip_at_s, None, False
            self._open(trip_at_s, state.operator)
        if state.restore_at_s is not None and state.restore_at_s <= at_s:
            self._restore(state.restore_at_s)

    def power_returned(self, at_s: int) -> None:
        """After a power cut: a trip that became due is made now, a running restore is over."""
        state = self.state
        if state.trip_at_s is not None and state.trip_at_s <= at_s:
            state.trip_at_s = at_s
            self.advance(at_s)
        if state.restore_at_s is not None and state.trip_at_s is None:
            self._restore(at_s)

    def push_key(self, at_s: int) -> bool:
        """The customer pushes the key; False when closing is not permitted."""
        if not self.state.permitted:
            return False
        self._close(at_s, _BY_ITSELF)
        return True

    def _trip(self, command: int, steps: int, operator: str, at_s: int) -> None:
        state = self.state
        if state.is_protected:
            raise not_authorised("the supply is protected")
        if steps and state.is_open:
            raise other_error("tripped already")
        self._cancel()
        state.ordered_open = True
        state.operator = operator
        state.permitted = False
        if state.is_open:
            return
        delay_s = 0 if steps else 60 * self._settings.number(_TRIP_DELAY)
        trip_at_s = self._below_limit(at_s + delay_s)
        if steps:
            state.restore_at_s = trip_at_s + steps * RESTORE_STEP_MINUTES * 60
            state.restore_closes = command == TRIP_THEN_CLOSE
        if trip_at_s <= at_s:
            self._open(at_s, operator)
        else:
            state.trip_at_s, state.warns = trip_at_s, delay_s > 0

    def _below_limit(self, from_s: int) -> int:
        """The first moment at which the current allows to open, a day later at most."""
        limit_ma = self._settings.number(_CURRENT_LIMIT)
        stop_s = from_s + WAIT_MAX_S
        if limit_ma >= _NO_LIMIT_MA:
            return from_s
        looks = range(from_s, stop_s, _LOOK_S)
        return next((each for each in looks if self._current_ma(each) <= limit_ma), stop_s)

    def _protect(self, *, on: bool) -> None:
        self.state.is_protected = on
        if on:
            self._cancel()

    def _release(self, at_s: int, operator: str, *, closes: bool) -> None:
        """Close, or permit closing; an order that waits is cancelled."""
        self._cancel()
        if closes:
            self._close(at_s, operator)
        else:
            self._permit()

    def _restore(self, at_s: int) -> None:
        self.state.restore_at_s = None
        if self.state.restore_closes:
            self._close(at_s, _BY_ITSELF)
        else:
            self._permit()

    def _cancel(self) -> None:
        self.state.trip_at_s = self.state.restore_at_s = None
        self.state.warns = False

    def _permit(self) -> None:
        self.state.ordered_open = False
        self.state.permitted = self.state.is_open

    def _open(self, at_s: int, operator: str) -> None:
        self.state.permitted = False
        if not self.state.is_open:
            self.state.is_open = True
            self._switch(opened=True, at_s=at_s, operator=operator)

    def _close(self, at_s: int, operator: str) -> None:
        self.state.permitted = self.state.ordered_open = False
        if self.state.is_open:
            self.state.is_open = False
            self._switch(opened=False, at_s=at_s, operator=operator)
