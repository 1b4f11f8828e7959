"""Screens of one meter: the customer's card, live values, pulses of its terminal, what went wrong byte by byte."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, ClassVar

from kwhub.catalog.terminal_profile import CHANNEL_STATUS_WORDS, ChannelStatus
from kwhub.exchange.change import Change
from kwhub.exchange.device_messages import Row
from kwhub.exchange.freeze import FreezePattern
from kwhub.exchange.terminal import ChannelNow
from kwhub.exchange.traffic import Entry, Piece, overhear
from kwhub.handheld.app import Device
from kwhub.handheld.records import Failure, Place, Value
from kwhub.handheld.screens.face import Ask, Facts, Keys, Line
from kwhub.handheld.screens.setup import SetupFace
from kwhub.handheld.screens.words import Words, ends
from kwhub.handheld.tasks import Customer

__all__ = ["CardFace", "FramesFace", "LiveFace", "PulsesFace"]

BYTES_PER_LINE = 16


class _OfPlace(Facts):
    """Something about one meter."""

    def __init__(self, device: Device, words: Callable[[], Words], place: Place) -> None:
        super().__init__(device, words)
        self.place = place

    def heading(self) -> Line:
        """See Face."""
        return self.w(f"title.{self.title_key}"), self.place.meter


class CardFace(_OfPlace):
    """Who lives behind a meter, what was read, what to know before ringing."""

    title_key: ClassVar[str] = "card"
    keys: Keys = (
        ("r", "read"),
        ("l", "l"),
        ("p", "p"),
        ("c", "c"),
        ("s", "setup"),
        ("t", "t"),
        ("z", "z"),
        ("q", "q"),
        ("e", "e"),
    )

    def __init__(self, device: Device, words: Callable[[], Words], place: Place) -> None:
        super().__init__(device, words, place)
        self._rows: Sequence[Row] | None = None

    def text(self, width: int) -> str:
        """See Facts."""
        customer = self.tasks.customer(self.place)
        lines = [f"! {self.w(f'warn.{name}')}" for name in customer.warnings]
        facts = [(self.w(f"card.{key}"), value) for key, value in self._facts(customer) if value]
        lines += [ends(label, value, width) for label, value in facts]
        lines += [_value_line(self.w, each, width) for each in customer.visit.values]
        if self._rows is not None:
            lines.append(f"── {self.w('title.answer')}")
            lines += [line for each in self._rows for line in self._told(each, width)]
            lines += [] if self._rows else [self.w("word.unknown")]
        return "\n".join(lines)

    def _told(self, row: Row, width: int) -> list[str]:
        """What the head-end says: the value of a register with its moment below, or a fact."""
        if not row.at:
            return [ends(self.w.either(f"answer.{row.name}", row.name), row.value, width)]
        value = f"{row.value} {self.w.unit(row.name)}".strip()
        moment = self.w.moment(row.at, self.tasks.visiting.zone)
        return [ends(self.w.register(row.name), value, width), ends("", moment, width)]

    def _facts(self, customer: Customer) -> list[tuple[str, str]]:
        meter, zone = customer.meter, self.tasks.visiting.zone
        return [
            ("customer", meter.customer),
            ("place", meter.place),
            ("terminal", meter.terminal),
            ("area", meter.area),
            ("paying", self.w.either(f"word.{meter.paying}", meter.paying)),
            ("balance", "" if meter.balance is None else f"{meter.balance:.2f}"),
            ("uses", self.w("word.uses", count=customer.uses_left)),
            ("until", self.w.moment(customer.order.not_after, zone)),
            ("attempts", str(customer.visit.attempts or "")),
            (
                "read_at",
                self.w.moment(customer.visit.read_at, zone) if customer.visit.read_at else "",
            ),
            ("note", customer.order.note),
        ]

    def press_r(self) -> None:
        """Read it and keep what comes."""
        self.work(self._read())

    def press_l(self) -> None:
        """Watch it."""
        self.app.push_screen(LiveFace(self.device, self.words_now, self.place))

    def press_p(self) -> None:
        """Watch the pulses of its terminal."""
        self.app.push_screen(PulsesFace(self.device, self.words_now, self.place))

    def press_s(self) -> None:
        """Look at, and set up, its terminal."""
        self.app.push_screen(SetupFace(self.device, self.words_now, self.place))

    def press_c(self) -> None:
        """Have its terminal collect all channels now."""
        self.work(self._collect())

    def press_t(self) -> None:
        """Set its clock."""
        self.work(self._set_time())

    def press_z(self) -> None:
        """Have it freeze."""

        def told(text: str | None) -> None:
            if text:
                self.work(self._freeze(text.strip()))

        self.app.push_screen(Ask(self.w("ask.freeze"), "99990000"), told)

    def press_q(self) -> None:
        """Ask the head-end about it."""
        self.work(self._query(), then=" ")

    def press_e(self) -> None:
        """Show what went wrong."""
        if self.tasks.visit(self.place).failure is None:
            self.tell(self.w("word.no_failure"))
        else:
            self.app.push_screen(FramesFace(self.device, self.words_now, self.place))

    async def _read(self) -> None:
        failure = (await self.tasks.visiting.read(self.place)).failure
        done = self.w("word.done")
        self.news = done if failure is None else self.w.trouble(failure.kind, failure.detail)

    async def _collect(self) -> None:
        self._judge(await self.tasks.visiting.start_round(self.place))

    async def _set_time(self) -> None:
        self._judge(await self.tasks.visiting.set_time(self.place))

    async def _freeze(self, text: str) -> None:
        self._judge(await self.tasks.visiting.freeze(self.place, FreezePattern(text)))

    async def _query(self) -> None:
        self._rows = await self.tasks.delivery.query(self.place.meter)

    def _judge(self, change: Change[Any]) -> None:
        verdict = self.w(f"verdict.{change.verdict.value}")
        self.news = self.w("word.taken", verdict=verdict)


class _Watching(_OfPlace):
    """Values that come again and again, until the screen is left."""

    def __init__(self, device: Device, words: Callable[[], Words], place: Place) -> None:
        super().__init__(device, words, place)
        self._seen: Sequence[Any] = ()

    def on_mount(self) -> None:
        """Begin to watch."""
        self.work(self._watch())

    def leave(self) -> None:
        """Stop, and go back."""
        self.workers.cancel_group(self, "work")
        super().leave()

    def text(self, width: int) -> str:
        """See Facts."""
        return "\n".join(self.told(each, width) for each in self._seen)

    def values(self) -> AsyncIterator[Sequence[Any]]:
        """What is watched; nothing, unless a face says so."""
        return _nothing()

    def told(self, value: Any, width: int) -> str:
        """One of the values as lines."""
        return str(value)[:width]

    async def _watch(self) -> None:
        async for values in self.values():
            self._seen = values
            self.news = self.w.moment(self.tasks.identity.now(), self.tasks.visiting.zone)
            self.draw()


class LiveFace(_Watching):
    """Energy, power, voltage and current of a meter."""

    title_key: ClassVar[str] = "live"

    def values(self) -> AsyncIterator[Sequence[Value]]:
        """See _Watching."""
        return self.tasks.visiting.watch(self.place)

    def told(self, value: Value, width: int) -> str:
        """See _Watching."""
        return _value_line(self.w, value, width)


class PulsesFace(_Watching):
    """Every channel of the terminal that a meter is behind: pulses, register, power."""

    title_key: ClassVar[str] = "pulses"

    def heading(self) -> Line:
        """See Face."""
        return self.w("title.pulses"), self.tasks.visiting.meter(self.place).terminal

    def values(self) -> AsyncIterator[Sequence[ChannelNow]]:
        """See _Watching."""
        return self.tasks.visiting.watch_terminal(self.place)

    def told(self, value: ChannelNow, width: int) -> str:
        """See _Watching."""
        if ChannelStatus.IN_USE not in value.status:
            return ends(f"{value.channel:2}", self.w("word.off"), width)
        place = 1 if self.w.code == "zh" else 0
        known = (ChannelStatus.IN_USE, ChannelStatus.ACTIVE)
        trouble = [
            told[place]
            for flag, told in CHANNEL_STATUS_WORDS.items()
            if flag in value.status and flag not in known
        ]
        mark = "▮" if ChannelStatus.ACTIVE in value.status else "▯"
        left = f"{value.channel:2} {mark} {value.pulses} imp {' '.join(trouble)}"
        return ends(left, f"{value.register} kWh {value.power_kw} kW", width)


class FramesFace(_OfPlace):
    """What was sent, echoed and heard when a meter was not read."""

    title_key: ClassVar[str] = "failure"

    def text(self, width: int) -> str:
        """See Facts."""
        failure = self.tasks.visit(self.place).failure
        if failure is None:
            return self.w("word.no_failure")
        head = [
            self.w.moment(failure.at, self.tasks.visiting.zone),
            self.w.trouble(failure.kind, failure.detail),
        ]
        return "\n".join([*head, *self._frames(failure, width)])

    def _frames(self, failure: Failure, width: int) -> list[str]:
        pieces = [
            Piece(each.data, each.at_ms / 1000, side=each.direction) for each in failure.pieces
        ]
        lines: list[str] = []
        for entry in overhear(pieces):
            lines.append(f"── {self._side(entry)}  {_meaning(entry)}"[: width * 2])
            raw = entry.raw
            lines += [
                f"   {raw[at : at + BYTES_PER_LINE].hex(' ').upper()}"
                for at in range(0, len(raw), BYTES_PER_LINE)
            ]
        return lines

    def _side(self, entry: Entry) -> str:
        if entry.echo:
            return self.w("word.echoed")
        return self.w("word.sent" if entry.side == "tx" else "word.heard")


def _meaning(entry: Entry) -> str:
    if entry.frame is None:
        return entry.detail
    return f"{entry.frame.address} {entry.frame.control:02X}"


def _value_line(words: Words, value: Value, width: int) -> str:
    shown = value.trouble if value.value is None else f"{value.value} {value.unit}"
    return ends(words.register(value.register), shown or words("word.none"), width)


async def _nothing() -> AsyncIterator[Sequence[Any]]:
    nothing: Sequence[Sequence[Any]] = ()
    for each in nothing:
        yield each
