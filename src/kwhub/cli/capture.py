"""``kwhub capture``: what two strangers say to each other on a line."""

import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.live import Live
from rich.text import Text

from kwhub.cli.output import (
    EN,
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    console,
    pick_language,
    print_json,
    say,
)
from kwhub.cli.signals import cancel_on_terminate
from kwhub.domain.errors import LinkDown
from kwhub.links.address import open_link
from kwhub.links.base import Link
from kwhub.links.layers import Captured
from kwhub.protocols.dlt645.receiver import Received, Receiver
from kwhub.runtime.clock import Clock, SystemClock

__all__ = ["capture"]

SHOWN_A_SECOND = 4
"""How often the live count is drawn."""

SecondsOption: TypeAlias = Annotated[
    float | None,
    Parameter(name="--seconds", validator=Number(gt=0), help="Stop after so many seconds."),
]
FramesOption: TypeAlias = Annotated[
    int | None,
    Parameter(name="--frames", validator=Number(gte=1), help="Stop after so many good frames."),
]


async def capture(
    link: str,
    file: Path,
    *,
    seconds: SecondsOption = None,
    frames: FramesOption = None,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Record what passes on a line, both directions as they are heard; nothing is ever written to it.

    Goes on until Ctrl-C; a file that exists is continued. The exit code is 1 when nothing was
    heard. Read the file with kwhub explain. Example:

        kwhub capture serial:/dev/ttyUSB0?baud=2400 bus.capture --seconds 60

    Parameters
    ----------
    link
        Where to listen: serial:/dev/ttyUSB0?baud=2400&parity=even, tcp:10.0.0.7:4001
    file
        Where to: JSON lines with time and bytes.
    """
    cancel_on_terminate()
    spoken = pick_language(language)
    clock = SystemClock()
    opened = await open_link(link, clock=clock)
    try:
        recorder = Captured(opened, file, clock)
    except BaseException:
        await opened.aclose()
        raise
    tally = _Tally(clock, frames)
    try:
        with nullcontext() if json else _live(tally, spoken):
            await _listen(recorder, tally, seconds)
    except asyncio.CancelledError:
        tally.interrupted = True
    finally:
        await recorder.aclose()
    if json:
        print_json({"link": link, "file": str(file)} | tally.as_json())
    else:
        say(f"{file}: {tally.words(spoken)}")
    return Exit.OK if tally.heard_bytes else Exit.NO


class _Tally:
    """What was heard so far."""

    def __init__(self, clock: Clock, frames_wanted: int | None) -> None:
        self.heard_bytes = 0
        self.frames = 0
        self.discarded_bytes = 0
        self.interrupted = False
        self._clock = clock
        self._began_s = clock.monotonic()
        self._frames_wanted = frames_wanted
        self._receiver = Receiver()

    @property
    def enough(self) -> bool:
        return self._frames_wanted is not None and self.frames >= self._frames_wanted

    def take(self, data: bytes) -> None:
        self.heard_bytes += len(data)
        for item in self._receiver.feed(data):
            if isinstance(item, Received):
                self.frames += 1
            else:
                self.discarded_bytes += len(item.raw)

    def words(self, language: Language) -> str:
        passed_s = self._clock.monotonic() - self._began_s
        if language == EN:
            return (
                f"{passed_s:.0f} s, {self.heard_bytes} bytes, {self.frames} frames, "
                f"{self.discarded_bytes} bytes that make no frame"
            )
        return (
            f"{passed_s:.0f} 秒，{self.heard_bytes} 字节，{self.frames} 帧，"
            f"不成帧 {self.discarded_bytes} 字节"
        )

    def as_json(self) -> dict[str, object]:
        return {
            "bytes": self.heard_bytes,
            "frames": self.frames,
            "discarded_bytes": self.discarded_bytes,
            "interrupted": self.interrupted,
        }


class _Line:
    """What the live display asks for each time that it draws."""

    def __init__(self, tally: _Tally, language: Language) -> None:
        self._tally = tally
        self._language = language

    def __rich__(self) -> Text:
        return Text(self._tally.words(self._language))


def _live(tally: _Tally, language: Language) -> Live | nullcontext[None]:
    """The count, redrawn on standard error while that is a terminal."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        return nullcontext()
    line = _Line(tally, language)
    return Live(line, console=screen, refresh_per_second=SHOWN_A_SECOND, transient=True)


async def _listen(link: Link, tally: _Tally, seconds: float | None) -> None:
    """Read until the time is over, enough was heard, or the other side goes away."""
    timer = asyncio.timeout(seconds)
    try:
        async with timer:
            while not tally.enough:
                tally.take(await link.read())
    except LinkDown:
        return
    except TimeoutError:
        if not timer.expired():
            raise
