"""Data formats A.1 to A.27: what a field of a data unit means in bytes.

Source: Q/GDW 1376.1-2013, annex A (format n is clause A.n; the numbers of the tables run ahead by one).

Every format reads a field that is all EE or all FF as None ("no value") before it looks at digits, and
writes None as EE. Years are two digits of 20xx. All times are wall times of the site, without zone.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376.times import (
    ClockCodec,
    DateCodec,
    MomentCodec,
    PartialTime,
    PartsCodec,
    WallClock,
)
from kwhub.wire.codecs import U8, U16LE, U32LE, Codec, bcd_text, fmt, raw_bytes

__all__ = [
    "A1",
    "A2",
    "A3",
    "A4",
    "A5",
    "A6",
    "A7",
    "A8",
    "A9",
    "A10",
    "A11",
    "A12",
    "A13",
    "A14",
    "A15",
    "A16",
    "A17",
    "A18",
    "A19",
    "A20",
    "A21",
    "A22",
    "A23",
    "A24",
    "A25",
    "A26",
    "A27",
    "BIN1",
    "BIN2",
    "BIN4",
    "FORMATS",
    "MISSING",
    "Format",
    "bytes_format",
    "text_format",
]

T = TypeVar("T")

MISSING = 0xEE
"""Filler byte of a value that does not exist."""


class _TwoWays(Protocol[T]):
    """What a format is made of."""

    def decode(self, raw: bytes) -> T:
        """The value of the bytes."""

    def encode(self, value: T) -> bytes:
        """The bytes of the value."""


@dataclass(frozen=True, slots=True)
class Format(Generic[T]):
    """One data format of annex A: a codec that knows the missing value."""

    name: str
    size: int  #: bytes
    notation: str
    codec: _TwoWays[T]
    may_miss: bool = True  #: all EE or all FF means that there is no value

    def decode(self, raw: bytes) -> T | None:
        """The value of exactly ``size`` bytes, None when missing. Raises DecodeError."""
        if len(raw) != self.size:
            raise DecodeError("length", f"{len(raw)} bytes where {self.name} has {self.size}")
        if self.may_miss and raw[0] in {MISSING, 0xFF} and raw.count(raw[0]) == self.size:
            return None
        return self.codec.decode(raw)

    def encode(self, value: T | None) -> bytes:
        """The bytes of a value; None gives EE. Raises LocalError when it does not fit."""
        if value is None:
            if not self.may_miss:
                raise LocalError(f"{self.name} ({self.notation}) cannot be missing")
            return bytes([MISSING]) * self.size
        raw = self.codec.encode(value)
        if len(raw) != self.size:
            raise LocalError(f"{value!r} does not fit {self.name} ({self.notation})")
        return raw


class _ScaledCodec:
    """A.2: D15-13 a power of ten from 4 down to -3, D12 sign, three digits.

    The decimal keeps the power as its exponent, so that the same bytes come back.
    """

    def decode(self, raw: bytes) -> Decimal:
        word = int.from_bytes(raw, "little")
        return _signed_digits(word & 0xFFF, 3, word >> 12 & 1, 4 - (word >> 13))

    def encode(self, value: Decimal) -> bytes:
        negative, digits, power = _fit(value, 3, range(4, -4, -1))
        word = (4 - power) << 13 | negative << 12 | int(str(digits), 16)
        return word.to_bytes(2, "little")


class _EnergyCodec:
    """A.3: seven digits, D28 sign, D30 unit (0 kWh, 1 MWh); the value is in kWh either way."""

    def decode(self, raw: bytes) -> Decimal:
        word = int.from_bytes(raw, "little")
        return _signed_digits(word & 0xFFF_FFFF, 7, word >> 28 & 1, 3 if word >> 30 & 1 else 0)

    def encode(self, value: Decimal) -> bytes:
        negative, digits, power = _fit(value, 7, (0, 3))
        word = (1 if power else 0) << 30 | negative << 28 | int(str(digits), 16)
        return word.to_bytes(4, "little")


class _ShortSignedCodec:
    """A.4: D7 sign, two digits, the tens up to 7."""

    def decode(self, raw: bytes) -> Decimal:
        return _signed_digits(raw[0] & 0x7F, 2, raw[0] >> 7, 0)

    def encode(self, value: Decimal) -> bytes:
        if not value.is_finite() or value != int(value) or not -79 <= value <= 79:
            raise LocalError(f"{value} does not fit A.4: whole, -79 to 79")
        return bytes([int(str(abs(int(value))), 16) | (0x80 if value < 0 else 0)])


def _signed_digits(packed: int, count: int, negative: int, power: int) -> Decimal:
    text = f"{packed:0{count}x}"
    if not text.isdecimal():
        raise DecodeError("not_bcd", f"{text.upper()} is not a decimal number")
    return Decimal((negative, tuple(map(int, text.lstrip("0") or "0")), power))


def _fit(
    value: Decimal, digits_max: int, powers: "range | tuple[int, ...]"
) -> tuple[int, int, int]:
    """Sign, digits and power of ten; the value's own exponent first, then the finest that fits."""
    if not value.is_finite():
        raise LocalError(f"{value} is no number")
    own = value.as_tuple().exponent
    for power in ([own] if own in powers else []) + sorted(powers):
        scaled = abs(value).scaleb(-int(power))
        if scaled == int(scaled) and int(scaled) < 10**digits_max:
            return int(value.is_signed()), int(scaled), int(power)
    raise LocalError(f"{value} does not fit {digits_max} digits")


