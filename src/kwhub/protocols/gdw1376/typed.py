"""From data units to typed values and back, for the functions that services use.

Source: Q/GDW 1376.1-2013, clauses 5.11, 5.12 and 5.15.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TypeAlias

from kwhub.domain.errors import DecodeError
from kwhub.protocols.gdw1376 import afn_0c, afn_0d, afn_10
from kwhub.protocols.gdw1376.afn_0c import CurrentEnergyUnit, InstantUnit
from kwhub.protocols.gdw1376.afn_0d import (
    CurveRequest,
    CurveUnit,
    DayFreezeRequest,
    DayFreezeUnit,
)
from kwhub.protocols.gdw1376.afn_10 import Forward, ForwardAnswer
from kwhub.protocols.gdw1376.missing_values import FUNCTION as MISSING
from kwhub.protocols.gdw1376.missing_values import MissingUnit
from kwhub.protocols.gdw1376.register_curves import FUNCTION as REGISTERS
from kwhub.protocols.gdw1376.register_curves import RegisterUnit
from kwhub.protocols.gdw1376.registers import (
    CURRENT_REGISTERS,
    CURVES,
    DAY_FREEZES,
    MONTH_FREEZES,
    READING_DAY_FREEZES,
)
from kwhub.protocols.gdw1376.tables import layout_of
from kwhub.protocols.gdw1376.units import Item, Unit, items

__all__ = ["ClockUnit", "CurrentRequest", "Typed", "Unread", "read_unit"]


@dataclass(frozen=True, slots=True)
class ClockUnit:
    """The terminal's clock (0C-F2, up)."""

    clock: datetime | None  #: naive wall time of the site

    def to_unit(self) -> Unit:
        """The unit on the wire. Raises LocalError when there is no clock."""
        if self.clock is None:
            return Unit((0,), (afn_0c.CLOCK,), b"\xee" * 6)
        return afn_0c.clock_answer(self.clock)


@dataclass(frozen=True, slots=True)
class CurrentRequest:
    """Ask for class 1 data: the bare identifier."""

    point: int
    function: int

    def to_unit(self) -> Unit:
        """The unit on the wire. Raises LocalError."""
        return Unit((self.point,), (self.function,))


@dataclass(frozen=True, slots=True)
class Unread:
    """Data that this package does not turn into a typed value, or cannot."""

    point: int
    function: int
    data: bytes
    why: str  #: short stable key: ``unknown_function``, ``not_bcd``, ``truncated`` ...


Typed: TypeAlias = (
    ClockUnit
    | CurrentEnergyUnit
    | CurrentRequest
    | CurveRequest
    | CurveUnit
    | DayFreezeRequest
    | DayFreezeUnit
    | Forward
    | ForwardAnswer
    | InstantUnit
    | MissingUnit
    | RegisterUnit
    | Unread
)

_Reader: TypeAlias = Callable[[Item], Typed]


def _clock(item: Item) -> Typed:
    return ClockUnit(afn_0c.read_clock(Unit((0,), (afn_0c.CLOCK,), item.data)))


def _instant(item: Item) -> Typed:
    return InstantUnit.from_data(item.point, item.data)


def _current(item: Item) -> Typed:
    return CurrentEnergyUnit.from_data(item.point, item.function, item.data)


def _curve(item: Item) -> Typed:
    return CurveUnit.from_data(item.point, item.function, item.data)


def _freeze(item: Item) -> Typed:
    return DayFreezeUnit.from_data(item.point, item.function, item.data)


def _registers(item: Item) -> Typed:
    return RegisterUnit.from_data(item.point, item.data)


def _missing(item: Item) -> Typed:
    return MissingUnit.from_data(item.point, item.data)


def _curve_request(item: Item) -> Typed:
    return CurveRequest.from_data(item.point, item.function, item.data)


def _freeze_request(item: Item) -> Typed:
    return DayFreezeRequest.from_data(item.point, item.function, item.data)


def _forward(item: Item) -> Typed:
    return Forward.from_unit(Unit((item.point,), (item.function,), item.data))


def _forward_answer(item: Item) -> Typed:
    return ForwardAnswer.from_unit(Unit((item.point,), (item.function,), item.data))


_FREEZES = (*DAY_FREEZES, *READING_DAY_FREEZES, *MONTH_FREEZES)

_UP: MappingProxyType[tuple[int, int], _Reader] = MappingProxyType(
    {
        (afn_0c.AFN, afn_0c.CLOCK): _clock,
        (afn_0c.AFN, afn_0c.INSTANT): _instant,
        (afn_10.AFN, afn_10.TRANSPARENT): _forward_answer,
        (afn_0d.AFN, MISSING): _missing,
        (afn_0d.AFN, REGISTERS): _registers,
        **{(afn_0c.AFN, function): _current for function in CURRENT_REGISTERS},
        **{(afn_0d.AFN, function): _curve for function in CURVES},
        **{(afn_0d.AFN, function): _freeze for function in _FREEZES},
    }
)
_DOWN: MappingProxyType[tuple[int, int], _Reader] = MappingProxyType(
    {
        (afn_10.AFN, afn_10.TRANSPARENT): _forward,
        **{(afn_0d.AFN, function): _curve_request for function in CURVES},
        **{(afn_0d.AFN, function): _freeze_request for function in _FREEZES},
    }
)


def read_unit(afn: int, unit: Unit, *, up: bool) -> tuple[Typed, ...]:
    """Every point and function of a unit as a typed value, in wire order. Never raises.

    What is not known, or cannot be read, comes as `Unread`.
    """
    return tuple(_read(afn, item, up=up) for item in items(unit, layout_of(afn, up=up)))


def _read(afn: int, item: Item, *, up: bool) -> Typed:
    if afn == afn_0c.AFN and not up and not item.data:
        return CurrentRequest(item.point, item.function)
    reader = (_UP if up else _DOWN).get((afn, item.function))
    if reader is None:
        return Unread(item.point, item.function, item.data, "unknown_function")
    try:
        return reader(item)
    except DecodeError as error:
        return Unread(item.point, item.function, item.data, error.kind)
