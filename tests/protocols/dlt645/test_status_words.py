"""Status and feature words: bits to words."""

import pytest

from kwhub.protocols.dlt645.items import decode, find
from kwhub.protocols.dlt645.status_words import WORDS, read_word


def english(identifier, value):
    return [words.english for words in read_word(identifier, value)]


@pytest.mark.parametrize(
    ("identifier", "value", "said"),
    [
        (0x04000501, "0000", ["sliding demand"]),
        (0x04000501, "0006", ["block demand", "clock battery low"]),
        (0x04000502, "0011", ["active power of phase A reversed", "reactive power of phase A reversed"]),
        (0x04000504, "0081", ["voltage loss", "phase failure"]),
        (0x04000507, "0600", ["cover opened", "terminal cover opened"]),
        (0x04000601, "05", ["add forward active", "add reverse active"]),
        (0x04000602, "41", ["add quadrant 1", "add quadrant 4"]),
        (0x04000703, "08", ["2400 bit/s"]),
        (0x04000901, "0F", ["voltage, current, frequency", "active and reactive power", "power factor", "active and reactive energy"]),
        (0x04000905, "04", ["bit 2"]),
        (0x00010000, "38", []),
    ],
)  # fmt: skip
def test_what_a_word_says(identifier, value, said):
    assert english(identifier, value) == said


def test_fields_of_two_bits():
    said = english(0x04000503, "0214")
    assert "battery supply" in said
    assert "relay open" in said
    assert "prepaid money" in said


def test_every_word_is_an_item_that_is_wide_enough():
    for identifier, fields in WORDS.items():
        item = find(identifier)
        assert item is not None
        assert item.format == "bits"
        assert item.size is not None
        assert max(field.bit + field.width for field in fields) <= 8 * item.size
        taken = [bit for field in fields for bit in range(field.bit, field.bit + field.width)]
        assert len(taken) == len(set(taken))


def test_a_word_as_it_comes_from_the_meter():
    (value,) = decode(0x04000503, bytes.fromhex("1000"))
    assert "relay open" in english(0x04000503, value.value)
