"""Class 1 data that a terminal reports by itself, as values of registers.

A report task of 04-F65 sends what 0C asks for: the present reading, not a curve. It is kept like a value that was
read on demand, at the moment at which the terminal read the meter.

Source: Q/GDW 1376.1-2013, clause 5.11, F25, F33, F34, F129 to F136 and F145 to F148.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from kwhub.catalog.names import from_gdw_curve
from kwhub.catalog.registers import TARIFFS_MAX
from kwhub.domain.errors import DecodeError
from kwhub.domain.readings import Register
from kwhub.protocols.gdw1376 import afn_0c
from kwhub.protocols.gdw1376.layouts import Cell, cells, measure
from kwhub.protocols.gdw1376.registers import CURVES
from kwhub.protocols.gdw1376.tables import find

__all__ = ["NO_REGISTER", "Class1", "read_class1"]

NO_REGISTER = "no_register"
"""Why data is kept as it came: the archive has no register for it, such as for the state of a terminal."""

_DEMANDS = range(145, 149)
_WAYS = ("1-0:1.", "1-0:3.", "1-0:2.", "1-0:4.")  #: the order of the tables: forward, then reverse
_QUADRANTS = tuple(f"1-0:{group}.8" for group in (5, 6, 7, 8))

_STEMS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        33: ("1-0:1.8", "1-0:3.8", "1-0:5.8", "1-0:8.8"),
        34: ("1-0:2.8", "1-0:4.8", "1-0:6.8", "1-0:7.8"),
        **{129 + n: (f"{way}8",) for n, way in enumerate(_WAYS)},
        **{133 + n: (stem,) for n, stem in enumerate(_QUADRANTS)},
        **{_DEMANDS[n]: (f"{way}6",) for n, way in enumerate(_WAYS)},
    }
)
"""Registers of a function without their tariff; each comes in total and by tariff."""

_APPARENT = {"total": "1-0:9.7.0", "a": "1-0:29.7.0", "b": "1-0:49.7.0", "c": "1-0:69.7.0"}
_INSTANTS: Mapping[tuple[str, str], Register] = MappingProxyType(
    {
        **{("apparent_power", phase): Register(code) for phase, code in _APPARENT.items()},
        **{
            (kind.quantity, kind.phase): register
            for kind in CURVES.values()
            if (register := from_gdw_curve(kind.function)) is not None
        },
    }
)


@dataclass(frozen=True, slots=True)
class Class1:
    """What a meter showed.

    Attributes:
        read_at: naive wall time of the site, None when the terminal does not say.
        values: in the register's unit; None where the terminal has none.
    """

    read_at: datetime | None
    values: tuple[tuple[Register, Decimal | None], ...]


def read_class1(function: int, data: bytes) -> Class1 | str:
    """Read the data of one point and function of AFN 0C; a short key of the reason when it cannot be. Never raises."""
    row = find(afn_0c.AFN, function)
    if row is None or row.up is None:
        return "unknown_function"
    if function not in _STEMS and function != afn_0c.INSTANT:
        return NO_REGISTER
    try:
        measure(row.up, data)
        found = cells(row.up, data)
    except DecodeError as error:
        return error.kind
    return "not_bcd" if any(cell.problem for cell in found) else _told(function, found)


def _told(function: int, found: Sequence[Cell]) -> Class1 | str:
    read_at = found[0].value
    if function == afn_0c.INSTANT:
        return Class1(read_at, tuple(_instants(found[1:])))
    tariffs = found[1].value
    if tariffs > TARIFFS_MAX:
        return "too_many_tariffs"
    values = found[2::2] if function in _DEMANDS else found[2:]
    return Class1(read_at, tuple(_lists(_STEMS[function], tariffs + 1, values)))


def _instants(found: Sequence[Cell]) -> Iterator[tuple[Register, Decimal | None]]:
    for (quantity, phase, unit), cell in zip(afn_0c.INSTANT_FIELDS, found, strict=True):
        value = cell.value
        if value is not None and unit == "%":
            value = value.scaleb(-2)
        yield _INSTANTS[quantity, phase], value


def _lists(
    stems: Sequence[str], each: int, found: Sequence[Cell]
) -> Iterator[tuple[Register, Decimal | None]]:
    for place, cell in enumerate(found):
        yield Register(f"{stems[place // each]}.{place % each}"), cell.value
