"""Layouts that the standard gives sizes for, editions, provinces, and the typed units of 0E, 0F and 10."""

from datetime import datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376.afn_0f import FILE_ERROR, FileAnswer, FileSegment
from kwhub.protocols.gdw1376.afn_10 import DirectRead, DirectReadAnswer
from kwhub.protocols.gdw1376.editions import Edition
from kwhub.protocols.gdw1376.event_records import EventRecord, point_word, read_records
from kwhub.protocols.gdw1376.formats import A15
from kwhub.protocols.gdw1376.frames import (
    Control,
    Frame1376,
    Sequence,
    TerminalAddress,
    parse,
)
from kwhub.protocols.gdw1376.layouts import measure, plain
from kwhub.protocols.gdw1376.profiles import (
    cjt188_address,
    cjt188_record,
    profile_named,
)
from kwhub.protocols.gdw1376.tables import AFN_NAMES, TABLES, find, layout_of
from kwhub.protocols.gdw1376.units import Unit


@pytest.mark.parametrize(
    ("afn", "function", "up", "size"),
    [
        (0x04, 1, False, 6),
        (0x04, 3, False, 28),
        (0x04, 4, False, 16),
        (0x04, 8, False, 8),
        (0x04, 9, False, 16),
        (0x04, 18, False, 12),
        (0x04, 21, False, 49),
        (0x04, 25, False, 11),
        (0x04, 26, False, 57),
        (0x04, 27, False, 24),
        (0x05, 1, False, 1),
        (0x05, 31, False, 6),
        (0x06, 11, True, 37),
        (0x09, 1, True, 41),
        (0x0C, 25, True, 67),
        (0x0C, 26, True, 61),
        (0x0C, 27, True, 60),
        (0x0C, 28, True, 33),
        (0x0C, 31, True, 59),
        (0x0C, 161, True, 18),
        (0x0C, 165, True, 23),
        (0x0C, 166, True, 29),
        (0x0C, 167, True, 41),
        (0x0C, 170, True, 18),
        (0x0D, 25, True, 3 + 32),
        (0x0D, 26, True, 3 + 24),
        (0x0D, 27, True, 3 + 66),
        (0x0D, 30, True, 3 + 4),
        (0x0D, 31, True, 3 + 10),
        (0x0D, 33, True, 2 + 32),
    ],
)
def test_sizes_of_the_standard(afn, function, up, size):
    layout = layout_of(afn, up=up)(function)
    assert layout is not None
    assert measure(layout, bytes(200)) == size


def test_every_afn_but_that_of_relay_stations_has_a_table():
    assert set(AFN_NAMES) - set(TABLES) == {0x03}


def test_a_settlement_counts_its_tariffs_in_two_decimal_bytes():
    layout = layout_of(0x0C, up=True)(168)
    assert layout is not None
    assert measure(layout, bytes(5) + b"\x10\0" + bytes(200)) == 5 + 2 + 2 * 5 * 11


def test_the_editions_clash_in_one_place():
    batch, trip = find(0x10, 10), find(0x10, 10, Edition.E2009)
    assert batch is not None
    assert trip is not None
    assert (batch.name, trip.name) == ("batch read", "trip or allow close")
    older = layout_of(0x0C, up=True, edition=Edition.E2009)(161)
    assert older is not None
    assert measure(older, bytes(30)) == 16


def test_a_password_of_two_bytes_in_the_oldest_edition():
    address = TerminalAddress("4101", 2082)
    unit = Unit((0,), (37,))
    frame = Frame1376(
        Control.from_byte(0x4A), address, 5, Sequence(1), (unit,), b"\1\2", protocol_id=1
    )
    assert parse(frame.to_bytes(), profile_named("2005")) == frame
    with pytest.raises(LocalError):
        profile_named("atlantis")


def test_a_meter_of_heat_has_fourteen_digits():
    record = cjt188_record(1, 2, 0x62, "35123456789012", 0x20)
    assert cjt188_address(record) == ("35123456789012", 0x20)
    with pytest.raises(LocalError):
        cjt188_record(1, 2, 0x62, "123456789012", 0x20)


@given(st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=300), st.booleans())
def test_a_segment_comes_back(file, number, data, last):
    segment = FileSegment(file, number, 65_535, data, last)
    assert FileSegment.from_unit(segment.to_unit()) == segment
    with pytest.raises(DecodeError):
        FileSegment.from_unit(Unit((0,), (1,), segment.to_unit().data + b"x"))
    assert FileAnswer.from_unit(FileAnswer(number).to_unit()) == FileAnswer(number)


def test_the_answer_of_a_refused_file():
    assert FileAnswer(FILE_ERROR).to_unit().data == b"\xff" * 4


@given(st.from_regex(r"[0-9]{12}", fullmatch=True), st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_a_direct_read_comes_back(address, identifier, relays):
    order = DirectRead(31, address, identifier, relays=("000000000007",) * relays)
    assert DirectRead.from_unit(order.to_unit()) == order
    answer = DirectReadAnswer(31, address, 5, b"\0\0\1\0data")
    assert DirectReadAnswer.from_unit(answer.to_unit()) == answer


def test_event_records_one_after_the_other():
    at = A15.encode(datetime(2026, 3, 2, 7, 5))
    power = EventRecord(14, at + A15.encode(datetime(2026, 3, 2, 8, 0)))
    clock = EventRecord(12, at + point_word(7, begins=True))
    data = b"\2\0\xff\1" + power.to_bytes() + clock.to_bytes()
    assert read_records(data) == (power, clock)
    assert clock.at == datetime(2026, 3, 2, 7, 5)
    assert clock.words()[0] == "time 2026-03-02 07:05:00, point p7 begins"
    with pytest.raises(DecodeError):
        read_records(data[:-1])


@pytest.mark.parametrize(("code", "size"), [(1, 14), (14, 10), (41, 14)])
def test_lengths_of_records(code, size):
    found = EventRecord(code, bytes(size)).cells()
    assert found[-1].stop == size


def test_a_plain_layout_is_measured_like_any_other():
    """What counts without a walk over the elements says the same, also of data that end too early."""
    random = Random(5)
    layouts = [
        layout
        for table in TABLES.values()
        for row in table.values()
        for layout in (row.up, row.down)
    ]
    short = [(layout, plain(layout)) for layout in layouts if layout is not None]
    found = [(layout, each) for layout, each in short if each is not None]
    assert len(found) > len(layouts) // 2
    assert sum(each.body_bytes > 0 for _, each in found) > 50
    for layout, each in found:
        for size in (0, 3, 8, 40, 900):
            data = random.randbytes(size)
            for at in (0, 2):
                try:
                    expected = measure(layout, data, at)
                except DecodeError:
                    expected = None
                assert each.measure(data, at) == expected
