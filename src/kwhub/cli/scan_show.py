"""How far a scan has come, for people who watch."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from kwhub.cli.output import EN, Language, console
from kwhub.exchange.scan import Outcome
from kwhub.exchange.scan import Progress as Step

__all__ = ["OUTCOMES_ZH", "Shown", "shown"]

OUTCOMES_ZH = {
    Outcome.SILENCE: "无应答",
    Outcome.ANSWER: "应答",
    Outcome.SEVERAL: "多个应答",
    Outcome.GARBLED: "冲突",
}


class Shown:
    """Hears of a scan; this one keeps silent."""

    def begins(self, link: str, baud: int | None) -> None:
        """The line is asked at another speed."""

    def told(self, step: Step) -> None:
        """A question was asked."""


class _Bar(Shown):
    """A bar with the question that was asked last, and a line for each meter above it."""

    def __init__(self, progress: Progress, language: Language) -> None:
        self._progress = progress
        self._language = language
        self._task: TaskID | None = None
        self._found = 0
        self._collisions = 0

    def begins(self, link: str, baud: int | None) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        where = link if baud is None else f"{baud} baud"
        self._task = self._progress.add_task(where, total=1, what="")

    def told(self, step: Step) -> None:
        english = self._language == EN
        if step.found is not None:
            self._found += 1
            self._progress.console.print(
                f"{step.found.address}  {step.edition.value}", markup=False, highlight=False
            )
        elif step.outcome in (Outcome.SEVERAL, Outcome.GARBLED):
            self._collisions += 1
        said = step.outcome.value if english else OUTCOMES_ZH[step.outcome]
        found, met = ("found", "collisions") if english else ("已找到", "冲突")
        what = f"{step.pattern} {said}  {found} {self._found}  {met} {self._collisions}"
        if self._task is not None:
            self._progress.update(self._task, completed=step.asked, total=step.planned, what=what)


@contextmanager
def shown(language: Language) -> Iterator[Shown]:
    """A bar on standard error while that is a terminal; else nothing."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield Shown()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total}"),
        TextColumn("{task.fields[what]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=screen, transient=True) as progress:
        yield _Bar(progress, language)
