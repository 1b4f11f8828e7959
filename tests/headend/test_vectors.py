"""Day vectors: what goes in comes out, in few bytes, and merging never loses a measurement."""

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.headend.slow_vectors import encode

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.domain.readings import CURVE_INTERVAL_S, DAY_INTERVAL_S, Quality
from kwhub.headend.store.columns import Columns, concatenate
from kwhub.headend.store.days import Days
from kwhub.headend.store.schema import MICRO, day_number, from_micro, to_micro
from kwhub.headend.store.vectors import EMPTY, Packed, Series, decode, merge

START = 1_772_294_400  # 2026-03-01 00:00 Shanghai

READINGS = st.lists(
    st.tuples(st.integers(0, 95), st.none() | st.integers(-(2**40), 2**40)), max_size=40
)


def series(rows: "list[tuple[int, int | None]]") -> Series:
    return Series(
        np.array([START + 900 * slot for slot, _ in rows], "<i8"),
        np.array([value or 0 for _, value in rows], "<i8"),
        np.array([Quality.NULL if v is None else Quality.ACTUAL for _, v in rows], "u1"),
    )


def shown(one: Series) -> "list[tuple[int, int | None]]":
    return [
        (int(at), int(value) if quality else None)
        for at, value, quality in zip(one.at, one.value, one.quality, strict=True)
    ]


@settings(max_examples=60, deadline=None)
@given(READINGS)
def test_what_is_packed_is_unpacked(rows):
    kept, _, _ = merge(EMPTY, series(rows))
    if len(kept):
        assert shown(decode(encode(kept, START), START)) == shown(kept)


@settings(max_examples=60, deadline=None)
@given(READINGS, st.integers(0, 40), st.randoms(use_true_random=False))
def test_merging_in_parts_and_in_any_order_is_merging_at_once(rows, cut, chance):
    whole, other, unchanged = merge(EMPTY, series(rows))
    chance.shuffle(rows)
    one, other_one, unchanged_one = merge(EMPTY, series(rows[:cut]))
    two, other_two, unchanged_two = merge(one, series(rows[cut:]))
    assert shown(two) == shown(whole)
    beside = {*shown(other_one), *shown(other_two)} - {*shown(whole)}
    assert beside == {*shown(other)}
    # a moment without value that is filled later was new when it came, and is no repeat afterwards
    assert unchanged_one + unchanged_two <= unchanged + len(other_one)


def test_repeats_change_nothing_and_are_counted():
    old = series([(0, 10), (1, 20)])
    merged, other, unchanged = merge(old, series([(1, 20), (0, 10), (1, None)]))
    assert (shown(merged), len(other), unchanged) == (shown(old), 0, 3)


def test_of_different_values_the_largest_counts_and_the_others_stand_beside_it():
    merged, other, unchanged = merge(series([(0, 11)]), series([(0, 10), (0, 11), (0, 12)]))
    assert shown(merged) == [(START, 12)]
    assert sorted(shown(other)) == [(START, 10), (START, 11), (START, 11)]
    assert unchanged == 0
    merged, other, unchanged = merge(series([(0, 12)]), series([(0, 10), (0, 12)]))
    assert (shown(merged), shown(other), unchanged) == ([(START, 12)], [(START, 10)], 1)


def test_a_moment_without_value_takes_the_value_that_comes_later():
    merged, other, unchanged = merge(series([(0, None)]), series([(0, 11)]))
    assert (shown(merged), len(other), unchanged) == ([(START, 11)], 0, 0)


def test_a_household_day_takes_about_a_byte_a_value():
    energy = np.cumsum(np.random.default_rng(1).integers(2, 90, 96)) * (MICRO // 100)
    day = Series(START + 900 * np.arange(96), energy, np.full(96, 3, "u1"))
    packed = encode(day, START)
    assert packed.scale == 2
    assert len(packed.raw) <= 1.2 * 96


@pytest.mark.parametrize("raw", [b"", b"\x00" * 12, b"\x08" + b"\x00" * 20])
def test_a_damaged_vector_is_told(raw):
    with pytest.raises(DecodeError, match="damaged"):
        decode(Packed(2, 96, 96, raw), START)


def test_columns_come_back_from_the_journal():
    rows = [(1, "1-0:1.8.0", 900, START, 380_000), (2, "1-0:32.7.0", 3600, START, None)]
    columns = Columns.from_rows(rows)
    back = Columns.from_bytes(columns.to_bytes())
    assert back.registers == ("1-0:1.8.0", "1-0:32.7.0")
    assert back.value.tolist() == [380_000, 0]
    assert back.quality.tolist() == [Quality.ACTUAL, Quality.NULL]
    assert len(Columns.from_rows([])) == 0
    with pytest.raises(DecodeError):
        Columns.from_bytes(columns.to_bytes()[:-1])
    with pytest.raises(DecodeError):
        Columns.from_bytes(b"\x09")


def test_batches_with_other_registers_are_put_together():
    one = Columns.from_rows([(1, "a", 0, 1, 1)])
    two = Columns.from_rows([(2, "b", 0, 2, 2), (3, "a", 0, 3, 3)])
    both = concatenate([one, two])
    assert [both.registers[n] for n in both.register] == ["a", "b", "a"]
    assert len(concatenate([])) == 0


def test_values_are_never_rounded():
    assert from_micro(to_micro(Decimal("-123.4567")), 2) == Decimal("-123.4567")
    assert str(from_micro(to_micro(Decimal(5)), 2)) == "5.00"
    with pytest.raises(LocalError):
        to_micro(Decimal("0.00000001"))
    with pytest.raises(LocalError):
        to_micro(Decimal(10) ** 13)


def test_a_day_freeze_belongs_to_the_day_that_ended():
    days = Days(ZoneInfo("Asia/Shanghai"))
    midnight = days.start_s(dt.date(2026, 3, 2))
    numbers = days.numbers(
        np.array([midnight, midnight]), np.array([DAY_INTERVAL_S, CURVE_INTERVAL_S])
    )
    assert numbers.tolist() == [day_number(dt.date(2026, 3, 1)), day_number(dt.date(2026, 3, 2))]


def test_days_of_23_and_25_hours():
    days = Days(ZoneInfo("Europe/Berlin"))
    for day, hours in ((dt.date(2026, 3, 29), 23), (dt.date(2026, 10, 25), 25)):
        start, stop = days.span_s(day, day)
        assert stop - start == hours * 3600
        moments = np.arange(start, stop, 900)
        numbers = days.numbers(moments, np.full(len(moments), CURVE_INTERVAL_S))
        assert set(numbers.tolist()) == {day_number(day)}
