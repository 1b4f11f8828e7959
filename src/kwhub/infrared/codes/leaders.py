"""What the bits of the codes with a leader mean: the remote-module code, NEC, Sony SIRC.

Source: NEC, Sony SIRC: San Bergmans, sbprojects.net/knowledge/ir; remote-module code (command, data,
sum of both, high bit first): the maker's published sender and receiver, single source.
"""

from collections.abc import Mapping, Sequence
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
from kwhub.infrared.codes.distance import Word, read_leader, read_word, write_word
from kwhub.infrared.codes.tables import NEC, REMOTE_MODULE, SIRC, PulseTable
from kwhub.infrared.pulses import Pulses

__all__ = [
    "match_nec",
    "match_remote_module",
    "match_sirc",
    "write_nec",
    "write_remote_module",
    "write_sirc",
]

BYTE = 0xFF
REPEAT_LEADER = (9000.0, 2250.0)
REPEAT_GAP_US = 15_000.0
CONTRADICTED = 0.25
"""What is left of the confidence of a frame whose check bits do not fit."""
SIRC_PARTS: Mapping[int, tuple[tuple[str, int], ...]] = {
    12: (("command", 7), ("address", 5)),
    15: (("command", 7), ("address", 8)),
    20: (("command", 7), ("address", 5), ("extended", 8)),
}


def match_remote_module(durations: Sequence[float], first: int) -> Decoded:
    """The remote-module code: command, data, and the low byte of their sum; raises Miss."""
    word, checks = _word(durations, first, REMOTE_MODULE)
    command, data, total = (word.number(place, 8, msb_first=True) for place in (0, 8, 16))
    if (command + data) & BYTE != total:
        detail = f"the sum is {total:02X} and should be {(command + data) & BYTE:02X}"
        raise Miss(detail, word.end - 1)
    return Decoded(
        REMOTE_MODULE.name,
        {"command": command, "data": data, "sum": total},
        confidence(word.deviations, checks + 8),
        24,
        first=first,
        end=word.end,
    )


def match_nec(durations: Sequence[float], first: int) -> Decoded:
    """NEC with an address of one or two bytes, its repeat frame, and frames that only look so."""
    try:
        return _nec_repeat(durations, first)
    except Miss:
        word, checks = _word(durations, first, NEC)
    low, high, command, inverse = (word.number(8 * n, 8, msb_first=False) for n in range(4))
    short = low ^ high == BYTE
    address = low if short else low | high << 8
    if command ^ inverse == BYTE:
        sure = confidence(word.deviations, checks + (16 if short else 8))
        name = NEC.name
    else:
        sure = round(CONTRADICTED * confidence(word.deviations, checks), 4)
        name, address, command = "NEC_LIKE", low | high << 8, command | inverse << 8
    fields = {"address": address, "command": command, "repeat": False}
    return Decoded(name, fields, sure, 32, first=first, end=word.end)


def _nec_repeat(durations: Sequence[float], first: int) -> Decoded:
    scale = read_leader(durations, first, REPEAT_LEADER, NEC.zero[0])
    end = first + 3
    if end > len(durations):
        raise Miss("the train ends within a repeat frame", first)
    around = [durations[place] for place in (first - 1, end) if 0 < place < len(durations)]
    if min(around, default=REPEAT_GAP_US) < REPEAT_GAP_US:
        raise Miss("no quiet around a repeat frame", end)
    mark, nominal = durations[first + 2], NEC.stop * scale
    stretch = durations[first] - REPEAT_LEADER[0] * scale
    off = abs(mark - nominal - stretch) / (2 * TOLERANCE * nominal)
    if off > 1:
        raise Miss("the last mark of a repeat frame has a wrong length", first + 2)
    sure = confidence((off, stretch / nominal), LEADER_CHECKS + LENGTH_CHECKS)
    fields = {"address": None, "command": None, "repeat": True}
    return Decoded(NEC.name, fields, sure, 0, first=first, end=end)


def match_sirc(durations: Sequence[float], first: int) -> Decoded:
    """Sony SIRC with 12, 15 or 20 bits; raises Miss."""
    word, checks = _word(durations, first, SIRC)
    fields, place = {}, 0
    for name, count in SIRC_PARTS[len(word.bits)]:
        fields[name] = word.number(place, count, msb_first=False)
        place += count
    sure = confidence(word.deviations, checks)
    return Decoded(SIRC.name, fields, sure, len(word.bits), first=first, end=word.end)


def _word(durations: Sequence[float], first: int, table: PulseTable) -> tuple[Word, int]:
    """The bits of a frame; a train that begins after the leader has been missed is read too."""
    try:
        scale = read_leader(durations, first, table.leader, min(table.zero))
    except Miss:
        if first:
            raise
        return read_word(durations, 0, table, 1.0), LENGTH_CHECKS
    return read_word(durations, first + 2, table, scale), LEADER_CHECKS + LENGTH_CHECKS


def _bits(value: int, count: int, *, msb_first: bool) -> list[int]:
    bits = [value >> place & 1 for place in range(count)]
    return bits[::-1] if msb_first else bits


def _pulses(bits: Sequence[int], table: PulseTable) -> Pulses:
    return Pulses(write_word(bits, table), table.carrier_hz, table.duty)


def write_remote_module(fields: Mapping[str, Any]) -> Pulses:
    """``command`` and ``data`` of a byte each; the sum is added."""
    command, data = integer(fields, "command", BYTE), integer(fields, "data", BYTE, 0)
    parts = (command, data, (command + data) & BYTE)
    return _pulses([b for part in parts for b in _bits(part, 8, msb_first=True)], REMOTE_MODULE)


def write_nec(fields: Mapping[str, Any]) -> Pulses:
    """``address`` up to FF is sent with its inverse, else as two bytes; or ``repeat``."""
    if fields.get("repeat") in (True, 1, "1", "true"):
        return Pulses((*REPEAT_LEADER, NEC.stop), NEC.carrier_hz, NEC.duty)
    address, command = integer(fields, "address", 0xFFFF), integer(fields, "command", BYTE)
    if address <= BYTE:
        address |= (address ^ BYTE) << 8
    bits = _bits(address, 16, msb_first=False) + _bits(command, 8, msb_first=False)
    return _pulses(bits + _bits(command ^ BYTE, 8, msb_first=False), NEC)


def write_sirc(fields: Mapping[str, Any]) -> Pulses:
    """``command`` and ``address``; ``extended`` makes 20 bits, an address above 1F makes 15."""
    if fields.get("extended") is not None:
        count = 20
    else:
        count = 12 if integer(fields, "address", BYTE) < 1 << 5 else 15
    count = integer(fields, "bits", 20, count)
    if count not in SIRC_PARTS:
        raise DecodeError("field", f"SIRC has 12, 15 or 20 bits, not {count}", field="bits")
    bits: list[int] = []
    for name, width in SIRC_PARTS[count]:
        bits += _bits(integer(fields, name, (1 << width) - 1), width, msb_first=False)
    return _pulses(bits, SIRC)
