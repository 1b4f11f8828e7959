"""Any bytes are explained, byte by byte, in two languages; what is wrong is marked where it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocols.dlt645.corpus645 import own, shared

from kwhub.protocols.dlt645.contents import expiry, freeze_time, rate_2007, relay_status, time
from kwhub.protocols.dlt645.diagnose import diagnose
from kwhub.protocols.dlt645.explain import explain
from kwhub.protocols.dlt645.fields import pieces
from kwhub.protocols.dlt645.frames import Frame645, parse

LINES = own("dlt645.jsonl")
ANY = [bytes.fromhex(line["hex"]) for line in LINES]
METER = "000000000038"

DAMAGED = st.builds(
    lambda raw, places: bytes(byte ^ places.get(at, 0) for at, byte in enumerate(raw)),
    st.sampled_from(ANY),
    st.dictionaries(st.integers(0, 40), st.integers(1, 255), max_size=3),
)
STREAMS = st.lists(
    st.one_of(st.sampled_from(ANY), DAMAGED, st.binary(max_size=40)), max_size=4
).map(b"".join)


def parts(text):
    return explain(bytes.fromhex(text)).parts


def faults(text):
    return [(part.start, part.name, part.meaning) for part in parts(text) if not part.ok]


@given(STREAMS)
def test_every_byte_is_explained_once(raw):
    explanation = explain(raw)
    at = 0
    for part in explanation.parts:
        assert part.start == at
        assert part.stop >= at
        assert part.name
        assert part.name_zh
        at = part.stop
    assert at == len(raw)
    for language in ("en", "zh"):
        assert len(explanation.render(language).splitlines()) >= len(explanation.parts)


@pytest.mark.slow
@given(st.builds(Frame645, st.just(METER), st.integers(0, 255), st.binary(max_size=200)))
def test_any_data_field_is_explained_without_gaps(frame):
    at = 0
    for piece in pieces(frame):
        assert piece.start == at
        assert piece.stop > at
        at = piece.stop
    assert at == len(frame.data)
    diagnose(frame)


def test_the_published_example():
    explanation = explain(bytes.fromhex("FEFEFE68380000000000689108333334336B3333337216"))
    assert explanation.ok
    assert [(part.name, part.name_zh, part.stop - part.start) for part in explanation.parts] == [
        ("preamble", "前导字节", 3),
        ("start", "帧起始符", 1),
        ("address", "地址域", 6),
        ("start", "帧起始符", 1),
        ("control", "控制码", 1),
        ("length", "数据长度", 1),
        ("identifier", "数据标识", 4),
        ("forward active energy, total", explanation.parts[7].name_zh, 4),
        ("checksum", "校验码", 1),
        ("end", "结束符", 1),
    ]
    meanings = [part.meaning for part in explanation.parts]
    assert meanings[2] == METER
    assert meanings[4] == "answer, normal, last frame, 11 read data (2007)"
    assert meanings[7] == "0.38 kWh"
    assert meanings[8] == "72, right"
    assert explanation.parts[4].meaning_zh == "应答，正常应答，无后续帧，11 读数据（2007）"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "68 38 00 00 00 00 00 68 91 08 33 33 34 33 6B 33 33 33 1A 16",
            [(18, "checksum", "1A, should be 72")],
        ),
        (
            "FE FE 68 12 90 78 56 34 12 69 91 08 33 33 34 33 89 67 45 33 54 16",
            [(9, "start", "69, should be 68")],
        ),
        (
            "68 38 00 00 00 00 00 68 91 09 33 33 34 33 6B 33 33 33 72 16",
            [(9, "length", "9, but 8 data bytes stand in the frame")],
        ),
        (
            "68 38 00 00 00 00 00 68 11 04 33 33 34 33 EA 17",
            [(15, "end", "17, should be 16")],
        ),
        (
            "68 38 00 00 00 00 00 68 11 04 33 33",
            [
                (10, "identifier", "00 00: 2 bytes are missing"),
                (12, "cut off", "4 bytes or more are missing"),
            ],
        ),
        (
            "68 38 00 00 00 00 00 68 91",
            [(9, "cut off", "3 bytes or more are missing")],
        ),
        (
            "68 38 00 00 00 00 00 68 91 C9 33",
            [
                (9, "length", "201, more than the 200 that are allowed"),
                (10, "rest", "cannot be told apart"),
            ],
        ),
        (
            "68 38 00 00 00 00 00 68 11 03 33 33 34 E9 EF",
            [
                (9, "length", "3; this function has 4 to 200 data bytes"),
                (10, "identifier", "00 00 01: 1 bytes are missing"),
                (13, "checksum", "E9, should be B6"),
                (14, "end", "EF, should be 16"),
            ],
        ),
        ("01 02 03", [(0, "noise", "no start byte 68")]),
        ("01 68 03", [(0, "noise", "the beginning of a frame, cut off")]),
        (
            "68 AB 00 00 00 00 00 68 11 04 33 33 34 33 5D 16",
            [(1, "address", "0000000000AB, not decimal")],
        ),
        (
            "68 38 00 00 00 00 00 68 00 00 08 16",
            [(8, "control", "request, last frame, function 00 unknown")],
        ),
    ],
)
def test_what_is_wrong_and_where(text, expected):
    assert faults(text) == expected


def test_a_doubled_start_byte_is_noise_before_a_good_frame():
    found = parts("68 68 03 00 00 00 00 00 68 91 07 33 34 34 35 33 33 33 D4 16")
    assert found[0].name == "noise"
    assert found[0].stop == 1
    assert [part.name for part in found[-2:]] == ["checksum", "end"]


def test_two_frames_and_what_stands_between_them():
    frame = Frame645(METER, 0x13).to_bytes()
    found = explain(frame + b"\x00\xfe\xfe" + frame).parts
    assert [part.name for part in found if not part.ok] == ["noise"]
    assert [part.name for part in found].count("checksum") == 2
    assert [part.meaning for part in found if part.name == "preamble"] == ["2 wake-up bytes"]


def test_a_cut_frame_does_not_swallow_the_good_one_after_it():
    good = Frame645(METER, 0x11, bytes.fromhex("00000100")).to_bytes()
    found = explain(good[:12] + good).parts
    assert [part.meaning for part in found][-2:] == ["EA, right", "16"]
    assert [part.name for part in found if not part.ok] == ["identifier", "cut off"]


def words(control, data):
    frame = Frame645(METER, control, bytes.fromhex(data))
    return [(piece.name, piece.meaning) for piece in pieces(frame)]


def test_fields_of_commands():
    assert words(0x08, "254010050617") == [("time", "2017-06-05 10:40:25")]
    assert words(0x12, "0100300305")[1] == ("frame sequence", "5")
    assert words(0x93, "129078563412") == [("meter address", "123456789012")]
    assert words(0x16, "99999999") == [("freeze time", "now")]
    assert words(0x17, "08") == [("baud-rate word", "2400 baud")]
    assert words(0x1D, "02") == [("output signal", "time-slot switch")]
    assert words(0x9C, "0400") == [("status word", "tripped at once")]
    assert words(0x1C, "04111111015634121D05440814110709") == [
        ("permission level", "level 04"),
        ("password", "3 bytes"),
        ("operator code", "12345601"),
        ("order", "trip, later close directly, after 25 minutes"),
        ("valid until", "2009-07-11 14:08:44"),
    ]
    assert words(0x1B, "0200000000000000FFFFFFFF")[-1] == ("events", "all events")
    assert words(0x1B, "0200000000000000FF000503")[-1] == ("events", "events 030500FF")
    assert words(0x1D, "07") == [("output signal", "unknown signal 07")]
    for level, meaning in (("98", "ciphertext"), ("99", "plaintext"), ("41", "not a level")):
        assert meaning in words(0x19, f"{level}00000000000000")[0][1]
    assert words(0x1C, "02" + "00" * 7 + "7700" + "99" * 6)[-2:] == [
        ("order", "unknown order 77"),
        ("valid until", "never (99 in every place)"),
    ]
    assert words(0x18, "010C00040200000002111111")[-2:] == [
        ("permission level", "level 02"),
        ("password", "3 bytes"),
    ]


def test_refusals_in_words():
    assert words(0xD1, "02") == [("error word", "no such data")]
    assert words(0xC1, "02") == [("error word", "identifier error")]
    assert words(0xC3, "0800") == [("error word", "identity authentication failed")]
    assert words(0xC3, "08") == [("error word", "baud rate cannot be changed")]
    assert words(0xDC, "2000") == [("error word", "trip refused: supply protected")]


def test_follow_ups_show_their_number():
    found = words(0x92, "01003003AABBCC02")
    assert found[1:] == [("part of the values", "CCBBAA"), ("frame sequence", "2")]
    assert words(0xB1, "01003003AABB")[1] == ("part of the values", "BBAA")


def test_a_load_record_query_may_find_nothing():
    assert words(0x91, "01000006")[0][1].endswith("no record matches")
    assert words(0x91, "00000100")[0][1].endswith("no value follows")


def test_missing_phases_have_no_value():
    found = words(0x91, "00FF01025622FFFFFFFF")
    assert [meaning for _, meaning in found[1:]] == ["225.6 V", "no value", "no value"]


@pytest.mark.parametrize(
    ("raw", "meaning"),
    [
        ("15091203", "once on 03-12 at 09:15"),
        ("15091299", "every month on day 12 at 09:15"),
        ("15099999", "every day at 09:15"),
        ("15999999", "every hour at minute 15"),
        ("99999999", "now"),
    ],
)
def test_freeze_times(raw, meaning):
    assert freeze_time(bytes.fromhex(raw)).english == meaning


@pytest.mark.parametrize("raw", ["15091213", "15991203", "60999999", "15249999", "FFFFFFFF"])
def test_freeze_times_that_do_not_exist(raw):
    assert freeze_time(bytes.fromhex(raw)).problem == "time_not_valid"


def test_times():
    assert time(bytes.fromhex("251102123456")).problem == "time_not_valid"
    assert "2025-11-02 12:34:56" in time(bytes.fromhex("251102123456")).english
    assert time(bytes.fromhex("FFFFFFFFFFFF")).problem == "time_not_valid"
    assert not expiry(b"\x99" * 6).problem
    assert expiry(bytes(6)).problem == "time_not_valid"
    assert rate_2007(b"\x36").problem == "baud_word_not_one_bit"
    assert relay_status(bytes.fromhex("0401")).english == "tripped at once, protected"
    assert relay_status(bytes(2)).english == "no bit set"


SEEN_AS = {
    "address_byte_order": None,
    "echo_then_answer": None,
    "offset_missing": "bad_length_for_function",
    "time_byte_order": "time_not_valid",
    "unexpected_address": None,
    "value_not_bcd": "not_bcd",
}


def test_diagnoses_of_the_corpus():
    for line in shared("dlt645_bad.jsonl"):
        raw = bytes.fromhex(line["hex"])
        explanation = explain(raw)
        if line["diagnosis"] in ("stray_trailing_bytes", "echo_then_answer"):
            continue  # more than one frame
        if line["framing_ok"]:
            wanted = SEEN_AS.get(line["diagnosis"], line["diagnosis"])
            problem = diagnose(parse(raw))
            assert (problem and problem.kind) == wanted, line["id"]
            assert explanation.ok is (wanted is None), line["id"]
        elif line["diagnosis"] != "preamble_only":
            assert not explanation.ok, line["id"]


ODD_BUT_WELL_FRAMED = {
    # Seen on real lines or in public code, kept in the corpus as valid frames.
    "v07-072": "not_bcd",
    "v07-080": "time_not_valid",
    "v07-084": "time_not_valid",
    "v07-091": "time_not_valid",
    "v07-109": "value_length_mismatch",
    "v97-166": "password_offset_missing",
    "v97-197": "unknown_function",
    **dict.fromkeys(("v97-209", "v97-211", "v97-214", "v97-216", "v97-217"), "unknown_function"),
}


def test_good_frames_of_the_corpus_have_no_diagnosis_but_the_odd_ones():
    found = {}
    for line in shared("dlt645.jsonl"):
        if line["valid"] and line.get("level") != "data":
            raw = bytes.fromhex(line["hex"])
            problem = diagnose(parse(raw))
            assert explain(raw).ok is (problem is None), line["id"]
            if problem is not None:
                found[line["id"]] = problem.kind
                assert problem.offset is None or raw[problem.offset : problem.offset + 1]
    assert found == {line: kind for line, kind in ODD_BUT_WELL_FRAMED.items() if line in found}
    assert len(found) >= 10
