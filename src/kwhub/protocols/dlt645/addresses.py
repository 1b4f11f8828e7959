"""The address field: twelve decimal digits, wildcards and the broadcast address.

Source: DL/T 645-2007, clause 5.2.2 (address field); wildcards left in answers were seen in the field.
"""

from typing import Final

from kwhub.domain.errors import LocalError

__all__ = [
    "ADDRESS_BYTES",
    "BROADCAST",
    "WILDCARD",
    "address_bytes",
    "address_text",
    "is_plain",
    "is_wellformed",
    "is_wildcard",
    "matches",
    "normalise",
]

ADDRESS_BYTES: Final = 6
"""Length of the address field, bytes."""

WILDCARD: Final = "AAAAAAAAAAAA"
"""The address of "whoever is on the line"; for one meter on the line only."""

BROADCAST: Final = "999999999999"
"""The address of all meters at once; nobody answers it."""

_FACTORY: Final = "FFFFFFFFFFFF"
"""Not in the standard; used by makers' tools."""

_DIGITS: Final = 2 * ADDRESS_BYTES


def normalise(text: str) -> str:
    """The twelve characters that are printed on the meter, from what a person typed.

    Short addresses are padded with zeros on the left. Raises LocalError for anything but decimal
    digits and leading ``AA`` pairs.

    >>> normalise("38")
    '000000000038'
    >>> normalise("aaaaaaaaaaaa")
    'AAAAAAAAAAAA'
    """
    address = text.strip().upper().rjust(_DIGITS, "0")
    if len(address) != _DIGITS or not address.isascii() or not address.lstrip("A").isdecimal():
        if address == WILDCARD:
            return address
        raise LocalError(f"{text!r} is no meter address: at most twelve decimal digits")
    if (_DIGITS - len(address.lstrip("A"))) % 2:
        raise LocalError(f"{text!r} is no meter address: a wildcard is made of whole AA pairs")
    return address


def address_bytes(address: str) -> bytes:
    """The address as it goes over the wire, low pair first. Raises LocalError.

    >>> address_bytes("123456789012").hex()
    '129078563412'
    """
    if len(address) != _DIGITS:
        raise LocalError(f"{address!r} is no meter address: twelve digits are needed")
    try:
        return bytes.fromhex(address)[::-1]
    except ValueError:
        raise LocalError(f"{address!r} is no meter address: only digits may stand in it") from None


def address_text(raw: bytes) -> str:
    """The address as it is printed, from six bytes of the wire; nibbles above 9 as capital letters.

    >>> address_text(bytes.fromhex("380000000000"))
    '000000000038'
    """
    return raw[::-1].hex().upper()


def is_plain(address: str) -> bool:
    """Whether it names one meter: decimal digits, and not the broadcast address."""
    return address.isdecimal() and address != BROADCAST


def is_wildcard(address: str) -> bool:
    """Whether the high bytes are left open with AA."""
    return address.startswith("AA")


def is_wellformed(address: str) -> bool:
    """Whether the standard (or a makers' tool known to be in use) can have made it.

    >>> is_wellformed("AAAAAAAA0038"), is_wellformed("0000000000AB")
    (True, False)
    """
    if address.isdecimal() or address in (WILDCARD, _FACTORY):
        return True
    digits = address.lstrip("A")
    return (_DIGITS - len(digits)) % 2 == 0 and digits.isdecimal()


def matches(pattern: str, address: str) -> bool:
    """Whether a meter with this address is meant by the address of a request.

    From some digit upwards AA may stand in the high bytes; all AA means any meter. The broadcast
    address is not decided here: whether it counts depends on the function.

    >>> matches("AAAAAAAA0038", "000000000038"), matches("AAAAAAAA0039", "000000000038")
    (True, False)
    """
    if pattern == address:
        return True
    if not pattern.startswith("AA"):
        return False
    return address.endswith(pattern.lstrip("A"))
