"""Formats of plain text: mode2, raw lists, Pronto hex, CSV.

Source: mode2: LIRC, mode2(1) (``pulse n``, ``space n``, microseconds); Pronto hex: learned codes 0000
(frequency word times 0.241246 us, burst pairs in carrier periods), as published by many makers;
raw lists and CSV (time in microseconds, level) are customs, not standards.
"""

import csv
import re
from collections.abc import Iterator

from kwhub.infrared.formats.trains import SEPARATORS, Train, bad, from_edges, from_runs, number
from kwhub.infrared.pulses import Pulses

__all__ = [
    "read_csv",
    "read_mode2",
    "read_pronto",
    "read_raw",
    "write_csv",
    "write_mode2",
    "write_pronto",
    "write_raw",
]

GAP_US = 100_000.0
PRONTO_UNIT_US = 0.241246
PRONTO_PAIRS_MAX = 0xFFFF
PRONTO_LEARNED, PRONTO_BARE = 0x0000, 0x0100
"""Kinds of Pronto codes: with a carrier, and without one."""
PRONTO_BARE_WORD = 4
"""Time base of a code without a carrier: the word is the unit's own, a little under one microsecond."""
MODE2_DARK = ("space", "timeout")
CSV_TIMES = {"time_us": 1.0, "time": 1e6, "time_s": 1e6, "time_ms": 1e3, "time_ns": 1e-3}


def _plain(value: float) -> str:
    """A duration with no more digits than it needs."""
    return f"{value:.3f}".rstrip("0").rstrip(".") if value >= 0.001 else repr(value)


def read_mode2(text: str) -> list[Train]:
    """``pulse n`` and ``space n``; a line ``carrier n`` or a comment ``# carrier n`` is taken too."""
    runs: list[tuple[bool, float]] = []
    carrier = duty = None
    for place, line in enumerate(text.splitlines(), 1):
        words = line.replace(":", " ").replace("#", " ").split()
        if len(words) >= 2 and words[0] == "carrier":
            carrier = number(words[1], place)
        elif len(words) >= 2 and words[0] == "duty":
            duty = number(words[1], place)
        elif line.lstrip().startswith("#") or not words:
            continue
        elif len(words) >= 2 and words[0] in ("pulse", *MODE2_DARK):
            runs.append((words[0] == "pulse", number(words[1], place)))
        elif not line.startswith(("Using", "Trying", "Running")):
            raise bad(f"{line[:40]!r} is neither pulse nor space", place)
    return [Train(Pulses(from_runs(runs), carrier, duty))]


def write_mode2(pulses: Pulses) -> str:
    """Nothing is lost; carrier and duty stand in comments."""
    lines = [] if pulses.carrier_hz is None else [f"# carrier {pulses.carrier_hz!r}"]
    lines += [] if pulses.duty is None else [f"# duty {pulses.duty!r}"]
    lines += [
        f"{'space' if place % 2 else 'pulse'} {duration!r}"
        for place, duration in enumerate(pulses.durations_us)
    ]
    return "\n".join(lines) + "\n"


def read_raw(text: str) -> list[Train]:
    """Numbers apart by blanks or commas; with signs + is light and - is dark."""
    runs: list[tuple[bool, float]] = []
    signed = "-" in re.sub(r"[eE]-", "", text)
    place = 0
    for line, row in enumerate(text.splitlines(), 1):
        for word in SEPARATORS.split(row.partition("#")[0]):
            if word:
                value = number(word, line)
                runs.append((value > 0 if signed else place % 2 == 0, abs(value)))
                place += 1
    return [Train(Pulses(from_runs(runs)))]


def write_raw(pulses: Pulses) -> str:
    """Signed; carrier and duty are lost."""
    return (
        " ".join(
            f"{'-' if place % 2 else '+'}{duration!r}"
            for place, duration in enumerate(pulses.durations_us)
        )
        + "\n"
    )


def read_pronto(text: str) -> list[Train]:
    """Learned codes (0000; 0100 without a carrier): what is sent once and what repeats, a train each."""
    trains: list[Train] = []
    for place, line in _pronto_lines(text):
        trains += _pronto(line.split(), place)
    return trains


def _pronto_lines(text: str) -> Iterator[tuple[int, str]]:
    """A code may be broken over lines; each begins with 0000 or 0100."""
    begin, words = 0, ""
    for place, row in enumerate(text.splitlines(), 1):
        line = row.partition("#")[0].strip()
        if re.match(r"0[01]00 [0-9A-Fa-f]{4} [0-9A-Fa-f]{4} [0-9A-Fa-f]{4}", line) and words:
            yield begin, words
            begin, words = place, ""
        if line:
            begin, words = begin or place, f"{words} {line}"
    if words:
        yield begin, words


