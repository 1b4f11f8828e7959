"""The master crypto: what the vending side and the head-end ask, without ever holding a key.

Behind ``MasterCrypto`` stands software, a PKCS#11 module or a utility's crypto machine; the cut is at
whole operations, as with the real machines.

Source: operations and their inputs follow the crypto machine interface of public master-station
code (login, control, recharge, key package, read-back); the algorithms are those of ``ciphers``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Protocol

from kwhub.domain.errors import LocalError, Refusal
from kwhub.prepay import ciphers
from kwhub.prepay.element.files import CUSTOMER_OFFSET, KEY_FRAME, PARAMETERS
from kwhub.prepay.keys import KeySource, Purpose
from kwhub.prepay.medium_load import Load, parameters_for
from kwhub.prepay.pairing import proof, seal
from kwhub.prepay.trip_tickets import (
    TRIP_COMMANDS,
    TicketGate,
    TripTicket,
    can_open,
    parameter_operation,
    relay_operation,
    written_operation,
)

__all__ = [
    "ControlOrder",
    "Login",
    "MasterCrypto",
    "Recharge",
    "SoftwareMaster",
    "deadline_of",
    "update_header",
]

AMOUNT_MAX = 0xFFFF_FFFF
CONTROL_BYTES = 16
NO_DEADLINE = b"\x99" * 6

_CREDIT = bytes.fromhex("8432010C0C")
_REFUND = bytes.fromhex("8430020C08")
_CONTROL = bytes.fromhex("04D6880014")
_WALLET_MONEY = bytes.fromhex("04DC010C08")
_COMPARE = bytes.fromhex("80FA010040")
_WALLET_COUNT = bytes.fromhex("04DC030C08")


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

    def refund(self, login: Login, nonce: bytes, amount: int) -> bytes:
        """Return the MAC of a refund."""

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

    def verify_return(
        self, factor: bytes, serial: bytes, nonce: bytes, header: bytes, data: bytes, mac: bytes
    ) -> bool:
        """Say whether what a medium brings back was signed for it by the meter's element.

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

    def answer_infrared(self, factor: bytes, challenge: bytes) -> bytes:
        """Return the eight bytes that open a meter's infrared port."""

    def seal_pair(self, factor: bytes, serial: bytes, customer: bytes, public: bytes) -> bytes:
        """Seal the key of one medium with one meter to the element of that medium, see ``pairing``.

        Args:
            factor: of the meter.
            serial: of the medium, eight bytes.
            customer: six bytes.
            public: key of the element, 32 bytes.
        """

    def sign_load(self, factor: bytes, serial: bytes, challenge: bytes, load: bytes) -> bytes:
        """Let a medium take a load (``Load.to_bytes``); for a load of its own meter only, without parameters."""

    def check_receipt(
        self, factor: bytes, serial: bytes, challenge: bytes, load: bytes, receipt: bytes
    ) -> bool:
        """Say whether a medium has signed that it holds this load and no other."""


