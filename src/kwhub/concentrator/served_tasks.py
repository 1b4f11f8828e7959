"""Report tasks that the head-end sets: when they run, and what they name.

Source: Q/GDW 1376.1-2013, clause 5.5, F65 to F68. A task of class 2 names data with time tags; the tags are those of
its period. R makes the points of a curve rarer. It multiplies the spacing in which the plan reads the curve; where the
wire has no code for the product, the next narrower spacing that has one is taken.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple, Self

from kwhub.catalog.names import from_gdw_curve
from kwhub.concentrator.archive import Archive
from kwhub.concentrator.served_history import INCREMENTS
from kwhub.concentrator.served_live import Wanted
from kwhub.concentrator.served_shelf import Shelf
from kwhub.concentrator.times import aligned, instant, wall
from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376 import afn_0c, afn_0d
from kwhub.protocols.gdw1376.afn_0d import DENSITIES_S, CurveRequest, density_of
from kwhub.protocols.gdw1376.formats import A1, A15, A20, A21
from kwhub.protocols.gdw1376.layouts import Field
from kwhub.protocols.gdw1376.points import ALL_POINTS
from kwhub.protocols.gdw1376.tables import layout_of
from kwhub.protocols.gdw1376.units import MARK_BYTES, Unit

__all__ = ["SETTINGS", "SWITCHES", "WINDOW_MAX", "ReportTask", "check_setting", "enabled_tasks"]

SETTINGS, SWITCHES = (65, 66), (67, 68)
"""Functions of class 1 and 2."""

NUMBERS = range(1, 65)
ON, OFF = 0x55, 0xAA
WINDOW_MAX = timedelta(days=31)
"""Longest time of which one run of a class 2 task tells, when it could not run before."""

POINTS_PER_CURVE_MAX = 96
_HEAD_BYTES = 9
_MINUTES, _HOURS, _DAYS, _MONTHS = range(4)
_STEPS = {_MINUTES: timedelta(minutes=1), _HOURS: timedelta(hours=1), _DAYS: timedelta(days=1)}


class ReportTask(NamedTuple):
    """One task."""

    data_class: int  #: 1 or 2
    number: int  #: 1 to 64
    unit: int  #: of the period: minutes, hours, days, months
    period: int
    base: datetime  #: naive wall time of the site
    factor: int  #: R
    units: tuple[Unit, ...]  #: points and functions

    @classmethod
    def from_data(cls, data_class: int, number: int, data: bytes) -> Self:
        """From the data of F65 or F66. Raises DecodeError, LocalError."""
        base = A1.decode(data[1:7])
        if number not in NUMBERS or len(data) < _HEAD_BYTES or base is None:
            raise LocalError(f"task {number} has no number of {NUMBERS}, or no base time")
        if not data[0] & 0x3F:
            raise LocalError(f"task {number} has no period")
        marks = data[_HEAD_BYTES:]
        units = tuple(
            Unit.from_mark(marks[at : at + MARK_BYTES], b"")
            for at in range(0, len(marks), MARK_BYTES)
        )
        if not units or not all(each.points and each.functions for each in units):
            raise LocalError(f"task {number} names nothing, or what has no point or function")
        return cls(
            data_class, number, data[0] >> 6, data[0] & 0x3F, base.time, max(1, data[7]), units
        )

    @property
    def afn(self) -> int:
        """Under which its data travels."""
        return afn_0c.AFN if self.data_class == 1 else afn_0d.AFN

    def moment(self, place: int) -> datetime:
        """The moment of a run, counted from the base time."""
        if self.unit != _MONTHS:
            return self.base + place * self.period * _STEPS[self.unit]
        months = self.base.year * 12 + self.base.month - 1 + place * self.period
        year, month = divmod(months, 12)
        first_of_next = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
        last_day = (first_of_next - timedelta(days=1)).day
        return self.base.replace(year=year, month=month + 1, day=min(self.base.day, last_day))

    def place_at(self, time: datetime) -> int:
        """The place of the newest moment that is not after a time; may be negative."""
        if self.unit != _MONTHS:
            return (time - self.base) // (self.period * _STEPS[self.unit])
        months = 12 * (time.year - self.base.year) + time.month - self.base.month
        place = months // self.period + 1
        while self.moment(place) > time:
            place -= 1
        return place

    def wanted(self, shelf: Shelf, after: datetime, until: datetime) -> list[Wanted]:
        """The items of a run.

        Args:
            shelf: knows the points and in which spacing they are read.
            after: naive wall time; class 2 begins after it.
            until: class 2 ends with it.
        """
        found: list[Wanted] = []
        for unit in self.units:
            everywhere = unit.points == (ALL_POINTS,)
            for point in shelf.points if everywhere else unit.points:
                for function in unit.functions:
                    if self.data_class == 1:
                        found.append(Wanted(self.afn, point, function))
                    else:
                        tags = self._tags(shelf, point, function, after, until)
                        found += [Wanted(self.afn, point, function, tag) for tag in tags]
        return found

    def _tags(
        self, shelf: Shelf, point: int, function: int, after: datetime, until: datetime
    ) -> Iterator[bytes]:
        layout = layout_of(afn_0d.AFN, up=False)(function)
        form = layout[0].format if layout and isinstance(layout[0], Field) else None
        after = max(after, until - max(WINDOW_MAX, until - self.moment(self.place_at(until) - 1)))
        if form is A15:
            yield from self._curves(shelf, point, function, after, until)
        elif form in {A20, A21}:
            day = after.date()
            while (day := day + timedelta(days=1)) <= until.date():
                if form is A20:
                    yield A20.encode(day - timedelta(days=1))
                elif day.day == 1:
                    yield A21.encode(day - timedelta(days=1))

    def _curves(
        self, shelf: Shelf, point: int, function: int, after: datetime, until: datetime
    ) -> Iterator[bytes]:
        register = INCREMENTS.get(function) or from_gdw_curve(function)
        read_s = shelf.spacing(point, register) if register else None
        if read_s is None:
            return
        coded = [each for each in DENSITIES_S.values() if each % read_s == 0]
        spacing_s = max((each for each in coded if each <= read_s * self.factor), default=read_s)
        span = (instant(after, shelf.zone), instant(until, shelf.zone))
        times = list(aligned(*span, spacing_s, shelf.zone))
        for at in range(0, len(times), POINTS_PER_CURVE_MAX):
            part = times[at : at + POINTS_PER_CURVE_MAX]
            start = wall(part[0], shelf.zone)
            request = CurveRequest(point, function, start, len(part), density_of(spacing_s))
            yield request.to_unit().data


def check_setting(function: int, point: int, data: bytes) -> None:
    """Refuse a task or a switch that makes no sense. Raises DecodeError, LocalError."""
    if function in SETTINGS:
        ReportTask.from_data(SETTINGS.index(function) + 1, point, data)
    elif function in SWITCHES and (point not in NUMBERS or data[0] not in {ON, OFF}):
        raise LocalError(f"task {point} is switched on by {ON:02X} and off by {OFF:02X}")


def enabled_tasks(archive: Archive) -> list[ReportTask]:
    """The tasks that are set and switched on. Raises StoreError."""
    found: list[ReportTask] = []
    for data_class, (setting, switch) in enumerate(zip(SETTINGS, SWITCHES, strict=True), start=1):
        switched_on = {row.point for row in archive.parameters(switch) if row.data[0] == ON}
        for row in archive.parameters(setting):
            if row.point in switched_on:
                try:
                    found.append(ReportTask.from_data(data_class, row.point, row.data))
                except (DecodeError, LocalError):
                    continue  # set by an earlier version, which did not look at it
    return found
