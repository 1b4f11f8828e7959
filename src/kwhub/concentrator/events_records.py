"""Event records of Q/GDW 1376.1 from what meters tell: pure building of bytes.

Source: Q/GDW 1376.1-2013, clause 5.13. The kinds in D7-D6 of the flags of ERC 9, 10, 24 and 25, and the single
flags of ERC 8 and 13, stand in no source that we have in full; a head-end should rely on ERC, point and time, and
take the flags as a hint. Voltages, currents and energies that were not read at that moment are EE.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from kwhub.domain.errors import DecodeError
from kwhub.exchange.events import EventRecord as MeterRecord
from kwhub.protocols.gdw1376.event_records import EventRecord, point_word
from kwhub.protocols.gdw1376.formats import A1, A5, A7, A11, A14, A15, A25
from kwhub.protocols.gdw1376.times import WallClock

__all__ = [
    "COUNTED",
    "clock_off",
    "clock_set",
    "counted",
    "ended",
    "meter_fault",
    "phase_order",
    "reading_failed",
    "store_fault",
    "words_changed",
]

_OPEN, _REVERSED, _FAILED, _LOST, _ABOVE, _BELOW = 2, 3, 1, 2, 1, 2  # D7-D6
_BATTERY, _INNER, _POWER_DOWN, _PROGRAMMED = 0x10, 0x20, 0x08, 0x01  # flags of ERC 13
_TABLES, _PARAMETERS = 0x01, 0x02  # flags of ERC 8
_MEMORY = 1  # fault of ERC 21
_TIME_DIGITS = 12

_Maker = Callable[[datetime, bytes, int], EventRecord]
"""From the time, the point word, and the phase (0 to 2)."""


def _head(at: datetime, point: bytes) -> bytes:
    return A15.encode(at) + point


def _flagged(code: int, flags: int) -> _Maker:
    return lambda at, point, _: EventRecord(code, _head(at, point) + bytes([flags]))


def _plain(code: int) -> _Maker:
    return lambda at, point, _: EventRecord(code, _head(at, point))


def _circuit(code: int, kind: int) -> _Maker:
    rest = A7.encode(None) * 3 + A25.encode(None) * 3 + A14.encode(None)
    return lambda at, point, phase: EventRecord(
        code, _head(at, point) + bytes([kind << 6 | 1 << phase]) + rest
    )


def _limit(code: int, kind: int) -> _Maker:
    values = (A7 if code == 24 else A25).encode(None) * 3
    return lambda at, point, phase: EventRecord(
        code, _head(at, point) + bytes([kind << 6 | 1 << phase]) + values
    )


COUNTED: Mapping[str, _Maker] = MappingProxyType(
    {
        "voltage_loss": _circuit(10, _LOST),
        "phase_failure": _circuit(10, _FAILED),
        "current_loss": _circuit(9, _OPEN),
        "current_interruption": _circuit(9, _OPEN),
        "power_reversal": _circuit(9, _REVERSED),
        "undervoltage": _limit(24, _BELOW),
        "overvoltage": _limit(24, _ABOVE),
        "overcurrent": _limit(25, _ABOVE),
        "power_down": _flagged(13, _POWER_DOWN),
        "meter_clear": _flagged(13, _PROGRAMMED),
        "demand_clear": _flagged(13, _PROGRAMMED),
        "programming": _flagged(8, _PARAMETERS),
        "slot_table_programming": _flagged(8, _TABLES),
        "zone_table_programming": _flagged(8, _TABLES),
        "cover_opening": _plain(37),
        "terminal_cover_opening": _plain(38),
        "magnetic_field": _plain(40),
    }
)
"""Events that meters count, by their key in ``kwhub.exchange.events``; and ``clock_set``, which is told apart."""


def counted(kind: str, phase: int, record: MeterRecord, point: int, now: datetime) -> EventRecord:
    """The record of an event that a meter has counted.

    Args:
        kind: a key of ``COUNTED``, or ``clock_set``.
        phase: place of its series; 0 to 2 for A to C.
        record: what the meter keeps of it.
        point: measuring point.
        now: naive wall time, for a record whose time cannot be read.
    """
    if kind == "clock_set":
        before, after = (_moment(value.value) for value in record.values[1:3])
        return clock_set(point, before or now, after or now)
    at = _moment(record.values[0].value) if record.values else None
    return COUNTED[kind](at or now, point_word(point, begins=True), phase)


def ended(kind: str, phase: int, point: int, at: datetime) -> EventRecord:
    """The end of something lasting, as a status word has told it."""
    return COUNTED[kind](at, point_word(point, begins=False), phase)


def words_changed(point: int, at: datetime, change: bytes, words: bytes) -> EventRecord:
    """ERC 33: seven words of what changed, and the seven words."""
    return EventRecord(33, _head(at, point_word(point, begins=True)) + change + words)


def meter_fault(point: int, at: datetime, *, battery: bool, begins: bool) -> EventRecord:
    """ERC 13: the battery, or something else inside the meter."""
    flags = _BATTERY if battery else _INNER
    return EventRecord(13, _head(at, point_word(point, begins=begins)) + bytes([flags]))


def phase_order(point: int, at: datetime, *, begins: bool) -> EventRecord:
    """ERC 11."""
    rest = A5.encode(None) * 6 + A14.encode(None)
    return EventRecord(11, _head(at, point_word(point, begins=begins)) + rest)


def clock_off(point: int, at: datetime, *, begins: bool) -> EventRecord:
    """ERC 12."""
    return EventRecord(12, _head(at, point_word(point, begins=begins)))


def clock_set(point: int, before: datetime, after: datetime) -> EventRecord:
    """ERC 41, which has no time of its own."""
    times = (A1.encode(WallClock.of(moment)) for moment in (before, after))
    return EventRecord(41, point_word(point, begins=True) + b"".join(times))


def reading_failed(
    point: int, at: datetime, last: datetime | None, energy: Decimal | None, *, begins: bool
) -> EventRecord:
    """ERC 31: a meter that was not read for long, with what was read last."""
    body = _head(at, point_word(point, begins=begins))
    return EventRecord(31, body + A15.encode(last) + A14.encode(energy) + A11.encode(None))


def store_fault(at: datetime) -> EventRecord:
    """ERC 21: what is read could not be kept at a moment."""
    return EventRecord(21, A15.encode(at) + bytes([_MEMORY]))


def _moment(value: object) -> datetime | None:
    """The time that a record begins with: told as a date, or the first of its digits as on the wire."""
    text = str(value)
    try:
        if "-" in text:
            return datetime.fromisoformat(text)
        digits = bytes.fromhex(text[:_TIME_DIGITS])[::-1].hex()
        return datetime.strptime(digits, "%y%m%d%H%M%S")  # noqa: DTZ007 - meters show wall time
    except (ValueError, DecodeError):
        return None
