"""A secure element in software: the commands of a meter's ESAM over files, keys and a wallet.

What it keeps, it keeps in two slots (``memory.TwoSlots``): a power cut at any step leaves each file,
each key and the wallet as it was before the command or as it is after it. Money and purchase count
are one record.

Source: commands and files as in ``commands`` and ``files``; the algorithms inside are those of
``ciphers`` (profile ``cn-soft``).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from kwhub.prepay import ciphers
from kwhub.prepay.element.commands import Command, Instruction, parse
from kwhub.prepay.element.files import (
    CUSTOMER_OFFSET,
    FILES,
    KEY_INFORMATION,
    METER_OFFSET,
    PARAMETERS,
    SERIAL,
    FileFacts,
)
from kwhub.prepay.element.interface import Status
from kwhub.prepay.element.sessions import Answer, Draw, Sessions
from kwhub.prepay.keys import FACTOR_BYTES, KeySet, Purpose
from kwhub.prepay.memory import Memory, TwoSlots

__all__ = ["MEMORY_BYTES", "Draw", "SoftwareElement"]

MEMORY_BYTES = 8_192
MONEY_MAX = 0xFFFF_FFFF

_STORED = {number: facts for number, facts in FILES.items() if number != KEY_INFORMATION}
_ATR = bytes.fromhex("3B690000")
_WALLET_BYTES = 8
_KEY_BYTES = 18  #: version, state, key
_CUSTOMER_BYTES = 6
_MAC = ciphers.MAC_BYTES
_BLOCK = ciphers.BLOCK_BYTES


class SoftwareElement:
    """One element; its memory outlives it, its sessions do not."""

    def __init__(self, memory: Memory, draw: Draw) -> None:
        """Take up a memory that ``personalise`` has written.

        Args:
            memory: at least ``MEMORY_BYTES``.
            draw: random bytes; a real source in the field, a seeded one in a simulation.
        """
        self._sessions = Sessions(self._key, self._meter_number, draw)
        place = 0
        self._files: dict[int, TwoSlots] = {}
        for number, facts in _STORED.items():
            self._files[number] = TwoSlots(memory, place, facts.length)
            place += self._files[number].size
        self._keys: dict[Purpose, TwoSlots] = {}
        for purpose in Purpose:
            self._keys[purpose] = TwoSlots(memory, place, _KEY_BYTES)
            place += self._keys[purpose].size
        self._wallet = TwoSlots(memory, place, _WALLET_BYTES)
        self._handlers: Mapping[int, Callable[[Command], Answer]] = {
            Instruction.SELECT: self._select,
            Instruction.GET_CHALLENGE: self._sessions.get_challenge,
            Instruction.CIPHER: self._sessions.cipher,
            Instruction.GET_RESPONSE: self._sessions.get_response,
            Instruction.INTERNAL_SESSION: self._sessions.internal_session,
            Instruction.EXTERNAL_AUTHENTICATE: self._sessions.external_authenticate,
            Instruction.READ_BINARY: self._read_binary,
            Instruction.READ_RECORD: self._read_record,
            Instruction.UPDATE_BINARY: self._update_binary,
            Instruction.UPDATE_RECORD: self._update_record,
            Instruction.INCREASE: self._increase,
            Instruction.DECREASE: self._decrease,
            Instruction.WRITE_KEY: self._write_key,
        }

    def personalise(self, serial: bytes, meter: bytes, keys: KeySet) -> None:
        """Write a new element: serial of eight bytes, meter number of six, every key; no money."""
        for number, facts in _STORED.items():
            self._files[number].write(bytes(facts.length))
        self._files[SERIAL].write((b"\x00" + serial).ljust(FILES[SERIAL].length, b"\x00"))
        self._patch(PARAMETERS, METER_OFFSET, meter)
        for purpose, key in keys.keys.items():
            self._keep_key(purpose, keys.version, purpose in keys.formal, key)
        self._wallet.write(bytes(_WALLET_BYTES))

    # What the device may see without a command, for its own display and its tests.

    @property
    def wallet(self) -> tuple[int, int]:
        """Money in hundredths, and the purchase count."""
        raw = self._wallet.read() or bytes(_WALLET_BYTES)
        return int.from_bytes(raw[:4]), int.from_bytes(raw[4:])

    @property
    def key_state(self) -> int:
        """Bit n set: key n is formal."""
        return sum(
            1 << purpose for purpose in Purpose if (self._keys[purpose].read() or b"\x00\x00")[1]
        )

    def reset(self) -> bytes:
        """Forget every session; see ``SecureElement``."""
        self._sessions.forget()
        return _ATR + (self._files[SERIAL].read() or bytes(16))[1:9] + b"\x00"

    def transmit(self, apdu: bytes) -> Answer:
        """Carry out one command; see ``SecureElement``."""
        command = parse(apdu)
        if command is None:
            return b"", Status.WRONG_LENGTH
        allowed = _CLASSES.get(command.ins)
        if allowed is None:
            return b"", Status.UNKNOWN_INSTRUCTION
        if command.cla not in allowed:
            return b"", Status.UNKNOWN_CLASS
        return self._handlers[command.ins](command)

    def _select(self, _command: Command) -> Answer:
        return b"", Status.OK

    # Files

    def _read_binary(self, command: Command) -> Answer:
        if command.cla == 0x04:
            return self._read_with_mac(command)
        found = self._file(command)
        if found is None:
            return b"", Status.NO_SUCH_FILE
        number, facts = found
        end = command.p2 + command.length
        if end > facts.length:
            return b"", Status.WRONG_PLACE
        return self._content(number)[command.p2 : end], Status.OK

    def _read_with_mac(self, command: Command) -> Answer:
        """Data: four bytes of the reader's random, the header to compute with, the factor."""
        found = self._file(command)
        if found is None:
            return b"", Status.NO_SUCH_FILE
        if len(command.data) != 0x11 or not self._sessions.is_open:
            return b"", Status.CONDITIONS
        nonce, header = command.data[:4], command.data[4:9]
        length = header[4] - _MAC - FACTOR_BYTES
        number, facts = found
        if length <= 0 or command.p2 + length > facts.length:
            return b"", Status.WRONG_PLACE
        content = self._content(number)[command.p2 : command.p2 + length]
        return content + self._sign(nonce, header, content), Status.OK

    def _read_record(self, command: Command) -> Answer:
        money, count = self.wallet
        value = {1: money, 3: count}.get(command.p1)
        if value is None:
            return b"", Status.NO_SUCH_RECORD
        content = value.to_bytes(4)
        if command.cla == 0x00:
            return content, Status.OK
        if len(command.data) != 0x11 or not self._sessions.is_open:
            return b"", Status.CONDITIONS
        return content + self._sign(command.data[:4], command.data[4:9], content), Status.OK

    def _update_binary(self, command: Command) -> Answer:
        found = self._file(command)
        if found is None:
            return b"", Status.NO_SUCH_FILE
        number, facts = found
        if command.cla == 0x00:
            if not facts.plain:
                return b"", Status.NOT_SUPPORTED
            content: bytes | int = command.data
        else:
            content = self._protected(command, number, facts)
        if isinstance(content, int):
            return b"", content
        if command.p2 + len(content) > facts.length:
            return b"", Status.WRONG_PLACE
        self._patch(number, command.p2, content)
        return b"", Status.OK

    def _protected(self, command: Command, number: int, facts: FileFacts) -> bytes | int:
        """Check MAC and cipher of a write; its content, or the status that refuses it."""
        if facts.writes is None:
            return Status.NOT_SUPPORTED
        if len(command.data) <= _MAC:
            return Status.WRONG_LENGTH
        is_customer = (number, command.p2) == (PARAMETERS, CUSTOMER_OFFSET)
        session = self._sessions.key(Purpose.MONEY if is_customer else facts.writes)
        if session is None or self._sessions.nonce is None:
            return Status.CONDITIONS
        return self._open(command, session) if facts.sealed else self._bare(command, session)

    def _bare(self, command: Command, session: bytes) -> bytes | int:
        content, given = command.data[:-_MAC], command.data[-_MAC:]
        expected = ciphers.mac(session, self._sessions.nonce or b"", command.header, content)
        return content if ciphers.same(given, expected) else Status.WRONG_MAC

    def _open(self, command: Command, session: bytes) -> bytes | int:
        nonce, self._sessions.nonce = self._sessions.nonce or b"", None  # an order is opened once
        if (len(command.data) - _MAC) % _BLOCK:
            return Status.WRONG_LENGTH
        plain = ciphers.open_order(session, nonce, command.header, command.data)
        return Status.WRONG_MAC if plain is None else plain

    # Wallet and keys

    def _increase(self, command: Command) -> Answer:
        """Credit: amount, count and MAC; only the count that follows is taken."""
        if len(command.data) != _WALLET_BYTES + _MAC:
            return b"", Status.WRONG_LENGTH
        status = self._check_money(command)
        if status != Status.OK:
            return b"", status
        amount, count = int.from_bytes(command.data[:4]), int.from_bytes(command.data[4:8])
        money, before = self.wallet
        if count != before + 1 or money + amount > MONEY_MAX:
            return b"", Status.CONDITIONS
        self._sessions.nonce = None
        self._wallet.write((money + amount).to_bytes(4) + count.to_bytes(4))
        return b"", Status.OK

    def _decrease(self, command: Command) -> Answer:
        """Consumption (class 80, the device's own) or refund (class 84, with MAC)."""
        if command.cla == 0x84:
            if len(command.data) != 4 + _MAC:
                return b"", Status.WRONG_LENGTH
            status = self._check_money(command)
            if status != Status.OK:
                return b"", status
            self._sessions.nonce = None
        elif len(command.data) != 4:
            return b"", Status.WRONG_LENGTH
        money, count = self.wallet
        amount = int.from_bytes(command.data[:4])
        if amount > money:
            return b"", Status.CONDITIONS
        self._wallet.write((money - amount).to_bytes(4) + count.to_bytes(4))
        return b"", Status.OK

    def _update_record(self, command: Command) -> Answer:
        """Wallet initialisation: record 1 money, record 3 count, each with MAC."""
        if len(command.data) != 4 + _MAC:
            return b"", Status.WRONG_LENGTH
        status = self._check_money(command)
        if status != Status.OK:
            return b"", status
        money, count = self.wallet
        value = int.from_bytes(command.data[:4])
        if command.p1 not in {1, 3}:
            return b"", Status.NO_SUCH_RECORD
        money, count = (value, count) if command.p1 == 1 else (money, value)
        self._wallet.write(money.to_bytes(4) + count.to_bytes(4))
        return b"", Status.OK

    def _write_key(self, command: Command) -> Answer:
        """A sealed key (``ciphers.seal_key``) with its number, version and state."""
        session, nonce = self._sessions.key(Purpose.KEY_UPDATE), self._sessions.nonce
        if len(command.data) != 2 * _BLOCK:
            return b"", Status.WRONG_LENGTH
        if session is None or nonce is None:
            return b"", Status.CONDITIONS
        opened = ciphers.open_key(session, nonce, command.data)
        if opened is None:
            return b"", Status.WRONG_MAC
        (number, version, state), key = opened
        if number not in set(Purpose) or state not in {0, 1}:
            return b"", Status.WRONG_DATA
        self._keep_key(Purpose(number), version, bool(state), key)
        return b"", Status.OK

    # Helpers

    def _check_money(self, command: Command) -> Status:
        session = self._sessions.key(Purpose.MONEY)
        if session is None or self._sessions.nonce is None:
            return Status.CONDITIONS
        bare = self._bare(command, session)
        return Status.OK if isinstance(bare, bytes) else Status.WRONG_MAC

    def _sign(self, nonce: bytes, header: bytes, content: bytes) -> bytes:
        session = self._sessions.key(Purpose.READ_BACK)
        return b"" if session is None else ciphers.mac(session, nonce, header, content)

    def _key(self, purpose: Purpose) -> bytes:
        return (self._keys[purpose].read() or bytes(_KEY_BYTES))[2:]

    def _keep_key(self, purpose: Purpose, version: int, formal: bool, key: bytes) -> None:  # noqa: FBT001 - the record's third field
        self._keys[purpose].write(bytes((version, formal)) + key)

    def _meter_number(self) -> bytes:
        return self._content(PARAMETERS)[METER_OFFSET : METER_OFFSET + _CUSTOMER_BYTES]

    def _content(self, number: int) -> bytes:
        if number == KEY_INFORMATION:
            versions = bytes((self._keys[each].read() or b"\x00")[0] for each in Purpose)
            return self.key_state.to_bytes(4) + versions
        return self._files[number].read() or bytes(FILES[number].length)

    def _file(self, command: Command) -> tuple[int, FileFacts] | None:
        number = command.p1 & 0x7F if command.p1 & 0x80 else None
        facts = None if number is None else FILES.get(number)
        return None if number is None or facts is None else (number, facts)

    def _patch(self, number: int, offset: int, content: bytes) -> None:
        old = self._content(number)
        self._files[number].write(old[:offset] + content + old[offset + len(content) :])


_CLASSES: Mapping[int, frozenset[int]] = MappingProxyType(
    {
        Instruction.SELECT: frozenset({0x00}),
        Instruction.GET_CHALLENGE: frozenset({0x00}),
        Instruction.CIPHER: frozenset({0x80}),
        Instruction.GET_RESPONSE: frozenset({0x00}),
        Instruction.INTERNAL_SESSION: frozenset({0x00}),
        Instruction.EXTERNAL_AUTHENTICATE: frozenset({0x00}),
        Instruction.READ_BINARY: frozenset({0x00, 0x04}),
        Instruction.READ_RECORD: frozenset({0x00, 0x04}),
        Instruction.UPDATE_BINARY: frozenset({0x00, 0x04}),
        Instruction.UPDATE_RECORD: frozenset({0x04}),
        Instruction.INCREASE: frozenset({0x84}),
        Instruction.DECREASE: frozenset({0x80, 0x84}),
        Instruction.WRITE_KEY: frozenset({0x84}),
    }
)
