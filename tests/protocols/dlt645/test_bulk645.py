"""The bulk way and the ordinary way say the same about every capture."""

import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocols.dlt645.corpus645 import own, shared

from kwhub.domain.errors import DecodeError
from kwhub.protocols.dlt645 import Frame645
from kwhub.protocols.dlt645.bulk import Columns, decode_capture, values_of
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import encode, identifier_text
from kwhub.protocols.dlt645.receiver import Received, Receiver

METER = "000000000038"


def ordinary(data):
    """By offset: the frame, its values as (identifier, value), and the kind of what is wrong."""
    receiver = Receiver()
    found: dict[int, tuple[str, list[tuple[str, str]], str | None]] = {}
    offset = 0
    for item in receiver.feed(data) + receiver.flush():
        if isinstance(item, Received):
            frame = item.frame
            try:
                values = [(value.identifier, repr(value.value)) for value in values_of(frame)]
                found[offset + frame.preamble] = (frame.address, values, None)
            except DecodeError as problem:
                found[offset + frame.preamble] = (frame.address, [], problem.kind)
        offset += len(item.raw)
    return found


def bulk(columns: Columns):
    """The same from columns."""
    found = {
        other.offset: (
            other.frame.address,
            [(value.identifier, repr(value.value)) for value in other.values],
            other.problem.kind if other.problem else None,
        )
        for other in columns.others
    }
    rows = zip(
        columns.offset.tolist(),
        columns.address.tolist(),
        columns.identifier.tolist(),
        columns.quantities(),
        strict=True,
    )
    for offset, address, identifier, quantity in rows:
        edition = Edition.E1997 if 0x9000 <= identifier <= 0xFFFF else Edition.E2007
        row = (identifier_text(identifier, edition), repr(quantity))
        found.setdefault(offset, (f"{address:012X}", [], None))[1].append(row)
    return found


def same_both_ways(data):
    columns = decode_capture(data)
    expected = ordinary(data)
    assert bulk(columns) == expected
    assert columns.frames == len(expected)
    return columns


NUMBERS = (0x00010000, 0x00000000, 0x02010100, 0x02020100, 0x02030000, 0x02060000, 0x0280_0002)
BLOCKS = (0x0001FF00, 0x0201FF00, 0x0202FF00, 0x0203FF00, 0x000100FF)
REST = (0x01010000, 0x04000101, 0x04000501, 0x06000001, 0x03300201, 0x12345678)
DIGITS = st.sampled_from([0x00, 0x12, 0x34, 0x55, 0x80, 0x99, 0xAA, 0xEE, 0xFF, 0x1A, 0xA1])
NOISE = st.lists(
    st.sampled_from([b"\xfe", b"\x68", b"\x16", b"\x00", b"\x91\x08", bytes(7)]), max_size=8
).map(b"".join)


@st.composite
def answers(draw):
    """An answer to a read: known items with digits, holes, signs, wrong digits and wrong lengths."""
    address = draw(st.sampled_from([METER, "AAAAAAAAAAAA", "123456789012", "00000000ABCD"]))
    control = draw(st.sampled_from([0x91] * 6 + [0x81, 0xB1, 0xD1, 0x11, 0x92]))
    if control == 0x81:
        identifier = draw(st.sampled_from([0x9010, 0xB611, 0x901F, 0xB61F, 0xC010])).to_bytes(
            2, "little"
        )
    else:
        identifier = draw(st.sampled_from(NUMBERS * 2 + BLOCKS + REST)).to_bytes(4, "little")
    size = draw(st.sampled_from([2, 3, 4, 4, 4, 6, 9, 12, 20, 21, 52, 0, 5]))
    filler = draw(st.sampled_from([b"", b"\xff" * size, bytes(size)]))
    payload = filler or bytes(draw(st.lists(DIGITS, min_size=size, max_size=size)))
    preamble = draw(st.integers(0, 4))
    return Frame645(address, control, identifier + payload, preamble).to_bytes()


@pytest.mark.slow
@given(st.lists(st.one_of(answers(), NOISE), max_size=12).map(b"".join))
def test_any_line_says_the_same_both_ways(data):
    assert bulk(decode_capture(data)) == ordinary(data)


@given(answers(), st.data())
def test_cut_and_damaged_frames_say_the_same_both_ways(raw, data):
    at = data.draw(st.integers(0, len(raw) - 1))
    damaged = bytearray(raw)
    damaged[at] ^= data.draw(st.integers(1, 255))
    line = raw[:at] + bytes(damaged) + raw + raw[at:] + raw
    assert bulk(decode_capture(line)) == ordinary(line)


@given(st.binary(max_size=300))
def test_any_bytes(data):
    columns = decode_capture(data)
    assert bulk(columns) == ordinary(data)
    assert columns.frames == len(ordinary(data))


def test_the_corpus_in_one_capture():
    lines = [line for line in shared("dlt645.jsonl") if line.get("level") != "data"]
    columns = same_both_ways(b"".join(bytes.fromhex(line["hex"]) for line in lines))
    assert columns.frames > 100
    assert len(columns) > 50


def test_the_chosen_set_in_one_capture():
    columns = same_both_ways(
        b"".join(bytes.fromhex(line["hex"]) for line in own("dlt645.jsonl") if "level" not in line)
    )
    assert len(columns)


def test_a_frame_inside_of_a_frame_is_data():
    inner = Frame645(METER, 0x91, bytes.fromhex("0000010038000000")).to_bytes()
    raw = Frame645(METER, 0x94, bytes((byte - 0x33) & 0xFF for byte in inner)).to_bytes()
    assert raw.count(inner) == 1
    columns = same_both_ways(raw + inner)
    assert columns.offset.tolist() == [len(raw)]
    assert [other.frame.control for other in columns.others] == [0x94]


def test_rows_of_a_block_share_their_offset():
    energies = [Decimal(number) for number in ("100.01", "25.00", "75.01")]
    block = Frame645(METER, 0x91, bytes.fromhex("00FF0100") + encode(0x0001FF00, energies), 3)
    voltages = Frame645(METER, 0x91, bytes.fromhex("00FF0102") + bytes.fromhex("5622FFFFFFFF"))
    columns = decode_capture(block.to_bytes() + b"\x00" + voltages.to_bytes())
    assert columns.identifier.tolist() == [
        0x00010000, 0x00010100, 0x00010200, 0x02010100, 0x02010200, 0x02010300,
    ]  # fmt: skip
    assert columns.offset.tolist() == [3, 3, 3, 32, 32, 32]
    assert columns.valid.tolist() == [True] * 4 + [False] * 2
    assert columns.quantities() == [*energies, Decimal("225.6"), None, None]
    assert columns.stray_bytes == 4
    assert len(columns) == 6


def test_signs_are_no_digits():
    frame = Frame645(METER, 0x91, bytes.fromhex("00000000") + bytes.fromhex("34120080"))
    columns = decode_capture(frame.to_bytes())
    assert columns.quantities() == [Decimal("-12.34")]
    assert columns.scale.tolist() == [2]


def test_without_numpy_the_error_names_the_extra():
    program = (
        "import sys; sys.modules['numpy'] = None\n"
        "try:\n import kwhub.protocols.dlt645.bulk\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "kwhub[headend]" in done.stdout


def test_as_many_identifiers_as_frames():
    frames = 500
    raw = b"".join(
        Frame645(METER, 0x91, (0x03000000 + n).to_bytes(4, "little") + bytes(4)).to_bytes()
        for n in range(frames)
    )
    assert len(same_both_ways(raw).others) == frames
