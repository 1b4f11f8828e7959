"""The frame codec: published frames, round trips, and exact words for what is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocols.dlt645.corpus645 import own

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.dlt645.addresses import (
    address_bytes,
    is_plain,
    is_wellformed,
    matches,
    normalise,
)
from kwhub.protocols.dlt645.checks import check
from kwhub.protocols.dlt645.frames import DATA_BYTES_MAX, Frame645, parse, try_parse
from kwhub.protocols.dlt645.summary import identifier_in, payload_in, summarise

LINES = own("dlt645.jsonl")
GOOD = [line for line in LINES if line["valid"]]
BAD = [line for line in LINES if not line["valid"]]

FRAMES = st.builds(
    Frame645,
    address=st.text("0123456789", min_size=12, max_size=12),
    control=st.integers(0, 255),
    data=st.binary(max_size=DATA_BYTES_MAX),
    preamble=st.integers(0, 6),
)


@pytest.mark.parametrize("line", GOOD, ids=lambda line: line["id"])
def test_published_frame(line):
    raw = bytes.fromhex(line["hex"])
    frame = parse(raw)
    expect = line["expect"]
    summary = summarise(frame)
    assert frame.data.hex().upper() == expect["data_minus33"]
    assert summary.edition.value == expect["protocol"]
    for name in ("preamble", "address", "control", "direction", "abnormal", "more_frames"):
        assert getattr(summary, name) == expect[name]
    if "di" in expect:
        assert summary.identifier == expect["di"]
    assert frame.to_bytes() == raw


@pytest.mark.parametrize("line", BAD, ids=lambda line: line["id"])
def test_published_damage(line):
    with pytest.raises(DecodeError) as caught:
        parse(bytes.fromhex(line["hex"]))
    assert caught.value.kind == line["kind"]
    assert caught.value.offset is not None
    assert str(caught.value)


@given(FRAMES)
def test_whatever_is_written_is_read(frame):
    assert parse(frame.to_bytes()) == frame


@given(st.binary(max_size=40))
def test_any_bytes_are_a_frame_or_an_error(raw):
    try:
        frame = parse(raw)
    except DecodeError as error:
        assert try_parse(raw) is None
        assert error.offset is None or 0 <= error.offset <= len(raw)
    else:
        assert frame.to_bytes() == raw


@given(FRAMES, st.data())
def test_one_damaged_byte_is_never_taken_for_the_frame(frame, data):
    raw = bytearray(frame.to_bytes())
    place = data.draw(st.integers(frame.preamble, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    decoded = try_parse(bytes(raw))
    assert decoded is None or decoded != frame


@pytest.mark.parametrize(
    ("text", "kind", "offset"),
    [
        ("", "truncated", 0),
        ("FE FE", "preamble_only", 2),
        ("01 02", "no_frame", 0),
        ("FE 00 68 38", "start_missing", 1),
        ("68 38 00", "truncated", 3),
        ("68 38 00 00 00 00 00 68 91 C9 33 33 34", "length_too_large", 9),
        ("68 38 00 00 00 00 00 68 11 04 33 33 34 33 EA 17", "end_missing", 15),
        ("68 38 00 00 00 00 00 68 11 04 33 33 34 33 EB 16", "checksum_mismatch", 14),
        ("68 38 00 00 00 00 00 68 11 03 33 33 34 33 E9 16", "length_mismatch", 9),
        ("68 38 00 00 00 00 00 68 11 04 33 33 34 33", "truncated", 14),
        ("68 38 00 00 00 00 00 68 11 04 33 33 34 33 EA 16 00", "stray_trailing_bytes", 16),
    ],
)
def test_kind_and_place_of_damage(text, kind, offset):
    with pytest.raises(DecodeError) as caught:
        parse(bytes.fromhex(text))
    assert (caught.value.kind, caught.value.offset) == (kind, offset)


def test_checksum_error_says_what_would_be_right():
    with pytest.raises(DecodeError, match="is 1A, it should be 72"):
        parse(bytes.fromhex("68380000000000689108333334336B3333331A16"))


def test_preamble_is_no_part_of_the_checksum():
    bare = Frame645("000000000038", 0x11, bytes.fromhex("00000100"))
    for count in range(5):
        raw = Frame645(bare.address, bare.control, bare.data, count).to_bytes()
        assert raw == b"\xfe" * count + bare.to_bytes()


@pytest.mark.parametrize(
    "frame",
    [
        Frame645("38", 0x11),
        Frame645("00000000003Z", 0x11),
        Frame645("000000000038", 0x111),
        Frame645("000000000038", 0x11, bytes(DATA_BYTES_MAX + 1)),
    ],
)
def test_impossible_frames_are_not_written(frame):
    with pytest.raises(LocalError):
        frame.to_bytes()


def test_addresses():
    assert normalise(" 38 ") == "000000000038"
    assert normalise("AAAAAAAA0038") == "AAAAAAAA0038"
    assert address_bytes("123456789012").hex() == "129078563412"
    assert is_plain("000000000038")
    assert not is_plain("999999999999")
    assert not is_plain("AAAAAAAAAAAA")
    assert is_wellformed("FFFFFFFFFFFF")
    for text in ("1234567890123", "00000000003B", "A00000000038", "38AAAAAAAAAA", "-1", "٣"):
        with pytest.raises(LocalError):
            normalise(text)


def test_wildcards_leave_high_bytes_open():
    assert matches("AAAAAAAAAAAA", "123456789012")
    assert matches("AAAAAA789012", "123456789012")
    assert not matches("AAAAAA789013", "123456789012")
    assert not matches("000000000038", "000000000039")


def test_a_frame_of_more_than_its_function_allows_is_told():
    assert check(parse(bytes.fromhex("6838000000000068110433333433EA16"))) is None
    for text, kind in (
        ("68 AB 00 00 00 00 00 68 11 04 33 33 34 33 5D 16", "address_not_bcd"),
        ("FE FE 68 99 99 99 99 99 99 68 00 00 66 16", "unknown_function"),
        ("68 3A 00 00 00 00 00 68 91 00 9B 16", "bad_length_for_function"),
    ):
        problem = check(parse(bytes.fromhex(text)))
        assert problem is not None
        assert problem.kind == kind


def test_error_words_in_two_languages():
    summary = summarise(Frame645("000000000038", 0xD1, b"\x06"))
    assert summary.errors == ("no such data", "password wrong or not authorised")
    assert summary.errors_zh == ("无请求数据", "密码错或未授权")
    assert summarise(Frame645("000000000038", 0xC1, b"\x02")).errors == ("identifier error",)
    assert summarise(Frame645("000000000038", 0xC3, b"\x00\x01")).errors == ("meter suspended",)
    assert summarise(Frame645("000000000038", 0xC3, b"\x01")).errors == ("other error",)
    assert summarise(Frame645("000000000038", 0xD1)).errors == ("no reason given",)


def test_identifier_and_payload():
    read = parse(bytes.fromhex("FEFEFE68380000000000689108333334336B3333337216"))
    assert identifier_in(read) == 0x00010000
    assert payload_in(read) == bytes.fromhex("38000000")
    assert identifier_in(Frame645("000000000038", 0x91, b"\x00")) is None
    assert payload_in(Frame645("000000000038", 0x93, b"\x38" + bytes(5))) == b"\x38" + bytes(5)


@given(FRAMES)
def test_every_frame_can_be_summarised(frame):
    assert summarise(frame).address == frame.address
