"""Peak, centroid and width of a spectrum table.

Source: our own method: a parabola through the logarithm of the upper half (a bell curve), the
centroid above a tenth of the peak, the width between the crossings of a half.
"""

from dataclasses import dataclass

import numpy as np

from kwhub.bench.instruments import Spectrum
from kwhub.domain.errors import DecodeError

__all__ = ["Wavelengths", "wavelengths"]

CONTRAST_LEAST = 8.0  #: the peak over the noise of a row
STRAY_SHARE = 10  #: percentile of the table that is taken for stray light


@dataclass(frozen=True, slots=True)
class Wavelengths:
    """In nanometres; ``scatter_nm`` is what noise and the step of the table add (k = 2)."""

    peak_nm: float
    centroid_nm: float
    width_nm: float
    scatter_nm: float


def wavelengths(table: Spectrum) -> Wavelengths:
    """Measure a table.

    Raises:
        DecodeError: ``no_light`` without a peak that stands out; ``cut_off`` when half of the peak
            lies beyond an end of the table.
    """
    nm = np.asarray(table.wavelengths_nm)
    power = np.asarray(table.powers, float)
    power = power - np.percentile(power, STRAY_SHARE)
    top = float(power.max())
    if top <= 0 or top < CONTRAST_LEAST * _rough(power):
        raise DecodeError("no_light", "no peak stands out of the spectrum", field="spectrum")
    smooth = np.convolve(power, np.ones(5) / 5, "same")
    half = np.flatnonzero(smooth > smooth.max() / 2)
    first, last = int(half[0]), int(half[-1])
    if first < 3 or last > len(nm) - 4:
        raise DecodeError("cut_off", "the peak lies at an end of the spectrum", field="spectrum")
    upper = slice(first, last + 1)
    peak = _peak(nm[upper], power[upper])
    lit = power > top / 10
    centroid = float((nm[lit] * power[lit]).sum() / power[lit].sum())
    low = _crossing(nm, smooth, first - 1, first)
    high = _crossing(nm, smooth, last + 1, last)
    step = float(np.median(np.diff(nm)))
    width = high - low
    noise = _rough(power) / top
    return Wavelengths(peak, centroid, width, 2 * (step / 3.5 + noise * width / 2))


def _rough(power: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Standard deviation of the noise, by the second differences."""
    return float(np.median(np.abs(np.diff(power, 2)))) / 0.6745 / 6**0.5


def _peak(nm: np.ndarray, power: np.ndarray) -> float:
    if len(nm) < 4:
        return float(nm[np.argmax(power)])
    middle = float(nm.mean())
    curve, slope, _ = np.polyfit(nm - middle, np.log(np.maximum(power, 1e-12)), 2, w=power)
    at = middle - slope / (2 * curve) if curve < 0 else float(nm[np.argmax(power)])
    return float(min(max(at, nm[0]), nm[-1]))


def _crossing(nm: np.ndarray, power: np.ndarray, below: int, above: int) -> float:
    half = power.max() / 2
    share = (half - power[below]) / (power[above] - power[below])
    return float(nm[below] + share * (nm[above] - nm[below]))