class SoftwareMaster:
    """A master crypto whose operations run in software.

    With root keys in memory it is for simulation, development and small sites at their own risk; with a
    token as ``KeySource`` the root keys are out of its reach, and only the key of the meter in hand is
    here for the moment of its use.
    """

    def __init__(
        self, keys: KeySource, draw: Callable[[int], bytes], gate: TicketGate | None = None
    ) -> None:
        """Take the source of keys, after the known answers were computed.

        Args:
            keys: where the keys of meters come from.
            draw: random bytes.
            gate: lets through what can put a customer in the dark; without one nothing of that kind is sealed.

        Raises:
            LocalError: the cryptography library computes wrong answers.
        """
        ciphers.check_known_answers()
        self._keys = keys
        self._draw = draw
        self._gate = gate

    def login(self, factor: bytes, version: int | None = None) -> Login:
        """Open a session; see ``MasterCrypto``."""
        wanted = self._keys.newest if version is None else version
        random = self._draw(8)
        child = self._keys.child(Purpose.IDENTITY, factor, wanted)
        return Login(factor, wanted, random, ciphers.authentication(child, random))

    def mac(
        self,
        login: Login,
        nonce: bytes,
        purpose: Purpose,
        header: bytes,
        data: bytes,
        ticket: TripTicket | None = None,
    ) -> bytes:
        """Sign a protected write; see ``MasterCrypto``.

        Raises:
            LocalError: the purpose has an operation of its own.
            Refusal: it can open a relay, and the ticket is not for it.
        """
        if purpose is not Purpose.PARAMETER:
            raise LocalError(f"{purpose.name.lower()} has an operation of its own")
        operation = written_operation(header, len(data))
        if operation is not None:
            self._spend(ticket, login, operation)
        return ciphers.mac(self._session(login, purpose), nonce, header, data)

    def control(
        self, login: Login, nonce: bytes, order: ControlOrder, ticket: TripTicket | None = None
    ) -> bytes:
        """Seal an order; see ``MasterCrypto``. Raises Refusal: it is a trip, and the ticket is not for it."""
        plain = order.plain
        if order.command in TRIP_COMMANDS:
            operation = relay_operation(order.command, order.delay)
            self._spend(ticket, login, operation, order.deadline)
        session = self._session(login, Purpose.CONTROL)
        return ciphers.seal_order(session, nonce, _CONTROL, plain)

    def _spend(
        self,
        ticket: TripTicket | None,
        login: Login,
        operation: str,
        deadline: bytes | None = None,
    ) -> None:
        if self._gate is None:
            raise Refusal(("this master crypto trips nobody: no guard stands before it",))
        self._gate.spend(ticket, login.factor[2:].hex(), operation, deadline)

    def recharge(
        self, login: Login, nonce: bytes, amount: int, count: int, customer: bytes
    ) -> Recharge:
        """Sign a purchase; see ``MasterCrypto``.

        Raises:
            LocalError: an amount or count that does not fit four bytes, or is not above zero.
        """
        if not (0 < amount <= AMOUNT_MAX and 0 < count <= AMOUNT_MAX):
            raise LocalError("amount and count are above zero and fit four bytes")
        session = self._session(login, Purpose.MONEY)
        money = amount.to_bytes(4) + count.to_bytes(4)
        return Recharge(
            amount,
            count,
            customer,
            ciphers.mac(session, nonce, _CREDIT, money),
            self.confirm_customer(login, nonce, customer),
        )

    def refund(self, login: Login, nonce: bytes, amount: int) -> bytes:
        """Sign a refund; see ``MasterCrypto``."""
        session = self._session(login, Purpose.MONEY)
        return ciphers.mac(session, nonce, _REFUND, amount.to_bytes(4))

    def confirm_customer(self, login: Login, nonce: bytes, customer: bytes) -> bytes:
        """Sign a customer number; see ``MasterCrypto``."""
        header = update_header(PARAMETERS, CUSTOMER_OFFSET, len(customer))
        return ciphers.mac(self._session(login, Purpose.MONEY), nonce, header, customer)

    def initialise_wallet(self, login: Login, nonce: bytes, amount: int) -> tuple[bytes, bytes]:
        """Sign the first money and a count of zero; see ``MasterCrypto``."""
        session = self._session(login, Purpose.MONEY)
        return (
            ciphers.mac(session, nonce, _WALLET_MONEY, amount.to_bytes(4)),
            ciphers.mac(session, nonce, _WALLET_COUNT, bytes(4)),
        )

    def key_package(
        self, login: Login, nonce: bytes, purpose: Purpose, version: int, *, formal: bool
    ) -> bytes:
        """Seal a key; see ``MasterCrypto``."""
        session = self._session(login, Purpose.KEY_UPDATE)
        key = self._keys.child(purpose, login.factor, version)
        return ciphers.seal_key(session, nonce, bytes((purpose, version, formal)), key)

    def sign_keys(self, login: Login, nonce: bytes, data: bytes) -> bytes:
        """Sign a frame of key packages; see ``MasterCrypto``."""
        session = self._session(login, Purpose.KEY_UPDATE)
        return ciphers.mac(session, nonce, update_header(KEY_FRAME, 0, len(data)), data)

    def seal_parameter(
        self,
        login: Login,
        nonce: bytes,
        header: bytes,
        plain: bytes,
        ticket: TripTicket | None = None,
    ) -> bytes:
        """Seal a parameter; see ``MasterCrypto``. Raises Refusal: as ``mac``."""
        identifier = int.from_bytes(plain[1:5])
        if can_open(identifier):
            self._spend(ticket, login, parameter_operation(identifier))
        return ciphers.seal_order(self._session(login, Purpose.PARAMETER), nonce, header, plain)

    def verify_return(
        self, factor: bytes, serial: bytes, nonce: bytes, header: bytes, data: bytes, mac: bytes
    ) -> bool:
        """Check what a medium brings back; see ``MasterCrypto``."""
        child = self._keys.child(Purpose.READ_BACK, factor)
        session = ciphers.session_key(child, serial)
        return ciphers.same(mac, ciphers.mac(session, nonce, header, data))

    def compare_firmware(self, login: Login, code: bytes) -> bytes:
        """Compute a comparison; see ``MasterCrypto``."""
        session, nonce = self._session(login, Purpose.READ_BACK), login.first_random[-4:]
        return ciphers.seal_order(session, nonce, _COMPARE, code)[: len(code)]

    def verify_read_back(self, login: Login, header: bytes, data: bytes, mac: bytes) -> bool:
        """Check what was read; see ``MasterCrypto``."""
        session = self._session(login, Purpose.READ_BACK)
        nonce = login.first_random[-4:]
        return ciphers.same(mac, ciphers.mac(session, nonce, header, data))

    def answer_infrared(self, factor: bytes, challenge: bytes) -> bytes:
        """Open an infrared port; see ``MasterCrypto``."""
        return ciphers.authentication(self._keys.child(Purpose.INFRARED, factor), challenge)

    def seal_pair(self, factor: bytes, serial: bytes, customer: bytes, public: bytes) -> bytes:
        """Seal the key of a medium; see ``MasterCrypto``."""
        about = serial + factor[2:] + customer
        return seal(public, self._pair(factor, serial), about, self._draw)

    def sign_load(self, factor: bytes, serial: bytes, challenge: bytes, load: bytes) -> bytes:
        """Sign a load; see ``MasterCrypto``.

        Raises:
            LocalError: it is for another meter, or carries limits: a medium brings money and nothing that trips.
        """
        taken = Load.from_bytes(load)
        if factor[2:] != taken.meter:
            raise LocalError("the load names another meter than the medium is paired with")
        if taken.parameters != parameters_for(taken.meter, taken.customer):
            raise LocalError("a medium carries no parameters of the meter")
        return proof(self._pair(factor, serial), serial, challenge, load, loaded=False)

    def check_receipt(
        self, factor: bytes, serial: bytes, challenge: bytes, load: bytes, receipt: bytes
    ) -> bool:
        """Check the receipt of a medium; see ``MasterCrypto``."""
        wanted = proof(self._pair(factor, serial), serial, challenge, load, loaded=True)
        return ciphers.same(wanted, receipt)

    def _pair(self, factor: bytes, serial: bytes) -> bytes:
        return ciphers.session_key(self._keys.child(Purpose.CARD, factor), serial)

    def _session(self, login: Login, purpose: Purpose) -> bytes:
        child = self._keys.child(purpose, login.factor, login.version)
        return ciphers.session_key(child, login.first_random)
