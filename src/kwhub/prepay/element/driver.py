"""What a device asks its secure element, as functions: nothing here holds a key.

Source: commands as in ``commands``; the header of a MAC that is read (04 D6 86 P2 length): public meter
firmware, with the file in place of 86 and the record in place of P2, so that neither can be exchanged.
"""

from collections.abc import Callable
from typing import TypeAlias

from kwhub.prepay.ciphers import MAC_BYTES
from kwhub.prepay.element.files import CONTROL, KEY_INFORMATION, PARAMETERS, RUN_INFORMATION
from kwhub.prepay.element.interface import SecureElement, Status
from kwhub.prepay.keys import FACTOR_BYTES

__all__ = [
    "ALL_FORMAL",
    "Counted",
    "ElementDriver",
    "file_header",
    "record_header",
]

ALL_FORMAL = 0xFF
"""Key state word of an element without a test key."""

Counted: TypeAlias = Callable[[Callable[[], int]], int]
"""Runs what may fail for a wrong MAC, and counts it."""

_MONEY, _COUNT = 1, 3
_READ_DATA = MAC_BYTES + 5 + FACTOR_BYTES


def _hex(text: str, data: bytes = b"") -> bytes:
    return bytes.fromhex(text) + data


def file_header(file: int, offset: int, length: int) -> bytes:
    """What the MAC over a part of a file that is read is computed with."""
    return bytes((0x04, 0xD6, 0x80 | file, offset, length + MAC_BYTES + FACTOR_BYTES))


def record_header(record: int) -> bytes:
    """The same for a record of the wallet: 1 money, 3 count."""
    return bytes((0x04, 0xD6, 0x86, record, 4 + MAC_BYTES + FACTOR_BYTES))


class ElementDriver:
    """One element of a device.

    Args:
        element: software, or a card behind a reader.
        counted: guards every command that checks a MAC; left out, nothing is counted.
    """

    def __init__(self, element: SecureElement, counted: Counted | None = None) -> None:
        self._element = element
        self._counted = counted or (lambda act: act())

    def reset(self) -> None:
        """End every session."""
        self._element.reset()

    def _ask(self, apdu: bytes) -> bytes:
        return self._element.transmit(apdu)[0]

    def _fetch(self, apdu: bytes, length: int) -> bytes | None:
        """A command whose answer waits; None when it is refused."""
        status = self._element.transmit(apdu)[1]
        return self._ask(bytes((0, 0xC0, 0, 0, length))) if status & 0xFF00 == 0x6100 else None

    def _write(self, apdu: bytes) -> int:
        return self._counted(lambda: self._element.transmit(apdu)[1])

    # What anybody may read

    @property
    def wallet(self) -> tuple[int, int]:
        """Money in hundredths and purchase count."""
        money, count = (self._ask(_hex(text)) for text in ("00B2010C04", "00B2030C04"))
        return int.from_bytes(money), int.from_bytes(count)

    @property
    def key_state(self) -> int:
        """Bit n set: key n is formal."""
        return int.from_bytes(self.read(KEY_INFORMATION, 0, 4))

    @property
    def serial(self) -> bytes:
        """Eight bytes."""
        return self._ask(_hex("00B0990108"))

    def read(self, file: int, offset: int, length: int) -> bytes:
        """A part of a file; empty when there is none."""
        return self._ask(bytes((0, 0xB0, 0x80 | file, offset, length)))

    # Who is there

    def identify(self, factor: bytes, random: bytes) -> bytes | None:
        """What the head-end must show that sends this random; None for a factor of another meter."""
        if self._element.transmit(_hex("80FA000308", factor))[1] != Status.OK:
            return None
        return self._fetch(_hex("80FA000008", random), 8)

    def show_infrared(self, factor: bytes, random: bytes) -> bytes:
        """The answer to somebody at the infrared port who wants to know that the meter is real."""
        self._element.transmit(_hex("80FA000408", factor))
        return self._fetch(_hex("80FA000008", random), 8) or b""

    def check_infrared(self, cipher: bytes) -> int:
        """Whether the answer to the last challenge is right."""
        return self._write(_hex("0082000808", cipher))

    def meet_medium(self, serial: bytes, random: bytes) -> bytes | None:
        """Open a session with a medium: what it must show."""
        answer = self._fetch(_hex("0083010210", serial + random), 16)
        return None if answer is None else answer[:8]

    def challenge(self, length: int) -> bytes:
        """Random bytes that the element remembers: 4 for writes, 8 for a key that is shown."""
        return self._ask(_hex("00840000") + bytes((length,)))

    # Writing

    def update(self, file: int, offset: int, data: bytes, mac: bytes) -> int:
        """Write into a file; with ``data`` enciphered where the file wants it."""
        header = bytes((0x04, 0xD6, 0x80 | file, offset, len(data) + len(mac)))
        return self._write(header + data + mac)

    def credit(self, amount: int, count: int, mac: bytes) -> int:
        """Add a purchase."""
        return self._write(_hex("8432010C0C", amount.to_bytes(4) + count.to_bytes(4) + mac))

    def refund(self, amount: int, mac: bytes) -> int:
        """Take money out, by order of the head-end."""
        return self._write(_hex("8430020C08", amount.to_bytes(4) + mac))

    def consume(self, amount: int) -> int:
        """Take money out for energy; nobody needs to be asked."""
        return self._element.transmit(_hex("8030001404", amount.to_bytes(4)))[1]

    def initialise(self, amount: int, money_mac: bytes, count_mac: bytes) -> int:
        """Set money, then the count to zero."""
        status = self._write(_hex("04DC010C08", amount.to_bytes(4) + money_mac))
        if status != Status.OK:
            return status
        return self._write(_hex("04DC030C08", bytes(4) + count_mac))

    def write_key(self, sealed: bytes) -> int:
        """Take a sealed key."""
        return self._write(_hex("84D401FF20", sealed))

    def open_order(self, sealed: bytes) -> bytes | None:
        """The eight bytes of an order for the relay; None when it is refused."""
        if self._write(_hex("04D6880014", sealed)) != Status.OK:
            return None
        return self.read(CONTROL, 0, 8)

    def keep_run_information(self, content: bytes) -> None:
        """Write what the counter will read."""
        apdu = bytes((0, 0xD6, 0x80 | RUN_INFORMATION, 0, len(content))) + content
        self._element.transmit(apdu)

    # Reading with a MAC

    def read_signed(self, file: int, offset: int, length: int, nonce: bytes) -> bytes | None:
        """A part of a file with four bytes of MAC behind it; None without a session."""
        header = file_header(file, offset, length)
        data = nonce + header + self._factor()
        apdu = bytes((0x04, 0xB0, 0x80 | file, offset, _READ_DATA)) + data
        return self._answered(apdu)

    def money_signed(self, nonce: bytes) -> tuple[bytes, bytes] | None:
        """Money and count, four bytes each with four bytes of MAC; None without a session."""
        found = []
        for record in (_MONEY, _COUNT):
            data = nonce + record_header(record) + self._factor()
            found.append(self._answered(bytes((0x04, 0xB2, record, 0x0C, _READ_DATA)) + data))
        money, count = found
        return None if money is None or count is None else (money, count)

    def compare(self, code: bytes) -> bytes | None:
        """Encipher 64 bytes of firmware; None without a session."""
        return self._fetch(_hex("80FA010040", code), len(code))

    def _answered(self, apdu: bytes) -> bytes | None:
        answer, status = self._element.transmit(apdu)
        return answer if status == Status.OK else None

    def _factor(self) -> bytes:
        return bytes(2) + self.read(PARAMETERS, 0x1E, 6)
