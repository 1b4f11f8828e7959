"""The glass itself, in a terminal (Textual): one field of text, six keys, a clock that ticks.

Whoever answers the questions may be in this process or at the other end of a socket. Trouble with a question
is a line on the page, and the next try follows; nothing here can stop the reading of meters.
"""

from functools import partial
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Key as KeyPressed
from textual.events import Resize
from textual.strip import Strip
from textual.widget import Widget
from textual.worker import WorkType

from kwhub.concentrator.display.layout import WIDE, Look, Row, ends, fit, wrap
from kwhub.concentrator.display.pages import Back, End, Key, Open, Page, Step, Swap
from kwhub.concentrator.display.pages_settings import HomePage
from kwhub.concentrator.display.preferences import Preferences
from kwhub.concentrator.display.serving import Answerer
from kwhub.concentrator.display.texts import Texts, texts
from kwhub.concentrator.panel_views import AskHead, Head
from kwhub.domain.errors import KwhubError
from kwhub.runtime.clock import Clock

__all__ = ["Glass", "PanelScreen"]

TICK_S = 1.0
"""How often the title is renewed."""

TITLE_LINES = 1
HINT_LINES = 1
RULED = 12
"""From this height on, a rule parts title, body and keys."""

UTC_ZONE = "UTC"
_KEYS = {key.value: key for key in Key}
_WAYS = {"uplink": "L", "standby": "G"}
"""A letter in the corner for the way up, as panels of concentrators have: wire or mobile network."""


