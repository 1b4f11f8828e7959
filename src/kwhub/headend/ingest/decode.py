"""Reported data units as readings of meters.

Source: Q/GDW 1376.1-2013, clause 5.12 (AFN 0D); F240 is an extension of this package.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from kwhub.catalog.names import from_gdw_curve, from_gdw_day_freeze
from kwhub.catalog.registers import TARIFFS_MAX, describe
from kwhub.domain.errors import DecodeError, KwhubError
from kwhub.domain.readings import DAY_INTERVAL_S, Register
from kwhub.headend.store.archive import KnownTerminal
from kwhub.headend.store.columns import Columns
from kwhub.headend.store.days import Days
from kwhub.headend.store.event_rows import Happening
from kwhub.headend.store.journal import Batch, Stray
from kwhub.headend.store.schema import to_micro
from kwhub.headend.store.unplaced import Unplaced
from kwhub.protocols.gdw1376 import afn_0e
from kwhub.protocols.gdw1376.afn_0d import CurveUnit, DayFreezeUnit
from kwhub.protocols.gdw1376.event_records import read_records
from kwhub.protocols.gdw1376.register_curves import RegisterUnit
from kwhub.protocols.gdw1376.registers import CURVES
from kwhub.protocols.gdw1376.typed import Typed, Unread, read_unit
from kwhub.protocols.gdw1376.units import Unit

__all__ = ["AHEAD_S_MAX", "SOURCE", "decode"]

SOURCE = "gdw1376.1"

AHEAD_S_MAX = 86_400
"""A reading from further in the future than this comes from a clock that is wrong, in seconds."""

UNKNOWN_POINT = "unknown_point"
_PERCENT = 100
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
            meter = self.terminal.points.get(point)
            reason = UNKNOWN_POINT if meter is None else self._place(meter.id, typed)
        if reason == UNKNOWN_POINT:
            self.unplaced.append(
                Unplaced(self.terminal.id, point, self.afn, self.received_at, unit.to_bytes())
            )
        if reason:
            self.strays.append(Stray(point, self.afn, function, reason, unit.to_bytes()))

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
        moments = _moments(unit, self.days)
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
    for unit in units:
        if afn == afn_0e.AFN:
            sink.take_events(unit)
            continue
        for typed in read_unit(afn, unit, up=True):
            sink.take(unit, typed)
    return Batch(
        terminal.id,
        received_at,
        SOURCE,
        Columns.from_rows(sink.rows),
        tuple(sink.strays),
        tuple(sink.unplaced),
        tuple(sink.happenings),
    )


def _moments(unit: CurveUnit | RegisterUnit, days: Days) -> Sequence[int]:
    """Seconds since 1970 of every value, from the wall time of the first."""
    count, step = len(unit.values), unit.interval_s
    first = days.utc_s(unit.start)
    span = step * (count - 1)
    if count <= 1 or days.utc_s(unit.start + timedelta(seconds=span)) - first == span:
        return range(first, first + step * count, step)
    # The clocks change in between.
    return [days.utc_s(unit.start + timedelta(seconds=step * number)) for number in range(count)]


def _micro(value: Decimal | None, part: int) -> int | None:
    return None if value is None else to_micro(value) // part
