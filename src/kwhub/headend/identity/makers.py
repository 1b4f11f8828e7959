"""What an order becomes: the conversation with a cost-control meter, sealed by the master crypto.

Source: as in ``kwhub.prepay.orders``; the deadline of a relay order is computed here and not from the clock that the
meter seems to have, because a device in between could tell another one. A trip has it in its ticket.
"""

from collections.abc import Callable
from datetime import datetime
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from kwhub.domain.errors import LocalError
from kwhub.domain.machine import Conversation
from kwhub.exchange.transfer import order as obey
from kwhub.headend.identity.orders import FieldOrder, Make
from kwhub.headend.identity.terminal_orders import TERMINAL_OPERATIONS, check_terminal_order
from kwhub.prepay.master_crypto import ControlOrder, MasterCrypto, deadline_of
from kwhub.prepay.orders import VALID_FOR, sealed_control, update_keys, write_parameter
from kwhub.prepay.sessions import Target, log_in

__all__ = ["OPERATIONS", "check_order", "cost_control", "either", "no_master"]

RELAY: Final = MappingProxyType({"relay-trip": 0x1A, "relay-permit": 0x1B})
"""N1 of the relay orders.  Source: DL/T 645-2007, control code 1C."""

OPERATIONS: Final = (*RELAY, "parameter", "keys")
"""All that can be ordered. ``parameter`` wants identifier and value in hexadecimal as its detail, ``keys`` a version."""


def check_order(operation: str, detail: str) -> None:
    """Look at an order before anybody is sent to a meter. Raises LocalError: what is wrong with it."""
    if operation in TERMINAL_OPERATIONS:
        check_terminal_order(operation, detail)
        return
    if operation not in OPERATIONS:
        known = ", ".join((*OPERATIONS, *TERMINAL_OPERATIONS))
        raise LocalError(f"{operation} is none of {known}")
    if operation in RELAY and detail:
        raise LocalError(f"{operation} has no detail")
    if operation == "parameter":
        _parameter(detail)
    if operation == "keys" and not detail.isdecimal():
        raise LocalError("keys wants the version of the new keys as its detail")


def no_master(order: FieldOrder) -> Conversation[object]:
    """Make nothing: this head-end has no master crypto. Raises LocalError."""
    raise LocalError(f"{order.operation}: this head-end has no master crypto to seal orders with")


def either(meters: Make, terminals: Make | None) -> Make:
    """Make orders for meters, and for collecting terminals where their password is known."""

    def make(order: FieldOrder) -> Conversation[object]:
        if order.operation not in TERMINAL_OPERATIONS:
            return meters(order)
        if terminals is None:
            raise LocalError(f"{order.operation}: write_password_file is not set in [orders]")
        return terminals(order)

    return make


def cost_control(master: MasterCrypto, now: Callable[[], datetime], zone: ZoneInfo) -> Make:
    """Make orders for cost-control meters.

    Args:
        master: seals; the keys stay in it.
        now: the present moment, aware.
        zone: of the clocks in the meters.
    """

    def make(order: FieldOrder) -> Conversation[object]:
        target = Target(order.meter, order.meter)
        if order.operation in RELAY:
            return _relay(master, target, order, min(now() + VALID_FOR, order.not_after), zone)
        if order.operation == "parameter":
            identifier, value = _parameter(order.detail)
            return write_parameter(master, target, identifier, value, order.ticket)
        if order.operation == "keys" and order.detail.isdecimal():
            return update_keys(master, target, int(order.detail))
        raise LocalError(f"{order.operation} {order.detail} is no order; known are {OPERATIONS}")

    return make


def _relay(
    master: MasterCrypto, target: Target, order: FieldOrder, until: datetime, zone: ZoneInfo
) -> Conversation[object]:
    session = yield from log_in(master, target)
    ticket = order.ticket
    deadline = deadline_of(until, zone) if ticket is None else ticket.deadline
    made = ControlOrder(RELAY[order.operation], 0, deadline)
    sealed = master.control(session.login, session.nonce, made, ticket)
    yield from obey(sealed_control(target, sealed))
    return None


def _parameter(detail: str) -> tuple[int, bytes]:
    try:
        identifier, value = detail.split()
        return int(identifier, 16), bytes.fromhex(value)
    except ValueError:
        raise LocalError("a parameter is its identifier and its value in hexadecimal") from None
