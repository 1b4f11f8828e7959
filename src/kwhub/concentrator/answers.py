"""Answers to what the head-end asks of the concentrator itself, from its store.

Source: Q/GDW 1376.1-2013, AFN 0C (F2 clock, F25 instant values, F129 readings) and AFN 0D (F81 to
F108 curves, F161 day freeze). An item without any value is left out of the answer.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeAlias

from kwhub.catalog.names import from_gdw_curve, to_gdw_curve, to_gdw_day_freeze
from kwhub.concentrator.outbox import Entry, Outbox
from kwhub.concentrator.plan import ENERGY, Kind, PlannedMeter, Series
from kwhub.concentrator.report import curve_value
from kwhub.concentrator.times import instant, wall
from kwhub.domain.errors import LocalError
from kwhub.domain.readings import DAY_INTERVAL_S, Register
from kwhub.protocols.gdw1376 import afn_0c, afn_0d
from kwhub.protocols.gdw1376.afn_0c import CurrentEnergyUnit, InstantUnit
from kwhub.protocols.gdw1376.afn_0d import (
    DENSITIES_S,
    CurveRequest,
    CurveUnit,
    DayFreezeRequest,
    DayFreezeUnit,
)
from kwhub.protocols.gdw1376.frames import Frame1376
from kwhub.protocols.gdw1376.registers import CURVES
from kwhub.protocols.gdw1376.typed import ClockUnit, CurrentRequest, read_unit
from kwhub.protocols.gdw1376.units import HasUnit, Unit

__all__ = ["Answers"]

CURRENT_ENERGY = 129
"""0C function: forward active energy, total and tariffs."""

_Answer: TypeAlias = HasUnit | None


class Answers:
    """Knows the store and the plan."""

    def __init__(self, outbox: Outbox, meters: Iterable[PlannedMeter], zone: tzinfo) -> None:
        self._outbox = outbox
        self._zone = zone
        self._meters = {meter.point: meter for meter in meters}
        self._makers: Mapping[type, Callable[[Any], _Answer]] = MappingProxyType(
            {CurveRequest: self._curve, DayFreezeRequest: self._freeze}
        )

    def of(self, frame: Frame1376, clock: datetime) -> list[Unit]:
        """What there is to say to a request of AFN 0C or 0D; empty when there is nothing.

        A value that the uplink has no way to say counts as none.

        Args:
            frame: the request.
            clock: naive wall time of the site.
        """
        units: list[Unit] = []
        for wanted in _wanted(frame):
            answer = self._one(wanted, clock)
            with suppress(LocalError):
                units += [answer.to_unit()] if answer is not None else []
        return units

    def _one(self, wanted: Any, clock: datetime) -> _Answer:
        if not isinstance(wanted, CurrentRequest):
            make = self._makers.get(type(wanted))
            return make(wanted) if make else None
        if (wanted.point, wanted.function) == (0, afn_0c.CLOCK):
            return ClockUnit(clock)
        if wanted.function == CURRENT_ENERGY:
            return self._energy(wanted.point)
        return self._instant(wanted.point) if wanted.function == afn_0c.INSTANT else None

    def _energy(self, point: int) -> _Answer:
        """The newest total, and the tariffs of the same moment where there are any."""
        total = self._latest(point, ENERGY)
        if total is None:
            return None
        values = [total.decimal]
        for register in self._tariffs(point):
            entry = self._latest(point, register)
            same = entry is not None and entry.at == total.at
            values.append(entry.decimal if entry is not None and same else None)
        return CurrentEnergyUnit(point, CURRENT_ENERGY, wall(total.at, self._zone), tuple(values))

    def _instant(self, point: int) -> _Answer:
        """The values of the newest full hour that has any."""
        hourly = self._series(point, Kind.HOURLY)
        if hourly is None:
            return None
        entries = {
            register: entry
            for register in hourly.registers
            if (entry := self._latest(point, register)) is not None
        }
        if not entries:
            return None
        newest = max(entry.at for entry in entries.values())
        values: dict[tuple[str, str], Decimal | None] = {}
        for register, entry in entries.items():
            function = to_gdw_curve(register)
            if function is not None and entry.at == newest:
                kind = CURVES[function]
                values[kind.quantity, kind.phase] = curve_value(function, entry)
        return InstantUnit(point, wall(newest, self._zone), values)

    def _curve(self, wanted: CurveRequest) -> _Answer:
        """The points of the window; those that are not there are missing values."""
        register = from_gdw_curve(wanted.function)
        interval_s = DENSITIES_S.get(wanted.density, 0)
        if register is None or not interval_s or not wanted.count:
            return None
        step = timedelta(seconds=interval_s)
        times = [instant(wanted.start + step * n, self._zone) for n in range(wanted.count)]
        entries = self._outbox.series(
            wanted.point, register, interval_s, times[0], times[-1] + interval_s
        )
        if not entries:
            return None
        by_time = {entry.at: curve_value(wanted.function, entry) for entry in entries}
        values = tuple(by_time.get(at) for at in times)
        return CurveUnit(wanted.point, wanted.function, wanted.start, values, wanted.density)

    def _freeze(self, wanted: DayFreezeRequest) -> _Answer:
        registers = self._all(wanted.point)
        if not registers or to_gdw_day_freeze(registers[0]) != wanted.function:
            return None
        day = wanted.day + timedelta(days=1)
        at = instant(datetime(day.year, day.month, day.day), self._zone)  # noqa: DTZ001 - wall time
        entries = [self._frozen(wanted.point, register, at) for register in registers]
        if not any(entries):
            return None
        received = max(entry.received_at for entry in entries if entry)
        values = tuple(entry.decimal if entry else None for entry in entries)
        read_at = wall(received, self._zone)
        return DayFreezeUnit(wanted.point, wanted.function, wanted.day, read_at, values)

    def _frozen(self, point: int, register: Register, at: int) -> Entry | None:
        found = self._outbox.series(point, register, DAY_INTERVAL_S, at, at + 1)
        return found[0] if found else None

    def _latest(self, point: int, register: Register) -> Entry | None:
        """The newest value of the meter that is at the point now."""
        meter = self._meters.get(point)
        return self._outbox.latest(point, register, meter.settings.address) if meter else None

    def _series(self, point: int, kind: Kind) -> Series | None:
        meter = self._meters.get(point)
        series = meter.series if meter else ()
        return next((each for each in series if each.kind is kind), None)

    def _all(self, point: int) -> tuple[Register, ...]:
        """Total and tariffs."""
        day = self._series(point, Kind.DAY)
        return day.registers if day else ()

    def _tariffs(self, point: int) -> tuple[Register, ...]:
        return self._all(point)[1:]


def _wanted(frame: Frame1376) -> Iterator[Any]:
    if frame.afn in {afn_0c.AFN, afn_0d.AFN}:
        for unit in frame.units:
            yield from read_unit(frame.afn, unit, up=False)
