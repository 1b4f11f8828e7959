"""Conversations with a meter's relay: what it does, and what it is told to do.

Source: DL/T 645-2007, clause 7 (code 1C, N1 to N8) and annex C (status word 3); status words and the rules
of automatic restore: single source.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change, Verdict, carry_out
from kwhub.exchange.read import read_clock
from kwhub.exchange.transfer import transfer
from kwhub.protocols.dlt645.authority import Authority, RelayOrder
from kwhub.protocols.dlt645.contents import RESTORE_STEP_MINUTES
from kwhub.protocols.dlt645.orders import ControlRelay

__all__ = [
    "RESTORE_MINUTES_MAX",
    "VALID_FOR",
    "RelayCommand",
    "RelayState",
    "control_relay",
    "proof_of",
    "read_relay",
]

VALID_FOR = timedelta(minutes=5)
"""How long an order holds by the meter's own clock: an order that is held up on its way must not trip a
meter hours later."""

RESTORE_MINUTES_MAX = 255 * RESTORE_STEP_MINUTES

_STATUS_WORD_3 = 0x0400_0503
_WORD_BYTES = 2
_OPEN, _ORDERED_OPEN, _WARNING, _PROTECTED = 4, 6, 7, 12


class RelayCommand(Enum):
    """N1 of an order; ``contents.RELAY_COMMANDS`` has the words."""

    TRIP = 0x1A
    PERMIT_CLOSING = 0x1B
    CLOSE = 0x1C
    TRIP_THEN_CLOSE = 0x1D
    TRIP_THEN_PERMIT = 0x1E
    ALARM_ON = 0x2A
    ALARM_OFF = 0x2B
    PROTECT = 0x3A
    UNPROTECT = 0x3B

    @property
    def restores(self) -> bool:
        """Whether it needs a time after which the meter restores the supply by itself."""
        return self in (RelayCommand.TRIP_THEN_CLOSE, RelayCommand.TRIP_THEN_PERMIT)


@dataclass(frozen=True, slots=True)
class RelayState:
    """Status word 3, as far as it is about the relay."""

    word: int

    @property
    def is_open(self) -> bool:
        """The customer has no supply."""
        return self._bit(_OPEN)

    @property
    def ordered_open(self) -> bool:
        """The last order was to open it."""
        return self._bit(_ORDERED_OPEN)

    @property
    def warns(self) -> bool:
        """The warning before tripping is on."""
        return self._bit(_WARNING)

    @property
    def is_protected(self) -> bool:
        """The supply is protected: the meter refuses to trip."""
        return self._bit(_PROTECTED)

    def _bit(self, number: int) -> bool:
        return bool(self.word >> number & 1)


def read_relay(address: str) -> Conversation[RelayState]:
    """Read the state of the relay.

    Raises:
        Refusal, NoAnswer, DecodeError, SequenceError: as usual.
    """
    done = yield from transfer(address, _STATUS_WORD_3)
    if len(done.payload) != _WORD_BYTES:
        raise DecodeError("value_length_mismatch", f"status word 3 has {len(done.payload)} bytes")
    return RelayState(int.from_bytes(done.payload, "little"))


def control_relay(
    address: str,
    command: RelayCommand,
    authority: Authority,
    *,
    restore_minutes: int = 0,
    valid_for: timedelta = VALID_FOR,
) -> Conversation[Change[RelayState]]:
    """Give an order to the relay, and read its state before and after.

    The end of the order's validity is counted by the meter's clock, which is read first: by ours, a meter
    that is fast would refuse every order.

    Args:
        address: of the meter, a 2007 one.
        command: what to do.
        authority: level 02 or 04, mostly.
        restore_minutes: for orders that restore by themselves: a multiple of five, up to 1275.
        valid_for: how long the order holds.

    Raises:
        LocalError: the time to restore is missing, not wanted or out of range.
        Refusal, NoAnswer, DecodeError, SequenceError: the clock cannot be read; nothing was ordered.
    """
    steps = _steps(command, restore_minutes)
    until = (yield from read_clock(address)) + valid_for
    request = ControlRelay(address, authority, RelayOrder(command.value, until, steps).to_bytes())
    return (
        yield from carry_out(
            lambda: request,
            lambda: read_relay(address),
            lambda _, after: proof_of(command, after),
        )
    )


def _steps(command: RelayCommand, minutes: int) -> int:
    if not command.restores:
        if minutes:
            raise LocalError("only orders that restore by themselves take a time to restore")
        return 0
    if minutes % RESTORE_STEP_MINUTES or not 0 < minutes <= RESTORE_MINUTES_MAX:
        raise LocalError(
            f"the supply is restored after {RESTORE_STEP_MINUTES} to {RESTORE_MINUTES_MAX} minutes, "
            f"in steps of {RESTORE_STEP_MINUTES}, not after {minutes}"
        )
    return minutes // RESTORE_STEP_MINUTES


_ALARMS = frozenset({RelayCommand.ALARM_ON, RelayCommand.ALARM_OFF})


def proof_of(command: RelayCommand, after: RelayState) -> Verdict | None:
    """What the state says of an order; an alarm leaves no mark in it."""
    if command in _ALARMS:
        return None
    if command in (RelayCommand.PROTECT, RelayCommand.UNPROTECT):
        return _ordered(done=after.is_protected is (command is RelayCommand.PROTECT))
    if command is RelayCommand.CLOSE:
        return _ordered(done=not after.is_open, begun=not after.ordered_open)
    if command is RelayCommand.PERMIT_CLOSING:
        return _ordered(done=not after.ordered_open)
    return _ordered(done=after.is_open, begun=after.ordered_open or after.warns)


def _ordered(*, done: bool, begun: bool = False) -> Verdict:
    if done:
        return Verdict.DONE
    return Verdict.PENDING if begun else Verdict.NOT_DONE
