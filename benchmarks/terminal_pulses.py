"""Pulse edges a second on one core: sixteen inputs with bounce, as a terminal counts them.

Against the least that any program in NumPy would do with the same arrays: one ``diff`` of the moments and one
``flatnonzero`` of the levels, which neither keeps a state between batches nor leaves out what no load can cause. In
batches of a second, as the terminal works, the time goes into the calls; so both are shown.
"""

from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from benchmarks._peers import rate
from benchmarks.result import Result
from kwhub.exchange.terminal_settings import ChannelSettings
from kwhub.terminal.channels import Base, Channel

__all__ = ["run"]

PULSES = 100_000
PERIOD_US = 60_000
DEBOUNCE_US = 2_000
EDGES_PER_CHANGE = 5
ROUNDS = 5
BATCH_US = 1_000_000
LEAST_RATIO_WHOLE = 0.1
SETTINGS = ChannelSettings(constant=3_200, current_max_a=Decimal(300))


def _edges() -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Pulses of which each change bounces."""
    chance = np.random.default_rng(1)
    gaps = chance.integers(20, 400, (PULSES, 2, EDGES_PER_CHANGE))
    starts = PERIOD_US * np.arange(1, PULSES + 1)[:, None] + np.array([0, PERIOD_US // 3])
    times = (starts[:, :, None] + np.cumsum(gaps, axis=2)).ravel()
    return times, np.arange(len(times)) % 2 == 0


def _count(times: NDArray[np.int64], levels: NDArray[np.bool_], cuts: NDArray[np.int64]) -> int:
    channel = Channel(SETTINGS, Base(), 0, 0)
    channel.wake(0, stored=False, level=False)
    before = 0
    for at in cuts.tolist():
        now_us = int(times[at - 1]) + DEBOUNCE_US
        channel.take(times[before:at], levels[before:at], now_us)
        before = at
    return channel.total


def _plain(times: NDArray[np.int64], levels: NDArray[np.bool_]) -> int:
    stays = np.diff(times) >= DEBOUNCE_US
    return len(np.flatnonzero(stays & levels[:-1]))


def run() -> list[Result]:
    """Edges a second."""
    times, levels = _edges()
    size = len(times)
    whole = np.array([size])
    # Cuts lie between changes: then both ways see whole bursts.
    changes = np.arange(EDGES_PER_CHANGE, size + 1, EDGES_PER_CHANGE)
    seconds = np.unique(times[changes - 1] // BATCH_US, return_index=True)[1][1:]
    batches = np.append(changes[seconds], size)
    if not _count(times, levels, whole) == _count(times, levels, batches) == _plain(times, levels):
        raise SystemExit("the counts differ: nothing to compare")
    plain = rate(lambda: _plain(times, levels), 1, ROUNDS) * size
    against = "numpy diff and flatnonzero"
    return [
        Result(
            "pulse edges, all at once",
            rate(lambda: _count(times, levels, whole), 1, ROUNDS) * size,
            plain,
            "edges/s",
            against,
            least_ratio=LEAST_RATIO_WHOLE,
        ),
        Result(
            "pulse edges, in batches of a second",
            rate(lambda: _count(times, levels, batches), 1, ROUNDS) * size,
            plain,
            "edges/s",
            against,
        ),
    ]
