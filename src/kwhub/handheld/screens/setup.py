"""The page that sets a collecting terminal up: how its channels are set, and what people at the head-end are asked to change."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from kwhub.catalog.terminal_profile import ChannelKind
from kwhub.exchange.terminal_settings import ChannelSettings
from kwhub.handheld.app import Device
from kwhub.handheld.records import Place
from kwhub.handheld.screens.face import Ask, Keys, Line, Lines
from kwhub.handheld.screens.words import Words

__all__ = ["SetupFace"]

_NEW: Final = ChannelSettings()
"""What a channel that is off is asked to become, to begin with."""


class SetupFace(Lines):
    """Channels of the terminal that a meter is behind; what is typed here is proposed to the head-end.

    It becomes an order when somebody there has agreed: this device has no password.
    """

    title_key: ClassVar[str] = "setup"
    keys: Keys = (("enter", "change"), ("i", "i"), ("f", "f"), ("k", "k"))

    def __init__(self, device: Device, words: Callable[[], Words], place: Place) -> None:
        super().__init__(device, words)
        self.place = place
        self._channels: Sequence[ChannelSettings] = ()

    def on_mount(self) -> None:
        """Begin to read."""
        super().on_mount()
        self.work(self._read(), then=" ")

    def heading(self) -> Line:
        """See Face."""
        return self.w("title.setup"), self.tasks.visiting.meter(self.place).terminal

    def lines(self) -> Sequence[Line]:
        """See Lines."""
        return [self._line(number, each) for number, each in enumerate(self._channels, 1)]

    def open(self, place: int) -> None:
        """Ask for what the name plate of the meter says."""
        held = self._channels[place]
        if held.kind is ChannelKind.METER:
            self.tell(self.w("word.port"))
            return
        shown = held if held.kind is ChannelKind.PULSE else _NEW
        text = (
            f"{shown.constant} {shown.current_max_a:f} {shown.voltage_v:f}"
            f" {shown.phases} {shown.debounce_ms}"
        )
        self._ask("channel", text, lambda told: ("terminal-channel", f"{place + 1} {told}"))

    def press_i(self) -> None:
        """Ask for what the display of the meter shows."""
        if (place := self.chosen) is not None:
            self._ask("reading", "", lambda told: ("terminal-reading", f"{place + 1} {told}"))

    def press_f(self) -> None:
        """Ask for all freeze times."""
        self._ask("freezes", "99990000", lambda told: ("terminal-freeze", told))

    def press_k(self) -> None:
        """Have a clock set that is too far off for the handheld."""
        self._ask("clock", "", lambda _told: ("terminal-clock", ""), needs_yes=True)

    def _ask(
        self,
        question: str,
        value: str,
        order: Callable[[str], tuple[str, str]],
        *,
        needs_yes: bool = False,
    ) -> None:
        def told(text: str | None) -> None:
            text = (text or "").strip()
            if text and (not needs_yes or text.lower() == self.w("ask.yes")):
                self.work(self._propose(*order(text)))

        self.app.push_screen(Ask(self.w(f"ask.{question}"), value), told)

    async def _read(self) -> None:
        self._channels = await self.tasks.visiting.channel_settings(self.place)

    async def _propose(self, operation: str, detail: str) -> None:
        number = await self.tasks.visiting.propose(self.place, operation, detail)
        self.news = self.w("word.proposed", number=number)

    def _line(self, number: int, settings: ChannelSettings) -> Line:
        match settings.kind:
            case ChannelKind.OFF:
                return f"{number:2}", self.w("word.off")
            case ChannelKind.METER:
                return f"{number:2}", self.w("word.port")
            case ChannelKind.PULSE:
                plate = f"{settings.current_max_a:f} A  {settings.voltage_v:f} V ×{settings.phases}"
                return (
                    f"{number:2}  {settings.constant} imp/kWh",
                    f"{plate}  {settings.debounce_ms} ms",
                )
