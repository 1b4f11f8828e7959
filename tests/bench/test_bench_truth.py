"""Devices whose truth is known are measured within the stated uncertainty."""

import asyncio
import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from tests.bench.bench_parts import measured

from kwhub.bench.device_model import FAULTS, DeviceModel, draw_device, with_fault
from kwhub.bench.evidence import load_evidence, save_evidence
from kwhub.bench.instruments import Capture, Light, Spectrum
from kwhub.bench.limits import load_limits
from kwhub.bench.response import Responder
from kwhub.bench.results import BAD
from kwhub.bench.simulated import HEAD_EMITTER, HEAD_EYE, SimulatedBench, simulated_bench
from kwhub.bench.spectrum import wavelengths
from kwhub.bench.waveform import analyse, marks_of
from kwhub.domain.errors import DecodeError, LocalError
from kwhub.infrared.carrier import demodulate_edges
from kwhub.infrared.channel import Emitter, Eye, Scene, range_m

LIMITS = load_limits()


def true_range(device, lux):
    """Where the link budget is nought, either way; long bursts owe dark time in every frame."""
    asked = range_m(Scene(lux=lux), emitter=HEAD_EMITTER, eye=device.eye, owed=True)
    answered = range_m(
        Scene(), carrier_hz=device.carrier_hz, emitter=device.emitter, eye=HEAD_EYE, owed=True
    )
    return min(asked, answered)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_line_of_devices_is_measured_within_the_uncertainty(seed):
    misses = []
    for number in range(5):
        device = draw_device(seed, f"20260000{seed:02}{number:02}")
        result, _ = measured(device, seed)
        truth = {
            "carrier": device.carrier_hz,
            "duty": 100 * device.duty,
            "jitter": device.jitter_us,
            "wavelength_peak": device.peak_nm,
            "wavelength_centroid": device.peak_nm,
            "wavelength_width": device.width_nm,
            "radiant_intensity": device.emitter.intensity_mw_sr,
            "turn_round": device.turn_round_ms,
            "byte_gap": device.byte_gap_ms,
            "distance": true_range(device, LIMITS.setup.distance_lux),
        }
        for key, value in truth.items():
            one = result.of(key)
            assert one.value is not None
            assert one.uncertainty is not None
            if abs(one.value - value) > one.uncertainty:
                misses.append((key, value, one.value, one.uncertainty))
    assert len(misses) <= 2, misses  # k = 2: one of twenty may lie outside; here 2 of 50
    assert all(abs(value - found) < 2 * u for _, value, found, u in misses)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_changes_exactly_its_verdict(name):
    result, _ = measured(with_fault(DeviceModel(), name))
    assert {one.key for one in result.measurements if one.verdict in BAD} == FAULTS[name][1]
    assert result.verdict == "fail"


@pytest.mark.slow
def test_a_good_device_passes_and_the_same_seed_gives_the_same_record():
    one, evidence = measured(DeviceModel())
    again, other = measured(DeviceModel())
    assert one.verdict == "pass"
    assert one == again
    assert evidence.probes == other.probes
    assert measured(DeviceModel(), seed=2)[0].measurements != one.measurements


def test_a_mute_device_fails_with_nothing_measured_but_nothing_invented():
    result, _ = measured(with_fault(DeviceModel(), "mute"))
    assert result.verdict == "fail"
    verdicts = {one.key: one.verdict for one in result.measurements}
    assert verdicts.pop("zero_bytes", "missing") == "missing"
    assert set(verdicts.values()) == {"missing"}
    assert all(one.value is None for one in result.measurements)


@pytest.mark.slow
@pytest.mark.parametrize(("share", "verdict"), [(0.94, "fail"), (1.08, "pass")])
@pytest.mark.parametrize("lux", [0.0, 3_000.0, 20_000.0])
def test_at_the_edge_of_range_the_verdict_changes_where_the_link_budget_says(lux, share, verdict):
    """The limit is 4 m; the device's eye is chosen so that its range is a share of that."""
    setup = msgspec.structs.replace(LIMITS.setup, distance_lux=lux)
    limits = msgspec.structs.replace(LIMITS, setup=setup)
    first = Eye()
    reach = range_m(Scene(lux=lux), emitter=HEAD_EMITTER, eye=first, owed=True)
    factor = (reach / (4.0 * share)) ** 2
    eye = Eye(
        threshold_mw_m2=first.threshold_mw_m2 * factor, daylight_mw_m2=first.daylight_mw_m2 * factor
    )
    device = DeviceModel(eye=eye)
    assert true_range(device, lux) == pytest.approx(4.0 * share)
    found = measured(device, limits=limits)[0].of("distance")
    assert found.verdict == verdict, found
    assert found.value == pytest.approx(4.0 * share, abs=found.uncertainty)


@pytest.mark.slow
def test_the_angle_is_where_the_link_budget_says():
    device = DeviceModel(emitter=Emitter(half_angle_deg=8.0))
    found = measured(device)[0].of("angle")
    far = LIMITS.setup.angle_distance_m
    angles = np.arange(0, 60, 0.05)
    reach = [
        range_m(Scene(angle_deg=float(angle)), emitter=device.emitter, eye=HEAD_EYE, owed=True)
        for angle in angles
    ]
    truth = float(angles[np.array(reach) >= far].max())
    assert found.value == pytest.approx(truth, abs=found.uncertainty)


def test_the_response_stops_at_the_stage_and_says_so():
    device = DeviceModel(eye=Eye(threshold_mw_m2=0.01, daylight_mw_m2=0.02))
    bench = simulated_bench(SimulatedBench(device))
    bench.distance_most_m = 3.0
    responder = Responder(bench, LIMITS.setup, bytes.fromhex("6838000000000068110433333433EA16"))
    edge = asyncio.run(responder.distance())
    assert edge is not None
    assert (edge.value, edge.at_bound) == (3.0, True)
    assert len(responder.probes) == 2


