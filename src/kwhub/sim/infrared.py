"""Meters behind simulated light: the one of the published verification, and those of the simulator.

The published exchange asks the meter 000000000038 for its forward active energy and is answered
0.38 kWh, with three wake-up bytes before the answer.

Source: the published verification of DL/T 645-2007 over 38 kHz light (request with sum EAH, answer
with sum 72H; single source).
"""

from collections.abc import Iterable
from typing import Any

from kwhub.links.base import Link
from kwhub.links.drive import attend
from kwhub.protocols.dlt645 import Role, Session
from kwhub.protocols.dlt645.messages import Asked, Data, ReadData, Refused
from kwhub.runtime.clock import Clock

__all__ = [
    "PUBLISHED_ADDRESS",
    "PUBLISHED_ANSWER",
    "PUBLISHED_REQUEST",
    "REPLY_DELAY_S",
    "serve_published",
]

PUBLISHED_ADDRESS = "000000000038"
PUBLISHED_ENERGY = 0x00010000
PUBLISHED_PAYLOAD = bytes.fromhex("38000000")  #: 0.38 kWh
ANSWER_PREAMBLE = 3
NO_DATA = 0x02
"""Bit of the error byte: the meter does not have what is asked for."""

PUBLISHED_REQUEST = bytes.fromhex("FEFEFEFE6838000000000068110433333433EA16")
PUBLISHED_ANSWER = bytes.fromhex("FEFEFE68380000000000689108333334336B3333337216")

REPLY_DELAY_S = 0.02
"""From the end of a request to the answer: the least of the standard."""


async def serve_published(
    link: Link, clock: Clock, *, preamble: int = ANSWER_PREAMBLE, delay_s: float = REPLY_DELAY_S
) -> None:
    """Be the meter of the published verification until the link goes down.

    Args:
        link: its window.
        clock: for the pause before an answer.
        preamble: wake-up bytes before an answer, 0 to 4.
        delay_s: from a request to its answer.
    """
    meter = Session(Role.METER, addresses=(PUBLISHED_ADDRESS,), preamble=preamble)

    async def answer(event: Any) -> Iterable[Any]:
        if not isinstance(event, Asked) or event.silent:
            return ()
        await clock.sleep(delay_s)
        request = event.request
        if isinstance(request, ReadData) and request.identifier == PUBLISHED_ENERGY:
            return (Data(PUBLISHED_ADDRESS, PUBLISHED_ENERGY, PUBLISHED_PAYLOAD),)
        return (Refused(PUBLISHED_ADDRESS, NO_DATA),)

    await attend(link, meter, clock, answer)
