"""The collecting terminal as its peers see it: identifiers, words of its states, kinds of its events.

A terminal has an address of twelve digits whose last two are 00; its sixteen channels are measuring points
with addresses of their own: the terminal's with 01 to 16 in place of 00 until others are written. At a
measuring point's address it answers like a meter (energy, freezes, curve, clock); at its own address it
answers what ``kwhub.protocols.dlt645.tables.terminal`` lists, and everything that concerns the whole.

Source: kwhub, profile of the collecting terminal, edition 1.
"""

from enum import IntEnum, IntFlag
from types import MappingProxyType
from typing import Final

from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645.families import Family
from kwhub.protocols.dlt645.tables import families_of

__all__ = [
    "ALL_CHANNELS",
    "CHANNELS",
    "CHANNEL_STATUS_WORDS",
    "CURVE",
    "CURVE_MINUTES",
    "EDITION",
    "EVENTS_FROM",
    "EVENTS_LATEST",
    "EVENT_WORDS",
    "FREEZES_KEPT",
    "FREEZE_TIMES",
    "FREEZE_TIMES_MAX",
    "INITIAL",
    "LEFT_OUT",
    "NOW",
    "POINT",
    "PORT_CHANNEL",
    "PORT_METER",
    "PROFILE",
    "PULSES",
    "PULSES_ROLL_OVER",
    "REGISTER",
    "REGISTER_ROLLS_OVER",
    "ROUND",
    "SETTINGS",
    "STATUS",
    "TERMINAL_STATUS_WORDS",
    "ChannelKind",
    "ChannelStatus",
    "EventKind",
    "FreezeKind",
    "RoundState",
    "TerminalStatus",
    "point_address",
    "profile_rows",
]

EDITION: Final = 1
"""Edition of the profile."""
CHANNELS: Final = 16
PORT_CHANNEL: Final = 16
"""The channel whose terminals are also an RS-485 port."""
ALL_CHANNELS: Final = 0xFF
"""In place of a channel: all of them, in order."""

PROFILE: Final = 0x0F00_0000
STATUS: Final = 0x0F00_0100
FREEZE_TIMES: Final = 0x0F00_0200
ROUND: Final = 0x0F00_0300
PULSES: Final = 0x0F01_0000  #: and the channel, as with the next ones
REGISTER: Final = 0x0F01_0100
NOW: Final = 0x0F01_0200
LEFT_OUT: Final = 0x0F01_0300
SETTINGS: Final = 0x0F02_0000
INITIAL: Final = 0x0F02_0100
POINT: Final = 0x0F02_0200
PORT_METER: Final = 0x0F02_0310
CURVE: Final = 0x0F06_0000
EVENTS_FROM: Final = 0x0F07_0001
EVENTS_LATEST: Final = 0x0F07_0002

FREEZE_TIMES_MAX: Final = 8
CURVE_MINUTES: Final = 15
PULSES_ROLL_OVER: Final = 100_000_000
"""The counts on the wire have eight digits; the terminal's own go on."""
REGISTER_ROLLS_OVER: Final = 1_000_000
"""kWh: a register has six places before the point, as that of a meter."""


class ChannelKind(IntEnum):
    """What is connected to a channel."""

    OFF = 0
    PULSE = 1
    METER = 2  #: a meter with a protocol; only on channel 16


class FreezeKind(IntEnum):
    """The third byte of the identifiers of a kind of freeze, as in class 05 of the standard."""

    TIMED = 0x10
    INSTANT = 0x11
    DAILY = 0x16


FREEZES_KEPT: Final = MappingProxyType(
    {FreezeKind.TIMED: 60, FreezeKind.INSTANT: 3, FreezeKind.DAILY: 62}
)
"""Records of each kind, as many as a meter keeps."""


class RoundState(IntEnum):
    """Where a collection round stands."""

    NONE = 0
    RUNNING = 1
    DONE = 2


class ChannelStatus(IntFlag):
    """The status byte of a channel."""

    IN_USE = 0x01
    METER = 0x02  #: read over RS-485
    NOT_ANSWERING = 0x04  #: the meter on the port is silent; the register is the last that was read
    IMPLAUSIBLE = 0x08  #: pulses came faster than any load within the last hour
    ACTIVE = 0x10  #: the input is active at this moment
    UNSET = 0x20  #: in use, but no initial reading was ever given


