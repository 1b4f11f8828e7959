"""What the commands of ``kwhub mbus`` have in common: the line, its speed, its waits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.cli.scan import with_baud
from kwhub.domain.errors import LocalError
from kwhub.links.address import open_link, parse
from kwhub.links.drive import Driver
from kwhub.protocols.mbus.control import CI_BY_BAUD
from kwhub.protocols.mbus.session import LATENCY_S, Role, Session
from kwhub.runtime.clock import Clock

__all__ = ["AttemptsOption", "LatencyOption", "MbusBaudOption", "line"]

BAUD_DEFAULT = 2400
NETWORK_LATENCY_S = 0.5
"""Of a serial server or gateway; a serial port needs less."""

BLE_LATENCY_S = 2.0
"""A node on the way waits so long for who is silent; what is asked meanwhile would be answered too late."""

LATENCIES_S = {"serial": LATENCY_S, "ble": BLE_LATENCY_S}

MbusBaudOption: TypeAlias = Annotated[
    int | None,
    Parameter(
        name="--baud",
        help=f"Speed of the bus, one of {', '.join(map(str, CI_BY_BAUD))}; otherwise that of the link, or {BAUD_DEFAULT}.",
    ),
]
LatencyOption: TypeAlias = Annotated[
    float | None,
    Parameter(
        name="--latency",
        validator=Number(gte=0, lte=10),
        help="Seconds that the way adds to every wait; "
        f"{LATENCY_S} on a serial port, {BLE_LATENCY_S} over Bluetooth, else {NETWORK_LATENCY_S}.",
    ),
]
AttemptsOption: TypeAlias = Annotated[
    int,
    Parameter(
        validator=Number(gte=1, lte=10),
        help="How often a frame is sent before silence is believed.",
    ),
]


@asynccontextmanager
async def line(
    link: str, clock: Clock, *, baud: int | None, latency_s: float | None, attempts: int
) -> AsyncIterator[Driver]:
    """A driver of the master on an open link.

    Raises:
        ConfigError: the link's address is wrong.
        LinkDown: it cannot be opened.
        LocalError: there is no such speed.
    """
    address = parse(link)
    scheme = address.innermost.scheme
    is_serial = scheme == "serial"
    if baud is not None and baud not in CI_BY_BAUD:
        raise LocalError(f"M-Bus has no speed of {baud} baud")
    if is_serial and baud is not None:
        address = with_baud(address, baud)
    opened = await open_link(address, clock=clock)
    try:
        if latency_s is None:
            latency_s = LATENCIES_S.get(scheme, NETWORK_LATENCY_S)
        speed = baud or opened.facts.baud or BAUD_DEFAULT
        session = Session(Role.MASTER, baud=speed, latency_s=latency_s)
        yield Driver(opened, session, clock, attempts=attempts)
    finally:
        await opened.aclose()
