"""Pulse codes: what is written is read, in bent pulses too, and nothing breaks the reader."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.infrared.codes import CODES, decode, encode
from kwhub.infrared.pulses import Pulses

BYTE = st.integers(0, 0xFF)
FRAMES = st.one_of(
    st.tuples(
        st.just("NEC"), st.fixed_dictionaries({"address": st.integers(0, 0xFFFF), "command": BYTE})
    ),
    st.tuples(st.just("REMOTE_MODULE"), st.fixed_dictionaries({"command": BYTE, "data": BYTE})),
    st.tuples(
        st.just("RC5"),
        st.fixed_dictionaries(
            {
                "address": st.integers(0, 0x1F),
                "command": st.integers(0, 0x7F),
                "toggle": st.integers(0, 1),
            }
        ),
    ),
    st.tuples(
        st.just("RC6"),
        st.fixed_dictionaries({"address": BYTE, "command": BYTE, "toggle": st.integers(0, 1)}),
    ),
    st.tuples(
        st.just("SIRC"),
        st.fixed_dictionaries({"address": BYTE, "command": st.integers(0, 0x7F)}),
    ),
    st.tuples(
        st.just("SIRC"),
        st.fixed_dictionaries(
            {"address": st.integers(0, 0x1F), "command": st.integers(0, 0x7F), "extended": BYTE}
        ),
    ),
)


def bent(pulses, speed=1.0, stretch=0.0):
    return Pulses(
        tuple(
            duration * speed + (stretch if place % 2 == 0 else -stretch)
            for place, duration in enumerate(pulses.durations_us)
        ),
        pulses.carrier_hz,
        pulses.duty,
    )


def is_said(fields, answer):
    expected = dict(fields)
    address = fields.get("address", 0)
    if answer.protocol == "NEC" and (address >> 8) ^ (address & 0xFF) == 0xFF:
        expected["address"] &= 0xFF
    return {key: answer.fields[key] for key in expected} == expected


@given(FRAMES, st.floats(0.88, 1.12), st.floats(-100, 100))
def test_every_frame_comes_back_from_slow_senders_and_stretching_receivers(frame, speed, stretch):
    code, fields = frame
    (answer,) = decode(bent(encode(code, fields), speed, stretch))
    assert answer.protocol == code
    assert is_said(fields, answer)
    assert answer.confidence > 0.75


@given(FRAMES)
def test_an_exact_frame_is_sure_and_names_its_carrier(frame):
    code, fields = frame
    pulses = encode(code, fields)
    (answer,) = decode(pulses)
    assert answer.confidence > 0.98
    assert answer.carrier_hz == pulses.carrier_hz
    assert decode(pulses, code)[0].fields == answer.fields


@pytest.mark.parametrize("speed", [0.74, 0.8, 1.0, 1.2, 1.28])
def test_the_remote_module_code_stands_thirty_percent(speed):
    (answer,) = decode(bent(encode("REMOTE_MODULE", {"command": 0xA5, "data": 0x0F}), speed, 26))
    assert answer.fields == {"command": 0xA5, "data": 0x0F, "sum": 0xB4}


def test_a_wrong_sum_is_refused():
    durations = list(encode("REMOTE_MODULE", {"command": 1, "data": 2}).durations_us)
    durations[-2] = 800.0
    (answer,) = decode(Pulses(tuple(durations)), "REMOTE_MODULE")
    assert answer.protocol is None
    assert "the sum is 02 and should be 03" in str(answer.error)


def test_a_contradicted_nec_frame_is_not_called_nec():
    durations = list(encode("NEC", {"address": 4, "command": 8}).durations_us)
    durations[-2] = 560.0
    (answer,) = decode(Pulses(tuple(durations)))
    assert answer.protocol == "NEC_LIKE"
    assert answer.confidence <= 0.25


def test_several_frames_in_a_train_are_told_apart():
    first = encode("NEC", {"address": 4, "command": 8}).durations_us
    repeat = encode("NEC", {"repeat": True}).durations_us
    other = encode("RC6", {"address": 3, "command": 9}).durations_us
    train = (*first, 40_000.0, *repeat, 96_000.0, 30.0, 50_000.0, *other, 90_000.0)
    answers = decode(Pulses(train))
    assert [answer.protocol for answer in answers] == ["NEC", "NEC", None, "RC6"]
    assert answers[1].fields["repeat"] is True
    assert train[answers[3].first : answers[3].end] == other


def test_swapped_light_and_dark_are_found_and_believed_less():
    train = (700.0, *encode("SIRC", {"address": 3, "command": 9}).durations_us)
    (answer,) = decode(Pulses(train))
    assert answer.fields == {"command": 9, "address": 3}
    assert answer.confidence < 0.85
    assert answer.first == 1


@given(st.binary(min_size=4, max_size=40), st.sampled_from([600, 1200, 2400]))
def test_meters_bytes_come_back(data, baud):
    pulses = encode("UART", {"bytes": data.hex(), "baud": baud})
    assert len(pulses.durations_us) % 2
    (answer,) = decode(pulses, "UART", baud=baud)
    assert answer.protocol == "UART_8E1"
    assert answer.fields["bytes"] == data.hex().upper()


def test_a_flash_before_or_within_a_meters_frame_does_no_harm():
    train = encode("UART", {"bytes": "FEFE6838000000000068110433333433EA16"}).durations_us
    flashed = (20.0, 9000.0, *train[:5], train[5] - 300, 20.0, 280.0, *train[6:])
    (answer,) = decode(Pulses(flashed))
    assert answer.fields["bytes"] == "FEFE6838000000000068110433333433EA16"
    assert (answer.first, answer.end) == (0, len(flashed))


@given(st.binary(min_size=1, max_size=40), st.sampled_from([2400, 9600, 115_200]))
def test_infrared_serial_comes_back(data, baud):
    pulses = encode("IRDA_SIR", {"bytes": data.hex(), "baud": baud})
    (answer,) = decode(pulses, "IRDA_SIR")
    rate = answer.fields["baud"]
    assert rate <= baud
    if rate == baud:
        assert answer.fields["bytes"] == data.hex().upper()


@pytest.mark.parametrize("short", [False, True])
def test_auto_names_infrared_serial(short):
    data = bytes(range(0, 250, 7))
    pulses = encode("IRDA_SIR", {"bytes": data.hex(), "baud": 9600, "short": short})
    (answer,) = decode(pulses)
    assert (answer.protocol, answer.fields["baud"]) == ("IRDA_SIR", 9600)
    assert answer.fields["bytes"] == data.hex().upper()


@pytest.mark.parametrize(
    ("code", "fields", "said"),
    [
        ("NEC", {"command": 256, "address": 0}, "command must be a number from 0 to 255, not 256"),
        ("RC5", {"command": 1}, "address must be a number"),
        ("RC6", {"command": 1, "address": 1, "mode": 6}, "only mode 0"),
        ("SIRC", {"command": 1, "address": 1, "bits": 14}, "12, 15 or 20"),
        ("UART", {"bytes": "6"}, "as hexadecimal"),
        ("UART", {"bytes": "68", "baud": 1000}, "baud is one of"),
        ("UART", {"bytes": "68", "parity": "X"}, "parity is E, O or N"),
        ("IRDA_SIR", {"bytes": "68", "baud": 1200}, "IrDA SIR has 2400"),
    ],
)
def test_a_wrong_field_says_what_is_allowed(code, fields, said):
    with pytest.raises(DecodeError, match=said):
        encode(code, fields)


def test_an_unknown_code_lists_the_known_ones():
    with pytest.raises(LocalError, match=", ".join(CODES)):
        encode("morse", {})


def test_an_empty_train_says_nothing():
    assert decode(Pulses(())) == []


def random_train(chance):
    kind = chance.randrange(4)
    count = chance.randrange(1, 90)
    if kind == 0:
        return tuple(chance.uniform(0.5, 12_000) for _ in range(count))
    if kind == 1:
        return tuple(chance.choice((400, 560, 889, 1690, 2250)) * 1.0 for _ in range(count))
    head = chance.choice(((9000.0, 4500.0), (2400.0, 600.0), (2666.0, 889.0)))
    if kind == 2:
        return (
            *head,
            *(chance.choice((444, 560, 600, 889, 1200, 1690)) * 1.0 for _ in range(count)),
        )
    return tuple(chance.lognormvariate(6.5, 1.5) for _ in range(count))


@pytest.mark.slow
def test_twenty_thousand_random_trains_get_an_answer_or_a_refusal():
    chance = random.Random(20_000)
    sure = 0
    for _ in range(20_000):
        train = Pulses(random_train(chance))
        answers = decode(train)
        assert answers
        for answer in answers:
            assert 0 <= answer.confidence <= 1
            assert (answer.protocol is None) == (answer.error is not None)
            assert 0 <= answer.first < answer.end <= len(train.durations_us)
        sure += any(answer.confidence > 0.95 for answer in answers)
    assert sure < 20_000 * 0.002


@given(st.lists(st.floats(0.01, 1e7), min_size=1, max_size=120))
def test_no_train_breaks_the_reader(durations):
    for code in ("auto", *CODES):
        for answer in decode(Pulses(tuple(durations)), code):
            assert (answer.protocol is None) == (answer.error is not None)
