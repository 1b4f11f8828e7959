"""The RS-485 port: the terminal as the master of one meter.

Source: DL/T 645-2007 and DL/T 645-1997, through ``kwhub.exchange.read``.
"""

from decimal import Decimal
from typing import Final

from kwhub.domain.errors import KwhubError, LinkDown
from kwhub.domain.readings import Register
from kwhub.exchange.read import read_registers
from kwhub.exchange.terminal_settings import PortMeter
from kwhub.links.base import Link
from kwhub.links.drive import Driver
from kwhub.protocols.dlt645 import Edition, Role, Session
from kwhub.runtime.clock import Clock

__all__ = ["read_port"]

_ENERGY: Final = Register("1-0:1.8.0")


async def read_port(link: Link, meter: PortMeter, clock: Clock) -> Decimal | None:
    """Read the register of the meter on the port.

    Returns:
        kWh with two decimals; None when the meter is silent, refuses, or talks nonsense.

    Raises:
        LinkDown: the port itself is gone.
    """
    edition = Edition(f"dlt645-{meter.edition}")
    session = Session(Role.MASTER, edition=edition, baud=link.facts.baud)
    try:
        (answer,) = await Driver(link, session, clock).run(
            read_registers(meter.address, [_ENERGY], edition)
        )
    except LinkDown:
        raise
    except KwhubError:
        return None
    return answer.value if isinstance(answer.value, Decimal) else None
