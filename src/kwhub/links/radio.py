"""``radio:ADDRESS`` and ``radio:sim:NAME``: a short-range radio whose far end sleeps until it is woken.

``radio:serial:/dev/ttyUSB0?baud=9600`` is a radio module on any byte link. Before the first bytes, and after a pause,
goes a run of FE bytes that wakes the device at the far end: ``wake`` of them (64 unless it says otherwise, 0 for a
device that never sleeps), after half of the ``awake`` seconds (20) in which it stays awake. Other options belong to
the link inside.

``radio:sim:NAME?east=30&north=0`` is a node on simulated air of this process, at a place in metres.

Source: as ``kwhub.links.layers.waking``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias
from urllib.parse import urlencode

from kwhub.links.address import LinkAddress, open_link, parse
from kwhub.links.base import Link
from kwhub.links.layers.waking import AWAKE_S, WAKE_BYTES, Waking
from kwhub.runtime.clock import Clock

__all__ = ["AWAKE_RANGE", "METRES", "WAKE_RANGE", "Nodes", "air_named", "open_address"]

SIMULATED: Final = "sim:"
WAKE_RANGE: Final = range(10_001)
AWAKE_RANGE: Final = range(1, 3_601)
METRES: Final = range(100_001)

Nodes: TypeAlias = Callable[[tuple[float, float]], Link]
"""Puts a node at a place on the air: metres east, metres north."""

_airs: dict[str, Nodes] = {}
"""Simulated air of this process by its name."""


@contextmanager
def air_named(name: str, nodes: Nodes) -> Iterator[None]:
    """Let addresses reach simulated air by a name, until the block ends."""
    _airs[name] = nodes
    try:
        yield
    finally:
        del _airs[name]


async def open_address(address: LinkAddress, clock: Clock) -> Link:
    """Open the link inside, or a node on simulated air, and wake whoever is asked.

    Raises:
        ConfigError: target or options are wrong, or no air has that name.
        LinkDown: the link inside cannot be opened now.
    """
    wake = address.integer("wake", WAKE_BYTES, WAKE_RANGE)
    awake_s = address.integer("awake", int(AWAKE_S), AWAKE_RANGE)
    if address.target.startswith(SIMULATED):
        link = _simulated(address)
    else:
        own = {"wake", "awake"}
        left = {name: value for name, value in address.options.items() if name not in own}
        text = address.target + (f"?{urlencode(left, safe=':/,')}" if left else "")
        link = await open_link(parse(text), clock=clock)
    return Waking(link, clock, wake_bytes=wake, awake_s=awake_s) if wake else link


def _simulated(address: LinkAddress) -> Link:
    address.allow("wake", "awake", "east", "north")
    name = address.target.removeprefix(SIMULATED)
    if name not in _airs:
        raise address.wrong(f"there is no simulated air {name!r} in this process")
    place = (address.integer("east", 0, METRES), address.integer("north", 0, METRES))
    return _airs[name](place)
