"""The event book of a meter: how often each thing happened, and the records of the last ten times.

Records are kept as the bytes that are told later: what the registers showed then is part of them.

Source: DL/T 645-2007, annex A, table A.4 (class 03), and the State Grid filings (classes 10 to 13 voltage,
1D trip, 1E close). A clearing of events leaves the records of clearings (clause 7, code 1B).
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Final

from kwhub.protocols.dlt645.items import decode, encode, find
from kwhub.protocols.dlt645.orders import ALL_EVENTS
from kwhub.sim.denial import NoSuchData, not_authorised
from kwhub.sim.memory import Log, Memory
from kwhub.sim.quantities import Plain

__all__ = [
    "CLEAR_DEMAND",
    "CLEAR_EVENTS",
    "CLEAR_METER",
    "CLOSE",
    "COVER",
    "CURRENT_INTERRUPTION",
    "CURRENT_LOSS",
    "KEY_UPDATE",
    "OVERCURRENT",
    "OVERLOAD",
    "OVERVOLTAGE",
    "PHASE_FAILURE",
    "POWER_DOWN",
    "PROGRAMMING",
    "RECORDS_MAX",
    "TERMINAL_COVER",
    "TIME_SET",
    "TRIP",
    "UNDERVOLTAGE",
    "VOLTAGE_LOSS",
    "EventBook",
    "whole_record",
]

RECORDS_MAX: Final = 10

POWER_DOWN: Final = 0x0311_00
PROGRAMMING: Final = 0x0330_00
CLEAR_METER: Final = 0x0330_01
CLEAR_DEMAND: Final = 0x0330_02
CLEAR_EVENTS: Final = 0x0330_03
TIME_SET: Final = 0x0330_04
KEY_UPDATE: Final = 0x0330_12
COVER: Final = 0x0330_0D
TERMINAL_COVER: Final = 0x0330_0E
TRIP: Final = 0x1D00
CLOSE: Final = 0x1E00
VOLTAGE_LOSS: Final = 0x1000
"""Voltage loss; the phase (1 to 3) is added to it, and so for the next."""
UNDERVOLTAGE: Final = 0x1100
OVERVOLTAGE: Final = 0x1200
PHASE_FAILURE: Final = 0x1300
CURRENT_LOSS: Final = 0x1800
OVERCURRENT: Final = 0x1900
CURRENT_INTERRUPTION: Final = 0x1A00
OVERLOAD: Final = 0x1C00

_WRITING: Final = range(0x0330_00, 0x0330_0D)  #: programming, clearing and what was programmed
_OF_PHASES: Final = {
    0x01: VOLTAGE_LOSS,
    0x02: UNDERVOLTAGE,
    0x03: OVERVOLTAGE,
    0x04: PHASE_FAILURE,
    0x0B: CURRENT_LOSS,
    0x0C: OVERCURRENT,
    0x0D: CURRENT_INTERRUPTION,
    0x0F: OVERLOAD,
}
"""DI2 of class 03: the same events in the classes 10 to 1C."""
_SINGLE: Final = frozenset({POWER_DOWN, COVER, TERMINAL_COVER, KEY_UPDATE, *_WRITING})
_SWITCHED: Final = frozenset({TRIP, CLOSE})
_VOLTAGE: Final = frozenset(head + phase for head in _OF_PHASES.values() for phase in (1, 2, 3))
KINDS: Final = _SINGLE | _SWITCHED | _VOLTAGE
_KEPT: Final = frozenset({CLEAR_METER, CLEAR_EVENTS})
_RECORD_03_BYTES: Final = {
    **dict.fromkeys((VOLTAGE_LOSS, UNDERVOLTAGE, OVERVOLTAGE, PHASE_FAILURE), 131),
    **dict.fromkeys((CURRENT_LOSS, OVERCURRENT, CURRENT_INTERRUPTION), 115),
    OVERLOAD: 76,
}
"""Bytes of a record in class 03: without the energies at its end."""
_WHOLE: Final = 0xFF
_COUNT, _TIME = 1, 2


class EventBook:
    """The events of one meter."""

    def __init__(self, memory: Memory) -> None:
        self._logs = memory.logs

    def payload(self, identifier: int) -> bytes:
        """Value bytes of an identifier of the classes 03, 10 to 13, 1D and 1E.

        Raises:
            NoSuchData: the meter does not keep such events, or it has not happened so often.
        """
        group, second, third, last = identifier.to_bytes(4)
        if group != 0x03:
            return self._by_field(identifier)
        if second in _OF_PHASES:
            return self._of_phases(_OF_PHASES[second], third, last)
        kind = identifier >> 8
        if last:
            return self._record(kind, last)
        if kind in KINDS:
            return _count(self._log(kind).count)
        return _never(identifier)

    def add(self, kind: int, record: bytes) -> None:
        """Something has happened."""
        log = self._logs.setdefault(kind, Log())
        log.count += 1
        log.records.insert(0, record)
        del log.records[RECORDS_MAX:]

    def begin(self, kind: int, record: bytes, at_s: int) -> bool:
        """Something lasting begins; False when it lasts already."""
        if self._log(kind).running_s is not None:
            return False
        self.add(kind, record)
        self._logs[kind].running_s = at_s
        return True

    def end(self, kind: int, changes: dict[int, Plain], at_s: int) -> bool:
        """It ends: values of its record by their place; False when it did not last."""
        log = self._log(kind)
        if log.running_s is None:
            return False
        log.seconds += max(0, at_s - log.running_s)
        log.running_s = None
        identifier = whole_record(kind)
        values = [value.value for value in decode(identifier, log.records[0])]
        for place, value in changes.items():
            values[place] = value
        log.records[0] = encode(identifier, values)
        return True

    def is_running(self, kind: int) -> bool:
        """Whether it lasts."""
        return self._log(kind).running_s is not None

    def last(self, kind: int) -> bytes | None:
        """The newest record."""
        records = self._log(kind).records
        return records[0] if records else None

    def replace_last(self, kind: int, record: bytes) -> None:
        """The newest record says more than before."""
        self._logs[kind].records[0] = record

    def clear(self, events: int) -> None:
        """Forget one kind of events (DI0 is FF) or all; clearings are never forgotten.

        Raises:
            Denied: no such kind, or one that must stay.
        """
        if events == ALL_EVENTS:
            gone = set(self._logs) - _KEPT
        else:
            gone = _kinds(events)
            if gone & _KEPT:
                raise not_authorised("records of clearings stay")
        for kind in gone:
            self._logs.pop(kind, None)

    def clear_with_meter(self) -> None:
        """Everything but the record of this clearing."""
        for kind in set(self._logs) - {CLEAR_METER}:
            del self._logs[kind]

    def _log(self, kind: int) -> Log:
        return self._logs.get(kind) or Log()

    def _record(self, kind: int, last: int) -> bytes:
        records = self._log(kind).records
        if not 1 <= last <= len(records):
            raise NoSuchData(f"{kind:04X}: record {last} of {len(records)}")
        return records[last - 1]

    def _of_phases(self, head: int, phase: int, last: int) -> bytes:
        """Class 03: counters of all phases, or a record of one."""
        if phase == last == 0:
            logs = [self._log(head + each) for each in (1, 2, 3)]
            return b"".join(_count(log.count) + _count(log.seconds // 60) for log in logs)
        if head + phase not in KINDS or not last:
            raise NoSuchData(f"{head + phase:04X}")
        return self._record(head + phase, last)[: _RECORD_03_BYTES[head]]

    def _by_field(self, identifier: int) -> bytes:
        """The classes with an identifier for each field: DI1 = field, DI0 = which of the last ten."""
        kind, field, last = identifier >> 16, identifier >> 8 & 0xFF, identifier & 0xFF
        if find(identifier) is None or kind not in KINDS:
            raise NoSuchData(f"{identifier:08X}")
        if field == 0:
            log = self._log(kind)
            return _count(log.count if last == _COUNT else log.seconds // 60)
        record = self._record(kind, last)
        if field == _WHOLE:
            return record
        start, stop = _places(kind)[field - 1]
        return record[start:stop]


def whole_record(kind: int) -> int:
    """The identifier of the newest whole record of a kind."""
    return kind << 8 | 1 if kind > 0xFFFF else kind << 16 | _WHOLE << 8 | 1


@cache
def _places(kind: int) -> Sequence[tuple[int, int]]:
    """Where each field of a whole record starts and stops."""
    places: list[tuple[int, int]] = []
    start = 0
    while (item := find(kind << 16 | (len(places) + 1) << 8 | 1)) is not None and item.size:
        places.append((start, start + item.size))
        start += item.size
    return tuple(places)


def _kinds(events: int) -> set[int]:
    """The kinds that DI3 DI2 DI1 FF names."""
    group, second, third, last = events.to_bytes(4)
    if group == 0x03 and second in _OF_PHASES:
        head = _OF_PHASES[second]
        found = {head + phase for phase in (1, 2, 3) if third in (phase, 0, _WHOLE)}
    elif group == 0x03:
        found = {events >> 8} & KINDS
    else:
        found = {events >> 16} & KINDS if third in (0, _WHOLE) else set()
    if last != _WHOLE or not found:
        raise NoSuchData(f"no events {events:08X}")
    return found


def _count(number: int) -> bytes:
    """Three bytes BCD."""
    return bytes.fromhex(f"{number % 10**6:06d}")[::-1]


def _never(identifier: int) -> bytes:
    """Counters of what has never happened to this meter."""
    item = find(identifier)
    if item is None or item.size is None or set(item.format) & set("YH") or "." in item.format:
        raise NoSuchData(f"{identifier:08X}")
    return encode(identifier, [Decimal(0)] * item.layout.shape.values)
