"""Simulated meters on any link."""

from collections.abc import Sequence

from kwhub.links.base import Link
from kwhub.links.drive import attend
from kwhub.runtime.clock import Clock
from kwhub.sim.bus import REPLY_DELAY_S, MeterBus
from kwhub.sim.meter import SimulatedMeter

__all__ = ["serve_meters"]


async def serve_meters(
    link: Link,
    meters: Sequence[SimulatedMeter],
    clock: Clock,
    *,
    reply_delay_s: float = REPLY_DELAY_S,
    infrared: bool = False,
) -> None:
    """Have meters answer on a link until it goes down.

    Args:
        link: their bus; one task serves all meters on it.
        meters: with addresses of their own.
        clock: true time; each meter's own clock is worked out from it.
        reply_delay_s: from the end of a request to the first byte of the answer; 20 to 500 ms by
            the standard.
        infrared: the link is light, which cost-control meters guard.
    """
    epoch_s = clock.now().timestamp() - clock.monotonic()
    bus = MeterBus(meters, epoch_s=epoch_s, reply_delay_s=reply_delay_s, infrared=infrared)
    await attend(link, bus, clock, lambda _event: None)
