"""What the front lets others see: the bytes on every line, and word that something has happened."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kwhub.headend.front.frame_log import STRANGERS, FrameLog
from kwhub.links.base import Link, LinkFacts
from kwhub.runtime.clock import Clock

__all__ = ["Lookout", "Tapped"]

UNNAMED_BYTES_MAX = 4096
"""Bytes kept of a line before it is known who is on it."""


def _unheard(_topic: str) -> None:
    """Nobody listens."""


@dataclass(slots=True)
class Lookout:
    """Where the front notes what goes on.

    Attributes:
        frames: the bytes of every terminal.
        tell: called from the loop with a topic: ``terminals``, ``readings``, ``events``, ``frames-<id>``.
        hidden: passwords as they stand in frames; in what is noted as sent, ``EE`` stands for them.
    """

    frames: FrameLog = field(default_factory=FrameLog)
    tell: Callable[[str], None] = _unheard
    hidden: Sequence[bytes] = field(default=(), repr=False)

    def shown(self, raw: bytes) -> bytes:
        """Bytes without the passwords in them."""
        for secret in self.hidden:
            raw = raw.replace(secret, b"\xee" * len(secret))
        return raw


class Tapped:
    """A link whose bytes are noted on their way, in both directions."""

    __slots__ = ("_clock", "_link", "_lookout", "_terminal_id", "_unnamed")

    def __init__(self, link: Link, clock: Clock, lookout: Lookout) -> None:
        self._link = link
        self._clock = clock
        self._lookout = lookout
        self._terminal_id: int | None = None
        self._unnamed: tuple[tuple[datetime, bytes, bool], ...] = ()

    @property
    def facts(self) -> LinkFacts:
        """What is known of the way."""
        return self._link.facts

    @property
    def inner(self) -> Link:
        """The link itself."""
        return self._link

    def name(self, terminal_id: int | None) -> None:
        """Say who is on the line, None for a stranger; what was heard before is noted now."""
        self._terminal_id = STRANGERS if terminal_id is None else terminal_id
        noted, self._unnamed = self._unnamed, ()
        for at, raw, sent in noted:
            self._lookout.frames.note(self._terminal_id, at, raw, sent=sent)

    async def read(self) -> bytes:
        """See Link."""
        data = await self._link.read()
        self._note(data, sent=False)
        return data

    async def write(self, data: bytes) -> None:
        """See Link."""
        await self._link.write(data)
        self._note(data, sent=True)

    async def aclose(self) -> None:
        """See Link."""
        await self._link.aclose()

    def _note(self, raw: bytes, *, sent: bool) -> None:
        now = self._clock.now()
        raw = self._lookout.shown(raw) if sent else raw
        if self._terminal_id is not None:
            self._lookout.frames.note(self._terminal_id, now, raw, sent=sent)
            self._lookout.tell(f"frames-{self._terminal_id}")
        elif sum(len(each) for _, each, _ in self._unnamed) + len(raw) <= UNNAMED_BYTES_MAX:
            self._unnamed += ((now, raw, sent),)
