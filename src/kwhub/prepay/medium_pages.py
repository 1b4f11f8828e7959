"""A medium in the place of the meter's display key: it turns the pages, and tells what the meter shows.

Source: DL/T 645-2007, annex A, table A.5: 04000305, 040402NN, 04040300; that a medium in session needs no password for it:
kwhub (see ``kwhub.sim.prepay_display``).
"""

from dataclasses import dataclass
from typing import Any, Final

from kwhub.domain.errors import DecodeError
from kwhub.domain.machine import Conversation
from kwhub.exchange.transfer import order, transfer
from kwhub.prepay.medium import open_session
from kwhub.prepay.medium_interface import Medium
from kwhub.prepay.sessions import Target
from kwhub.protocols.dlt645.authority import Authority, Key
from kwhub.protocols.dlt645.items import decode
from kwhub.protocols.dlt645.writing import WriteData

__all__ = ["Page", "turn_page"]

_COUNT: Final = 0x0400_0305
_SCREEN: Final = 0x0404_0200
_SHOW: Final = 0x0404_0300
_NOBODY: Final = Authority(Key(2), "00000000")
"""The level that writes such an item; no password goes with it, the session counts."""


@dataclass(frozen=True, slots=True)
class Page:
    """What the meter shows now.

    Attributes:
        number: of the page, from 1.
        pages: how many there are.
        identifier: of the item, such as ``00900200``.
        name_en: of the item.
        name_zh: of the item.
        value: as it is read at the same time; None when the meter has none.
        unit: of the value.
    """

    number: int
    pages: int
    identifier: str
    name_en: str
    name_zh: str
    value: Any
    unit: str


def turn_page(medium: Medium, number: int, address: str | None = None) -> Conversation[Page]:
    """Have the meter show a page of its key display.

    Args:
        medium: issued for this meter.
        number: of the page; counted on from the last to the first.
        address: on the line, 12 digits; otherwise the meter's number.

    Raises:
        SecurityRefusal: the meter does not know the medium.
        Refusal: it has no such page, or does not let a medium turn it.
        NoAnswer: it is silent.
        DecodeError: it says what it must not say.
    """
    meter = medium.meter.hex()
    target = Target(address or meter, meter)
    yield from open_session(medium, target)
    told = yield from transfer(target.address, _COUNT)
    pages = int(_plain(_COUNT, told.payload)[0])
    if not pages:
        raise DecodeError("bad_value", "the meter has no pages", field="04000305")
    place = (number - 1) % pages + 1
    screen = _SCREEN + place
    told = yield from transfer(target.address, screen)
    yield from order(WriteData(target.address, _SHOW, told.payload, _NOBODY))
    identifier = int(_plain(screen, told.payload)[0], 16)
    told = yield from transfer(target.address, identifier)
    shown = decode(identifier, told.payload)[0]
    row = (shown.identifier, shown.name_en, shown.name_zh, shown.value, shown.unit)
    return Page(place, pages, *row)


def _plain(identifier: int, payload: bytes) -> list[Any]:
    return [each.value for each in decode(identifier, payload)]
