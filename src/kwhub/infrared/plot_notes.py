"""What stands under the pulses of a picture: bits, bytes and frames, each where it was sent.

Source: our own drawing; where a code keeps its bits stands in ``codes``.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from kwhub.infrared import uart
from kwhub.infrared.codes import Decoded
from kwhub.infrared.pulses import Pulses

__all__ = ["Note", "Row", "notes_of", "rows_of", "unit_of"]

Layer = Literal["bit", "byte", "frame"]

DISTANCE_ONE_US = 1125.0  #: spaces above are 1 (NEC, remote module)
WIDTH_ONE_US = 900.0  #: marks above are 1 (SIRC)
RC5_BIT_US = 1778.0
RC5_BITS = 14  #: with both start bits
RC6_BIT_US = 889.0
RC6_LEADER_US = 3555.0
RC6_TOGGLE = 4  #: place of the bit of double length
IN_HEXADECIMAL = ("address", "command", "data", "sum")
ROWS_MOST = 2000
GAP_UNITS = 14.0  #: dark that begins a new row


@dataclass(frozen=True, slots=True)
class Note:
    """A text and the time that it belongs to, in microseconds from the first edge."""

    begin_us: float
    end_us: float
    text: str
    layer: Layer
    good: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a picture, in microseconds from the first edge."""

    begin_us: float
    end_us: float


def notes_of(pulses: Pulses, answers: Iterable[Decoded]) -> list[Note]:
    """Notes for everything that was decoded of a train."""
    return [note for answer in answers for note in _of_answer(pulses, answer)]


