"""The menu, and the settings of the screen behind their PIN."""

from abc import abstractmethod
from collections.abc import Callable, Sequence

from kwhub.concentrator.display.layout import Look, Row, ends, fit, wrap
from kwhub.concentrator.display.pages import Back, End, Key, Open, Page, Step, Swap
from kwhub.concentrator.display.pages_meters import ArchivePage, LocalPage
from kwhub.concentrator.display.pages_site import (
    AbnormalPage,
    EventsPage,
    FailuresPage,
    NetworkPage,
    RoundsPage,
    StatusPage,
    WorkingPage,
)
from kwhub.concentrator.display.preferences import IDLE_CHOICES_S, PIN_DIGITS, Preferences
from kwhub.concentrator.display.texts import LANGUAGES
from kwhub.domain.errors import LocalError

__all__ = ["HomePage", "PinPage", "SettingsPage"]

_S_PER_MINUTE = 60


class _Menu(Page):
    """Entries of which one is chosen."""

    hint = "menu"

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count
        self._chosen = 0

    @abstractmethod
    def entry(self, number: int, look: Look) -> str:
        """An entry in one line."""

    @abstractmethod
    def enter(self, number: int) -> Step:
        """What an entry does."""

    def rows(self, look: Look) -> list[Row]:
        trouble = self.troubled(look)
        room = max(1, look.height - len(trouble))
        first = max(0, min(self._chosen - room // 2, self._count - room))
        numbers = range(first, min(first + room, self._count))
        return trouble + [
            Row(fit(self.entry(number, look), look.width), is_inverted=number == self._chosen)
            for number in numbers
        ]

    def press(self, key: Key, look: Look) -> Step:
        self.trouble = None
        if key in {Key.UP, Key.LEFT}:
            self._chosen = (self._chosen - 1) % self._count
        elif key in {Key.DOWN, Key.RIGHT}:
            self._chosen = (self._chosen + 1) % self._count
        elif key is Key.ENTER:
            return self._entered()
        else:
            return super().press(key, look)
        return Step()

    def _entered(self) -> Step:
        try:
            return self.enter(self._chosen)
        except LocalError as error:  # the file of the preferences cannot be written
            self.fail(error)
            return Step()


class HomePage(_Menu):
    """Where everything begins."""

    title = "home"

    def __init__(self, preferences: Preferences) -> None:
        self._pages: Sequence[tuple[str, Callable[[], Page]]] = (
            ("status", StatusPage),
            ("network", NetworkPage),
            ("archive", ArchivePage),
            ("local", LocalPage),
            ("rounds", RoundsPage),
            ("failures", FailuresPage),
            ("abnormal", AbnormalPage),
            ("events", EventsPage),
            ("settings", lambda: PinPage(preferences)),
        )
        super().__init__(len(self._pages) + 1)

    def entry(self, number: int, look: Look) -> str:
        """See its menu."""
        last = number == len(self._pages)
        key = "end" if last else self._pages[number][0]
        return f" {number + 1} {look.texts(f'page.{key}')}"

    def enter(self, number: int) -> Step:
        """See its menu."""
        return End() if number == len(self._pages) else Open(page=self._pages[number][1]())

    def press(self, key: Key, look: Look) -> Step:
        """See Page."""
        return Step() if key is Key.ESCAPE else super().press(key, look)


class SettingsPage(_Menu):
    """What the keys may change."""

    title = "settings"

    def __init__(self, preferences: Preferences) -> None:
        super().__init__(5)
        self._preferences = preferences

    def entry(self, number: int, look: Look) -> str:
        """See its menu."""
        told, kept = look.texts, self._preferences
        idle = told("word.never")
        if kept.idle_s:
            idle = told("word.minutes", count=kept.idle_s // _S_PER_MINUTE)
        entries = (
            (told("settings.language"), told(f"settings.{_named(told.code)}")),
            (told("settings.idle"), idle),
            (told("settings.dark"), told(f"settings.is_{'dark' if kept.is_dark else 'light'}")),
            (told("settings.pin"), ""),
            (told("settings.working"), ""),
        )
        label, value = entries[number]
        return ends(f" {label}", f"{value} ", look.width)

    def press(self, key: Key, look: Look) -> Step:
        """See Page."""
        if key is Key.ENTER and not self._chosen:
            self._language = look.texts.code
        return super().press(key, look)

    def enter(self, number: int) -> Step:
        """See its menu."""
        kept = self._preferences
        if number == 0:
            kept.choose(language=LANGUAGES[1 - LANGUAGES.index(self._language)])
        elif number == 1:
            place = IDLE_CHOICES_S.index(kept.idle_s) if kept.idle_s in IDLE_CHOICES_S else -1
            kept.choose(idle_s=IDLE_CHOICES_S[(place + 1) % len(IDLE_CHOICES_S)])
        elif number == 2:
            kept.choose(is_dark=not kept.is_dark)
        elif number == 3:
            return Open(page=PinPage(kept, changes=True))
        else:
            return Open(page=WorkingPage())
        return Step()


class PinPage(Page):
    """Asks for the PIN, or for a new one twice; four arrows are enough."""

    title = "pin"
    hint = "pin"

    def __init__(self, preferences: Preferences, *, changes: bool = False) -> None:
        super().__init__()
        self._preferences = preferences
        self._changes = changes
        self._chooses = changes or not preferences.has_pin
        self._told = "new" if changes else ("first" if self._chooses else "enter")
        self._first = ""  # the new PIN as it was given the first time
        self._clear()

    def _clear(self) -> None:
        self._digits = [0] * PIN_DIGITS
        self._place = 0

    def rows(self, look: Look) -> list[Row]:
        """See Page."""
        told, kept = look.texts, self._preferences
        locked_s = 0 if self._chooses else kept.locked_s(look.now or 0)
        words = {"left": kept.tries_left, "seconds": locked_s}
        key = "locked" if locked_s else self._told
        lines = wrap(told(f"pin.{key}", **words), look.width)
        shown = [
            f"[{digit}]" if place == self._place else " * "
            for place, digit in enumerate(self._digits)
        ]
        return [*self.troubled(look), *map(Row, lines), Row(""), Row(" " + "".join(shown))]

    def press(self, key: Key, look: Look) -> Step:
        """See Page."""
        self.trouble = None
        turns = {Key.UP: 1, Key.DOWN: -1}
        moves = {Key.LEFT: -1, Key.RIGHT: 1}
        if key in turns:
            self._digits[self._place] = (self._digits[self._place] + turns[key]) % 10
        elif key in moves:
            self._place = (self._place + moves[key]) % PIN_DIGITS
        elif key is Key.ENTER:
            return self._enter(look)
        else:
            return super().press(key, look)
        return Step()

    def _enter(self, look: Look) -> Step:
        """The next place, and after the last one the whole PIN."""
        if self._place < PIN_DIGITS - 1:
            self._place += 1
            return Step()
        pin = "".join(map(str, self._digits))
        self._clear()
        try:
            return self._chosen(pin) if self._chooses else self._tried(pin, look)
        except LocalError as error:
            self.fail(error)
            return Step()

    def _chosen(self, pin: str) -> Step:
        if not self._first:
            self._first = pin
            self._told = "again"
            return Step()
        first, self._first = self._first, ""
        if pin != first:
            self._told = "differs"
            return Step()
        self._preferences.set_pin(pin)
        return Back() if self._changes else Swap(page=SettingsPage(self._preferences))

    def _tried(self, pin: str, look: Look) -> Step:
        kept = self._preferences
        if look.now is None or kept.locked_s(look.now):
            return Step()
        if kept.is_right(pin, look.now):
            return Swap(page=SettingsPage(kept))
        self._told = "wrong"
        return Step()


def _named(code: str) -> str:
    return {"en": "english", "zh": "chinese"}[code]
