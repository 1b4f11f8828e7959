"""DA and DT: which measuring points and which functions a data unit speaks of.

Source: Q/GDW 1376.1-2013, clause 4.3.4.4 (data unit identifier). Point groups are counted from 1,
function groups from 0; ``00 00`` is p0, the terminal; ``FF 00`` all valid points (single source).
"""

from collections.abc import Iterable
from functools import lru_cache

from kwhub.domain.errors import LocalError

__all__ = [
    "ALL_POINTS",
    "POINT_MAX",
    "decode_functions",
    "decode_points",
    "encode_functions",
    "encode_points",
]

ALL_POINTS = 0xFFFF
"""Stands for ``FF 00``: every point that is valid."""

POINT_MAX = 255 * 8
FUNCTION_MAX = 256 * 8

_KEPT = 4096
"""Pairs of bytes whose meaning is remembered: the units of a report name the same ones again."""


def _bits(mask: int) -> list[int]:
    return [bit for bit in range(8) if mask >> bit & 1]


@lru_cache(_KEPT)
def decode_points(da: bytes) -> tuple[int, ...]:
    r"""Points of DA1 DA2, ascending; empty when the two bytes name none (a mask in group 0).

    >>> decode_points(bytes.fromhex("4004")), decode_points(b"\0\0"), decode_points(b"\1\0")
    ((31,), (0,), ())
    """
    mask, group = da[0], da[1]
    if group == 0:
        return {0x00: (0,), 0xFF: (ALL_POINTS,)}.get(mask, ())
    return tuple((group - 1) * 8 + bit + 1 for bit in _bits(mask))


@lru_cache(_KEPT)
def encode_points(points: tuple[int, ...]) -> bytes:
    """DA1 DA2 of points of one group of eight. Raises LocalError.

    >>> encode_points((1, 2)).hex()
    '0301'
    """
    if points == (0,):
        return b"\x00\x00"
    if points == (ALL_POINTS,):
        return b"\xff\x00"
    groups = {(point - 1) // 8 for point in points}
    if len(groups) != 1 or not all(1 <= point <= POINT_MAX for point in points):
        raise LocalError(f"points {points} are not of one group of eight between 1 and {POINT_MAX}")
    group = groups.pop()
    return bytes([_mask(point - 1 - group * 8 for point in points), group + 1])


@lru_cache(_KEPT)
def decode_functions(dt: bytes) -> tuple[int, ...]:
    """Functions of DT1 DT2, ascending; empty when the mask is empty.

    >>> decode_functions(bytes.fromhex("0201")), decode_functions(bytes.fromhex("090B"))
    ((10,), (89, 92))
    """
    return tuple(dt[1] * 8 + bit + 1 for bit in _bits(dt[0]))


@lru_cache(_KEPT)
def encode_functions(functions: tuple[int, ...]) -> bytes:
    """DT1 DT2 of functions of one group of eight. Raises LocalError.

    >>> encode_functions((161,)).hex()
    '0114'
    """
    groups = {(function - 1) // 8 for function in functions}
    if len(groups) != 1 or not all(1 <= function <= FUNCTION_MAX for function in functions):
        raise LocalError(f"functions {functions} are not of one group of eight")
    group = groups.pop()
    return bytes([_mask(function - 1 - group * 8 for function in functions), group])


def _mask(bits: Iterable[int]) -> int:
    return sum(1 << bit for bit in set(bits))