def _pronto(words: list[str], line: int) -> list[Train]:
    for word in words:
        if not re.fullmatch(r"[0-9A-Fa-f]{4}", word):
            raise bad(f"{word[:40]!r} is no word of four hexadecimal digits", line)
    values = [int(word, 16) for word in words]
    if len(values) < 4:
        raise bad("a Pronto code has at least four words", line)
    if values[0] not in {PRONTO_LEARNED, PRONTO_BARE} or not values[1]:
        told = " ".join(words[:2])
        raise bad(f"only learned codes (0000 or 0100, frequency) are read, not {told}", line)
    once, again = values[2], values[3]
    needed = 4 + 2 * (once + again)
    if len(values) != needed:
        raise bad(f"{once} + {again} pairs need {needed} words, there are {len(values)}", line)
    period = values[1] * PRONTO_UNIT_US
    trains = []
    for name, part in (("once", values[4 : 4 + 2 * once]), ("repeat", values[4 + 2 * once :])):
        runs = [(place % 2 == 0, value * period) for place, value in enumerate(part)]
        if part:
            carrier = 1e6 / period if values[0] == PRONTO_LEARNED else None
            trains.append(Train(Pulses(from_runs(runs), carrier), name))
    return trains


def write_pronto(pulses: Pulses) -> str:
    """Quantised to carrier periods (error up to half a period); duty is lost, a gap is added.

    Without a carrier the kind is 0100 and the unit just under one microsecond.
    """
    carrier = pulses.carrier_hz
    kind = PRONTO_BARE if carrier is None else PRONTO_LEARNED
    word = PRONTO_BARE_WORD if carrier is None else round(1e6 / (carrier * PRONTO_UNIT_US))
    period = word * PRONTO_UNIT_US
    durations = list(pulses.durations_us)
    if len(durations) % 2:
        durations.append(GAP_US)
    if len(durations) // 2 > PRONTO_PAIRS_MAX:
        raise bad(f"more than {PRONTO_PAIRS_MAX} pairs do not fit into a Pronto code")
    counts = [min(0xFFFF, max(1, round(duration / period))) for duration in durations]
    words = [kind, word, len(counts) // 2, 0, *counts]
    return " ".join(f"{value:04X}" for value in words) + "\n"


def read_csv(text: str, *, inverted: bool | None = None) -> list[Train]:
    """Columns time and level (a line a change, or a line a sample), or one column of durations."""
    rows = _csv_rows(text)
    if not rows:
        return [Train(Pulses(()))]
    head = [word.strip().strip('"').lower() for word in rows[0][1]]
    titled = not _is_number(head[0])
    body = rows[1:] if titled else rows
    if len(head) == 1 or head[0].startswith("duration"):
        runs = [(place % 2 == 0, number(row[0], line)) for place, (line, row) in enumerate(body)]
        return [Train(Pulses(from_runs(runs)))]
    factor = CSV_TIMES.get(head[0].replace("[", "_").rstrip("]"), 1e6) if titled else 1e6
    edges: list[tuple[float, bool]] = []
    end_us = 0.0
    for line, row in body:
        if len(row) < 2:
            raise bad("a time without a level", line)
        at, level = number(row[0], line) * factor, number(row[1], line) >= 0.5
        if edges and at < end_us:
            raise bad("the time goes back", line)
        end_us = at
        if not edges or edges[-1][1] != level:
            edges.append((at, level))
    if len(body) and edges and edges[-1][0] == end_us:
        end_us = edges.pop()[0]
        edges = edges or [(end_us, False)]
    return [Train(Pulses(_settled(from_edges(edges, end_us, inverted=inverted))))]


def _csv_rows(text: str) -> list[tuple[int, list[str]]]:
    """Lines that are no comments, with their numbers."""
    try:
        return [
            (place, row)
            for place, row in enumerate(
                csv.reader(text.splitlines(), delimiter=_delimiter(text)), 1
            )
            if row and not row[0].lstrip().startswith(("#", ";"))
        ]
    except csv.Error as problem:
        raise bad(f"no CSV: {problem}") from None


def _settled(durations: tuple[float, ...]) -> tuple[float, ...]:
    """Without the digits that differences of large times bring."""
    return tuple(round(duration, 6) or duration for duration in durations)


def _delimiter(text: str) -> str:
    line = next((row for row in text.splitlines() if row and row[0] not in "#;"), "")
    return max(",;\t", key=line.count)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def write_csv(pulses: Pulses) -> str:
    """A line a change: ``time_us,light``; carrier and duty are lost, times keep nanoseconds."""
    lines, at, level = ["time_us,light", "-1,0"], 0.0, 1
    for duration in pulses.durations_us:
        lines.append(f"{_plain(at) if at else 0},{level}")
        at, level = at + duration, 1 - level
    lines.append(f"{_plain(at) if at else 0},{level}")
    return "\n".join(lines) + "\n"
