"""Recordings of the light itself: a train of single carrier periods becomes a train of marks.

Source: our own.
"""

from statistics import median

import numpy as np

from kwhub.domain.errors import DecodeError
from kwhub.infrared.carrier import demodulate_edges
from kwhub.infrared.pulses import Pulses

__all__ = ["without_carrier"]

PERIOD_MAX_US = 34.0
EDGES_MIN = 20
RATE_HZ = 8e6
SAMPLES_MAX = 64_000_000


def without_carrier(pulses: Pulses) -> Pulses:
    """The train without its carrier, which is measured; the same train when there is none."""
    durations = pulses.durations_us
    if len(durations) < EDGES_MIN or median(durations[::2]) > PERIOD_MAX_US:
        return pulses
    rate = min(RATE_HZ, SAMPLES_MAX / pulses.length_us * 1e6)
    places = np.rint(np.cumsum(durations) * rate / 1e6).astype(np.int64)
    levels = np.zeros(int(places[-1]) + 1, np.bool_)
    toggles = np.zeros(len(levels) + 1, np.int8)
    toggles[0] = 1
    np.add.at(toggles, places, np.where(np.arange(len(places)) % 2 == 0, -1, 1).astype(np.int8))
    levels[:] = np.cumsum(toggles[:-1]) > 0
    if len(durations) % 2 == 0:
        levels[places[-1] :] = False
    try:
        return demodulate_edges(levels, rate, idle=False)[0]
    except DecodeError:
        return pulses
