"""A medium as a card: its commands, the card's side, and the side of the program that has a reader.

No command gives a key out; what a medium may do, it may do here, and nothing else.

Source: ISO/IEC 7816-3 (answer to reset) and -4 (commands, status words); class 80 and its instructions: kwhub.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from kwhub.domain.errors import DecodeError, LocalError, Refusal
from kwhub.prepay.element.interface import SecureElement, Status
from kwhub.prepay.medium_element import MediumElement
from kwhub.prepay.medium_load import LOAD_BYTES, NEVER, Load, Usage
from kwhub.prepay.pairing import SEALED_BYTES
from kwhub.prepay.run_information import RUN_INFORMATION_BYTES, RunInformation
from kwhub.prepay.wire.terminal import CloseAndRestore, TerminalLogin, TerminalPurchase

__all__ = ["ATR", "MediumCard", "MediumReader"]

_TAIL = bytes.fromhex("8801") + b"kwhub 01"
_CHECK = 0
for _byte in _TAIL:
    _CHECK ^= _byte
ATR: Final = b"\x3b" + _TAIL + bytes((_CHECK,))
"""Protocol T=1, eight historical bytes."""

CLASS: Final = 0x80
HEADER_BYTES = 5


class _Do(IntEnum):
    IDENTITY = 0x10
    BEGIN_ISSUE = 0x12
    ISSUE = 0x14
    CHALLENGE = 0x84
    TAKE = 0x20
    LOAD = 0x22
    USAGE = 0x24
    BEFORE = 0x26
    LOG_IN = 0x30
    PURCHASE = 0x32
    PERMIT = 0x34
    KEEP = 0x36


_SAYS: Mapping[int, str] = MappingProxyType(
    {
        Status.CONDITIONS: "not now: the step before is missing",
        Status.WRONG_MAC: "this is not the counter, or the key is not for this medium",
        Status.WRONG_DATA: "what it was given is not for it",
        Status.NO_SUCH_FILE: "it is blank: have it issued first",
    }
)


class MediumCard:
    """The card's side of one element; a ``SecureElement`` for readers."""

    def __init__(self, element: MediumElement) -> None:
        self._element = element
        self._handlers: Mapping[int, Callable[[bytes], bytes]] = {
            _Do.IDENTITY: lambda _: (
                element.serial + element.meter + element.customer + bytes(element.versions)
            ),
            _Do.BEGIN_ISSUE: lambda _: element.begin_issue(),
            _Do.ISSUE: self._issue,
            _Do.CHALLENGE: lambda _: element.challenge(),
            _Do.TAKE: lambda data: element.take(data[:LOAD_BYTES], data[LOAD_BYTES:]),
            _Do.LOAD: lambda _: b"" if (load := element.load) is None else load.to_bytes(),
            _Do.USAGE: lambda _: b"" if (usage := element.usage) is None else usage.to_bytes(),
            _Do.BEFORE: lambda _: b"" if (usage := element.before) is None else usage.to_bytes(),
            _Do.LOG_IN: lambda data: element.log_in(data[0] if data else None).payload(),
            _Do.PURCHASE: lambda data: element.purchase(data).payload(),
            _Do.PERMIT: lambda data: element.permit(data).payload(),
            _Do.KEEP: self._keep,
        }

    def reset(self) -> bytes:
        """See ``SecureElement``."""
        return ATR

    def transmit(self, apdu: bytes) -> tuple[bytes, int]:
        """Carry out one command; see ``SecureElement``."""
        data = _data_of(apdu)
        if data is None:
            return b"", Status.WRONG_LENGTH
        if apdu[0] != CLASS:
            return b"", Status.UNKNOWN_CLASS
        handler = self._handlers.get(apdu[1])
        if handler is None:
            return b"", Status.UNKNOWN_INSTRUCTION
        return self._done(handler, data)

    def _done(self, handler: Callable[[bytes], bytes], data: bytes) -> tuple[bytes, int]:
        try:
            return handler(data), Status.OK
        except Refusal as refusal:
            begun = any("no " in reason for reason in refusal.reasons)
            return b"", Status.CONDITIONS if begun else Status.WRONG_MAC
        except DecodeError:
            return b"", Status.WRONG_DATA
        except LocalError:
            return b"", Status.WRONG_DATA if self._element.is_issued else Status.NO_SUCH_FILE

    def _issue(self, data: bytes) -> bytes:
        sealed, rest = data[:SEALED_BYTES], data[SEALED_BYTES:]
        self._element.issue(rest[:8], sealed, rest[8:14], rest[14:])
        return b""

    def _keep(self, data: bytes) -> bytes:
        self._element.keep(data[:RUN_INFORMATION_BYTES], data[RUN_INFORMATION_BYTES:])
        return b""


