"""What happens to a meter, as its event book tells it: times, operators, and what the registers showed.

Source: DL/T 645-2007, annex A, table A.4, and the State Grid filings (classes 10 to 13, 1D, 1E).
"""

from typing import Final

from kwhub.protocols.dlt645.items import encode
from kwhub.protocols.dlt645.times import WALL_TIME_BYTES, wall_time, wall_time_bytes
from kwhub.sim import eventbook as kinds
from kwhub.sim.clockwork import wall_datetime
from kwhub.sim.eventbook import EventBook, whole_record
from kwhub.sim.quantities import Plain, counter, currents, power_factors, powers, reactive_powers
from kwhub.sim.quantities import voltages as voltages_of
from kwhub.sim.readout import NO_TIME, Readout
from kwhub.sim.settings import SETTLEMENT_DAYS
from kwhub.sim.tariff_tables import DAY_TABLES, ZONES

__all__ = ["PROGRAMMING_S", "Happenings"]

PROGRAMMING_S: Final = 600
"""Writes of one operator within this time share one programming record."""

_NOT_YET: Final = NO_TIME + ":00"
_IDENTIFIERS: Final = 10  #: identifiers in a programming record
_HEAD_BYTES: Final = 10
_HOLIDAYS: Final = 0x0403_0000
_HOLIDAYS_MAX: Final = 254

#: What a write of these parameters is recorded as, and what was in force before (value bytes in a row).
_PROGRAMMED: Final[tuple[tuple[int, tuple[int, ...]], ...]] = (
    (0x0330_05, tuple(sorted(DAY_TABLES))),
    (0x0330_06, ZONES),
    (0x0330_07, (0x0400_0802,)),
    (0x0330_09, (0x0400_0601,)),
    (0x0330_0A, (0x0400_0602,)),
    (0x0330_0B, (0x0400_0603,)),
    (0x0330_0C, SETTLEMENT_DAYS),
)
_WITH_AMPERE_HOURS: Final = frozenset(
    {kinds.VOLTAGE_LOSS, kinds.UNDERVOLTAGE, kinds.OVERVOLTAGE, kinds.PHASE_FAILURE}
)
_HOLIDAY_RECORD: Final = 0x0330_08


