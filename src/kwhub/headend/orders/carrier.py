"""What the carrying out of an order stands on: the way to terminals and meters, secrets, clock, store."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from kwhub.domain.errors import LocalError
from kwhub.headend.config import Ordering
from kwhub.headend.front.front import Front
from kwhub.headend.front.relay import Relay
from kwhub.headend.ingest.intake import Intake
from kwhub.headend.ingest.offload import Offload
from kwhub.headend.orders.sealing import Sealer
from kwhub.headend.orders.secrets import Secrets
from kwhub.headend.orders.wanted import Wanted
from kwhub.headend.store.archive import KnownMeter, KnownTerminal
from kwhub.headend.store.store import Store
from kwhub.prepay.trip_tickets import TicketPress, TripTicket
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.gdw1376.units import HasUnit, Unit
from kwhub.runtime.clock import Clock

__all__ = ["EDITIONS", "METER_TIMEOUT_S", "Carrier", "Work"]

METER_TIMEOUT_S = 3.0
"""How long a terminal waits for a meter's answer; slow makes take a second or two."""

EDITIONS = {"dlt645-2007": Edition.E2007, "dlt645-1997": Edition.E1997}


@dataclass(frozen=True, slots=True)
class Work:
    """One order that is being carried out.

    Attributes:
        number: of the order.
        was_sent: it was sent before, by a head-end that stopped: look before doing it again.
        progress: parts that are over already.
        tell: notes how many parts are over, of how many.
        ticket: of the guard, for a trip.
    """

    number: int
    wanted: Wanted
    terminal_id: int
    meter: KnownMeter | None
    was_sent: bool
    progress: int
    tell: Callable[[int, int], None]
    ticket: TripTicket | None = None


@dataclass(frozen=True, slots=True)
class Carrier:
    """Carries frames for orders.

    Attributes:
        press: of the guard of trips: signs their tickets.
        sealer: seals relay orders for cost-control meters; None: the settings name no root keys.
    """

    store: Store
    front: Front
    intake: Intake
    clock: Clock
    offload: Offload
    secrets: Secrets
    settings: Ordering
    press: TicketPress
    sealer: Sealer | None = None

    def relay_to(self, meter: KnownMeter) -> Relay:
        """The way to a meter."""
        return Relay(partial(self._forward, meter), self.clock)

    async def ask(self, work: Work, afn: int, *units: Unit | HasUnit) -> tuple[Unit, ...]:
        """What a terminal answers; nothing when it just confirms. Raises as Front.ask."""
        return await self.front.ask(work.terminal_id, afn, units)

    def terminal(self, terminal_id: int) -> KnownTerminal:
        """What the archive knows of a terminal now. Raises LocalError."""
        for each in self.store.archive.terminals.values():
            if each.id == terminal_id:
                return each
        raise LocalError(f"there is no active terminal {terminal_id}")

    def wall_now(self) -> datetime:
        """The naive wall time of the site."""
        zone: Any = self.store.days.zone
        return self.clock.now().astimezone(zone).replace(tzinfo=None)

    async def _forward(self, meter: KnownMeter, frame: bytes) -> bytes:
        return await self.front.forward(
            meter.terminal_id, meter.port, frame, METER_TIMEOUT_S, baud=meter.baud
        )
