"""Conversations with M-Bus meters: read one whole, change its address or speed, reset its application.

Source: EN 13757-2 and EN 13757-3: multi-telegram answers, secondary addressing, application reset, speeds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from kwhub.domain.errors import LocalError, NoAnswer, Refusal
from kwhub.domain.machine import Conversation
from kwhub.protocols.mbus import control as c
from kwhub.protocols.mbus.identity import Identity
from kwhub.protocols.mbus.messages import Acknowledged, Answered, Pause, Read, Reset, Retune, Send
from kwhub.protocols.mbus.records import encode
from kwhub.protocols.mbus.telegrams import Telegram, read_telegram

__all__ = [
    "FABRICATION_ANY",
    "FABRICATION_BLOCK",
    "FALL_BACK_S",
    "TELEGRAMS_MAX",
    "Selection",
    "Target",
    "change_rate",
    "read_meter",
    "reset_application",
    "scan_primary",
    "set_address",
]

TELEGRAMS_MAX = 16
"""Some meters say "more follows" for ever."""

ROUNDS = 2
"""How often a meter is reached for anew, its link reset, before it is given up."""

FALL_BACK_S = 30.0
"""A meter that hears nothing good at its new speed goes back to the old one after this."""

FABRICATION_ANY = "F" * 8
_NUMBER_DIGITS = frozenset("0123456789ABCDEF")
FABRICATION_BLOCK = b"\x0c\x78"


@dataclass(frozen=True, slots=True)
class Selection:
    """A secondary address, with the fabrication number where that is not enough (enhanced selection)."""

    identity: Identity
    fabrication: str = ""  #: eight digits, F is open; empty leaves it out

    @classmethod
    def parse(cls, text: str) -> "Selection":
        """From ``12345678-KAM-01-07`` or ``12345678-KAM-01-07+87654321``. Raises LocalError."""
        address, _, number = text.upper().partition("+")
        if number and (len(number) != len(FABRICATION_ANY) or not set(number) <= _NUMBER_DIGITS):
            raise LocalError(
                f"{number!r} is no fabrication number of {len(FABRICATION_ANY)} digits"
            )
        return cls(Identity.parse(address), number)

    def to_bytes(self) -> bytes:
        """What a selection carries."""
        number = bytes.fromhex(self.fabrication)[::-1]
        return self.identity.to_bytes() + (FABRICATION_BLOCK + number if number else b"")

    def __str__(self) -> str:
        return f"{self.identity}{'+' + self.fabrication if self.fabrication else ''}"


Target: TypeAlias = int | Identity | Selection
"""A primary address, or a secondary one."""


def read_meter(target: Target) -> Conversation[tuple[Telegram, ...]]:
    """Every telegram of a meter's answer, from the first.

    A meter that falls silent in between is asked from the beginning once more, its link reset.

    Raises:
        NoAnswer: the meter is silent, or is not selected.
        Refusal: it answers with an application error, such as too many readouts.
    """
    for left in reversed(range(ROUNDS)):
        try:
            address = yield from _reach(target)
            return (yield from _telegrams(target, address))
        except NoAnswer:
            if not left:
                raise
    raise NoAnswer(f"meter {target} does not answer")  # pragma: no cover - the loop ends before


def _telegrams(target: Target, address: int) -> Conversation[tuple[Telegram, ...]]:
    telegrams: list[Telegram] = []
    seen: set[bytes] = set()
    while len(telegrams) < TELEGRAMS_MAX:
        event = yield Read(address)
        if not isinstance(event, Answered):
            raise NoAnswer(f"meter {target} does not answer", attempts=event.attempts)
        telegram = read_telegram(event.frame)
        if telegram.kind == "app_error":
            words = c.APPLICATION_ERRORS.get(telegram.code or 0, ("reserved error", ""))
            raise Refusal((words[0],), raw=event.raw)
        if event.raw in seen:
            break
        seen.add(event.raw)
        telegrams.append(telegram)
        if not telegram.more:
            break
    return tuple(telegrams)


def _reach(target: Target) -> Conversation[int]:
    """Reset the link, select where needed; the address to speak to."""
    if isinstance(target, int):
        event = yield Reset(target)
        if not isinstance(event, Acknowledged):  # the first word after power-on may be lost
            yield Reset(target)
        return target
    yield Reset(c.ADDRESS_SELECTED, repeatable=False)
    event = yield Send(c.ADDRESS_SELECTED, c.CI_SELECT, target.to_bytes())
    if not isinstance(event, Acknowledged):
        raise NoAnswer(f"no meter {target}", attempts=event.attempts)
    return c.ADDRESS_SELECTED


def scan_primary(
    first: int = 0,
    last: int = c.ADDRESS_MAX,
    *,
    found: dict[int, bool] | None = None,
    told: Callable[[int, bool | None], None] | None = None,
) -> Conversation[dict[int, bool]]:
    """Primary addresses that answer; False where several do.

    Args:
        first: address to begin with.
        last: address to end with.
        found: filled as the scan goes on, so that what is found before a stop is kept.
        told: hears of every address: True one meter, False several, None silence.
    """
    found = {} if found is None else found
    for address in range(first, last + 1):
        event = yield Reset(address, repeatable=False)
        if isinstance(event, Acknowledged):
            # Several equal acknowledgements look like one; several telegrams do not.
            event = yield Read(address)
            found[address] = isinstance(event, Answered) or not event.heard
        elif event.heard:
            found[address] = False
        if told is not None:
            told(address, found.get(address))
    return found


def set_address(target: Target, address: int) -> Conversation[None]:
    """Give a meter a primary address. Raises LocalError, NoAnswer."""
    if not 0 < address <= c.ADDRESS_MAX:
        raise LocalError(f"primary address {address}; there are 1 to {c.ADDRESS_MAX}")
    at = yield from _reach(target)
    yield from _told(Send(at, c.CI_SEND, encode(0x01, b"\x7a", bytes([address]))))
    yield from read_meter(address)


def reset_application(target: Target, scope: int = 0) -> Conversation[None]:
    """Have a meter begin its answer anew, and choose what it tells.

    Args:
        target: the meter.
        scope: one of ``kwhub.protocols.mbus.control.RESET_SCOPES``: 0 all, 50H instantaneous values ...

    Raises:
        LocalError: there is no such scope.
        NoAnswer: it does not acknowledge.
    """
    if scope not in c.RESET_SCOPES:
        known = ", ".join(f"{code:02X} {name}" for code, name in c.RESET_SCOPES.items())
        raise LocalError(f"application reset {scope:02X}; there are {known}")
    at = yield from _reach(target)
    yield from _told(Send(at, c.CI_RESET, bytes([scope])))


def change_rate(target: Target, baud: int, *, old_baud: int) -> Conversation[int]:
    """Have a meter go to another speed, and go back with it when it is not heard there.

    It acknowledges at the old speed. What is yielded in between changes the speed of the line; see
    ``kwhub.links.drive_speed``.

    Returns:
        The speed at which it answers.

    Raises:
        LocalError: there is no such speed.
        NoAnswer: it does not acknowledge, or answers at neither speed.
    """
    for each in (baud, old_baud):
        if each not in c.CI_BY_BAUD:
            raise LocalError(f"M-Bus has no speed of {each} baud")
    at = yield from _reach(target)
    # Not again: a meter whose acknowledgement was lost is at the new speed already.
    yield Send(at, c.CI_BY_BAUD[baud], repeatable=False)
    yield Retune(baud)
    try:
        yield from read_meter(target)
    except NoAnswer:
        yield Retune(old_baud)
        yield Pause(FALL_BACK_S)
        yield from read_meter(target)
        return old_baud
    return baud


def _told(order: Send) -> Conversation[None]:
    event: Any = yield order
    if not isinstance(event, Acknowledged):
        raise NoAnswer("the order is not acknowledged", attempts=event.attempts)
