"""Demodulation by mixing: for a photodiode's signal, with sun, lamps and noise in it.

The signal is multiplied by the carrier and a quarter of a period later (I and Q) and summed over
each period; a running mean over some periods is the envelope, and the envelope is sliced.

Source: our own method (integrate and dump); a window of most of a bit is what survives noise as
strong as the light.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.infrared.carrier_edges import CARRIER_HZ_HIGHEST, CARRIER_HZ_LOWEST, Samples
from kwhub.infrared.pulses import Pulses
from kwhub.infrared.samples import CarrierFacts

__all__ = ["WINDOW_CYCLES", "demodulate_iq"]

WINDOW_CYCLES = 12  #: periods in the running mean; for 4800 and 9600 baud take 5 and 2
CONTRAST_LEAST = 3.0  #: light over dark in the envelope; noise alone has about 2.5
STEADY_LEAST = 0.5  #: share of a mark's periods with light; the edges of steady light have one each
HYSTERESIS = 0.12  #: share of the contrast, to either side of the middle
SEARCH_SECONDS = (
    0.0005  #: of a spectrum; lines of a lamp are steady, a sender's carrier comes and goes
)
SEARCH_PIECES = 2000
FOLD_BINS = 40
FOLD_SAMPLES = 100_000


@dataclass(frozen=True, slots=True)
class _Mixed:
    """The signal mixed with a carrier: one complex number for each block of a period."""

    blocks: NDArray[np.complex64]
    block: int  #: samples in a block
    carrier_hz: float
    rate_hz: float

    @property
    def block_us(self) -> float:
        return self.block / self.rate_hz * 1e6


def demodulate_iq(
    samples: Samples,
    rate_hz: float,
    *,
    carrier_hz: float | None = None,
    window_cycles: int = WINDOW_CYCLES,
) -> tuple[Pulses, CarrierFacts]:
    """Take the carrier out of samples of any kind.

    Args:
        samples: one channel, light in any unit, more light being more.
        rate_hz: samples a second, at least four for each period of the carrier.
        carrier_hz: about where the carrier is, within 2 %; otherwise it is searched for.
        window_cycles: periods in the running mean: fewer than the shortest mark has.

    Returns:
        The train, which ends with a mark, and the measured carrier.

    Raises:
        DecodeError: ``no_carrier`` when there is no light that comes and goes at 30 to 60 kHz.
        LocalError: too few samples a second.
    """
    if rate_hz < 4 * CARRIER_HZ_HIGHEST and (carrier_hz is None or rate_hz < 3.99 * carrier_hz):
        raise LocalError(f"{rate_hz:g} samples a second are too few to find a carrier")
    signal = np.ascontiguousarray(samples, np.float32)
    about = carrier_hz or _search(signal, rate_hz)
    mixed = _mix(signal, rate_hz, about)
    envelope = _envelope(mixed.blocks, window_cycles)
    low, high = _levels(envelope)
    bounds = _crossings(envelope, low, high)
    if len(bounds) < 2:
        raise _no_carrier()
    marks = _inside(bounds, len(mixed.blocks), window_cycles)
    if np.count_nonzero(np.abs(mixed.blocks[marks]) > high / 4) < STEADY_LEAST * marks.sum():
        raise _no_carrier()
    facts = _facts(signal, mixed, marks, max(window_cycles // 3, 1))
    durations = tuple((np.diff(bounds) * mixed.block_us).tolist())
    return Pulses(durations, facts.frequency_hz, min(max(facts.duty, 0.001), 0.999)), facts


def _search(signal: NDArray[np.float32], rate_hz: float) -> float:
    """The frequency whose strength changes most over time."""
    size = round(rate_hz * SEARCH_SECONDS)
    rows = len(signal) // size
    if rows < 4:
        raise DecodeError("no_carrier", "too few samples to find a carrier", field="samples")
    pieces = signal[: rows * size].reshape(rows, size)[:: -(-rows // SEARCH_PIECES)]
    window = np.hanning(size).astype(np.float32)
    spectrum = np.abs(np.fft.rfft((pieces - pieces.mean(axis=1, keepdims=True)) * window, axis=1))
    frequencies = np.fft.rfftfreq(size, 1 / rate_hz)
    band = (frequencies >= CARRIER_HZ_LOWEST * 0.95) & (frequencies <= CARRIER_HZ_HIGHEST * 1.05)
    strength = spectrum.std(axis=0) * band
    top = int(np.argmax(strength))
    near = spectrum.std(axis=0)[top - 1 : top + 2].astype(float) ** 2
    weight = float(near.sum())
    if weight == 0:
        raise _no_carrier()
    return float((near * frequencies[top - 1 : top + 2]).sum()) / weight


def _mix(signal: NDArray[np.float32], rate_hz: float, carrier_hz: float) -> _Mixed:
    """Sum signal times carrier over blocks of about a period; what is steady in a block is left out."""
    block = round(rate_hz / carrier_hz)
    rows = len(signal) // block
    step = 2 * math.pi * carrier_hz / rate_hz
    reference = np.exp(-1j * step * np.arange(block))
    reference -= reference.mean()
    reference /= block
    table = np.stack((reference.real, reference.imag)).astype(np.float32)
    pieces = signal[: rows * block].reshape(rows, block)
    blocks = np.empty(rows, np.complex64)
    blocks.real, blocks.imag = table @ pieces.T
    turn = np.exp(-1j * ((step * block) * np.arange(rows) % (2 * math.pi)))
    return _Mixed(blocks * turn.astype(np.complex64), block, carrier_hz, rate_hz)


def _envelope(blocks: NDArray[np.complex64], window: int) -> NDArray[np.float64]:
    """Strength of the running mean; its place n is the mean of the blocks from n - window on."""
    padding = np.zeros(window, np.complex64)
    return np.asarray(np.abs(_running(np.concatenate((padding, blocks, padding)), window)))


def _levels(envelope: NDArray[np.float64]) -> tuple[float, float]:
    """The usual strength in the dark and in the light."""
    middle = float(envelope.max()) / 2
    low = high = 0.0
    for _ in range(8):
        bright = envelope > middle
        if bright.all() or not bright.any():
            raise _no_carrier()
        low, high = float(envelope[~bright].mean()), float(envelope[bright].mean())
        middle = (low + high) / 2
    high = float(np.median(envelope[envelope > middle]))
    if high < CONTRAST_LEAST * low:
        raise _no_carrier()
    return low, high


def _crossings(envelope: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Where light begins and ends in turn, in blocks, between two of them where it must be."""
    middle, margin = (low + high) / 2, (high - low) * HYSTERESIS
    decided = np.where(envelope > middle + margin, 1, np.where(envelope < middle - margin, 0, -1))
    decided[0] = decided[-1] = 0
    last = np.maximum.accumulate(np.where(decided >= 0, np.arange(len(decided)), 0))
    state = decided[last]
    places = np.flatnonzero(state[1:] != state[:-1]) + 1
    found = np.empty(len(places))
    for number, place in enumerate(places.tolist()):
        before = place
        rising = number % 2 == 0
        while before > 1 and (envelope[before - 1] > middle) == rising:
            before -= 1
        one, other = envelope[before - 1], envelope[before]
        share = (middle - one) / (other - one) if other != one else 0.0
        found[number] = before - 1 + min(max(share, 0.0), 1.0)
    return np.maximum.accumulate(found)


