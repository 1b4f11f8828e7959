"""Tickets between the guards and the master crypto: who has only the one or the other trips nobody and refunds nothing.

A ticket names one meter, one operation and one deadline. The guard signs it, the master crypto checks the signature with
the public half of that key, lets no ticket through twice, and seals nothing else that can put a customer in the dark.
The guard's key lives as long as its process: a ticket that was not used by then is worth nothing.

Source: kwhub; Ed25519 (RFC 8032); operations: DL/T 645-2007, control code 1C, and its 2014 additions for cost control.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kwhub.domain.errors import LocalError, Refusal
from kwhub.prepay.wire.parameters import PLAIN_FILES

__all__ = [
    "TRIP_COMMANDS",
    "TicketGate",
    "TicketPress",
    "TripTicket",
    "can_open",
    "parameter_operation",
    "refund_operation",
    "relay_operation",
    "written_operation",
]

TRIP_COMMANDS: Final = frozenset({0x1A, 0x1D, 0x1E})
"""N1 of the orders that open a relay: for good, or for some time."""

_OPENING: Final = ((8, 0x04_0010), (8, 0x04_0014), (16, 0x0405), (16, 0x0406))
"""Shift and group of identifiers: limits of money, delay of trips, prices and tiers."""

_FILE_MASK = 0x7F
_DEADLINE_BYTES = 6


def can_open(identifier: int) -> bool:
    """Whether writing a parameter can make a meter open its own relay, by cost control."""
    return any(identifier >> shift == group for shift, group in _OPENING)


def relay_operation(command: int, delay: int = 0) -> str:
    """The name of an order for the relay, as a ticket has it."""
    return f"relay {command:02x} {delay:02x}"


def parameter_operation(identifier: int) -> str:
    """The name of a write, as a ticket has it."""
    return f"parameter {identifier:08x}"


def refund_operation(amount: int) -> str:
    """The name of a refund, as a ticket has it; hundredths."""
    return f"refund {amount}"


def written_operation(header: bytes, length: int) -> str | None:
    """The name of a write in clear that can open a relay; None for one that cannot.

    Args:
        header: five bytes of the write into a file of the element.
        length: of its data.

    Raises:
        LocalError: it touches such a place and is none of the known parameters.
    """
    file, offset = header[2] & _FILE_MASK, header[3]
    touched = [
        (identifier, place)
        for identifier, place in PLAIN_FILES.items()
        if can_open(identifier)
        and place.file == file
        and offset < place.offset + place.size_max
        and place.offset < offset + length
    ]
    if not touched:
        return None
    for identifier, place in touched:
        if offset == place.offset and len(touched) == 1 and length <= place.size_max:
            return parameter_operation(identifier)
    raise LocalError(f"file {file:02X} at {offset:02X}: no parameter begins and ends there")


@dataclass(frozen=True, slots=True)
class TripTicket:
    """The right to one operation at one meter.

    Attributes:
        number: of the guard's order.
        meter: 12 digits.
        operation: as ``relay_operation`` and ``parameter_operation`` name it.
        deadline: what the meter holds it to by its own clock: year to second, BCD.
        until_s: the master crypto takes it until then, seconds since 1970 UTC.
        signature: of the guard.
    """

    number: int
    meter: str
    operation: str
    deadline: bytes
    until_s: int
    signature: bytes = field(default=b"", repr=False)

    @property
    def message(self) -> bytes:
        """What is signed."""
        head = f"kwhub trip {self.number} {self.meter} {self.operation} {self.until_s} "
        return head.encode() + self.deadline


class TicketPress:
    """The guard's half: signs. Only the guard has it.

    Attributes:
        public: for the master crypto, 32 bytes.
    """

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public = self._key.public_key().public_bytes_raw()

    def signed(self, ticket: TripTicket) -> TripTicket:
        """The same with a signature."""
        given = (ticket.number, ticket.meter, ticket.operation, ticket.deadline, ticket.until_s)
        return TripTicket(*given, self._key.sign(ticket.message))


class TicketGate:
    """The half of the master crypto: lets each ticket through once.

    Args:
        public: key of the guard, 32 bytes.
        now_s: seconds since 1970 UTC; time never goes back here.
    """

    def __init__(self, public: bytes, now_s: Callable[[], int]) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(public)
        self._now_s, self._newest_s = now_s, 0
        self._spent: dict[bytes, int] = {}  #: until when each of them would have held

    def spend(
        self, ticket: TripTicket | None, meter: str, operation: str, deadline: bytes | None = None
    ) -> None:
        """Use a ticket up.

        Args:
            ticket: as the guard gave it.
            meter: that is to be changed, 12 digits.
            operation: what is to be done.
            deadline: that would be sealed; None where the meter is told none.

        Raises:
            Refusal: there is none, it is not the guard's, it is for something else, it is too late, or it was used.
        """
        if ticket is None:
            raise Refusal((f"{operation} needs a ticket of the guard",))
        try:
            self._key.verify(ticket.signature, ticket.message)
        except InvalidSignature:
            raise Refusal(("the ticket was not issued by this guard",)) from None
        if (ticket.meter, ticket.operation) != (meter, operation):
            raise Refusal((f"the ticket is for {ticket.operation} of meter {ticket.meter}",))
        if deadline is not None and (
            deadline != ticket.deadline or len(deadline) != _DEADLINE_BYTES
        ):
            raise Refusal(("the ticket has another deadline",))
        now_s = self._newest_s = max(self._newest_s, self._now_s())
        if now_s > ticket.until_s:
            raise Refusal(("the ticket is too old",))
        self._spent = {each: until for each, until in self._spent.items() if until >= now_s}
        if ticket.signature in self._spent:
            raise Refusal(("the ticket was used",))
        self._spent[ticket.signature] = ticket.until_s