class _TextCodec:
    """ASCII, filled up with zero bytes at the end."""

    def __init__(self, size: int) -> None:
        self._size = size

    def decode(self, raw: bytes) -> str:
        return raw.rstrip(b"\0 ").decode("ascii", "backslashreplace")

    def encode(self, value: str) -> bytes:
        try:
            return value.encode("ascii").ljust(self._size, b"\0")
        except UnicodeEncodeError:
            raise LocalError(f"{value!r} is not ASCII") from None


def _number(clause: int, notation: str, *, signed: bool = False) -> Format[Decimal | None]:
    codec = fmt(notation, signed=signed)
    return Format(f"A.{clause}", codec.size, ("±" if signed else "") + notation, codec)


def _partial(clause: int, *parts: str) -> Format[PartialTime]:
    return Format(f"A.{clause}", len(parts), " ".join(parts), PartsCodec(*parts))


def _binary(name: str, codec: Codec[int]) -> Format[int]:
    return Format(name, codec.size, "binary", codec, may_miss=False)


def bytes_format(size: int) -> Format[bytes]:
    """Bytes that are passed on as they are (bit sets, keys, MAC addresses)."""
    return Format(f"BS{8 * size}", size, "bits", raw_bytes(size), may_miss=False)


def text_format(size: int) -> Format[str]:
    """ASCII text of fixed size."""
    return Format(f"ASCII{size}", size, "text", _TextCodec(size), may_miss=False)


A1: Format[WallClock | None] = Format(
    "A.1", 6, "second minute hour day weekday+month year", ClockCodec()
)
A2: Format[Decimal] = Format("A.2", 2, "±XXX * 10^4..-3", _ScaledCodec())
A3: Format[Decimal] = Format("A.3", 4, "±XXXXXXX kWh or MWh", _EnergyCodec())
A4: Format[Decimal] = Format("A.4", 1, "±XX", _ShortSignedCodec())
A5 = _number(5, "XXX.X", signed=True)
A6 = _number(6, "XX.XX", signed=True)
A7 = _number(7, "XXX.X")
A8 = _number(8, "XXXX")
A9 = _number(9, "XX.XXXX", signed=True)
A10 = _number(10, "XXXXXX")
A11 = _number(11, "XXXXXX.XX")
A12: Format[str] = Format("A.12", 6, "12 digits", bcd_text(6), may_miss=False)
A13 = _number(13, "XXXX.XXXX")
A14 = _number(14, "XXXXXX.XXXX")
A15: Format[datetime | None] = Format("A.15", 5, "minute hour day month year", MomentCodec())
A16 = _partial(16, "second", "minute", "hour", "day")
A17 = _partial(17, "minute", "hour", "day", "month")
A18 = _partial(18, "minute", "hour", "day")
A19 = _partial(19, "minute", "hour")
A20: Format[date | None] = Format("A.20", 3, "day month year", DateCodec(with_day=True))
A21: Format[date | None] = Format("A.21", 2, "month year", DateCodec(with_day=False))
A22 = _number(22, "X.X")
A23 = _number(23, "XX.XXXX")
A24 = _partial(24, "day", "hour")
A25 = _number(25, "XXX.XXX", signed=True)
A26 = _number(26, "X.XXX")
A27 = _number(27, "XXXXXXXX")
BIN1 = _binary("BIN1", U8)
BIN2 = _binary("BIN2", U16LE)
BIN4 = _binary("BIN4", U32LE)

FORMATS: dict[str, Format[Any]] = {
    found.name: found
    for found in (
        *(A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12, A13, A14, A15),
        *(A16, A17, A18, A19, A20, A21, A22, A23, A24, A25, A26, A27),
    )
}
"""Every format of annex A by its clause."""
