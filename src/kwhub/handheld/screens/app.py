"""The handheld in a terminal (Textual): sign-in, menu, and everything behind it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Final

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from kwhub.domain.errors import KwhubError
from kwhub.handheld.app import Device
from kwhub.handheld.lending import Lent
from kwhub.handheld.screens.face import Ask, Face, Facts, Keys, Line, Lines
from kwhub.handheld.screens.lists import FailuresFace, GroupsFace, WorkFace
from kwhub.handheld.screens.words import LANGUAGES, Words, ends, words

__all__ = [
    "ContactFace",
    "HandheldScreens",
    "HomeFace",
    "LendFace",
    "SettingsFace",
    "SignInFace",
]

TICK_S: Final = 5.0
LEND_AT: Final = "tcp-listen:127.0.0.1:6480"
SETTINGS: Final = ("language", "link", "operator", "report", "via", "pin")
_PINS: Final = ("old_pin", "new_pin", "new_pin_again")
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
        if self.device.settings.report:
            self.tasks.reporter.told = self._reported
            self.app.run_worker(self._report(), group="report", exclusive=True)

    async def _report(self) -> None:
        """Deliver as readings are taken; trouble of the disk is told and ends it."""
        try:
            await self.tasks.reporter.run()
        except (KwhubError, OSError) as error:
            self._say(self.w.error(error))

    def _reported(self) -> None:
        """Something went, or did not: whatever is on the screen shows it."""
        shown = self.app.screen
        if isinstance(shown, Face):
            shown.draw()

    def _say(self, text: str) -> None:
        shown = self.app.screen
        if isinstance(shown, Face):
            shown.tell(text)

    def leave(self) -> None:
        """Close the screens."""
        self.app.exit()


class HomeFace(Lines):
    """The menu."""

    title_key: ClassVar[str] = "home"
    keys: Keys = (("enter", "enter"),)

    def heading(self) -> Line:
        """See Face."""
        waiting, reach = self.tasks.delivery.waiting, self.tasks.reporter.reach
        beside = (
            f"↑{waiting} {self.w(f'reach.{reach}')}"
            if self.device.settings.report
            else f"↑{waiting}"
        )
        return f"{self.w('title.home')} {self.tasks.identity.state.device}", beside.strip()

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
        self.app.workers.cancel_group(self.app, "report")
        self.app.pop_screen()
        await self.device.sign_out()


class ContactFace(Facts):
    """How things stand with the head-end."""

    title_key: ClassVar[str] = "contact"
    keys: Keys = (("s", "s"), ("l", "lend"))

    def text(self, width: int) -> str:
        """See Facts."""
        state, zone = self.tasks.identity.state, self.tasks.visiting.zone
        contact, reach = self.tasks.contact, self.tasks.reporter.reach
        clock = "clock_back" if state.frozen else "clock_good"
        facts = [
            ("device", state.device),
            *([("reach", self.w(f"reach.{reach}"))] if self.device.settings.report else []),
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

    def press_l(self) -> None:
        """Lend the way to the head-end to another device."""

        def told(address: str | None) -> None:
            if address:
                lending = LendFace(self.device, self.words_now, address.strip())
                self.app.push_screen(lending)

        self.app.push_screen(Ask(self.w("ask.lend"), LEND_AT), told)

    async def _synchronise(self) -> None:
        count = await self.tasks.delivery.synchronise()
        self.news = self.w("word.delivered", count=count)


class LendFace(Facts):
    """Another device reaches the head-end through this one while this page is open."""

    title_key: ClassVar[str] = "lend"

    def __init__(self, device: Device, words: Callable[[], Words], address: str) -> None:
        super().__init__(device, words)
        self._address = address
        self._lent: Lent | None = None

    def on_mount(self) -> None:
        """Begin to lend."""
        super().on_mount()
        self.work(self.device.lend(self._address, self._told))

    def leave(self) -> None:
        """Stop, and go back."""
        self.workers.cancel_group(self, "work")
        super().leave()

    def text(self, width: int) -> str:
        """See Facts."""
        if self._lent is None:
            return self.w("lend.why")
        facts = (
            ("address", self._lent.address),
            ("borrowers", str(self._lent.borrowers)),
            ("served", str(self._lent.served)),
        )
        lines = [ends(self.w(f"lend.{key}"), value, width) for key, value in facts]
        return "\n".join([*lines, "", self.w("lend.why")])

    def _told(self, lent: Lent) -> None:
        self._lent = lent
        self.news = ""
        self.draw()


class SettingsFace(Lines):
    """Language, link, name, PIN, and how things go to the head-end."""

    title_key: ClassVar[str] = "settings"
    keys: Keys = (("enter", "enter"),)

    def lines(self) -> Sequence[Line]:
        """See Lines."""
        held, none = self.device.settings, self.w("word.none")
        return [
            (self.w("setting.language"), self.w(f"language.{self.w.code}")),
            (self.w("setting.link"), held.link or none),
            (self.w("setting.operator"), held.operator or none),
            (self.w("setting.report"), self.w("word.on" if held.report else "word.off_now")),
            (self.w("setting.via"), held.via or self.w("word.straight")),
            (self.w("setting.pin"), ""),
        ]

    def open(self, place: int) -> None:
        """See Lines."""
        match SETTINGS[place]:
            case "language":
                other = LANGUAGES[(LANGUAGES.index(self.w.code) + 1) % len(LANGUAGES)]
                self.work(self.device.change(language=other), then=" ")
            case "report":
                report = not self.device.settings.report
                self.work(self.device.change(report=report), then=self.w("word.next_sign_in"))
            case "pin":
                self._ask_pin(())
            case name:
                self._ask_text(name)

    def _ask_text(self, name: str) -> None:
        def told(text: str | None) -> None:
            if text is not None:
                then = self.w("word.next_sign_in" if name == "via" else "word.kept")
                self.work(self.device.change(**{name: text.strip()}), then=then)

        before = str(getattr(self.device.settings, name))
        self.app.push_screen(Ask(self.w(f"ask.{name}"), before), told)

    def _ask_pin(self, known: tuple[str, ...]) -> None:
        """The old PIN, the new one, and the new one again."""

        def told(text: str | None) -> None:
            if text is None:
                return
            if len(known) + 1 < len(_PINS):
                self._ask_pin((*known, text))
            elif known[1] != text:
                self.tell(self.w("word.pins_differ"))
            else:
                self.work(self._change_pin(known[0], text))

        self.app.push_screen(Ask(self.w(f"ask.{_PINS[len(known)]}"), hidden=True), told)

    async def _change_pin(self, old: str, new: str) -> None:
        self.device.change_pin(old, new)
        self.news = self.w("word.kept")


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
        self.workers.cancel_group(self, "report")
        while len(self.screen_stack) > 2:  # the sign-in stays, above Textual's own
            await self.pop_screen()
        await self._device.sign_out()
