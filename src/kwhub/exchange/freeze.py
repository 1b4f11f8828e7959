"""Conversations that have registers frozen, now or by a pattern.

Source: DL/T 645-2007, clause 7 (code 16), tables A.5 (04001204) and A.6 (class 05).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from kwhub.domain.errors import LocalError, Refusal
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change, Verdict, carry_out, tell
from kwhub.exchange.transfer import transfer
from kwhub.protocols.dlt645.addresses import BROADCAST
from kwhub.protocols.dlt645.items import decode
from kwhub.protocols.dlt645.orders import Freeze

__all__ = ["INSTANT_FREEZES", "FreezePattern", "FreezeTrace", "freeze"]

INSTANT_FREEZES = 3
"""Instant freezes that a meter keeps."""

_INSTANT_TIME = 0x0501_0000
_PATTERN = 0x0400_1204
_EVERY = "99"
_LEAP_YEAR = 2024  # 29 February is a day too


@dataclass(frozen=True, slots=True)
class FreezePattern:
    """When to freeze: month, day, hour, minute, two digits each; 99 from the left means "every"."""

    text: str

    def __post_init__(self) -> None:
        """Refuse what is no moment. Raises LocalError."""
        parts = [self.text[at : at + 2] for at in range(0, len(self.text), 2)]
        if len(self.text) != 8 or not (self.text.isascii() and self.text.isdigit()):
            raise LocalError(f"{self.text!r} is not made of month, day, hour and minute")
        open_parts = 0
        while open_parts < 4 and parts[open_parts] == _EVERY:
            open_parts += 1
        month, day, hour, minute = ("01", "01", "00", "00")[:open_parts] + tuple(parts[open_parts:])
        try:
            datetime(_LEAP_YEAR, int(month), int(day), int(hour), int(minute))  # noqa: DTZ001 - a meter's own
        except ValueError:
            raise LocalError(f"{self.text} is no month, day, hour and minute") from None

    @property
    def is_now(self) -> bool:
        """Whether it means this moment."""
        return self.text == 4 * _EVERY

    @classmethod
    def now(cls) -> Self:
        """At once."""
        return cls(4 * _EVERY)

    @classmethod
    def hourly(cls, minute: int) -> Self:
        """Every hour."""
        return cls(f"{3 * _EVERY}{minute:02d}")

    @classmethod
    def daily(cls, hour: int, minute: int) -> Self:
        """Every day."""
        return cls(f"{2 * _EVERY}{hour:02d}{minute:02d}")

    @classmethod
    def monthly(cls, day: int, hour: int, minute: int) -> Self:
        """Every month."""
        return cls(f"{_EVERY}{day:02d}{hour:02d}{minute:02d}")

    @classmethod
    def once(cls, moment: datetime) -> Self:
        """At one moment of the meter's wall time."""
        return cls(f"{moment:%m%d%H%M}")


@dataclass(frozen=True, slots=True)
class FreezeTrace:
    """Where a freeze order shows.

    Attributes:
        times: of an instant freeze: the times of the last freezes, newest first.
        pattern: of a timed one: the pattern that the meter keeps.
    """

    times: tuple[str | None, ...] = ()
    pattern: str = ""


def freeze(address: str, pattern: FreezePattern) -> Conversation[Change[FreezeTrace]]:
    """Order a freeze and look whether it took place, or is kept.

    Args:
        address: of the meter, a 2007 one; 999999999999 tells all of them, and none answers.
        pattern: when.

    Raises:
        NoAnswer: the meter was silent from the beginning; nothing was ordered.
    """
    request = Freeze(address, pattern.text)
    if address == BROADCAST:
        told = yield from tell(request)
        return Change(told.verdict, None, None, told.error)
    if pattern.is_now:
        return (yield from carry_out(lambda: request, lambda: _times(address), _frozen))
    return (
        yield from carry_out(
            lambda: request,
            lambda: _pattern(address),
            lambda _, after: Verdict.DONE if after.pattern == pattern.text else Verdict.NOT_DONE,
        )
    )


def _times(address: str) -> Conversation[FreezeTrace]:
    times: list[str | None] = []
    for number in range(1, INSTANT_FREEZES + 1):
        try:
            done = yield from transfer(address, _INSTANT_TIME | number)
        except Refusal:  # there are not so many yet
            break
        (value,) = decode(_INSTANT_TIME | number, done.payload)
        times.append(None if value.value is None else str(value.value))
    return FreezeTrace(tuple(times) + (None,) * (INSTANT_FREEZES - len(times)))


def _frozen(before: FreezeTrace | None, after: FreezeTrace) -> Verdict | None:
    """Times have no seconds: three freezes of one minute look like two of them."""
    if before is None or len(set(after.times)) == 1:
        return None
    return Verdict.DONE if after != before else Verdict.NOT_DONE


def _pattern(address: str) -> Conversation[FreezeTrace]:
    done = yield from transfer(address, _PATTERN)
    return FreezeTrace(pattern=done.payload[::-1].hex())