class Glass(Widget, can_focus=True):
    """Shows rows, each as wide as the terminal."""

    DEFAULT_CSS = """
    Glass { width: 1fr; height: 1fr; background: #b6c49a; color: #16210d; }
    Glass.dark { background: #16210d; color: #c6d8a4; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[Row] = []

    def show(self, rows: list[Row]) -> None:
        """Show these; a glass that shows them already is left alone."""
        if rows != self.shown:
            self.shown = rows
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """See Widget."""
        row = self.shown[y] if y < len(self.shown) else Row("")
        style = self.rich_style
        if row.is_inverted:
            style = style + type(style)(reverse=True)
        return Strip([Segment(fit(row.text, self.size.width), style)], self.size.width)


class PanelScreen(App[None]):
    """The screen of one concentrator; ``run_async`` returns when it is closed."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("ctrl+q", "quit", show=False, priority=True),
    ]

    def __init__(
        self, answerer: Answerer, preferences: Preferences, *, clock: Clock, language: str
    ) -> None:
        """Make it.

        Args:
            answerer: of the questions.
            preferences: of this screen.
            clock: for pauses and for the idle return.
            language: as long as the preferences name none.
        """
        super().__init__()
        self._answerer = answerer
        self._preferences = preferences
        self._time = clock
        self._language = language
        self._pages: list[Page] = [HomePage(preferences)]
        self._head: Head | None = None
        self._glass = Glass()
        self._pressed_at = clock.monotonic()
        self._is_idle = False

    @property
    def rows(self) -> list[Row]:
        """What the glass shows now."""
        return self._glass.shown

    @property
    def page(self) -> Page:
        """The page that is open."""
        return self._pages[-1]

    def compose(self) -> ComposeResult:
        """See App."""
        yield self._glass

    def on_mount(self) -> None:
        """Start to tick."""
        self._glass.focus()
        self.run_worker(self._tick(), group="tick")
        self._ask()

    def on_resize(self, _event: Resize) -> None:
        """Lists show more or fewer lines now."""
        self._ask()

    def on_key(self, event: KeyPressed) -> None:
        """Take one of the six keys; others do nothing."""
        event.stop()
        self._pressed_at = self._time.monotonic()
        key = _KEYS.get(event.key)
        if self._is_idle:
            self._is_idle = False
            self._draw()
        elif key is not None:
            self._take(self.page.press(key, self._look()))

    def _take(self, step: Step) -> None:
        if isinstance(step, End):
            self.exit()
            return
        asks = step.asks
        if isinstance(step, Open) and step.page is not None:
            if isinstance(step, Swap):
                self._pages.pop()
            self._pages.append(step.page)
            asks = True
        elif isinstance(step, Back) and len(self._pages) > 1:
            self._pages.pop()
            asks = True
        if asks:
            self._ask()
        self._draw()

    # --- questions

    def _ask(self) -> None:
        """Ask what the page wants to know, instead of what the one before wanted."""
        work: WorkType[None] = partial(self._keep_asking, self.page)
        self.run_worker(work, group="page", exclusive=True)

    async def _keep_asking(self, page: Page) -> None:
        while (query := page.query(self._look().height)) is not None:
            try:
                page.take(await self._answerer.ask(query))
            except (KwhubError, OSError) as error:
                page.fail(error)
            self._draw()
            if not page.refresh_s:
                return
            await self._time.sleep(page.refresh_s)

    async def _tick(self) -> None:
        while True:
            try:
                self._head = await self._answerer.ask(AskHead())
            except (KwhubError, OSError):
                self._head = None
            idle_s = self._preferences.idle_s
            if idle_s and self._time.monotonic() - self._pressed_at >= idle_s:
                self._rest()
            self._draw()
            await self._time.sleep(TICK_S)

    def _rest(self) -> None:
        """Go back to the menu, so that settings are closed and no meter is kept busy; show the time."""
        if not self._is_idle:
            del self._pages[1:]
            self._pages[0] = HomePage(self._preferences)
            self._is_idle = True
            self._ask()

    # --- drawing

    def _texts(self) -> Texts:
        return texts(self._preferences.language or self._language)

    def _look(self) -> Look:
        width, height = self.size
        head = self._head
        rules = 2 if height >= RULED else 0
        return Look(
            max(1, width),
            max(1, height - TITLE_LINES - HINT_LINES - rules),
            self._texts(),
            ZoneInfo(head.zone if head else UTC_ZONE),
            head.now if head else None,
        )

    def _draw(self) -> None:
        look = self._look()
        body = self._saver(look) if self._is_idle else self._body(look)
        blank = [Row("")] * (look.height - len(body))
        rule = [Row("─" * look.width)] if self.size.height >= RULED else []
        rows = [self._title(look), *rule, *body[: look.height], *blank, *rule, self._hint(look)]
        self._glass.set_class(self._preferences.is_dark, "dark")
        self._glass.show([Row(fit(row.text, look.width), row.is_inverted) for row in rows])

    def _body(self, look: Look) -> list[Row]:
        if self._head is None:
            lines = wrap(look.texts("word.no_contact"), look.width)
            told = [Row(line, is_inverted=True) for line in lines]
            return (told + self.page.rows(look))[: look.height]
        return self.page.rows(look)

    def _title(self, look: Look) -> Row:
        head = self._head
        icons, time = "?", "--:--"
        if head is not None:
            icons = _WAYS.get(head.way, "L") + ("▲" if head.is_online else "▽")
            icons += f" !{head.alarms}" if head.alarms else ""
            time = look.moment(head.now)
            time = time[-8:] if look.width >= WIDE else time[-5:]
        heading = "" if self._is_idle else self.page.heading(look)
        return Row(ends(f"{icons} {heading}", time, look.width), is_inverted=True)

    def _hint(self, look: Look) -> Row:
        key = "saver" if self._is_idle else self.page.hint
        if look.width < WIDE // 2 and f"hint.{key}_short" in look.texts.table:
            key = f"{key}_short"
        return Row(fit(look.texts(f"hint.{key}"), look.width))

    def _saver(self, look: Look) -> list[Row]:
        """Time and terminal at a place that moves, so that nothing burns in."""
        head = self._head
        if head is None:
            return [Row(line) for line in wrap(look.texts("word.no_contact"), look.width)]
        state = look.texts("word.online" if head.is_online else "word.offline")
        lines: list[Any] = [head.terminal, *look.moment(head.now).split(" "), state]
        down = head.now // 60 % max(1, look.height - len(lines))
        right = head.now // 60 % max(1, look.width - 20)
        return [Row("")] * down + [Row(" " * right + line) for line in lines]
