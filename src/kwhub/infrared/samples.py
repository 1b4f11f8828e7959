"""Samples of light: what a logic analyser or a photodiode would show of a pulse train.

A mark is sent as bursts of a carrier that begins anew with each mark; without a carrier it is
steady light.  ``Scene`` adds what a photodiode sees besides.

Source: our own model; its disturbances are those of receiver sheets: daylight is steady light with
noise, lamps on the mains flicker at twice its frequency, electronic ballasts at 30 to 60 kHz.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kwhub.domain.errors import LocalError
from kwhub.infrared.pulses import Pulses

__all__ = ["SAMPLES_MAX", "CarrierFacts", "Scene", "illuminate", "synthesize"]

SAMPLES_MAX = 200_000_000
DUTY = 1 / 3
RIPPLE_HZ = 100.0
BALLAST_HZ = 45_000.0
SAMPLE_SLACK = 1e-6  #: samples; a time that is a sample's up to rounding is that sample's


@dataclass(frozen=True, slots=True)
class CarrierFacts:
    """What was measured of a carrier."""

    frequency_hz: float
    duty: float  #: light as a share of a period, 0 to 1
    jitter_us: float  #: standard deviation of a period, in microseconds; sampling adds to it
    cycles: int  #: periods that were measured


@dataclass(frozen=True, slots=True)
class Scene:
    """What a photodiode sees, all in the same unit of light."""

    amplitude: float = 1.0  #: of the sender's light
    noise: float = 0.0  #: standard deviation of white noise in each sample
    dc: float = 0.0  #: steady light: the sun
    ripple: float = 0.0  #: amplitude of a lamp on the mains, 100 Hz
    ballast: float = 0.0  #: amplitude of a lamp with an electronic ballast
    ballast_hz: float = BALLAST_HZ


def synthesize(
    pulses: Pulses, rate_hz: float, *, lead_us: float = 0.0, tail_us: float = 0.0
) -> NDArray[np.bool_]:
    """Samples of a train, true where there is light.

    Args:
        pulses: the train; its duty, where none is given, is a third.
        rate_hz: samples a second; at least four for each period of the carrier.
        lead_us: dark before the train.
        tail_us: dark after it.

    Raises:
        LocalError: too few samples for the carrier, or more than ``SAMPLES_MAX`` in all.

    >>> synthesize(Pulses((4.0, 2.0, 1.0)), 1e6).astype(int).tolist()
    [1, 1, 1, 1, 0, 0, 1]
    """
    length_us = lead_us + pulses.length_us + tail_us
    if length_us * rate_hz / 1e6 > SAMPLES_MAX:
        raise LocalError(f"{length_us / 1e6:.1f} s are more than {SAMPLES_MAX} samples")
    bounds_us = np.concatenate(
        ([0.0, lead_us], lead_us + np.cumsum(np.asarray(pulses.durations_us, float)), [length_us])
    )
    bounds = np.ceil(bounds_us * (rate_hz / 1e6) - SAMPLE_SLACK).astype(np.int64)
    counts = np.diff(bounds)
    light = np.zeros(len(counts), bool)
    light[1 : 1 + len(pulses.durations_us) : 2] = True
    samples = np.repeat(light, counts)
    if pulses.carrier_hz is None:
        return samples
    if rate_hz < 4 * pulses.carrier_hz:
        raise LocalError(f"{rate_hz:g} samples a second are too few for {pulses.carrier_hz:g} Hz")
    lit = np.flatnonzero(samples)
    begins = np.repeat(bounds_us[:-1][light], counts[light]) * (rate_hz / 1e6)
    phase = (lit - begins + SAMPLE_SLACK) * (pulses.carrier_hz / rate_hz) % 1.0
    samples[lit] = phase < (DUTY if pulses.duty is None else pulses.duty)
    return samples


def illuminate(
    samples: NDArray[np.bool_], rate_hz: float, scene: Scene, rng: np.random.Generator
) -> NDArray[np.float32]:
    """The signal of a photodiode: the sender's light and everything else of the scene."""
    signal = samples.astype(np.float32) * np.float32(scene.amplitude)
    signal += np.float32(scene.dc)
    time = np.arange(len(samples)) * (2 * math.pi / rate_hz)
    for amplitude, frequency in ((scene.ripple, RIPPLE_HZ), (scene.ballast, scene.ballast_hz)):
        if amplitude:
            start = rng.uniform(0, 2 * math.pi)
            signal += (amplitude * np.sin(time * frequency + start)).astype(np.float32)
    if scene.noise:
        signal += rng.standard_normal(len(samples), np.float32) * np.float32(scene.noise)
    return signal
