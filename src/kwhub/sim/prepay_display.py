"""The display of a cost-control meter: pages that a key turns, or a medium over infrared in the key's place.

Source: DL/T 645-2007, annex A, tables A.5: 04000305 (screens of the key display), 040402NN (item and index of
screen NN), 04040300 (show an item on the display now). That a medium may write the last one while it is in session, without
a password: kwhub; it moves nothing but the display.
"""

from typing import Final

from kwhub.sim.denial import NoSuchData, other_error

__all__ = ["PAGES", "SHOW", "Display"]

PAGES: Final = (
    0x0090_0200,  # money left
    0x0090_0201,  # money owed
    0x0000_0000,  # combined active energy
    0x0001_0000,  # active energy, import
    0x0001_0100,
    0x0001_0200,
    0x0001_0300,
    0x0001_0400,
    0x0400_0101,  # date
    0x0400_0102,  # time
    0x0400_0401,  # address
    0x0400_0402,  # meter number
)
"""Items of the key display, in its order; all may be read through the infrared port before it is opened."""

SHOW: Final = 0x0404_0300
_COUNT: Final = 0x0400_0305
_SCREENS: Final = 0x0404_02
_SCREEN_BYTES = 5


class Display:
    """What is shown; a power cut brings the first page back."""

    def __init__(self) -> None:
        self.place = 0

    @property
    def shown(self) -> int:
        """The identifier of the page that is shown."""
        return PAGES[self.place]

    def press(self) -> None:
        """The key at the meter was pressed."""
        self.place = (self.place + 1) % len(PAGES)

    def show(self, payload: bytes) -> None:
        """Show an item now. Raises Denied: it is none of the pages."""
        identifier = int.from_bytes(payload[:4], "little")
        if len(payload) != _SCREEN_BYTES or identifier not in PAGES:
            raise other_error("the display has no such page")
        self.place = PAGES.index(identifier)

    def read(self, identifier: int) -> bytes | None:
        """Value bytes of an item of the display; None for all others. Raises NoSuchData."""
        if identifier == _COUNT:
            return bytes((int(str(len(PAGES)), 16),))
        if identifier == SHOW:
            return _screen(self.shown)
        if identifier >> 8 != _SCREENS:
            return None
        number = identifier & 0xFF
        if not 1 <= number <= len(PAGES):
            raise NoSuchData(f"screen {number}")
        return _screen(PAGES[number - 1])


def _screen(identifier: int) -> bytes:
    """Identifier, low byte first, and index."""
    return identifier.to_bytes(4, "little") + b"\x00"