def recorded(device, way="wire"):
    async def ask():
        simulated = SimulatedBench(device)
        await simulated.move(0.5, 0)
        await simulated.shine(Light())
        await simulated.arm()
        await simulated.ask(bytes.fromhex("6838000000000068110433333433EA16"), way)
        return await simulated.capture()

    return asyncio.run(ask())


def test_the_carrier_agrees_with_the_other_demodulator():
    capture = recorded(DeviceModel(carrier_hz=38_400.0, duty=0.4, jitter_us=0.1))
    found = analyse(capture, 20.0)
    levels = np.zeros(int(capture.answer[-1]) + 1000, np.int8)
    levels[capture.answer[::2]] += 1
    levels[capture.answer[1::2]] -= 1
    pulses, facts = demodulate_edges(np.cumsum(levels).astype(bool), capture.rate_hz)
    assert found.carrier.frequency_hz == pytest.approx(facts.frequency_hz, abs=5)
    assert found.carrier.duty == pytest.approx(facts.duty, abs=0.002)
    assert len(found.pulses.marks) == len(pulses.marks)
    assert found.pulses.durations_us == pytest.approx(pulses.durations_us, abs=1.0)
    assert found.answer == bytes.fromhex("FEFEFE68380000000000689108333334336B3333337216")


def test_zero_bytes_are_counted_and_warned_of():
    result, _ = measured(DeviceModel(serial="111111111138"))
    assert (result.of("zero_bytes").value, result.of("zero_bytes").verdict) == (0, "pass")
    result, _ = measured(DeviceModel(serial="000000000038"))
    assert (result.of("zero_bytes").value, result.of("zero_bytes").verdict) == (5, "warn")
    assert "receivers" in result.of("zero_bytes").note


@pytest.mark.parametrize(
    "edges", [[], [5], [1, 2, 3], list(range(0, 4000, 7)), list(range(0, 10**6, 9999))]
)
def test_edges_without_a_carrier_are_refused(edges):
    capture = Capture(1e7, np.array(edges, np.int64), np.array(edges, np.int64))
    with pytest.raises(DecodeError):
        analyse(capture, 20.0)


def test_random_edges_give_an_answer_or_a_refusal():
    rng = np.random.default_rng(5)
    for _ in range(300):
        steps = rng.integers(1, rng.integers(2, 400), rng.integers(0, 400))
        try:
            begin, pulses = marks_of(np.cumsum(steps), 1e7, "answer")
        except DecodeError:
            continue
        assert begin >= 0
        assert pulses.length_us > 0


def bell(peak, width, *, noise=0.0, step=1.0, first=800.0, last=1080.0, seed=1):
    nm = np.arange(first, last, step)
    sigma = width / (2 * math.sqrt(2 * math.log(2)))
    power = np.exp(-0.5 * ((nm - peak) / sigma) ** 2) + np.random.default_rng(seed).normal(
        0, noise, len(nm)
    )
    return Spectrum(tuple(nm.tolist()), tuple(power.tolist()))


@pytest.mark.parametrize("peak", [860.0, 905.3, 940.0, 951.7])
@pytest.mark.parametrize("width", [25.0, 50.0, 70.0])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_bell_curve_is_measured(peak, width, noise):
    found = wavelengths(bell(peak, width, noise=noise))
    assert found.peak_nm == pytest.approx(peak, abs=1.0)
    assert found.centroid_nm == pytest.approx(peak, abs=1.5)
    assert found.width_nm == pytest.approx(width, abs=0.6 + found.scatter_nm)


def test_a_spectrum_without_a_peak_or_cut_off_is_refused():
    dark = Spectrum(tuple(range(100)), tuple(np.random.default_rng(2).normal(1, 0.1, 100).tolist()))
    for table in (dark, bell(802.0, 40.0), bell(1079.0, 40.0)):
        with pytest.raises(DecodeError):
            wavelengths(table)
    for rows in (((1.0, 2.0), (1.0, 2.0)), ((5.0, 4.0, 3.0, 2.0, 1.0), (1.0,) * 5)):
        with pytest.raises(LocalError):
            Spectrum(*rows)
    with pytest.raises(LocalError):
        Spectrum((1.0, 2.0, 3.0, 4.0, 5.0), (1.0, math.nan, 1.0, 1.0, 1.0))


def test_evidence_is_read_as_it_was_written(tmp_path):
    _, evidence = measured(DeviceModel())
    hashes = save_evidence(evidence, tmp_path)
    again = load_evidence(tmp_path)
    assert again.probes == evidence.probes
    assert again.spectrum == evidence.spectrum
    assert again.capture is not None
    assert evidence.capture is not None
    assert np.array_equal(again.capture.answer, evidence.capture.answer)
    assert save_evidence(again, tmp_path) == hashes
    (tmp_path / "probes.json").write_text("{")
    with pytest.raises(LocalError, match="damaged"):
        load_evidence(tmp_path)


def test_an_unknown_fault_names_the_known_ones():
    with pytest.raises(LocalError, match="slow"):
        with_fault(DeviceModel(), "tired")


def test_a_bench_without_a_second_transmitter_says_that_it_was_not_tested():
    from tests.bench.bench_parts import StillClock, configured

    from kwhub.bench.procedure import examine

    bench = simulated_bench(SimulatedBench())
    bench = replace(bench, disturber=None)
    result, _ = asyncio.run(examine(bench, configured(), StillClock(), serial="000000000038"))
    assert result.of("second_transmitter").verdict == "skipped"
    assert result.verdict == "pass"
