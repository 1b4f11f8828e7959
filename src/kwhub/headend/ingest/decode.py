"""Reported data units as readings of meters.

Source: Q/GDW 1376.1-2013, clauses 5.11 (AFN 0C) and 5.12 (AFN 0D); F240 is an extension of this package.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from kwhub.catalog.names import from_gdw_curve, from_gdw_day_freeze
from kwhub.catalog.registers import TARIFFS_MAX, describe
from kwhub.domain.errors import DecodeError, KwhubError
from kwhub.domain.readings import DAY_INTERVAL_S, INSTANT, Register
from kwhub.headend.ingest.bulk import Shape, read_curves, runs
from kwhub.headend.ingest.class1 import read_class1
from kwhub.headend.ingest.moments import moments_of
from kwhub.headend.store.archive import KnownTerminal
from kwhub.headend.store.columns import Columns, concatenate
from kwhub.headend.store.days import Days
from kwhub.headend.store.event_rows import Happening
from kwhub.headend.store.journal import Batch, Stray
from kwhub.headend.store.schema import to_micro
from kwhub.headend.store.unplaced import Unplaced
from kwhub.protocols.gdw1376 import afn_0c, afn_0d, afn_0e
from kwhub.protocols.gdw1376.afn_0d import CurveUnit, DayFreezeUnit
from kwhub.protocols.gdw1376.event_records import read_records
from kwhub.protocols.gdw1376.register_curves import RegisterUnit
from kwhub.protocols.gdw1376.registers import CURVES
from kwhub.protocols.gdw1376.tables import layout_of
from kwhub.protocols.gdw1376.typed import Typed, Unread, read_unit
from kwhub.protocols.gdw1376.units import Item, Unit, items

__all__ = ["AHEAD_S_MAX", "SOURCE", "decode"]

SOURCE = "gdw1376.1"

AHEAD_S_MAX = 86_400
"""A reading from further in the future than this comes from a clock that is wrong, in seconds."""

UNKNOWN_POINT = "unknown_point"
_PERCENT = 100
_NOBODY = -1
_FIRST, _POINT_BITS, _STARTS = 2, 0x0FFF, 0x8000  # Pm, and the point word of event records
_INTERVALS_S = frozenset({60, 300, 900, 1_800, 3_600, DAY_INTERVAL_S})  # that days are divided by


@dataclass(slots=True)
class _Sink:
    """What becomes of the units of one frame."""

    terminal: KnownTerminal
    afn: int
    days: Days
    received_at: datetime
    rows: list[tuple[int, str, int, int, int | None]] = field(default_factory=list)
    parts: list[Columns] = field(default_factory=list)  #: what came before ``rows``
    strays: list[Stray] = field(default_factory=list)
    unplaced: list[Unplaced] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)

    def take(self, unit: Unit, typed: Typed) -> None:
        """Turn one typed value into rows, or keep it as a stray with the reason."""
        point, function = getattr(typed, "point", 0), getattr(typed, "function", 0)
        reason = "unknown_function"
        if isinstance(typed, Unread):
            reason = typed.why
        elif isinstance(typed, CurveUnit | DayFreezeUnit | RegisterUnit):
            reason = self._placed(point, typed)
        self._left(unit, point, function, reason)

    def take_present(self, unit: Unit) -> None:
        """Turn every item of a unit of class 1 into rows, or keep it as a stray with the reason."""
        for item in items(unit, layout_of(self.afn, up=True)):
            self._left(unit, item.point, item.function, self._present(item))

    def _left(self, unit: Unit, point: int, function: int, reason: str) -> None:
        """Keep what has no place, unless there is no reason to."""
        if reason == UNKNOWN_POINT:
            self.unplaced.append(
                Unplaced(self.terminal.id, point, self.afn, self.received_at, unit.to_bytes())
            )
        if reason:
            self.strays.append(Stray(point, self.afn, function, reason, unit.to_bytes()))

    def take_typed(self, unit: Unit) -> None:
        """Turn every value of a unit into rows."""
        for typed in read_unit(self.afn, unit, up=True):
            self.take(unit, typed)

    def take_curves(self, units: Sequence[Unit]) -> None:
        """Take the units of a frame: plain curves many at once, one by one where one of them is not as it seems."""
        for shape, alike in runs(units):
            if shape is not None and self.take_bulk(shape, alike):
                continue
            for unit in alike:
                if shape is None or len(alike) == 1 or not self.take_bulk(shape, [unit]):
                    self.take_typed(unit)

    def take_bulk(self, shape: Shape, units: Sequence[Unit]) -> bool:
        """Take units with one plain curve each, all of known points; False leaves them to others."""
        if self.terminal.stays and any(unit.points[0] in self.terminal.stays for unit in units):
            return False  # who was there depends on the moment
        meters = [self.terminal.points.get(unit.points[0]) for unit in units]
        ids = [meter.id for meter in meters if meter is not None]
        curves = read_curves(shape, units, self.days) if len(ids) == len(units) else None
        if curves is None or int(curves.at[:, -1].max()) > self._latest_s:
            return False
        self._close_rows()
        count = curves.at.size
        self.parts.append(
            Columns(
                (curves.register,),
                np.repeat(np.array(ids, "<i4"), shape.count),
                np.zeros(count, "<u2"),
                np.full(count, shape.interval_s, "<i4"),
                curves.at.ravel(),
                curves.value.ravel(),
                curves.quality.ravel(),
            )
        )
        return True

    def columns(self) -> Columns:
        """Everything in the order in which it came."""
        self._close_rows()
        return self.parts[0] if len(self.parts) == 1 else concatenate(self.parts)

    def _close_rows(self) -> None:
        if self.rows:
            self.parts.append(Columns.from_rows(self.rows))
            self.rows = []

    def take_events(self, unit: Unit) -> None:
        """Keep the event records of a unit of AFN 0E, or the unit as a stray with the reason."""
        function = unit.functions[0] if unit.functions else 0
        try:
            records = read_records(unit.data)
        except DecodeError as error:
            self.strays.append(Stray(0, self.afn, function, error.kind, unit.to_bytes()))
            return
        for number, record in enumerate(records, start=unit.data[_FIRST]):
            words = [cell.value for cell in record.cells() if cell.name == "point"]
            word = words[0] if words and isinstance(words[0], int) else _STARTS
            received_s = int(self.received_at.timestamp())
            at = self.days.utc_s(record.at) if record.at is not None else received_s
            self.happenings.append(
                Happening(
                    self.terminal.id,
                    word & _POINT_BITS,
                    record.code,
                    function == 1,
                    number % 256,
                    bool(word & _STARTS),
                    at,
                    self.received_at,
                    record.body,
                )
            )

    @property
    def _latest_s(self) -> int:
        return int(self.received_at.timestamp()) + AHEAD_S_MAX

    def _present(self, item: Item) -> str:
        """Add rows of the present state of a meter; the reason when there is no place for them."""
        told = read_class1(item.function, item.data)
        if isinstance(told, str):
            return told
        if not self.terminal.has(item.point):
            return UNKNOWN_POINT
        if told.read_at is None:
            return "no_time"
        at = self.days.utc_s(told.read_at)
        meter_id = self.terminal.meter_at(item.point, at)
        if meter_id is None or at > self._latest_s:
            return UNKNOWN_POINT if meter_id is None else "from_the_future"
        self.rows += [
            (meter_id, register, INSTANT, at, _micro(value, 1))
            for register, value in told.values
            if value is not None
        ]
        return ""

    def _placed(self, point: int, typed: CurveUnit | DayFreezeUnit | RegisterUnit) -> str:
        """Add rows for the meter that was at a point at each moment; the reason when some have no place."""
        if point not in self.terminal.stays:
            meter = self.terminal.points.get(point)
            return UNKNOWN_POINT if meter is None else self._place(meter.id, typed)
        begin = len(self.rows)
        reason = self._place(_NOBODY, typed)
        rows, self.rows[begin:] = self.rows[begin:], ()
        for _, register, interval_s, at, value in rows:
            # A freeze is the end of its day, although it is stamped with the midnight after.
            meter_id = self.terminal.meter_at(point, at - (interval_s == DAY_INTERVAL_S))
            if meter_id is None:
                reason = UNKNOWN_POINT
            else:
                self.rows.append((meter_id, register, interval_s, at, value))
        return reason

    def _place(self, meter_id: int, typed: CurveUnit | DayFreezeUnit | RegisterUnit) -> str:
        """Add rows; the reason when there is no place for them."""
        if isinstance(typed, RegisterUnit):
            return self._registers(meter_id, typed)
        if isinstance(typed, CurveUnit):
            return self._curve(meter_id, typed)
        return self._freeze(meter_id, typed)

    def _curve(self, meter_id: int, unit: CurveUnit) -> str:
        register = from_gdw_curve(unit.function)
        if register is None:
            return "unknown_function"
        if not unit.interval_s:
            return "unknown_density"
        part = _PERCENT if CURVES[unit.function].unit == "%" else 1
        return self._series(meter_id, register, unit, part)

    def _registers(self, meter_id: int, unit: RegisterUnit) -> str:
        try:
            register = describe(Register(unit.register)).code
        except KwhubError:
            return "unknown_register"
        if unit.interval_s not in _INTERVALS_S:
            return "unknown_density"
        return self._series(meter_id, register, unit, 1)

    def _series(
        self, meter_id: int, register: Register, unit: CurveUnit | RegisterUnit, part: int
    ) -> str:
        moments = moments_of(unit.start, len(unit.values), unit.interval_s, self.days)
        if moments and moments[-1] > self._latest_s:
            return "from_the_future"
        self.rows += [
            (meter_id, register, unit.interval_s, at, _micro(value, part))
            for at, value in zip(moments, unit.values, strict=True)
        ]
        return ""

    def _freeze(self, meter_id: int, unit: DayFreezeUnit) -> str:
        registers = from_gdw_day_freeze(unit.function, len(unit.values))
        if not registers:
            return "unknown_function"
        if len(registers) > TARIFFS_MAX + 1:
            return "too_many_tariffs"
        at = self.days.start_s(unit.day + timedelta(days=1))
        if at > self._latest_s:
            return "from_the_future"
        self.rows += [
            (meter_id, register, DAY_INTERVAL_S, at, _micro(value, 1))
            for register, value in zip(registers, unit.values, strict=True)
        ]
        return ""


def decode(
    terminal: KnownTerminal, afn: int, units: Iterable[Unit], days: Days, received_at: datetime
) -> Batch:
    """Readings of everything that has a place, and what has none with the reason. Never raises.

    Args:
        terminal: who reports; gives its points meaning.
        afn: of the frame.
        units: of the frame.
        days: zone of the site, whose wall time stands on the wire.
        received_at: aware.
    """
    sink = _Sink(terminal, afn, days, received_at)
    if afn == afn_0d.AFN:
        sink.take_curves(tuple(units))
        units = ()
    for unit in units:
        if afn == afn_0e.AFN:
            sink.take_events(unit)
        elif afn == afn_0c.AFN:
            sink.take_present(unit)
        else:
            sink.take_typed(unit)
    return Batch(
        terminal.id,
        received_at,
        SOURCE,
        sink.columns(),
        tuple(sink.strays),
        tuple(sink.unplaced),
        tuple(sink.happenings),
    )


def _micro(value: Decimal | None, part: int) -> int | None:
    return None if value is None else to_micro(value) // part
