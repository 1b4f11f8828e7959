"""``serial:device?baud=2400&parity=even&stop=1&bits=8``: a serial port or a USB adapter.

Without options a port is what DL/T 645-2007 asks for on RS-485: 2400 baud, 8 bits, even parity,
one stop bit (clauses 3 and 4).
"""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

import serialx

from kwhub.domain.errors import LinkDown
from kwhub.links.address import LinkAddress
from kwhub.links.base import Link, LinkFacts
from kwhub.links.tcp import BAUD_RATES
from kwhub.links.transport import TransportLink
from kwhub.runtime.clock import Clock

__all__ = ["BAUD_DEFAULT", "PARITIES", "open_address"]

BAUD_DEFAULT = 2400
BYTE_BITS_DEFAULT = 8
BYTE_BITS = (7, 8)
STOP_BITS = (1, 2)

PARITIES: Mapping[str, serialx.Parity] = MappingProxyType(
    {
        "even": serialx.Parity.EVEN,
        "none": serialx.Parity.NONE,
        "odd": serialx.Parity.ODD,
    }
)


async def open_address(address: LinkAddress, clock: Clock) -> Link:
    """Open a port for this process alone.

    Raises:
        ConfigError: the options are wrong or no device is named.
        LinkDown: there is no such device, or it is in use.
    """
    del clock
    address.allow("baud", "parity", "stop", "bits")
    if not address.target:
        raise address.wrong("serial: needs a device, such as serial:/dev/ttyUSB0")
    baud = address.integer("baud", BAUD_DEFAULT, BAUD_RATES)
    parity = address.choice("parity", serialx.Parity.EVEN, PARITIES)
    stop = address.integer("stop", 1, STOP_BITS)
    bits = address.integer("bits", BYTE_BITS_DEFAULT, BYTE_BITS)
    bits_per_byte = 1 + bits + (parity is not serialx.Parity.NONE) + stop
    facts = LinkFacts(address.text, baud=baud, bits_per_byte=bits_per_byte, half_duplex=True)
    try:
        _, link = await serialx.create_serial_connection(
            asyncio.get_running_loop(),
            lambda: TransportLink(facts),
            address.target,
            baud,
            parity,
            serialx.StopBits(stop),
            byte_size=bits,
            exclusive=True,
        )
    except (OSError, serialx.SerialException) as error:
        raise LinkDown(f"{address}: {error}") from error
    if not isinstance(link, TransportLink):
        raise TypeError("serialx returned another protocol than the one it was given")
    return link
