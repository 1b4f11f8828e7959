"""What every screen of the handheld is: a title, a list or facts, a line of news, a line of keys."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, ClassVar, TypeAlias

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from kwhub.domain.errors import KwhubError, LocalError
from kwhub.handheld.app import Device
from kwhub.handheld.screens.words import Words, ends
from kwhub.handheld.tasks import Tasks

__all__ = ["Ask", "Face", "Facts", "Keys", "Line", "Lines"]

Keys: TypeAlias = Sequence[tuple[str, str]]
"""A key and the key of its word below ``key``."""

Line: TypeAlias = tuple[str, str]
"""What stands at the left and at the right end of a line."""


class Face(Screen[None]):
    """Base of all screens.

    Attributes:
        title_key: its title below ``title``.
        keys: what its own keys do; a method ``press_<key>`` does it.
        news: the last thing that happened here.
    """

    title_key: ClassVar[str] = "home"
    keys: Keys = ()

    def __init__(self, device: Device, words: Callable[[], Words]) -> None:
        """Take the device, and who knows the language."""
        super().__init__()
        self.device = device
        self.words_now = words
        self.news = ""
        self.is_busy = False

    @property
    def w(self) -> Words:
        """The texts."""
        return self.words_now()

    @property
    def tasks(self) -> Tasks:
        """The work; screens behind the sign-in are gone before it is."""
        if self.device.tasks is None:
            raise RuntimeError("nobody has signed in")
        return self.device.tasks

    def compose(self) -> ComposeResult:
        """See Screen."""
        yield Static(id="title", markup=False)
        yield from self.body()
        yield Static(id="news", markup=False)
        yield Static(id="keys", markup=False)

    def body(self) -> ComposeResult:
        """What stands between title and keys."""
        yield from ()

    def on_mount(self) -> None:
        """Show what there is."""
        self.draw()

    def on_screen_resume(self) -> None:
        """Show it again: something may have changed on the screen above."""
        self.draw()

    def on_resize(self) -> None:
        """Lines are made for the width."""
        self.draw()

    def heading(self) -> Line:
        """The title and what stands beside it."""
        return self.w(f"title.{self.title_key}"), ""

    def draw(self) -> None:
        """Show everything anew."""
        if not self.is_mounted or (self.device.tasks is None and self.title_key != "sign_in"):
            return
        width = self.app.size.width
        try:
            heading = self.heading()
            self.fill(width)
        except LocalError as error:  # the work that it is about has gone meanwhile
            heading, self.news = (self.w(f"title.{self.title_key}"), ""), self.w.error(error)
            self.blank()
        self.query_one("#title", Static).update(ends(*heading, width))
        self.query_one("#news", Static).update(self.news)
        named = [*self.keys, ("escape", "escape")]
        told = [_key_and_word(key, self.w(f"key.{word}")) for key, word in named]
        self.query_one("#keys", Static).update(_filled(told, width))

    def fill(self, width: int) -> None:
        """Show the body. Raises LocalError: what it is about is not on this device any more."""

    def blank(self) -> None:
        """Show nothing of what is not on this device any more."""

    def tell(self, text: str) -> None:
        """Show news."""
        self.news = text
        self.draw()

    async def on_key(self, event: events.Key) -> None:
        """Take a key of this screen."""
        if event.key == "escape":
            event.stop()
            self.leave()
        elif any(key == event.key for key, _ in self.keys):
            press = getattr(self, f"press_{event.key}", None)
            if press is not None:  # Enter belongs to the list
                event.stop()
                press()

    def leave(self) -> None:
        """Go back."""
        self.app.pop_screen()

    def work(self, doing: Coroutine[Any, Any, None], *, then: str = "") -> None:
        """Do something that takes time; trouble becomes news. One thing at a time."""
        if self.is_busy:
            doing.close()
            return
        self.is_busy = True
        self.tell(self.w("word.working"))
        self.run_worker(self._work(doing, then), group="work")

    async def _work(self, doing: Awaitable[None], then: str) -> None:
        try:
            await doing
            if then:
                self.news = then
        except (KwhubError, OSError) as error:
            self.news = self.w.error(error)
        finally:
            self.is_busy = False
        self.draw()


def _key_and_word(key: str, word: str) -> str:
    return f"{'esc' if key == 'escape' else key} {word}"


def _filled(parts: Sequence[str], width: int) -> str:
    """Parts on as few lines as there must be, each part whole."""
    lines = [""]
    for part in parts:
        longer = f"{lines[-1]}  {part}" if lines[-1] else part
        if cell_len(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(part)
    return "\n".join(lines)


class Lines(Face):
    """A list; Enter opens a line."""

    def body(self) -> ComposeResult:
        """See Face."""
        yield OptionList(id="list", markup=False)

    def lines(self) -> Sequence[Line]:
        """What is listed; nothing, unless a face says so."""
        return ()

    def open(self, place: int) -> None:
        """Enter was pressed on a line."""

    @property
    def chosen(self) -> int | None:
        """Place of the line under the bar; None in an empty list."""
        return self.query_one("#list", OptionList).highlighted if self.lines() else None

    def fill(self, width: int) -> None:
        """See Face."""
        listed = self.query_one("#list", OptionList)
        before = listed.highlighted or 0
        lines = [ends(*line, width - 2) for line in self.lines()]
        listed.clear_options()
        if not lines:
            listed.add_option(Option(self.w("word.nothing"), disabled=True))
            return
        listed.add_options(lines)
        listed.highlighted = min(before, len(lines) - 1)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open it."""
        event.stop()
        self.open(event.option_index)


class Facts(Face):
    """Text that may be longer than the screen; arrows move it."""

    def body(self) -> ComposeResult:
        """See Face."""
        with VerticalScroll(id="facts"):
            yield Static(id="text", markup=False)

    def text(self, width: int) -> str:
        """What is told; nothing, unless a face says so."""
        del width
        return ""

    def fill(self, width: int) -> None:
        """See Face."""
        self.query_one("#text", Static).update(self.text(width - 2))

    def blank(self) -> None:
        """See Face."""
        self.query_one("#text", Static).update("")


class Ask(ModalScreen[str | None]):
    """One question; Enter answers, Esc does not."""

    def __init__(self, question: str, value: str = "", *, hidden: bool = False) -> None:
        super().__init__()
        self._question = question
        self._value = value
        self._hidden = hidden

    def compose(self) -> ComposeResult:
        """See Screen."""
        with VerticalScroll(id="ask"):
            yield Static(self._question, markup=False)
            yield Input(self._value, password=self._hidden)

    def on_mount(self) -> None:
        """Be ready to be typed into."""
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer."""
        event.stop()
        self.dismiss(event.value)

    def on_key(self, event: events.Key) -> None:
        """Esc leaves the question unanswered."""
        if event.key == "escape":
            event.stop()
            self.dismiss(None)
