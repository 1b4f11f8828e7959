"""What the "data format" column of the standard's tables means in bytes.

Source: DL/T 645-2007, annex A, notes to the tables; DL/T 645-1997, annex A.

A format is made of parts joined by ``+`` (the tables also use a comma). Every part goes low byte
first, the parts themselves in the order of the table::

    XXXXXX.XX            X or N is one BCD digit, the point is not sent
    NNNNNNNNNNNN         eight digits and more, without point and unit: a number that names something
    YYMMDDhhmm           a moment in BCD, any of YY MM DD WW hh mm ss NN
    HH  C0C1C2C3  bits   raw bytes, shown high byte first
    ASCII                text, filled with 00
    XX.XXXXx8            eight of them; (A+B)x3 three of the pair; xn as many as there are
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import prod
from typing import Protocol, TypeAlias

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.wire.codecs import Bcd, bcd_text, fmt

__all__ = ["FieldCodec", "Fields", "Plain", "field_codec", "parse_format"]

Plain: TypeAlias = Decimal | str | None
"""What one field says: a number, a text (times, numbers that name something, bits), or no value."""

NAME_DIGITS_MIN = 8
"""Digits from which an integer without a unit is a name (address, identifier, password)."""


class FieldCodec(Protocol):
    """Bytes of one field and what they say."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    def decode(self, raw: bytes) -> Plain:
        """The value of exactly ``size`` bytes. Raises DecodeError."""

    def encode(self, value: Plain) -> bytes:
        """The bytes of a value. Raises LocalError when it does not fit."""


@dataclass(frozen=True, slots=True)
class Fields:
    """A whole format: fields that are always there, then perhaps a group that repeats to the end."""

    fixed: tuple[FieldCodec, ...]
    repeated: tuple[FieldCodec, ...] = ()


@dataclass(frozen=True, slots=True)
class _Number:
    """Packed BCD, see ``kwhub.wire.codecs.fmt``."""

    size: int
    decode: Callable[[bytes], Decimal | None]
    write: Callable[[Decimal | int | None], bytes]

    def encode(self, value: Plain) -> bytes:
        if isinstance(value, str):
            raise LocalError(f"{value!r} where a number belongs")
        return self.write(value)


