"""The secure element of a medium: pair keys, one load, one usage, each in two slots.

It signs nothing but the load that the counter has put in, towards the one meter that it is paired with;
no command gives a key out. A power cut leaves each record as it was or as it is to be.

Source: kwhub; what is signed for the meter follows ``wire.terminal``.
"""

from collections.abc import Callable
from typing import Final

from kwhub.domain.errors import DecodeError, LocalError, Refusal
from kwhub.prepay import ciphers
from kwhub.prepay.element.files import CUSTOMER_OFFSET, PARAMETERS
from kwhub.prepay.master_crypto import ControlOrder, update_header
from kwhub.prepay.medium_load import LOAD_BYTES, NEVER, NOT_TOLD, NOTHING, USAGE_BYTES, Load, Usage
from kwhub.prepay.memory import Memory, TwoSlots
from kwhub.prepay.pairing import SEALED_BYTES, Receiver, proof
from kwhub.prepay.run_information import RunInformation
from kwhub.prepay.wire.terminal import CloseAndRestore, TerminalLogin, TerminalPurchase

__all__ = ["MEDIUM_BYTES", "PAIRS_MAX", "MediumElement"]

MEDIUM_BYTES: Final = 640
"""Of memory."""

PAIRS_MAX: Final = 3
"""Pair keys of different versions that a medium holds at the same time."""

_PAIR_BYTES = 1 + 16
_IDENTITY_BYTES = 8 + 16 + 6 + 6
_PERMIT_CLOSING = 0x1B
_CREDIT = bytes.fromhex("8432010C0C")
_CONTROL = bytes.fromhex("04D6880014")
_VALUES = slice(0x04, CUSTOMER_OFFSET)
_ENDING = slice(0x2A, 0x2D)


