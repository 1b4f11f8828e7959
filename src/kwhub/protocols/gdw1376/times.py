"""Times on the wire: wall times of the site, without zone, two BCD digits for each part.

Source: Q/GDW 1376.1-2013, annex A.1, A.15 to A.21, A.24. Years are 20xx.
"""

from dataclasses import dataclass
from datetime import date, datetime, time

from kwhub.domain.errors import DecodeError, LocalError

__all__ = ["ClockCodec", "DateCodec", "MomentCodec", "PartialTime", "PartsCodec", "WallClock"]

_CENTURY = 2000
_NEVER = b"\xee"  # the filler of a value that does not exist


@dataclass(frozen=True, slots=True)
class WallClock:
    """Date and time with weekday, as format A.1 carries it."""

    time: datetime  #: naive wall time of the site
    weekday: int = 0  #: 1 Monday to 7 Sunday, 0 not set

    @classmethod
    def of(cls, time: datetime) -> "WallClock":
        """The clock of a naive wall time, with its true weekday."""
        return cls(time.replace(microsecond=0), time.isoweekday())

    def __str__(self) -> str:
        return f"{self.time:%Y-%m-%d %H:%M:%S}"


@dataclass(frozen=True, slots=True)
class PartialTime:
    """A time without year: the parts that a short format does not carry are None."""

    month: int | None = None
    day: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None

    def __str__(self) -> str:
        days = "-".join(f"{part:02d}" for part in (self.month, self.day) if part is not None)
        clock = (self.hour, self.minute, self.second)
        return f"{days} {':'.join(f'{part:02d}' for part in clock if part is not None)}".strip()


_PART_RANGES = {
    "second": (0, 59),
    "minute": (0, 59),
    "hour": (0, 23),
    "day": (1, 31),
    "month": (1, 12),
    "year": (0, 99),
}


def _two_digits(byte: int, part: str) -> int:
    tens, units = byte >> 4, byte & 0x0F
    low, high = _PART_RANGES[part]
    value = tens * 10 + units
    if tens > 9 or units > 9 or not low <= value <= high:
        raise DecodeError("not_a_time", f"{byte:02X} is no {part}", field=part)
    return value


def _packed(value: int) -> int:
    return (value // 10 << 4) | value % 10


def _century_year(year: int) -> int:
    if not _CENTURY <= year < _CENTURY + 100:
        raise LocalError(f"year {year} is not of this century")
    return year - _CENTURY


class ClockCodec:
    """A.1: second, minute, hour, day, weekday + month, year."""

    def decode(self, raw: bytes) -> WallClock | None:
        """The time of the bytes, None when it was never set. Raises DecodeError."""
        if raw[3] == 0 and raw[4] & 0x1F == 0:
            return None  # no day and no month: a clock that was never set
        month = raw[4] & 0x1F
        try:
            day = date(
                _CENTURY + _two_digits(raw[5], "year"),
                _two_digits(month, "month"),
                _two_digits(raw[3], "day"),
            )
        except ValueError as error:
            raise DecodeError("not_a_time", f"{raw.hex().upper()}: {error}") from None
        clock = time(
            _two_digits(raw[2], "hour"),
            _two_digits(raw[1], "minute"),
            _two_digits(raw[0], "second"),
        )
        return WallClock(datetime.combine(day, clock), raw[4] >> 5)

    def encode(self, value: WallClock | None) -> bytes:
        """The bytes of a time. Raises LocalError."""
        if value is None:
            return _NEVER * 6
        if not 0 <= value.weekday <= 7:
            raise LocalError(f"weekday {value.weekday} is not between 0 and 7")
        moment = value.time
        parts = (moment.second, moment.minute, moment.hour, moment.day)
        month = _packed(moment.month) | value.weekday << 5
        return bytes([*map(_packed, parts), month, _packed(_century_year(moment.year))])


class PartsCodec:
    """Two BCD digits for each named part, in wire order."""

    def __init__(self, *parts: str) -> None:
        self.parts = parts

    def read(self, raw: bytes) -> dict[str, int]:
        """Each part as a number. Raises DecodeError."""
        return {part: _two_digits(byte, part) for part, byte in zip(self.parts, raw, strict=True)}

    def decode(self, raw: bytes) -> PartialTime:
        """The time of the bytes. Raises DecodeError."""
        return PartialTime(**self.read(raw))

    def encode(self, value: PartialTime) -> bytes:
        """The bytes of a time. Raises LocalError."""
        found = [getattr(value, part) for part in self.parts]
        if None in found:
            raise LocalError(f"{value} lacks one of {', '.join(self.parts)}")
        for part, number in zip(self.parts, found, strict=True):
            low, high = _PART_RANGES[part]
            if not low <= number <= high:
                raise LocalError(f"{part} {number} is not between {low} and {high}")
        return bytes(_packed(part) for part in found)


class MomentCodec:
    """A.15: minute, hour, day, month, year."""

    _parts = PartsCodec("minute", "hour", "day", "month", "year")

    def decode(self, raw: bytes) -> datetime | None:
        """The time of the bytes, None when it was never set. Raises DecodeError."""
        if raw[2:4] == b"\0\0":
            return None  # day 0 of month 0: it never happened
        found = self._parts.read(raw)
        try:
            day = date(_CENTURY + found["year"], found["month"], found["day"])
        except ValueError as error:
            raise DecodeError("not_a_time", f"{raw.hex().upper()}: {error}") from None
        return datetime.combine(day, time(found["hour"], found["minute"]))

    def encode(self, value: datetime | None) -> bytes:
        """The bytes of a time. Raises LocalError."""
        if value is None:
            return _NEVER * 5
        parts = (value.minute, value.hour, value.day, value.month, _century_year(value.year))
        return bytes(_packed(part) for part in parts)


class DateCodec:
    """A.20: day, month, year; A.21: month, year, read as the first of the month."""

    def __init__(self, *, with_day: bool) -> None:
        self._with_day = with_day

    def decode(self, raw: bytes) -> date | None:
        """The time of the bytes, None when it was never set. Raises DecodeError."""
        if raw[:-1] == bytes(len(raw) - 1):
            return None
        day = _two_digits(raw[0], "day") if self._with_day else 1
        try:
            return date(_CENTURY + _two_digits(raw[-1], "year"), _two_digits(raw[-2], "month"), day)
        except ValueError as error:
            raise DecodeError("not_a_time", f"{raw.hex().upper()}: {error}") from None

    def encode(self, value: date | None) -> bytes:
        """The bytes of a time. Raises LocalError."""
        if value is None:
            return _NEVER * (3 if self._with_day else 2)
        tail = bytes([_packed(value.month), _packed(_century_year(value.year))])
        return bytes([_packed(value.day)]) + tail if self._with_day else tail
