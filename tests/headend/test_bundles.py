"""Packing in bulk leaves exactly what packing day vector by day vector leaves."""

import datetime as dt
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from tests.headend.slow_vectors import SlowStore, encode, shown
from tests.headend.world import DAYS, NOON, batch, open_store, shanghai

from kwhub.domain.errors import DecodeError
from kwhub.domain.readings import Quality
from kwhub.headend.store import schema
from kwhub.headend.store.bundles import Bundle, decode_all, encode_all, merge_all
from kwhub.headend.store.schema_quality import to_check
from kwhub.headend.store.vectors import EMPTY, Packed, Series, decode, merge

ENERGY, POWER = "1-0:1.8.0", "1-0:16.7.0"
START = shanghai(1)

VALUES = st.none() | st.sampled_from([0, 10_000, 5_000_000]) | st.integers(-(2**50), 2**50)
READINGS = st.lists(st.tuples(st.integers(0, 95), VALUES), max_size=12)
SERIES = st.lists(READINGS, min_size=1, max_size=6)


def series(rows):
    return Series(
        np.array([START + 900 * slot for slot, _ in rows], "<i8"),
        np.array([value or 0 for _, value in rows], "<i8"),
        np.array([Quality.NULL if v is None else Quality.ACTUAL - v % 2 for _, v in rows], "u1"),
    )


def bundle_of(many):
    borders = np.cumsum([0, *map(len, many)])
    columns = [[getattr(each, name) for each in many] for name in ("at", "value", "quality")]
    return Bundle(borders, *(np.concatenate(each or [EMPTY.at]) for each in columns))


@settings(max_examples=60, deadline=None)
@given(SERIES)
def test_packing_and_unpacking_together_is_packing_and_unpacking_each(rows):
    kept = [merge(EMPTY, series(each))[0] for each in rows if each]
    starts = np.full(len(kept), START)
    packed = encode_all(bundle_of(kept), starts)
    assert packed == [encode(each, START) for each in kept]
    back = decode_all(packed, starts)
    assert len(back) == len(kept)
    for number, one in enumerate(packed):
        assert shown(back.part(number, number + 1)) == shown(decode(one, START))
        assert shown(decode(one, START)) == shown(kept[number])


@settings(max_examples=60, deadline=None)
@given(SERIES, SERIES, st.randoms(use_true_random=False))
def test_merging_together_is_merging_each(before, rows, chance):
    size = max(len(before), len(rows))
    old = [merge(EMPTY, series(each))[0] for each in before]
    old += [EMPTY] * (size - len(old))
    arriving = [(group, row) for group, each in enumerate(rows) for row in each]
    chance.shuffle(arriving)
    there = [group for group, each in enumerate(old) if len(each)]
    of = np.array([group for group, _ in arriving], "<i8")
    found = merge_all(
        bundle_of([old[group] for group in there]),
        np.array(there, "<i8"),
        series([row for _, row in arriving]),
        of,
        np.full(size, START),
    )
    places = {group: n for n, group in enumerate(found.groups.tolist())}
    for group in range(size):
        new = series([row for number, row in arriving if number == group])
        merged, other, unchanged = merge(old[group], new)
        assert found.repeated[group] == unchanged
        assert found.grown[group] == len(merged) - len(old[group])
        changed = shown(merged) != shown(old[group])
        assert (group in places) == changed
        assert (found.added[group] > 0) == changed
        if changed:
            n = places[group]
            assert shown(found.bundle.part(n, n + 1)) == shown(merged)
        rows_of_group = np.flatnonzero(found.of == group)
        differing = [
            getattr(found.other, name)[rows_of_group] for name in ("at", "value", "quality")
        ]
        assert shown(Series(*differing)) == shown(other)


def test_no_series_at_all():
    nothing = bundle_of([])
    assert encode_all(nothing, np.empty(0, "<i8")) == []
    assert len(decode_all([], np.empty(0, "<i8"))) == 0


@pytest.mark.parametrize("raw", [b"", b"\x00" * 12, b"\x08" + b"\x00" * 20])
def test_a_damaged_vector_among_others_is_told(raw):
    good = encode(series([(0, 1), (1, 2)]), START)
    with pytest.raises(DecodeError, match="damaged"):
        decode_all([good, Packed(2, 96, 96, raw)], np.full(2, START))


def arrivals(chance):
    """Batches as they come in the field: whole days, single values, repeats, conflicts, holes, late ones."""
    for number in range(14):
        rows = []
        for _ in range(chance.randint(1, 6)):
            meter, register = chance.randint(1, 3), chance.choice([ENERGY, POWER])
            interval = chance.choice([0, 900, 3600, 86_400])
            first = shanghai(chance.randint(1, 4)) + (interval or 77) * chance.randint(0, 8)
            for n in range(chance.choice([1, 1, 4, 96])):
                value = chance.choice([10_000 * n, 10_000 * n, 10_000 * n, n, None, 5])
                rows.append((meter, register, interval, first + (interval or 60) * n, value))
        if chance.random() < 0.3:
            chance.shuffle(rows)
        yield batch(rows, received_at=NOON + dt.timedelta(seconds=number))


@pytest.mark.parametrize("seed", range(4))
def test_the_tables_are_those_of_the_slow_way(address, seed):
    chance = random.Random(seed)
    store, slow = open_store(address), SlowStore(DAYS)
    waiting = []
    for one in arrivals(chance):
        store.append([one])
        waiting.append(one)
        if chance.random() < 0.4:
            store.pack()
            slow.pack(waiting)
            waiting = []
    store.pack()
    slow.pack(waiting)
    with store.database.read() as connection:
        vectors = {
            (row.meter_id, row.interval_s, row.register, row.day, row.version): Packed(
                row.scale, row.moments, row.present, row.vector
            )
            for row in connection.execute(select(schema.day_vector))
        }
        latest = {
            (row.meter_id, row.register, row.interval_s): tuple(row[3:])
            for row in connection.execute(select(schema.latest))
        }
        tallies = {(r.day, r.kind): r[2] for r in connection.execute(select(schema.tally))}
        checks = {(r.meter_id, r.day): r[2] for r in connection.execute(select(to_check))}
    store.close()
    assert vectors == {
        (*key, version): packed
        for key, versions in slow.vectors.items()
        for version, packed in versions.items()
    }
    assert latest == {
        key: (value, quality, at, *rest) for key, (at, value, quality, *rest) in slow.latest.items()
    }
    assert tallies == {key: count for key, count in slow.tallies.items() if count}
    assert checks == dict(slow.to_check)
