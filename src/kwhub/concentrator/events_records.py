"""Event records of Q/GDW 1376.1 from what meters tell: pure building of bytes.

Source: Q/GDW 1376.1-2013, clause 5.13. The kinds in D7-D6 of the flags of ERC 9, 10, 24 and 25, and the single
flags of ERC 8 and 13, stand in no source that we have in full; a head-end should rely on ERC, point and time, and
take the flags as a hint. Voltages, currents and energies are those that the meter kept with the beginning of its event
(State Grid filings), or what it shows while the event lasts or has just ended; what is neither is EE.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.exchange.events import EventRecord as MeterRecord
from kwhub.protocols.gdw1376.event_records import EventRecord, point_word
from kwhub.protocols.gdw1376.formats import A1, A5, A7, A11, A14, A15, A25, Format
from kwhub.protocols.gdw1376.times import WallClock

__all__ = [
    "COUNTED",
    "NO_VALUES",
    "Values",
    "clock_off",
    "clock_set",
    "counted",
    "device_trouble",
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
_VOLTAGE = 24
_AT_START, _ENERGY = "at start: ", "forward active energy, total"
_PHASES = ("phase A", "phase B", "phase C")


class Values(NamedTuple):
    """What a meter showed at the time of an event: by phase V and A, and kWh."""

    voltages: tuple[Decimal | None, ...] = (None,) * 3
    currents: tuple[Decimal | None, ...] = (None,) * 3
    energy: Decimal | None = None


NO_VALUES = Values()

_Maker = Callable[[datetime, bytes, int, Values], EventRecord]
"""From the time, the point word, the phase (0 to 2), and what the meter showed."""


def _head(at: datetime, point: bytes) -> bytes:
    return A15.encode(at) + point


def _flagged(code: int, flags: int) -> _Maker:
    return lambda at, point, *_: EventRecord(code, _head(at, point) + bytes([flags]))


def _plain(code: int) -> _Maker:
    return lambda at, point, *_: EventRecord(code, _head(at, point))


def _circuit(code: int, kind: int) -> _Maker:
    def make(at: datetime, point: bytes, phase: int, values: Values) -> EventRecord:
        body = _head(at, point) + bytes([kind << 6 | 1 << phase])
        body += _shown(A7, values.voltages) + _shown(A25, values.currents)
        return EventRecord(code, body + _shown(A14, (values.energy,)))

    return make


def _limit(code: int, kind: int) -> _Maker:
    def make(at: datetime, point: bytes, phase: int, values: Values) -> EventRecord:
        body = _head(at, point) + bytes([kind << 6 | 1 << phase])
        shown = _shown(A7, values.voltages) if code == _VOLTAGE else _shown(A25, values.currents)
        return EventRecord(code, body + shown)

    return make


def _shown(form: Format[Decimal | None], values: Iterable[Decimal | None]) -> bytes:
    """Values as they stand in a record; one that does not fit is missing."""
    raw = b""
    for value in values:
        try:
            raw += form.encode(value)
        except LocalError:
            raw += form.encode(None)
    return raw


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


def counted(
    kind: str,
    phase: int,
    record: MeterRecord,
    point: int,
    now: datetime,
    shown: Values = NO_VALUES,
) -> EventRecord:
    """The record of an event that a meter has counted.

    Args:
        kind: a key of ``COUNTED``, or ``clock_set``.
        phase: place of its series; 0 to 2 for A to C.
        record: what the meter keeps of it.
        point: measuring point.
        now: naive wall time, for a record whose time cannot be read.
        shown: what the meter shows while the event lasts, for a record that does not say.
    """
    if kind == "clock_set":
        before, after = (_moment(value.value) for value in record.values[1:3])
        return clock_set(point, before or now, after or now)
    at = _moment(record.values[0].value) if record.values else None
    values = _kept(record)
    return COUNTED[kind](
        at or now, point_word(point, begins=True), phase, shown if values == NO_VALUES else values
    )


def ended(
    kind: str, phase: int, point: int, at: datetime, shown: Values = NO_VALUES
) -> EventRecord:
    """The end of something lasting, as a status word has told it, and what the meter shows since."""
    return COUNTED[kind](at, point_word(point, begins=False), phase, shown)


def _kept(record: MeterRecord) -> Values:
    """What the meter kept with the beginning of its event."""
    found: dict[str, Decimal] = {}
    for value in record.values:
        _, is_at_start, name = value.name_en.partition(_AT_START)
        if is_at_start and isinstance(value.value, Decimal):
            found[name] = value.value
    return Values(
        tuple(found.get(f"voltage, {phase}") for phase in _PHASES),
        tuple(found.get(f"current, {phase}") for phase in _PHASES),
        found.get(_ENERGY),
    )


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


def device_trouble(
    point: int, at: datetime, trouble: int, address: str, *, begins: bool
) -> EventRecord:
    """ERC 60, an extension: what is wrong with a radio device, and its address as it is printed."""
    device = bytes.fromhex(address.partition("/")[0].replace(":", ""))
    return EventRecord(60, _head(at, point_word(point, begins=begins)) + bytes([trouble]) + device)


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
