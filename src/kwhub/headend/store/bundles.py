"""Many series of a day at once: packed, unpacked and merged without an object for each value.

A bundle gives exactly what `kwhub.headend.store.vectors` describes, series by series; the layout of a blob stands
there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from kwhub.domain.errors import DecodeError
from kwhub.domain.readings import Quality
from kwhub.headend.store.columns import Ints
from kwhub.headend.store.schema import MICRO_DIGITS
from kwhub.headend.store.vectors import (
    EMPTY,
    LISTED_MOMENTS,
    LISTED_QUALITIES,
    WIDTH_BITS,
    WIDTHS,
    Packed,
    Series,
)

__all__ = [
    "Bundle",
    "Flags",
    "Merged",
    "decode_all",
    "decode_columns",
    "encode_all",
    "merge_all",
    "table_of",
]

Flags: TypeAlias = NDArray[np.bool_]

_HEAD = np.dtype([("flags", "u1"), ("offset", "<u4"), ("first", "<i8"), ("spacing", "<u4")])
_SPACING_BYTES = 4
_HEAD_BYTES = _HEAD.itemsize - _SPACING_BYTES

KIND_BITS = 24
"""A blob has fewer bytes and moments than two to the power of this."""

KIND_MAX = (1 << KIND_BITS) - 1

MOMENT_BITS = 18
"""A day's moments in seconds from its beginning: 25 hours are fewer than two to the power of this."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Series one after the other; each as in `vectors.Series`, and none of them empty."""

    borders: Ints  #: row at which each begins, and the number of rows at the end
    at: Ints  #: seconds since 1970 UTC
    value: Ints  #: millionths of the unit
    quality: Ints

    def __len__(self) -> int:
        return len(self.borders) - 1

    def part(self, first: int, stop: int) -> Series:
        """The series from number ``first`` up to but without ``stop``, as one."""
        rows = slice(int(self.borders[first]), int(self.borders[stop]))
        return Series(self.at[rows], self.value[rows], self.quality[rows])


@dataclass(frozen=True, slots=True)
class Merged:
    """What comes of adding readings to the series of some groups.

    Attributes:
        groups: numbers of the groups that changed, rising.
        bundle: the whole series of each of these.
        other: readings that differ from what counts, new ones and such as were stored before.
        of: the group of each of these.
        added: for every group, how many new readings are now part of its series.
        repeated: for every group, how many new readings changed nothing.
        grown: for every group, how many moments there are more than before.
    """

    groups: Ints
    bundle: Bundle
    other: Series
    of: Ints
    added: Ints
    repeated: Ints
    grown: Ints


def encode_all(bundle: Bundle, start_s: Ints) -> list[Packed]:
    """Pack every series.

    Args:
        bundle: of series with at least one moment each.
        start_s: beginning of the day of each, seconds since 1970.
    """
    if not len(bundle):
        return []
    first, count = bundle.borders[:-1], np.diff(bundle.borders)
    absent = bundle.quality == Quality.NULL
    value = bundle.value
    present = count
    if absent.any():
        present = count - np.add.reduceat(absent, first, dtype="<i8")
        value = _carried(value, absent, first, count)
    scale, divisor = _scales(value, first)
    value = value // (divisor[0] if (divisor == divisor[0]).all() else np.repeat(divisor, count))
    steps = _steps(value, first)
    width = _widths(steps, first)
    gaps = _steps(bundle.at, first)
    spacing = np.where(count > 1, gaps[np.minimum(first + 1, len(gaps) - 1)], 0)
    uneven = gaps != np.repeat(spacing, count)
    uneven[first] = False
    irregular = np.logical_or.reduceat(uneven, first)
    listed = np.logical_or.reduceat(bundle.quality != Quality.ACTUAL, first)
    heads = np.empty(len(first), _HEAD)
    heads["flags"] = width | irregular * LISTED_MOMENTS | listed * LISTED_QUALITIES
    heads["offset"] = bundle.at[first] - start_s
    heads["first"] = value[first]
    heads["spacing"] = spacing
    raws = _raws(bundle, heads, steps, gaps)
    columns = (scale.tolist(), count.tolist(), present.tolist(), raws)
    return [Packed(*each) for each in zip(*columns, strict=True)]


