"""The handheld in a terminal (Textual): sign-in, menu, and everything behind it."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from kwhub.domain.errors import KwhubError
from kwhub.handheld.app import Device
from kwhub.handheld.screens.face import Ask, Face, Facts, Keys, Line, Lines
from kwhub.handheld.screens.lists import FailuresFace, GroupsFace, WorkFace
from kwhub.handheld.screens.words import LANGUAGES, Words, ends, words

__all__ = ["ContactFace", "HandheldScreens", "HomeFace", "SettingsFace", "SignInFace"]

TICK_S: Final = 5.0
_MENU: Final = ("work", "groups", "failures", "contact", "settings", "sign_out")


class SignInFace(Face):
    """The PIN, and nothing before it."""

    title_key: ClassVar[str] = "sign_in"

    def body(self) -> ComposeResult:
        """See Face."""
        yield Static(id="text", markup=False)
        yield Input(password=True, id="pin")

    def on_mount(self) -> None:
        """See Face."""
        super().on_mount()
        self.query_one(Input).focus()

    def fill(self, width: int) -> None:  # noqa: ARG002 - one word fits anywhere
        """See Face."""
        self.query_one("#text", Static).update(self.w("ask.pin"))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Try it."""
        event.stop()
        event.input.value = ""
        try:
            self.device.sign_in(event.value)
        except (KwhubError, OSError) as error:
            self.tell(self.w.error(error))
            return
        self.news = ""
        self.app.push_screen(HomeFace(self.device, self.words_now))

    def leave(self) -> None:
        """Close the screens."""
        self.app.exit()


class HomeFace(Lines):
    """The menu."""

    title_key: ClassVar[str] = "home"
    keys: Keys = (("enter", "enter"),)

    def heading(self) -> Line:
        """See Face."""
        waiting = self.tasks.delivery.waiting
        return f"{self.w('title.home')} {self.tasks.identity.state.device}", f"↑{waiting}"

    def lines(self) -> Sequence[Line]:
        """See Lines."""
        beside = {
            "work": str(len(self.tasks.orders())),
            "failures": str(len(self.tasks.failures())),
            "contact": str(self.tasks.delivery.waiting),
        }
        return [(self.w(f"menu.{name}"), beside.get(name, "")) for name in _MENU]

    def open(self, place: int) -> None:
        """See Lines."""
        faces = (WorkFace, GroupsFace, FailuresFace, ContactFace, SettingsFace)
        if place < len(faces):
            self.app.push_screen(faces[place](self.device, self.words_now))
        else:
            self.leave()

    def leave(self) -> None:
        """Sign out."""
        self.run_worker(self._sign_out())

    async def _sign_out(self) -> None:
        self.app.pop_screen()
        await self.device.sign_out()


class ContactFace(Facts):
    """How things stand with the head-end."""

    title_key: ClassVar[str] = "contact"
    keys: Keys = (("s", "s"),)

    def text(self, width: int) -> str:
        """See Facts."""
        state, zone = self.tasks.identity.state, self.tasks.visiting.zone
        contact = self.tasks.contact
        clock = "clock_back" if state.frozen else "clock_good"
        facts = [
            ("device", state.device),
            ("waiting", str(self.tasks.delivery.waiting)),
            ("contact", self.w.moment(contact.at if contact else None, zone)),
            ("delivered", str(contact.delivered) if contact else self.w("word.none")),
            *([("refused", str(contact.refused))] if contact and contact.refused else []),
            ("orders", str(len(self.tasks.orders()))),
            ("valid", self.w.moment(self.tasks.identity.held.not_after, zone)),
            ("clock", self.w(f"state.{clock}")),
        ]
        lines = [ends(self.w(f"state.{key}"), value, width) for key, value in facts]
        return "\n".join([*lines, "", self.w("state.store")])

    def press_s(self) -> None:
        """Deliver what waits and fetch the work."""
        self.work(self._synchronise())

    async def _synchronise(self) -> None:
        count = await self.tasks.delivery.synchronise()
        self.news = self.w("word.delivered", count=count)


class SettingsFace(Lines):
    """Language, link, name."""

    title_key: ClassVar[str] = "settings"
    keys: Keys = (("enter", "enter"),)

    def lines(self) -> Sequence[Line]:
        """See Lines."""
        held = self.device.settings
        return [
            (self.w("setting.language"), self.w(f"language.{self.w.code}")),
            (self.w("setting.link"), held.link or self.w("word.none")),
            (self.w("setting.operator"), held.operator or self.w("word.none")),
        ]

    def open(self, place: int) -> None:
        """See Lines."""
        if place == 0:
            other = LANGUAGES[(LANGUAGES.index(self.w.code) + 1) % len(LANGUAGES)]
            self.work(self.device.change(language=other), then=" ")
            return
        name = ("link", "operator")[place - 1]

        def told(text: str | None) -> None:
            if text is not None:
                self.work(self.device.change(**{name: text.strip()}), then=self.w("word.kept"))

        before = str(getattr(self.device.settings, name))
        self.app.push_screen(Ask(self.w(f"ask.{name}"), before), told)


class HandheldScreens(App[None]):
    """The screens of one device; ``run_async`` returns when they are closed."""

    ENABLE_COMMAND_PALETTE = False
    CSS_PATH: ClassVar[Path] = Path(__file__).with_name("look.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("ctrl+q", "quit", show=False, priority=True),
    ]

    def __init__(self, device: Device, language: str) -> None:
        """Take the device, and the language as long as its settings name none."""
        super().__init__()
        self._device = device
        self._language = language
        self._pressed_at = device.clock.monotonic()

    def on_mount(self) -> None:
        """Ask for the PIN; ask again after a while without keys."""
        self.push_screen(SignInFace(self._device, self._words))
        self.run_worker(self._watch_idleness(), group="idle")

    async def on_event(self, event: events.Event) -> None:
        """Notice every key, whoever takes it."""
        if isinstance(event, events.Key):
            self._pressed_at = self._device.clock.monotonic()
        await super().on_event(event)

    async def on_unmount(self) -> None:
        """Leave nothing open."""
        await self._device.sign_out()

    def _words(self) -> Words:
        return words(self._device.settings.language or self._language)

    async def _watch_idleness(self) -> None:
        clock = self._device.clock
        while True:
            await clock.sleep(TICK_S)
            is_busy = any(getattr(each, "is_busy", False) for each in self.screen_stack)
            if is_busy:
                self._pressed_at = clock.monotonic()
            idle_s = clock.monotonic() - self._pressed_at
            if self._device.tasks is not None and idle_s >= self._device.settings.idle_s:
                await self._lock()

    async def _lock(self) -> None:
        while len(self.screen_stack) > 2:  # the sign-in stays, above Textual's own
            await self.pop_screen()
        await self._device.sign_out()
