"""What the head-end sends under control code 03.

Source: DL/T 645-2007 with the State Grid filings on security, as two public meter firmwares implement
them; 070108 (refund) and 078002: single source.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.prepay.wire.layout import Layout, Nothing, bcd, number, raw, rest

__all__ = [
    "KEYS_MAX",
    "AuthenticateIdentity",
    "AuthenticateInfrared",
    "CompareFirmware",
    "EndAuthentication",
    "InitialiseWallet",
    "KeyPackage",
    "OpenAccount",
    "Purchase",
    "QueryStatus",
    "ReadBack",
    "Refund",
    "RequestInfrared",
    "SetValidity",
    "UpdateKey2009",
    "UpdateKeys",
    "WriteFilePlain",
    "WriteFileSealed",
]

KEYS_MAX = 5
"""Keys that fit into one frame."""
_KEY_BYTES = 36
_MAC_BYTES = 4


class AuthenticateIdentity(Layout, identifier=0x0700_00FF):
    """Open a session: cipher of the random, the random, the factor (two zero bytes and the meter)."""

    cipher: bytes = raw(8)
    first_random: bytes = raw(8)
    factor: bytes = raw(8)


class SetValidity(Layout, identifier=0x0700_01FF):
    """How long an authentication lasts."""

    minutes: int = bcd(2)
    mac: bytes = raw(4)


class EndAuthentication(Nothing, identifier=0x0700_02FF):
    """End the session."""


class RequestInfrared(Layout, identifier=0x0780_03FF):
    """First half of opening the infrared port."""

    first_random: bytes = raw(8)


class AuthenticateInfrared(Layout, identifier=0x0700_03FF):
    """Second half: the cipher of the meter's random."""

    cipher: bytes = raw(8)


class WriteFilePlain(Layout, identifier=0x0700_04FF):
    """Write into a file of the element, in clear with MAC."""

    file: int = number(1)
    offset: int = number(2)
    data: bytes = rest()
    mac: bytes = raw(4)


class WriteFileSealed(Layout, identifier=0x0700_05FF):
    """Write into a file of the element, enciphered; data and MAC are one item."""

    file: int = number(1)
    offset: int = number(2)
    sealed: bytes = rest()


class Purchase(Layout, identifier=0x0701_02FF):
    """Recharge. Money in hundredths."""

    amount: int = number(4)
    count: int = number(4)
    money_mac: bytes = raw(4)
    customer: bytes = raw(6)
    customer_mac: bytes = raw(4)


class OpenAccount(Purchase, identifier=0x0701_01FF):
    """Open an account, with a first purchase."""


class InitialiseWallet(Layout, identifier=0x0701_03FF):
    """Set the wallet of a meter with test keys."""

    amount: int = number(4)
    money_mac: bytes = raw(4)
    count: int = number(4)
    count_mac: bytes = raw(4)


class Refund(Layout, identifier=0x0701_08FF):
    """Take money back; an order number makes a repeat harmless. A maker's variant (single source)."""

    order: int = number(4)
    amount: int = number(4)
    count: int = number(4)
    money_mac: bytes = raw(4)
    customer: bytes = raw(6)
    customer_mac: bytes = raw(4)


class UpdateKey2009(Layout, identifier=0x0702_01FF):
    """One key, as meters of 2009 take it; 070201 control, 070202 parameters, 070203 identity."""

    info: bytes = raw(4)
    mac: bytes = raw(4)
    key: bytes = raw(32)


@dataclass(frozen=True, slots=True)
class KeyPackage:
    """One key of a set.

    Attributes:
        total: how many keys the set has.
        number: which one.
        state: 00 test, 01 formal.
        key: 32 bytes, sealed for the meter.
    """

    total: int
    number: int
    state: int
    key: bytes

    def to_bytes(self) -> bytes:
        """As the element sees it: total, a reserved byte, number, state, key."""
        if len(self.key) != _KEY_BYTES - 4:
            raise LocalError(f"a sealed key has {_KEY_BYTES - 4} bytes, not {len(self.key)}")
        return bytes((self.total, 0, self.number, self.state)) + self.key


class UpdateKeys(Layout, identifier=0x0703_01FF):
    """Up to ``KEYS_MAX`` keys of a set, in any order; the MAC is over all of them.

    The four single bytes before a key stay in their order, the key is an item.
    """

    keys: tuple[KeyPackage, ...]
    mac: bytes

    @property
    def signed(self) -> bytes:
        """What the MAC is over."""
        return b"".join(each.to_bytes() for each in self.keys)

    def payload(self) -> bytes:
        """The bytes of the wire. Raises LocalError."""
        if not 0 < len(self.keys) <= KEYS_MAX or len(self.mac) != _MAC_BYTES:
            raise LocalError(f"a frame holds 1 to {KEYS_MAX} keys and a MAC of {_MAC_BYTES} bytes")
        written = [each.to_bytes() for each in self.keys]
        return b"".join(each[:4] + each[:3:-1] for each in written) + self.mac[::-1]

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        """From the bytes of the wire. Raises DecodeError."""
        count, odd = divmod(len(payload) - _MAC_BYTES, _KEY_BYTES)
        if odd or not 0 < count <= KEYS_MAX:
            raise DecodeError(
                "value_length_mismatch", f"{len(payload)} bytes are no keys with a MAC"
            )
        return cls(tuple(_packages(payload[:-_MAC_BYTES])), payload[: -_MAC_BYTES - 1 : -1])


def _packages(raw_keys: bytes) -> Iterator[KeyPackage]:
    for place in range(0, len(raw_keys), _KEY_BYTES):
        total, _reserved, which, state = raw_keys[place : place + 4]
        key = raw_keys[place + 4 : place + _KEY_BYTES][::-1]
        yield KeyPackage(total, which, state, key)


class ReadBack(Layout, identifier=0x0780_01FF):
    """Read a file of the element with a MAC."""

    length: int = number(2)
    start: int = number(2)
    file: int = number(2)
    directory: int = number(2)


class CompareFirmware(Layout, identifier=0x0780_02FF):
    """Ask for 64 enciphered bytes of the program."""

    processor: int = number(1)
    key: int = number(1)
    factor_address: int = number(4)
    data_address: int = number(4)


class QueryStatus(Nothing, identifier=0x0781_02FF):
    """Ask for money, count, customer and key state."""
