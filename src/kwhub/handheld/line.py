"""A line to meters over any link, which remembers every byte that went by."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias, TypeVar

from kwhub.domain.errors import LocalError, NoAnswer
from kwhub.domain.machine import Conversation
from kwhub.exchange.device_messages import WorkMeter
from kwhub.handheld.records import Heard
from kwhub.links.base import Link
from kwhub.links.capture import Direction
from kwhub.links.drive import ATTEMPTS, Driver
from kwhub.links.layers.traced import Traced
from kwhub.protocols.dlt645.addresses import matches
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.dlt645.receiver import Received, Receiver
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.runtime.clock import Clock

__all__ = ["ANSWER_S", "PIECES_MAX", "Dial", "Line", "NotThisMeter", "Ways"]

T = TypeVar("T")

PIECES_MAX: Final = 200
"""Pieces that are remembered of one visit; older ones give way."""

ANSWER_S: Final = 3.0
"""How long a meter may take to answer a frame that is only carried, beside the time that both take on the wire."""

ANSWER_BYTES: Final = 256
"""A longest frame with its preamble: what the answer may have."""

Dial: TypeAlias = Callable[[str], Awaitable[Link]]
"""Opens the link of an address; raises LinkDown or ConfigError."""


class NotThisMeter(LocalError):
    """A meter that this device cannot talk to, whatever it can do with others."""


class Line:
    """One open link with a session on it.

    Attributes:
        pieces: what went by since ``begin``.
    """

    def __init__(self, link: Link, clock: Clock, *, attempts: int = ATTEMPTS) -> None:
        self.pieces: deque[Heard] = deque(maxlen=PIECES_MAX)
        self._link = Traced(link, self._note, clock)
        session = Session(Role.MASTER, baud=link.facts.baud)
        self._driver = Driver(self._link, session, clock, attempts=attempts)

    def begin(self) -> None:
        """Forget what went by."""
        self.pieces.clear()

    async def run(self, conversation: Conversation[T]) -> T:
        """Run a conversation with a meter. Raises LinkDown, and what the conversation raises."""
        return await self._driver.run(conversation)

    async def exchange(self, frame: bytes) -> bytes:
        """Send a frame that others have made and return the frame that answers it.

        What another meter says, or this one to an earlier frame, is no answer to it: it comes late on a shared line.

        Raises:
            NoAnswer: none came in time.
            LinkDown: the link went away.
        """
        asked = [each.frame for each in Receiver().feed(frame) if isinstance(each, Received)]
        await self._link.write(frame)
        receiver = Receiver()
        wire_s = self._link.facts.wire_time_s(len(frame) + ANSWER_BYTES)
        try:
            async with asyncio.timeout(ANSWER_S + wire_s):
                while True:
                    for found in receiver.feed(await self._link.read()):
                        if isinstance(found, Received) and _answers(found.frame, asked):
                            return found.raw
        except TimeoutError:
            raise NoAnswer("the meter does not answer") from None

    async def aclose(self) -> None:
        """Close the link."""
        await self._link.aclose()

    def _note(self, direction: Direction, data: bytes, at: datetime) -> None:
        self.pieces.append(Heard(direction, int(at.timestamp() * 1000), bytes(data)))


def _answers(frame: Frame645, asked: Sequence[Frame645]) -> bool:
    """Whether a frame answers what was sent; anything does when that is no frame that this device knows."""
    if not frame.is_answer:
        return False
    return not asked or any(
        matches(each.address, frame.address) and each.function == frame.function for each in asked
    )


class Ways:
    """How each meter is reached: a link address that may name ``{terminal}`` and ``{meter}``.

    Meters with the same address share a line, which stays open until another one is wanted.
    """

    def __init__(self, link: str, dial: Dial, clock: Clock) -> None:
        """Take the address and who opens links; nothing is opened yet."""
        self.link = link
        self._dial = dial
        self._clock = clock
        self._open: tuple[str, Line] | None = None

    def address(self, meter: WorkMeter) -> str:
        """The link address of a meter.

        Raises:
            LocalError: there is none.
            NotThisMeter: it names a terminal and the meter is behind none.
        """
        if not self.link:
            raise LocalError("no link is set; choose one in the settings")
        if "{terminal}" in self.link and not meter.terminal:
            raise NotThisMeter(
                f"meter {meter.address} is behind no terminal, but the link {self.link} names one"
            )
        return self.link.replace("{terminal}", meter.terminal).replace("{meter}", meter.address)

    async def line(self, meter: WorkMeter) -> Line:
        """The open line to a meter. Raises LinkDown, ConfigError, LocalError."""
        address = self.address(meter)
        if self._open is not None and self._open[0] == address:
            return self._open[1]
        await self.aclose()
        line = Line(await self._dial(address), self._clock)
        self._open = (address, line)
        return line

    @property
    def current(self) -> Line | None:
        """The line that is open."""
        return self._open[1] if self._open is not None else None

    async def aclose(self) -> None:
        """Close the line that is open."""
        opened, self._open = self._open, None
        if opened is not None:
            await opened[1].aclose()
