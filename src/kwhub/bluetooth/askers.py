"""The masters of a node: what each has asked last, who hears what is for all, who gets copies."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from kwhub.domain.errors import LinkDown
from kwhub.links.base import Link
from kwhub.runtime.clock import Clock

__all__ = ["Askers", "Last"]


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
    """

    def __init__(self, clock: Clock) -> None:
        """Begin with nobody; ``clock`` gives the time."""
        self.copies = 0
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

    async def tell(self, names: Iterable[str], data: bytes) -> int:
        """Give something to those of them who are there; to how many."""
        told = 0
        for name in names:
            link = self._links.get(name)
            if link is None:
                continue
            try:
                await link.write(data)
                told += 1
            except LinkDown:
                continue
        return told

    async def share(self, data: bytes, asker: str, subscribers: Iterable[str]) -> None:
        """Give a copy of an answer to who has subscribed and has not asked the same meanwhile."""
        others = (name for name in subscribers if name != asker)
        self.copies += await self.tell(
            [name for name in others if not self._has_asked_too(name, asker)], data
        )

    def _has_asked_too(self, name: str, asker: str) -> bool:
        """Whether somebody has asked the same as an asker meanwhile, and so has an answer of its own."""
        asked, own = self._last.get(asker), self._last.get(name)
        if asked is None or own is None:
            return False
        return own.raw == asked.raw and own.ended_s >= asked.began_s
