"""Data units: points, functions and their data; several of them in one frame.

Source: Q/GDW 1376.1-2013, clause 4.3.4.4; order inside a unit of several bits: ascending point, and for
each point ascending function.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Protocol

from kwhub.domain.errors import DecodeError
from kwhub.protocols.gdw1376.layouts import Layout, measure, plain
from kwhub.protocols.gdw1376.points import (
    decode_functions,
    decode_points,
    encode_functions,
    encode_points,
)

__all__ = ["MARK_BYTES", "HasUnit", "Item", "Unit", "as_unit", "items", "join_units", "split_units"]

MARK_BYTES = 4
"""DA1 DA2 DT1 DT2."""

_FILLERS = (b"\xee" * MARK_BYTES, b"\xff" * MARK_BYTES)


@dataclass(frozen=True, slots=True)
class Unit:
    """One data unit as it stands in a frame."""

    points: tuple[int, ...]  #: measuring points, (0,) the terminal; empty when DA names none
    functions: tuple[int, ...]
    data: bytes = b""
    mark: bytes = (
        b""  #: DA and DT as received, kept where points and functions cannot give them back
    )

    @classmethod
    def from_mark(cls, mark: bytes, data: bytes) -> "Unit":
        """A unit from its four bytes DA DT (fewer only at the broken end of a frame)."""
        if len(mark) < MARK_BYTES:
            return cls((), (), data, mark)
        points, functions = decode_points(mark[:2]), decode_functions(mark[2:])
        return cls(points, functions, data, b"" if points and functions else mark)

    def mark_bytes(self) -> bytes:
        """DA and DT. Raises LocalError when points or functions are not of one group of eight."""
        return self.mark or encode_points(self.points) + encode_functions(self.functions)

    def to_bytes(self) -> bytes:
        """DA, DT and the data."""
        return self.mark_bytes() + self.data


class HasUnit(Protocol):
    """Anything that can be sent as a data unit."""

    def to_unit(self) -> Unit:
        """The unit on the wire."""


def as_unit(source: "Unit | HasUnit") -> Unit:
    """A unit from a unit or from something typed."""
    return source if isinstance(source, Unit) else source.to_unit()


@dataclass(frozen=True, slots=True)
class Item:
    """The part of a unit that belongs to one point and one function."""

    point: int
    function: int
    data: bytes
    start: int = 0  #: index of the first byte in the data of the unit
    known: bool = (
        True  #: False when the table does not give the length: ``data`` is then all the rest
    )


LayoutOf = Callable[[int], Layout | None]
"""The layout of a function in one direction, None when it is not known."""

_SizeOf = Callable[[bytes, int], int | None]
"""Number of bytes of a function's data from a place on, None when that cannot be told."""

_HEADS_KEPT = 8_192


def join_units(units: tuple[Unit, ...]) -> bytes:
    """The body of a frame."""
    return b"".join(unit.to_bytes() for unit in units)


def items(unit: Unit, layout_of: LayoutOf) -> list[Item]:
    """Take a unit apart, point by point and function by function. Never raises."""
    found: list[Item] = []
    at = 0
    for point, function in _pairs(unit):
        size = _size(layout_of(function), unit.data, at)
        if size is None:
            return [*found, Item(point, function, unit.data[at:], at, known=False)]
        found.append(Item(point, function, unit.data[at : at + size], at))
        at += size
    return found


def split_units(body: bytes, layout_of: LayoutOf) -> tuple[tuple[Unit, ...], bool]:
    """Take the body of a frame apart.

    A unit whose length the tables do not know takes all the rest; so does a unit that is followed by
    bytes which cannot be the start of another one.

    Returns:
        The units, and whether every byte had its place.
    """
    units: list[Unit] = []
    sizes: dict[int, _SizeOf] = {}
    at = 0
    while at < len(body):
        mark = body[at : at + MARK_BYTES]
        head = _head(mark)
        if units and (mark in _FILLERS or not head.points or not head.functions):
            units[-1] = replace(units[-1], data=units[-1].data + body[at:])
            return tuple(units), False
        at += MARK_BYTES
        size = _unit_size(head, body, at, layout_of, sizes)
        if size is None:
            units.append(Unit(head.points, head.functions, body[at:], head.mark))
            return tuple(units), False
        units.append(Unit(head.points, head.functions, body[at : at + size], head.mark))
        at += size
    return tuple(units), True


@lru_cache(_HEADS_KEPT)
def _head(mark: bytes) -> Unit:
    """A unit without data; the points of a terminal stay the same. Fewer than four bytes name nothing."""
    return Unit.from_mark(mark, b"")


def _pairs(unit: Unit) -> Iterator[tuple[int, int]]:
    return ((point, function) for point in unit.points for function in unit.functions)


def _unit_size(
    head: Unit, body: bytes, at: int, layout_of: LayoutOf, sizes: dict[int, _SizeOf]
) -> int | None:
    if not head.points or not head.functions:
        return None
    if len(head.points) == 1 == len(head.functions):
        size_of = sizes.get(head.functions[0])
        if size_of is not None:
            return size_of(body, at)
    total = 0
    for function in head.functions * len(head.points):
        size_of = sizes.get(function)
        if size_of is None:
            size_of = sizes[function] = _size_of(layout_of(function))
        size = size_of(body, at + total)
        if size is None:
            return None
        total += size
    return total


def _size_of(layout: Layout | None) -> _SizeOf:
    """What measures the data of a function; looked up once for all units of a frame."""
    short = None if layout is None else plain(layout)
    return partial(_size, layout) if short is None else short.measure


def _size(layout: Layout | None, data: bytes, at: int) -> int | None:
    if layout is None:
        return None
    try:
        return measure(layout, data, at)
    except DecodeError:
        return None
