"""Real inputs of a small Linux box, through the package gpiod (libgpiod 2); the kernel stamps and numbers every edge.

The kernel keeps 1024 edges and drops the oldest of more. A thread of its own empties it, so that a slow flush of the counts
does not; what is dropped all the same shows as a gap in the numbers of a line.

Source: Linux GPIO character device, uAPI v2 (line events carry CLOCK_MONOTONIC); libgpiod 2 Python bindings.
"""

import errno
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final

import gpiod
import numpy as np

from kwhub.domain.errors import LinkDown
from kwhub.terminal.box import Batch

__all__ = ["GpioInputs", "LinesNotHad"]

_BUFFER_EVENTS: Final = 1_024  #: in the kernel, for all lines together
_READ_MAX: Final = 1_024
_NS_PER_US: Final = 1_000
_EMPTY_S: Final = (
    0.05  #: between two looks of the thread; a burst of 20,000 edges a second has room
)

_WORDS: Final = MappingProxyType(
    {
        errno.ENOENT: (
            "there is no such chip; 'gpiodetect' lists those of this machine",
            "没有此芯片；gpiodetect 可列出本机芯片",
        ),
        errno.EACCES: (
            "this user may not open it; add the user to the group of the file (often gpio)",
            "当前用户无权打开；请将用户加入该文件所属的组（常为 gpio）",
        ),
        errno.ENOTTY: ("this is no GPIO chip", "这不是 GPIO 芯片"),
        errno.EBUSY: ("in use: {lines}", "已被占用：{lines}"),
        errno.ERANGE: (
            "it has {count} lines, from 0; there is no {lines}",
            "共 {count} 条线，从 0 起；没有 {lines}",
        ),
    }
)
"""Why lines cannot be had, in English and Chinese."""

_SAME: Final = MappingProxyType(
    {errno.EPERM: errno.EACCES, errno.ENODEV: errno.ENOTTY, errno.EINVAL: errno.ENOTTY}
)
"""What the kernel and libgpiod say for the same reason."""


class LinesNotHad(LinkDown):
    """The chip or a line cannot be had; ``chinese`` says why in Chinese."""

    def __init__(self, chip: str, lines: Sequence[int], error: OSError | ValueError) -> None:
        words, facts = _why(chip, lines, error)
        english, self.chinese = (f"{chip}: {each.format(**facts)}" for each in words)
        super().__init__(english)


