"""Conversations that set up a collecting terminal: channels, readings, measuring points, freeze times.

Every write shows an authority and is read back; see ``kwhub.exchange.change`` for what a verdict says.

Source: kwhub, profile of the collecting terminal, edition 1 (``kwhub.catalog.terminal_profile``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from kwhub.catalog import terminal_profile as profile
from kwhub.catalog.terminal_profile import ChannelKind
from kwhub.domain.errors import DecodeError, LocalError
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change
from kwhub.exchange.freeze import FreezePattern
from kwhub.exchange.parameters import Stored, write_parameter
from kwhub.exchange.transfer import transfer
from kwhub.protocols.dlt645.authority import Authority
from kwhub.protocols.dlt645.items import decode
from kwhub.protocols.dlt645.notation import Plain

__all__ = [
    "ChannelSettings",
    "PortMeter",
    "read_all_settings",
    "read_channel_settings",
    "read_freeze_times",
    "read_initial",
    "read_points",
    "read_port_meter",
    "write_channel_settings",
    "write_freeze_times",
    "write_initial",
    "write_point",
    "write_port_meter",
]


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """What a channel must know of the meter before it; the name plate says it.

    Attributes:
        constant: imp/kWh, 1 to 999999.
        current_max_a: largest current, A, in tenths.
        voltage_v: V, in tenths.
        debounce_ms: a level that stays shorter is bounce.
    """

    kind: ChannelKind = ChannelKind.PULSE
    constant: int = 1_600
    current_max_a: Decimal = Decimal(60)
    voltage_v: Decimal = Decimal(220)
    phases: int = 1
    debounce_ms: int = 2

    @property
    def values(self) -> tuple[Decimal, ...]:
        """The values of the item, in its order."""
        return (
            Decimal(self.kind),
            Decimal(self.constant),
            self.current_max_a,
            self.voltage_v,
            Decimal(self.phases),
            Decimal(self.debounce_ms),
        )

    @classmethod
    def from_values(cls, values: Sequence[Plain]) -> "ChannelSettings":
        """From the values of the item. Raises DecodeError for what no terminal can mean."""
        numbers = [value for value in values if isinstance(value, Decimal)]
        if len(numbers) != 6 or int(numbers[0]) not in ChannelKind.__members__.values():
            raise DecodeError("settings", f"these are no settings of a channel: {values}")
        kind, constant, current, voltage, phases, debounce = numbers
        return cls(
            ChannelKind(int(kind)), int(constant), current, voltage, int(phases), int(debounce)
        )


@dataclass(frozen=True, slots=True)
class PortMeter:
    """The meter on the RS-485 port.

    Attributes:
        address: twelve digits.
        edition: of DL/T 645, 1997 or 2007.
        baud: bits a second.
    """

    address: str
    edition: int = 2007
    baud: int = 2_400


def read_channel_settings(address: str, channel: int) -> Conversation[ChannelSettings]:
    """Read the settings of a channel. Raises as usual."""
    values = yield from _plain(address, profile.SETTINGS | _channel(channel))
    return ChannelSettings.from_values(values)


def read_all_settings(address: str) -> Conversation[tuple[ChannelSettings, ...]]:
    """Read the settings of all channels, in order. Raises as usual."""
    values = yield from _plain(address, profile.SETTINGS | profile.ALL_CHANNELS)
    size = len(values) // profile.CHANNELS
    return tuple(
        ChannelSettings.from_values(values[at : at + size])
        for at in range(0, size * profile.CHANNELS, size or 1)
    )


def write_channel_settings(
    address: str, channel: int, settings: ChannelSettings, authority: Authority
) -> Conversation[Change[Stored]]:
    """Write the settings of a channel; its register goes on from what it shows.

    Raises:
        LocalError: there is no such channel, or a number does not fit.
        NoAnswer: the terminal was silent from the beginning; nothing was written.
    """
    identifier = profile.SETTINGS | _channel(channel)
    return (yield from write_parameter(address, identifier, settings.values, authority))


def read_initial(address: str, channel: int) -> Conversation[Decimal | None]:
    """Read the reading that a channel was last given, kWh; None when it never was. Raises as usual."""
    (value,) = yield from _plain(address, profile.INITIAL | _channel(channel))
    return value if isinstance(value, Decimal) else None


def write_initial(
    address: str, channel: int, reading: Decimal, authority: Authority
) -> Conversation[Change[Stored]]:
    """Tell a channel what its meter shows at this moment, kWh with two decimals. Raises as above."""
    identifier = profile.INITIAL | _channel(channel)
    return (yield from write_parameter(address, identifier, [reading], authority))


def read_points(address: str) -> Conversation[tuple[str, ...]]:
    """Read the measuring point addresses of all channels, in order. Raises as usual."""
    values = yield from _plain(address, profile.POINT | profile.ALL_CHANNELS)
    return tuple(str(value) for value in values)


def write_point(
    address: str, channel: int, point: str, authority: Authority
) -> Conversation[Change[Stored]]:
    """Give a channel another measuring point address, twelve digits. Raises as above."""
    identifier = profile.POINT | _channel(channel)
    return (yield from write_parameter(address, identifier, [point], authority))


def read_port_meter(address: str) -> Conversation[PortMeter | None]:
    """Read which meter is on the RS-485 port; None when none was told. Raises as usual."""
    meter, edition, baud = yield from _plain(address, profile.PORT_METER)
    if meter is None or not isinstance(edition, Decimal) or not isinstance(baud, Decimal):
        return None
    return PortMeter(str(meter), int(edition), int(baud))


def write_port_meter(
    address: str, meter: PortMeter, authority: Authority
) -> Conversation[Change[Stored]]:
    """Tell which meter is on the RS-485 port. Raises as above."""
    values = (meter.address, Decimal(meter.edition), Decimal(meter.baud))
    return (yield from write_parameter(address, profile.PORT_METER, values, authority))


def read_freeze_times(address: str) -> Conversation[tuple[FreezePattern, ...]]:
    """Read when a terminal freezes its registers, midnight apart. Raises as usual."""
    values = yield from _plain(address, profile.FREEZE_TIMES)
    return tuple(FreezePattern(_digits(value)) for value in values if value is not None)


def write_freeze_times(
    address: str, patterns: Sequence[FreezePattern], authority: Authority
) -> Conversation[Change[Stored]]:
    """Set when a terminal freezes its registers; replaces all times.

    Raises:
        LocalError: more than ``FREEZE_TIMES_MAX``, or one that means now.
        NoAnswer: the terminal was silent from the beginning; nothing was written.
    """
    if len(patterns) > profile.FREEZE_TIMES_MAX or any(each.is_now for each in patterns):
        raise LocalError(f"a terminal keeps {profile.FREEZE_TIMES_MAX} freeze times; now is none")
    texts: list[Plain] = [each.text for each in patterns]
    values = texts + [None] * (profile.FREEZE_TIMES_MAX - len(texts))
    return (yield from write_parameter(address, profile.FREEZE_TIMES, values, authority))


def _digits(value: Plain) -> str:
    return "".join(letter for letter in str(value) if letter.isdigit())


def _plain(address: str, identifier: int) -> Conversation[list[Plain]]:
    done = yield from transfer(address, identifier)
    return [value.value for value in decode(identifier, done.payload)]


def _channel(channel: int) -> int:
    if not 1 <= channel <= profile.CHANNELS:
        raise LocalError(f"channels are numbered 1 to {profile.CHANNELS}, not {channel}")
    return channel
