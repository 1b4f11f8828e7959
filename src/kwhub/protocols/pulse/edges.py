"""Edges of one input become pulses: bounce is left out, what no load can cause is set apart.

An edge counts when the level then stays for the debounce time. A pulse begins with an edge to the
active level. A pulse that follows the one before faster than the largest load of the meter can turn
it is no energy: it is counted apart, so that a person can look for the loose wire.

The work is done on whole arrays, and the state between two batches is a value: cutting a stream of
edges into other batches gives the same counts.

Source: IEC 62053-31 (pulse output devices); debounce and plausibility are ours.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from kwhub.domain.errors import LocalError

__all__ = ["Counted", "EdgeRules", "EdgeState", "count"]

Times: TypeAlias = NDArray[np.int64]
Levels: TypeAlias = NDArray[np.bool_]

US_PER_S = 1_000_000
LONG_AGO_US = -(1 << 62)


@dataclass(frozen=True, slots=True)
class EdgeRules:
    """How the edges of one input are read. Raises LocalError for times below zero."""

    debounce_us: int = 2_000  #: a level that stays shorter is bounce
    apart_us: int = 0  #: two pulses cannot begin closer together than this
    active_level: bool = True

    def __post_init__(self) -> None:
        """Check the bounds."""
        if self.debounce_us < 0 or self.apart_us < 0:
            raise LocalError("debounce_us and apart_us are not below zero")


@dataclass(frozen=True, slots=True)
class EdgeState:
    """What the next batch must know."""

    level: bool  #: the last level that stayed
    waiting_us: int | None = None  #: moment of an edge that has not stayed long enough yet
    waiting_level: bool = False
    last_pulse_us: int = LONG_AGO_US


@dataclass(frozen=True, slots=True)
class Counted:
    """What a batch brought."""

    pulses: Times  #: moments of pulses, microseconds
    implausible: int  #: pulses that came faster than any load
    bounces: int  #: edges that did not stay


def count(
    times_us: Times, levels: Levels, now_us: int, state: EdgeState, rules: EdgeRules
) -> tuple[EdgeState, Counted]:
    """Count the pulses of a batch of edges.

    Args:
        times_us: moments of edges, ascending, one array of integers.
        levels: the level after each edge, as many.
        now_us: a moment not before the last edge, until which no other edge came.
        state: from the batch before.
        rules: of the input.

    Raises:
        LocalError: arrays of different lengths, times that go back, or a ``now_us`` before them.
    """
    if len(times_us) != len(levels):
        raise LocalError(f"{len(times_us)} times but {len(levels)} levels")
    if state.waiting_us is not None:
        times_us = np.concatenate((np.array([state.waiting_us], np.int64), times_us))
        levels = np.concatenate((np.array([state.waiting_level], np.bool_), levels))
    if not len(times_us):
        return state, Counted(times_us, 0, 0)
    stays_us = np.diff(times_us, append=np.int64(now_us))
    if stays_us.min() < 0:
        raise LocalError("the moments of edges go back")
    stayed = stays_us >= rules.debounce_us
    waits = not stayed[-1]
    kept_times, kept_levels = times_us[stayed], levels[stayed]
    changed = np.diff(kept_levels, prepend=np.bool_(state.level))
    begins = kept_times[changed & (kept_levels == rules.active_level)]
    pulses = _far_enough(begins, state.last_pulse_us, rules.apart_us)
    next_state = EdgeState(
        level=bool(kept_levels[-1]) if len(kept_levels) else state.level,
        waiting_us=int(times_us[-1]) if waits else None,
        waiting_level=bool(levels[-1]) if waits else False,
        last_pulse_us=int(pulses[-1]) if len(pulses) else state.last_pulse_us,
    )
    bounces = int(len(times_us) - len(kept_times)) - int(waits)
    return next_state, Counted(pulses, int(len(begins) - len(pulses)), bounces)


def _far_enough(begins: Times, last_us: int, apart_us: int) -> Times:
    """Leave out each pulse that is too close to the last one that was kept."""
    if not len(begins) or not apart_us:
        return begins
    gaps = np.diff(begins, prepend=np.int64(max(last_us, int(begins[0]) - apart_us)))
    if int(begins[0]) - last_us >= apart_us and (len(gaps) < 2 or gaps[1:].min() >= apart_us):
        return begins  # the usual case, without a loop
    kept: list[int] = []
    for moment in begins.tolist():
        if moment - last_us >= apart_us:
            kept.append(moment)
            last_us = moment
    return np.array(kept, np.int64)