def unit_of(pulses: Pulses) -> float:
    """About the shortest duration, in microseconds; flashes do not count."""
    ordered = sorted(pulses.durations_us)
    return ordered[len(ordered) // 10] if ordered else 1.0


def rows_of(
    pulses: Pulses, notes: Sequence[Note], span_us: float, *, most: int = ROWS_MOST
) -> list[Row]:
    """Cut a train into rows of at most a span: at long dark, between bytes, or before a mark."""
    edges = list(accumulate(pulses.durations_us, initial=0.0))
    if len(edges) < 2:
        return []
    gap_us = min(GAP_UNITS * unit_of(pulses), span_us / 2)
    begins = (
        sorted(note.begin_us for note in notes if note.layer != "bit"),
        sorted(note.begin_us for note in notes),
    )
    rows: list[Row] = []
    begin, end = 0.0, len(edges) - 1
    for place in range(0, end, 2):
        mark_end = edges[place + 1]
        if (
            place
            and pulses.durations_us[place - 1] > gap_us
            and not _within(notes, edges[place - 1], edges[place])
        ):
            rows.append(Row(begin, edges[place - 1]))
            begin = edges[place]
        while mark_end - begin > span_us:
            cut = _cut(begin, min(edges[place], begin + span_us), begins)
            rows.append(Row(begin, cut))
            begin = cut
            if len(rows) >= most:
                return rows[:most]
    tail = min(edges[-1], max([edges[(end - 1) // 2 * 2 + 1], *(n.end_us for n in notes)]))
    rows.append(Row(begin, max(tail, begin + unit_of(pulses))))
    return rows


def _within(notes: Sequence[Note], begin_us: float, end_us: float) -> bool:
    """Whether the dark belongs to a byte."""
    return any(
        note.layer == "byte" and note.begin_us < begin_us and note.end_us > end_us - 1e-6
        for note in notes
    )


def _cut(begin_us: float, latest_us: float, begins: Sequence[Sequence[float]]) -> float:
    """The last beginning of a byte in the second half of the room, else that of a bit."""
    for preferred in begins:
        place = bisect_right(preferred, latest_us)
        if place and preferred[place - 1] > begin_us + (latest_us - begin_us) / 2:
            return preferred[place - 1]
    return latest_us if latest_us > begin_us else begin_us + 1.0


def _of_answer(pulses: Pulses, answer: Decoded) -> Iterator[Note]:
    edges = list(accumulate(pulses.durations_us, initial=0.0))
    begin, end = edges[answer.first], edges[answer.end]
    if answer.end % 2 == 0 and answer.end > answer.first + 1:
        end = edges[answer.end - 1]
    if answer.protocol is None:
        yield Note(begin, end, "?", "frame", good=False)
        return
    inside = _of_bytes if answer.protocol.startswith("UART") and answer.first % 2 == 0 else _of_bits
    notes = list(inside(pulses, answer, edges))
    yield from notes
    yield from _in_bytes(answer.protocol, [note for note in notes if note.layer == "bit"])
    end = max([end, *(note.end_us for note in notes)])
    fields = " ".join(f"{name}={_text(name, value)}" for name, value in answer.fields.items())
    good = answer.error is None and answer.confidence > 0.5
    yield Note(begin, end, f"{answer.protocol} {fields}".strip(), "frame", good)


def _text(name: str, value: object) -> str:
    if name in IN_HEXADECIMAL and isinstance(value, int):
        return f"0x{value:02X}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _in_bytes(name: str, bits: Sequence[Note]) -> Iterator[Note]:
    """Bytes over the bits of the codes that have any: NEC low bit first, remote module high bit."""
    if name not in ("NEC", "REMOTE_MODULE"):
        return
    for place in range(0, len(bits) - 7, 8):
        eight = bits[place : place + 8]
        digits = "".join(note.text for note in eight)
        value = int(digits[::-1] if name == "NEC" else digits, 2)
        yield Note(eight[0].begin_us, eight[-1].end_us, f"{value:02X}", "byte")


def _of_bytes(pulses: Pulses, answer: Decoded, edges: Sequence[float]) -> Iterator[Note]:
    """Bits and bytes of a UART, where its receiver found them."""
    begin_us = edges[answer.first]
    baud = answer.fields.get("baud")
    bits, parity = _setting(answer.protocol or "")
    part = Pulses(pulses.durations_us[answer.first : answer.end])
    text = uart.decode(part, baud if isinstance(baud, int) else None, parity, bits)
    wrong = {error.place for error in text.errors if error.kind != "start"}
    bit_us = 1e6 / (text.measured_baud or text.baud)
    for place, character in enumerate(text.characters):
        start = begin_us + character.start_us
        good = place not in wrong
        end = start + len(character.bits) * bit_us
        yield Note(start, end, f"{character.value:02X}", "byte", good)
        for number, bit in enumerate(character.bits):
            at = start + number * bit_us
            yield Note(at, at + bit_us, str(bit), "bit", good)


def _setting(name: str) -> tuple[int, uart.Parity]:
    """Data bits and parity of a name such as ``UART_8E1``."""
    words: dict[str, uart.Parity] = {
        "N": "none",
        "E": "even",
        "O": "odd",
        "M": "mark",
        "S": "space",
    }
    setting = name.partition("_")[2]
    if len(setting) != 3:
        return 8, "even"
    return (7 if setting[0] == "7" else 8), words.get(setting[1], "even")


def _of_bits(pulses: Pulses, answer: Decoded, edges: Sequence[float]) -> Iterator[Note]:
    """Bits of a remote-control code, by its way of keeping them."""
    first, name = answer.first, answer.protocol
    if name in ("NEC", "REMOTE_MODULE", "SIRC"):
        yield from _of_lengths(pulses, answer, edges)
    elif name == "RC5":
        for place in range(RC5_BITS):
            at = edges[first] + (place - 0.5) * RC5_BIT_US
            bit = _light(edges, at + 0.75 * RC5_BIT_US)
            yield Note(max(at, edges[first]), at + RC5_BIT_US, str(int(bit)), "bit")
    elif name == "RC6":
        at = edges[first] + RC6_LEADER_US
        last = edges[answer.end] - RC6_BIT_US / 4
        place = 0
        while at < last:
            length = RC6_BIT_US * (2 if place == RC6_TOGGLE else 1)
            bit = _light(edges, at + length / 4)
            yield Note(at, at + length, str(int(bit)), "bit")
            at += length
            place += 1


def _of_lengths(pulses: Pulses, answer: Decoded, edges: Sequence[float]) -> Iterator[Note]:
    """One mark and one space for each bit, after the leader."""
    width = answer.protocol == "SIRC"
    for place in range(answer.first + 2, answer.end - (0 if width else 1), 2):
        if width:
            bit = pulses.durations_us[place] > WIDTH_ONE_US
            end = edges[place + 1]
        else:
            bit = pulses.durations_us[place + 1] > DISTANCE_ONE_US
            end = edges[place + 2]
        yield Note(edges[place], end, str(int(bit)), "bit")


def _light(edges: Sequence[float], at_us: float) -> bool:
    """Whether there is light at a time; after the last edge there is none."""
    place = bisect_right(edges, at_us)
    return place % 2 == 1 and place < len(edges)
