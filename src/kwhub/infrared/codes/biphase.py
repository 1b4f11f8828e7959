"""RC-5 and RC-6: bits as a change of light in the middle.

Source: San Bergmans, sbprojects.net/knowledge/ir (RC-5, RC-6 mode 0). RC-6 mode 6 with a customer
code of one or two bytes is read too, after captures whose decoders agree; single source.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from kwhub.domain.errors import DecodeError
from kwhub.infrared.codes.answers import (
    LEADER_CHECKS,
    LENGTH_CHECKS,
    TOLERANCE,
    Decoded,
    Miss,
    confidence,
    integer,
)
from kwhub.infrared.codes.distance import read_leader
from kwhub.infrared.pulses import Pulses

__all__ = ["match_rc5", "match_rc6", "write_rc5", "write_rc6"]

CARRIER_HZ = 36_000.0
DUTY = 0.33
RC5_HALF_US = 889.0
RC5_HALVES = 28
RC6_HALF_US = 2666 / 6
RC6_LEADER = (6 * RC6_HALF_US, 2 * RC6_HALF_US)
RC6_HEAD_HALVES = 12  #: start bit, three bits of mode, the toggle of double length
STRETCH_MAX = 0.45
SPEED_ERROR_MAX = 0.2
DARK, LIGHT = 0, 1


@dataclass(frozen=True, slots=True)
class _Halves:
    levels: list[int]  #: light or dark in each half of a bit, up to the gap
    deviations: list[float]
    end: int


def _read_halves(
    durations: Sequence[float], first: int, half_us: float, run_max: int, most: int
) -> _Halves:
    """Halves of bits from a mark on, up to a gap; a trailing gap is no part of them."""
    end = first
    while end < len(durations) and end - first <= most:
        limit = (run_max + 0.5 + (STRETCH_MAX if end % 2 == 0 else 0)) * half_us
        if durations[end] > limit:
            break
        end += 1
    if end % 2 == 0 and end < len(durations):
        raise Miss("a mark is longer than the code has", end)
    end -= (end - first) % 2 == 0  # the last run must be light
    runs = durations[first:end]
    if len(runs) < 2:
        raise Miss("no bits", first)
    half = sum(runs) / sum(max(1, round(run / half_us)) for run in runs)
    stretch = _stretch(runs, half)
    fair = [run - stretch if place % 2 == 0 else run + stretch for place, run in enumerate(runs)]
    counts = [max(1, round(run / half)) for run in fair]
    half = sum(fair) / sum(counts)
    if abs(half / half_us - 1) > SPEED_ERROR_MAX:
        raise Miss("bits of another length", first)
    off = [
        abs(run - count * half) / (TOLERANCE * half)
        for run, count in zip(fair, counts, strict=True)
    ]
    if max(off) > 1 or max(counts) > run_max:
        raise Miss("a pulse is no whole number of half bits", first + off.index(max(off)))
    levels = [level for place, count in enumerate(counts) for level in [(place + 1) % 2] * count]
    return _Halves(levels, off, end)


def _stretch(runs: Sequence[float], half_us: float) -> float:
    over = [
        (run - max(1, round(run / half_us)) * half_us) * (1 if place % 2 == 0 else -1)
        for place, run in enumerate(runs)
    ]
    limit = STRETCH_MAX * half_us
    return max(-limit, min(limit, median(over)))


def _bits(levels: Sequence[int], one: tuple[int, int], first: int) -> list[int]:
    bits = []
    for place in range(0, len(levels), 2):
        pair = (levels[place], levels[place + 1])
        if pair[0] == pair[1]:
            raise Miss(f"bit {place // 2 + 1} has no change in its middle", first)
        bits.append(int(pair == one))
    return bits


def _number(bits: Sequence[int]) -> int:
    return int("".join(map(str, bits)) or "0", 2)


def match_rc5(durations: Sequence[float], first: int) -> Decoded:
    """RC-5, also with the second start bit as the inverse of a seventh bit of the command."""
    _quiet_before(durations, first, RC5_HALF_US)
    halves = _read_halves(durations, first, RC5_HALF_US, 2, RC5_HALVES)
    levels = [DARK, *halves.levels]
    if len(levels) == RC5_HALVES - 1:
        levels.append(DARK)
    if len(levels) != RC5_HALVES:
        raise Miss(f"{len(levels)} halves of bits where RC-5 has {RC5_HALVES}", halves.end)
    bits = _bits(levels, (DARK, LIGHT), first)
    extended = bits[1] == 0
    fields = {
        "address": _number(bits[3:8]),
        "command": _number(bits[8:]) | (0x40 if extended else 0),
        "toggle": bits[2],
    }
    sure = confidence(halves.deviations, len(bits) + LENGTH_CHECKS)
    size = 13 if extended else 12
    return Decoded("RC5", fields, sure, size, first=first, end=halves.end)


def match_rc6(durations: Sequence[float], first: int) -> Decoded:
    """RC-6 mode 0, and mode 6 with a customer code; raises Miss."""
    scale = read_leader(durations, first, RC6_LEADER, RC6_HALF_US)
    halves = _read_halves(durations, first + 2, RC6_HALF_US * scale, 3, 2 * 40)
    levels = halves.levels + [DARK] * (len(halves.levels) % 2)
    head, body = levels[:RC6_HEAD_HALVES], levels[RC6_HEAD_HALVES:]
    if len(head) < RC6_HEAD_HALVES or head[:2] != [LIGHT, DARK]:
        raise Miss("no start bit of RC-6", first + 2)
    mode = _number(_bits(head[2:8], (LIGHT, DARK), first + 2))
    if head[8] != head[9] or head[10] != head[11] or head[8] == head[10]:
        raise Miss("no toggle of RC-6", first + 2)
    bits = _bits(body, (LIGHT, DARK), first + 2)
    fields = {"mode": mode, "toggle": int(head[8] == LIGHT), **_rc6_fields(mode, bits, halves.end)}
    checks = LEADER_CHECKS + LENGTH_CHECKS + 6 + len(bits)
    sure = confidence(halves.deviations, checks)
    return Decoded("RC6", fields, sure, 4 + len(bits), first=first, end=halves.end)


def _rc6_fields(mode: int, bits: Sequence[int], end: int) -> dict[str, int]:
    if len(bits) == 16 and mode == 0:
        return {"address": _number(bits[:8]), "command": _number(bits[8:])}
    customer = 16 if bits and bits[0] else 8
    if mode != 6 or len(bits) not in (24, 32) or len(bits) - customer != 16:
        raise Miss(f"RC-6 mode {mode} with {len(bits)} bits is not known", end)
    data = _number(bits[customer:])
    return {"address": _number(bits[:customer]), "command": data & 0xFF, "data": data}


def _quiet_before(durations: Sequence[float], first: int, half_us: float) -> None:
    if first and durations[first - 1] < 3 * half_us:
        raise Miss("no quiet before the frame", first)


def _pulses(levels: Sequence[int], half_us: float, leader: tuple[float, ...]) -> Pulses:
    durations = list(leader)
    previous = DARK
    for level in levels:
        if level == previous and durations:
            durations[-1] += half_us
        elif level == LIGHT or durations:
            durations.append(half_us)
        previous = level
    if len(durations) % 2 == 0:
        durations.pop()
    return Pulses(tuple(durations), CARRIER_HZ, DUTY)


def _levels(value: int, count: int, one: tuple[int, int]) -> list[int]:
    levels: list[int] = []
    for place in reversed(range(count)):
        levels += one if value >> place & 1 else one[::-1]
    return levels


def write_rc5(fields: Mapping[str, Any]) -> Pulses:
    """``address`` up to 1F, ``command`` up to 7F, ``toggle`` 0 or 1."""
    address, command = integer(fields, "address", 0x1F), integer(fields, "command", 0x7F)
    word = 0b10 | (command < 0x40)
    word = word << 12 | integer(fields, "toggle", 1, 0) << 11 | address << 6 | command & 0x3F
    return _pulses(_levels(word, 14, (DARK, LIGHT)), RC5_HALF_US, ())


def write_rc6(fields: Mapping[str, Any]) -> Pulses:
    """Mode 0: ``address``, ``command``, ``toggle``."""
    if integer(fields, "mode", 7, 0) != 0:
        raise DecodeError("field", "only mode 0 of RC-6 can be written", field="mode")
    word = integer(fields, "address", 0xFF) << 8 | integer(fields, "command", 0xFF)
    toggle = [LIGHT, LIGHT, DARK, DARK] if integer(fields, "toggle", 1, 0) else [DARK, DARK, 1, 1]
    levels = _levels(0b1000, 4, (LIGHT, DARK)) + toggle + _levels(word, 16, (LIGHT, DARK))
    return _pulses(levels, RC6_HALF_US, RC6_LEADER)
