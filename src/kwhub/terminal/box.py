"""The terminal as a thing: channels, clock, memory; what it does as time goes by.

Moments are true microseconds since 1970-01-01 UTC (``true_us``) and monotonic ones of the inputs (``now_us``);
the box reads no clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kwhub.catalog.terminal_profile import (
    CHANNELS,
    CURVE_MINUTES,
    PORT_CHANNEL,
    ChannelKind,
    ChannelStatus,
    EventKind,
    FreezeKind,
    RoundState,
    TerminalStatus,
    point_address,
)
from kwhub.exchange.terminal_settings import ChannelSettings, PortMeter
from kwhub.terminal.channels import Base, Channels
from kwhub.terminal.clockwork import TerminalClock, matches_pattern, minutes_between
from kwhub.terminal.countlog import CountLog, Counts
from kwhub.terminal.memory import MemoryFault, TerminalMemory

__all__ = ["Batch", "Box", "CollectionRound", "Maker"]

Batch = tuple[NDArray[np.int64], NDArray[np.bool_]]
"""Moments (monotonic microseconds) and levels of the edges of one input."""

_US_PER_S: Final = 1_000_000
_DAY_S: Final = 86_400
_BEHIND_S: Final = 60  #: a clock that was wrong by less at the start is not told
_IMPLAUSIBLE_S: Final = 3_600  #: how long the status byte remembers
_OFF: Final = ChannelSettings(ChannelKind.OFF, 0, Decimal(0), Decimal(0), 0, 0)


@dataclass(frozen=True, slots=True)
class Maker:
    """What a terminal is told before its first start; what is written to it later counts more.

    Attributes:
        address: twelve digits that end in 00.
        channels: settings by number; those that are left out are off.
        initial: readings by number.
        points: measuring point addresses by number.
        port: the meter on the RS-485 port.
        zone_s: seconds east of Greenwich, for a clock that was never set.
        drift_ppm: of the crystal, where it is known (or simulated).
    """

    address: str
    channels: Mapping[int, ChannelSettings] = field(default_factory=dict)
    initial: Mapping[int, Decimal] = field(default_factory=dict)
    points: Mapping[int, str] = field(default_factory=dict)
    port: PortMeter | None = None
    freeze_times: Sequence[str] = ()
    zone_s: int = 28_800
    drift_ppm: int = 0


@dataclass(slots=True)
class CollectionRound:
    """The last round that somebody started."""

    number: int = 0
    begun_s: int = 0  #: wall second
    state: RoundState = RoundState.NONE
    channels: int = 0  #: bit n: channel n+1 has its value
    freeze: int = 0  #: number of the instant freeze that holds the values


class Box:
    """One terminal.

    Attributes:
        channels: the inputs.
        clock: its own.
        memory: what it keeps.
        round: the last collection round.
        points: measuring point addresses, in order.
        port: the meter on the RS-485 port, and what it showed last.
        clock_behind: at the start the clock was behind a moment that is known to be past; until it is set.
        lost: edges of each input since the start that were never seen, so that its count may be low.
    """

    def __init__(self, maker: Maker, memory: TerminalMemory, log: CountLog, true_us: int) -> None:
        """Go on from what the memory and the log hold. Raises MemoryFault."""
        self.address = maker.address
        self.memory = memory
        self._log = log
        get = memory.get
        settings = tuple(
            _settings(get(f"channel.{n}")) or maker.channels.get(n, _OFF)
            for n in range(1, CHANNELS + 1)
        )
        bases = tuple(_base(get(f"base.{n}"), maker.initial.get(n)) for n in range(1, CHANNELS + 1))
        self.channels = Channels(settings, bases, log.durable)
        self.points = [
            get(f"point.{n}") or maker.points.get(n) or point_address(maker.address, n)
            for n in range(1, CHANNELS + 1)
        ]
        port = get("port")
        self.port = PortMeter(**port) if port else maker.port
        self.port_register = _number(get("port_register"))
        self.port_silent = False
        times = get("freeze_times")
        self.freeze_times: list[str] = list(maker.freeze_times) if times is None else times
        self.clock = _clock(get("clock"), maker)
        self.round = CollectionRound(**(get("round") or {}))
        if self.round.state is RoundState.RUNNING:  # the power went meanwhile
            self.round.state = RoundState.DONE
        self.cover_open = bool(get("cover_open"))
        self.store_fault = False
        self._known_us = get("seen_us") or log.durable.at_ms * 1_000
        is_behind = self._known_us - true_us > _BEHIND_S * _US_PER_S
        self.clock_behind = bool(get("clock_behind")) or is_behind
        self._seen_s = self.wall_s(true_us)
        self._seen: Counts | None = None
        self._implausible_us = [-(1 << 60)] * CHANNELS
        self._faulty = [False] * CHANNELS
        self.lost = [0] * CHANNELS
        self._lost_us = [-(1 << 60)] * CHANNELS

    def wall_s(self, true_us: int) -> int:
        """Wall second of the terminal's clock."""
        return self.clock.wall(true_us) // _US_PER_S

    def start(self, now_us: int, levels: int, true_us: int) -> None:
        """Begin to listen to the inputs, after the power came."""
        self.channels.wake(now_us, levels)
        self.note(EventKind.POWER_UP, true_us)
        if self.clock_behind:
            self._keep({"clock_behind": True})
            self.note(EventKind.CLOCK_BEHIND, true_us)

    def take(self, batches: Mapping[int, Batch], now_us: int, true_us: int) -> None:
        """Take the edges of inputs by channel number, until a moment."""
        none: Batch = (np.array([], np.int64), np.array([], np.bool_))
        for number, channel in enumerate(self.channels.each, start=1):
            told = channel.take(*batches.get(number, none), now_us)
            if told.implausible:
                if now_us - self._implausible_us[number - 1] > _IMPLAUSIBLE_S * _US_PER_S:
                    self.note(EventKind.OVERSPEED, true_us, number)
                self._implausible_us[number - 1] = now_us
            if told.faulty != self._faulty[number - 1]:
                self._faulty[number - 1] = told.faulty
                kind = EventKind.CHANNEL_FAULT if told.faulty else EventKind.CHANNEL_RECOVERED
                self.note(kind, true_us, number)

    def missed(self, lost: Mapping[int, int], now_us: int, true_us: int) -> None:
        """Edges of inputs, by channel number, have come and gone unseen; told at most once an hour for each channel."""
        for number, edges in lost.items():
            self.lost[number - 1] += edges
            if now_us - self._lost_us[number - 1] > _IMPLAUSIBLE_S * _US_PER_S:
                self._lost_us[number - 1] = now_us
                self.note(EventKind.EDGES_LOST, true_us, number)

    def commit(self, true_us: int) -> None:
        """Make the counts durable, if there is anything new; trouble shows in the status word."""
        counts = self.channels.counts(true_us // 1_000)
        key = (counts.totals, counts.implausible, counts.levels)
        seen = self._seen
        if seen is not None and key == (seen.totals, seen.implausible, seen.levels):
            return
        try:
            self._log.commit(counts)
        except OSError:
            if not self.store_fault:
                self.store_fault = True
                self.note(EventKind.STORE_FAULT, true_us)
            return
        self.store_fault, self._seen = False, counts

    def secure(self, true_us: int) -> None:
        """Make the counts durable, for something that counts from them on. Raises MemoryFault: they are not."""
        self.commit(true_us)
        if self._log.durable.totals != self.channels.counts(0).totals:
            raise MemoryFault("the counts cannot be kept")

    def tick(self, true_us: int) -> None:
        """Do what the clock has come to: freezes and points of the curves."""
        wall_s = self.wall_s(true_us)
        jumped = wall_s - self._seen_s > _BEHIND_S
        if self.clock_behind and jumped and true_us >= self._known_us:  # this machine was put right
            self.clock_behind = False
            self._keep({"clock_behind": False})
        for minute_s in minutes_between(self._seen_s, wall_s):
            self._at(minute_s, true_us)
        self._seen_s = wall_s

    def _at(self, minute_s: int, true_us: int) -> None:
        due = [FreezeKind.DAILY] if minute_s % _DAY_S == 0 else []
        if any(matches_pattern(pattern, minute_s) for pattern in self.freeze_times):
            due.append(FreezeKind.TIMED)
        point = minute_s % (CURVE_MINUTES * 60) == 0
        if not due and not point:
            return
        self.commit(true_us)  # what is frozen must never be more than what is counted
        registers = self.registers()
        try:
            for kind in due:
                self.memory.freeze(kind, minute_s, registers)
            if FreezeKind.TIMED in due:
                self._forget_past(minute_s)
            if point:
                self.memory.add_point(minute_s, registers)
                self.saw(true_us)
        except MemoryFault:
            self.store_fault = True

    def _forget_past(self, minute_s: int) -> None:
        """A time that is no pattern comes once."""
        left = [
            pattern
            for pattern in self.freeze_times
            if pattern.startswith("99") or not matches_pattern(pattern, minute_s)
        ]
        if left != self.freeze_times:
            self.memory.put({"freeze_times": left})
            self.freeze_times = left

    def registers(self) -> list[Decimal | None]:
        """The register of each channel; None where there is nothing to read."""
        return [self.register(number) for number in range(1, CHANNELS + 1)]

    def register(self, number: int) -> Decimal | None:
        """The register of one channel."""
        channel = self.channels[number]
        match channel.settings.kind:
            case ChannelKind.PULSE:
                return channel.register
            case ChannelKind.METER:
                return self.port_register
            case ChannelKind.OFF:
                return None

    def channel_status(self, number: int, now_us: int) -> ChannelStatus:
        """The status byte of a channel."""
        channel, status = self.channels[number], ChannelStatus(0)
        kind = channel.settings.kind
        if kind is ChannelKind.OFF:
            return status
        status |= ChannelStatus.IN_USE
        if kind is ChannelKind.METER:
            status |= ChannelStatus.METER
            if self.port_silent or self.port_register is None:
                status |= ChannelStatus.NOT_ANSWERING
            return status
        if channel.level:
            status |= ChannelStatus.ACTIVE
        if channel.base.given is None:
            status |= ChannelStatus.UNSET
        if now_us - self._implausible_us[number - 1] <= _IMPLAUSIBLE_S * _US_PER_S:
            status |= ChannelStatus.IMPLAUSIBLE
        return status

    @property
    def status(self) -> TerminalStatus:
        """The status word."""
        flags = {
            TerminalStatus.CLOCK_INVALID: not self.clock.set_us or self.clock_behind,
            TerminalStatus.COVER_OPEN: self.cover_open,
            TerminalStatus.STORE_FAULT: self.store_fault,
            TerminalStatus.CHANNEL_FAULT: any(self._faulty),
            TerminalStatus.PORT_SILENT: self.port_silent,
        }
        status = TerminalStatus(0)
        for flag, is_set in flags.items():
            status |= flag if is_set else TerminalStatus(0)
        return status

    def note(self, kind: EventKind, true_us: int, channel: int = 0) -> None:
        """Keep an event; a memory that cannot is a fault that the status word tells."""
        try:
            self.memory.note(kind, self.wall_s(true_us), channel)
        except MemoryFault:
            self.store_fault = True

    def cover(self, true_us: int, *, is_open: bool) -> None:
        """The cover was opened or closed; a memory that cannot keep it is a fault that the status word tells."""
        if is_open != self.cover_open:
            self.cover_open = is_open
            try:
                self.memory.put({"cover_open": is_open})
            except MemoryFault:
                self.store_fault = True
            self.note(EventKind.COVER_OPENED if is_open else EventKind.COVER_CLOSED, true_us)

    def power_fails(self, true_us: int) -> None:
        """The supply warns: counts first, the event afterwards, if there is time."""
        self.commit(true_us)
        self.note(EventKind.POWER_DOWN, true_us)
        self.saw(true_us)

    def put_clock(self, wall_s: int, true_us: int) -> None:
        """Set the clock; what it is set to is believed. Raises MemoryFault: it stands as it was."""
        clock = self.clock.put(wall_s, true_us)
        kept = {"clock": (clock.set_us, clock.wall_us), "clock_behind": False, "seen_us": true_us}
        self.memory.put(kept)
        self.clock, self.clock_behind = clock, False

    def saw(self, true_us: int) -> None:
        """This moment is past: a clock that shows an earlier one at the next start is behind."""
        if not self.clock_behind:
            self._keep({"seen_us": true_us})

    def _keep(self, values: Mapping[str, Any]) -> None:
        try:
            self.memory.put(values)
        except MemoryFault:
            self.store_fault = True

    def begin_round(self, true_us: int) -> None:
        """Freeze every register now; the meter on the port is waited for. Raises MemoryFault."""
        self.commit(true_us)
        registers = self.registers()
        port = self.channels[PORT_CHANNEL].settings.kind is ChannelKind.METER
        if port:
            registers[PORT_CHANNEL - 1] = None
        wall_s = self.wall_s(true_us)
        freeze = self.memory.freeze(FreezeKind.INSTANT, wall_s - wall_s % 60, registers)
        taken = sum(1 << n for n, register in enumerate(registers) if register is not None)
        state = RoundState.RUNNING if port and self.port is not None else RoundState.DONE
        number = self.round.number % 999_999 + 1
        self._keep_round(CollectionRound(number, wall_s, state, taken, freeze or 0))

    def port_answered(self, register: Decimal | None, true_us: int) -> None:
        """The meter on the port was read, or (None) did not answer; what cannot be kept is a fault of the store."""
        silent = register is None
        if silent != self.port_silent:
            self.port_silent = silent
            kind = EventKind.METER_SILENT if silent else EventKind.METER_BACK
            self.note(kind, true_us, PORT_CHANNEL)
        if register is not None:
            self.port_register = register
        try:
            self._keep_port(register)
        except MemoryFault:
            self.store_fault = True

    def _keep_port(self, register: Decimal | None) -> None:
        if register is not None:
            self.memory.put({"port_register": str(register)})
        if self.round.state is RoundState.RUNNING:
            taken = self.round.channels
            if register is not None:
                self.memory.fill(self.round.freeze, PORT_CHANNEL, register)
                taken |= 1 << PORT_CHANNEL - 1
            old = self.round
            self._keep_round(
                CollectionRound(old.number, old.begun_s, RoundState.DONE, taken, old.freeze)
            )

    def _keep_round(self, collection: CollectionRound) -> None:
        self.memory.put({"round": asdict(collection)})
        self.round = collection


def _settings(kept: Any) -> ChannelSettings | None:
    if kept is None:
        return None
    kind, constant, current, voltage, phases, debounce = kept
    return ChannelSettings(
        ChannelKind(kind), constant, Decimal(current), Decimal(voltage), phases, debounce
    )


def _clock(kept: Any, maker: Maker) -> TerminalClock:
    set_us, wall_us = kept or (0, maker.zone_s * _US_PER_S)
    return TerminalClock(set_us, wall_us, maker.drift_ppm)


def _base(kept: Any, initial: Decimal | None) -> Base:
    if kept is None:
        return Base(initial or Decimal(0), 0, initial)
    reading, count, given = kept
    return Base(Decimal(reading), count, _number(given))


def _number(kept: Any) -> Decimal | None:
    return None if kept is None else Decimal(kept)
