import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.infrared.pulses import Pulses
from kwhub.infrared.uart import (
    BAUDS,
    Line,
    Parity,
    bytes_to_pulses,
    decode,
    encode,
    pulses_to_bytes,
    receive,
)

REQUEST = bytes.fromhex("FEFEFEFE6838000000000068110433333433EA16")
PARITIES: tuple[Parity, ...] = ("none", "even", "odd", "mark", "space")

LINES = st.builds(
    Line,
    baud=st.sampled_from(BAUDS),
    parity=st.sampled_from(PARITIES),
    data_bits=st.sampled_from([7, 8]),
    stop_bits=st.sampled_from([1, 2]),
)


def meter_vectors() -> list[dict[str, Any]]:
    """The trains made of meter frames; none when the corpus is not here."""
    file = Path(os.environ.get("KWHUB_VECTORS", "../shared/vectors")) / "ir/synth_meter.jsonl"
    if not file.is_file():
        if os.environ.get("KWHUB_REQUIRE_ALL") == "1":
            pytest.fail(f"no infrared vectors at {file}")
        pytest.skip(f"no infrared vectors at {file}")
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def stretched(pulses: Pulses, stretch_us: float) -> Pulses:
    signs = (stretch_us if place % 2 == 0 else -stretch_us for place in range(10**6))
    return Pulses(tuple(d + s for d, s in zip(pulses.durations_us, signs, strict=False)))


@pytest.mark.parametrize("known_baud", [True, False])
def test_every_train_of_a_meter_comes_back_byte_for_byte(known_baud):
    vectors = meter_vectors()
    assert len(vectors) == 14
    for vector in vectors:
        pulses = Pulses(tuple(vector["durations_us"]))
        text = decode(pulses, vector["baud"] if known_baud else None)
        assert text.data == bytes.fromhex(vector["decode"]), vector["id"]
        assert text.errors == (), vector["id"]
        assert text.baud == vector["baud"], vector["id"]


@given(st.binary(max_size=40), LINES)
def test_bytes_come_back_at_every_setting(data, line):
    data = bytes(value & ((1 << line.data_bits) - 1) for value in data)
    text = receive(encode(data, line), line)
    assert text.data == data
    assert text.errors == ()


def test_light_is_zero_and_the_low_bit_goes_first():
    pulses = bytes_to_pulses(b"\x01", baud=1000)
    assert list(pulses.durations_us) == [1000, 1000, 7000, 2000]
    assert pulses.carrier_hz == 38_000


@pytest.mark.parametrize("baud", BAUDS)
@pytest.mark.parametrize("share", [-0.2, 0.35])
def test_a_stretched_mark_is_taken_back(baud, share):
    stretch = share * 1e6 / baud
    text = decode(stretched(bytes_to_pulses(REQUEST, baud), stretch), baud)
    assert text.data == REQUEST
    assert not text.errors
    assert text.stretch_us == pytest.approx(stretch)
    assert text.measured_baud == pytest.approx(baud)


@pytest.mark.parametrize("error", [-0.04, 0.04])
def test_a_clock_that_is_four_percent_off_is_read_and_measured(error):
    pulses = Pulses(tuple(d * (1 - error) for d in bytes_to_pulses(REQUEST).durations_us))
    text = decode(pulses)
    assert (text.data, text.baud) == (REQUEST, 1200)
    assert text.errors == ()
    assert text.measured_baud == pytest.approx(1200 / (1 - error))


@pytest.mark.parametrize("baud", BAUDS)
def test_the_rate_is_found(baud):
    text = decode(stretched(bytes_to_pulses(REQUEST, baud), 13))
    assert (text.data, text.baud) == (REQUEST, baud)


def test_a_flash_before_the_frame_is_no_start_bit():
    frame = bytes_to_pulses(REQUEST).durations_us
    text = decode(Pulses((120.0, 900.0, *frame)), 1200)
    assert text.data == REQUEST
    assert [(error.kind, error.place, error.at_us) for error in text.errors] == [("start", 0, 0)]


def test_a_flash_inside_a_bit_is_outvoted():
    frame = bytes_to_pulses(b"\xff\x11\x22", baud=1000, parity="none").durations_us
    assert frame[:2] == (1000, 9000)
    text = decode(Pulses((1000, 1400, 150, 7450, *frame[2:])), 1000, parity="none")
    assert (text.data, text.errors) == (b"\xff\x11\x22", ())


def test_a_wrong_parity_bit_is_named_with_its_place():
    good = encode(b"\x11\x22\x33", Line(parity="odd"))
    text = decode(good, 1200)
    assert text.data == b"\x11\x22\x33"
    assert [(error.kind, error.place) for error in text.errors] == [("parity", n) for n in range(3)]
    assert text.errors[1].at_us == pytest.approx((11 + 9) * 1e6 / 1200)
    with pytest.raises(DecodeError, match="byte 0") as caught:
        pulses_to_bytes(good)
    assert (caught.value.kind, caught.value.offset) == ("uart_parity", 0)


def test_light_that_does_not_end_is_a_missing_stop_bit():
    text = decode(Pulses((50_000.0, 3_000.0, *bytes_to_pulses(b"\x16").durations_us)), 1200)
    assert text.data == b"\x00\x16"
    assert [(error.kind, error.place) for error in text.errors] == [("stop", 0)]


def test_no_light_is_no_text():
    assert decode(Pulses(())).data == b""
    assert not decode(Pulses(())).clean
    assert pulses_to_bytes(Pulses(())) == b""


@pytest.mark.parametrize("bad", [{"baud": 299}, {"baud": 9601}, {"data_bits": 9}, {"stop_bits": 0}])
def test_settings_have_bounds(bad):
    with pytest.raises(LocalError):
        Line(**bad)
    with pytest.raises(LocalError, match="parity"):
        Line(parity="E")  # type: ignore[arg-type]


def test_a_byte_too_wide_for_the_line_is_refused():
    with pytest.raises(LocalError, match="byte 1"):
        encode(b"\x7f\x80", Line(data_bits=7))
    with pytest.raises(LocalError, match="byte 0"):
        encode(b"\x80", Line(data_bits=7))
