"""The master crypto in software.

Source: as ``master_crypto``; the algorithms are those of ``ciphers``.
"""

from collections.abc import Callable

from kwhub.domain.errors import LocalError, Refusal
from kwhub.prepay import ciphers
from kwhub.prepay.element.files import CUSTOMER_OFFSET, KEY_FRAME, PARAMETERS
from kwhub.prepay.keys import KeySource, Purpose
from kwhub.prepay.master_crypto import ControlOrder, Login, Recharge, update_header
from kwhub.prepay.medium_load import Load, parameters_for
from kwhub.prepay.pairing import proof, seal
from kwhub.prepay.trip_tickets import (
    TRIP_COMMANDS,
    TicketGate,
    TripTicket,
    can_open,
    parameter_operation,
    refund_operation,
    relay_operation,
    written_operation,
)

__all__ = ["SoftwareMaster"]

AMOUNT_MAX = 0xFFFF_FFFF

_CREDIT = bytes.fromhex("8432010C0C")
_REFUND = bytes.fromhex("8430020C08")
_CONTROL = bytes.fromhex("04D6880014")
_WALLET_MONEY = bytes.fromhex("04DC010C08")
_COMPARE = bytes.fromhex("80FA010040")
_WALLET_COUNT = bytes.fromhex("04DC030C08")


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
            what = "refunds nothing" if operation.startswith("refund") else "trips nobody"
            raise Refusal((f"this master crypto {what}: no guard stands before it",))
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

    def refund(
        self, login: Login, nonce: bytes, amount: int, ticket: TripTicket | None = None
    ) -> bytes:
        """Sign a refund; see ``MasterCrypto``. Raises Refusal: the ticket is not for it."""
        self._spend(ticket, login, refund_operation(amount))
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
        found = False
        for version in self.versions:
            child = self._keys.child(Purpose.READ_BACK, factor, version)
            session = ciphers.session_key(child, serial)
            found |= ciphers.same(mac, ciphers.mac(session, nonce, header, data))
        return found

    def compare_firmware(self, login: Login, code: bytes) -> bytes:
        """Compute a comparison; see ``MasterCrypto``."""
        session, nonce = self._session(login, Purpose.READ_BACK), login.first_random[-4:]
        return ciphers.seal_order(session, nonce, _COMPARE, code)[: len(code)]

    def verify_read_back(self, login: Login, header: bytes, data: bytes, mac: bytes) -> bool:
        """Check what was read; see ``MasterCrypto``."""
        session = self._session(login, Purpose.READ_BACK)
        nonce = login.first_random[-4:]
        return ciphers.same(mac, ciphers.mac(session, nonce, header, data))

    def answer_infrared(self, factor: bytes, challenge: bytes, version: int | None = None) -> bytes:
        """Open an infrared port; see ``MasterCrypto``."""
        child = self._keys.child(Purpose.INFRARED, factor, version)
        return ciphers.authentication(child, challenge)

    def seal_pair(
        self,
        factor: bytes,
        serial: bytes,
        customer: bytes,
        public: bytes,
        version: int | None = None,
    ) -> bytes:
        """Seal the key of a medium; see ``MasterCrypto``."""
        about, wanted = serial + factor[2:] + customer, version or self._keys.newest
        return seal(public, wanted, self._pair(factor, serial, wanted), about, self._draw)

    def sign_load(
        self,
        factor: bytes,
        serial: bytes,
        challenge: bytes,
        load: bytes,
        version: int | None = None,
    ) -> bytes:
        """Sign a load; see ``MasterCrypto``.

        Raises:
            LocalError: it is for another meter, or carries limits: a medium brings money and nothing that trips.
        """
        taken = Load.from_bytes(load)
        if factor[2:] != taken.meter:
            raise LocalError("the load names another meter than the medium is paired with")
        if taken.parameters != parameters_for(taken.meter, taken.customer):
            raise LocalError("a medium carries no parameters of the meter")
        pair = self._pair(factor, serial, version)
        return proof(pair, serial, challenge, load, loaded=False)

    def check_receipt(
        self,
        factor: bytes,
        serial: bytes,
        challenge: bytes,
        load: bytes,
        receipt: bytes,
        version: int | None = None,
    ) -> bool:
        """Check the receipt of a medium; see ``MasterCrypto``."""
        pair = self._pair(factor, serial, version)
        wanted = proof(pair, serial, challenge, load, loaded=True)
        return ciphers.same(wanted, receipt)

    @property
    def versions(self) -> tuple[int, ...]:
        """See ``MasterCrypto``."""
        return tuple(reversed(self._keys.versions))

    def _pair(self, factor: bytes, serial: bytes, version: int | None) -> bytes:
        return ciphers.session_key(self._keys.child(Purpose.CARD, factor, version), serial)

    def _session(self, login: Login, purpose: Purpose) -> bytes:
        child = self._keys.child(purpose, login.factor, login.version)
        return ciphers.session_key(child, login.first_random)
