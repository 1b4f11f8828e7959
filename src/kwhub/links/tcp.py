"""``tcp:host:port``: a connection to a device, a transparent serial server or a head-end.

Options: ``baud`` is the speed of the bus behind a serial server, for those who pace or time it;
``connect_s`` is how long connecting may take; ``bind`` is our own address and ``interface`` the name of the
network interface to use, such as ``ppp0`` of a cellular modem.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, TypeVar

from kwhub.domain.errors import LinkDown
from kwhub.links.address import LinkAddress
from kwhub.links.base import Link, LinkFacts
from kwhub.links.tls_context import plain_words
from kwhub.links.transport import TransportLink
from kwhub.runtime.clock import Clock

__all__ = ["BAUD_RATES", "CONNECT_S", "WAY_OPTIONS", "connect", "open_address", "tune"]

L = TypeVar("L", bound=TransportLink)

CONNECT_S = 10
"""Seconds that connecting may take unless the address says otherwise."""

CONNECT_S_MAX = 300

WAY_OPTIONS = ("connect_s", "bind", "interface")
"""How to get there."""

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
    address.allow("baud", *WAY_OPTIONS)
    baud = address.integer("baud", None, BAUD_RATES)
    facts = LinkFacts(address.text, baud=baud, half_duplex=baud is not None)
    return await connect(address, lambda: TransportLink(facts))


async def connect(address: LinkAddress, make: Callable[[], L], **tls: Any) -> L:
    """Connect a link that ``make`` makes to where an address says; ``tls`` as for create_connection.

    Raises:
        ConfigError: target or options are wrong.
        LinkDown: nobody answers there.
    """
    host, port = address.host_port()
    limit_s = address.integer("connect_s", CONNECT_S, range(1, CONNECT_S_MAX + 1))
    loop = asyncio.get_running_loop()
    where: dict[str, Any] = {"host": host, "port": port}
    if "bind" in address.options:
        where["local_addr"] = (address.options["bind"], 0)
    try:
        async with asyncio.timeout(limit_s):
            if "interface" in address.options:
                where = {"sock": await _through(address, host, port)}
            transport, link = await loop.create_connection(make, **where, **tls)
    except TimeoutError as error:
        raise LinkDown(f"{address}: not connected within {limit_s} s") from error
    except OSError as error:
        raise LinkDown(f"{address}: {plain_words(error)}") from error
    tune(transport)
    return link


async def _through(address: LinkAddress, host: str, port: int) -> socket.socket:
    """A connected socket that uses one network interface, whatever the routes say."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, target = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.settimeout(0)
        name = address.options["interface"].encode()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
        if "bind" in address.options:
            sock.bind((address.options["bind"], 0))
        await loop.sock_connect(sock, target)
    except BaseException:
        sock.close()
        raise
    return sock
