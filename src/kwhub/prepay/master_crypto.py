"""What the vending side and the head-end ask of a master crypto, without ever holding a key.

Behind ``MasterCrypto`` stands software, a PKCS#11 module or a utility's crypto machine; the cut is at
whole operations, as with the real machines.

Source: operations and their inputs follow the crypto machine interface of public master-station
code (login, control, recharge, key package, read-back).
"""

from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Protocol

from kwhub.domain.errors import LocalError
from kwhub.prepay import ciphers
from kwhub.prepay.keys import Purpose
from kwhub.prepay.trip_tickets import TripTicket

__all__ = ["ControlOrder", "Login", "MasterCrypto", "Recharge", "deadline_of", "update_header"]

CONTROL_BYTES = 16
NO_DEADLINE = b"\x99" * 6


def update_header(file: int, offset: int, length: int) -> bytes:
    """Return the header of a write of ``length`` bytes with MAC into a file."""
    return bytes((0x04, 0xD6, 0x80 | file, offset, length + ciphers.MAC_BYTES))


def deadline_of(until: datetime, zone: tzinfo) -> bytes:
    """A moment as the clock of a meter in that zone shows it: year to second, BCD."""
    return bytes.fromhex(f"{until.astimezone(zone):%y%m%d%H%M%S}")


@dataclass(frozen=True, slots=True)
class Login:
    """The opening of a session with one meter; holds no key."""

    factor: bytes
    version: int
    first_random: bytes  #: eight bytes
    cipher: bytes = field(repr=False)  #: shows the meter that we have its key


@dataclass(frozen=True, slots=True)
class Recharge:
    """The data of a purchase for a meter."""

    amount: int  #: hundredths of the currency
    count: int
    customer: bytes  #: six bytes
    money_mac: bytes = field(repr=False)
    customer_mac: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ControlOrder:
    """A command for the relay before it is sealed.  Source: DL/T 645-2007, control code 1C."""

    command: int
    delay: int = 0
    deadline: bytes = NO_DEADLINE  #: year, month, day, hour, minute, second in BCD

    @property
    def plain(self) -> bytes:
        """Sixteen bytes, filled up with zeros."""
        if len(self.deadline) != 6:
            raise LocalError("a deadline has six bytes")
        return (bytes((self.command, self.delay)) + self.deadline).ljust(CONTROL_BYTES, b"\x00")


class MasterCrypto(Protocol):
    """Operations of the side that has the root keys."""

    def login(self, factor: bytes, version: int | None = None) -> Login:
        """Open a session with the meter of a factor."""

    def mac(
        self,
        login: Login,
        nonce: bytes,
        purpose: Purpose,
        header: bytes,
        data: bytes,
        ticket: TripTicket | None = None,
    ) -> bytes:
        """Return the MAC of a protected write; not for money, orders and keys.

        What can make the meter open its relay (limits of money, prices) needs a ticket of the guard for it.
        """

    def control(
        self, login: Login, nonce: bytes, order: ControlOrder, ticket: TripTicket | None = None
    ) -> bytes:
        """Seal an order for the relay: 20 bytes. One that opens it needs a ticket of the guard for it."""

    def recharge(
        self, login: Login, nonce: bytes, amount: int, count: int, customer: bytes
    ) -> Recharge:
        """Sign a purchase."""

    def refund(
        self, login: Login, nonce: bytes, amount: int, ticket: TripTicket | None = None
    ) -> bytes:
        """Return the MAC of a refund, which needs a ticket of its guard."""

    def confirm_customer(self, login: Login, nonce: bytes, customer: bytes) -> bytes:
        """Return the MAC over a customer number alone, for what moves money without a purchase."""

    def initialise_wallet(self, login: Login, nonce: bytes, amount: int) -> tuple[bytes, bytes]:
        """Return the MACs over the money and over the count, which becomes zero."""

    def key_package(
        self, login: Login, nonce: bytes, purpose: Purpose, version: int, *, formal: bool
    ) -> bytes:
        """Seal the meter's key of a purpose and version: 32 bytes."""

    def sign_keys(self, login: Login, nonce: bytes, data: bytes) -> bytes:
        """Return the MAC over a frame of key packages, as it is written into file 16."""

    def seal_parameter(
        self,
        login: Login,
        nonce: bytes,
        header: bytes,
        plain: bytes,
        ticket: TripTicket | None = None,
    ) -> bytes:
        """Encipher a parameter (whole blocks of 16 bytes) and put the MAC behind it. Tickets as for ``mac``."""

    def verify_read_back(self, login: Login, header: bytes, data: bytes, mac: bytes) -> bool:
        """Say whether data that was read with MAC comes from the meter's element."""

    @property
    def versions(self) -> tuple[int, ...]:
        """Of the keys that meters and media may have, the newest first."""

    def verify_return(
        self, factor: bytes, serial: bytes, nonce: bytes, header: bytes, data: bytes, mac: bytes
    ) -> bool:
        """Say whether what a medium brings back was signed for it by the meter's element, with keys of any version.

        Args:
            factor: of the meter.
            serial: of the medium, eight bytes.
            nonce: the four bytes that the medium sent to the meter.
            header: five bytes that the element computed with.
            data: what the meter told.
            mac: four bytes.
        """

    def compare_firmware(self, login: Login, code: bytes) -> bytes:
        """Return what a meter with these 64 bytes of firmware must answer to a comparison."""

    def answer_infrared(self, factor: bytes, challenge: bytes, version: int | None = None) -> bytes:
        """Return the eight bytes that open a meter's infrared port."""

    def seal_pair(
        self,
        factor: bytes,
        serial: bytes,
        customer: bytes,
        public: bytes,
        version: int | None = None,
    ) -> bytes:
        """Seal the key of one medium with one meter to the element of that medium, see ``pairing``.

        Args:
            factor: of the meter.
            serial: of the medium, eight bytes.
            customer: six bytes.
            public: key of the element, 32 bytes.
            version: of the meter's keys; None for the newest.
        """

    def sign_load(
        self,
        factor: bytes,
        serial: bytes,
        challenge: bytes,
        load: bytes,
        version: int | None = None,
    ) -> bytes:
        """Let a medium take a load (``Load.to_bytes``); for a load of its own meter only, without parameters."""

    def check_receipt(
        self,
        factor: bytes,
        serial: bytes,
        challenge: bytes,
        load: bytes,
        receipt: bytes,
        version: int | None = None,
    ) -> bool:
        """Say whether a medium has signed that it holds this load and no other."""
