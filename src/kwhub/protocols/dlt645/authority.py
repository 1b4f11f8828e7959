"""Who may change a meter: permission level, password, operator code; and relay orders.

Source: DL/T 645-2007, clause 7 (PA P0 P1 P2 C0 C1 C2 C3; N1..N8 of code 1C); DL/T 645-1997, clause 6,
has no operator code.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Self

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.times import WALL_TIME_BYTES, wall_time, wall_time_bytes

__all__ = ["CIPHER_LEVEL", "Authority", "Key", "RelayOrder"]

CIPHER_LEVEL: Final = 0x98
"""Permission level of orders that are enciphered and carry a MAC instead of a password."""

_KEY_BYTES: Final = 4
_OPERATOR_BYTES: Final = 4
_ORDER_BYTES: Final = 2 + WALL_TIME_BYTES
_FOR_EVER: Final = b"\x99" * WALL_TIME_BYTES


def _reversed_hex(text: str, size: int, what: str) -> bytes:
    try:
        raw = bytes.fromhex(text)[::-1]
    except ValueError:
        raw = b""
    if len(raw) != size:
        raise LocalError(f"a {what} has {2 * size} hexadecimal digits")
    return raw


@dataclass(frozen=True, slots=True)
class Key:
    """A permission level with its password.

    Attributes:
        level: the byte PA: 00 (strongest) to 09, 98 and 99.
        password: six digits, as people write them; kept out of ``repr``.
    """

    level: int
    password: str = field(default="000000", repr=False)

    def to_bytes(self) -> bytes:
        """PA P0 P1 P2. Raises LocalError."""
        if not 0 <= self.level <= 0xFF:
            raise LocalError(f"{self.level} is no permission level")
        return bytes([self.level]) + _reversed_hex(self.password, 3, "password")

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """From PA P0 P1 P2."""
        return cls(raw[0], raw[:0:-1].hex().upper())


@dataclass(frozen=True, slots=True)
class Authority:
    """What a command shows to be obeyed.

    Attributes:
        operator: eight digits that the meter keeps in its records; none in 1997.
    """

    key: Key
    operator: str = "00000000"

    @staticmethod
    def size(edition: Edition) -> int:
        """Number of bytes in an edition."""
        return _KEY_BYTES if edition is Edition.E1997 else _KEY_BYTES + _OPERATOR_BYTES

    def to_bytes(self, edition: Edition) -> bytes:
        """PA P0 P1 P2, and C0 C1 C2 C3 in 2007. Raises LocalError."""
        raw = self.key.to_bytes()
        if edition is Edition.E1997:
            return raw
        return raw + _reversed_hex(self.operator, _OPERATOR_BYTES, "operator code")

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """From the bytes of either edition."""
        key = Key.from_bytes(raw[:_KEY_BYTES])
        operator = raw[_KEY_BYTES:]
        return cls(key, operator[::-1].hex().upper()) if operator else cls(key)


@dataclass(frozen=True, slots=True)
class RelayOrder:
    """The plain form of a relay order (N1 to N8).

    Attributes:
        command: N1, such as 1A (trip) or 1B (permit closing).
        valid_until: the meter's wall time after which it refuses; None for ever (not in the
            standard, but in use).
        restore_steps: N2, for commands 1D and 1E: after so many times five minutes the meter
            closes, or permits closing, by itself.
    """

    command: int
    valid_until: datetime | None
    restore_steps: int = 0

    def to_bytes(self) -> bytes:
        """N1 to N8. Raises LocalError."""
        if not (0 <= self.command <= 0xFF and 0 <= self.restore_steps <= 0xFF):
            raise LocalError(f"{self} does not fit into its bytes")
        until = _FOR_EVER if self.valid_until is None else wall_time_bytes(self.valid_until)
        return bytes([self.command, self.restore_steps]) + until

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """From N1 to N8. Raises DecodeError: ``bad_length_for_function``, ``time_not_valid``."""
        if len(raw) != _ORDER_BYTES:
            raise DecodeError(
                "bad_length_for_function", f"{len(raw)} bytes are no plain relay order"
            )
        until = None if raw[2:] == _FOR_EVER else wall_time(raw[2:])
        return cls(raw[0], until, raw[1])