def _data_of(apdu: bytes) -> bytes | None:
    """The data of a short command, with or without Le; None when the lengths do not fit."""
    if len(apdu) <= HEADER_BYTES:
        return b"" if len(apdu) >= HEADER_BYTES - 1 else None
    length, rest = apdu[HEADER_BYTES - 1], apdu[HEADER_BYTES:]
    return rest[:length] if len(rest) in (length, length + 1) else None


class MediumReader:
    """A ``Medium`` over a card.

    Args:
        card: with ``MediumCard`` on its other side.

    Every member raises Refusal when the card says no, with the reason in words.
    """

    def __init__(self, card: SecureElement) -> None:
        self._card = card

    @property
    def is_issued(self) -> bool:
        """See ``Medium``."""
        status = self._send(_Do.IDENTITY, b"")[1]
        return status == Status.OK

    @property
    def serial(self) -> bytes:
        """See ``Medium``."""
        return self._identity[:8]

    @property
    def meter(self) -> bytes:
        """See ``Medium``."""
        return self._identity[8:14]

    @property
    def customer(self) -> bytes:
        """See ``Medium``."""
        return self._identity[14:20]

    @property
    def versions(self) -> tuple[int, ...]:
        """See ``Medium``."""
        return tuple(self._identity[20:]) or (0,)

    @property
    def load(self) -> Load | None:
        """See ``Medium``."""
        raw = self._ask(_Do.LOAD)
        return Load.from_bytes(raw) if raw else None

    @property
    def usage(self) -> Usage | None:
        """See ``Medium``."""
        raw = self._ask(_Do.USAGE)
        return Usage.from_bytes(raw) if raw else None

    @property
    def before(self) -> Usage | None:
        """See ``Medium``."""
        raw = self._ask(_Do.BEFORE)
        return Usage.from_bytes(raw) if raw else None

    @property
    def may_permit(self) -> bool:
        """See ``Medium``."""
        load = self.load
        return load is not None and load.until != NEVER

    def begin_issue(self) -> bytes:
        """See ``Medium``."""
        return self._ask(_Do.BEGIN_ISSUE)

    def issue(self, serial: bytes, sealed: bytes, meter: bytes, customer: bytes) -> None:
        """See ``Medium``."""
        self._ask(_Do.ISSUE, sealed + serial + meter + customer)

    def challenge(self) -> bytes:
        """See ``Medium``."""
        return self._ask(_Do.CHALLENGE)

    def take(self, raw: bytes, given: bytes) -> bytes:
        """See ``Medium``."""
        return self._ask(_Do.TAKE, raw + given)

    def log_in(self, version: int | None = None) -> TerminalLogin:
        """See ``Medium``."""
        wanted = b"" if version is None else bytes((version,))
        return TerminalLogin.from_payload(self._ask(_Do.LOG_IN, wanted))

    def purchase(self, nonce: bytes) -> TerminalPurchase:
        """See ``Medium``."""
        return TerminalPurchase.from_payload(self._ask(_Do.PURCHASE, nonce))

    def permit(self, nonce: bytes) -> CloseAndRestore:
        """See ``Medium``."""
        return CloseAndRestore.from_payload(self._ask(_Do.PERMIT, nonce))

    def keep(self, run_information: bytes, mac: bytes) -> RunInformation:
        """See ``Medium``."""
        self._ask(_Do.KEEP, run_information + mac)
        return RunInformation.from_bytes(run_information)

    @property
    def _identity(self) -> bytes:
        return self._ask(_Do.IDENTITY)

    def _ask(self, what: _Do, data: bytes = b"") -> bytes:
        answer, status = self._send(what, data)
        if status != Status.OK:
            reason = _SAYS.get(status, f"status {status:04X}")
            raise Refusal((f"the medium refuses: {reason}",))
        return answer

    def _send(self, what: _Do, data: bytes) -> tuple[bytes, int]:
        length = bytes((len(data),)) if data else b""
        return self._card.transmit(bytes((CLASS, what, 0, 0)) + length + data + b"\x00")
