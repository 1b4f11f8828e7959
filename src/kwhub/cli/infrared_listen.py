"""``kwhub infrared listen``: what passes in the light, frame by frame."""

import asyncio
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from kwhub.catalog.decoding import Decoded, decode
from kwhub.cli.output import (
    EN,
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    pick_language,
    print_json,
    say,
)
from kwhub.cli.signals import cancel_on_terminate
from kwhub.domain.errors import LinkDown
from kwhub.links.address import open_link
from kwhub.links.base import Link
from kwhub.protocols.dlt645.receiver import Received, Receiver
from kwhub.runtime.clock import SystemClock
from kwhub.wire.events import Discarded

__all__ = ["listen"]

QUIET_S = 0.5
"""Silence that ends an unfinished frame: the longest pause between bytes of DL/T 645-2007."""


async def listen(
    link: str,
    *,
    seconds: Annotated[float | None, Parameter(validator=Number(gt=0))] = None,
    frames: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Print what passes in the light; frames are read as DL/T 645, nothing is ever sent.

    Goes on until Ctrl-C. The exit code is 1 when no frame was heard. Example:

        kwhub infrared listen ir:serial:/dev/ttyUSB1 --seconds 60
        kwhub infrared listen ir:sim:tcp:127.0.0.1:6455 --json

    Parameters
    ----------
    link
        The window: ir:serial:/dev/ttyUSB1, ir:sim:tcp-listen:127.0.0.1:6455
    seconds
        Stop after so many seconds.
    frames
        Stop after so many good frames.
    """
    cancel_on_terminate()
    opened = await open_link(link, clock=SystemClock())
    printer = _Printer(pick_language(language), frames, json=json)
    timer = asyncio.timeout(seconds)
    try:
        async with timer:
            await _listen(opened, printer)
    except TimeoutError:
        if not timer.expired():
            raise
    except (LinkDown, asyncio.CancelledError):
        pass
    finally:
        printer.quiet()
        await opened.aclose()
    return Exit.OK if printer.frames else Exit.NO


async def _listen(link: Link, printer: "_Printer") -> None:
    while not printer.enough:
        pause = asyncio.timeout(QUIET_S if printer.waits else None)
        try:
            async with pause:
                data = await link.read()
        except TimeoutError:
            if not pause.expired():
                raise
            printer.quiet()
        else:
            printer.take(data)


class _Printer:
    """Bytes in, lines out."""

    def __init__(self, language: Language, wanted: int | None, *, json: bool) -> None:
        self.frames = 0
        self._language = language
        self._wanted = wanted
        self._json = json
        self._receiver = Receiver()

    @property
    def enough(self) -> bool:
        return self._wanted is not None and self.frames >= self._wanted

    @property
    def waits(self) -> bool:
        return self._receiver.pending > 0

    def take(self, data: bytes) -> None:
        for item in self._receiver.feed(data):
            self._print(item)

    def quiet(self) -> None:
        for item in self._receiver.flush():
            self._print(item)

    def _print(self, item: Received | Discarded) -> None:
        if isinstance(item, Discarded):
            self._print_noise(item)
            return
        self.frames += 1
        decoded = decode(item.raw)
        if self._json:
            values = [
                {"register": value.register, "name": value.name, "value": value.value}
                | {"unit": value.unit}
                for value in decoded.values
            ]
            row = {
                "kind": "frame",
                "bytes": item.raw.hex(" ").upper(),
                "protocol": decoded.protocol,
            }
            print_json(row | {"frame": dict(decoded.frame), "values": values})
        else:
            say(f"{item.raw.hex(' ').upper()}\n    {_words(decoded, self._language)}")

    def _print_noise(self, item: Discarded) -> None:
        if self._json:
            print_json(
                {"kind": item.kind, "bytes": item.raw.hex(" ").upper(), "detail": item.detail}
            )
        elif self._language == EN:
            say(f"{item.raw.hex(' ').upper()}\n    no frame: {item.detail}")
        else:
            say(f"{item.raw.hex(' ').upper()}\n    不成帧（{item.kind}）")


def _words(decoded: Decoded, language: Language) -> str:
    """What a frame says, in one line."""
    said = [
        f"{value.name if language == EN else value.name_zh} {value.value} {value.unit}".rstrip()
        for value in decoded.values
    ]
    head = [str(decoded.frame.get(name)) for name in ("address", "function", "function_zh")]
    title = f"{head[0]} {head[1] if language == EN else head[2]}"
    return f"{title}: {'; '.join(said)}" if said else title