class GpioInputs:
    """Lines of one chip.

    Args:
        chip: such as ``/dev/gpiochip0``.
        lines: offset of each channel, in order.
        active_low: an open-collector output pulls the line down when it is active.
        cover: offset of the cover contact, which is closed (active) while the cover is; None: there is none.

    Raises:
        LinesNotHad: the chip or a line cannot be had.
    """

    def __init__(
        self,
        chip: str,
        lines: Sequence[int],
        *,
        active_low: bool = True,
        cover: int | None = None,
    ) -> None:
        settings = gpiod.LineSettings(
            direction=gpiod.line.Direction.INPUT,
            edge_detection=gpiod.line.Edge.BOTH,
            bias=gpiod.line.Bias.PULL_UP if active_low else gpiod.line.Bias.PULL_DOWN,
            active_low=active_low,
            event_clock=gpiod.line.Clock.MONOTONIC,
        )
        self._channels = {offset: number for number, offset in enumerate(lines, start=1)}
        self._lines = tuple(lines)
        self._cover = cover
        config: dict[Iterable[int | str] | int | str, gpiod.LineSettings | None] = {
            self._lines: settings
        }
        if cover is not None:
            config[cover] = gpiod.LineSettings(
                direction=settings.direction, bias=settings.bias, active_low=active_low
            )
        self._rising = gpiod.EdgeEvent.Type.RISING_EDGE
        self._active = gpiod.line.Value.ACTIVE
        self._young: list[tuple[int, int, bool]] = []
        self._read: list[tuple[int, int, bool]] = []
        self._numbers = dict.fromkeys(lines, 0)
        self._lost: dict[int, int] = {}
        self._turn, self._over = threading.Lock(), threading.Event()
        self._trouble: OSError | None = None
        try:
            self._request = gpiod.request_lines(
                chip,
                consumer="kwhub terminal",
                config=config,
                event_buffer_size=_BUFFER_EVENTS,
            )
        except (OSError, ValueError) as error:
            wanted = self._lines if cover is None else (*self._lines, cover)
            raise LinesNotHad(chip, wanted, error) from error
        self._thread = threading.Thread(target=self._keep_empty, name="inputs", daemon=True)
        self._thread.start()

    def levels(self) -> int:
        """See Inputs. Raises LinkDown."""
        try:
            with self._turn:  # a request is for one thread at a time
                values = self._request.get_values(list(self._lines))
        except OSError as error:
            raise LinkDown(f"the inputs cannot be read: {error}") from error
        return sum((value == self._active) << n for n, value in enumerate(values))

    def edges(self, now_us: int) -> Mapping[int, Batch]:
        """See Inputs. Raises LinkDown."""
        found = self._young + self._fresh()
        self._young = [edge for edge in found if edge[0] > now_us]
        by_channel: dict[int, list[tuple[int, bool]]] = {}
        for moment, number, level in found:
            if moment <= now_us:
                by_channel.setdefault(number, []).append((moment, level))
        return {
            number: (
                np.array([moment for moment, _ in edges], np.int64),
                np.array([level for _, level in edges], np.bool_),
            )
            for number, edges in by_channel.items()
        }

    def lost(self) -> Mapping[int, int]:
        """See Inputs."""
        with self._turn:
            lost, self._lost = self._lost, {}
        return lost

    def cover_open(self) -> bool | None:
        """See Inputs. Raises LinkDown."""
        if self._cover is None:
            return None
        try:
            with self._turn:
                (value,) = self._request.get_values([self._cover])
        except OSError as error:
            raise LinkDown(f"the cover contact cannot be read: {error}") from error
        return bool(value != self._active)

    def close(self) -> None:
        """See Inputs."""
        self._over.set()
        self._thread.join()
        self._request.release()

    def _fresh(self) -> list[tuple[int, int, bool]]:
        with self._turn:
            try:
                self._empty()
            except OSError as error:
                self._trouble = error
            fresh, self._read = self._read, []
            trouble, self._trouble = self._trouble, None
        if trouble is not None:
            self._young += fresh
            raise LinkDown(f"the inputs cannot be read: {trouble}") from trouble
        return fresh

    def _keep_empty(self) -> None:
        """The thread: also while the service waits for its disk."""
        while not self._over.wait(_EMPTY_S):
            with self._turn:
                try:
                    self._empty()
                except OSError as error:
                    self._trouble = error

    def _empty(self) -> None:
        while self._request.wait_edge_events(0):
            for event in self._request.read_edge_events(_READ_MAX):
                channel = self._channels[event.line_offset]
                self._check_number(event.line_offset, channel, event.line_seqno)
                is_active = event.event_type == self._rising
                self._read.append((event.timestamp_ns // _NS_PER_US, channel, is_active))

    def _check_number(self, offset: int, channel: int, number: int) -> None:
        """The kernel numbers the edges of each line from 1, 32 bits; a gap is what it has dropped."""
        missing = (number - self._numbers[offset] - 1) & 0xFFFF_FFFF
        if number and missing:
            self._lost[channel] = self._lost.get(channel, 0) + missing
        self._numbers[offset] = number


def _why(
    chip: str, lines: Sequence[int], error: OSError | ValueError
) -> tuple[tuple[str, str], dict[str, object]]:
    """Words and what they are filled with; the error's own where there are none."""
    number = error.errno if isinstance(error, OSError) else errno.ERANGE
    number = _SAME.get(number or 0, number)
    facts: dict[str, object] = {}
    with suppress(OSError):
        if number == errno.EBUSY and (taken := _taken(chip, lines)):
            facts["lines"] = taken
        elif number == errno.ERANGE:
            facts |= _beyond(chip, lines)
    known = _WORDS.get(number or 0)
    if known is None or (number in {errno.EBUSY, errno.ERANGE} and not facts):
        text = str(getattr(error, "strerror", None) or error).replace("{", "(").replace("}", ")")
        return (text, text), {}
    return known, facts


def _taken(chip: str, lines: Sequence[int]) -> str:
    """Each wanted line that somebody has, with who that is."""
    with gpiod.Chip(chip) as opened:
        found = [opened.get_line_info(line) for line in lines]
    return ", ".join(f"{each.offset} ({each.consumer or '?'})" for each in found if each.used)


def _beyond(chip: str, lines: Sequence[int]) -> dict[str, object]:
    """How many lines there are, and which of the wanted ones are none of them."""
    with gpiod.Chip(chip) as opened:
        count = opened.get_info().num_lines
    return {"count": count, "lines": ", ".join(str(each) for each in lines if each >= count)}
