"""A device that was replaced: its number is confirmed, it is paired afresh, the old bond is retired.

A lost bond alone proves nothing: somebody may stand there with a device of his own. So the new
device must be paired like any other, and must then show, over the secured link, the meter number
that a person has given; otherwise everything stays as it was.
"""

from collections.abc import Awaitable, Callable

from kwhub.bluetooth.stack import canonical
from kwhub.bluetooth.station import Station
from kwhub.domain.errors import Refusal
from kwhub.links.base import Link

__all__ = ["replace_device"]


async def replace_device(
    station: Station,
    old: str,
    new: str,
    meter: str,
    read_number: Callable[[Link], Awaitable[str]],
) -> None:
    """Put a device in the place of another.

    Args:
        station: this side; its pairing policy says how the two sides make sure of each other.
        old: address of the device that was there.
        new: address of the one that is there now; the same when it was only reset.
        meter: number of the meter that must be found.
        read_number: asks the meter for its number over a link.

    Raises:
        LinkError: the new device is not there, or pairing failed; nothing has changed.
        Refusal: it shows another number; its bond was dropped again.
    """
    old, new = canonical(old), canonical(new)
    with station.keys.tried(new):
        await station.pair(new)
        await _confirm(station, new, meter, read_number)
        station.keys.keep(new, meter, old)


async def _confirm(
    station: Station, address: str, meter: str, read_number: Callable[[Link], Awaitable[str]]
) -> None:
    link = await station.connect(address)
    try:
        found = await read_number(link)
    finally:
        await link.aclose()
    if found != meter:
        raise Refusal((f"the meter at {address} is {found}, not {meter}",))
