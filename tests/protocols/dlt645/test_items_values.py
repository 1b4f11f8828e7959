"""Value bytes to values and back: the corpus, every kind of format, blocks, missing values, lengths."""

from datetime import datetime
from decimal import Decimal, InvalidOperation

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocols.dlt645.corpus645 import shared

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.dlt645 import Edition
from kwhub.protocols.dlt645.families import Kind, compile_pattern
from kwhub.protocols.dlt645.items import (
    block_of,
    decode,
    encode,
    find,
    find_southern,
    identifier_text,
)
from kwhub.protocols.dlt645.load_record import encode_record
from kwhub.protocols.dlt645.notation import field_codec, parse_format
from kwhub.protocols.dlt645.tables import every_family

REFUSED = {"v07-072": "not_bcd", "v07-109": "value_length_mismatch"}
"""Frames whose values must not be read.

v07-109: the corpus also notes what the first two of three bytes would read as, but says that the
length does not fit, and files the same frame (bad-032) as one that must be reported. The length wins.
"""


def shown(identifier, payload, edition=Edition.E2007):
    """Values as numbers or text."""
    return [value.value for value in decode(identifier, bytes.fromhex(payload), edition)]


def known(identifier, edition=Edition.E2007):
    """The item of an identifier that is in the tables."""
    item = find(identifier, edition)
    assert item is not None
    return item


def number(text):
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def test_every_value_of_the_corpus():
    read = 0
    for line in shared("dlt645.jsonl"):
        expect = line["expect"]
        if line["id"] in REFUSED or "values" not in expect or expect["direction"] != "answer":
            continue
        edition = Edition(line["protocol"])
        payload = bytes.fromhex(expect["data_minus33"])[edition.identifier_bytes :]
        values = decode(int(expect["di"], 16), payload, edition)
        assert [None if value.value is None else number(value.value) for value in values] == [
            None if each["value"] is None else number(each["value"]) for each in expect["values"]
        ]
        assert [value.unit for value in values] == [
            each.get("unit", "") for each in expect["values"]
        ]
        read += 1
    assert read > 40


@pytest.mark.parametrize("name", REFUSED)
def test_values_of_the_corpus_that_must_not_be_read(name):
    (line,) = (line for line in shared("dlt645.jsonl") if line["id"] == name)
    payload = bytes.fromhex(line["expect"]["data_minus33"])[4:]
    with pytest.raises(DecodeError) as caught:
        decode(int(line["expect"]["di"], 16), payload)
    assert caught.value.kind == REFUSED[name]
    assert caught.value.field == line["expect"]["di"]


def test_value_level_lines_of_the_corpus():
    for line in shared("dlt645.jsonl"):
        if line.get("level") != "data":
            continue
        codec = field_codec(line["expect"]["format"], signed=line["valid"])
        raw = bytes.fromhex(line["hex"])
        if line["valid"]:
            wanted = line["expect"]["value"]
            assert codec.decode(raw) == (None if wanted is None else Decimal(wanted))
        else:
            with pytest.raises(DecodeError):
                codec.decode(raw)


REPRESENTATIVES = [
    (edition, next(compile_pattern(family.pattern).identifiers()))
    for edition in Edition
    for family in every_family(edition)
    if family.kind is not Kind.LOAD_RECORD
]


