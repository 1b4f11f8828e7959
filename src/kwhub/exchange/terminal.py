"""Conversations with a collecting terminal: its channels now, collection rounds, freezes, curves, events.

What it has in common with meters is asked for as with meters: ``exchange.clock`` sets its clock,
``exchange.freeze`` orders freezes, ``exchange.passwords`` changes passwords. Reading needs no password, and
neither does a collection round.

Source: kwhub, profile of the collecting terminal, edition 1 (``kwhub.catalog.terminal_profile``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kwhub.catalog import terminal_profile as profile
from kwhub.catalog.terminal_profile import (
    ChannelStatus,
    EventKind,
    FreezeKind,
    RoundState,
    TerminalStatus,
)
from kwhub.domain.errors import DecodeError, LocalError
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change, Verdict, carry_out
from kwhub.exchange.transfer import transfer
from kwhub.protocols.dlt645.items import decode
from kwhub.protocols.dlt645.notation import Plain
from kwhub.protocols.dlt645.orders import Freeze

__all__ = [
    "EVENTS_PER_READ_MAX",
    "POINTS_PER_READ_MAX",
    "ChannelNow",
    "ChannelPoint",
    "Frozen",
    "Profile",
    "Round",
    "TerminalEvent",
    "read_channel",
    "read_channel_curve",
    "read_channels",
    "read_frozen",
    "read_profile",
    "read_round",
    "read_status",
    "read_terminal_events",
    "start_round",
]

EVENTS_PER_READ_MAX = 99
"""Two BCD digits."""
POINTS_PER_READ_MAX = 96
"""Points of a curve in one request: a day."""

_NOW_PARTS = 4
_EVENT_PARTS = 4
_NOW_PATTERN = "99999999"


@dataclass(frozen=True, slots=True)
class Profile:
    """What a terminal says of itself."""

    edition: int
    channels: int


@dataclass(frozen=True, slots=True)
class ChannelNow:
    """One channel at the moment of reading.

    Attributes:
        pulses: counted so far, modulo ``PULSES_ROLL_OVER``.
        register: kWh.
        power_kw: from the last two pulses, or from the time since the last one when that is longer.
    """

    channel: int
    pulses: int
    register: Decimal
    power_kw: Decimal
    status: ChannelStatus


@dataclass(frozen=True, slots=True)
class Round:
    """The last collection round.

    Attributes:
        begun: wall time of the terminal; None when there was none.
        channels: those whose value was taken.
    """

    number: int
    begun: datetime | None
    state: RoundState
    channels: frozenset[int]


@dataclass(frozen=True, slots=True)
class Frozen:
    """What the register of a channel showed at a freeze.

    Attributes:
        time: wall time of the terminal; None when there is no such record.
        register: kWh; None where the channel was not in use, or had no value.
    """

    channel: int
    time: datetime | None
    register: Decimal | None


@dataclass(frozen=True, slots=True)
class ChannelPoint:
    """One point of the curve of a channel."""

    time: datetime
    register: Decimal | None


@dataclass(frozen=True, slots=True)
class TerminalEvent:
    """Something that happened to a terminal.

    Attributes:
        kind: an ``EventKind``, or the bare number of one that this edition does not know.
        channel: 0 when it concerns the whole terminal.
    """

    number: int
    time: datetime
    kind: EventKind | int
    channel: int


def read_profile(address: str) -> Conversation[Profile]:
    """Ask a terminal which edition it speaks and how many channels it has.

    Raises:
        Refusal: it is no terminal.
        NoAnswer, DecodeError, SequenceError: as usual.
    """
    edition, channels = yield from _plain(address, profile.PROFILE)
    return Profile(int(_number(edition)), int(_number(channels)))


def read_status(address: str) -> Conversation[TerminalStatus]:
    """Read the status word of a terminal. Raises as usual."""
    (word,) = yield from _plain(address, profile.STATUS)
    return TerminalStatus(int(str(word), 16))


def read_channel(address: str, channel: int) -> Conversation[ChannelNow]:
    """Read one channel as it is now.

    Raises:
        LocalError: there is no such channel.
        Refusal, NoAnswer, DecodeError, SequenceError: as usual.
    """
    values = yield from _plain(address, profile.NOW | _channel(channel))
    return _now(channel, values)


def read_channels(address: str) -> Conversation[tuple[ChannelNow, ...]]:
    """Read all channels in one round. Raises as usual."""
    values = yield from _plain(address, profile.NOW | profile.ALL_CHANNELS)
    return tuple(
        _now(number, part) for number, part in enumerate(_groups(values, _NOW_PARTS), start=1)
    )


def read_round(address: str) -> Conversation[Round]:
    """Read what became of the last collection round. Raises as usual."""
    number, begun, state, taken = yield from _plain(address, profile.ROUND)
    bits = int(str(taken), 16)
    channels = frozenset(n for n in range(1, profile.CHANNELS + 1) if bits >> n - 1 & 1)
    count = int(_number(number))
    return Round(
        count, _moment(begun) if count else None, RoundState(int(_number(state))), channels
    )


def start_round(address: str) -> Conversation[Change[Round]]:
    """Have a terminal collect all its channels now; what it found is its last instant freeze.

    The meter on the RS-485 port takes its time: ``read_round`` tells when the round is done, and
    ``read_frozen(address, FreezeKind.INSTANT)`` what it brought.

    Raises:
        NoAnswer: the terminal was silent from the beginning; nothing was ordered.
    """
    return (
        yield from carry_out(
            lambda: Freeze(address, _NOW_PATTERN), lambda: read_round(address), _began
        )
    )


def _began(before: Round | None, after: Round) -> Verdict | None:
    if before is None:
        return None
    if after.number == before.number:
        return Verdict.NOT_DONE
    return Verdict.PENDING if after.state is RoundState.RUNNING else Verdict.DONE


def read_frozen(
    address: str, kind: FreezeKind = FreezeKind.DAILY, index: int = 1
) -> Conversation[tuple[Frozen, ...]]:
    """Read a freeze of all channels.

    Args:
        address: of the terminal.
        kind: of the freeze.
        index: 1 for the last one.

    Raises:
        LocalError: the index is out of range.
        Refusal, NoAnswer, DecodeError, SequenceError: as usual.
    """
    kept = profile.FREEZES_KEPT[kind]
    if not 1 <= index <= kept:
        raise LocalError(f"freezes of this kind are numbered 1 to {kept}, not {index}")
    identifier = 0x0F00_0000 | kind << 16 | index << 8 | profile.ALL_CHANNELS
    values = yield from _plain(address, identifier)
    return tuple(
        Frozen(number, _moment_or_none(time), _number_or_none(register))
        for number, (time, register) in enumerate(_groups(values, 2), start=1)
    )


def read_channel_curve(
    address: str, channel: int, start: datetime, count: int
) -> Conversation[list[ChannelPoint]]:
    """Read the curve of a channel from a time on.

    Args:
        address: of the terminal.
        channel: 1 to 16.
        start: naive wall time of the terminal; the first point that is not earlier begins the answer.
        count: of points, 1 to ``POINTS_PER_READ_MAX``.

    Returns:
        The points that the terminal has; none when none is that late.

    Raises:
        LocalError: channel or count are out of range.
        Refusal, NoAnswer, DecodeError, SequenceError: as usual.
    """
    if not 1 <= count <= POINTS_PER_READ_MAX:
        raise LocalError(f"one request brings 1 to {POINTS_PER_READ_MAX} points, not {count}")
    identifier = profile.CURVE | _channel(channel)
    done = yield from transfer(address, identifier, _from_time(count, start))
    values = [value.value for value in decode(identifier, done.payload)] if done.payload else []
    return [
        ChannelPoint(_moment(time), _number_or_none(register))
        for time, register in _groups(values, 2)
    ]


def read_terminal_events(
    address: str, count: int = EVENTS_PER_READ_MAX, since: datetime | None = None
) -> Conversation[list[TerminalEvent]]:
    """Read what has happened to a terminal, oldest first.

    Args:
        address: of the terminal.
        count: how many at most, 1 to ``EVENTS_PER_READ_MAX``.
        since: naive wall time of the terminal; without it, the latest are read.

    Raises:
        LocalError: the count is out of range.
        Refusal, NoAnswer, DecodeError, SequenceError: as usual.
    """
    if not 1 <= count <= EVENTS_PER_READ_MAX:
        raise LocalError(f"one request brings 1 to {EVENTS_PER_READ_MAX} events, not {count}")
    if since is None:
        identifier, argument = profile.EVENTS_LATEST, bytes.fromhex(f"{count:02d}")
    else:
        identifier, argument = profile.EVENTS_FROM, _from_time(count, since)
    done = yield from transfer(address, identifier, argument)
    values = [value.value for value in decode(identifier, done.payload)] if done.payload else []
    return [
        TerminalEvent(int(str(number)), _moment(time), _kind(kind), int(_number(channel)))
        for number, time, kind, channel in _groups(values, _EVENT_PARTS)
    ]


def _kind(value: Plain) -> EventKind | int:
    number = int(_number(value))
    return EventKind(number) if number in EventKind.__members__.values() else number


def _now(channel: int, values: Sequence[Plain]) -> ChannelNow:
    pulses, register, power, status = values
    return ChannelNow(
        channel,
        int(_number(pulses)),
        _number(register),
        _number(power),
        ChannelStatus(int(str(status), 16)),
    )


def _plain(address: str, identifier: int) -> Conversation[list[Plain]]:
    done = yield from transfer(address, identifier)
    return [value.value for value in decode(identifier, done.payload)]


def _from_time(count: int, start: datetime) -> bytes:
    return bytes.fromhex(f"{count:02d}{start:%M%H%d%m%y}")


def _groups(values: Sequence[Plain], size: int) -> Iterator[Sequence[Plain]]:
    return (values[at : at + size] for at in range(0, len(values), size))


def _channel(channel: int) -> int:
    if not 1 <= channel <= profile.CHANNELS:
        raise LocalError(f"channels are numbered 1 to {profile.CHANNELS}, not {channel}")
    return channel


def _number(value: Plain) -> Decimal:
    if not isinstance(value, Decimal):
        raise DecodeError("not_bcd", f"a number belongs where {value} came")
    return value


def _number_or_none(value: Plain) -> Decimal | None:
    return None if value is None else _number(value)


def _moment(value: Plain) -> datetime:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise DecodeError("time_not_valid", f"{value} is no moment") from None


def _moment_or_none(value: Plain) -> datetime | None:
    return None if value is None else _moment(value)