class _Text:
    """The common part of everything that is shown as text: missing values and types."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._missing = b"\xff" * size

    def decode(self, raw: bytes) -> Plain:
        if len(raw) != self.size:
            raise DecodeError("length", f"{len(raw)} bytes where {self.size} belong")
        return None if raw == self._missing else self._read(raw)

    def encode(self, value: Plain) -> bytes:
        if value is None:
            return self._missing
        raw = self._write(str(value))
        if len(raw) != self.size:
            raise LocalError(f"{value!r} does not make {self.size} bytes")
        return raw

    def _read(self, raw: bytes) -> str:
        return raw[::-1].hex().upper()

    def _write(self, text: str) -> bytes:
        return bcd_text(self.size).encode(text)


class _Bits(_Text):
    """Raw bytes, shown as hexadecimal digits, high byte first; all ones is a value like any other."""

    def decode(self, raw: bytes) -> Plain:
        if len(raw) != self.size:
            raise DecodeError("length", f"{len(raw)} bytes where {self.size} belong")
        return self._read(raw)


class _Ascii(_Text):
    """Printable text; its last character goes first."""

    def _read(self, raw: bytes) -> str:
        try:
            return raw[::-1].decode("ascii").strip("\0")
        except UnicodeDecodeError:
            raise DecodeError("not_ascii", f"{raw[::-1].hex().upper()} is no text") from None

    def _write(self, text: str) -> bytes:
        try:
            return text.encode("ascii").ljust(self.size, b"\0")[::-1]
        except UnicodeEncodeError:
            raise LocalError(f"{text!r} is not made of ASCII characters") from None


class _Moment(_Text):
    """A moment in BCD digits, written as people do: 2026-03-01 12:15:00.

    Digits that no calendar knows, such as 99 for "every", are shown as they are. The weekday is left
    out of the text: it follows from the date (0 = Sunday).
    """

    def __init__(self, notation: str) -> None:
        self._letters = re.findall("..", notation)
        super().__init__(len(self._letters))

    def _read(self, raw: bytes) -> str:
        digits = raw[::-1].hex()
        if not digits.isdecimal():
            raise DecodeError("not_bcd", f"{digits.upper()} is not a decimal number")
        words = [
            self._joint(number, letters) + digits[2 * number : 2 * number + 2]
            for number, letters in enumerate(self._letters)
            if letters != "WW"
        ]
        return "".join(words)

    def _joint(self, number: int, letters: str) -> str:
        """What stands before a letters in the text."""
        if number == 0:
            return "20" if letters == "YY" else ""
        before = self._letters[number - 1]
        if (before, letters) in (("YY", "MM"), ("MM", "DD")):
            return "-"
        return ":" if (before, letters) in (("hh", "mm"), ("mm", "ss")) else " "

    def _write(self, text: str) -> bytes:
        digits = re.sub(r"[^0-9]", "", text)
        if "YY" in self._letters:
            digits = digits.removeprefix("20")
        if "WW" in self._letters:
            digits = digits[:6] + _weekday(digits[:6]) + digits[6:]
        if len(digits) != 2 * self.size:
            raise LocalError(f"{text!r} is no {''.join(self._letters)}")
        return bytes.fromhex(digits)[::-1]


def _weekday(digits: str) -> str:
    """The weekday of YYMMDD, 00 = Sunday; 00 too for a date that no calendar knows."""
    try:
        return f"{date.fromisoformat('20' + digits).isoweekday() % 7:02d}"
    except ValueError:
        return "00"


_PART = re.compile(r"(?P<core>\([^)]*\)|[A-Za-z0-9.]+?)(?P<times>(?:x(?:\d+|n))*)(?:[+,]|$)")
_NUMBER = re.compile(r"[XN]+(?:\.[XN]+)?")
_RAW = re.compile(r"bits|C0C1C2C3|(?:HH)+")
_MOMENT = re.compile(r"(?:YY|MM|DD|WW|hh|mm|ss|NN)+")


def field_codec(
    notation: str, *, signed: bool = False, unit: str = "", size: int = 0
) -> FieldCodec:
    """The codec of one part of a format.

    Args:
        notation: one part, such as ``XXXXXX.XX``, ``YYMMDDhhmm``, ``ASCII``.
        signed: the top bit of a number is its sign.
        unit: tells a quantity of many digits from a number that names something.
        size: bytes of ASCII and bits, which the notation does not tell.

    Raises:
        LocalError: the notation is unknown: a mistake in a table.
    """
    if _NUMBER.fullmatch(notation):
        return _digits(notation, signed=signed, unit=unit)
    if _MOMENT.fullmatch(notation):
        return _Moment(notation)
    if notation == "ASCII":
        return _Ascii(size)
    if _RAW.fullmatch(notation):
        return _Bits(size if notation == "bits" else len(notation) // 2)
    raise LocalError(f"{notation!r} is no format of the tables")


def _digits(notation: str, *, signed: bool, unit: str) -> FieldCodec:
    digits = len(notation.replace(".", ""))
    if "." not in notation and not unit and digits >= NAME_DIGITS_MIN:
        return _Text(digits // 2)
    number = fmt("X" * (digits % 2) + notation, signed=signed)
    read = _short_way(number)
    return _Number(number.size, read, number.encode)


def _short_way(number: Bcd) -> Callable[[bytes], Decimal | None]:
    """Read plain digits at once; whatever is unusual (a sign, no value) goes the long way."""
    size = number.size
    signed = number.signed
    one = Decimal(1).scaleb(-len(number.notation.partition(".")[2]))

    def decode(raw: bytes) -> Decimal | None:
        if len(raw) == size and not (signed and raw[-1] >= 0x80):
            try:
                return Decimal(int(raw[::-1].hex())) * one
            except ValueError:
                return number.decode(raw)
        return number.decode(raw)

    return decode


def parse_format(
    notation: str, *, signed: bool = False, units: Sequence[str] = ("",), size: int = 0
) -> Fields:
    """All fields of a format, in the order of the wire.

    Args:
        notation: the whole format.
        signed: for every number in it.
        units: the unit of each field; the last one serves all that follow.
        size: bytes of ASCII or bits in it.
    """
    fixed: list[FieldCodec] = []
    repeated: tuple[FieldCodec, ...] = ()
    for core, times, open_end in _parts(notation):
        group: list[FieldCodec] = []
        for part in core:
            unit = units[min(len(fixed) + len(group), len(units) - 1)]
            group.append(field_codec(part, signed=signed, unit=unit, size=size))
        if open_end:
            repeated = tuple(group)
        else:
            fixed += group * times
    return Fields(tuple(fixed), repeated)


def _parts(notation: str) -> Iterator[tuple[list[str], int, bool]]:
    """Each part as (its cores, how many times, whether it repeats to the end)."""
    if not notation:
        raise LocalError("a format has at least one part")
    position = 0
    while position < len(notation):
        match = _PART.match(notation, position)
        if match is None:
            raise LocalError(f"{notation!r} is no format of the tables")
        cores = re.split("[+,]", match["core"].strip("()"))
        counts = match["times"].split("x")[1:]
        open_end = "n" in counts
        times = prod(int(count) for count in counts if count != "n")
        yield cores, times, open_end
        position = match.end()