def decode_all(packed: Sequence[Packed], start_s: Ints) -> Bundle:
    """Unpack series.

    Args:
        packed: of any days.
        start_s: beginning of the day of each, seconds since 1970.

    Raises:
        DecodeError: a blob is damaged.
    """
    scales = [each.scale for each in packed]
    return decode_columns(
        scales, [each.count for each in packed], [each.raw for each in packed], start_s
    )


def decode_columns(
    scales: Sequence[int], counts: Sequence[int], raws: Sequence[bytes], start_s: Ints
) -> Bundle:
    """Unpack series that are given column by column.

    Args:
        scales: decimals of the integers of each.
        counts: moments of each.
        raws: blob of each.
        start_s: beginning of the day of each, seconds since 1970.

    Raises:
        DecodeError: a blob is damaged.
    """
    sizes = np.fromiter(map(len, raws), "<i8", len(raws))
    if not len(sizes) or not sizes.all():
        return _nothing_of(len(sizes))
    scale, count = np.array(scales, "<i8"), np.array(counts, "<i8")
    content = np.frombuffer(b"".join(raws), "u1")
    begins = np.cumsum(sizes) - sizes
    borders = np.concatenate((np.zeros(1, "<i8"), np.cumsum(count)))
    at, value = np.empty(borders[-1], "<i8"), np.empty(borders[-1], "<i8")
    quality = np.full(borders[-1], Quality.ACTUAL, "u1")
    kinds = content[begins].astype("<i8") << 2 * KIND_BITS | count << KIND_BITS | sizes
    different, alike = np.unique(kinds, return_inverse=True)
    for number, kind in enumerate(different.tolist()):
        flags, moments = kind >> 2 * KIND_BITS, kind >> KIND_BITS & KIND_MAX
        numbers = np.flatnonzero(alike == number)
        table = content[begins[numbers][:, None] + np.arange(kind & KIND_MAX)]
        offset, steps, listed = _unpacked(table, flags, moments)
        rows = borders[numbers][:, None] + np.arange(moments)
        at[rows] = start_s[numbers][:, None] + offset
        value[rows] = steps * 10 ** (MICRO_DIGITS - scale[numbers])[:, None]
        if listed is not None:
            quality[rows] = listed
    return Bundle(borders, at, value, quality)


def table_of(series: Sequence[Series], moments: Ints) -> tuple[Ints, Flags]:
    """Many series at some moments.

    Args:
        series: of as many meters.
        moments: rising, seconds since 1970.

    Returns:
        values and whether there is one, a row for each series and a column for each moment.
    """
    shape = (len(series), len(moments))
    values, known = np.zeros(shape, "<i8"), np.zeros(shape, bool)
    if not values.size:
        return values, known
    at, value, quality = (
        np.concatenate([getattr(each, name) for each in series])
        for name in ("at", "value", "quality")
    )
    rows = np.repeat(np.arange(len(series)), [len(each) for each in series])
    columns = np.minimum(np.searchsorted(moments, at), len(moments) - 1)
    there = (moments[columns] == at) & (quality != Quality.NULL)
    rows, columns = rows[there], columns[there]
    values[rows, columns] = value[there]
    known[rows, columns] = True
    return values, known


def _nothing_of(count: int) -> Bundle:
    if count:
        raise DecodeError("day_vector", "a damaged day vector: it is empty")
    return Bundle(np.zeros(1, "<i8"), EMPTY.at, EMPTY.value, EMPTY.quality)


