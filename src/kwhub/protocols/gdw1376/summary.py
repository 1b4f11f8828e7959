"""A frame in a few words, and the values in it, for people and programs.

Source: Q/GDW 1376.1-2013, clauses 4.3 and 5.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kwhub.protocols.gdw1376 import afn_0d
from kwhub.protocols.gdw1376.afn_0d import CurveUnit
from kwhub.protocols.gdw1376.editions import Edition
from kwhub.protocols.gdw1376.frames import Frame1376
from kwhub.protocols.gdw1376.layouts import cells
from kwhub.protocols.gdw1376.registers import CURVES
from kwhub.protocols.gdw1376.tables import find, layout_of
from kwhub.protocols.gdw1376.typed import read_unit
from kwhub.protocols.gdw1376.units import Item, Unit, items
from kwhub.protocols.gdw1376.wording import afn_words, plain_value

__all__ = ["FrameValue", "Summary", "UnitSummary", "summarise", "values"]


@dataclass(frozen=True, slots=True)
class UnitSummary:
    """One data unit."""

    points: tuple[int, ...]
    functions: tuple[int, ...]
    names: tuple[str, ...]  #: of the functions, in English; empty text where the tables know none
    names_zh: tuple[str, ...]
    data: str  #: hexadecimal


@dataclass(frozen=True, slots=True)
class Summary:
    """The fields of a frame that people and programs ask for first."""

    control: str  #: two hex digits
    direction: str  #: ``up`` or ``down``
    primary: bool  #: PRM
    function_code: int  #: D3-D0 of C
    acd: bool  #: important events wait
    region: str
    terminal: int
    group: bool
    msa: int
    afn: str  #: two hex digits
    afn_name: str
    afn_name_zh: str
    fir: bool
    fin: bool
    con: bool
    tpv: bool
    sequence: int
    points: tuple[int, ...]  #: of all units, each once, in the order of the frame
    functions: tuple[int, ...]  #: the same
    units: tuple[UnitSummary, ...]
    user_bytes: int  #: L1
    event_counters: tuple[int, int] | None
    has_password: bool


@dataclass(frozen=True, slots=True)
class FrameValue:
    """One value in a frame."""

    function: int
    point: int
    name: str
    name_zh: str
    value: Decimal | str | None  #: None: no value, or bytes that cannot be read
    unit: str
    time: datetime | None = None  #: of a point of a curve; naive wall time of the site


def summarise(frame: Frame1376, edition: Edition = Edition.E2013) -> Summary:
    """Say what a frame is, with the names that functions have in an edition. Never raises for a frame that was parsed."""
    control, address, sequence = frame.control, frame.address, frame.sequence
    name, name_zh = afn_words(frame.afn)
    return Summary(
        control=f"{control.to_byte():02X}",
        direction="up" if control.up else "down",
        primary=control.primary,
        function_code=control.function,
        acd=control.events_wait,
        region=address.region,
        terminal=address.terminal,
        group=address.group,
        msa=address.msa,
        afn=f"{frame.afn:02X}",
        afn_name=name,
        afn_name_zh=name_zh,
        fir=sequence.first,
        fin=sequence.last,
        con=sequence.confirm,
        tpv=sequence.tagged,
        sequence=sequence.number,
        points=_once(point for unit in frame.units for point in unit.points),
        functions=_once(function for unit in frame.units for function in unit.functions),
        units=tuple(_unit_summary(frame.afn, unit, edition) for unit in frame.units),
        user_bytes=len(frame.user_data()),
        event_counters=frame.event_counters,
        has_password=frame.password is not None,
    )


def values(frame: Frame1376) -> list[FrameValue]:
    """Every field of the data units that the tables know, in wire order. Never raises."""
    layouts = layout_of(frame.afn, up=frame.up)
    return [
        value
        for unit in frame.units
        for item in items(unit, layouts)
        for value in _item_values(frame, item)
    ]


def _item_values(frame: Frame1376, item: Item) -> list[FrameValue]:
    if frame.afn == afn_0d.AFN and frame.up:
        single = Unit((item.point,), (item.function,), item.data)
        (typed,) = read_unit(frame.afn, single, up=True) or (None,)
        if isinstance(typed, CurveUnit) and typed.interval_s:
            return _curve_values(typed)
    layout = layout_of(frame.afn, up=frame.up)(item.function)
    return [
        FrameValue(
            item.function, item.point, cell.name, cell.name_zh, plain_value(cell.value), cell.unit
        )
        for cell in cells(layout or (), item.data)
    ]


def _curve_values(curve: CurveUnit) -> list[FrameValue]:
    kind = CURVES[curve.function]
    return [
        FrameValue(curve.function, curve.point, kind.name, kind.name_zh, value, kind.unit, time)
        for time, value in zip(curve.times(), curve.values, strict=True)
    ]


def _once(numbers: Iterable[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(numbers))


def _unit_summary(afn: int, unit: Unit, edition: Edition) -> UnitSummary:
    rows = [find(afn, function, edition) for function in unit.functions]
    return UnitSummary(
        unit.points,
        unit.functions,
        tuple(row.name if row else "" for row in rows),
        tuple(row.name_zh if row else "" for row in rows),
        unit.data.hex().upper(),
    )
