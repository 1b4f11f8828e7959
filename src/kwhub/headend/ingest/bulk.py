"""Curves as columns, without an object for each value: the shape in which most readings arrive.

Source: Q/GDW 1376.1-2013, clause 5.12 (curves of AFN 0D) and annex A (packed decimal formats). Whatever is not
plain is left to the ordinary way, which knows a reason for everything that it cannot read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from kwhub.catalog.names import from_gdw_curve
from kwhub.domain.errors import DecodeError
from kwhub.domain.readings import Quality, Register
from kwhub.headend.ingest.moments import moments_of
from kwhub.headend.store.columns import Ints
from kwhub.headend.store.days import Days
from kwhub.headend.store.schema import MICRO_DIGITS
from kwhub.protocols.gdw1376.afn_0d import DENSITIES_S
from kwhub.protocols.gdw1376.formats import A15, MISSING
from kwhub.protocols.gdw1376.registers import CURVES
from kwhub.protocols.gdw1376.units import Unit
from kwhub.wire.codecs import Bcd

__all__ = ["BulkCurves", "Shape", "read_curves", "runs"]

HEAD_BYTES = 7  #: start of the curve, density, number of points
START_BYTES = 5
FEW = 8
"""Values for which columns are not worth their overhead."""

STARTS_CACHED = 4_096
"""Beginnings of curves that are remembered: those of one day are mostly alike."""

NIBBLE_MAX = 9
_PERCENT = 100
_SIGN = 0x80
_NONE = 0xFF
_ACTUAL, _NULL = int(Quality.ACTUAL), int(Quality.NULL)  # looking up a member takes a while


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the values of a function look like."""

    register: Register
    size: int
    decimals: int
    signed: bool
    part: int  #: 100 where the unit is percent and the register's is one


@dataclass(frozen=True, slots=True)
class Shape:
    """What plain curves have in common that are read together."""

    function: int
    interval_s: int
    count: int


@dataclass(frozen=True, slots=True)
class BulkCurves:
    """Curves of one shape, a row for each; the columns are its values.

    Attributes:
        register: of all.
        interval_s: spacing in seconds.
        points: measuring point of each.
        at: seconds since 1970.
        value: millionths of the register's unit, 0 where there is none.
        quality: of each value.
    """

    register: Register
    interval_s: int
    points: Sequence[int]
    at: Ints
    value: Ints
    quality: Ints


def runs(units: Sequence[Unit]) -> Iterator[tuple[Shape | None, list[Unit]]]:
    """Neighbours of the same shape; None for units that are not plain."""
    return ((shape, list(own)) for shape, own in groupby(units, _shape))


def read_curves(shape: Shape, units: Sequence[Unit], days: Days) -> BulkCurves | None:
    """Units of one shape, None when one of them cannot be read this way.

    Args:
        shape: of all of them, see ``runs``.
        units: at least one.
        days: zone of the site, whose wall time stands on the wire.
    """
    kind = _kind(shape.function)
    if kind is None:
        return None
    starts = [
        _start_s(unit.data[:START_BYTES], shape.count, shape.interval_s, days) for unit in units
    ]
    known = [each for each in starts if each is not None]
    if len(known) < len(starts):
        return None
    columns = _numbers(units, shape.count, kind)
    if columns is None:
        return None
    at = np.array(known, "<i8")[:, None] + shape.interval_s * np.arange(shape.count)
    points = [unit.points[0] for unit in units]
    return BulkCurves(kind.register, shape.interval_s, points, at, *columns)


@cache
def _weights(size: int, decimals: int) -> NDArray[np.int64]:
    """What one unit of each byte's low digit is worth, in millionths; the low byte comes first."""
    return np.array([10 ** (MICRO_DIGITS - decimals + 2 * n) for n in range(size)], np.int64)


@cache
def _kind(function: int) -> _Kind | None:
    """None for a function that is no curve of one packed number for each moment."""
    row, register = CURVES.get(function), from_gdw_curve(function)
    if row is None or register is None or row.width != 1:
        return None
    codec = row.form.codec
    if not isinstance(codec, Bcd):
        return None
    decimals = len(codec.notation.partition(".")[2])
    part = _PERCENT if row.unit == "%" else 1
    return _Kind(register, row.form.size, decimals, codec.signed, part)


def _shape(unit: Unit) -> Shape | None:
    data = unit.data
    if len(unit.functions) != 1 or len(unit.points) != 1 or len(data) < HEAD_BYTES:
        return None
    return _shape_of(unit.functions[0], data[START_BYTES], data[START_BYTES + 1], len(data))


@lru_cache(maxsize=STARTS_CACHED)
def _shape_of(function: int, density: int, count: int, size: int) -> Shape | None:
    kind, interval_s = _kind(function), DENSITIES_S.get(density, 0)
    if kind is None or count < FEW or not interval_s or size != HEAD_BYTES + count * kind.size:
        return None
    return Shape(function, interval_s, count)


@lru_cache(maxsize=STARTS_CACHED)
def _start_s(raw: bytes, count: int, step: int, days: Days) -> int | None:
    """Seconds since 1970 of the first value; None when it has no time, or the clocks change in between."""
    try:
        start = A15.decode(raw)
    except DecodeError:
        return None
    if start is None:
        return None
    moments = moments_of(start, count, step, days)
    return moments[0] if isinstance(moments, range) else None


def _numbers(units: Sequence[Unit], count: int, kind: _Kind) -> tuple[Ints, Ints] | None:
    """Values and qualities; None when a digit is no digit."""
    content = np.frombuffer(b"".join([unit.data for unit in units]), np.uint8)
    raw = content.reshape(len(units), -1)[:, HEAD_BYTES:].reshape(-1, kind.size)
    first = raw[:, :1]
    absent = ((first == MISSING) | (first == _NONE))[:, 0]
    if absent.any():
        absent &= (raw == first).all(axis=1)
    digits = raw
    if absent.any() or kind.signed:
        digits = raw.copy()
        digits[absent] = 0
    negative = absent
    if kind.signed:
        negative = digits[:, -1] >= _SIGN
        digits[:, -1] &= _SIGN - 1
    high, low = digits >> 4, digits & 0x0F
    if high.max() > NIBBLE_MAX or low.max() > NIBBLE_MAX:
        return None
    value = (high * np.uint8(10) + low).astype(np.int64) @ _weights(kind.size, kind.decimals)
    if kind.signed:
        value[negative] *= -1
    if kind.part != 1:
        value //= kind.part
    quality = np.full(len(raw), _ACTUAL, np.uint8)
    quality[absent] = _NULL
    return value.reshape(-1, count), quality.reshape(-1, count)
