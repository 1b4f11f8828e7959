"""Pulses of sixteen meters with bounce, and what a terminal that is switched off now and then must count."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DEBOUNCE_US = 2_000
BURST = 2  #: extra pairs of edges at each change


@dataclass
class Train:
    """Edges of one input; ``rises`` and ``falls`` are the last edges of their bursts, ``enters`` and
    ``leaves`` the first ones."""

    times: NDArray[np.int64]
    levels: NDArray[np.bool_]
    enters: list[int]
    rises: list[int]
    leaves: list[int]
    falls: list[int]

    def level(self, moment: int) -> bool:
        at = int(np.searchsorted(self.times, moment, side="right"))
        return bool(self.levels[at - 1]) if at else False


def train(pulses: int, period_us: int, chance: np.random.Generator) -> Train:
    """Edges: (2 + 4 BURST) for each pulse, the bouncing ones less than 400 us apart."""
    starts = np.cumsum(chance.integers(period_us // 2, period_us * 3 // 2, pulses)).astype(np.int64)
    gaps = chance.integers(20, 400, (pulses, 2, 2 * BURST + 1)).astype(np.int64)
    active = chance.integers(period_us // 5, period_us // 3, pulses).astype(np.int64)
    rising = starts[:, None] + np.cumsum(gaps[:, 0], axis=1)
    falling = rising[:, -1:] + active[:, None] + np.cumsum(gaps[:, 1], axis=1)
    times = np.concatenate((rising, falling), axis=1).ravel()
    levels = np.tile(np.arange(2 * (2 * BURST + 1)) % 2 == 0, pulses)
    return Train(
        times,
        levels,
        rising[:, 0].tolist(),
        rising[:, -1].tolist(),
        falling[:, 0].tolist(),
        falling[:, -1].tolist(),
    )


class Oracle:
    """Counts by itself what is known of the pulses, window by window, without looking at edges."""

    def __init__(self, source: Train) -> None:
        self._train = source
        self._active = False  #: the last level that stayed, when the power went
        self.total = 0

    def window(self, on_us: int, off_us: int) -> None:
        """The terminal was on from one moment to another, and its last level was kept."""
        it, settled = self._train, off_us - DEBOUNCE_US
        at = bisect_left(it.rises, on_us)  # first pulse that rises while we listen
        known = bisect_right(it.rises, settled)
        self.total += max(0, known - at)
        if self._active and known > at and it.enters[at] - on_us < DEBOUNCE_US:
            self.total -= 1  # between two pulses the input was not idle long enough to be seen
        risen = at - 1  # the pulse that had risen before
        awake = risen >= 0 and it.leaves[risen] - on_us >= DEBOUNCE_US and on_us <= settled
        if awake and not self._active:
            self.total += 1
        self._remember(max(known, at), at, on_us, settled)

    def _remember(self, known: int, at: int, on_us: int, settled: int) -> None:
        if on_us > settled:
            return  # nothing stayed long enough to change what is known
        last = known - 1
        if last < 0 or self._train.falls[last] <= settled:
            self._active = False
        elif last >= at or self._train.leaves[last] - on_us >= DEBOUNCE_US:
            self._active = True
