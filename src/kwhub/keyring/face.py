"""The face of a key-ring (Textual): six lines and four keys."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from kwhub.domain.errors import KwhubError
from kwhub.keyring.device import KeyRing
from kwhub.keyring.texts import ARRIVALS, TEXTS
from kwhub.prepay.element.interface import SecureElement
from kwhub.prepay.medium import Visit
from kwhub.prepay.medium_load import NOTHING
from kwhub.prepay.medium_pages import Page
from kwhub.prepay.reasons import words, words_zh
from kwhub.prepay.run_information import RunInformation

__all__ = ["KeyRingFace"]

_LANGUAGES = ("en", "zh")


class KeyRingFace(App[None]):
    """What the customer sees and presses.

    Args:
        device: with medium and link.
        language: ``en`` or ``zh``; ``l`` changes it.
        counter: link to the counter, which is answered meanwhile; None for none.
        card: the medium as the counter sees it.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS: ClassVar[str] = """
    Screen { background: #16202b; color: #e8eef7; }
    #title { height: 1; background: #1f5fa8; color: #ffffff; text-style: bold; }
    #facts { height: 1fr; padding: 0 1; }
    #news { height: auto; max-height: 3; padding: 0 1; color: #ffd166; }
    #keys { height: 1; background: #24384d; color: #a9c1de; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]

    def __init__(
        self,
        device: KeyRing,
        language: str,
        *,
        counter: str | None = None,
        card: SecureElement | None = None,
    ) -> None:
        super().__init__()
        self.device = device
        self._language = language
        self._counter = counter
        self._card = card
        self._page: Page | None = None
        self._news: Callable[[], str] = self._greeting
        self._is_busy = False
        self._keys: Mapping[str, Callable[[], None]] = {
            "enter": lambda: self._work(self._visit),
            "right": lambda: self._work(lambda: self._turn(1)),
            "left": lambda: self._work(lambda: self._turn(-1)),
            "l": self._other_language,
            "escape": self.exit,
        }

    def compose(self) -> ComposeResult:
        """See App."""
        for name in ("title", "facts", "news", "keys"):
            yield Static(id=name, markup=False)

    def on_mount(self) -> None:
        """Show what there is, and answer the counter."""
        self._draw()
        if self._counter is not None and self._card is not None:
            self.run_worker(self._serve(self._counter, self._card), group="counter")
            self.set_interval(1.0, self._draw)

    def on_resize(self) -> None:
        """Lines are made for the width."""
        self._draw()

    async def on_key(self, event: events.Key) -> None:
        """One of the four keys."""
        press = self._keys.get(event.key)
        if press is not None:
            event.stop()
            press()

    def _other_language(self) -> None:
        self._language = _LANGUAGES[1 - _LANGUAGES.index(self._language)]
        self._draw()

    # Work

    def _work(self, doing: Callable[[], Awaitable[None]]) -> None:
        """One thing at a time."""
        if not self._is_busy:
            self._is_busy = True
            self._tell(lambda: self._text("working"))
            self.run_worker(self._do(doing), group="work")

    async def _do(self, doing: Callable[[], Awaitable[None]]) -> None:
        try:
            await doing()
        except (KwhubError, OSError) as error:
            why = str(error)
            self._tell(lambda: self._text("trouble", why=why))
        finally:
            self._is_busy = False

    async def _visit(self) -> None:
        seen = await self.device.visit()
        self._tell(lambda: self._arrival(seen))

    async def _turn(self, step: int) -> None:
        self._page = await self.device.turn(step)
        self._tell(str)

    async def _serve(self, counter: str, card: SecureElement) -> None:
        try:
            while True:
                await self.device.serve_counter(counter, card)
        except (KwhubError, OSError) as error:
            why = str(error)
            self._tell(lambda: self._text("trouble", why=why))

    # Words

    def _text(self, name: str, **values: Any) -> str:
        return TEXTS[self._language][name].format(**values)

    def _greeting(self) -> str:
        return self._text("ready" if self.device.medium.is_issued else "blank")

    def _arrival(self, seen: Visit) -> str:
        reasons: Sequence[str] = ()
        if seen.error is not None:
            reasons = (words_zh if self._language == "zh" else words)(seen.error)
        told = ARRIVALS[self._language][seen.arrival].format(why=", ".join(reasons))
        return f"{told}\n{self._text('closing')}" if seen.permitted else told

    def _tell(self, news: Callable[[], str]) -> None:
        self._news = news
        self._draw()

    def _draw(self) -> None:
        if not self.query("#title"):
            return
        medium, width = self.device.medium, self.size.width
        serial = medium.serial.hex() if medium.is_issued else ""
        self.query_one("#title", Static).update(_ends(self._text("title"), serial, width))
        rows = self._rows() if medium.is_issued else []
        lines = [_ends(self._text(name), value, width - 2) for name, value in rows]
        self.query_one("#facts", Static).update("\n".join(lines))
        self.query_one("#news", Static).update(self._news())
        self.query_one("#keys", Static).update(self._text("keys"))

    def _rows(self) -> list[tuple[str, str]]:
        medium = self.device.medium
        load, usage = medium.load, medium.usage
        carries, told = self._text("nothing"), self._text("none_yet")
        if load is not None and load.kind != NOTHING:
            carries = self._text("purchase", amount=_money(load.amount), count=load.count)
        if usage is not None:
            run = RunInformation.from_bytes(usage.run_information)
            told = self._text("told", money=_money(run.money), count=run.count)
        rows = [
            ("meter", medium.meter.hex()),
            ("customer", medium.customer.hex()),
            ("carries", carries),
            ("usage", told),
        ]
        return [*rows, ("page", self._shown(self._page))] if self._page is not None else rows

    def _shown(self, page: Page) -> str:
        is_zh = self._language == "zh"
        name, unit = (page.name_zh if is_zh else page.name_en), page.unit
        if is_zh and unit == "yuan":
            unit = "元"
        value = "-" if page.value is None else f"{page.value} {unit}".strip()
        return f"{page.number}/{page.pages} {name}: {value}"


def _money(hundredths: int) -> str:
    return f"{Decimal(hundredths) / 100:.2f}"


def _ends(left: str, right: str, width: int) -> str:
    """One text at each end of a line; the left one gives way, and what is too long goes on below."""
    room = width - cell_len(right)
    if room <= cell_len(left):
        return f"{left}\n{right}"
    return set_cell_size(left, room) + right
