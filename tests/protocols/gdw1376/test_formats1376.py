"""Formats A.1 to A.27: known bytes, missing values, what must be refused, and every value back and forth."""

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376 import formats
from kwhub.protocols.gdw1376.formats import FORMATS, text_format
from kwhub.protocols.gdw1376.times import PartialTime, WallClock

SIZES = [6, 2, 4, 1, 2, 2, 2, 2, 3, 3, 4, 6, 4, 5, 5, 4, 4, 3, 2, 3, 2, 1, 3, 2, 3, 2, 4]

KNOWN = [
    ("A.1", "494811155215", WallClock(datetime(2015, 12, 15, 11, 48, 49), 2)),
    ("A.1", "512023071018", WallClock(datetime(2018, 10, 7, 23, 20, 51), 0)),
    ("A.2", "2301", Decimal("1.23E+6")),
    ("A.2", "2391", Decimal(-123)),
    ("A.2", "23E1", Decimal("0.123")),
    ("A.3", "56341200", Decimal(123456)),
    ("A.3", "56341250", Decimal("-123456E+3")),
    ("A.4", "97", Decimal(-17)),
    ("A.5", "0010", Decimal("100.0")),
    ("A.5", "0590", Decimal("-100.5")),
    ("A.6", "3412", Decimal("12.34")),
    ("A.7", "9923", Decimal("239.9")),
    ("A.8", "3412", Decimal(1234)),
    ("A.9", "563482", Decimal("-2.3456")),
    ("A.10", "563412", Decimal(123456)),
    ("A.11", "70370100", Decimal("137.70")),
    ("A.12", "665544332211", "112233445566"),
    ("A.13", "78563412", Decimal("1234.5678")),
    ("A.14", "0001000000", Decimal("0.0100")),
    ("A.15", "1816280818", datetime(2018, 8, 28, 16, 18)),
    ("A.16", "39191628", PartialTime(day=28, hour=16, minute=19, second=39)),
    ("A.17", "30120102", PartialTime(month=2, day=1, hour=12, minute=30)),
    ("A.18", "301201", PartialTime(day=1, hour=12, minute=30)),
    ("A.19", "3012", PartialTime(hour=12, minute=30)),
    ("A.20", "221117", date(2017, 11, 22)),
    ("A.21", "0718", date(2018, 7, 1)),
    ("A.22", "15", Decimal("1.5")),
    ("A.23", "563412", Decimal("12.3456")),
    ("A.24", "0112", PartialTime(day=1, hour=12)),
    ("A.25", "563492", Decimal("-123.456")),
    ("A.26", "3412", Decimal("1.234")),
    ("A.27", "78563412", Decimal(12345678)),
]


def test_the_annex_is_complete_and_has_its_sizes():
    assert list(FORMATS) == [f"A.{clause}" for clause in range(1, 28)]
    assert [form.size for form in FORMATS.values()] == SIZES


@pytest.mark.parametrize(("clause", "wire", "value"), KNOWN)
def test_known_bytes(clause, wire, value):
    raw = bytes.fromhex(wire)
    assert FORMATS[clause].decode(raw) == value
    assert FORMATS[clause].encode(value) == raw


@pytest.mark.parametrize("clause", FORMATS)
def test_a_missing_value_is_none_and_comes_back_as_ee(clause):
    form = FORMATS[clause]
    if clause == "A.12":
        return  # an address is never missing: FF and AA are digits of a wildcard
    assert form.decode(b"\xee" * form.size) is None
    assert form.decode(b"\xff" * form.size) is None
    assert form.encode(None) == b"\xee" * form.size


@pytest.mark.parametrize("clause", FORMATS)
def test_wrong_bytes_are_refused_and_nothing_else_happens(clause):
    form = FORMATS[clause]
    with pytest.raises(DecodeError):
        form.decode(b"\0" * (form.size + 1))
    if clause != "A.12":
        with pytest.raises(DecodeError):
            form.decode(b"\xac" * form.size)


@given(st.data())
def test_any_bytes_decode_or_are_refused(data):
    form = FORMATS[data.draw(st.sampled_from(list(FORMATS)))]
    raw = data.draw(st.binary(min_size=form.size, max_size=form.size))
    try:
        value = form.decode(raw)
    except DecodeError:
        return
    if value is not None:
        assert form.decode(form.encode(value)) == value


def test_a_time_that_never_was_is_none():
    assert formats.A15.decode(bytes(5)) is None
    assert formats.A1.decode(bytes(6)) is None
    assert formats.A20.decode(bytes(3)) is None


@pytest.mark.parametrize("wire", ["0000300218", "6000010118", "0024010118", "0000010018"])
def test_times_that_no_calendar_has(wire):
    with pytest.raises(DecodeError) as caught:
        formats.A15.decode(bytes.fromhex(wire))
    assert caught.value.kind == "not_a_time"


def test_the_clock_uses_24_hours_and_its_own_month():
    clock = WallClock.of(datetime(2026, 12, 31, 23, 59, 58))
    assert formats.A1.encode(clock) == bytes.fromhex("585923319226")
    assert str(clock) == "2026-12-31 23:59:58"


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (formats.A11, Decimal("1.234")),
        (formats.A11, Decimal(-1)),
        (formats.A5, Decimal(800)),
        (formats.A4, Decimal(80)),
        (formats.A2, Decimal("1.2345")),
        (formats.A12, "12345678901"),
        (formats.A15, datetime(1999, 1, 1)),
        (formats.A19, PartialTime(hour=1)),
        (formats.A19, PartialTime(hour=24, minute=0)),
        (formats.A1, WallClock(datetime(2026, 1, 1), 8)),
        (formats.A2, Decimal("Infinity")),
        (formats.A4, Decimal("NaN")),
        (formats.BIN1, None),
        (formats.BIN1, 256),
        (text_format(4), "电"),
    ],
)
def test_what_does_not_fit_is_refused_on_this_side(form, value):
    if value == "12345678901":
        assert form.encode(value) == bytes.fromhex("018967452301")
        return
    with pytest.raises(LocalError):
        form.encode(value)


def test_partial_times_read_like_times():
    assert str(PartialTime(day=28, hour=16, minute=19, second=39)) == "28 16:19:39"
    assert str(PartialTime(hour=1, minute=2)) == "01:02"
