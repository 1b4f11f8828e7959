"""Readings of the outbox as data units of reports.

Curve values of one register that follow one another become one unit; the day freeze with its tariffs
becomes one. Readings that the uplink has no way to say are named, so that they do not stand in the
way of those behind them for ever.

Source: Q/GDW 1376.1-2013, AFN 0D (F81 to F110 with Td-c, F161 with Td-d); F240 is an extension of this
package for what is no electricity.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import NamedTuple

from kwhub.catalog.names import to_gdw_curve, to_gdw_day_freeze
from kwhub.concentrator.outbox import Entry
from kwhub.concentrator.times import wall
from kwhub.domain.errors import LocalError
from kwhub.domain.readings import DAY_INTERVAL_S, Register
from kwhub.protocols.gdw1376.afn_0d import CurveUnit, DayFreezeUnit, density_of
from kwhub.protocols.gdw1376.builders import REPORT_USER_BYTES_MAX
from kwhub.protocols.gdw1376.frames import STANDARD
from kwhub.protocols.gdw1376.register_curves import RegisterUnit
from kwhub.protocols.gdw1376.registers import CURVES
from kwhub.protocols.gdw1376.units import MARK_BYTES, Unit

__all__ = ["POINTS_PER_UNIT_MAX", "Packed", "Parcel", "Said", "curve_value", "pack"]

POINTS_PER_UNIT_MAX = 96
"""Values in one curve unit: a day of quarters."""

UNIT_BYTES_MAX = 480
"""Data of a unit of several functions, so that reports can be filled up."""

_PERCENT = Decimal(100)
_ELECTRICITY = "1-"  # value group A; other media travel by 0D-F240


class Said(NamedTuple):
    """A unit, and the places in the outbox of what it says."""

    unit: Unit
    ids: tuple[int, ...]


class Parcel(NamedTuple):
    """One report."""

    said: tuple[Said, ...]

    @property
    def units(self) -> tuple[Unit, ...]:
        """What is sent."""
        return tuple(each.unit for each in self.said)

    @property
    def ids(self) -> tuple[int, ...]:
        """The places in the outbox that its confirmation settles."""
        return tuple(place for each in self.said for place in each.ids)

    def halves(self) -> tuple["Parcel", ...]:
        """Two reports that say the same; none when there is only one unit."""
        middle = len(self.said) // 2
        return (Parcel(self.said[:middle]), Parcel(self.said[middle:])) if middle else ()


@dataclass(frozen=True, slots=True)
class Packed:
    """What became of some readings."""

    parcels: tuple[Parcel, ...]
    unsayable: tuple[tuple[int, str], ...]  #: place in the outbox, and why


def pack(
    entries: Sequence[Entry], zone: tzinfo, *, user_bytes_max: int = REPORT_USER_BYTES_MAX
) -> Packed:
    """Turn readings into reports, oldest first.

    Args:
        entries: all tariffs of a day freeze must be among them, or none.
        zone: of the site; times on the wire are its wall time.
        user_bytes_max: L1 of a frame.
    """
    unsayable: list[tuple[int, str]] = []
    curves: dict[tuple[int, Register, int], list[Entry]] = {}
    freezes: dict[tuple[int, int, int | None], list[Entry]] = {}
    for entry in entries:
        if entry.interval_s == DAY_INTERVAL_S and entry.register.startswith(_ELECTRICITY):
            function = to_gdw_day_freeze(entry.register)
            freezes.setdefault((entry.point, entry.at, function), []).append(entry)
        else:
            key = (entry.point, entry.register, entry.interval_s)
            curves.setdefault(key, []).append(entry)
    said: list[Said] = []
    for run in (run for series in curves.values() for run in _runs(series, zone)):
        said += _say_curve(run, zone, unsayable)
    for freeze in freezes.values():
        said += _say_freeze(freeze, zone, unsayable)
    said = list(_merged(said))
    said.sort(key=lambda each: each.ids[0])
    room = user_bytes_max - STANDARD.user_bytes_min
    return Packed(tuple(_parcels(said, room)), tuple(unsayable))


def curve_value(function: int, entry: Entry) -> Decimal | None:
    """A reading in the unit of a curve function."""
    value = entry.decimal
    return value * _PERCENT if value is not None and CURVES[function].unit == "%" else value


def _runs(series: list[Entry], zone: tzinfo) -> Iterator[list[Entry]]:
    """Cut a series where its wall times do not follow one another."""
    series.sort(key=lambda entry: entry.at)
    run: list[Entry] = []
    step = timedelta(seconds=series[0].interval_s)
    expected: datetime | None = None
    for entry in series:
        time = wall(entry.at, zone)
        if run and (time != expected or len(run) == POINTS_PER_UNIT_MAX):
            yield run
            run = []
        run.append(entry)
        expected = time + step
    yield run


def _say_curve(run: list[Entry], zone: tzinfo, unsayable: list[tuple[int, str]]) -> list[Said]:
    """Make one unit of a run; when that fails, of each reading alone."""
    try:
        return [Said(_curve_unit(run, zone), tuple(entry.id for entry in run))]
    except LocalError as error:
        if len(run) == 1:
            unsayable.append((run[0].id, str(error)))
            return []
    return [said for entry in run for said in _say_curve([entry], zone, unsayable)]


def _say_freeze(freeze: list[Entry], zone: tzinfo, unsayable: list[tuple[int, str]]) -> list[Said]:
    """Make one unit of total and tariffs; a part of them alone would say that the rest has no value."""
    try:
        return [Said(_freeze_unit(freeze, zone), tuple(entry.id for entry in freeze))]
    except LocalError as error:
        unsayable += [(entry.id, str(error)) for entry in freeze]
        return []


def _curve_unit(run: list[Entry], zone: tzinfo) -> Unit:
    first = run[0]
    function = to_gdw_curve(first.register)
    if not first.register.startswith(_ELECTRICITY):
        numbers = tuple(entry.decimal for entry in run)
        start = wall(first.at, zone)
        return RegisterUnit(first.point, first.register, start, first.interval_s, numbers).to_unit()
    if function is None:
        raise LocalError(f"{first.register} has no curve function")
    values = tuple(curve_value(function, entry) for entry in run)
    density = density_of(first.interval_s)
    return CurveUnit(first.point, function, wall(first.at, zone), values, density).to_unit()


def _freeze_unit(freeze: list[Entry], zone: tzinfo) -> Unit:
    first = freeze[0]
    function = to_gdw_day_freeze(first.register)
    if function is None:
        raise LocalError(f"{first.register} is not part of a day freeze")
    by_tariff = {int(entry.register.rpartition(".")[2]): entry.decimal for entry in freeze}
    values = tuple(by_tariff.get(tariff) for tariff in range(max(by_tariff) + 1))
    read_at = wall(first.received_at, zone)
    return DayFreezeUnit(first.point, function, _ended(first.at, zone), read_at, values).to_unit()


def _ended(midnight: int, zone: tzinfo) -> date:
    """The day whose end a freeze is."""
    return wall(midnight, zone).date() - timedelta(days=1)


def _merged(said: Iterable[Said]) -> Iterator[Said]:
    """Put functions of one group of eight, of one point and in ascending order, into one unit."""
    last: Said | None = None
    for each in said:
        if last is not None and _continues(last.unit, each.unit):
            unit = last.unit
            functions = unit.functions + each.unit.functions
            joined = Unit(unit.points, functions, unit.data + each.unit.data)
            last = Said(joined, last.ids + each.ids)
            continue
        if last is not None:
            yield last
        last = each
    if last is not None:
        yield last


def _continues(first: Unit, second: Unit) -> bool:
    before, after = first.functions[-1], second.functions[0]
    return (
        first.points == second.points
        and before < after
        and (before - 1) // 8 == (after - 1) // 8
        and len(first.data) + len(second.data) <= UNIT_BYTES_MAX
    )


def _parcels(said: Iterable[Said], room: int) -> Iterator[Parcel]:
    parcel: list[Said] = []
    left = room
    for each in said:
        size = MARK_BYTES + len(each.unit.data)
        if parcel and size > left:
            yield Parcel(tuple(parcel))
            parcel, left = [], room
        parcel.append(each)
        left -= size
    if parcel:
        yield Parcel(tuple(parcel))
