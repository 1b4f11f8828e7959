"""The masters of a node: what each has asked last, who hears what is for all, who gets copies."""

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from math import inf

from kwhub.bluetooth.background import Background
from kwhub.domain.errors import LinkDown
from kwhub.links.base import Link
from kwhub.runtime.clock import Clock
from kwhub.wire.passing import Passing

__all__ = ["COPIES_MAX", "Askers", "Last"]

COPIES_MAX = 64
"""So many wait for a slow subscriber; it misses what comes beyond."""


@dataclass(slots=True, eq=False)
class Last:
    """The last request of an asker."""

    raw: bytes
    began_s: float
    ended_s: float = inf  #: while it is being worked on


class Askers:
    """Who is there, and what each has asked last.

    Attributes:
        copies: readings that subscribers got.
        missed: readings that they were too slow for.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin with nobody; ``clock`` gives the time."""
        self.copies = 0
        self.missed = 0
        self._background = Background()
        self._waiting: dict[str, deque[bytes]] = {}  # copies, by the name of who is to get them
        self._shared: dict[str, Passing] = {}  # the last, by port
        self._clock = clock
        self._links: dict[str, Link] = {}
        self._last: dict[str, Last] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Who is there."""
        return tuple(self._links)

    def comes(self, name: str, link: Link) -> None:
        """Somebody is there."""
        self._links[name] = link

    def leaves(self, name: str, link: Link) -> None:
        """Somebody is there no longer, unless he has come again by another link."""
        if self._links.get(name) is link:
            del self._links[name]
            self._last.pop(name, None)

    def begins(self, name: str, raw: bytes) -> Last:
        """Somebody asks something."""
        last = self._last[name] = Last(raw, self._clock.monotonic())
        return last

    def ends(self, last: Last) -> None:
        """A request was worked on."""
        last.ended_s = self._clock.monotonic()

    def last(self, name: str) -> Last | None:
        """What somebody has asked last."""
        return self._last.get(name)

    async def tell(self, data: bytes) -> None:
        """Give something to all who are there."""
        for link in tuple(self._links.values()):
            with suppress(LinkDown):
                await link.write(data)

    def share(self, answer: Passing, port: str, asker: str, subscribers: Iterable[str]) -> None:
        """Give a copy to who has subscribed and has not asked the same meanwhile; nobody waits for them.

        Args:
            answer: what an asker has got.
            port: where it came from; who asked the same at once has got it too, and it is shared once.
            asker: his name.
            subscribers: their names.
        """
        if self._shared.get(port) is answer:
            return
        self._shared[port] = answer
        for name in subscribers:
            if name != asker and name in self._links and not self._has_asked_too(name, asker):
                self._copy(name, answer.raw)

    async def aclose(self) -> None:
        """Give no more copies."""
        await self._background.aclose()

    def _copy(self, name: str, data: bytes) -> None:
        waiting = self._waiting.get(name)
        if waiting is None:
            self._waiting[name] = deque([data])
            self._background.spawn(self._deliver(name))
        elif len(waiting) < COPIES_MAX:
            waiting.append(data)
        else:
            self.missed += 1

    async def _deliver(self, name: str) -> None:
        waiting = self._waiting[name]
        try:
            while waiting and (link := self._links.get(name)) is not None:
                await link.write(waiting[0])
                waiting.popleft()
                self.copies += 1
        except LinkDown:
            pass  # it is no subscriber any more
        finally:
            del self._waiting[name]

    def _has_asked_too(self, name: str, asker: str) -> bool:
        """Whether somebody has asked the same as an asker meanwhile, and so has an answer of its own."""
        asked, own = self._last.get(asker), self._last.get(name)
        if asked is None or own is None:
            return False
        return own.raw == asked.raw and own.ended_s >= asked.began_s
