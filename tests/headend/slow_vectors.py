"""Day vectors packed and merged one by one, as plainly as their layout is told: what bulk is held against."""

import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any, TypeAlias

import numpy as np

from kwhub.domain.readings import DAY_INTERVAL_S, Quality
from kwhub.headend.store.columns import Columns, Ints, concatenate
from kwhub.headend.store.days import Days
from kwhub.headend.store.journal import Batch
from kwhub.headend.store.schema import MICRO_DIGITS
from kwhub.headend.store.vectors import EMPTY, Packed, Series, decode, merge

__all__ = ["SlowStore", "encode", "shown"]

Key: TypeAlias = tuple[int, int, str, int]


def encode(series: Series, day_start_s: int) -> Packed:
    """Pack a series that has at least one moment."""
    values = carried(series)
    scale = MICRO_DIGITS
    while scale and all(value % 10 == 0 for value in values):
        values = [value // 10 for value in values]
        scale -= 1
    at, quality = series.at.tolist(), series.quality.tolist()
    steps = [after - before for before, after in pairwise(values)]
    gaps = [after - before for before, after in pairwise(at)]
    width = next(
        n for n in range(4) if all(-(1 << 8 * 2**n - 1) <= s < 1 << 8 * 2**n - 1 for s in steps)
    )
    regular = len(set(gaps)) <= 1
    listed = set(quality) != {Quality.ACTUAL}
    raw = struct.pack(
        "<BIq", width | 4 * (not regular) | 8 * listed, at[0] - day_start_s, values[0]
    )
    raw += struct.pack("<I", gaps[0] if gaps else 0) if regular else np.array(gaps, "<u4").tobytes()
    raw += np.array(steps, ["i1", "<i2", "<i4", "<i8"][width]).tobytes()
    raw += bytes(quality) if listed else b""
    return Packed(scale, len(at), series.present, raw)


def shown(one: Series) -> list[tuple[int, int | None, int]]:
    """What a series says; a moment without value has none."""
    return [
        (int(at), int(value) if quality else None, int(quality))
        for at, value, quality in zip(one.at, one.value, one.quality, strict=True)
    ]


def carried(series: Series) -> list[int]:
    """Values; an absent one is that before it, at the beginning the first present one, without any 0."""
    known = [v for v, q in zip(series.value.tolist(), series.quality, strict=True) if q]
    before = known[0] if known else 0
    found = []
    for value, quality in zip(series.value.tolist(), series.quality, strict=True):
        before = value if quality else before
        found.append(before)
    return found


@dataclass
class SlowStore:
    """What packing should leave in the tables, day vector by day vector."""

    days: Days
    vectors: dict[Key, dict[int, Packed]] = field(default_factory=dict)
    latest: dict[tuple[int, str, int], tuple[Any, ...]] = field(default_factory=dict)
    tallies: Counter[tuple[int, str]] = field(default_factory=Counter)
    to_check: Counter[tuple[int, int]] = field(default_factory=Counter)

    def pack(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            self._note_latest(batch)
        columns = concatenate([batch.columns for batch in batches])
        for key, rows in groups(columns, self.days):
            new = columns.take(rows)
            self._merge(key, Series(new.at, new.value, new.quality))

    def _merge(self, key: Key, left: Series) -> None:
        start_s = self.days.number_start_s(key[3])
        stored = self.vectors.setdefault(key, {})
        version = 0
        while len(left):
            old = decode(stored[version], start_s) if version in stored else EMPTY
            merged, other, unchanged = merge(old, left)
            if shown(merged) != shown(old):
                stored[version] = encode(merged, start_s)
                self.to_check[key[0], key[3]] += 1
                if start_s in left.at and key[1] != DAY_INTERVAL_S:
                    self.to_check[key[0], key[3] - 1] += 1
            self.tallies[key[3], "repeated"] += unchanged
            self.tallies[key[3], "conflict"] += len(merged) - len(old) if version else 0
            left = other
            version += 1

    def _note_latest(self, batch: Batch) -> None:
        columns = batch.columns
        for n in range(len(columns)):
            key = (
                int(columns.meter[n]),
                columns.registers[columns.register[n]],
                int(columns.interval[n]),
            )
            at = int(columns.at[n])
            value, quality = int(columns.value[n]), int(columns.quality[n])
            newer = (at, value, quality) > self.latest.get(key, (-1, 0, 0))[:3]
            if quality and newer:
                self.latest[key] = (at, value, quality, batch.received_at, batch.source)


def groups(columns: Columns, days: Days) -> Iterator[tuple[Key, Ints]]:
    """The rows of each day vector, in the order of their arrival."""
    day = days.numbers(columns.at, columns.interval).tolist()
    keys = [
        (int(meter), int(interval), columns.registers[register], number)
        for meter, interval, register, number in zip(
            columns.meter, columns.interval, columns.register, day, strict=True
        )
    ]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    for key, rows in groupby(order, keys.__getitem__):
        yield key, np.array(list(rows))
