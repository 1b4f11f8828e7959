"""Screens that list: orders, groups, meters of a group with its round, failures."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar

from kwhub.handheld.app import Device
from kwhub.handheld.records import Place, Visit
from kwhub.handheld.screens.card import CardFace, FramesFace
from kwhub.handheld.screens.face import Ask, Keys, Line, Lines
from kwhub.handheld.screens.words import Words
from kwhub.handheld.tasks import Choice

__all__ = ["FailuresFace", "GroupsFace", "PlacesFace", "WorkFace"]

_DONE, _FAILED, _OPEN, _MARKED = "✓", "✗", "·", "*"


class WorkFace(Lines):
    """The work orders with their progress."""

    title_key: ClassVar[str] = "work"
    keys: Keys = (("enter", "enter"), ("x", "x"), ("o", "o"))

    def lines(self) -> Sequence[Line]:
        """See Lines."""
        return [self._line(choice) for choice in self._choices()]

    def open(self, place: int) -> None:
        """See Lines."""
        self.app.push_screen(PlacesFace(self.device, self.words_now, self._choices()[place]))

    def press_x(self) -> None:
        """Finish the order with what is left, when that is confirmed."""
        self._confirmed("ask.finish", self._finish)

    def press_o(self) -> None:
        """Carry the order to the meter, when that is confirmed."""
        self._confirmed("ask.carry", self._carry)

    def _confirmed(self, question: str, doing: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        place = self.chosen
        if place is None:
            return
        work = int(self._choices()[place].name)

        def answered(answer: str | None) -> None:
            if answer is not None and answer.strip().lower() == self.w("ask.yes"):
                self.work(doing(work))

        self.app.push_screen(Ask(self.w(question)), answered)

    async def _finish(self, work: int) -> None:
        self.tasks.close(work)
        self.news = self.w("word.kept")

    async def _carry(self, work: int) -> None:
        ended = await self.tasks.visiting.carry(work)
        if ended.obeyed:
            self.tasks.close(
                work
            )  # nothing is left of it; the head-end is told at the next contact
        told = self.w("word.not_obeyed", detail=self.w.detail(ended.detail))
        self.news = self.w("word.obeyed") if ended.obeyed else told

    def _choices(self) -> list[Choice]:
        found = {choice.name: choice for choice in self.tasks.choices("order")}
        return [
            found.get(str(each.id))
            or Choice(
                "order", str(each.id), 0, tuple(Place(each.id, m.address) for m in each.meters)
            )
            for each in self.tasks.orders()
        ]

    def _line(self, choice: Choice) -> Line:
        order = next(each for each in self.tasks.orders() if str(each.id) == choice.name)
        seen = self.tasks.progress(choice.places)
        kind = self.w.either(f"kind.{order.kind}", order.kind)
        mark = f" {_DONE}" if self.tasks.is_closed(order.id) else ""
        failed = f" {_FAILED}{seen.failed}" if seen.failed else ""
        until = self.w.moment(order.not_after, self.tasks.visiting.zone)
        return f"{order.id} {kind} {order.note}{mark}", f"{seen.read}/{seen.total}{failed}  {until}"


class GroupsFace(Lines):
    """Groups by area, by terminal and of one's own."""

    title_key: ClassVar[str] = "groups"
    keys: Keys = (("enter", "enter"), ("d", "d"))

    def lines(self) -> Sequence[Line]:
        """See Lines."""
        return [self._line(choice) for choice in self._choices()]

    def open(self, place: int) -> None:
        """See Lines."""
        self.app.push_screen(PlacesFace(self.device, self.words_now, self._choices()[place]))

    def press_d(self) -> None:
        """Take one of one's own apart."""
        if self.chosen is not None and (choice := self._choices()[self.chosen]).kind == "own":
            self.tasks.drop_group(choice.number)
            self.tell(self.w("word.kept"))

    def _choices(self) -> list[Choice]:
        own, areas, terminals = (
            self.tasks.choices("own"),
            self.tasks.choices("area"),
            self.tasks.choices("terminal"),
        )
        return [*own, *areas, *terminals]

    def _line(self, choice: Choice) -> Line:
        seen = self.tasks.progress(choice.places)
        name = choice.name or self.w("word.none")
        return f"{self.w(f'kind.{choice.kind}')} {name}", f"{seen.read}/{seen.total}"


