"""What a meter cannot work out again and must therefore keep: settings, secrets, switches, records.

Energy, demand and load records are functions of the moment; only what people and the network did to
the meter is stored. Moments are whole seconds since 1970-01-01 UTC.
"""

import os
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from kwhub.domain.errors import ConfigError

__all__ = ["FACTORY_DIGITS", "Log", "Memory", "Relay", "StateFile", "Supply"]

FACTORY_DIGITS: Final = "000000"
"""The password of every level as the simulated meter comes out of the box."""
_LEVELS: Final = range(10)


class Log(msgspec.Struct):
    """One kind of event: how often, for how long, and the records of the last times, newest first."""

    count: int = 0
    seconds: int = 0
    records: list[bytes] = []
    running_s: int | None = None  #: since when, while it lasts


class Supply(NamedTuple):
    """From a moment on: which phases (0 to 2) carry nothing, and why."""

    at_s: int
    dark: tuple[int, ...]  #: phases without voltage
    relay_open: bool
    power_cut: bool
    still: tuple[int, ...] = ()  #: phases with voltage through which nothing flows


class Relay(msgspec.Struct):
    """The switch between the network and the customer."""

    is_open: bool = False
    permitted: bool = False  #: the customer's key closes it
    ordered_open: bool = False
    is_protected: bool = False
    alarm: bool = False
    trip_at_s: int | None = None  #: a trip that waits
    warns: bool = False  #: it waits because of the trip delay, not of the current
    restore_at_s: int | None = None
    restore_closes: bool = False  #: at that moment: close, or only permit closing
    operator: str = "00000000"  #: whose order is being carried out


class Memory(msgspec.Struct):
    """Everything of one meter that outlives a power cut, and a restart of the program."""

    address: str
    parameters: dict[int, bytes] = {}  #: written value bytes by identifier
    passwords: dict[int, str] = msgspec.field(
        default_factory=lambda: dict.fromkeys(_LEVELS, FACTORY_DIGITS)
    )
    failures: int = 0  #: wrong passwords in a row
    locked_until_s: int = 0
    key_until_s: int = 0  #: the programming key works until then
    clock_steps: list[tuple[int, int]] = []  #: (moment, seconds by which the clock was pushed)
    broadcast_day: int | None = None  #: day of the meter's clock on which a broadcast was taken
    cleared_s: int | None = None
    demand_cleared_s: list[int] = []  #: newest last
    freeze_pattern: str = ""  #: of the timed freeze
    frozen: dict[int, list[int]] = {}  #: moments by kind of freeze, newest first
    frozen_until_s: dict[
        int, int
    ] = {}  #: up to where they are kept; later ones follow from the rule
    logs: dict[int, Log] = {}
    relay: Relay = msgspec.field(default_factory=Relay)
    supply: list[Supply] = []
    odd_voltages: list[tuple[int, int, int]] = []  #: (from when, phase, 0.1 V; 0 for as usual)
    disturbed_until_s: int = 0  #: planned disturbances up to here have been made
    tariff_plans: list[tuple[int, dict[int, bytes]]] = []  #: (from when, tables)
    zone_set: int = 1
    slot_set: int = 1
    armed: list[int] = []  #: identifiers of the switch times that are still to come
    output: int = 0  #: signal of the multi-function terminal
    settled: list[int] = []  #: settlement days from before the rule was changed, newest first
    settled_since_s: int | None = None
    since_s: int | None = None  #: first moment of the load that the meter counts


class StateFile:
    """A memory on disk as JSON; at every moment the old one or the new one, never half of one.

    Args:
        path: of the file; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Memory | None:
        """What was kept, or None when there is no such file.

        Raises:
            ConfigError: the file cannot be read, or is no memory of a meter.
        """
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", file=str(self.path)) from error
        try:
            return msgspec.json.decode(raw, type=Memory)
        except msgspec.MsgspecError as error:
            raise ConfigError(str(error), file=str(self.path)) from None

    def save(self, memory: Memory) -> None:
        """Keep a memory; it is on the disk when this returns.

        Raises:
            ConfigError: the file cannot be written.
        """
        beside = self.path.with_name(self.path.name + ".new")
        try:
            with beside.open("wb") as file:
                file.write(msgspec.json.encode(memory))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except OSError as error:
            raise ConfigError(
                f"cannot be written: {error.strerror}", file=str(self.path)
            ) from error
