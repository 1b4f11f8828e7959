"""Conversations with M-Bus meters: read one whole, find them, change their address or speed.

Source: EN 13757-2 and EN 13757-3: multi-telegram answers, secondary addressing, wildcard search.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from kwhub.domain.errors import LocalError, NoAnswer
from kwhub.domain.machine import Conversation
from kwhub.protocols.mbus import control as c
from kwhub.protocols.mbus.identity import Identity
from kwhub.protocols.mbus.messages import Acknowledged, Answered, Read, Reset, Send
from kwhub.protocols.mbus.records import encode
from kwhub.protocols.mbus.telegrams import Telegram, read_telegram

__all__ = [
    "TELEGRAMS_MAX",
    "Found",
    "change_rate",
    "read_meter",
    "scan_primary",
    "search",
    "set_address",
]

TELEGRAMS_MAX = 16
"""Some meters say "more follows" for ever."""
_DIGITS = "0123456789"
_HEX_DIGITS = "ABCDE"
_ID_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: meters, and places where several answer that it cannot tell apart."""

    meters: tuple[Identity, ...]
    clashes: tuple[Identity, ...]
    probes: int


def read_meter(target: int | Identity) -> Conversation[tuple[Telegram, ...]]:
    """Every telegram of a meter's answer, from the first.

    Raises:
        NoAnswer: the meter is silent, or is not selected.
    """
    address = yield from _reach(target)
    telegrams: list[Telegram] = []
    seen: set[bytes] = set()
    while len(telegrams) < TELEGRAMS_MAX:
        event = yield Read(address)
        if not isinstance(event, Answered):
            raise NoAnswer(f"meter {target} does not answer", attempts=event.attempts)
        telegram = read_telegram(event.frame)
        if event.raw in seen:
            break
        seen.add(event.raw)
        telegrams.append(telegram)
        if not telegram.more:
            break
    return tuple(telegrams)


def _reach(target: int | Identity) -> Conversation[int]:
    if isinstance(target, int):
        event = yield Reset(target)
        if not isinstance(event, Acknowledged):  # the first word after power-on may be lost
            yield Reset(target)
        return target
    yield Reset(c.ADDRESS_SELECTED)
    event = yield Send(c.ADDRESS_SELECTED, c.CI_SELECT, target.to_bytes())
    if not isinstance(event, Acknowledged):
        raise NoAnswer(f"no meter {target}", attempts=event.attempts)
    return c.ADDRESS_SELECTED


def search(start: str = "FFFFFFFF") -> Conversation[Found]:
    """Find meters by wildcard, depth first.

    Args:
        start: identification to begin with; F is open.
    """
    found: list[Identity] = []
    clashes: list[Identity] = []
    probes = 0
    stack = [Identity(start)]
    while stack:
        probe = stack.pop()
        probes += 1
        heard, meter = yield from _probe(probe)
        if meter is not None:
            found.append(meter)
        elif heard:
            deeper = list(_deeper(probe))
            stack.extend(reversed(deeper))
            if not deeper:
                clashes.append(probe)
    return Found(tuple(dict.fromkeys(found)), tuple(clashes), probes)


def _deeper(probe: Identity) -> Iterator[Identity]:
    at = next((at for at in range(_ID_DIGITS) if probe.number[at] == "F"), None)
    if at is not None:
        for digit in _DIGITS + _HEX_DIGITS:
            yield replace(probe, number=probe.number[:at] + digit + probe.number[at + 1 :])
    elif probe.medium == 0xFF:
        for medium in c.MEDIA:
            yield replace(probe, medium=medium)


def _probe(probe: Identity) -> Conversation[tuple[bool, Identity | None]]:
    """Whether anything was heard, and the one meter that it was."""
    yield Reset(c.ADDRESS_SELECTED, repeatable=False)
    event = yield Send(c.ADDRESS_SELECTED, c.CI_SELECT, probe.to_bytes(), repeatable=False)
    if not isinstance(event, Acknowledged):
        return bool(event.heard), None
    event = yield Read(c.ADDRESS_SELECTED, repeatable=False)
    telegram = read_telegram(event.frame) if isinstance(event, Answered) else None
    return True, None if telegram is None else telegram.identity


def scan_primary(first: int = 0, last: int = c.ADDRESS_MAX) -> Conversation[dict[int, bool]]:
    """Primary addresses that answer; False where several do."""
    found: dict[int, bool] = {}
    for address in range(first, last + 1):
        event = yield Reset(address, repeatable=False)
        if isinstance(event, Acknowledged):
            found[address] = True
        elif event.heard:
            found[address] = False
    return found


def set_address(target: int | Identity, address: int) -> Conversation[None]:
    """Give a meter a primary address. Raises LocalError, NoAnswer."""
    if not 0 < address <= c.ADDRESS_MAX:
        raise LocalError(f"primary address {address}; there are 1 to {c.ADDRESS_MAX}")
    at = yield from _reach(target)
    yield from _told(Send(at, c.CI_SEND, encode(0x01, b"\x7a", bytes([address]))))
    yield from read_meter(address)


def change_rate(target: int | Identity, baud: int) -> Conversation[None]:
    """Have a meter go to another speed; it answers at the old one. Raises LocalError, NoAnswer.

    The caller opens its link anew and reads something; when nothing comes it goes back to the old
    speed, to which the meter falls back, too (30 s).
    """
    if baud not in c.CI_BY_BAUD:
        raise LocalError(f"M-Bus has no speed of {baud} baud")
    at = yield from _reach(target)
    yield from _told(Send(at, c.CI_BY_BAUD[baud]))


def _told(order: Send) -> Conversation[None]:
    event: Any = yield order
    if not isinstance(event, Acknowledged):
        raise NoAnswer("the order is not acknowledged", attempts=event.attempts)
