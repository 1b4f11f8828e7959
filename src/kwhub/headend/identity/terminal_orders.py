"""Orders to collecting terminals that a device carries: channels, readings, freeze times, a clock that is far off.

A terminal takes them with a password, which stays here: each frame is made for one terminal and one order, and the
device only carries it. Whoever listens to the radio hears the password of such a frame (DL/T 645 has no other way):
give every terminal its own, and change it now and then.

Source: kwhub, profile of the collecting terminal, edition 1; DL/T 645-2007, clause 7 (code 14).
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

from kwhub.catalog.terminal_profile import CHANNELS, FREEZE_TIMES_MAX
from kwhub.domain.errors import LocalError, Refusal
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change
from kwhub.exchange.clock import set_clock
from kwhub.exchange.freeze import FreezePattern
from kwhub.exchange.terminal_settings import (
    ChannelSettings,
    write_channel_settings,
    write_freeze_times,
    write_initial,
)
from kwhub.headend.identity.orders import FieldOrder, Make
from kwhub.protocols.dlt645.authority import Authority

__all__ = ["TERMINAL_OPERATIONS", "check_terminal_order", "terminal_orders"]

TERMINAL_OPERATIONS: Final = (
    "terminal-channel",
    "terminal-reading",
    "terminal-freeze",
    "terminal-clock",
)
"""What can be ordered of a collecting terminal.

Details, separated by blanks: ``terminal-channel`` wants the channel, pulses a kWh, largest current in A, voltage in V,
phases and debounce in ms; ``terminal-reading`` the channel and what its meter shows, kWh; ``terminal-freeze`` times as
MMDDhhmm, 99 is every; ``terminal-clock`` nothing.
"""

_CHANNEL_WORDS: Final = 6
_WHAT: Final = {
    "terminal-channel": "wants channel, imp/kWh, largest current, voltage, phases, debounce in ms: 3 1600 60 220 1 2",
    "terminal-reading": "wants a channel and its reading in kWh: 3 123.45",
    "terminal-freeze": f"wants 1 to {FREEZE_TIMES_MAX} times as MMDDhhmm, 99 is every: 99990000",
    "terminal-clock": "has no detail",
}


def check_terminal_order(operation: str, detail: str) -> None:
    """Look at an order before anybody is sent out. Raises LocalError: what is wrong with it."""
    try:
        _parsed(operation, detail)
    except (ValueError, InvalidOperation, LocalError):
        raise LocalError(f"{operation} {_WHAT[operation]}") from None


def terminal_orders(authority: Authority, now: Callable[[], datetime], zone: ZoneInfo) -> Make:
    """Make orders for collecting terminals.

    Args:
        authority: password, level and operator that the terminals take.
        now: the present moment, aware.
        zone: of the clocks in the terminals.
    """

    def wall() -> datetime:
        return now().astimezone(zone).replace(tzinfo=None)

    def make(order: FieldOrder) -> Conversation[object]:
        told, address = _parsed(order.operation, order.detail), order.meter
        if order.operation == "terminal-channel":
            return _proven(write_channel_settings(address, told[0], told[1], authority))
        if order.operation == "terminal-reading":
            return _proven(write_initial(address, told[0], told[1], authority))
        if order.operation == "terminal-freeze":
            return _proven(write_freeze_times(address, told, authority))
        return _proven(set_clock(address, wall, authority))

    return make


def _proven(writing: Conversation[Change[Any]]) -> Conversation[object]:
    """Done only when the terminal shows afterwards what was written."""
    change = yield from writing
    if not change.verdict.good:
        raise Refusal((f"the terminal does not show what was written: {change.verdict.value}",))
    return None


def _parsed(operation: str, detail: str) -> Any:
    """What a detail says. Raises ValueError, InvalidOperation, LocalError."""
    words = detail.split()
    if operation == "terminal-clock":
        if words:
            raise ValueError(detail)
        return None
    if operation == "terminal-freeze":
        patterns = [FreezePattern(each) for each in words]
        if not 1 <= len(patterns) <= FREEZE_TIMES_MAX or any(each.is_now for each in patterns):
            raise ValueError(detail)
        return patterns
    channel = int(words[0]) if words else 0
    if not 1 <= channel <= CHANNELS:
        raise ValueError(detail)
    if operation == "terminal-reading":
        _, text = words
        return channel, _reading(text)
    if len(words) != _CHANNEL_WORDS:
        raise ValueError(detail)
    return channel, _settings(words[1:])


def _reading(text: str) -> Decimal:
    reading = Decimal(text)
    if not (reading.is_finite() and 0 <= reading < 10**6) or reading != round(reading, 2):
        raise ValueError(text)
    return reading


def _settings(words: list[str]) -> ChannelSettings:
    constant, current, voltage, phases, debounce = words
    made = ChannelSettings(
        constant=int(constant),
        current_max_a=Decimal(current),
        voltage_v=Decimal(voltage),
        phases=int(phases),
        debounce_ms=int(debounce),
    )
    limits = (
        1 <= made.constant <= 999_999,
        0 < made.current_max_a < 10_000,
        0 < made.voltage_v < 10_000,
        1 <= made.phases <= 3,
        0 <= made.debounce_ms <= 1_000,
    )
    if not all(limits):
        raise ValueError(words)
    return made
