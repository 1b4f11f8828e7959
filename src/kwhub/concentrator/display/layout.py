"""Text in cells: Chinese characters are two wide, and nothing may be wider than the glass."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rich.cells import cell_len, chop_cells, set_cell_size

from kwhub.concentrator.display.texts import Texts

__all__ = ["Look", "Row", "ends", "facts", "fit", "table", "wrap"]

WIDE = 60
"""From this width on, values stand in a column of their own."""

LABEL_CELLS = 30
"""Width of the labels there."""


class Row(NamedTuple):
    """One line of the glass."""

    text: str
    is_inverted: bool = False


class Look(NamedTuple):
    """What a page must know of the glass and of the reader."""

    width: int
    height: int  #: lines of the body
    texts: Texts
    zone: ZoneInfo
    now: int | None  #: by the site's clock; None while there is no contact

    def moment(self, at: int | None) -> str:
        """A moment as wall time of the site; short where there is little room."""
        if at is None:
            return self.texts("word.never")
        wall = datetime.fromtimestamp(at, self.zone)
        return f"{wall:%Y-%m-%d %H:%M:%S}" if self.width >= WIDE else f"{wall:%m-%d %H:%M}"


def fit(text: str, width: int) -> str:
    """The text in exactly so many cells, cut or filled with spaces.

    >>> fit("电表", 3), fit("abc", 5)
    ('电 ', 'abc  ')
    """
    return set_cell_size(text, max(0, width))


def ends(left: str, right: str, width: int) -> str:
    """One text at each end of a line; the left one gives way.

    >>> ends("A相电压", "230.1 V", 16)
    'A相电压  230.1 V'
    """
    room = width - cell_len(right)
    if room <= 0:
        return fit(right, width)
    if cell_len(left) >= room:
        left = fit(left, room - 1)
    return fit(left, room) + right


def wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most so many cells, cut at spaces where there are any."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        for part in chop_cells(word, max(2, width)):
            longer = f"{line} {part}" if line else part
            if cell_len(longer) <= width:
                line = longer
                continue
            lines.append(line)
            line = part
    return [*lines, line] if line else lines


def facts(pairs: Iterable[tuple[str, str]], width: int) -> list[str]:
    """Labels and values, one to a line; a value that does not fit goes on below its label."""
    lines: list[str] = []
    for label, value in pairs:
        if width >= WIDE:
            is_long = (
                cell_len(label) >= LABEL_CELLS
            )  # the last figure of a name is no first of a value
            name = f"{label}  " if is_long else fit(label, LABEL_CELLS)
            first, *more = wrap(value, width - cell_len(name)) or [""]
            lines.append(name + first)
            lines += [" " * LABEL_CELLS + each for each in more]
        elif cell_len(label) + 1 + cell_len(value) <= width:
            lines.append(ends(label, value, width))
        else:
            lines.append(label)
            lines += [ends("", each, width) for each in wrap(value, width - 1)]
    return lines


def table(rows: Sequence[Sequence[str]], label: int, width: int) -> list[str]:
    """Rows of a label and right-aligned numbers that share the rest of the width."""
    columns = max(map(len, rows)) - 1
    column = (width - label) // columns
    return [
        fit(row[0], label) + "".join(ends("", each, column) for each in row[1:]) for row in rows
    ]