def merge_all(
    old: Bundle, old_groups: Ints, new: Series, new_groups: Ints, start_s: Ints
) -> Merged:
    """Add readings to many series; for each group exactly what `vectors.merge` does.

    Args:
        old: what is stored, one series for each of ``old_groups``.
        old_groups: numbers of groups, rising.
        new: readings in the order of their arrival, any moments any number of times.
        new_groups: the group of each.
        start_s: beginning of the day of every group, seconds since 1970; all moments of a group
            lie within 36 hours after it.
    """
    group = np.concatenate((np.repeat(old_groups, np.diff(old.borders)), new_groups))
    at = np.concatenate((old.at, new.at))
    value = np.concatenate((old.value, new.value))
    quality = np.concatenate((old.quality, new.quality))
    absent = quality == Quality.NULL
    place = group << MOMENT_BITS | at - start_s[group]
    order = _order(place << 1 | absent)  # of one moment those with a value come first
    kept, other, repeated = _winners(order, place[order], value, quality)
    known, size = len(old.at), len(start_s)
    repeated = group[repeated[repeated >= known]]
    new_kept = kept[kept >= known] if known else kept
    added = np.bincount(group[new_kept], minlength=size)
    grown = np.bincount(group[kept], minlength=size) if known else added
    if known:
        grown = grown - np.bincount(group[:known], minlength=size)
        kept = kept[added[group[kept]] > 0]
    groups = group[kept]
    begins = np.flatnonzero(np.diff(groups, prepend=-1))
    bundle = Bundle(np.append(begins, len(kept)), at[kept], value[kept], quality[kept])
    return Merged(
        groups[begins],
        bundle,
        Series(at[other], value[other], quality[other]),
        group[other],
        added,
        np.bincount(repeated, minlength=size),
        grown,
    )


def _winners(order: Ints, ordered: Ints, value: Ints, quality: Ints) -> tuple[Ints, Ints, Ints]:
    """Of the rows of each moment the one that counts, in order; those that differ from it; those that repeat it."""
    same = ordered[1:] == ordered[:-1]
    if not same.any():
        nothing = np.empty(0, "<i8")
        return order, nothing, nothing
    order = _ranked(order, same, value, quality)
    first = np.concatenate((np.ones(1, bool), ~same))
    kept = order[first]
    keeper = kept[np.cumsum(first) - 1]  # for each in order, the one that won its moment
    differs = ~first & (quality[order] != Quality.NULL) & (value[order] != value[keeper])
    return kept, np.sort(order[differs]), order[~first & ~differs]


def _ranked(order: Ints, same: Flags, value: Ints, quality: Ints) -> Ints:
    """Rows of one moment by value, the largest first, and then by quality; nearly always they are equal."""
    present = quality[order] != Quality.NULL
    unlike = (value[order[1:]] != value[order[:-1]]) | (quality[order[1:]] != quality[order[:-1]])
    unlike &= same & present[1:]
    if not unlike.any():
        return order
    moment = np.concatenate((np.zeros(1, "<i8"), np.cumsum(~same)))
    mixed = np.zeros(int(moment[-1]) + 1, bool)
    mixed[moment[1:][unlike]] = True
    places = np.flatnonzero(mixed[moment])
    rows = order[places]
    absent = ~present[places]
    by_value = np.where(absent, 0, -value[rows])
    ranks = np.lexsort((-quality[rows].astype("<i8"), by_value, absent, moment[places]))
    ranked = order.copy()
    ranked[places] = rows[ranks]
    return ranked


def _order(keys: Ints) -> Ints:
    """The stable order of some keys; nearly always they are in it."""
    if bool((keys[1:] >= keys[:-1]).all()):
        return np.arange(len(keys))
    return np.argsort(keys, kind="stable")


def _raws(bundle: Bundle, heads: NDArray[np.void], steps: Ints, gaps: Ints) -> list[bytes]:
    """The blobs, cut from a few long ones."""
    flags = heads["flags"]
    long = {n: steps.astype(WIDTHS[n]).tobytes() for n in set((flags & WIDTH_BITS).tolist())}
    head = heads.tobytes()
    starts = range(0, len(head), _HEAD.itemsize)
    borders = bundle.borders.tolist()
    rows = zip(starts, flags.tolist(), borders[:-1], borders[1:], strict=True)
    if not (flags & ~np.uint8(WIDTH_BITS)).any():
        return [
            head[at : at + _HEAD.itemsize] + long[width][first + 1 << width : stop << width]
            for at, width, first, stop in rows
        ]
    moments = gaps.astype("<u4").tobytes()
    qualities = bundle.quality.astype("u1").tobytes()
    found = []
    for at, flag, first, stop in rows:
        width = flag & WIDTH_BITS
        listed = flag & LISTED_MOMENTS
        found.append(
            head[at : at + (_HEAD_BYTES if listed else _HEAD.itemsize)]
            + (moments[(first + 1) * 4 : stop * 4] if listed else b"")
            + long[width][first + 1 << width : stop << width]
            + (qualities[first:stop] if flag & LISTED_QUALITIES else b"")
        )
    return found


