"""Reading the same again and again, with a plot of each number while somebody watches."""

import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from decimal import Decimal
from typing import Any

from rich.cells import cell_len
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from kwhub.cli.output import Language, console
from kwhub.cli.plot import plot
from kwhub.cli.read_rows import Row
from kwhub.cli.read_show import name_of, said, time_text
from kwhub.domain.errors import LocalError
from kwhub.runtime.clock import Clock

__all__ = ["Screen", "parse_period", "rounds"]

PERIOD_S_LEAST = 0.1
PERIOD_S_MOST = 86_400.0
UNITS_S = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}

PLOT_WIDTH_LEAST = 10
PLOT_WIDTH_MOST = 80
"""Characters; twice as many values are drawn. The plot takes what the other columns leave."""

GAP = 2
"""Blanks between columns."""

FEW_ROWS = 3
"""So many values have tall plots."""

TALL = 4
"""Lines of a tall plot."""

HEADINGS = {
    "en": ("name", "value", "unit", "least", "most", "plot"),
    "zh": ("名称", "数值", "单位", "最小", "最大", "曲线"),
}
RIGHT = frozenset({1, 3, 4})
HINT = {"en": "Ctrl-C stops", "zh": "按 Ctrl-C 结束"}


def parse_period(text: str) -> float:
    """Seconds from ``5s``, ``500ms``, ``1m``; without a unit they are seconds.

    >>> parse_period("1.5m"), parse_period("500ms")
    (90.0, 0.5)

    Raises:
        LocalError: it is no time, or too short or too long.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if match is None or match[2] not in UNITS_S:
        raise LocalError(f"{text!r} is no time; write 5s, 500ms or 1m")
    seconds = float(match[1]) * UNITS_S[match[2]]
    if not PERIOD_S_LEAST <= seconds <= PERIOD_S_MOST:
        raise LocalError(f"{text!r}: between {PERIOD_S_LEAST:g} s and {PERIOD_S_MOST:g} s")
    return seconds


async def rounds(
    read: Callable[[], Coroutine[Any, Any, list[Row]]],
    clock: Clock,
    *,
    period_s: float,
    count: int | None,
) -> AsyncIterator[list[Row]]:
    """Read every so often, on a grid of moments: a slow reading leaves out the moments it missed."""
    began_s = clock.monotonic()
    done = 0
    while True:
        yield await read()
        done += 1
        if done == count:
            return
        passed_s = clock.monotonic() - began_s
        next_s = (passed_s // period_s + 1) * period_s
        await clock.sleep(next_s - passed_s)


class Screen:
    """A table that is drawn over itself on a terminal."""

    def __init__(self, address: str, language: Language) -> None:
        """Make a screen; it appears when it is entered as a context."""
        self._address = address
        self._language = language
        self._history: dict[str, deque[Decimal | None]] = {}
        self._rows: Sequence[Row] = ()
        self._facts = ""
        self._live: Live | None = None
        self._console = console()

    @property
    def is_possible(self) -> bool:
        """Whether standard output is a terminal that can be drawn over."""
        return self._console.is_terminal

    def live(self) -> Live:
        """The context in which the screen is shown."""
        self._live = Live(self.picture(), console=self._console, auto_refresh=False)
        return self._live

    def take(self, rows: Sequence[Row], facts: str = "") -> None:
        """Show another reading, and how the line behaves."""
        self._rows = rows
        self._facts = facts
        for row in rows:
            number = row.value if isinstance(row.value, Decimal) else None
            history = self._history.setdefault(_key(row), deque(maxlen=2 * PLOT_WIDTH_MOST))
            history.append(number)
        if self._live is not None:
            self._live.update(self.picture(), refresh=True)

    def picture(self) -> Group:
        """The table as it stands."""
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
        headings = HEADINGS[self._language]
        for place, heading in enumerate(headings):
            table.add_column(heading, justify="right" if place in RIGHT else "left", no_wrap=True)
        lines = [self._cells(row) for row in self._rows]
        columns = zip(headings, *lines, strict=False)
        taken = sum(max(map(cell_len, cells)) + GAP for cells in columns) if lines else 0
        room = self._console.width - taken - GAP
        width = min(max(room, PLOT_WIDTH_LEAST), PLOT_WIDTH_MOST)
        height = TALL if len(self._rows) <= FEW_ROWS else 1
        for row, cells in zip(self._rows, lines, strict=True):
            drawn = plot(_floats(self._history[_key(row)]), width=width, height=height)
            table.add_row(*map(Text, cells), "\n".join(drawn))
        at = time_text(self._rows[-1].at) if self._rows else ""
        head = Text(f"{self._address}  {at}  {HINT[self._language]}", style="bold")
        return Group(head, Text(self._facts), table)

    def _cells(self, row: Row) -> tuple[str, ...]:
        """All but the plot."""
        known = [value for value in self._history[_key(row)] if value is not None]
        return (
            name_of(row, self._language),
            said(row, self._language),
            "" if row.value is None else row.unit,
            str(min(known)) if known else "",
            str(max(known)) if known else "",
        )


def _floats(values: Iterable[Decimal | None]) -> list[float | None]:
    return [None if value is None else float(value) for value in values]


def _key(row: Row) -> str:
    return row.register or row.identifier
