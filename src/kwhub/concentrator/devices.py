"""Trouble with a device below as event record ERC 60 (an extension), told once when it begins and once when it ends.

Q/GDW 1376.1 has no event for a radio device that is silent, has lost its bond or speaks wrong: ERC 31 is of days
without a reading. Codes from 46 on have no meaning in it; F9 reaches up to 64.
"""

from collections.abc import Callable
from datetime import tzinfo
from enum import IntEnum
from typing import NamedTuple

from kwhub.concentrator.archive import Archive
from kwhub.concentrator.events_notes import TERMINAL_POINT, Note, Notes
from kwhub.concentrator.events_records import device_trouble
from kwhub.concentrator.events_words import ABNORMAL
from kwhub.concentrator.times import wall
from kwhub.protocols.gdw1376.event_records import DEVICE_TROUBLES
from kwhub.runtime.clock import Clock

__all__ = ["Device", "DeviceEvents", "Trouble", "abnormal_words"]

ABNORMAL_KIND = "device"
_PREFIX = "trouble of device "


class Trouble(IntEnum):
    """What is wrong with a device; the number stands in its record."""

    NONE = 0
    SILENT = 1
    UNPAIRED = 2
    REPLACED = 3  #: it does not know its bond any more
    WRONG = 4  #: it says what it must not say


class Device(NamedTuple):
    """How a device is."""

    address: str  #: Bluetooth, with /P behind a public one
    points: tuple[int, ...]  #: measuring points behind it; none for a gateway
    trouble: Trouble


class DeviceEvents:
    """Keeps what was told; it survives a restart."""

    def __init__(
        self,
        notes: Notes,
        archive: Archive,
        clock: Clock,
        zone: tzinfo,
        on_important: Callable[[], None],
    ) -> None:
        self._notes = notes
        self._archive = archive
        self._clock = clock
        self._zone = zone
        self._on_important = on_important
        self._seen: set[tuple[int, str]] = set()

    def found(self, device: Device) -> None:
        """A device is so now; nothing happens when it was so before.

        Raises:
            StoreError: it cannot be noted; it may be told again.
        """
        for point in device.points or (TERMINAL_POINT,):
            if point != TERMINAL_POINT and (point, device.address) not in self._seen:
                self._end_of_others(point, device.address)
                self._seen.add((point, device.address))
            before = Trouble(self._archive.state(_name(point, device.address)))
            if before is not device.trouble:
                self._note(point, device, before)

    def _end_of_others(self, point: int, address: str) -> None:
        """A meter has one device: the trouble of one that was at its point before is over."""
        for name, value in self._archive.states(_PREFIX).items():
            other, _, place = name.removeprefix(_PREFIX).partition(" at ")
            if value and place == str(point) and other != address:
                self._note(point, Device(other, (point,), Trouble.NONE), Trouble(value))

    def _note(self, point: int, device: Device, before: Trouble) -> None:
        now = int(self._clock.now().timestamp())
        note = Note(point, now, states={_name(point, device.address): device.trouble})
        at = wall(now, self._zone)
        if before is not Trouble.NONE:
            note.ended.add(ABNORMAL_KIND)
            note.records.append(device_trouble(point, at, before, device.address, begins=False))
        if device.trouble is not Trouble.NONE:
            if point != TERMINAL_POINT:
                detail = f"{device.trouble.name.lower()} {device.address}"
                note.begun[ABNORMAL_KIND] = detail
            note.records.append(
                device_trouble(point, at, device.trouble, device.address, begins=True)
            )
        if self._notes.keep(note):
            self._on_important()


def abnormal_words(kind: str, detail: str) -> tuple[str, str, str]:
    """What is wrong with a meter, for people: English, Chinese, and the detail that both leave out.

    Args:
        kind: a key of `kwhub.concentrator.events_words.ABNORMAL`, or one that is not known here.
        detail: as it is kept; of a device it begins with its trouble.
    """
    english, chinese = ABNORMAL.get(kind, (kind, kind))
    name, _, rest = detail.partition(" ")
    trouble = Trouble.__members__.get(name.upper())
    if kind != ABNORMAL_KIND or trouble not in DEVICE_TROUBLES:
        return english, chinese, detail
    why = DEVICE_TROUBLES[trouble]
    return f"{english}: {why[0]}", f"{chinese}：{why[1]}", rest


def _name(point: int, address: str) -> str:
    return f"{_PREFIX}{address} at {point}"
