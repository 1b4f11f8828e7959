"""What lies behind a node, one asker at a time: a bus with meters, or the link to a slave."""

import asyncio
from collections import deque
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

Take: TypeAlias = Callable[[Passing | Discarded, str], Awaitable[object]]
"""Takes whatever comes, with the name of the port that it came from."""

NOISE = "noise"
"""Kind of bytes that do not even begin like a frame."""

ANSWER_S = 2.0
"""Longest wait for the answer of a device, while others may want their turn."""

FRAME_S_MAX = 10.0
"""Who is still speaking so long after its answer was due says no frame: 1,000 bytes take as long at 1,200 baud."""

WRONG_MAX = 100
"""So many of the wrong things that came for one request are kept, the last ones."""

LATE_S = 30.0
"""While nobody else asks, an answer that comes later still finds its asker, for so long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request."""

    found: Passing | Discarded | None = None  #: None: silence; damage, where several spoke at once
    wrong: tuple[Passing | Discarded, ...] = ()  #: what came instead of it, or before it
    rest: tuple[Passing | Discarded, ...] = ()  #: what came together with it
    is_repeat: bool = False  #: the same had just been asked without an answer

    @property
    def has_more(self) -> bool:
        """Whether the rest has to be asked for, by the same asker."""
        return isinstance(self.found, Passing) and self.found.has_more


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
    _running: dict[bytes, asyncio.Future[Answer | None]] = field(default_factory=dict)
    _unanswered: bytes = b""
    _following: asyncio.Task[None] | None = None
    _fetcher: str = ""
    _fetched: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._line = Shared(self.link)

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return self._line.waiting

    async def ask(
        self, request: Passing, asker: str, dialect: Dialect, take: Take | None = None
    ) -> Answer:
        """Put a request to the devices behind.

        The same shareable request of several askers goes out once.

        Args:
            request: what to send.
            asker: turns go round fairly between askers.
            dialect: knows where an answer ends.
            take: gets what follows until somebody asks again: answers of others where several may
                answer, an answer that comes late, and without a protocol all that comes.

        Raises:
            LinkDown: the link behind is down.
        """
        while self._following is not None:
            await self.end()
        listening = _Listening(request, dialect)
        if not request.is_shareable or request.is_for_many:
            answer = await self._exchange(listening, asker, take)
            self._let_follow(listening, answer, take)
            return answer
        while (running := self._running.get(request.raw)) is not None:
            of_another = await asyncio.shield(running)
            if of_another is None:  # he has gone before the answer came: it is asked for once more
                continue
            if of_another.has_more:
                return await self._exchange(listening, asker, take)
            self.shared += 1
            return of_another
        answer = await self._ask_for_all(listening, asker, take)
        self._let_follow(listening, answer, take)
        return answer

    async def _ask_for_all(self, listening: "_Listening", asker: str, take: Take | None) -> Answer:
        """Ask; who wants to know the same meanwhile hears what came, or that nobody asks any more."""
        raw = listening.request.raw
        running = self._running[raw] = asyncio.get_running_loop().create_future()
        answer = None
        try:
            answer = await self._exchange(listening, asker, take)
        finally:
            del self._running[raw]
            running.set_result(answer)
        return answer

    async def end(self) -> None:
        """Give nobody what follows any more."""
        following = self._following
        if following is not None:
            following.cancel()
            await asyncio.wait([following])
        if self._following is following:  # whoever comes meanwhile waits too
            self._following = None

    def _let_follow(self, listening: "_Listening", answer: Answer, take: Take | None) -> None:
        """Listen on, unless all has been said or somebody else wants a turn."""
        request = listening.request
        is_over = answer.found is not None and not listening.goes_on
        if take is not None and request.wants_answer and not is_over and not self.waiting:
            self._following = asyncio.ensure_future(self._follow(listening, answer.rest, take))

    async def _follow(
        self, listening: "_Listening", rest: tuple[Passing | Discarded, ...], take: Take
    ) -> None:
        """Pass on what comes until somebody asks again, whatever the pauses in it."""
        late_s = None if listening.dialect is PLAIN else LATE_S
        # A link that ends is told where it is kept; or somebody has a turn by now, or nobody speaks.
        with suppress(LinkError, TimeoutError):
            async with asyncio.timeout(late_s):
                for each in rest:
                    await take(each, self.name)
                while True:
                    for each in await listening.more(self._line, None):
                        if not listening.is_answer(each):
                            continue
                        await take(each, self.name)
                        if not listening.goes_on:
                            return

    async def _exchange(self, listening: "_Listening", asker: str, take: Take | None) -> Answer:
        while True:
            await self._let_fetch(asker)
            async with self._line.claim(asker) as turn:
                if self._fetcher not in ("", asker):
                    continue  # it has begun while this one was waiting
                answer = Answer()
                try:
                    answer = await self._put(turn, listening, take)
                finally:
                    self._fetcher = asker if answer.has_more else ""
                    self._fetched.set()
                return answer

    async def _let_fetch(self, asker: str) -> None:
        """Wait while another fetches the rest of a long answer: a meter knows only where it has ended."""
        while self._fetcher not in ("", asker):
            self._fetched.clear()
            try:
                async with asyncio.timeout(self.answer_s):
                    await self._fetched.wait()
            except TimeoutError:
                self._fetcher = ""

    async def _put(self, turn: Link, listening: "_Listening", take: Take | None) -> Answer:
        request = listening.request
        self.asked += 1
        await turn.write(request.raw)
        if not request.wants_answer:
            return Answer()
        is_repeat = request.raw == self._unanswered
        answer = await self._listen(turn, listening, take)
        self._unanswered = b"" if answer.found is not None else request.raw
        return replace(answer, is_repeat=is_repeat)

    async def _listen(self, turn: Link, listening: "_Listening", take: Take | None) -> Answer:
        """Wait for the answer, by frame and never by packet."""
        request = listening.request
        # A write may return before it is out.
        wire_s = self.link.facts.wire_time_s(len(request.raw))
        until = self.clock.monotonic() + self.answer_s + wire_s
        wrong: deque[Passing | Discarded] = deque(maxlen=WRONG_MAX)
        while (left := until - self.clock.monotonic()) > 0 or (
            listening.is_inside and left > -FRAME_S_MAX
        ):
            found = await listening.more(turn, left)
            for place, each in enumerate(found):
                is_noise = isinstance(each, Discarded) and each.kind == NOISE
                if is_noise and request.is_for_many and take is not None:
                    await take(each, self.name)  # several at once, or the line alone
                elif listening.is_answer(each) and not is_noise:
                    return Answer(each, tuple(wrong), tuple(found[place + 1 :]))
                elif isinstance(each, Discarded) and take is not None:
                    await take(each, self.name)  # where it is only reported, it goes on at once
                elif not _is_late(each, request, listening.dialect):
                    wrong.append(each)
        return Answer(None, tuple(wrong))


class _Listening:
    """What is heard after a request, cut into frames.

    Attributes:
        is_inside: something has come that no pause has ended yet.
    """

    def __init__(self, request: Passing, dialect: Dialect) -> None:
        self.request = request
        self.dialect = dialect
        self.is_inside = False
        self._framer = dialect.framer()

    @property
    def goes_on(self) -> bool:
        """Whether more may come behind an answer."""
        return self.dialect is PLAIN or self.request.is_for_many

    def is_answer(self, found: Passing | Discarded) -> bool:
        """Whether it answers the request; who several speak at once to is answered by damage."""
        if isinstance(found, Discarded):
            return self.request.is_for_many
        return _answers(found, self.request, self.dialect)

    async def more(self, link: Link, left_s: float | None) -> list[Passing | Discarded]:
        """What has come next, or was ended by a pause; at most so many seconds outside a frame."""
        try:
            async with asyncio.timeout(self.dialect.gap_s if self.is_inside else left_s):
                found = self._framer.feed(await link.read())
            self.is_inside = True
        except TimeoutError:
            found, self.is_inside = self._framer.flush(), False
        return found


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
