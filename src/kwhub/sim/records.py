"""Load records: what the meter stored at the intervals of its classes, worked out when somebody asks.

Source: DL/T 645-2007, annex B (class 06: 0000 the earliest N, 0001 N from a time on, 0002 the last).
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import islice
from math import gcd

from kwhub.protocols.dlt645.load_record import CLASSES, encode_record
from kwhub.sim.clockwork import wall_datetime, wall_seconds
from kwhub.sim.denial import NoSuchData
from kwhub.sim.electrical import Instant
from kwhub.sim.power import Power
from kwhub.sim.quantities import (
    counter,
    currents,
    power_factors,
    powers,
    reactive_powers,
    scaled,
    voltages,
)
from kwhub.sim.readout import Readout
from kwhub.sim.settings import LOAD_RECORD_INTERVALS, LOAD_RECORD_MODE_WORD

__all__ = ["RECORDS_S", "LoadRecords"]

RECORDS_S = 62 * 86_400
"""How far back the records go."""

_EARLIEST, _FROM_TIME, _LATEST = range(3)
_TIME_BYTES = 5


class LoadRecords:
    """The records of one meter.

    A record belongs to a moment at which the meter's own clock showed a whole interval of a class; one that a
    pushed clock jumped over, or in which the power was off, has no record. The mode word and the intervals
    of today decide what is told of every record: it holds the classes whose interval was full then.
    """

    def __init__(self, readout: Readout, power: Power) -> None:
        self._readout = readout
        self._power = power

    def payload(self, identifier: int, argument: bytes, at_s: int) -> bytes:
        """Records in the form of the wire, one after the other; empty when none matches.

        Args:
            identifier: 06cc00xx.
            argument: N in BCD, and for xx = 01 the time mm hh DD MM YY.
            at_s: the moment at which the meter is asked.

        Raises:
            NoSuchData: no such class, or an argument that says nothing.
        """
        group, high, which = identifier.to_bytes(4)[1:]
        classes = self._classes(group)
        if high or which > _LATEST:
            raise NoSuchData(f"{identifier:08X}")
        if not classes:
            return b""
        spacing = {
            each: 60 * self._readout.settings.number(LOAD_RECORD_INTERVALS[each])
            for each in classes
        }
        step_s = gcd(*spacing.values())
        last_s = self._readout.clock.wall(at_s)
        last_s -= last_s % step_s
        first_s = max(self._readout.clock.wall(self._power.first_s), last_s - RECORDS_S + step_s)
        if which == _FROM_TIME:
            first_s = max(first_s, wall_seconds(_time(argument[1:])))
        walls = range(first_s + -first_s % step_s, last_s + 1, step_s)
        wanted = 1
        if which == _LATEST:
            walls = range(last_s, last_s - max(spacing.values()), -step_s)
        else:
            wanted = _count(argument)
        return b"".join(islice(self._records(walls, spacing), wanted))

    def _classes(self, group: int) -> tuple[int, ...]:
        mode = self._readout.settings.word(LOAD_RECORD_MODE_WORD)
        kept = tuple(number for number in CLASSES if mode >> (number - 1) & 1)
        if group == 0:
            return kept
        if group not in kept:
            raise NoSuchData(f"load record class {group}")
        return (group,)

    def _records(self, walls: range, spacing: Mapping[int, int]) -> Iterator[bytes]:
        """Records at wall seconds, of the classes whose interval (s) is full then."""
        readout = self._readout
        for wall_s in walls:
            due = [group for group, interval_s in spacing.items() if wall_s % interval_s == 0]
            moment = readout.clock.moment(wall_s) if due else None
            if moment is not None and moment >= self._power.first_s and self._power.is_on(moment):
                yield encode_record(
                    wall_datetime(wall_s), {each: self._values(each, moment) for each in due}
                )

    def _values(self, group: int, at_s: int) -> list[Decimal | None]:
        """The values of a class at a moment, in the order of the record."""
        readout = self._readout
        if group == 4:
            zero = counter(0)
            reactive = counter(readout.reactive(at_s), net=True)
            return [counter(readout.total(at_s)), zero, reactive, zero]
        if group == 5:
            zero = counter(0)
            return [counter(readout.reactive(at_s)), zero, zero, zero]
        if group == 6:
            return list(readout.present_demand(at_s))
        return _INSTANT_CLASSES[group](readout.connection.at(at_s))


def _count(argument: bytes) -> int:
    """N, one byte BCD; 0 counts as 1."""
    digits = argument[:1].hex()
    if not digits.isdecimal():
        raise NoSuchData(f"number of records {digits or 'missing'}")
    return max(1, int(digits))


def _time(raw: bytes) -> datetime:
    """A time of the wire: mm hh DD MM YY."""
    try:
        return datetime.strptime(raw[::-1].hex(), "%y%m%d%H%M")  # noqa: DTZ007  a meter's wall time
    except ValueError:
        raise NoSuchData(f"time {raw[::-1].hex()}") from None


def _voltage_class(instant: Instant) -> list[Decimal | None]:
    return [*voltages(instant), *currents(instant), scaled(instant.frequency_hz100, 2)]


def _power_class(instant: Instant) -> list[Decimal | None]:
    return [*powers(instant), *reactive_powers(instant)]


_INSTANT_CLASSES: dict[int, Callable[[Instant], list[Decimal | None]]] = {
    1: _voltage_class,
    2: _power_class,
    3: power_factors,
}