class TerminalStatus(IntFlag):
    """The status word of a terminal."""

    CLOCK_INVALID = 0x0001  #: never set, or behind a moment that is known to be past
    COVER_OPEN = 0x0002
    STORE_FAULT = 0x0004  #: counts are kept in memory only
    CHANNEL_FAULT = 0x0008  #: at least one channel says so
    PORT_SILENT = 0x0010  #: the meter on the port does not answer


class EventKind(IntEnum):
    """What the terminal notes."""

    POWER_DOWN = 1
    POWER_UP = 2
    COVER_OPENED = 3
    COVER_CLOSED = 4
    OVERSPEED = 5  #: pulses faster than the largest current of the meter
    CHANNEL_FAULT = 6  #: an input that bounces without end
    CHANNEL_RECOVERED = 7
    CLOCK_SET = 8
    SETTINGS_CHANGED = 9
    INITIAL_SET = 10
    METER_SILENT = 11
    METER_BACK = 12
    PASSWORD_REFUSED = 13
    STORE_FAULT = 14
    EDGES_LOST = 15  #: edges of an input were not seen in time: its count may be low
    CLOCK_BEHIND = 16  #: at the start the clock showed a moment before one that is known to be past


EVENT_WORDS: Final = MappingProxyType(
    {
        EventKind.POWER_DOWN: ("power lost", "掉电"),
        EventKind.POWER_UP: ("power back", "上电"),
        EventKind.COVER_OPENED: ("cover opened", "开盖"),
        EventKind.COVER_CLOSED: ("cover closed", "合盖"),
        EventKind.OVERSPEED: ("pulses faster than any load", "脉冲超速"),
        EventKind.CHANNEL_FAULT: ("input bounces without end", "通道故障"),
        EventKind.CHANNEL_RECOVERED: ("input quiet again", "通道恢复"),
        EventKind.CLOCK_SET: ("clock set", "校时"),
        EventKind.SETTINGS_CHANGED: ("settings changed", "参数变更"),
        EventKind.INITIAL_SET: ("initial reading set", "设置初始示数"),
        EventKind.METER_SILENT: ("meter on the port silent", "485电表无响应"),
        EventKind.METER_BACK: ("meter on the port answers again", "485电表恢复响应"),
        EventKind.PASSWORD_REFUSED: ("wrong password", "密码错误"),
        EventKind.STORE_FAULT: ("store cannot be written", "存储故障"),
        EventKind.EDGES_LOST: ("edges of an input lost", "输入脉冲沿丢失"),
        EventKind.CLOCK_BEHIND: ("clock behind at power-up", "上电时钟落后"),
    }
)
"""English and Chinese."""

CHANNEL_STATUS_WORDS: Final = MappingProxyType(
    {
        ChannelStatus.IN_USE: ("in use", "启用"),
        ChannelStatus.METER: ("meter on the port", "485电表"),
        ChannelStatus.NOT_ANSWERING: ("meter silent", "电表无响应"),
        ChannelStatus.IMPLAUSIBLE: ("pulses too fast", "脉冲超速"),
        ChannelStatus.ACTIVE: ("input active", "输入有效"),
        ChannelStatus.UNSET: ("no initial reading", "未设初始示数"),
    }
)

TERMINAL_STATUS_WORDS: Final = MappingProxyType(
    {
        TerminalStatus.CLOCK_INVALID: ("clock not set", "时钟未校"),
        TerminalStatus.COVER_OPEN: ("cover open", "开盖"),
        TerminalStatus.STORE_FAULT: ("store fault", "存储故障"),
        TerminalStatus.CHANNEL_FAULT: ("channel fault", "通道故障"),
        TerminalStatus.PORT_SILENT: ("meter on the port silent", "485电表无响应"),
    }
)


def point_address(terminal: str, channel: int) -> str:
    """The address that a channel has until another one is written.

    >>> point_address("000020260700", 16)
    '000020260716'

    Raises:
        LocalError: the terminal's address does not end in 00, or there is no such channel.
    """
    if len(terminal) != 12 or not terminal.isdecimal() or not terminal.endswith("00"):
        raise LocalError(f"the address of a terminal has twelve digits and ends in 00: {terminal}")
    if not 1 <= channel <= CHANNELS:
        raise LocalError(f"channels are numbered 1 to {CHANNELS}, not {channel}")
    return f"{terminal[:-2]}{channel:02d}"


def profile_rows() -> tuple[Family, ...]:
    """The rows of the profile, in order."""
    return families_of("terminal")
