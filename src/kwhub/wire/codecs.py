"""Codecs of fixed size: what a field of a standard's table means in bytes.

``fmt("XXXXXX.XX")`` reads the notation of the tables of DL/T 645 and Q/GDW 1376.1: each X (or N) is
one packed BCD digit, the dot is not sent, the low byte goes first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Generic, Literal, Protocol, TypeVar

from kwhub.domain.errors import DecodeError, LocalError

__all__ = [
    "U8",
    "U16BE",
    "U16LE",
    "U24LE",
    "U32BE",
    "U32LE",
    "Bcd",
    "Codec",
    "bcd_text",
    "fmt",
    "raw_bytes",
]

T = TypeVar("T")


class Codec(Protocol[T]):
    """Bytes of a fixed size and the value that they stand for."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    def decode(self, raw: bytes) -> T:
        """The value of exactly ``size`` bytes. Raises DecodeError."""

    def encode(self, value: T) -> bytes:
        """The bytes of a value. Raises LocalError when it does not fit."""


@dataclass(frozen=True, slots=True)
class _Simple(Generic[T]):
    """A codec made of two functions."""

    size: int
    reader: Callable[[bytes], T]
    writer: Callable[[T], bytes]

    def decode(self, raw: bytes) -> T:
        if len(raw) != self.size:
            raise DecodeError("length", f"{len(raw)} bytes where {self.size} belong")
        return self.reader(raw)

    def encode(self, value: T) -> bytes:
        data = self.writer(value)
        if len(data) != self.size:
            raise LocalError(f"{value!r} makes {len(data)} bytes where {self.size} belong")
        return data


def _unsigned(size: int, order: Literal["little", "big"]) -> Codec[int]:
    def read(raw: bytes) -> int:
        return int.from_bytes(raw, order)

    def write(value: int) -> bytes:
        if not 0 <= value < 1 << (8 * size):
            raise LocalError(f"{value} does not fit into {size} bytes")
        return value.to_bytes(size, order)

    return _Simple(size, read, write)


U8 = _unsigned(1, "little")
U16LE = _unsigned(2, "little")
U24LE = _unsigned(3, "little")
U32LE = _unsigned(4, "little")
U16BE = _unsigned(2, "big")
U32BE = _unsigned(4, "big")


@cache
def raw_bytes(size: int) -> Codec[bytes]:
    """Bytes that are passed on as they are."""
    return _Simple(size, bytes, bytes)


@cache
def bcd_text(size: int) -> Codec[str]:
    """Two digits a byte, low byte first, written as people read them.

    Nibbles above 9 are kept as capital letters: AA is a wildcard in an address.

    >>> bcd_text(6).decode(bytes.fromhex("129078563412"))
    '123456789012'
    """

    def write(text: str) -> bytes:
        try:
            return bytes.fromhex(text.rjust(2 * size, "0"))[::-1]
        except ValueError:
            raise LocalError(f"{text!r} is not made of {2 * size} digits") from None

    return _Simple(size, lambda raw: raw[::-1].hex().upper(), write)


_POWERS = tuple(Decimal(1).scaleb(-places) for places in range(10))


class Bcd:
    """A packed BCD number of the tables, with its decimal point and perhaps a sign.

    The sign is the top bit of the most significant byte and no part of the digits (DL/T 645-2007,
    annex A, note on signed items). All bytes FF mean that there is no value.
    """

    __slots__ = (
        "_digits",
        "_mask",
        "_missing",
        "_most",
        "_places",
        "big_endian",
        "notation",
        "signed",
        "size",
    )

    def __init__(
        self, notation: str, *, signed: bool, big_endian: bool, missing: tuple[int, ...]
    ) -> None:
        whole, _, fraction = notation.partition(".")
        self._digits = len(whole) + len(fraction)
        if not self._digits or set(whole + fraction) - set("XN") or self._digits % 2:
            raise LocalError(f"{notation!r} is no notation: X or N for each digit, an even number")
        self.notation = notation
        self.signed = signed
        self.big_endian = big_endian
        self.size = self._digits // 2
        self._places = len(fraction)
        self._mask = (1 << (8 * self.size - 1)) - 1
        self._missing = frozenset(bytes([filler]) * self.size for filler in missing)
        self._most = 10**self._digits - 1
        if signed:
            self._most = 8 * 10 ** (self._digits - 1) - 1

    def decode_scaled(self, raw: bytes) -> int | None:
        """The digits as a whole number, the point left out; None when there is no value."""
        if len(raw) != self.size:
            raise DecodeError("length", f"{len(raw)} bytes where {self.notation} has {self.size}")
        ordered = raw if self.big_endian else raw[::-1]
        digits = ordered.hex()
        negative = self.signed and ordered[0] >= 0x80
        try:
            if not negative:
                return int(digits)
            if raw in self._missing:
                return None
            return -int(f"{int(digits, 16) & self._mask:0{self._digits}x}")
        except ValueError:
            if raw in self._missing:
                return None
            raise DecodeError("not_bcd", f"{digits.upper()} is not a decimal number") from None

    def decode(self, raw: bytes) -> Decimal | None:
        """The number with its decimals, or None when there is no value."""
        scaled = self.decode_scaled(raw)
        return None if scaled is None else Decimal(scaled).scaleb(-self._places)

    def encode(self, value: Decimal | int | None) -> bytes:
        """The bytes of a number; it must be exact at this resolution and in range."""
        if value is None:
            return b"\xff" * self.size
        scaled = Decimal(value).scaleb(self._places)
        whole = int(scaled)
        if whole != scaled:
            raise LocalError(
                f"{value} has more than the {self._places} decimals of {self.notation}"
            )
        if abs(whole) > self._most or (whole < 0 and not self.signed):
            raise LocalError(f"{value} is out of the range of {self.notation}")
        ordered = bytes.fromhex(f"{abs(whole):0{self._digits}d}")
        if whole < 0:
            ordered = bytes([ordered[0] | 0x80]) + ordered[1:]
        return ordered if self.big_endian else ordered[::-1]

    def quantize(self, value: Decimal) -> Decimal:
        """The value cut to the resolution of the notation (towards zero, as a register shows it)."""
        return value.quantize(_POWERS[self._places], rounding="ROUND_DOWN")

    def __repr__(self) -> str:
        return f"fmt({self.notation!r}{', signed=True' if self.signed else ''})"


@cache
def fmt(
    notation: str,
    *,
    signed: bool = False,
    big_endian: bool = False,
    missing: tuple[int, ...] = (0xFF,),
) -> Bcd:
    """A codec from the notation of the standard's own tables.

    Args:
        notation: ``XXXXXX.XX``: one letter a digit.
        signed: the top bit is a sign.
        big_endian: high byte first (rare).
        missing: a value whose bytes are all one of these fillers is "no value".

    >>> fmt("XXXXXX.XX").decode(bytes.fromhex("56341200"))
    Decimal('1234.56')
    >>> fmt("XXXXXX.XX", signed=True).decode(bytes.fromhex("34120080"))
    Decimal('-12.34')
    """
    return Bcd(notation, signed=signed, big_endian=big_endian, missing=missing)
