"""Demodulation by edges: for clean samples, such as a logic analyser's.

Edges that follow each other within a few periods of a carrier are one mark.

Source: our own method; carriers of 30 to 60 kHz are those of infrared receivers' sheets.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kwhub.domain.errors import DecodeError
from kwhub.infrared.pulses import Pulses
from kwhub.infrared.samples import CarrierFacts

__all__ = [
    "CARRIER_HZ_HIGHEST",
    "CARRIER_HZ_LOWEST",
    "Samples",
    "demodulate_edges",
    "levels_to_pulses",
]

Samples: TypeAlias = NDArray[Any]  #: one channel: booleans, integers or light in any unit

CARRIER_HZ_LOWEST = 30_000.0
CARRIER_HZ_HIGHEST = 60_000.0
PERIOD_TOLERANCE = 1.25  #: single periods of a sampled carrier may leave the band by so much
GAP_PERIODS = 2.5  #: from edge to edge; one lost period does not end a mark
LEAST_CYCLES = 3  #: fewer are no mark: 9600 baud at 36 kHz has 3.75 in a bit
LEAST_SHARE = 0.5  #: of the edges that have a neighbour at the distance of a period


@dataclass(frozen=True, slots=True)
class _Edges:
    """Where light begins and ends, in samples."""

    rises: NDArray[np.int64]
    falls: NDArray[np.int64]


def demodulate_edges(
    samples: Samples, rate_hz: float, *, idle: bool | None = None
) -> tuple[Pulses, CarrierFacts]:
    """Take the carrier out of samples.

    A mark lasts from its first edge until a period after its last: as long as it was sent, or up
    to one period longer when the sender cut its last period off.

    Args:
        samples: one channel; anything that is not boolean is sliced half way up.
        rate_hz: samples a second.
        idle: the level in the dark; otherwise that of the longest time without an edge.

    Returns:
        The train, which ends with a mark, and the measured carrier.

    Raises:
        DecodeError: ``no_carrier`` when there is none of 30 to 60 kHz.
    """
    edges = _edges(_slice(samples), idle=idle)
    rises = edges.rises
    periods = np.diff(rises)
    usual = _usual_period(periods, rate_hz)
    breaks = np.flatnonzero(periods > GAP_PERIODS * usual) + 1
    firsts = np.concatenate(([0], breaks))
    ends = np.concatenate((breaks, [len(rises)]))
    real = ends - firsts >= LEAST_CYCLES
    firsts, ends = firsts[real], ends[real]
    if not len(firsts):
        raise _no_carrier()
    facts, period = _facts(edges, firsts, ends, usual, rate_hz)
    begins = rises[firsts].astype(float)
    stops = rises[ends - 1] + period
    return _train(begins, stops, rate_hz, facts), facts


def levels_to_pulses(samples: Samples, rate_hz: float, *, idle: bool | None = None) -> Pulses:
    """The train of samples without a carrier, as a receiver's output has them."""
    edges = _edges(_slice(samples), idle=idle)
    return _train(edges.rises.astype(float), edges.falls.astype(float), rate_hz, None)


def _slice(samples: Samples) -> NDArray[np.bool_]:
    if samples.ndim != 1:
        raise DecodeError("samples", f"samples of {samples.ndim} dimensions are no channel")
    if samples.dtype == np.bool_ or not len(samples):
        return samples.astype(np.bool_, copy=False)
    low, high = float(samples.min()), float(samples.max())
    return np.asarray(samples > (low + high) / 2)


def _edges(levels: NDArray[np.bool_], *, idle: bool | None) -> _Edges:
    """Beginnings and ends of light; light at either end of the samples begins or ends there."""
    changes = np.flatnonzero(levels[1:] != levels[:-1]) + 1
    if not len(changes):
        nothing = np.zeros(0, np.int64)
        return _Edges(nothing, nothing)
    bounds = np.concatenate(([0], changes, [len(levels)]))
    if idle is None:
        idle = bool(levels[bounds[np.argmax(np.diff(bounds))]])
    first_light = int(levels[0] == idle)
    edges = bounds[first_light:]
    if len(edges) % 2:
        edges = edges[:-1]
    return _Edges(edges[::2], edges[1::2])


def _usual_period(periods: NDArray[np.int64], rate_hz: float) -> float:
    """The middle one of the periods that a carrier may have, in samples."""
    shortest = rate_hz / CARRIER_HZ_HIGHEST / PERIOD_TOLERANCE
    longest = rate_hz / CARRIER_HZ_LOWEST * PERIOD_TOLERANCE
    likely = periods[(periods >= shortest) & (periods <= longest)]
    if len(likely) < max(LEAST_CYCLES - 1, LEAST_SHARE * len(periods)):
        raise _no_carrier()
    return float(np.median(likely))


def _facts(
    edges: _Edges,
    firsts: NDArray[np.int64],
    ends: NDArray[np.int64],
    usual: float,
    rate_hz: float,
) -> tuple[CarrierFacts, float]:
    """Frequency, duty and jitter over the whole periods of all marks, and the period in samples."""
    periods = np.diff(edges.rises)
    widths = (edges.falls - edges.rises)[:-1]
    inside = np.zeros(len(edges.rises) + 1, np.int64)
    np.add.at(inside, firsts, 1)
    np.add.at(inside, ends - 1, -1)
    whole = (np.cumsum(inside)[: len(periods)] > 0) & (np.abs(periods - usual) < usual / 2)
    kept, lit = periods[whole], widths[whole]
    period = float(kept.mean())
    frequency = rate_hz / period
    if not CARRIER_HZ_LOWEST <= frequency <= CARRIER_HZ_HIGHEST:
        raise _no_carrier(frequency)
    jitter = float(kept.std()) / rate_hz * 1e6
    return CarrierFacts(frequency, float(lit.mean()) / period, jitter, len(kept)), period


def _train(
    begins: NDArray[np.float64],
    stops: NDArray[np.float64],
    rate_hz: float,
    facts: CarrierFacts | None,
) -> Pulses:
    """The train of some marks, given in samples."""
    bounds = np.empty(2 * len(begins))
    bounds[::2], bounds[1::2] = begins, stops
    durations = tuple((np.diff(bounds) * (1e6 / rate_hz)).tolist())
    if facts is None:
        return Pulses(durations)
    return Pulses(durations, facts.frequency_hz, min(max(facts.duty, 0.001), 0.999))


def _no_carrier(frequency: float | None = None) -> DecodeError:
    found = "" if frequency is None else f", but one of {frequency:.0f} Hz"
    return DecodeError(
        "no_carrier",
        f"no carrier of {CARRIER_HZ_LOWEST / 1000:g} to {CARRIER_HZ_HIGHEST / 1000:g} kHz"
        f" in the samples{found}",
        field="samples",
    )
