"""Load record bodies: round trips, every set of classes told apart by length alone, and damage."""

from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.dlt645.load_record import (
    CLASSES,
    LoadField,
    decode_records,
    encode_record,
    record_bytes,
)

NOON = datetime(2026, 3, 1, 12, 15)
CLASS_4 = {4: [Decimal("1234.56"), Decimal("0.00"), Decimal("-12.34"), None]}


def _values(field: LoadField) -> st.SearchStrategy[Decimal | None]:
    places = len(field.codec.notation.partition(".")[2])
    most = 10 ** (field.codec.size * 2) - 1
    least = 0
    if field.codec.signed:
        most = 8 * 10 ** (field.codec.size * 2 - 1) - 1
        least = -most
    numbers = st.integers(least, most).map(lambda whole: Decimal(whole).scaleb(-places))
    return st.one_of(st.none(), numbers)


def _classes() -> st.SearchStrategy[dict[int, list[Decimal | None]]]:
    optional = {
        number: st.tuples(*map(_values, fields)).map(list) for number, fields in CLASSES.items()
    }
    return st.fixed_dictionaries({}, optional=optional)


MINUTES = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(
    lambda moment: moment.replace(second=0, microsecond=0)
)


@given(MINUTES, _classes(), st.booleans())
def test_round_trip_without_the_mode_word(
    time: datetime, classes: dict[int, list[Decimal | None]], faulty: bool
) -> None:
    raw = encode_record(time, classes, faulty=faulty)
    (record,) = decode_records(raw)
    assert record.time == time
    assert record.faulty == faulty
    assert {number: list(values) for number, values in record.classes.items()} == classes
    assert len(raw) == record_bytes(list(classes))
    mode = sum(1 << (number - 1) for number in classes)
    assert decode_records(raw, mode) == [record]


def test_the_bytes_of_an_energy_record() -> None:
    """Layout of annex B: only class 4 selected, the others leave their AA."""
    raw = encode_record(NOON, CLASS_4)
    assert raw.hex(" ").upper() == (
        "A0 A0 1B 26 03 01 12 15 AA AA AA 56 34 12 00 00 00 00 00 34 12 00 80 FF FF FF FF "
        "AA AA AA 06 E5"
    )


def test_several_records_keep_their_order() -> None:
    raw = encode_record(NOON, CLASS_4) + encode_record(NOON.replace(minute=30), {}, faulty=True)
    first, second = decode_records(raw)
    assert (first.time.minute, second.time.minute) == (15, 30)
    assert (first.faulty, second.faulty) == (False, True)


def test_nothing_matches_is_an_empty_answer() -> None:
    assert decode_records(b"") == []


@pytest.mark.parametrize("surplus", [0, 1, 2, 5])
def test_the_length_may_count_the_close_too(surplus: int) -> None:
    raw = bytearray(encode_record(NOON, CLASS_4))
    raw[2] += surplus
    raw[-2] = (raw[-2] + surplus) % 256
    assert decode_records(bytes(raw)) == decode_records(encode_record(NOON, CLASS_4))


@pytest.mark.parametrize(
    ("at", "kind"),
    [
        (0, "load_record_head"),
        (3, "load_record_tail"),
        (11, "load_record_tail"),
        (-2, "load_record_tail"),
        (-1, "load_record_tail"),
    ],
)
def test_one_wrong_byte_is_told(at: int, kind: str) -> None:
    raw = bytearray(encode_record(NOON, CLASS_4))
    raw[at] ^= 0x10
    with pytest.raises(DecodeError) as caught:
        decode_records(bytes(raw))
    assert caught.value.kind == kind


def test_every_cut_is_told() -> None:
    raw = encode_record(NOON, CLASS_4)
    for stop in range(1, len(raw)):
        with pytest.raises(DecodeError):
            decode_records(raw[:stop])


def test_a_mode_word_that_does_not_fit() -> None:
    with pytest.raises(DecodeError, match="fits no set of classes"):
        decode_records(encode_record(NOON, CLASS_4), mode=0b1)


@pytest.mark.parametrize("classes", [{7: []}, {4: [None]}])
def test_what_cannot_be_stored(classes: dict[int, list[Decimal | None]]) -> None:
    with pytest.raises(LocalError):
        encode_record(NOON, classes)
