"""Bits by the length of marks or spaces after a leader: reading and writing, from one table.

Source: see ``tables``; a demodulator stretches marks at the cost of spaces, so bits are told by
mark plus space, and marks are compared after the stretch is taken out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from kwhub.infrared.codes.answers import TOLERANCE, Miss
from kwhub.infrared.codes.tables import PulseTable

__all__ = ["Word", "read_leader", "read_word", "write_word"]

SPEED_ERROR_MAX = 0.30
STRETCH_MAX = 0.48
"""Share of the shortest mark by which all marks together may be longer or shorter."""
LEADER_SLACK = 0.03


@dataclass(frozen=True, slots=True)
class Word:
    """The bits of one frame, as sent."""

    bits: tuple[int, ...]
    deviations: tuple[float, ...]  #: shares of the tolerance, 0 to 1
    end: int  #: place after the last duration

    def number(self, first: int, count: int, *, msb_first: bool) -> int:
        """Some of the bits as a number."""
        chosen = self.bits[first : first + count]
        ordered = chosen if msb_first else chosen[::-1]
        return int("".join(map(str, ordered)) or "0", 2)


def read_leader(
    durations: Sequence[float], first: int, leader: tuple[float, float], unit: float
) -> float:
    """How much slower than the table the sender is; ``unit`` is the code's shortest mark.

    Raises Miss when there is no such leader.
    """
    if first + 1 >= len(durations):
        raise Miss("the train ends within the leader", first)
    mark, space = durations[first], durations[first + 1]
    scale = (mark + space) / (leader[0] + leader[1])
    if abs(scale - 1) > SPEED_ERROR_MAX:
        raise Miss("no leader", first)
    slack = (STRETCH_MAX * unit + LEADER_SLACK * leader[0]) * scale
    if abs(mark - leader[0] * scale) > slack:
        raise Miss("no leader", first)
    return scale


def read_word(durations: Sequence[float], first: int, table: PulseTable, scale: float) -> Word:
    """The bits after a leader, up to the gap or the end of the train; raises Miss."""
    last = _last_mark(durations, first, table, scale)
    marks = durations[first : last + 1 : 2]
    spaces = durations[first + 1 : last : 2]
    count = len(spaces) if table.stop else len(marks)
    if count not in table.lengths:
        expected = " or ".join(str(length) for length in table.lengths)
        raise Miss(f"{count} bits where {table.name} has {expected}", last)
    stretch = _stretch(marks, spaces, table, scale)
    if not table.stop:
        spaces = [*spaces, table.zero[1] * scale - stretch]
    bits: list[int] = []
    deviations: list[float] = []
    for place, (mark, space) in enumerate(zip(marks, spaces, strict=bool(not table.stop))):
        bit, off = _bit(mark, space, stretch, table, scale)
        if max(off) > 1:
            raise Miss(f"bit {place + 1} is neither 0 nor 1 in {table.name}", first + 2 * place)
        bits.append(bit)
        deviations += off
    if table.stop:
        off_stop = abs(marks[-1] - stretch - table.stop * scale) / (TOLERANCE * table.stop * scale)
        if off_stop > 1:
            raise Miss(f"the stop mark of {table.name} has a wrong length", last)
        deviations.append(off_stop)
    return Word(tuple(bits), tuple(deviations), last + 1)


def _last_mark(durations: Sequence[float], first: int, table: PulseTable, scale: float) -> int:
    most = 2 * (max(table.lengths) + 2)
    place = first
    while place + 2 < len(durations) and durations[place + 1] < table.gap_us * scale:
        place += 2
        if place - first > most:
            raise Miss(f"more bits than {table.name} has", place)
    if place >= len(durations):
        raise Miss("the train ends after the leader", first)
    return place


def _stretch(
    marks: Sequence[float], spaces: Sequence[float], table: PulseTable, scale: float
) -> float:
    """How much longer than sent all marks are; negative when they are shorter."""
    if table.zero[0] == table.one[0]:
        found = median(marks) - table.zero[0] * scale
    else:
        found = table.zero[1] * scale - median(spaces)
    limit = STRETCH_MAX * min(table.zero) * scale
    return max(-limit, min(limit, found))


def _bit(
    mark: float, space: float, stretch: float, table: PulseTable, scale: float
) -> tuple[int, tuple[float, float]]:
    """The nearer of the two bits, and how far its mark and its whole length are off."""
    best: tuple[int, tuple[float, float]] | None = None
    for bit, (bit_mark, bit_space) in enumerate((table.zero, table.one)):
        whole = (bit_mark + bit_space) * scale
        off = (
            abs(mark - stretch - bit_mark * scale) / (TOLERANCE * bit_mark * scale),
            abs(mark + space - whole) / (TOLERANCE * whole),
        )
        if best is None or sum(off) < sum(best[1]):
            best = (bit, off)
    assert best is not None  # noqa: S101 - there are two bits
    return best


def write_word(bits: Sequence[int], table: PulseTable) -> tuple[float, ...]:
    """Leader, bits and stop mark; the train ends with a mark."""
    durations = [*table.leader]
    for bit in bits:
        durations += table.one if bit else table.zero
    return tuple([*durations, table.stop] if table.stop else durations[:-1])