class Happenings:
    """Writes the event book of one meter."""

    def __init__(self, readout: Readout, book: EventBook) -> None:
        self._readout = readout
        self._book = book

    def programmed(self, identifier: int, operator: str, at_s: int) -> None:
        """A parameter is about to be written."""
        self._note_programming(identifier, operator, at_s)
        head = self._head(operator, at_s)
        settings = self._readout.settings
        for kind, before in _PROGRAMMED:
            if identifier in before:
                self._book.add(kind, head + b"".join(map(settings.raw, before)))
        if identifier >> 8 == _HOLIDAYS >> 8:
            numbers = range(_HOLIDAYS + 1, _HOLIDAYS + 1 + _HOLIDAYS_MAX)
            self._book.add(_HOLIDAY_RECORD, head + b"".join(map(settings.raw_holiday, numbers)))

    def _note_programming(self, identifier: int, operator: str, at_s: int) -> None:
        """A new record, or one more identifier in the last one."""
        head = self._head(operator, at_s)
        book, kind = self._book, kinds.PROGRAMMING
        written = identifier.to_bytes(4, "little")
        last = book.last(kind)
        if last is not None and self._is_same_session(last, head):
            known = [last[at : at + 4] for at in range(_HEAD_BYTES, len(last), 4)]
            used = [each for each in known if each != b"\xff" * 4]
            if written not in used and len(used) < _IDENTIFIERS:
                used.append(written)
                padded = used + [b"\xff" * 4] * (_IDENTIFIERS - len(used))
                book.replace_last(kind, last[:_HEAD_BYTES] + b"".join(padded))
            return
        book.add(kind, head + written + b"\xff" * 4 * (_IDENTIFIERS - 1))

    @staticmethod
    def _is_same_session(last: bytes, head: bytes) -> bool:
        """Whether the heads of two records have one operator and lie within the same while."""
        then, now = (wall_time(raw[:WALL_TIME_BYTES]) for raw in (last, head))
        same_operator = last[WALL_TIME_BYTES:_HEAD_BYTES] == head[WALL_TIME_BYTES:]
        return same_operator and abs((now - then).total_seconds()) < PROGRAMMING_S

    def time_set(self, operator: str, before_s: int, after_s: int) -> None:
        """Somebody has set the clock; both moments in wall seconds."""
        times = (wall_time_bytes(wall_datetime(each)) for each in (before_s, after_s))
        self._book.add(kinds.TIME_SET, bytes.fromhex(operator)[::-1] + b"".join(times))

    def meter_cleared(self, operator: str, at_s: int) -> None:
        """The registers are about to be cleared; those of single phases are not kept."""
        raw = encode(whole_record(kinds.CLEAR_METER), self._by_hand(operator, at_s, 18))
        self._book.clear_with_meter()
        self._book.add(kinds.CLEAR_METER, raw)

    def demand_cleared(self, operator: str, at_s: int) -> None:
        """The maximum demands are about to be cleared."""
        readout = self._readout
        since_s = readout.settled(1, at_s)
        values: list[Plain] = [self._time(at_s), operator]
        values += readout.demands(1, 0, since_s, at_s)
        values += readout.demands(2, 0, since_s, at_s) * 5
        raw = encode(whole_record(kinds.CLEAR_DEMAND), values + [None] * 36)
        self._book.add(kinds.CLEAR_DEMAND, raw)

    def events_cleared(self, operator: str, events: int, at_s: int) -> None:
        """Events have been cleared."""
        raw = self._head(operator, at_s) + events.to_bytes(4, "little")
        self._book.add(kinds.CLEAR_EVENTS, raw)

    def switched(self, operator: str, *, opened: bool, at_s: int) -> None:
        """The relay has moved."""
        kind = kinds.TRIP if opened else kinds.CLOSE
        self._book.add(kind, encode(whole_record(kind), self._by_hand(operator, at_s, 0)))

    def power_down(self, at_s: int) -> None:
        """The power goes."""
        raw = encode(whole_record(kinds.POWER_DOWN), [self._time(at_s), _NOT_YET])
        self._book.begin(kinds.POWER_DOWN, raw, at_s)

    def power_up(self, at_s: int) -> None:
        """The power comes back."""
        self._book.end(kinds.POWER_DOWN, {1: self._time(at_s)}, at_s)

    def cover_opened(self, at_s: int, *, terminal: bool) -> bool:
        """A cover is opened; False when it is open."""
        kind = kinds.TERMINAL_COVER if terminal else kinds.COVER
        values = [self._time(at_s), _NOT_YET, *self._energies(at_s), *([None] * 6)]
        return self._book.begin(kind, encode(whole_record(kind), values), at_s)

    def cover_closed(self, at_s: int, *, terminal: bool) -> bool:
        """A cover is closed; False when it is not open."""
        kind = kinds.TERMINAL_COVER if terminal else kinds.COVER
        after = dict(enumerate(self._energies(at_s), 8))
        return self._book.end(kind, {1: self._time(at_s), **after}, at_s)

    def phase_event(self, event: int, phase: int, at_s: int) -> bool:
        """Something lasting begins on a phase (0 to 2); False when it lasts already.

        Args:
            event: VOLTAGE_LOSS, OVERCURRENT and their like of ``eventbook``.
            phase: on which.
            at_s: when.
        """
        values: list[Plain] = [self._time(at_s), *self._net_energies(at_s)]
        if event == kinds.OVERLOAD:
            values += self._all_phase_energies(at_s)
        else:
            values += self._snapshot(at_s)
        if event in _WITH_AMPERE_HOURS:
            values += [None] * 4  # ampere-hours are not kept
        values += [_NOT_YET, *([None] * 16)]
        kind = event + phase + 1
        return self._book.begin(kind, encode(whole_record(kind), values), at_s)

    def phase_event_over(self, event: int, phase: int, at_s: int) -> bool:
        """It is over; False when it did not last."""
        values = [self._time(at_s), *self._net_energies(at_s), *self._all_phase_energies(at_s)]
        first = (17 if event == kinds.OVERLOAD else 32) + 4 * (event in _WITH_AMPERE_HOURS)
        return self._book.end(event + phase + 1, dict(enumerate(values, first)), at_s)

    def _all_phase_energies(self, at_s: int) -> list[Plain]:
        return [each for phase in range(3) for each in self._readout.phase_energies(phase, at_s)]

    def _snapshot(self, at_s: int) -> list[Plain]:
        """Of each phase its energies, voltage, current, powers, power factor."""
        instant = self._readout.connection.at(at_s)
        columns = [voltages_of(instant), currents(instant)]
        columns += [each(instant)[1:] for each in (powers, reactive_powers, power_factors)]
        values: list[Plain] = []
        for number in range(3):
            values += self._readout.phase_energies(number, at_s)
            values += [column[number] for column in columns]
        return values

    def _by_hand(self, operator: str, at_s: int, unknown: int) -> list[Plain]:
        return [self._time(at_s), operator, *self._energies(at_s), *([None] * unknown)]

    def _energies(self, at_s: int) -> list[Plain]:
        """Forward, reverse, quadrants 1 to 4."""
        zero = counter(0)
        reactive = counter(self._readout.reactive(at_s))
        return [counter(self._readout.total(at_s)), zero, reactive, zero, zero, zero]

    def _net_energies(self, at_s: int) -> list[Plain]:
        """Forward, reverse, combined reactive 1 and 2."""
        zero = counter(0)
        reactive = counter(self._readout.reactive(at_s), net=True)
        return [counter(self._readout.total(at_s)), zero, reactive, zero]

    def _head(self, operator: str, at_s: int) -> bytes:
        wall = wall_datetime(self._readout.clock.wall(at_s))
        return wall_time_bytes(wall) + bytes.fromhex(operator)[::-1]

    def _time(self, at_s: int) -> str:
        return f"{wall_datetime(self._readout.clock.wall(at_s)):%Y-%m-%d %H:%M:%S}"
