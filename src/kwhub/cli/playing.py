"""How far a played simulation has come: a bar for who looks at a terminal, a line each tenth for a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from kwhub.cli.output import Language, console

__all__ = ["playing"]

_TENTHS: Final = 10
_TITLE: Final[dict[Language, str]] = {
    "en": "Playing {days} days of {meters} meters",
    "zh": "正在回放 {meters} 块表的 {days} 天",
}


@contextmanager
def playing(language: Language, days: int, meters: int) -> Iterator[Callable[[float], None]]:
    """Show progress on standard error; call what is given with the share that is done, 0 to 1."""
    title = _TITLE[language].format(days=days, meters=meters)
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield _Lines(screen, title)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda share: bar.update(task, completed=share)


class _Lines:
    def __init__(self, screen: Console, title: str) -> None:
        self._screen, self._title = screen, title
        self._tenth = -1

    def __call__(self, share: float) -> None:
        tenth = int(share * _TENTHS)
        if tenth > self._tenth:
            self._tenth = tenth
            percent = tenth * 100 // _TENTHS
            self._screen.print(f"{self._title}: {percent} %", markup=False)