class MediumElement:
    """One element; its memory outlives it, sessions and challenges do not.

    Args:
        memory: ``MEDIUM_BYTES``.
        draw: random bytes.
    """

    def __init__(self, memory: Memory, draw: Callable[[int], bytes]) -> None:
        self._draw = draw
        self._identity = TwoSlots(memory, 0, _IDENTITY_BYTES)
        self._load = TwoSlots(memory, self._identity.size, LOAD_BYTES)
        place = self._identity.size + self._load.size
        self._usage = TwoSlots(memory, place, USAGE_BYTES)
        self._pairs = TwoSlots(memory, place + self._usage.size, PAIRS_MAX * _PAIR_BYTES)
        self._before = TwoSlots(memory, place + self._usage.size + self._pairs.size, USAGE_BYTES)
        self._challenge: bytes | None = None
        self._session: bytes | None = None
        self._receiver: Receiver | None = None

    # Issue

    def begin_issue(self) -> bytes:
        """32 bytes: the public key that the key of the pair is to be sealed to."""
        self._receiver = Receiver(self._draw)
        return self._receiver.public

    def issue(self, serial: bytes, sealed: bytes, meter: bytes, customer: bytes) -> None:
        """Pair a blank medium with a meter and its customer, or give it a pair key of another version.

        Whatever it carries stays. Its meter tells which of its keys is the right one.

        Args:
            serial: of the medium, eight bytes.
            sealed: key that it shares with the meter, as ``MasterCrypto.seal_pair`` gives it.
            meter: number, six bytes.
            customer: number, six bytes.

        Raises:
            LocalError: it is issued to somebody else, or a field does not fit.
            Refusal: the key is not for this medium, or ``begin_issue`` was left out.
        """
        if tuple(map(len, (serial, sealed, meter, customer))) != (8, SEALED_BYTES, 6, 6):
            raise LocalError("a field of the issue does not fit")
        receiver, self._receiver = self._receiver, None
        if receiver is None:
            raise Refusal(("no issue is begun",))
        version, pair = receiver.open(sealed, serial + meter + customer)
        present = self._identity.read()
        if present is not None and present[:8] + present[24:] != serial + meter + customer:
            raise LocalError("this medium is issued already: take a blank one")
        if present is None:
            self._identity.write(serial + pair + meter + customer)
        held = {number: key for number, key in self._keys() if number} | {version: pair}
        rows = [bytes((number,)) + held[number] for number in sorted(held, reverse=True)]
        record = b"".join(rows[:PAIRS_MAX]).ljust(PAIRS_MAX * _PAIR_BYTES, b"\x00")
        if record != self._pairs.read():
            self._pairs.write(record)

    @property
    def is_issued(self) -> bool:
        """Whether it is paired with a meter."""
        return self._identity.read() is not None

    @property
    def serial(self) -> bytes:
        """Eight bytes. Raises LocalError on a blank medium, as do the others."""
        return self._record()[:8]

    @property
    def meter(self) -> bytes:
        """Six bytes."""
        return self._record()[24:30]

    @property
    def customer(self) -> bytes:
        """Six bytes."""
        return self._record()[30:]

    def _record(self) -> bytes:
        record = self._identity.read()
        if record is None:
            raise LocalError("this medium is blank: have it issued first")
        return record

    @property
    def versions(self) -> tuple[int, ...]:
        """Of its pair keys, the newest first; 0 for one that was issued without a version."""
        return tuple(version for version, _ in self._keys())

    @property
    def _pair(self) -> bytes:
        """The newest: what counter and medium show each other."""
        return self._keys()[0][1]

    def _keys(self) -> list[tuple[int, bytes]]:
        record = self._pairs.read()
        if record is None:
            return [(0, self._record()[8:24])]
        rows = (record[at : at + _PAIR_BYTES] for at in range(0, len(record), _PAIR_BYTES))
        return [(row[0], row[1:]) for row in rows if row[0]]

    # At the counter

    def challenge(self) -> bytes:
        """Eight bytes, for one load."""
        self._challenge = self._draw(8)
        return self._challenge

    def take(self, raw: bytes, given: bytes) -> bytes:
        """Take a load from the counter in place of the one before.

        Args:
            raw: ``Load.to_bytes``.
            given: what ``MediumMaster.sign`` says to it.

        Returns:
            The receipt for ``MediumMaster.has_taken``.

        Raises:
            Refusal: not the counter, or not for this medium.
            DecodeError: no load.
        """
        challenge, self._challenge = self._challenge, None
        if challenge is None:
            raise Refusal(("no challenge is open",))
        expected = proof(self._pair, self.serial, challenge, raw, loaded=False)
        if not ciphers.same(expected, given):
            raise Refusal(("this is not the counter",))
        load = Load.from_bytes(raw)
        if (load.meter, load.customer) != (self.meter, self.customer):
            raise Refusal(("another meter or customer",))
        self._load.write(raw)
        if self.before is None:
            self._before.write(Usage(load.nonce, NOT_TOLD, bytes(ciphers.MAC_BYTES)).to_bytes())
        return proof(self._pair, self.serial, challenge, raw, loaded=True)

    @property
    def load(self) -> Load | None:
        """What it carries; stays until the counter puts another in."""
        raw = self._load.read()
        return None if raw is None else Load.from_bytes(raw)

    @property
    def usage(self) -> Usage | None:
        """What the meter told last; None before it told anything since this load."""
        return self._of_load(self._usage)

    @property
    def before(self) -> Usage | None:
        """What the meter told before it took the purchase of this load, ``NOT_TOLD`` before that.

        None only for a load of an edition that did not ask. Both together show that this load, and not a purchase of somebody else, has brought the number.
        """
        return self._of_load(self._before)

    def _of_load(self, slots: TwoSlots) -> Usage | None:
        raw, load = slots.read(), self.load
        if raw is None or load is None:
            return None
        usage = Usage.from_bytes(raw)
        return usage if usage.nonce == load.nonce else None

    # At the meter

    def log_in(self, version: int | None = None) -> TerminalLogin:
        """Begin a session. The load's nonce ends the random, so that all that is read is signed over it.

        Args:
            version: one of ``versions``; None for the newest.

        Raises:
            LocalError: it has no pair key of that version.
        """
        load, keys = self.load, dict(self._keys())
        pair = self._pair if version is None else keys.get(version)
        if pair is None:
            raise LocalError(f"this medium has no key of version {version}")
        random = self._draw(4) + (bytes(4) if load is None else load.nonce)
        self._session = ciphers.session_key(pair, random)
        return TerminalLogin(ciphers.authentication(pair, random), random, self.serial)

    def purchase(self, nonce: bytes) -> TerminalPurchase:
        """Sign the purchase over the meter's random. Raises LocalError when there is none."""
        load = self.load
        if load is None or load.kind == NOTHING:
            raise LocalError("this medium carries no purchase")
        content = load.parameters
        money = load.amount.to_bytes(4) + load.count.to_bytes(4)
        return TerminalPurchase(
            self.serial,
            load.nonce,
            load.kind,
            load.amount,
            load.count,
            self._mac(nonce, _CREDIT, money),
            self._file_mac(nonce, CUSTOMER_OFFSET, load.customer),
            content,
            self._file_mac(nonce, _VALUES.start, content[_VALUES]),
            self._file_mac(nonce, _ENDING.start, content[_ENDING]),
        )

    @property
    def may_permit(self) -> bool:
        """Whether the counter lets it permit closing."""
        load = self.load
        return load is not None and load.until != NEVER

    def permit(self, nonce: bytes) -> CloseAndRestore:
        """Seal the permission to close, with the counter's deadline. Raises LocalError without it."""
        load = self.load
        if load is None or not self.may_permit:
            raise LocalError("this medium may not permit closing")
        plain = ControlOrder(_PERMIT_CLOSING, 0, load.until).plain
        return CloseAndRestore(ciphers.seal_order(self._key(), nonce, _CONTROL, plain))

    def keep(self, run_information: bytes, mac: bytes) -> RunInformation:
        """Keep what the meter told; never something that is older.

        Raises:
            DecodeError: no run information, or that of another meter.
            LocalError: nothing was loaded yet.
        """
        told = RunInformation.from_bytes(run_information)
        if told.meter != self.meter:
            raise DecodeError("bad_value", "the run information is that of another meter")
        load = self.load
        if load is None:
            raise LocalError("this medium carries no load")
        before = self.usage
        known = 0 if before is None else RunInformation.from_bytes(before.run_information).count
        raw = Usage(load.nonce, run_information, mac).to_bytes()
        if load.kind != NOTHING and told.count == load.count - 1:
            self._before.write(raw)
        if told.count >= known:
            self._usage.write(raw)
        return told

    def _key(self) -> bytes:
        if self._session is None:
            raise LocalError("no session with the meter is open")
        return self._session

    def _mac(self, nonce: bytes, header: bytes, data: bytes) -> bytes:
        return ciphers.mac(self._key(), nonce, header, data)

    def _file_mac(self, nonce: bytes, offset: int, data: bytes) -> bytes:
        return self._mac(nonce, update_header(PARAMETERS, offset, len(data)), data)
