"""AFN 0D: freezes of days and months, and curves of any density that the store can give.

Source: Q/GDW 1376.1-2013, clause 5.12. The freeze of a month is that of its last day.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from types import MappingProxyType

from kwhub.catalog.names import from_gdw_curve
from kwhub.concentrator.report import curve_value
from kwhub.concentrator.served_current import reading_lists
from kwhub.concentrator.served_shelf import STEMS, Shelf
from kwhub.concentrator.times import instant
from kwhub.domain.readings import Register
from kwhub.protocols.gdw1376.afn_0d import (
    DENSITIES_S,
    CurveRequest,
    CurveUnit,
    DayFreezeUnit,
)
from kwhub.protocols.gdw1376.formats import A13, A15, A20, A21
from kwhub.protocols.gdw1376.registers import (
    CURVES,
    DAY_FREEZES,
    MONTH_FREEZES,
    READING_DAY_FREEZES,
)

__all__ = ["INCREMENTS", "History"]

INCREMENTS = MappingProxyType({97 + n: Register(f"{stem}.0") for n, stem in enumerate(STEMS[:4])})
"""Functions that tell what was used between two points of a register's curve."""

_DIRECTIONS = ((STEMS[0], STEMS[1], STEMS[4], STEMS[7]), (STEMS[2], STEMS[3], STEMS[5], STEMS[6]))


class History:
    """Answers to AFN 0D: each is the data behind DA and DT, or None."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        makers: dict[int, Callable[[int, bytes], bytes | None]] = {}
        for kinds, is_month in (
            (DAY_FREEZES, False),
            (READING_DAY_FREEZES, False),
            (MONTH_FREEZES, True),
        ):
            for place, function in enumerate(sorted(kinds)):
                makers[function] = self._freeze_of(function, STEMS[place], is_month=is_month)
        for first, is_month in ((1, False), (9, False), (17, True)):
            for direction in (0, 1):
                makers[first + direction] = self._readings_of(direction, is_month=is_month)
        for first, is_month in ((5, False), (21, True)):
            for place in range(4):
                makers[first + place] = self._used_of(STEMS[place], is_month=is_month)
        makers |= dict.fromkeys(INCREMENTS, self._nothing)
        for function in CURVES:
            makers[function] = self._curve_of(function)
        self.makers: Mapping[int, Callable[[int, bytes], bytes | None]] = MappingProxyType(makers)

    def of(self, point: int, function: int, request: bytes) -> bytes | None:
        """The data of one item; ``request`` is the time tag. Raises DecodeError."""
        make = self.makers.get(function)
        return make(point, request) if make else None

    def _freeze_of(
        self, function: int, stem: str, *, is_month: bool
    ) -> Callable[[int, bytes], bytes | None]:
        def make(point: int, request: bytes) -> bytes | None:
            day = _day(request, is_month=is_month)
            found = self._shelf.freeze(point, stem, day) if day else None
            if found is None or day is None:
                return None
            return DayFreezeUnit(point, function, day, *found).to_unit().data

        return make

    def _readings_of(
        self, direction: int, *, is_month: bool
    ) -> Callable[[int, bytes], bytes | None]:
        def make(point: int, request: bytes) -> bytes | None:
            day = _day(request, is_month=is_month)
            if day is None:
                return None
            found = [self._shelf.freeze(point, stem, day) for stem in _DIRECTIONS[direction]]
            times = [each.at for each in found if each]
            if not times:
                return None
            lists = [each.values if each else () for each in found]
            head = _tag(day, is_month=is_month) + A15.encode(max(times))
            return head + reading_lists(lists, self._shelf.tariffs(point))

        return make

    def _used_of(self, stem: str, *, is_month: bool) -> Callable[[int, bytes], bytes | None]:
        def make(point: int, request: bytes) -> bytes | None:
            day = _day(request, is_month=is_month)
            if day is None:
                return None
            before = day.replace(day=1) if is_month else day
            begin = self._shelf.freeze(point, stem, before - timedelta(days=1))
            end = self._shelf.freeze(point, stem, day)
            if begin is None or end is None:
                return None
            used = map(_less, end.values, begin.values)
            data = b"".join(map(A13.encode, used))
            return _tag(day, is_month=is_month) + bytes([len(end.values) - 1]) + data

        return make

    def _nothing(self, _point: int, _request: bytes) -> None:
        return None

    def _curve_of(self, function: int) -> Callable[[int, bytes], bytes | None]:
        register = from_gdw_curve(function)
        increments = INCREMENTS.get(function)

        def make(point: int, request: bytes) -> bytes | None:
            wanted = CurveRequest.from_data(point, function, request)
            interval_s = DENSITIES_S.get(wanted.density, 0)
            source = increments or register
            if source is None or not interval_s or not wanted.count:
                return None
            step = timedelta(seconds=interval_s)
            times = [
                instant(wanted.start + step * n, self._shelf.zone)
                for n in range(wanted.count + bool(increments))
            ]
            entries = self._shelf.curve(point, source, interval_s, times)
            values = [curve_value(function, entries[at]) if at in entries else None for at in times]
            if increments:
                values = [_less(later, earlier) for earlier, later in pairwise(values)]
            if all(value is None for value in values):
                return None
            curve = CurveUnit(point, function, wanted.start, tuple(values), wanted.density)
            return curve.to_unit().data

        return make


def _less(end: Decimal | None, begin: Decimal | None) -> Decimal | None:
    """What was used; nothing can be said when one end is missing or the register went back."""
    if end is None or begin is None or end < begin:
        return None
    return end - begin


def _day(request: bytes, *, is_month: bool) -> date | None:
    """The day at whose end the freeze was taken. Raises DecodeError."""
    if not is_month:
        return A20.decode(request[: A20.size])
    first = A21.decode(request[: A21.size])
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1) if first else None


def _tag(day: date, *, is_month: bool) -> bytes:
    return A21.encode(day) if is_month else A20.encode(day)
