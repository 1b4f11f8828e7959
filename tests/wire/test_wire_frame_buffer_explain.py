"""Frames by annotation, the receive buffer against a simple model, and explanations."""

from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.wire.buffer import ReceiveBuffer
from kwhub.wire.checksums import crc16_x25, sum8
from kwhub.wire.codecs import U32LE, fmt
from kwhub.wire.explain import Explanation, Part
from kwhub.wire.frame import Frame, frame_size
from kwhub.wire.offset33 import add33, sub33


@dataclass(frozen=True, slots=True)
class Snapshot(Frame):
    """Two fields, as a protocol would declare them."""

    identifier: Annotated[int, U32LE]
    energy: Annotated[Decimal | None, fmt("XXXXXX.XX")]


def test_frame_reads_and_writes_its_annotations():
    raw = bytes.fromhex("0000010056341200")
    frame = Snapshot.from_bytes(raw)
    assert frame == Snapshot(0x00010000, Decimal("1234.56"))
    assert frame.to_bytes() == raw
    assert frame_size(Snapshot) == 8


def test_frame_names_the_field_and_the_offset():
    with pytest.raises(DecodeError) as caught:
        Snapshot.from_bytes(bytes.fromhex("00000100AA341200"))
    assert (caught.value.field, caught.value.offset) == ("energy", 4)
    with pytest.raises(DecodeError):
        Snapshot.from_bytes(b"\0" * 7)


def test_a_field_without_codec_is_our_own_mistake():
    @dataclass(frozen=True)
    class Bad(Frame):
        number: int

    with pytest.raises(LocalError):
        Bad(1).to_bytes()


@given(st.lists(st.tuples(st.sampled_from("atdf"), st.binary(max_size=9)), max_size=60))
def test_buffer_behaves_like_a_plain_bytes_object(steps):
    buffer, model = ReceiveBuffer(), b""
    for action, data in steps:
        count = len(data)
        if action == "a":
            buffer.append(data)
            model += data
        elif action == "t":
            assert buffer.take(count) == model[:count]
            model = model[count:]
        elif action == "d":
            buffer.drop(count)
            model = model[count:]
        else:
            assert buffer.find(0x68, count) == model.find(0x68, count)
        assert len(buffer) == len(model)
        assert buffer.peek(len(model)) == model


def test_buffer_compacts_and_stays_right():
    buffer = ReceiveBuffer()
    buffer.append(bytes(range(256)) * 40)
    for _ in range(39):
        assert buffer.take(256) == bytes(range(256))
    assert buffer.byte(5) == 5
    with pytest.raises(IndexError):
        buffer.byte(-1)
    with pytest.raises(IndexError):
        buffer.byte(256)


@given(st.binary(max_size=40))
def test_offset_is_its_own_way_back(data):
    assert sub33(add33(data)) == data
    assert add33(data) == bytes((byte + 0x33) % 256 for byte in data)


def test_checksums():
    assert sum8(bytes.fromhex("683800000000006891083333343 36B333333".replace(" ", ""))) == 0x72
    assert crc16_x25(b"123456789") == 0x906E


@pytest.mark.parametrize("size", [511, 512, 513, 767, 768, 16_383])
def test_sum_of_long_data(size):
    for data in (b"\xff" * size, Random(size).randbytes(size)):
        assert sum8(data) == sum8(bytearray(data)) == sum(data) % 256


def test_explanation_lines_up_in_both_languages():
    parts = (
        Part(0, 1, "start", "起始符", "68H", "68H"),
        Part(1, 12, "address", "地址", "000000000038", "000000000038", ok=False),
    )
    explanation = Explanation(bytes(range(12)), parts)
    assert not explanation.ok
    english, chinese = explanation.render(), explanation.render("zh")
    assert "start" in english
    assert "起始符" in chinese
    assert english.splitlines()[1].startswith("!")
    assert len(english.splitlines()) == 3
