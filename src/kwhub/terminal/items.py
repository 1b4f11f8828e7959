"""What a terminal tells: the items of its profile at its own address, those of a meter at its measuring points.

Source: kwhub, profile of the collecting terminal, edition 1; DL/T 645-2007, annexes A and B, for measuring points.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from kwhub.catalog import terminal_profile as profile
from kwhub.catalog.terminal_profile import CHANNELS, ChannelKind, FreezeKind
from kwhub.protocols.dlt645.items import encode, find
from kwhub.protocols.dlt645.load_record import encode_record
from kwhub.protocols.dlt645.notation import Plain
from kwhub.protocols.dlt645.refusals import Error2007
from kwhub.terminal.box import Box
from kwhub.terminal.clockwork import wall_moment, wall_seconds
from kwhub.terminal.guard import Denied
from kwhub.terminal.memory import Frozen

__all__ = ["Items", "no_such_data"]

_CLOCK: Final = MappingProxyType(
    {
        0x0400_0101: "%Y-%m-%d",
        0x0400_0102: "%H:%M:%S",
        0x0400_010C: "%Y-%m-%d %H:%M:%S",
    }
)
_NUMBERS: Final = frozenset({0x0400_0401, 0x0400_0402})
_CONSTANT: Final = 0x0400_0409
_TIMED_PATTERN: Final = 0x0400_1204
_ENERGY: Final = frozenset({0x0000_0000, 0x0001_0000, 0x0001_FF00})
_POWER: Final = 0x0203_0000
_CURVE: Final = 0x0610_0601
_RECORDS_FROM, _RECORDS_LATEST = 0x0604_0001, 0x0604_0002
_CLASS_05: Final = MappingProxyType(
    {0x00: FreezeKind.TIMED, 0x01: FreezeKind.INSTANT, 0x06: FreezeKind.DAILY}
)
_CLASS_FREEZES: Final = 0x05
_FROZEN: Final = frozenset(0x0F00 | kind for kind in FreezeKind)
_LONG: Final = frozenset({profile.EVENTS_FROM, profile.EVENTS_LATEST})


def no_such_data(identifier: int) -> Denied:
    """The refusal of an identifier that is not known here."""
    return Denied(Error2007.NO_SUCH_DATA, f"{identifier:08X}")


class Items:
    """The reading side of one terminal."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._by_channel: Mapping[int, Callable[[int, int], Sequence[Plain]]] = {
            profile.PULSES: lambda n, _now: [self._pulses(n)],
            profile.REGISTER: lambda n, _now: [self._register(n)],
            profile.NOW: self._now,
            profile.LEFT_OUT: self._left_out,
            profile.SETTINGS: lambda n, _now: self._settings(n),
            profile.INITIAL: lambda n, _now: [box.channels[n].base.given],
            profile.POINT: lambda n, _now: [box.points[n - 1]],
        }
        self._singles: Mapping[int, Callable[[], Sequence[Plain]]] = {
            profile.PROFILE: lambda: [Decimal(profile.EDITION), Decimal(CHANNELS)],
            profile.STATUS: lambda: [f"{box.status:04X}"],
            profile.FREEZE_TIMES: self._freeze_patterns,
            profile.ROUND: self._round,
            profile.PORT_METER: self._port_meter,
            _TIMED_PATTERN: self._first_pattern,
        }

    def payload(
        self, identifier: int, argument: bytes, point: int, true_us: int, now_us: int
    ) -> bytes:
        """Value bytes of an identifier.

        Args:
            identifier: of a single item or a block.
            argument: N, or N mm hh DD MM YY, of what has a length.
            point: channel whose address was asked; 0 for the terminal itself.
            true_us: the moment.
            now_us: the same on the clock of the inputs.

        Raises:
            Denied: no such data.
        """
        if identifier in _CLOCK:
            wall = wall_moment(self._box.wall_s(true_us))
            return encode(identifier, _clock(identifier, wall))
        if identifier in _NUMBERS:
            box = self._box
            return encode(identifier, [box.points[point - 1] if point else box.address])
        if point:
            return self._of_point(identifier, argument, point, now_us)
        return self._of_terminal(identifier, argument, now_us)

    def _of_terminal(self, identifier: int, argument: bytes, now_us: int) -> bytes:
        group, channel = identifier & ~0xFF, identifier & 0xFF
        if identifier >> 24 == _CLASS_FREEZES:
            return self._freeze_times(identifier)
        if group in self._by_channel and identifier != profile.PORT_METER:
            numbers = _numbers(identifier, channel)
            tell = self._by_channel[group]
            return encode(identifier, [value for n in numbers for value in tell(n, now_us)])
        if identifier >> 16 in _FROZEN:
            return self._frozen(identifier)
        if identifier in _LONG or group == profile.CURVE:
            return self._long(identifier, argument)
        if identifier not in self._singles:
            raise no_such_data(identifier)
        return encode(identifier, self._singles[identifier]())

    def _long(self, identifier: int, argument: bytes) -> bytes:
        if identifier in _LONG:
            return self._events(identifier, argument)
        (number,) = _numbers(identifier, identifier & 0xFF)
        return self._curve(number, identifier, argument)

    def _freeze_patterns(self) -> Sequence[Plain]:
        times = self._box.freeze_times
        return [*times, *[None] * (profile.FREEZE_TIMES_MAX - len(times))]

    def _first_pattern(self) -> Sequence[Plain]:
        if not self._box.freeze_times:
            raise no_such_data(_TIMED_PATTERN)
        return self._box.freeze_times[:1]

    def _round(self) -> Sequence[Plain]:
        last = self._box.round
        begun = f"{wall_moment(last.begun_s)}" if last.number else None
        return [Decimal(last.number), begun, Decimal(last.state), f"{last.channels:04X}"]

    def _port_meter(self) -> Sequence[Plain]:
        port = self._box.port
        if port is None:
            return [None, None, None]
        return [port.address, Decimal(port.edition), Decimal(port.baud)]

    def _pulses(self, number: int) -> Decimal:
        return Decimal(self._box.channels[number].total % profile.PULSES_ROLL_OVER)

    def _register(self, number: int) -> Decimal:
        return self._box.register(number) or Decimal(0)

    def _now(self, number: int, now_us: int) -> Sequence[Plain]:
        status = self._box.channel_status(number, now_us)
        power = self._box.channels[number].power_kw(now_us)
        return [self._pulses(number), self._register(number), power, f"{status:02X}"]

    def _left_out(self, number: int, _now_us: int) -> Sequence[Plain]:
        channel, most = self._box.channels[number], profile.PULSES_ROLL_OVER
        return [Decimal(channel.implausible % most), Decimal(channel.bounces % most)]

    def _settings(self, number: int) -> Sequence[Plain]:
        return self._box.channels[number].settings.values

    def _frozen(self, identifier: int) -> bytes:
        kind = FreezeKind(identifier >> 16 & 0xFF)
        channel = identifier & 0xFF
        wall_s, registers = self._freeze(identifier, kind, identifier >> 8 & 0xFF)
        time = f"{wall_moment(wall_s):%Y-%m-%d %H:%M}"
        numbers = _numbers(identifier, channel)
        return encode(identifier, [value for n in numbers for value in (time, registers[n - 1])])

    def _freeze(self, identifier: int, kind: FreezeKind, index: int) -> Frozen:
        known = 1 <= index <= profile.FREEZES_KEPT[kind]
        found = self._box.memory.frozen(kind, index) if known else None
        if found is None:
            raise no_such_data(identifier)
        return found

    def _freeze_times(self, identifier: int, point: int = 0) -> bytes:
        """Class 05: the time, and at a measuring point the energy, of a freeze."""
        group, item, index = identifier.to_bytes(4)[1:]
        if group not in _CLASS_05 or item not in ((0, 1) if point else (0,)):
            raise no_such_data(identifier)
        wall_s, registers = self._freeze(identifier, _CLASS_05[group], index)
        if item == 0:
            return encode(identifier, [f"{wall_moment(wall_s):%Y-%m-%d %H:%M}"])
        return encode(identifier, [registers[point - 1]])

    def _curve(self, number: int, identifier: int, argument: bytes) -> bytes:
        count, since_s = _asked(identifier, argument)
        points = self._box.memory.points(since_s or 0, count)
        return b"".join(
            encode(identifier, [f"{wall_moment(wall_s):%Y-%m-%d %H:%M}", registers[number - 1]])
            for wall_s, registers in points
        )

    def _events(self, identifier: int, argument: bytes) -> bytes:
        count, since_s = _asked(identifier, argument)
        if identifier == profile.EVENTS_FROM and since_s is None:
            raise no_such_data(identifier)
        since = since_s if identifier == profile.EVENTS_FROM else None
        return b"".join(
            encode(
                identifier,
                [
                    f"{number % 10**8:08d}",
                    f"{wall_moment(wall_s)}",
                    Decimal(kind),
                    Decimal(channel),
                ],
            )
            for number, wall_s, kind, channel in self._box.memory.events(count, since)
        )

    def _of_point(self, identifier: int, argument: bytes, point: int, now_us: int) -> bytes:
        """What a measuring point has in common with a meter."""
        channel = self._box.channels[point]
        if channel.settings.kind is ChannelKind.OFF:
            raise no_such_data(identifier)
        if identifier >> 24 == _CLASS_FREEZES:
            return self._freeze_times(identifier, point)
        if identifier == _CURVE:
            return self._curve(point, identifier, argument)
        if identifier in (_RECORDS_FROM, _RECORDS_LATEST):
            return self._records(point, identifier, argument)
        if identifier == _TIMED_PATTERN:
            return encode(identifier, self._first_pattern())
        present: Mapping[int, Plain] = {
            **dict.fromkeys(_ENERGY, self._box.register(point)),
            _POWER: channel.power_kw(now_us),
            _CONSTANT: Decimal(channel.settings.constant),
        }
        if identifier not in present:
            raise no_such_data(identifier)
        return encode(identifier, [present[identifier]])

    def _records(self, point: int, identifier: int, argument: bytes) -> bytes:
        """Load records of class 4; a pulse says nothing of what else stands there."""
        box = self._box
        if identifier == _RECORDS_LATEST:
            points = box.memory.latest_point()
        else:
            count, since_s = _asked(identifier, argument)
            points = box.memory.points(since_s or 0, count)
        return b"".join(
            encode_record(wall_moment(wall_s), {4: [registers[point - 1], None, None, None]})
            for wall_s, registers in points
        )


def _clock(identifier: int, wall: datetime) -> Sequence[Plain]:
    return [wall.strftime(_CLOCK[identifier])]


def _numbers(identifier: int, channel: int) -> Sequence[int]:
    if channel == profile.ALL_CHANNELS:
        return range(1, CHANNELS + 1)
    if not 1 <= channel <= CHANNELS or find(identifier) is None:
        raise no_such_data(identifier)
    return (channel,)


def _asked(identifier: int, argument: bytes) -> tuple[int, int | None]:
    """How many, and from which wall second: N, or N mm hh DD MM YY."""
    digits = argument.hex()
    if len(argument) not in (1, 6) or not digits.isdecimal():
        raise no_such_data(identifier)
    count = max(1, int(digits[:2]))
    if len(argument) == 1:
        return count, None
    try:
        since = datetime.strptime(argument[:0:-1].hex(), "%y%m%d%H%M")  # noqa: DTZ007 - a wall time
    except ValueError:
        raise no_such_data(identifier) from None
    return count, wall_seconds(since)
