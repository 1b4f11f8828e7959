"""Data of a record as a value: integers, BCD, reals, text, dates.

Source: EN 13757-3, data field codings and types B, F, G, I.
"""

import struct
from dataclasses import dataclass
from decimal import Decimal

from kwhub.domain.errors import DecodeError

__all__ = [
    "LENGTHS",
    "VARIABLE",
    "Value",
    "bcd",
    "bcd_bytes",
    "date_bytes",
    "read_value",
    "time_bytes",
    "variable_bytes",
]

LENGTHS = (0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, None, 6)
"""Bytes of each data coding; None: the first byte says."""
VARIABLE = 0x0D
_REAL = 0x05
_BCD = frozenset({9, 10, 11, 12, 14})
_DATE_BYTES, _TIME_BYTES, _LONG_TIME_BYTES = 2, 4, 6
_LVAR_TEXT, _LVAR_BCD, _LVAR_NEGATIVE, _LVAR_BINARY, _LVAR_LONG = 0xC0, 0xC0, 0xD0, 0xE0, 0xF0
_LVAR_BCD_MAX, _LVAR_LONG_MAX = 9, 0xF4
_INVALID, _SUMMER = 0x80, 0x80
_YEAR_ANY, _YEAR_1900_FROM = 127, 81


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it stands on the wire, without its scale.

    ``kind`` is ``number``, ``text``, ``date``, ``datetime``, ``binary``, ``invalid_bcd``,
    ``invalid_real`` or ``none``.
    """

    kind: str
    number: Decimal | None = None
    text: str | None = None
    digits: str = ""  #: of a BCD number that is none
    invalid: bool = False  #: the meter says that its time is not right
    summer_time: bool = False


def bcd(data: bytes) -> Decimal | None:
    """Low byte first; F in the top digit is the sign; None when there is another digit above 9."""
    digits = data[::-1].hex()
    sign, digits = ("-", "0" + digits[1:]) if digits[:1] == "f" else ("", digits)
    return Decimal(sign + digits) if digits.isdigit() else None


def bcd_bytes(value: int, size: int) -> bytes:
    """Positive number as BCD, low byte first. Raises DecodeError when it does not fit."""
    digits = f"{value:0{2 * size}d}"
    if value < 0 or len(digits) > 2 * size:
        raise DecodeError("value_out_of_range", f"{value} does not fit {2 * size} digits")
    return bytes.fromhex(digits)[::-1]


def read_value(coding: int, data: bytes, form: str = "number") -> Value:
    """The value in data of a coding (low half of the DIF); ``form`` as ``Unit.form``."""
    if coding == VARIABLE:
        return _variable(data[0], data[1:])
    if not LENGTHS[coding]:
        return Value("none")
    if form in ("date", "datetime") and coding not in _BCD and coding != _REAL:
        moment = _moment(data)
        if moment is not None:
            return moment
    if coding in _BCD:
        return _bcd_value(data)
    number = Decimal(int.from_bytes(data, "little", signed=True))
    return _real(data) if coding == _REAL else Value("number", number)


def variable_bytes(first: int) -> int:
    """Bytes behind LVAR. Raises DecodeError when LVAR is reserved."""
    if first < _LVAR_TEXT:
        return first
    if first < _LVAR_LONG and first & 0x0F <= (_LVAR_BCD_MAX if first < _LVAR_BINARY else first):
        return first & 0x0F
    if _LVAR_LONG <= first <= _LVAR_LONG_MAX:
        return 4 * (first - 0xEC)
    raise DecodeError("lvar_reserved", f"LVAR {first:02X} is reserved", field="data")


def _variable(first: int, data: bytes) -> Value:
    if first < _LVAR_TEXT:
        return Value("text", text=data[::-1].decode("latin-1"))
    if first < _LVAR_NEGATIVE:
        return _bcd_value(data)
    if first < _LVAR_BINARY:
        found = _bcd_value(data)
        return found if found.number is None else Value("number", -found.number)
    return Value("binary", text=data.hex())


def _bcd_value(data: bytes) -> Value:
    if not data:
        return Value("none")
    number = bcd(data)
    if number is None:
        return Value("invalid_bcd", digits=data[::-1].hex().upper())
    return Value("number", number)


def _real(data: bytes) -> Value:
    number = Decimal(repr(struct.unpack("<f", data)[0]))
    return Value("number", number) if number.is_finite() else Value("invalid_real")


def _moment(data: bytes) -> Value | None:
    """Type G, F or I by its size; None for another size."""
    if len(data) == _DATE_BYTES:
        return Value("date", text=_date(data))
    if len(data) == _TIME_BYTES:
        minute, hour = data[0] & 0x3F, data[1] & 0x1F
        century = data[1] >> 5 & 3
        text = f"{_date(data[2:], century)}T{hour:02d}:{minute:02d}"
        invalid = bool(data[0] & _INVALID)
        return Value("datetime", text=text, invalid=invalid, summer_time=bool(data[1] & _SUMMER))
    if len(data) == _LONG_TIME_BYTES:
        clock = f"{data[2] & 0x1F:02d}:{data[1] & 0x3F:02d}:{data[0] & 0x3F:02d}"
        text = f"{_date(data[3:5])}T{clock}"
        invalid, summer = bool(data[1] & _INVALID), bool(data[0] & 0x40)
        return Value("datetime", text=text, invalid=invalid, summer_time=summer)
    return None


def _date(data: bytes, century: int = 0) -> str:
    """``2014-03-13``; what is not set or means every day stays as it is: ``2000-00-00``."""
    day, month = data[0] & 0x1F, data[1] & 0x0F
    year = data[0] >> 5 | (data[1] & 0xF0) >> 1
    if year == _YEAR_ANY:
        shown = "*"
    elif century:
        shown = str(1900 + 100 * century + year)
    else:
        shown = str(year + (1900 if year >= _YEAR_1900_FROM else 2000))
    return f"{shown}-{month:02d}-{day:02d}"


def date_bytes(year: int, month: int, day: int) -> bytes:
    """Type G of a day from 1981 to 2080."""
    short = year % 100
    return bytes([(short & 7) << 5 | day, (short >> 3) << 4 | month])


def time_bytes(day: bytes, hour: int, minute: int, *, summer: bool = False) -> bytes:
    """Type F from a type G day."""
    return bytes([minute, hour | (_SUMMER if summer else 0)]) + day