class PlacesFace(Lines):
    """The meters of a group: its round, and each of them."""

    title_key: ClassVar[str] = "places"

    def __init__(self, device: Device, words: Callable[[], Words], choice: Choice) -> None:
        super().__init__(device, words)
        self._choice = choice
        self._marked: set[Place] = set()
        self._is_walking = False

    @property
    def keys(self) -> Keys:  # type: ignore[override]  # they change while a round runs
        """See Face."""
        if self._is_walking:
            return (("r", "stop"),)
        return (("enter", "enter"), ("r", "r"), ("m", "m"), ("g", "g"))

    def heading(self) -> Line:
        """See Face."""
        seen = self.tasks.progress(self._places())
        name = f"{self.w(f'kind.{self._choice.kind}')} {self._choice.name}"
        share = 10 * seen.read // max(1, seen.total)
        failed = f" {_FAILED}{seen.failed}" if seen.failed else ""
        return name, f"{'█' * share}{'░' * (10 - share)} {seen.read}/{seen.total}{failed}"

    def lines(self) -> Sequence[Line]:
        """See Lines."""
        return [self._line(place) for place in self._places()]

    def open(self, place: int) -> None:
        """See Lines."""
        if not self._is_walking:
            where = self._places()[place]
            self.app.push_screen(CardFace(self.device, self.words_now, where))

    def press_r(self) -> None:
        """Start the round, or stop it; what was read stays read."""
        if self._is_walking:
            self._is_walking = False
            self.workers.cancel_group(self, "work")
            self.is_busy = False
            self.tell(self.w("word.stopped"))
        elif not self.is_busy:
            self.work(self._walk())

    def press_m(self) -> None:
        """Mark a meter for a group."""
        if self.chosen is not None:
            self._marked ^= {self._places()[self.chosen]}
            self.tell(self.w("word.marked", count=len(self._marked)))

    def press_g(self) -> None:
        """Put the marked meters together."""

        def named(name: str | None) -> None:
            if name:
                self.work(self._group(name))

        self.app.push_screen(Ask(self.w("ask.group")), named)

    async def _group(self, name: str) -> None:
        self.tasks.make_group(name, [each for each in self._places() if each in self._marked])
        self._marked.clear()
        self.news = self.w("word.kept")

    async def _walk(self) -> None:
        self._is_walking = True
        try:
            async for visit in self.tasks.collect(self._places()):
                self.news = f"{visit.place.meter} {_mark(visit)}"
                self.draw()
            self.news = self.w("word.round_over")
        finally:
            self._is_walking = False

    def _places(self) -> tuple[Place, ...]:
        held = {
            (order.id, meter.address) for order in self.tasks.orders() for meter in order.meters
        }
        return tuple(place for place in self._choice.places if place in held)

    def _line(self, place: Place) -> Line:
        meter, visit = self.tasks.visiting.meter(place), self.tasks.visit(place)
        mark = _MARKED if place in self._marked else " "
        value = next((f"{each.value} {each.unit}" for each in visit.values if each.value), "")
        return f"{_mark(visit)}{mark}{place.meter} {meter.customer or meter.place}", value


class FailuresFace(Lines):
    """Meters whose last attempt has failed."""

    title_key: ClassVar[str] = "failures"
    keys: Keys = (("enter", "enter"),)

    def lines(self) -> Sequence[Line]:
        """See Lines."""
        return [self._line(visit) for visit in self.tasks.failures()]

    def open(self, place: int) -> None:
        """See Lines."""
        where = self.tasks.failures()[place].place
        self.app.push_screen(FramesFace(self.device, self.words_now, where))

    def _line(self, visit: Visit) -> Line:
        failure = visit.failure
        if failure is None:
            return visit.place.meter, ""
        at = self.w.moment(failure.at, self.tasks.visiting.zone)
        return f"{visit.place.meter} {self.w.trouble(failure.kind, failure.detail)}", at


def _mark(visit: Visit) -> str:
    if visit.read_at is not None:
        return _DONE
    return _FAILED if visit.failure is not None else _OPEN
