"""ERC 35: a meter that was found below and is not in the archive, told once.

Source: Q/GDW 1376.1-2013, clause 5.13. That the 8 bytes of a meter are its address, phase and quality of the signal (0:
not known) and the protocol as in 04-F10 is our reading; a head-end should rely on the address.
"""

from collections.abc import Callable
from datetime import tzinfo

from kwhub.concentrator.archive import Archive
from kwhub.concentrator.events_notes import TERMINAL_POINT, Note, Notes
from kwhub.concentrator.times import wall
from kwhub.protocols.gdw1376.event_records import EventRecord
from kwhub.protocols.gdw1376.formats import A12, A15
from kwhub.runtime.clock import Clock

__all__ = ["STRANGERS_MAX", "UnknownMeters"]

STRANGERS_MAX = 1_000
"""So many are remembered; further ones are in the log alone."""

_CODE = 35
_PROTOCOL_1997, _PROTOCOL_2007 = 1, 30
_PREFIX = "unknown meter "


class UnknownMeters:
    """Who was found; what was told survives a restart."""

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

    def found(self, port: int, address: str, *, is_old: bool) -> None:
        """A meter was found on a port.

        Args:
            port: of its way down.
            address: 12 digits.
            is_old: whether it speaks DL/T 645-1997.

        Raises:
            StoreError: it cannot be noted; it may be told again.
        """
        name = _PREFIX + address
        if any(record.address == address for record in self._archive.records()):
            return  # late, or on a wire that is not its own
        if self._archive.state(name) or self._archive.count_states(_PREFIX) >= STRANGERS_MAX:
            return
        now = int(self._clock.now().timestamp())
        protocol = _PROTOCOL_1997 if is_old else _PROTOCOL_2007
        meter = A12.encode(address) + bytes([0, protocol])
        body = A15.encode(wall(now, self._zone)) + bytes([port, 1]) + meter
        note = Note(TERMINAL_POINT, now, [EventRecord(_CODE, body)], states={name: now})
        if self._notes.keep(note):
            self._on_important()
