import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.infrared.codes import decode, encode
from kwhub.infrared.plot import ROWS_MAX, draw
from kwhub.infrared.plot_notes import notes_of, rows_of, unit_of
from kwhub.infrared.plot_text import draw_text
from kwhub.infrared.pulses import Pulses
from kwhub.infrared.uart import bytes_to_pulses

REQUEST = bytes.fromhex("FEFEFEFE6838000000000068110433333433EA16")
PNG = b"\x89PNG\r\n\x1a\n"


def texts(pulses: Pulses, layer: str) -> str:
    return " ".join(n.text for n in notes_of(pulses, decode(pulses)) if n.layer == layer)


def test_bits_and_bytes_of_a_meter_stand_under_their_light():
    pulses = bytes_to_pulses(b"\x68\x16")
    notes = notes_of(pulses, decode(pulses, "uart", baud=1200))
    found = [note for note in notes if note.layer == "byte"]
    assert [note.text for note in found] == ["68", "16"]
    assert found[1].begin_us == pytest.approx(11 * 1e6 / 1200)
    bits = "".join(note.text for note in notes if note.layer == "bit")
    assert bits == "00001011011" + "00110100011"


@pytest.mark.parametrize(
    ("code", "fields", "bits"),
    [
        ("NEC", {"address": 0x40, "command": 0x44}, "00000010111111010010001011011101"),
        ("REMOTE_MODULE", {"command": 0x12, "data": 0x34}, "000100100011010001000110"),
        ("RC5", {"address": 5, "command": 12, "toggle": 1}, "11100101001100"),
        ("RC6", {"address": 5, "command": 12, "toggle": 1}, "100010000010100001100"),
        ("SIRC", {"address": 5, "command": 12}, "001100010100"),
    ],
)
def test_bits_of_a_remote_control_are_those_that_were_sent(code, fields, bits):
    assert texts(encode(code, fields), "bit").replace(" ", "") == bits


def test_bytes_of_codes_that_have_any():
    assert texts(encode("NEC", {"address": 0x40, "command": 0x44}), "byte") == "40 BF 44 BB"
    assert texts(encode("REMOTE_MODULE", {"command": 0x12, "data": 0x34}), "byte") == "12 34 46"


def test_what_does_not_decode_is_marked():
    pulses = Pulses((100.0, 5000.0, 333.0))
    notes = notes_of(pulses, decode(pulses))
    assert notes
    assert not any(note.good for note in notes)


def test_rows_break_between_bytes():
    pulses = bytes_to_pulses(REQUEST)
    notes = notes_of(pulses, decode(pulses))
    begins = {round(note.begin_us) for note in notes if note.layer == "byte"}
    rows = rows_of(pulses, notes, 64 * unit_of(pulses))
    assert len(rows) == 4
    assert {round(row.begin_us) for row in rows} <= begins


@given(st.lists(st.floats(1, 1e9), max_size=40), st.integers(20, 120))
def test_any_train_is_cut_into_rows_that_fit(durations, units):
    pulses = Pulses(tuple(durations))
    span = units * unit_of(pulses)
    rows = rows_of(pulses, [], span, most=50)
    assert bool(rows) == bool(durations)
    assert len(rows) <= 50
    assert all(0 < row.end_us - row.begin_us <= span * 1.001 for row in rows[:-1])
    for row, after in pairwise(rows):
        assert row.end_us <= after.begin_us * (1 + 1e-9)


def test_the_picture_of_characters():
    pulses = bytes_to_pulses(b"\x68\x16")
    lines = draw_text(pulses, decode(pulses, "uart", baud=1200), width=100)
    light = "████████▁▁██▁▁▁▁██▁▁▁▁████▁▁▁▁██▁▁██████▁▁▁▁"
    assert lines[0] == f"    0.00  {light}"
    assert lines[1].split() == list("0000101101100110100011")
    assert lines[2].strip() == "└──────── 68 ────────┘└──────── 16 ────────┘"
    assert lines[3].strip().startswith("└ UART_8E1")


def test_lines_are_no_wider_than_asked():
    pulses = bytes_to_pulses(REQUEST)
    for width in (30, 60, 133):
        assert max(map(len, draw_text(pulses, decode(pulses), width=width))) <= width


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_picture_is_a_picture(language):
    pulses = bytes_to_pulses(REQUEST)
    answers = decode(pulses)
    assert draw(pulses, answers, title="meter", language=language).startswith(PNG)
    picture = draw(pulses, answers, kind="svg", title="meter", language=language)
    assert ET.fromstring(picture).tag.endswith("svg")  # noqa: S314 - made here


@pytest.mark.slow
def test_more_rows_than_a_picture_holds_are_left_out():
    long = bytes_to_pulses(REQUEST * 20)
    assert len(rows_of(long, [], 64 * unit_of(long))) > ROWS_MAX
    assert draw(long).startswith(PNG)
    assert draw(Pulses(())).startswith(PNG)