@st.composite
def item_payloads(draw):
    """Some item of the tables, and decimal digits of a length that it may have."""
    edition, identifier = draw(st.sampled_from(REPRESENTATIVES))
    item = known(identifier, edition)
    shape = item.layout.shape
    rounds = draw(st.integers(1, 3)) if shape.round_size else 0
    size = shape.size + rounds * shape.round_size
    digits = draw(st.binary(min_size=size, max_size=size))
    tens = 8 if item.format == "ASCII" else 10
    return edition, identifier, bytes(byte // 16 % tens * 16 + byte % 10 for byte in digits)


@settings(max_examples=60)
@given(item_payloads())
def test_decode_and_encode_are_the_reverse_of_each_other(drawn):
    edition, identifier, payload = drawn
    values = decode(identifier, payload, edition)
    again = encode(identifier, [value.value for value in values], edition)
    assert len(again) == len(payload)
    assert decode(identifier, again, edition) == values
    assert all(value.identifier for value in values)


@settings(max_examples=60)
@given(item_payloads(), st.sampled_from([-1, 1]))
def test_a_length_that_the_table_does_not_know_is_an_error(drawn, change):
    edition, identifier, payload = drawn
    item = known(identifier, edition)
    if item.size is None:
        return
    wrong = payload[:-1] if change < 0 else payload + b"\x00"
    with pytest.raises(DecodeError) as caught:
        decode(identifier, wrong, edition)
    assert caught.value.kind == "value_length_mismatch"


@settings(max_examples=60)
@given(item_payloads())
def test_bytes_of_all_ones_are_no_value_or_raw_bits(drawn):
    edition, identifier, payload = drawn
    for value in decode(identifier, b"\xff" * len(payload), edition):
        assert value.value is None or set(str(value.value)) == {"F"}


FORMATS = [
    ("XXXXXX.XX", "56341200", Decimal("1234.56")),
    ("NNNNNN.N", "56341200", Decimal("12345.6")),
    ("XX.XXXX", "010000", Decimal("0.0001")),
    ("NN", "15", Decimal(15)),
    ("NNNNNNNNNNNN", "129078563412", "123456789012"),
    ("NNNNNNNN", "0000FF00", "00FF0000"),
    ("YYMMDDWW", "01110116", "2016-01-11"),
    ("YYMMDDWWhhmmss", "55532101110116", "2016-01-11 21:53:55"),
    ("YYMMDDhhmmss", "555321110116", "2016-01-11 21:53:55"),
    ("YYMMDDhhmm", "5321110116", "2016-01-11 21:53"),
    ("YYMMDDhhmm", "9999999999", "2099-99-99 99:99"),
    ("YYMMDDhh", "21110116", "2016-01-11 21"),
    ("YYMMDDNN", "02110116", "2016-01-11 02"),
    ("MMDDhhmm", "53211101", "01-11 21:53"),
    ("MMDDhh", "211101", "01-11 21"),
    ("MMDDNN", "021101", "01-11 02"),
    ("DDhh", "0001", "01 00"),
    ("hhmmss", "555321", "21:53:55"),
    ("hhmm", "0000", "00:00"),
    ("hhmmNN", "023008", "08:30 02"),
    ("C0C1C2C3", "01563412", "12345601"),
    ("HHHH", "3412", "1234"),
]


@pytest.mark.parametrize(("notation", "raw", "value"), FORMATS)
def test_formats_of_the_tables(notation, raw, value):
    codec = field_codec(notation)
    assert codec.decode(bytes.fromhex(raw)) == value
    assert codec.encode(value) == bytes.fromhex(raw)


def test_text_goes_last_character_first():
    codec = field_codec("ASCII", size=6)
    assert codec.decode(bytes.fromhex("000056303232")) == "220V"
    assert codec.decode(bytes.fromhex("563032320000")) == "220V"
    assert codec.encode("220V") == bytes.fromhex("000056303232")
    with pytest.raises(DecodeError):
        codec.decode(bytes.fromhex("0000D6D0B9FA"))
    with pytest.raises(LocalError):
        codec.encode("电压")
    with pytest.raises(LocalError):
        codec.encode("220 volts")


@pytest.mark.parametrize(
    ("notation", "value"),
    [
        ("XXX.X", "230.1"),
        ("XXX.X", Decimal("230.15")),
        ("XXX.X", Decimal(1000)),
        ("XXX.X", Decimal("-0.1")),
        ("YYMMDDhhmm", "2026-03-01"),
        ("NNNNNNNNNNNN", "1234567890123"),
        ("HHHH", "123456"),
    ],
)
def test_what_does_not_fit_a_format(notation, value):
    with pytest.raises(LocalError):
        field_codec(notation).encode(value)


@pytest.mark.parametrize("notation", ["", "XY", "ASCI", "(XX", "XX++XX"])
def test_what_is_no_format(notation):
    with pytest.raises(LocalError):
        parse_format(notation)


def test_signs_follow_the_table():
    assert shown(0x00000000, "34120080") == [Decimal("-12.34")]
    assert shown(0x02020100, "235180") == [Decimal("-5.123")]
    assert shown(0x02060000, "0085") == [Decimal("-0.500")]
    # An energy of one direction has no sign: 99 is a digit pair there.
    assert shown(0x00010000, "34120099") == [Decimal("990012.34")]
    assert encode(0x02030000, [Decimal("-1.5")]) == bytes.fromhex("005081")


def test_a_block_of_tariffs_is_as_long_as_the_meter_has_tariffs():
    one = decode(0x0001FF00, bytes.fromhex("29010000" * 2))
    assert [(value.identifier, value.register) for value in one] == [
        ("00010000", "1-0:1.8.0"),
        ("00010100", "1-0:1.8.1"),
    ]
    assert one[1].name_en == "forward active energy, tariff 1"
    assert one[1].name_zh == "(当前)正向有功费率1电能"
    for count in (0, 65):
        with pytest.raises(DecodeError):
            decode(0x0001FF00, b"\x00" * 4 * count)


def test_a_block_of_settlement_days_has_no_register_but_for_now():
    values = decode(
        0x000100FF, b"".join(bytes([day, 0, 0, 0]) for day in range(0x10)[:10]) + b"\0" * 12
    )
    assert [value.identifier for value in values] == [f"000100{day:02X}" for day in range(13)]
    assert [value.register for value in values] == ["1-0:1.8.0"] + [None] * 12
    assert values[3].name_en == "forward active energy, total, 3rd last settlement day"
    assert values[3].name_zh == "(上3结算日)正向有功总电能"


def test_a_block_of_tariffs_and_settlement_days_goes_day_by_day():
    values = decode(0x0001FFFF, b"\x00" * 4 * 13 * 5)
    assert [value.identifier for value in values[:6]] == [
        "00010000", "00010100", "00010200", "00010300", "00010400", "00010001",
    ]  # fmt: skip
    with pytest.raises(DecodeError):
        decode(0x0001FFFF, b"\x00" * 4 * 14)


def test_phases_that_the_meter_does_not_have():
    values = decode(0x0201FF00, bytes.fromhex("5622FFFFFFFF"))
    assert [(value.name_en, value.value) for value in values] == [
        ("voltage A", Decimal("225.6")),
        ("voltage B", None),
        ("voltage C", None),
    ]
    with pytest.raises(DecodeError):
        decode(0x0201FF00, bytes.fromhex("5622"))


def test_a_demand_comes_with_its_time():
    demand, time = decode(0x01010000, bytes.fromhex("4523011512010326"))
    assert (demand.register, demand.value, demand.unit) == ("1-0:1.6.0", Decimal("1.2345"), "kW")
    assert (time.register, time.value, time.unit) == (None, "2026-03-01 12:15", "")


@pytest.mark.parametrize("count", [7, 8])
def test_status_words_with_and_without_the_key_word(count):
    payload = b"\x01\x80" * 7 + b"\x0f\x00\x00\x00" * (count - 7)
    values = decode(0x040005FF, payload)
    assert [value.identifier for value in values] == [f"040005{n:02X}" for n in range(1, count + 1)]
    assert values[0].value == "8001"
    assert encode(0x040005FF, [value.value for value in values]) == payload
    with pytest.raises(DecodeError):
        decode(0x040005FF, payload + b"\x00")


@pytest.mark.parametrize("close", [b"", b"\xaa"], ids=["bare", "closed by AA"])
def test_blocks_of_1997(close):
    energies = decode(0x901F, bytes.fromhex("39000000" * 5) + close, Edition.E1997)
    assert [value.identifier for value in energies] == ["9010", "9011", "9012", "9013", "9014"]
    assert energies[4].register == "1-0:1.8.4"
    volts = decode(0xB61F, bytes.fromhex("260200000000") + close, Edition.E1997)
    assert [value.value for value in volts] == [Decimal(226), Decimal(0), Decimal(0)]
    with pytest.raises(DecodeError):
        decode(0x901F, bytes.fromhex("390000") + close, Edition.E1997)


def test_months_of_1997_have_words_but_no_register():
    item = known(0x9411, Edition.E1997)
    assert item.name_en == "forward active energy, tariff 1, last month"
    assert item.register is None
    assert known(0x9011, Edition.E1997).register == "1-0:1.8.1"


def test_a_daily_freeze_has_the_registers_that_it_froze():
    values = decode(0x05060101, bytes.fromhex("29010000" * 3))
    assert [value.register for value in values] == ["1-0:1.8.0", "1-0:1.8.1", "1-0:1.8.2"]
    assert {value.identifier for value in values} == {"05060101"}
    assert values[2].name_en == "daily freeze, last: forward active energy, tariff 2"
    with pytest.raises(DecodeError):
        decode(0x05060101, b"")


def test_a_whole_freeze_record():
    tariffs = 2
    whole = bytes.fromhex("0000020326")
    whole += bytes.fromhex("01000000") * (8 * tariffs)
    whole += bytes.fromhex("4523011512010326") * (2 * tariffs) + bytes.fromhex("000001") * 8
    values = decode(0x0506FF01, whole)
    assert len(values) == 1 + 8 * tariffs + 4 * tariffs + 8
    assert (values[0].identifier, values[0].value) == ("05060001", "2026-03-02 00:00")
    assert values[-1].register == "1-0:191.7.0"
    assert encode(0x0506FF01, [value.value for value in values]) == whole
    # The mode word may leave parts out; then the bytes are shown as they are.
    (raw,) = decode(0x0506FF01, whole[:-3])
    assert raw.value == whole[:-3].hex().upper()


def test_an_hourly_freeze_is_a_block_of_a_row_of_its_own():
    values = decode(0x0504FF01, bytes.fromhex("00130103262901000000000000"))
    assert [value.identifier for value in values] == ["05040001", "05040101", "05040201"]


def test_event_records_are_blocks_of_their_fields():
    size = known(0x1001FF01).size
    values = decode(0x1001FF01, b"\x00" * size)
    assert [value.identifier for value in values] == [f"1001{n:02X}01" for n in range(1, 0x36)]
    ten = decode(0x1101FFFF, b"\x00" * size * 10)
    assert [ten[0].identifier, ten[53].identifier] == ["11010101", "11010102"]


def test_load_records_by_identifier():
    record = encode_record(
        datetime(2026, 3, 1, 12, 15), {4: [Decimal("1.00"), Decimal(0), None, Decimal(0)]}
    )
    values = decode(0x06040001, record)
    assert [value.value for value in values] == [
        "2026-03-01 12:15", Decimal("1.00"), Decimal(0), None, Decimal(0),
    ]  # fmt: skip
    assert values[1].register == "1-0:1.8.0"
    assert decode(0x06040001, b"") == []
    with pytest.raises(LocalError):
        encode(0x06040001, [Decimal(1)])


def test_curves_have_a_time_at_every_point():
    point = bytes.fromhex("15120103265622FFFF0023")
    values = decode(0x061001FF, point * 2)
    assert [value.value for value in values[:4]] == [
        "2026-03-01 12:15", Decimal("225.6"), None, Decimal("230.0"),
    ]  # fmt: skip
    assert [value.identifier for value in values[1:4]] == ["06100101", "06100102", "06100103"]
    assert len(values) == 8
    energies = decode(0x061006FF, bytes.fromhex("151201032601000000" * 1) + b"\0" * 12)
    assert [value.unit for value in energies] == ["", "kWh", "kWh", "kvarh", "kvarh"]


def test_the_southern_grid_means_something_else():
    assert known(0x0280000B).unit == "yuan/kWh"
    southern = find_southern(0x0280000B)
    assert southern is not None
    assert southern.unit == "kW"
    assert find_southern(0x00010000) is find(0x00010000)


@pytest.mark.parametrize("identifier", [0x00FF0000, 0x9010, 0xFFFFFFFF, -1, 1 << 32])
def test_identifiers_that_are_in_no_table(identifier):
    assert find(identifier) is None
    assert block_of(identifier) is None
    with pytest.raises(DecodeError) as caught:
        decode(identifier, b"")
    assert caught.value.kind == "unknown_identifier"
    with pytest.raises(LocalError):
        encode(identifier, [])


def test_identifiers_as_people_write_them():
    assert identifier_text(0x00010000) == "00010000"
    assert identifier_text(0x9010, Edition.E1997) == "9010"


@pytest.mark.parametrize(
    ("identifier", "values"),
    [
        (0x00010000, []),
        (0x00010000, [Decimal(1), Decimal(2)]),
        (0x01010000, [Decimal(1)]),
        (0x0001FF00, []),
        (0x0001FF00, [Decimal(1)] * 65),
        (0x0201FF00, [Decimal(1)] * 4),
        (0x03010101, ["00"]),
        (0x03010101, ["no digits"]),
    ],
)
def test_values_that_do_not_belong_to_an_item(identifier, values):
    with pytest.raises(LocalError, match=f"{identifier:08X}"):
        encode(identifier, values)
