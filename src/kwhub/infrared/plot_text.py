"""A picture of a pulse train made of characters, with what it says under it.

Source: our own drawing.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from kwhub.infrared.codes import Decoded
from kwhub.infrared.plot_notes import Layer, Note, Row, notes_of, rows_of, unit_of
from kwhub.infrared.pulses import Pulses

__all__ = ["draw_text"]

LIGHT: Final = "█"
DARK: Final = "▁"
CELLS_IN_UNIT: Final = 2
ROWS_MAX: Final = 500
MARGIN: Final = 10  #: characters before the light, with the time in milliseconds


def draw_text(pulses: Pulses, answers: Sequence[Decoded] = (), *, width: int = 100) -> list[str]:
    """Lines of at most ``width`` characters: for each row the light, the bits, the bytes, the frame."""
    cell_us = unit_of(pulses) / CELLS_IN_UNIT
    notes = notes_of(pulses, answers)
    cells = max(width - MARGIN, 20)
    edges = list(accumulate(pulses.durations_us, initial=0.0))
    lines: list[str] = []
    rows = rows_of(pulses, notes, cells * cell_us, most=ROWS_MAX + 1)
    for row in rows[:ROWS_MAX]:
        lines += _row(row, edges, notes, cell_us, cells)
    return [*lines, "…"] if len(rows) > ROWS_MAX else lines


def _row(
    row: Row, edges: Sequence[float], notes: Sequence[Note], cell_us: float, cells: int
) -> list[str]:
    count = min(max(round((row.end_us - row.begin_us) / cell_us), 1), cells)
    light = "".join(
        LIGHT if _lit(edges, row.begin_us + (place + 0.5) * cell_us) else DARK
        for place in range(count)
    )
    lines = [f"{row.begin_us / 1000:8.2f}  {light}"]
    layers: tuple[Layer, ...] = ("bit", "byte", "frame")
    for layer in layers:
        inside = [
            note
            for note in notes
            if note.layer == layer
            and note.end_us > row.begin_us + cell_us / 2
            and note.begin_us < row.end_us - cell_us / 2
        ]
        line = _layer(row, inside, cell_us, cells)
        if line:
            lines.append(" " * MARGIN + line)
    return lines


def _lit(edges: Sequence[float], at_us: float) -> bool:
    place = bisect_right(edges, at_us)
    return place % 2 == 1 and place < len(edges)


def _layer(row: Row, notes: Sequence[Note], cell_us: float, cells: int) -> str:
    line = [" "] * cells
    end = min(cells, max(round((row.end_us - row.begin_us) / cell_us), 1))
    for note in notes:
        left = max(round((note.begin_us - row.begin_us) / cell_us), 0)
        right = min(max(round((note.end_us - row.begin_us) / cell_us), left + 1), end)
        for place, sign in enumerate(_label(note, right - left)):
            if left + place < cells:
                line[left + place] = sign
    return "".join(line).rstrip()


def _label(note: Note, room: int) -> str:
    if note.layer == "bit":
        return note.text[:room]
    text = note.text if note.good else f"{note.text}!"
    if room < len(text) + 4 and note.layer == "frame":
        return ("└ " + text)[: room - 1] + "…" if room > 5 else "…"
    if room < len(text) + 2:
        return text[:room]
    if note.layer == "byte":
        return "└" + f" {text} ".center(room - 2, "─") + "┘"
    return "└ " + text + " " + "─" * (room - len(text) - 4) + "┘"
