"""``paced:ADDRESS``: a link that is as slow as the speed in its inner address says.

``paced:pty:?baud=2400`` gives a program on this machine a serial port with the timing of a real
one; ``paced:tcp:127.0.0.1:4001?baud=9600`` does so for a simulated bus.
"""

from kwhub.domain.errors import LinkError
from kwhub.links.address import LinkAddress, open_link
from kwhub.links.base import Link
from kwhub.links.layers.throttled import Throttled
from kwhub.runtime.clock import Clock

__all__ = ["open_address"]


async def open_address(address: LinkAddress, clock: Clock) -> Link:
    """Open the inner link and pace it.

    Raises:
        ConfigError: the inner address is wrong or says no speed.
        LinkError: the inner link cannot be opened.
    """
    if address.inner is None or "baud" not in address.inner.options:
        raise address.wrong("paced: needs a speed, such as ?baud=2400")
    link = await open_link(address.inner, clock=clock)
    if link.facts.baud is None:
        await link.aclose()
        raise LinkError(f"{address}: the inner link has no speed")
    return Throttled(link, clock, bits_per_byte=link.facts.bits_per_byte)