def _unpacked(table: Ints, flags: int, count: int) -> tuple[Ints, Ints, Ints | None]:
    """Seconds of the day, integers at the vector's scale, and qualities where they are listed; a row for each blob."""
    size = table.shape[1]
    steps, width = count - 1, flags & WIDTH_BITS
    listed = bool(flags & LISTED_MOMENTS)
    place = _HEAD_BYTES + (4 * steps if listed else _SPACING_BYTES)
    end = place + (steps << width)
    if count < 1 or size < end + (count if flags & LISTED_QUALITIES else 0):
        raise DecodeError("day_vector", f"a damaged day vector: {size} bytes for {count} moments")
    heads = np.zeros((len(table), _HEAD.itemsize), "u1")
    heads[:, :_HEAD_BYTES] = table[:, :_HEAD_BYTES]
    if not listed:
        heads[:, _HEAD_BYTES:] = table[:, _HEAD_BYTES:place]
    head = heads.view(_HEAD)
    if listed:
        gaps = np.ascontiguousarray(table[:, _HEAD_BYTES:place]).view("<u4")
        moments = _summed(head["offset"].astype("<i8"), gaps)
    else:
        moments = head["offset"].astype("<i8") + head["spacing"] * np.arange(count, dtype="<i8")
    deltas = np.ascontiguousarray(table[:, place:end]).view(WIDTHS[width])
    values = _summed(head["first"], deltas)
    return moments, values, table[:, end : end + count] if flags & LISTED_QUALITIES else None


def _summed(first: Ints, steps: Ints) -> Ints:
    """Running sums, row by row, each from its first value on."""
    total = np.empty((len(first), steps.shape[1] + 1), "<i8")
    total[:, :1] = first
    total[:, 1:] = steps
    return np.cumsum(total, axis=1, out=total)


def _steps(values: Ints, first: Ints) -> Ints:
    """From value to value; 0 at the beginning of a series."""
    steps = np.empty(len(values), "<i8")
    np.subtract(values[1:], values[:-1], out=steps[1:])
    steps[first] = 0
    return steps


def _widths(steps: Ints, first: Ints) -> Ints:
    """Of each series, the power of two bytes that hold its steps."""
    low, high = np.minimum.reduceat(steps, first), np.maximum.reduceat(steps, first)
    limits = [1 << 8 * 2**n - 1 for n in range(3)]
    widths: Ints = np.sum([(low < -limit) | (high >= limit) for limit in limits], axis=0)
    return widths


def _scales(values: Ints, first: Ints) -> tuple[Ints, Ints]:
    """Of each series the fewest decimals that keep it exact, and what its millionths are divided by."""
    common = np.gcd.reduceat(values, first)
    zeros = np.sum([common % 10**n == 0 for n in range(1, MICRO_DIGITS + 1)], axis=0)
    return MICRO_DIGITS - zeros, 10 ** zeros.astype("<i8")


def _carried(values: Ints, absent: Flags, first: Ints, count: Ints) -> Ints:
    """Values where absent ones repeat the one before (the first present one at the beginning)."""
    rows, beyond = np.arange(len(values)), len(values)
    earliest = np.minimum.reduceat(np.where(absent, beyond, rows), first)
    places = np.maximum.accumulate(np.where(absent, 0, rows))
    # Nothing comes over from the series before.
    places = np.maximum(places, np.repeat(np.minimum(earliest, beyond - 1), count))
    carried: Ints = np.where(np.repeat(earliest == beyond, count), 0, values[places])
    return carried
