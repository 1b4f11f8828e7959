"""AFN 0C: what the concentrator knows now.

Source: Q/GDW 1376.1-2013, clause 5.11. A value that the store does not have is EE; an item without any
value is left out.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from kwhub.catalog.names import to_gdw_curve
from kwhub.concentrator.archive import Archive
from kwhub.concentrator.events import Events
from kwhub.concentrator.outbox import Entry, MeterState
from kwhub.concentrator.plan import Kind
from kwhub.concentrator.report import curve_value
from kwhub.concentrator.served_shelf import STEMS, Shelf
from kwhub.concentrator.times import wall
from kwhub.domain.readings import Register
from kwhub.protocols.gdw1376.afn_0c import CLOCK, CurrentEnergyUnit, InstantUnit
from kwhub.protocols.gdw1376.formats import A1, A11, A14, A15, A17, A23, BIN1, BIN2, Format
from kwhub.protocols.gdw1376.registers import CURVES
from kwhub.protocols.gdw1376.times import WallClock

__all__ = ["REPORTS_FORBIDDEN", "Current", "reading_lists"]

REPORTS_FORBIDDEN = "reports forbidden"
"""Name of the state that 05-F37 sets and 05-F29 clears."""

_DIRECTIONS = ((STEMS[0], STEMS[1], STEMS[4], STEMS[7]), (STEMS[2], STEMS[3], STEMS[5], STEMS[6]))
"""Active, reactive and two quadrants of F33 (forward) and F34 (reverse)."""
_FORMS: tuple[Format[Any], ...] = (A14, A11, A11, A11)
_ENERGIES, _DEMANDS = 129, 145
_DEMAND_STEMS = ("1-0:1.6", "1-0:3.6", "1-0:2.6", "1-0:4.6")
_NEVER = (None,)


class Current:
    """Answers to AFN 0C: each is the data behind DA and DT, or None."""

    def __init__(self, shelf: Shelf, archive: Archive | None, events: Events | None) -> None:
        self._shelf = shelf
        self._archive = archive
        self._events = events
        makers: dict[int, Callable[[int, datetime], bytes | None]] = {
            CLOCK: self._clock,
            4: self._link_state,
            7: self._counters,
            8: self._flags,
            11: self._summary,
            25: self._instant,
            33: lambda point, _: self._readings(point, 0),
            34: lambda point, _: self._readings(point, 1),
            162: self._meter_clock,
            170: self._reading_state,
        }
        for place, stem in enumerate(STEMS):
            makers[_ENERGIES + place] = self._energies_of(_ENERGIES + place, stem)
        for place, stem in enumerate(_DEMAND_STEMS):
            makers[_DEMANDS + place] = self._demands_of(stem)
        self.makers: Mapping[int, Callable[[int, datetime], bytes | None]] = MappingProxyType(
            makers
        )

    def of(self, point: int, function: int, clock: datetime) -> bytes | None:
        """The data of one item; ``clock`` is the site's naive wall time."""
        make = self.makers.get(function)
        return make(point, clock) if make else None

    # --- the terminal

    def _clock(self, point: int, clock: datetime) -> bytes | None:
        return A1.encode(WallClock.of(clock)) if point == 0 else None

    def _link_state(self, point: int, _: datetime) -> bytes | None:
        if point or self._archive is None:
            return None
        return bytes([2 if self._archive.state(REPORTS_FORBIDDEN) else 1])

    def _counters(self, point: int, _: datetime) -> bytes | None:
        return bytes(self._events.counters()) if self._events and not point else None

    def _flags(self, point: int, _: datetime) -> bytes | None:
        if point or self._events is None:
            return None
        mask = sum(1 << (code - 1) for code in self._events.codes() if 1 <= code <= 64)
        return mask.to_bytes(8, "little")

    def _summary(self, point: int, _: datetime) -> bytes | None:
        if point or self._archive is None:
            return None
        silent = {
            each.point
            for each in filter(_is_silent, map(self._shelf.state, self._shelf.points))
            if each
        }
        ports: dict[int, list[int]] = {}
        for record in self._archive.records():
            ports.setdefault(record.port, []).append(record.point)
        rows = (
            BIN1.encode(port)
            + BIN2.encode(len(points))
            + BIN1.encode(0)
            + BIN2.encode(sum(each in self._shelf.points and each not in silent for each in points))
            + BIN1.encode(0)
            + A1.encode(None) * 2
            for port, points in sorted(ports.items())
        )
        return bytes([len(ports)]) + b"".join(rows)

    # --- a measuring point

    def _energies_of(self, function: int, stem: str) -> Callable[[int, datetime], bytes | None]:
        def make(point: int, _: datetime) -> bytes | None:
            found = self._shelf.energies(point, stem)
            if found is None:
                return None
            return CurrentEnergyUnit(point, function, *found).to_unit().data

        return make

    def _demands_of(self, stem: str) -> Callable[[int, datetime], bytes | None]:
        """Maximum demands; the store has no times of them, they are EE."""

        def make(point: int, _: datetime) -> bytes | None:
            found = self._shelf.energies(point, stem)
            if found is None:
                return None
            pairs = (A23.encode(value) + A17.encode(None) for value in found.values)
            return A15.encode(found.at) + bytes([len(found.values) - 1]) + b"".join(pairs)

        return make

    def _readings(self, point: int, direction: int) -> bytes | None:
        found = {stem: self._shelf.energies(point, stem) for stem in _DIRECTIONS[direction]}
        times = [each.at for each in found.values() if each]
        if not times:
            return None
        values = [found[stem] for stem in _DIRECTIONS[direction]]
        lists = [each.values if each and each.at == max(times) else () for each in values]
        return A15.encode(max(times)) + reading_lists(lists, self._shelf.tariffs(point))

    def _instant(self, point: int, _: datetime) -> bytes | None:
        """The values of the newest full hour that has any."""
        hourly = self._shelf.series(point, Kind.HOURLY)
        entries = _newest(self._latest(point, hourly.registers)) if hourly else {}
        values: dict[tuple[str, str], Decimal | None] = {}
        for register, entry in entries.items():
            function = to_gdw_curve(register)
            if function is not None:
                kind = CURVES[function]
                values[kind.quantity, kind.phase] = curve_value(function, entry)
        if not entries:
            return None
        at = next(iter(entries.values())).at
        return InstantUnit(point, wall(at, self._shelf.zone), values).to_unit().data

    def _latest(self, point: int, registers: tuple[Register, ...]) -> dict[Register, Entry]:
        found = ((register, self._shelf.latest(point, register)) for register in registers)
        return {register: entry for register, entry in found if entry is not None}

    def _meter_clock(self, point: int, _: datetime) -> bytes | None:
        state = self._shelf.state(point)
        if state is None or state.clock_read_at is None or state.clock_error_s is None:
            return None
        read = wall(state.clock_read_at, self._shelf.zone)
        shown = read + timedelta(seconds=round(state.clock_error_s))
        return A1.encode(WallClock.of(read)) + A1.encode(WallClock.of(shown))

    def _reading_state(self, point: int, _: datetime) -> bytes | None:
        state = self._shelf.state(point)
        if state is None or self._archive is None:
            return None
        port = next((each.port for each in self._archive.records() if each.point == point), 0)
        silent = state.silent_since
        latest = self._shelf.latest(point, Register("1-0:1.8.0"))
        times = (latest.received_at if latest else None, silent)
        told = (None if at is None else WallClock.of(wall(at, self._shelf.zone)) for at in times)
        head = bytes([port, 0, 0, 0, int(silent is None)])
        return head + b"".join(map(A1.encode, told)) + bytes([min(state.attempts, 255)])


def reading_lists(lists: "list[tuple[Decimal | None, ...]]", tariffs: int) -> bytes:
    """M and the four lists of F33; a list that is not there is EE. Raises LocalError."""
    count = tariffs + 1
    data = bytes([tariffs])
    for form, values in zip(_FORMS, lists, strict=True):
        whole = (*values, *_NEVER * (count - len(values)))
        data += b"".join(map(form.encode, whole))
    return data


def _newest(entries: dict[Register, Entry]) -> dict[Register, Entry]:
    at = max((entry.at for entry in entries.values()), default=0)
    return {register: entry for register, entry in entries.items() if entry.at == at}


def _is_silent(state: MeterState | None) -> bool:
    return state is not None and state.silent_since is not None
