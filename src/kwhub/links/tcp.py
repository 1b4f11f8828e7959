"""``tcp:host:port``: a connection to a device, a transparent serial server or a head-end.

Options: ``baud`` is the speed of the bus behind a serial server, for those who pace or time it;
``connect_s`` is how long connecting may take.
"""

import asyncio
import socket

from kwhub.domain.errors import LinkDown
from kwhub.links.address import LinkAddress
from kwhub.links.base import Link, LinkFacts
from kwhub.links.transport import TransportLink
from kwhub.runtime.clock import Clock

__all__ = ["BAUD_RATES", "CONNECT_S", "open_address", "tune"]

CONNECT_S = 10
"""Seconds that connecting may take unless the address says otherwise."""

CONNECT_S_MAX = 300

BAUD_RATES = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
"""Speeds in use on meters.  Source: DL/T 645-2007, clause 4; IEC 62056-21, clause 4.1."""

KEEPALIVE_IDLE_S = 60
KEEPALIVE_INTERVAL_S = 15
KEEPALIVE_PROBES = 4


def tune(transport: asyncio.BaseTransport) -> None:
    """Send at once, and notice within two minutes that a silent peer is gone."""
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_S),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        if hasattr(socket, name):  # not every system has all three
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def open_address(address: LinkAddress, clock: Clock) -> Link:
    """Connect.

    Raises:
        ConfigError: target or options are wrong.
        LinkDown: nobody answers there.
    """
    del clock
    address.allow("baud", "connect_s")
    host, port = address.host_port()
    baud = address.integer("baud", None, BAUD_RATES)
    limit_s = address.integer("connect_s", CONNECT_S, range(1, CONNECT_S_MAX + 1))
    facts = LinkFacts(address.text, baud=baud, half_duplex=baud is not None)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(limit_s):
            transport, link = await loop.create_connection(lambda: TransportLink(facts), host, port)
    except TimeoutError as error:
        raise LinkDown(f"{address}: not connected within {limit_s} s") from error
    except OSError as error:
        raise LinkDown(f"{address}: {error.strerror or error}") from error
    tune(transport)
    return link
