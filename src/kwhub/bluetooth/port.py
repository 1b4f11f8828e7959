"""What lies behind a node, one asker at a time: a bus with meters, or the link to a slave."""

import asyncio
from dataclasses import dataclass, field, replace

from kwhub.links.base import Link
from kwhub.links.layers.shared import Shared
from kwhub.runtime.clock import Clock
from kwhub.wire.events import Discarded
from kwhub.wire.passing import Dialect, Passing

__all__ = ["ANSWER_S", "Answer", "Port"]

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

    def __post_init__(self) -> None:
        self._line = Shared(self.link)

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return self._line.waiting

    async def ask(self, request: Passing, asker: str, dialect: Dialect) -> Answer:
        """Put a request to the devices behind.

        The same shareable request of several askers goes out once.

        Args:
            request: what to send.
            asker: turns go round fairly between askers.
            dialect: knows where an answer ends.

        Raises:
            LinkDown: the link behind is down.
        """
        if not request.is_shareable:
            return await self._exchange(request, asker, dialect)
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
