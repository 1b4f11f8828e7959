"""A series of one day: moments, values and qualities, and how they lie in one small blob.

Layout of the blob, all little-endian: one byte of flags (bits 0-1 width of the value steps as a power
of two bytes, bit 2 moments are listed one by one, bit 3 qualities are listed), the first moment as
seconds after the beginning of the day (4), the first value as integer at the vector's scale (8); then either the
spacing of a regular grid (4), or the steps from moment to moment (4 each); then the steps from value to value (1, 2, 4 or 8
each); then, only when some quality is not ACTUAL, the qualities (1 each). A moment without value repeats the value
before it, so that it costs a step of zero.
"""

import struct
from dataclasses import dataclass

import numpy as np

from kwhub.domain.errors import DecodeError
from kwhub.domain.readings import Quality
from kwhub.headend.store.columns import Ints
from kwhub.headend.store.schema import MICRO_DIGITS

__all__ = [
    "EMPTY",
    "LISTED_MOMENTS",
    "LISTED_QUALITIES",
    "WIDTHS",
    "WIDTH_BITS",
    "Packed",
    "Series",
    "decode",
    "merge",
]

_HEAD = struct.Struct("<BIq")
_SPACING = struct.Struct("<I")
WIDTH_BITS, LISTED_MOMENTS, LISTED_QUALITIES = 3, 4, 8
"""The flags."""

WIDTHS = ("i1", "<i2", "<i4", "<i8")
"""Steps from value to value, by bits 0-1 of the flags."""


@dataclass(frozen=True, slots=True)
class Series:
    """Moments in rising order, none twice, with what was measured at each."""

    at: Ints  #: seconds since 1970 UTC
    value: Ints  #: millionths of the unit; means nothing where the quality is NULL
    quality: Ints

    def __len__(self) -> int:
        return len(self.at)

    @property
    def present(self) -> int:
        """How many moments have a value."""
        return int(np.count_nonzero(self.quality))

    def between(self, start_s: int, stop_s: int) -> "Series":
        """The part from ``start_s`` (inclusive) to ``stop_s`` (exclusive)."""
        low, high = np.searchsorted(self.at, (start_s, stop_s))
        return Series(self.at[low:high], self.value[low:high], self.quality[low:high])


@dataclass(frozen=True, slots=True)
class Packed:
    """A series as it is stored."""

    scale: int  #: decimals of the integers in ``raw``
    count: int
    present: int
    raw: bytes


EMPTY = Series(np.empty(0, "<i8"), np.empty(0, "<i8"), np.empty(0, "u1"))


def decode(packed: Packed, day_start_s: int) -> Series:
    """Unpack. Raises DecodeError when the blob is damaged."""
    try:
        flags, offset, first = _HEAD.unpack_from(packed.raw)
        place = _HEAD.size
        steps = packed.count - 1
        if flags & LISTED_MOMENTS:
            gaps = np.frombuffer(packed.raw, "<u4", steps, place)
            at = day_start_s + offset + _summed(gaps)
            place += gaps.nbytes
        else:
            (spacing,) = _SPACING.unpack_from(packed.raw, place)
            at = day_start_s + offset + spacing * np.arange(packed.count, dtype="<i8")
            place += _SPACING.size
        deltas: Ints = np.frombuffer(packed.raw, WIDTHS[flags & WIDTH_BITS], steps, place)
        place += deltas.nbytes
        value = (first + _summed(deltas)) * 10 ** (MICRO_DIGITS - packed.scale)
        quality = (
            np.frombuffer(packed.raw, "u1", packed.count, place)
            if flags & LISTED_QUALITIES
            else np.full(packed.count, Quality.ACTUAL, "u1")
        )
    except (struct.error, ValueError) as error:
        raise DecodeError("day_vector", f"a damaged day vector: {error}") from error
    return Series(at, value, quality)


def merge(old: Series, new: Series) -> tuple[Series, Series, int]:
    """Add readings to what is there; the order in which they come makes no difference.

    Of different values for one moment the largest counts, and of equal ones that of the best quality: what
    devices report for a moment at which they did not read a register is nought, or the reading before, and
    a correction that comes later is what it really was. A moment without value takes any that arrives. A
    reading equal to what is there, and one without value, changes nothing.

    Args:
        old: what is stored.
        new: moments in any order, any number of times.

    Returns:
        what is to be stored; the readings, of the old and the new ones, that differ from it; how many of the
        new readings changed nothing.
    """
    if not len(old) and bool((new.at[1:] > new.at[:-1]).all()):  # as nearly every day arrives
        return new, EMPTY, 0
    at = np.concatenate((old.at, new.at))
    value = np.concatenate((old.value, new.value))
    quality = np.concatenate((old.quality, new.quality))
    absent = quality == Quality.NULL
    order = np.lexsort((-quality.astype("<i8"), np.where(absent, 0, -value), absent, at))
    ordered = at[order]
    first = np.ones(len(order), bool)
    first[1:] = ordered[1:] != ordered[:-1]
    kept = order[first]
    keeper = kept[np.cumsum(first) - 1]  # for each in order, the one that won its moment
    differs = ~first & ~absent[order] & (value[order] != value[keeper])
    other = np.sort(order[differs])
    unchanged = ~first & ~differs & (order >= len(old))
    merged = Series(at[kept], value[kept], quality[kept])
    return merged, Series(at[other], value[other], quality[other]), int(unchanged.sum())


def _summed(steps: Ints) -> Ints:
    """Running sum from zero, one longer than the steps."""
    total = np.zeros(len(steps) + 1, "<i8")
    np.cumsum(steps, out=total[1:])
    return total