def _inside(bounds: NDArray[np.float64], count: int, window: int) -> NDArray[np.bool_]:
    """The blocks that lie wholly in a mark; the envelope lags by half a window."""
    inside = np.zeros(count, bool)
    for begin, end in zip(bounds[::2], bounds[1::2], strict=False):
        first = math.ceil(begin - window / 2) + 1
        inside[max(first, 0) : max(math.floor(end - window / 2) - 1, 0)] = True
    return inside


def _facts(
    signal: NDArray[np.float32], mixed: _Mixed, marks: NDArray[np.bool_], lag: int
) -> CarrierFacts:
    """Frequency by the turn of the phase in marks; duty by folding the marks onto one period.

    The phase is that of means over ``lag`` blocks, so that lamps and noise weigh little.
    """
    means = _running(mixed.blocks, lag)
    lit = _running(marks, lag) > 0.999
    turns = (means[lag:] * means[:-lag].conj())[lit[lag:] & lit[:-lag]]
    if not len(turns):
        raise _no_carrier()
    total = complex(turns.sum())
    drift = math.atan2(total.imag, total.real)
    frequency = mixed.carrier_hz + drift / (2 * math.pi * lag * mixed.block_us) * 1e6
    if not CARRIER_HZ_LOWEST <= frequency <= CARRIER_HZ_HIGHEST:
        raise _no_carrier()
    pairs = marks[1:] & marks[:-1]
    singles = (mixed.blocks[1:] * mixed.blocks[:-1].conj())[pairs]
    spread = np.angle(singles * np.exp(-1j * drift / lag).astype(np.complex64))
    jitter = float(spread.std()) / (2 * math.pi * frequency) * 1e6
    return CarrierFacts(frequency, _duty(signal, mixed, marks), jitter, len(singles))


def _running(blocks: NDArray[Any], window: int) -> NDArray[Any]:
    """Means over so many neighbours."""
    kind = np.complex128 if np.iscomplexobj(blocks) else np.float64
    sums = np.concatenate(([0], np.cumsum(blocks, dtype=kind)))
    return np.asarray((sums[window:] - sums[:-window]) / window)


def _duty(signal: NDArray[np.float32], mixed: _Mixed, marks: NDArray[np.bool_]) -> float:
    """The share of a period above the middle, of the mean of all periods, aligned by phase."""
    rows = np.flatnonzero(marks)[: FOLD_SAMPLES // mixed.block]
    pieces = signal[: len(marks) * mixed.block].reshape(len(marks), mixed.block)[rows]
    pieces = pieces - pieces.mean(axis=1, keepdims=True)
    step = mixed.carrier_hz / mixed.rate_hz
    begins = rows * mixed.block * step
    phase = begins[:, None] + np.arange(mixed.block)[None, :] * step
    near = slice(0, rows[-1] + 3)
    smooth = np.convolve(np.where(marks, mixed.blocks, 0)[near], np.ones(5), mode="same")[rows]
    phase += np.angle(-smooth)[:, None] / (2 * math.pi)
    places = (phase % 1.0 * FOLD_BINS).astype(np.int64).ravel()
    weight = np.bincount(places, minlength=FOLD_BINS)
    mean = np.bincount(places, pieces.ravel(), minlength=FOLD_BINS) / np.maximum(weight, 1)
    mean = mean[weight > 0]
    low, high = np.percentile(mean, (10, 95))
    return float((mean - low).sum() / (high - low) / len(mean)) if high > low else 0.5


def _no_carrier() -> DecodeError:
    return DecodeError(
        "no_carrier",
        f"no carrier of {CARRIER_HZ_LOWEST / 1000:g} to {CARRIER_HZ_HIGHEST / 1000:g} kHz"
        " that comes and goes in the samples",
        field="samples",
    )
