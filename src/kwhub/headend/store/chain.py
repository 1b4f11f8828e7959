"""Registers that go on: across an exchange of the meter, and over the end at which they begin at nought again."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kwhub.domain.readings import Quality
from kwhub.headend.quality.walk import CAPACITY_MICRO, rolled_over
from kwhub.headend.store.columns import Ints
from kwhub.headend.store.vectors import Series

__all__ = ["Chain", "Swap", "chained"]


@dataclass(frozen=True, slots=True)
class Swap:
    """One exchange: the register of the old meter ended at ``final``, that of the new one began at ``first``."""

    at_s: int
    final: int  #: millionths
    first: int


@dataclass(frozen=True, slots=True)
class _Link:
    """One meter at the measuring point."""

    since_s: int
    shift: int  #: what is added to what it shows
    low: int | None  #: the chain's value when it was put in
    high: int | None  #: and when it was taken out
    rolled: bool  #: it began at nought again in between


@dataclass(frozen=True, slots=True)
class Chain:
    """A register as if one meter had counted for ever, and how to come back to what the meter of the time shows.

    The difference of any two of its values is what was used between them; values of two chains, made
    from different readings, are not to be compared.
    """

    series: Series  #: only what is present
    links: tuple[_Link, ...]

    def shown(self, at_s: int, value: int) -> int:
        """What the meter of the time shows when the chain has a value; never past its first and final reading."""
        since = [each.since_s for each in self.links]
        link = self.links[max(0, bisect_right(since, at_s, lo=1) - 1)]
        if link.low is not None:
            value = max(value, link.low)
        if link.high is not None:
            value = min(value, link.high)
        shown = value - link.shift
        return shown % CAPACITY_MICRO if link.rolled else shown


def chained(series: Series, swaps: Sequence[Swap]) -> Chain:
    """Make a chain.

    Args:
        series: of a register that grows, as it was read.
        swaps: exchanges with readings of the register, oldest first.
    """
    present = series.quality != Quality.NULL
    at, value, quality = (each[present] for each in (series.at, series.value, series.quality))
    made = np.empty(len(at), "<i8")
    links: list[_Link] = []
    begin, shift, head, since_s = 0, 0, np.empty(0, "<i8"), 0
    for swap in (*swaps, None):
        end = len(at) if swap is None else int(np.searchsorted(at, swap.at_s))
        tail = np.array([] if swap is None else [swap.final], "<i8")
        shown = np.concatenate((head, value[begin:end], tail))
        whole = _unrolled(shown)
        made[begin:end] = whole[len(head) : len(head) + end - begin] + shift
        low = int(whole[0]) + shift if len(head) else None
        high = None if swap is None else int(whole[-1]) + shift
        links.append(_Link(since_s, shift, low, high, rolled=whole is not shown))
        if swap is not None and high is not None:
            shift = high - swap.first
            begin, head, since_s = end, np.array([swap.first], "<i8"), swap.at_s
    return Chain(Series(at, made, quality), tuple(links))


def _unrolled(value: Ints) -> Ints:
    """Values that never begin at nought again; the same array when they did not."""
    falls = np.flatnonzero(np.diff(value) < 0).tolist()
    whole = value
    for fall in falls:
        if rolled_over(int(value[fall]), int(value[fall + 1])) is not None:
            whole = whole.copy() if whole is value else whole
            whole[fall + 1 :] += CAPACITY_MICRO
    return whole
