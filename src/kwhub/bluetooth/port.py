"""What lies behind a node, one asker at a time: a bus with meters, or the link to a slave."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from kwhub.bluetooth.plain import PLAIN
from kwhub.domain.errors import LinkError
from kwhub.links.base import Link
from kwhub.links.layers.shared import Shared
from kwhub.runtime.clock import Clock
from kwhub.wire.events import Discarded
from kwhub.wire.passing import Dialect, Passing

__all__ = ["ANSWER_S", "Answer", "Give", "Port", "sign_of_life"]

Give: TypeAlias = Callable[[Passing, str], Awaitable[None]]
"""Takes an answer, with the name of the port that it came from."""

ANSWER_S = 2.0
"""Longest wait for the answer of a device."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request."""

    found: Passing | None = None  #: None: silence
    wrong: tuple[Passing | Discarded, ...] = ()  #: what came instead of it, or before it
    is_repeat: bool = False  #: the same had just been asked without an answer


@dataclass(slots=True)
class Port:
    """A link behind a node.

    Attributes:
        name: for people and for the registry; the Bluetooth address of a slave.
        meters: devices that are known to be there; empty while nothing is known.
        asked: requests that went out.
        shared: requests that were answered with the answer to the same request of another.
    """

    name: str
    link: Link
    clock: Clock
    meters: frozenset[str] = frozenset()
    answer_s: float = ANSWER_S
    asked: int = 0
    shared: int = 0
    _line: Shared = field(init=False)
    _running: dict[bytes, asyncio.Future[Answer]] = field(default_factory=dict)
    _unanswered: bytes = b""
    _following: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._line = Shared(self.link)

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return self._line.waiting

    async def ask(
        self, request: Passing, asker: str, dialect: Dialect, give: Give | None = None
    ) -> Answer:
        """Put a request to the devices behind.

        The same shareable request of several askers goes out once.

        Args:
            request: what to send.
            asker: turns go round fairly between askers.
            dialect: knows where an answer ends.
            give: takes what follows, where nobody knows: without a protocol all that comes is for who
                has asked last.

        Raises:
            LinkDown: the link behind is down.
        """
        while self._following is not None:
            await self.end()
        if not request.is_shareable:
            answer = await self._exchange(request, asker, dialect)
            if dialect is PLAIN and give is not None and not self.waiting:
                self._following = asyncio.ensure_future(self._follow(give))
            return answer
        running = self._running.get(request.raw)
        if running is not None:
            self.shared += 1
            return await asyncio.shield(running)
        running = asyncio.get_running_loop().create_future()
        self._running[request.raw] = running
        answer = Answer()
        try:
            answer = await self._exchange(request, asker, dialect)
        finally:
            del self._running[request.raw]
            running.set_result(answer)
        return answer

    async def end(self) -> None:
        """Give nobody what follows any more."""
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
            await asyncio.wait([following])

    async def _follow(self, give: Give) -> None:
        """Pass on what comes until somebody asks again, whatever the pauses in it."""
        with suppress(
            LinkError
        ):  # it is told where the link is kept, or somebody has a turn by now
            while True:
                await give(Passing(await self._line.read()), self.name)

    async def _exchange(self, request: Passing, asker: str, dialect: Dialect) -> Answer:
        async with self._line.claim(asker) as turn:
            self.asked += 1
            await turn.write(request.raw)
            if not request.wants_answer:
                return Answer()
            is_repeat = request.raw == self._unanswered
            answer = await self._listen(turn, request, dialect)
            self._unanswered = b"" if answer.found is not None else request.raw
            return replace(answer, is_repeat=is_repeat)

    async def _listen(self, turn: Link, request: Passing, dialect: Dialect) -> Answer:
        """Wait for the answer, by frame and never by packet."""
        wire_s = self.link.facts.wire_time_s(
            len(request.raw)
        )  # a write may return before it is out
        until = self.clock.monotonic() + self.answer_s + wire_s
        framer = dialect.framer()
        wrong: list[Passing | Discarded] = []
        is_inside = False
        while (left := until - self.clock.monotonic()) > 0 or is_inside:
            try:
                async with asyncio.timeout(dialect.gap_s if is_inside else left):
                    found = framer.feed(await turn.read())
                is_inside = True
            except TimeoutError:
                found, is_inside = framer.flush(), False
            for each in found:
                if isinstance(each, Passing) and _answers(each, request, dialect):
                    return Answer(each, tuple(wrong))
                if not _is_late(each, request, dialect):
                    wrong.append(each)
        return Answer(None, tuple(wrong))


def sign_of_life(dialect: Dialect, meters: Sequence[str], turn: int) -> Passing | None:
    """What a meter is asked only to know that it is there; None: the protocol has nothing for it.

    Args:
        dialect: the protocol.
        meters: that are known behind the port.
        turn: which of them is asked, by number.
    """
    raw = dialect.heartbeat(meters[turn % len(meters)] if meters else "")
    found = dialect.framer().feed(raw)
    return next((each for each in found if isinstance(each, Passing)), None)


def _is_late(found: Passing | Discarded, request: Passing, dialect: Dialect) -> bool:
    """Whether it is no answer to this request but nothing wrong: to one before, or a report."""
    if not isinstance(found, Passing) or not found.is_answer or found.trouble:
        return False
    return found.is_report or dialect.matches(request.address, found.address)


def _answers(found: Passing, request: Passing, dialect: Dialect) -> bool:
    if found.is_report or not request.token.startswith(found.token):
        return False
    if not request.address:
        return True
    return found.is_answer and dialect.matches(request.address, found.address)
