import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.infrared.carrier import (
    Scene,
    demodulate_edges,
    demodulate_iq,
    illuminate,
    levels_to_pulses,
    synthesize,
)
from kwhub.infrared.codes import decode as decode_code
from kwhub.infrared.pulses import Pulses
from kwhub.infrared.uart import bytes_to_pulses, decode

RATE_HZ = 1e6
REQUEST = bytes.fromhex("FEFEFEFE6838000000000068110433333433EA16")
SUNNY_HALL = Scene(noise=1.0, dc=5.0, ripple=1.0, ballast=0.6)
WINDOWS = {4800: 5, 9600: 2}
CARRIERS = [
    (600, 56_000.0, 0.4),
    (1200, 30_500.0, 0.25),
    (1200, 38_000.0, 1 / 3),
    (1200, 38_900.0, 0.5),
    (2400, 37_200.0, 0.25),
    (4800, 33_000.0, 0.3),
    (9600, 38_000.0, 1 / 3),
    (2400, 59_500.0, 0.5),
]


def captures() -> list[dict[str, Any]]:
    file = Path(os.environ.get("KWHUB_VECTORS", "../shared/vectors")) / "ir/sigrok_carrier.jsonl"
    if not file.is_file():
        if os.environ.get("KWHUB_REQUIRE_ALL") == "1":
            pytest.fail(f"no infrared vectors at {file}")
        pytest.skip(f"no infrared vectors at {file}")
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def levels_of(capture: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The channel's levels, with a thousand samples before and after."""
    edges = np.array(capture["edge_samples"]) + 1000
    changes = np.zeros(int(edges[-1]) + 20_000, np.int64)
    changes[edges] = 1
    levels: np.ndarray[Any, np.dtype[np.bool_]]
    levels = (np.cumsum(changes) + capture["idle_level"]) % 2 == 1
    return levels


def of_request(baud: int, carrier_hz: float, duty: float):
    pulses = bytes_to_pulses(REQUEST, baud, carrier_hz=carrier_hz, duty=duty)
    return synthesize(pulses, RATE_HZ, lead_us=5000, tail_us=5000)


@pytest.mark.parametrize(("baud", "carrier_hz", "duty"), CARRIERS)
def test_edges_give_bytes_carrier_and_duty(baud, carrier_hz, duty):
    pulses, facts = demodulate_edges(of_request(baud, carrier_hz, duty), RATE_HZ)
    assert decode(pulses).data == REQUEST
    assert facts.frequency_hz == pytest.approx(carrier_hz, rel=5e-4)
    assert facts.duty == pytest.approx(duty, abs=0.004)
    assert facts.jitter_us < 0.6
    assert pulses.carrier_hz == facts.frequency_hz


@pytest.mark.parametrize(("baud", "carrier_hz", "duty"), CARRIERS)
def test_mixing_gives_bytes_carrier_and_duty(baud, carrier_hz, duty):
    samples = of_request(baud, carrier_hz, duty)
    pulses, facts = demodulate_iq(samples, RATE_HZ, window_cycles=WINDOWS.get(baud, 12))
    assert decode(pulses).data == REQUEST
    assert facts.frequency_hz == pytest.approx(carrier_hz, rel=1e-3)
    assert facts.duty == pytest.approx(duty, abs=0.02)


def test_jitter_of_the_sender_is_measured():
    rng = np.random.default_rng(3)
    rises = np.cumsum(rng.normal(260.0, 5.0, 2000)).astype(int)
    samples = np.zeros(rises[-1] + 5000, bool)
    for rise in rises.tolist():
        samples[rise : rise + 90] = True
    _, facts = demodulate_edges(samples, 10e6)
    assert facts.jitter_us == pytest.approx(0.5, rel=0.1)
    assert facts.frequency_hz == pytest.approx(10e6 / 260, rel=1e-3)


@pytest.mark.slow
def test_a_frame_survives_sun_lamps_and_noise_as_strong_as_the_light():
    good = 0
    for seed in range(10):
        pulses = bytes_to_pulses(REQUEST)
        samples = synthesize(pulses, RATE_HZ, lead_us=20_000, tail_us=20_000)
        light = illuminate(samples, RATE_HZ, SUNNY_HALL, np.random.default_rng(seed))
        found, facts = demodulate_iq(light, RATE_HZ, window_cycles=16)
        text = decode(found, 1200)
        good += text.data == REQUEST and text.clean
        assert facts.frequency_hz == pytest.approx(38_000, abs=50)
    assert good >= 9


def test_a_scene_of_one_seed_is_one_signal():
    samples = of_request(9600, 38_000.0, 1 / 3)
    first, second = (
        illuminate(samples, RATE_HZ, SUNNY_HALL, np.random.default_rng(1)) for _ in range(2)
    )
    assert np.array_equal(first, second)
    assert float(first.mean()) == pytest.approx(5 + float(samples.mean()), abs=0.2)


def test_light_that_is_low_is_light():
    samples = ~of_request(2400, 38_000.0, 1 / 3)
    pulses, facts = demodulate_edges(samples, RATE_HZ)
    assert decode(pulses).data == REQUEST
    assert facts.duty == pytest.approx(1 / 3, abs=0.01)


def test_samples_of_four_a_period_are_enough_for_mixing():
    pulses = bytes_to_pulses(REQUEST)
    samples = synthesize(pulses, 152_000, lead_us=5000, tail_us=5000)
    found, facts = demodulate_iq(samples, 152_000, carrier_hz=38_000)
    assert decode(found).data == REQUEST
    assert facts.frequency_hz == pytest.approx(38_000, rel=1e-3)
    with pytest.raises(LocalError, match="too few"):
        demodulate_iq(samples, 100_000)


@pytest.mark.slow
def test_real_captures_have_the_carrier_that_was_counted():
    lines = captures()
    assert len(lines) == 14
    for capture in lines:
        levels, rate = levels_of(capture), capture["samplerate_hz"]
        pulses, facts = demodulate_edges(levels, rate)
        assert facts.frequency_hz == pytest.approx(capture["carrier_hz_mean"], abs=1), capture["id"]
        mixed, about = demodulate_iq(levels != bool(capture["idle_level"]), rate)
        assert about.frequency_hz == pytest.approx(facts.frequency_hz, rel=1e-3), capture["id"]
        assert about.duty == pytest.approx(facts.duty, abs=0.02), capture["id"]
        assert len(mixed.durations_us) == len(pulses.durations_us), capture["id"]
        ours, edges = mixed.durations_us[:-2], pulses.durations_us[:-2]  # the end is cut off
        assert np.allclose(ours, edges, atol=100), capture["id"]


def chip_fields(capture: dict[str, Any]) -> dict[str, int]:
    """Address and command of the first frame, as sigrok read them behind a receiver chip."""
    names = {"Address": "address", "Command": "command", "Data": "command"}
    found: dict[str, int] = {}
    for _, _, text in capture["decode"]:
        name, _, value = text.partition(": ")
        base = 10 if capture["protocol"] == "RC5" else 16
        if name in names:
            found.setdefault(names[name], int(value.split()[0], base))
    return found


@pytest.mark.slow
def test_real_captures_say_what_the_receiver_chip_said():
    agreed = 0
    for capture in captures():
        pulses, _ = demodulate_edges(levels_of(capture), capture["samplerate_hz"])
        first = decode_code(pulses)[0]
        expected = chip_fields(capture)
        if not expected:
            assert first.protocol is None, capture["id"]
            continue
        assert first.protocol == capture["protocol"], capture["id"]
        command = first.fields.get("data", first.fields["command"])
        assert {"address": first.fields["address"], "command": command} == expected, capture["id"]
        agreed += 1
    assert agreed == 12


def test_a_train_without_carrier_comes_back_as_it_was():
    train = Pulses((9000.0, 4500.0, 560.0, 1690.0, 560.0))
    samples = synthesize(train, RATE_HZ, lead_us=100, tail_us=20_000)
    assert levels_to_pulses(samples, RATE_HZ).durations_us == train.durations_us
    assert levels_to_pulses(~samples, RATE_HZ).durations_us == train.durations_us
    with pytest.raises(DecodeError, match="no carrier"):
        demodulate_edges(samples, RATE_HZ)
    with pytest.raises(DecodeError, match="no carrier"):
        demodulate_iq(samples, RATE_HZ)


@pytest.mark.parametrize("length", [0, 1, 30, 3000, 100_000])
def test_dark_and_noise_are_refused(length):
    rng = np.random.default_rng(length)
    for samples in (np.zeros(length), np.zeros(length, bool), rng.standard_normal(length)):
        with pytest.raises(DecodeError):
            demodulate_iq(samples, RATE_HZ)
    for samples in (np.zeros(length), np.ones(length, bool)):
        with pytest.raises(DecodeError, match="no carrier"):
            demodulate_edges(samples, RATE_HZ)


def test_more_samples_than_memory_are_refused():
    with pytest.raises(LocalError, match="more than"):
        synthesize(Pulses((1e9,)), RATE_HZ)
    with pytest.raises(LocalError, match="too few"):
        synthesize(Pulses((1000.0,), 38_000), 100_000)
