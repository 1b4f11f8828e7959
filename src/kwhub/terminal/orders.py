"""What a terminal is told: the time, freezes, rounds, settings, readings, passwords.

Source: DL/T 645-2007, clause 7 (codes 08, 14, 16, 18); kwhub, profile of the collecting terminal, edition 1.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from kwhub.catalog import terminal_profile as profile
from kwhub.catalog.terminal_profile import CHANNELS, PORT_CHANNEL, ChannelKind, EventKind
from kwhub.domain.errors import DecodeError, LocalError
from kwhub.exchange.freeze import FreezePattern
from kwhub.exchange.terminal_settings import ChannelSettings, PortMeter
from kwhub.protocols.dlt645.items import decode
from kwhub.protocols.dlt645.notation import Plain
from kwhub.protocols.dlt645.orders import Freeze, SetTime
from kwhub.protocols.dlt645.refusals import Error2007
from kwhub.protocols.dlt645.writing import ChangePassword, WriteData
from kwhub.terminal.box import Box
from kwhub.terminal.channels import Base
from kwhub.terminal.clockwork import wall_moment, wall_seconds
from kwhub.terminal.guard import Denied, Guard
from kwhub.terminal.items import no_such_data

__all__ = ["BROADCAST_S_MAX", "Orders"]

BROADCAST_S_MAX: Final = 300
"""Most that the clock may be wrong for a broadcast time to be taken, s."""

_DATE, _TIME, _BOTH = 0x0400_0101, 0x0400_0102, 0x0400_010C
_TIMED_PATTERN: Final = 0x0400_1204
_FIRST_PASSWORD: Final = 0x0400_0C01
_EDITIONS: Final = (1997, 2007)
_BAUDS: Final = (600, 1200, 2400, 4800, 9600, 19200)
_DAY_S: Final = 86_400
_US_PER_S: Final = 1_000_000


class Orders:
    """The writing side of one terminal.

    Args:
        box: the terminal.
        guard: its passwords.
    """

    def __init__(self, box: Box, guard: Guard) -> None:
        self._box = box
        self._guard = guard
        self._writers: Mapping[int, Callable[[int, Sequence[Plain], int], None]] = {
            profile.SETTINGS: self._write_settings,
            profile.INITIAL: self._write_initial,
            profile.POINT: self._write_point,
        }

    def obey(self, request: Any, point: int, true_us: int) -> None:
        """Carry out an order.

        Args:
            request: of ``kwhub.protocols.dlt645``.
            point: channel whose address was told; 0 for the terminal itself.
            true_us: the moment.

        Raises:
            Denied: with the bits of the refusal.
        """
        match request:
            case SetTime():
                self._set_time(request.time, true_us)
            case Freeze():
                self._freeze(request.pattern, true_us)
            case WriteData() if not point:
                self._check(request.authority.key, true_us)
                self._write(request, true_us)
            case ChangePassword() if not point:
                self._change_password(request, true_us)
            case _:
                raise Denied(Error2007.NOT_AUTHORISED, f"{type(request).__name__} is no order here")

    def _check(self, key: Any, true_us: int) -> None:
        try:
            self._guard.check(key, true_us // _US_PER_S)
        except Denied:
            self._box.note(EventKind.PASSWORD_REFUSED, true_us)
            raise

    def _change_password(self, request: ChangePassword, true_us: int) -> None:
        if request.identifier - _FIRST_PASSWORD != request.new.level:
            raise no_such_data(request.identifier)
        try:
            self._guard.change(request.old, request.new, true_us // _US_PER_S)
        except Denied as denied:
            if denied.error is Error2007.NOT_AUTHORISED:
                self._box.note(EventKind.PASSWORD_REFUSED, true_us)
            raise

    def _set_time(self, time: datetime, true_us: int) -> None:
        """Once a day by the terminal's clock, and only when that is not far off; silent otherwise."""
        box = self._box
        now_s, told_s = box.wall_s(true_us), wall_seconds(time)
        today = now_s // _DAY_S
        if not box.clock.set_us or box.clock_behind or abs(told_s - now_s) > BROADCAST_S_MAX:
            raise _other("the clock is too far off for a broadcast")
        if box.memory.get("broadcast_day") == today:
            raise _other("one broadcast a day")
        box.memory.put({"broadcast_day": today})
        self._put_clock(told_s, true_us)

    def _put_clock(self, wall_s: int, true_us: int) -> None:
        box = self._box
        box.note(EventKind.CLOCK_SET, true_us)
        box.tick(true_us)  # what was due by the old clock is done
        box.put_clock(wall_s, true_us)
        box.tick(true_us)

    def _freeze(self, pattern: str, true_us: int) -> None:
        if pattern == FreezePattern.now().text:
            self._box.begin_round(true_us)
            return
        self._keep_times([_pattern(pattern), *self._box.freeze_times[1:]])

    def _keep_times(self, times: list[str]) -> None:
        self._box.memory.put({"freeze_times": times})
        self._box.freeze_times = times

    def _write(self, request: WriteData, true_us: int) -> None:
        identifier = request.identifier
        try:
            values = [value.value for value in decode(identifier, request.payload)]
        except DecodeError as error:
            kind = error.kind == "unknown_identifier"
            raise no_such_data(identifier) if kind else _other(error.detail) from None
        if identifier in (_DATE, _TIME, _BOTH):
            self._write_clock(identifier, str(values[0]), true_us)
        elif identifier & ~0xFF in self._writers and identifier != profile.PORT_METER:
            self._write_channels(identifier, values, true_us)
        elif identifier in (profile.FREEZE_TIMES, _TIMED_PATTERN):
            self._keep_times([_pattern(_digits(value)) for value in values if value is not None])
            self._box.note(EventKind.SETTINGS_CHANGED, true_us)
        elif identifier == profile.PORT_METER:
            self._write_port(values, true_us)
        else:
            raise no_such_data(identifier)

    def _write_clock(self, identifier: int, text: str, true_us: int) -> None:
        """The date, the time, or both; the part that is not written goes on."""
        now = wall_moment(self._box.wall_s(true_us))
        if identifier == _DATE:
            text = f"{text} {now:%H:%M:%S}"
        elif identifier == _TIME:
            text = f"{now:%Y-%m-%d} {text}"
        try:
            wall = datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - a wall time
        except ValueError:
            raise _other(f"{text} is no moment") from None
        self._put_clock(wall_seconds(wall), true_us)

    def _write_channels(self, identifier: int, values: Sequence[Plain], true_us: int) -> None:
        channel, write = identifier & 0xFF, self._writers[identifier & ~0xFF]
        numbers = range(1, CHANNELS + 1) if channel == profile.ALL_CHANNELS else (channel,)
        each = len(values) // len(numbers)
        for n in numbers:
            at = (n - numbers[0]) * each
            write(n, values[at : at + each], true_us)

    def _write_settings(self, number: int, values: Sequence[Plain], true_us: int) -> None:
        box = self._box
        try:
            settings = ChannelSettings.from_values(values)
            _check_settings(number, settings)
        except (DecodeError, LocalError) as error:
            raise _other(str(error)) from None
        channel = box.channels[number]
        box.secure(true_us)  # the base must never be ahead of the durable count
        kept = (
            int(settings.kind),
            settings.constant,
            str(settings.current_max_a),
            str(settings.voltage_v),
            settings.phases,
            settings.debounce_ms,
        )
        base = _kept_base(channel.base_for(settings))
        box.memory.put({f"channel.{number}": kept, f"base.{number}": base})
        channel.use(settings)
        box.note(EventKind.SETTINGS_CHANGED, true_us, number)

    def _write_initial(self, number: int, values: Sequence[Plain], true_us: int) -> None:
        box, (reading,) = self._box, values
        if not isinstance(reading, Decimal):
            raise _other("a reading is a number")
        box.secure(true_us)
        base = Base(reading, box.channels[number].total, reading)
        box.memory.put({f"base.{number}": _kept_base(base)})
        box.channels[number].base = base
        box.note(EventKind.INITIAL_SET, true_us, number)

    def _write_point(self, number: int, values: Sequence[Plain], true_us: int) -> None:
        box, address = self._box, str(values[0])
        others = {*box.points[: number - 1], *box.points[number:], box.address}
        if not address.isdecimal() or len(address) != 12 or address in others:
            raise _other("not an address, or one that is in use here")
        box.memory.put({f"point.{number}": address})
        box.points[number - 1] = address
        box.note(EventKind.SETTINGS_CHANGED, true_us, number)

    def _write_port(self, values: Sequence[Plain], true_us: int) -> None:
        address, edition, baud = values
        if edition not in _EDITIONS or baud not in _BAUDS or address is None:
            raise _other("editions are 1997 and 2007, speeds 600 to 19200")
        meter = PortMeter(str(address), int(edition or 0), int(baud or 0))
        kept = {"address": meter.address, "edition": meter.edition, "baud": meter.baud}
        self._box.memory.put({"port": kept, "port_register": None})
        self._box.port, self._box.port_register = meter, None
        self._box.note(EventKind.SETTINGS_CHANGED, true_us, PORT_CHANNEL)


def _check_settings(number: int, settings: ChannelSettings) -> None:
    if settings.kind is ChannelKind.METER and number != PORT_CHANNEL:
        raise LocalError(f"only channel {PORT_CHANNEL} has a port")
    whole, parts = min(settings.constant, settings.phases), settings.current_max_a
    if settings.kind is ChannelKind.PULSE and (whole <= 0 or min(parts, settings.voltage_v) <= 0):
        raise LocalError("constant, current, voltage and phases are above zero")


def _kept_base(base: Base) -> tuple[str, int, str | None]:
    return str(base.reading), base.count, None if base.given is None else str(base.given)


def _pattern(text: str) -> str:
    try:
        pattern = FreezePattern(text)
    except LocalError as error:
        raise _other(str(error)) from None
    if pattern.is_now:
        raise _other("now is no time that can be kept")
    return pattern.text


def _digits(value: Plain) -> str:
    return "".join(letter for letter in str(value) if letter.isdigit())


def _other(detail: str) -> Denied:
    return Denied(Error2007.OTHER, detail)
