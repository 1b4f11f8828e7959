"""Relay orders for cost-control meters: sealed by the master crypto, each for one meter and five minutes.

No password moves the relay of such a meter. Which meter is one shows when it is asked to log in.

Source: DL/T 645-2007, control code 1C; ``kwhub.prepay.orders``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final, Self

from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change
from kwhub.exchange.relay import RelayCommand, RelayState
from kwhub.headend.vending_keys import SharedKeys
from kwhub.prepay.master import SoftwareMaster
from kwhub.prepay.master_crypto import MasterCrypto, deadline_of
from kwhub.prepay.orders import VALID_FOR, switch
from kwhub.prepay.sessions import Target
from kwhub.prepay.trip_tickets import TicketGate, TripTicket

__all__ = ["Sealer"]

_OPERATOR: Final = "00000001"
"""Of the head-end, in the records of meters."""


@dataclass(frozen=True, slots=True)
class Sealer:
    """Makes sealed orders.

    Attributes:
        master: seals; trips only with a ticket of the guard.
        now: the present moment.
        zone: of the clocks in the meters.
    """

    master: MasterCrypto
    now: Callable[[], datetime]
    zone: tzinfo

    @classmethod
    def opened(
        cls, root_key: str, guard: bytes, now: Callable[[], datetime], zone: tzinfo
    ) -> Self | None:
        """With the root keys that the settings name; None when they name none.

        Args:
            root_key: file, mode 0600, or ``pkcs11:...``; empty: none.
            guard: public key of the guard of trips.
            now: the present moment.
            zone: of the clocks in the meters.

        Raises:
            ConfigError, LocalError: as ``SharedKeys``.
        """
        if not root_key:
            return None
        keys = SharedKeys(root_key)
        gate = TicketGate(guard, lambda: int(now().timestamp()))
        return cls(SoftwareMaster(keys, keys.draw, gate), now, zone)

    def switch(
        self, address: str, command: RelayCommand, ticket: TripTicket | None
    ) -> Conversation[Change[RelayState]]:
        """An order for the relay of a meter. Raises as ``kwhub.prepay.orders.switch``."""
        target = Target(address, address, _OPERATOR, self.master.versions)
        until = self.now() + VALID_FOR
        deadline = deadline_of(until, self.zone) if ticket is None else ticket.deadline
        return switch(self.master, target, command, deadline, ticket)
