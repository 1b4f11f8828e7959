"""What every page of the screen is: a question, lines made from the answer, and what keys do.

Pages know nothing of the terminal that shows them; a key leads to a step, which the screen takes.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kwhub.concentrator.display.layout import Look, Row, fit, wrap
from kwhub.concentrator.panel_views import ROWS_MAX, Query
from kwhub.domain.errors import LocalError

__all__ = ["Back", "End", "FactsPage", "Key", "ListPage", "Open", "Page", "Step", "Swap"]


class Key(StrEnum):
    """The keys of the panel, as a terminal names them."""

    UP = "up"
    DOWN = "down"
    LEFT = "left"
    RIGHT = "right"
    ENTER = "enter"
    ESCAPE = "escape"


@dataclass(frozen=True, slots=True)
class Step:
    """Stay on the page; ``asks``: its question has changed."""

    asks: bool = False


@dataclass(frozen=True, slots=True)
class Back(Step):
    """Go back one page."""


@dataclass(frozen=True, slots=True)
class End(Step):
    """Close the screen."""


@dataclass(frozen=True, slots=True)
class Open(Step):
    """Go to a page."""

    page: "Page | None" = None


@dataclass(frozen=True, slots=True)
class Swap(Open):
    """Go to a page that takes the place of this one."""


class Page(ABC):
    """Base of all pages.

    Attributes:
        title: key of its text below ``page``.
        hint: key of the line about its keys below ``hint``.
        refresh_s: pause before its question is asked again; 0: only when a key says so.
        trouble: what went wrong with the last question.
    """

    title = "home"
    hint = "facts"
    refresh_s = 2.0

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.view: Any = None

    def query(self, height: int) -> Query[Any] | None:  # noqa: ARG002 - lists fill the height
        """What is to be asked for a body of so many lines; None for nothing."""
        return None

    def take(self, view: Any) -> None:
        """Take the answer."""
        self.view = view
        self.trouble = None

    def fail(self, error: Exception) -> None:
        """The question was not answered; what is known stays."""
        self.trouble = error

    def heading(self, look: Look) -> str:
        """The title."""
        return look.texts(f"page.{self.title}")

    @abstractmethod
    def rows(self, look: Look) -> list[Row]:
        """The lines of the body."""

    def press(self, key: Key, look: Look) -> Step:  # noqa: ARG002 - some pages need the room
        """Take a key."""
        return Back() if key is Key.ESCAPE else Step()

    def troubled(self, look: Look) -> list[Row]:
        """Lines about what went wrong."""
        if self.trouble is None:
            return []
        lines = wrap(look.texts.error(self.trouble), look.width)
        if isinstance(self.trouble, LocalError):  # names the file or the point
            lines += wrap(str(self.trouble), look.width)
        return [Row(line, is_inverted=True) for line in lines]


class FactsPage(Page):
    """Lines that may be more than fit; arrows move them."""

    def __init__(self) -> None:
        super().__init__()
        self._top = 0

    @abstractmethod
    def lines(self, look: Look) -> list[str]:
        """All lines, when there is an answer."""

    def rows(self, look: Look) -> list[Row]:
        """See Page."""
        trouble = self.troubled(look)
        if self.view is None and self.query(look.height) is not None:
            return trouble or [Row(look.texts("word.waiting"))]
        lines = self.lines(look)
        room = max(1, look.height - len(trouble))
        self._top = max(0, min(self._top, len(lines) - room))
        return trouble + [Row(line) for line in lines[self._top : self._top + room]]

    def press(self, key: Key, look: Look) -> Step:
        """See Page."""
        moves = {Key.UP: -1, Key.DOWN: 1, Key.LEFT: -look.height, Key.RIGHT: look.height}
        if key in moves:
            self._top = max(0, self._top + moves[key])  # the end is found when it is drawn
            return Step()
        return super().press(key, look)


class ListPage(Page):
    """A list of which one line is chosen; only what is shown is asked for."""

    hint = "list"
    headings = 0  #: lines above the list

    def __init__(self) -> None:
        super().__init__()
        self.chosen = 0
        self._first = 0  # of the lines on the glass

    def items(self) -> Sequence[Any]:
        """The items that are known, from ``offset`` on."""
        return self.view.rows if self.view is not None else ()

    @property
    def offset(self) -> int:
        """Place of the first known item."""
        return self.view.offset if self.view is not None else 0

    @property
    def total(self) -> int:
        """Length of the list."""
        return self.view.total if self.view is not None else 0

    def item(self) -> Any:
        """The chosen item; None while it is not known."""
        place = self.chosen - self.offset
        known = self.items()
        return known[place] if 0 <= place < len(known) else None

    @abstractmethod
    def line(self, item: Any, look: Look) -> str:
        """An item in one line."""

    def above(self, look: Look) -> list[str]:  # noqa: ARG002 - for lists with columns
        """Lines above the list."""
        return []

    @abstractmethod
    def opened(self, item: Any) -> Page | None:
        """The page of an item."""

    def window(self, height: int) -> tuple[int, int]:
        """First item and number of items on a body of so many lines."""
        room = max(1, min(height - self.headings, ROWS_MAX))
        self._first = max(self.chosen - room + 1, min(self._first, self.chosen))
        return self._first, room

    def rows(self, look: Look) -> list[Row]:
        """See Page."""
        trouble = self.troubled(look)
        if self.view is None:
            return trouble or [Row(look.texts("word.waiting"))]
        if not self.total:
            return [*trouble, Row(look.texts("word.nothing"))]
        self.chosen = max(0, min(self.chosen, self.total - 1))
        first, room = self.window(look.height)
        rows = [Row(line) for line in self.above(look)]
        for number, item in enumerate(self.items(), start=self.offset):
            if first <= number < first + room:
                line = fit(self.line(item, look), look.width)
                rows.append(Row(line, is_inverted=number == self.chosen))
        return trouble + rows

    def press(self, key: Key, look: Look) -> Step:
        """See Page."""
        _, room = self.window(look.height)
        moves = {Key.UP: -1, Key.DOWN: 1, Key.LEFT: -room, Key.RIGHT: room}
        if key in moves and self.total:
            before = self._first
            self.chosen = max(0, min(self.chosen + moves[key], self.total - 1))
            return Step(asks=self.window(look.height)[0] != before)
        if key is Key.ENTER and (item := self.item()) is not None:
            page = self.opened(item)
            return Open(page=page) if page else Step()
        return super().press(key, look)
