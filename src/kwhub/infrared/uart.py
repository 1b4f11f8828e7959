"""Bytes over light: the UART of a meter's infrared window, as pulse trains.

Light is 0 and dark is 1, so that a quiet line is dark; the low bit goes first.  A mark that a
receiver has made longer is measured and taken back before the bits are read.

Source: DL/T 645-2007, clause 4 (byte: start bit, eight data bits, even parity, one stop bit;
infrared at 1200 baud with a carrier of 38 kHz); the other settings are those of serial ports.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import median
from typing import Literal, TypeAlias, get_args

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.infrared.pulses import Pulses

__all__ = [
    "BAUDS",
    "Character",
    "Line",
    "Parity",
    "UartError",
    "UartText",
    "bytes_to_pulses",
    "decode",
    "encode",
    "pulses_to_bytes",
    "receive",
]

Parity: TypeAlias = Literal["none", "even", "odd", "mark", "space"]

BAUDS = (300, 600, 1200, 2400, 4800, 9600)
CARRIER_HZ = 38_000.0
DUTY = 1 / 3
SAMPLE_PLACES = (0.3, 0.5, 0.7)  #: where a bit is looked at, in bits from its beginning
SHORT_BITS = 3.5  #: runs up to here tell the stretch; in longer ones the clock's error adds up
STRETCH_BITS_MAX = 0.4  #: more than this cannot be told from a bit


@dataclass(frozen=True, slots=True)
class Line:
    """How bytes become bits.  Raises ``LocalError`` for what no port can do."""

    baud: int = 1200  #: bits a second, 300 to 9600
    parity: Parity = "even"
    data_bits: int = 8  #: 7 or 8
    stop_bits: int = 1  #: 1 or 2

    def __post_init__(self) -> None:
        """Refuse what is no setting."""
        if not BAUDS[0] <= self.baud <= BAUDS[-1]:
            raise LocalError(f"{self.baud} baud is not between {BAUDS[0]} and {BAUDS[-1]}")
        if self.parity not in get_args(Parity):
            raise LocalError(f"no parity {self.parity!r}; there are {', '.join(get_args(Parity))}")
        if self.data_bits not in (7, 8) or self.stop_bits not in (1, 2):
            raise LocalError("a byte has 7 or 8 data bits and 1 or 2 stop bits")

    @property
    def bit_us(self) -> float:
        """Length of a bit in microseconds."""
        return 1e6 / self.baud

    @property
    def parity_bits(self) -> int:
        """0 or 1."""
        return int(self.parity != "none")

    @property
    def bits(self) -> int:
        """Bits from the start bit to the last stop bit."""
        return 1 + self.data_bits + self.parity_bits + self.stop_bits

    def parity_of(self, value: int) -> int:
        """The parity bit that belongs to a byte; 1 is dark."""
        if self.parity in ("mark", "space"):
            return int(self.parity == "mark")
        return (value.bit_count() + (self.parity == "odd")) % 2

    def levels(self, value: int) -> list[int]:
        """The bits of one byte on the line, start and stop bits too; 0 is light."""
        bits = [0, *((value >> place) & 1 for place in range(self.data_bits))]
        if self.parity_bits:
            bits.append(self.parity_of(value))
        return bits + [1] * self.stop_bits


@dataclass(frozen=True, slots=True)
class UartError:
    """What is wrong at one place of the train.

    ``kind``: ``start`` (light that was too short for a start bit), ``parity`` or ``stop``.
    """

    kind: Literal["start", "parity", "stop"]
    place: int  #: index in ``data`` of the byte; for ``start`` of the byte that comes next
    at_us: float  #: microseconds from the first edge to the bit in question
    detail: str


@dataclass(frozen=True, slots=True)
class Character:
    """One byte and where its bits stand."""

    value: int
    start_us: float  #: beginning of the start bit, in microseconds from the first edge
    bits: tuple[int, ...]  #: start, data, parity, stop as received; 0 is light


@dataclass(frozen=True, slots=True)
class UartText:
    """What a train says."""

    data: bytes  #: bytes with errors are among them
    errors: tuple[UartError, ...]
    baud: int  #: the nominal rate that was used
    characters: tuple[Character, ...] = ()
    measured_baud: float | None = None  #: from edge to like edge; None for fewer than two of them
    stretch_us: float = 0.0  #: what each mark is too long; it was taken back

    @property
    def clean(self) -> bool:
        """Whether there are bytes and no errors."""
        return bool(self.data) and not self.errors


def encode(
    data: bytes,
    line: Line | None = None,
    *,
    carrier_hz: float | None = CARRIER_HZ,
    duty: float = DUTY,
) -> Pulses:
    """The train of some bytes sent without gaps; it ends with the last stop bit, which is dark.

    Raises ``LocalError`` for a byte of more than seven bits on a line of seven.

    >>> encode(b"U", Line(baud=1000)).durations_us[:4]
    (1000.0, 1000.0, 1000.0, 1000.0)
    """
    line = line or Line()
    runs: list[list[int]] = []
    for place, value in enumerate(data):
        if value >> line.data_bits:
            raise LocalError(f"byte {place} ({value:02X}H) has more than {line.data_bits} bits")
        for level in line.levels(value):
            if runs and runs[-1][0] == level:
                runs[-1][1] += 1
            else:
                runs.append([level, 1])
    durations = tuple(count * line.bit_us for _, count in runs)
    return Pulses(durations, carrier_hz, None if carrier_hz is None else duty)


def bytes_to_pulses(
    data: bytes,
    baud: int = 1200,
    parity: Parity = "even",
    stop_bits: int = 1,
    carrier_hz: float | None = CARRIER_HZ,
    duty: float = DUTY,
) -> Pulses:
    """``encode`` for eight data bits."""
    line = Line(baud=baud, parity=parity, stop_bits=stop_bits)
    return encode(data, line, carrier_hz=carrier_hz, duty=duty)


def pulses_to_bytes(pulses: Pulses, line: Line | None = None) -> bytes:
    """The bytes of a train; raises ``DecodeError`` at the first error, with its place."""
    text = receive(pulses, line or Line())
    for error in text.errors:
        raise DecodeError(
            f"uart_{error.kind}", error.detail, field=f"byte {error.place}", offset=error.place
        )
    return text.data


def decode(
    pulses: Pulses,
    baud: int | None = None,
    parity: Parity = "even",
    data_bits: int = 8,
    stop_bits: int = 1,
) -> UartText:
    """Read a train; without ``baud`` the rate of ``BAUDS`` that fits best.

    The best has the smallest share of errors, then the edges that stand nearest to whole bits,
    then the slowest rate: every train fits at twice its rate too.
    """
    if baud is not None:
        return receive(pulses, Line(baud, parity, data_bits, stop_bits))
    found: list[tuple[tuple[float, float, int], UartText]] = []
    for rate in BAUDS:
        line = Line(rate, parity, data_bits, stop_bits)
        text = receive(pulses, line)
        wrong = len(text.errors) / len(text.data) if text.data else math.inf
        misfit = _misfit(pulses.durations_us, line, text.stretch_us)
        found.append(((wrong, round(misfit, 1), rate), text))
    return min(found, key=lambda item: item[0])[1]


def receive(pulses: Pulses, line: Line) -> UartText:
    """Read a train at one setting: each bit by a majority of three looks, start bits verified."""
    stretch = _stretch(pulses.durations_us, line.bit_us)
    receiver = _Receiver(pulses.durations_us, line, stretch)
    receiver.run()
    return UartText(
        bytes(character.value for character in receiver.characters),
        tuple(receiver.errors),
        line.baud,
        tuple(receiver.characters),
        _measured_baud(pulses.durations_us, line),
        stretch,
    )


class _Receiver:
    """Walks along the edges of one train."""

    def __init__(self, durations_us: Sequence[float], line: Line, stretch_us: float) -> None:
        edges = list(accumulate(durations_us, initial=0.0))
        self._line = line
        self._edges = [
            at - stretch_us if place % 2 and at - stretch_us > edges[place - 1] else at
            for place, at in enumerate(edges)
        ]
        if len(durations_us) % 2 == 0:
            self._edges.pop()  # the end of a space is no edge: the dark goes on
        self.characters: list[Character] = []
        self.errors: list[UartError] = []

    def run(self) -> None:
        place = 0
        while place < len(self._edges):
            end_us = self._character(self._edges[place])
            place = max(bisect_right(self._edges, end_us), place + 1)
            place += place % 2  # on to the next edge where light begins

    def _character(self, start_us: float) -> float:
        """Read what begins at an edge; returns the time from which to look for the next edge."""
        line = self._line
        if self._bit(start_us, 0):
            self._note("start", start_us, "light too short for a start bit")
            return start_us
        bits = [self._bit(start_us, place) for place in range(line.bits)]
        value = sum(bit << place for place, bit in enumerate(bits[1 : 1 + line.data_bits]))
        self._judge(start_us, bits, value)
        self.characters.append(Character(value, start_us, tuple(bits)))
        return start_us + (line.bits - 1 + SAMPLE_PLACES[0]) * line.bit_us

    def _judge(self, start_us: float, bits: list[int], value: int) -> None:
        line = self._line
        place = 1 + line.data_bits
        if line.parity_bits:
            if bits[place] != line.parity_of(value):
                at = start_us + place * line.bit_us
                self._note("parity", at, f"{line.parity} parity is wrong for {value:02X}H")
            place += 1
        for stop in range(place, line.bits):
            if not bits[stop]:
                self._note("stop", start_us + stop * line.bit_us, "light where a stop bit is dark")
                break

    def _bit(self, start_us: float, place: int) -> int:
        """1 when the bit is dark at two or three of the three places."""
        dark = 0
        for share in SAMPLE_PLACES:
            at = start_us + (place + share) * self._line.bit_us
            dark += bisect_right(self._edges, at) % 2 == 0
        return int(dark >= 2)

    def _note(self, kind: Literal["start", "parity", "stop"], at_us: float, what: str) -> None:
        place = len(self.characters)
        detail = f"{what} (byte {place}, {at_us / 1000:.3f} ms after the first edge)"
        self.errors.append(UartError(kind, place, at_us, detail))


def _stretch(durations_us: Sequence[float], bit_us: float) -> float:
    """How much longer than whole bits the marks are, and the spaces shorter; microseconds.

    The middle value over short runs, flashes left out; 0 without any.
    """
    excess = []
    for place, duration in enumerate(durations_us):
        if STRETCH_BITS_MAX * bit_us < duration < SHORT_BITS * bit_us:
            over = duration - max(1, round(duration / bit_us)) * bit_us
            excess.append(over if place % 2 == 0 else -over)
    if not excess:
        return 0.0
    bound = STRETCH_BITS_MAX * bit_us
    return min(max(median(excess), -bound), bound)


def _misfit(durations_us: Sequence[float], line: Line, stretch_us: float) -> float:
    """Mean distance of the runs inside bytes from whole bits, in bits, 0 to 0.5."""
    misses = []
    for place, duration in enumerate(durations_us):
        bits = (duration - (stretch_us if place % 2 == 0 else -stretch_us)) / line.bit_us
        if bits <= line.bits:
            misses.append(abs(bits - max(1, round(bits))))
    return math.fsum(misses) / len(misses) if misses else 0.5


def _measured_baud(durations_us: Sequence[float], line: Line) -> float | None:
    """The rate by the times from light to light inside bytes, which no stretch changes."""
    total_us, bits = 0.0, 0
    for place, (mark, space) in enumerate(pairwise(durations_us)):
        count = round((mark + space) / line.bit_us)
        if place % 2 == 0 and 2 <= count < line.bits:
            total_us += mark + space
            bits += count
    return bits / total_us * 1e6 if bits else None
