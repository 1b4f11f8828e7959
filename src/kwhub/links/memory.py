"""``memory:NAME``: inside the process: a pair of ends, and a bus on which everyone hears everyone."""

import asyncio
from dataclasses import dataclass, field
from itertools import count

from kwhub.domain.errors import LinkDown
from kwhub.links.address import LinkAddress
from kwhub.links.base import Inbox, Link, LinkFacts
from kwhub.links.tcp import BAUD_RATES
from kwhub.runtime.clock import Clock

__all__ = ["Bus", "MemoryLink", "open_address", "pair"]

_pair_numbers = count(1)


@dataclass(slots=True)
class _Medium:
    """What carries the bytes from each end to all others."""

    facts: LinkFacts
    ends_together: bool  #: a cable with two ends is cut for both; a bus goes on without one talker
    ends: list["MemoryLink"] = field(default_factory=list)

    def attach(self) -> "MemoryLink":
        end = MemoryLink(self)
        self.ends.append(end)
        return end


class MemoryLink:
    """One end of a way inside the process. Made by :func:`pair` and :meth:`Bus.attach`."""

    def __init__(self, medium: _Medium) -> None:
        self._medium = medium
        self._open = True
        self._room: asyncio.Event | None = None
        self._inbox = Inbox(self._on_room)

    @property
    def facts(self) -> LinkFacts:
        """See Link."""
        return self._medium.facts

    async def read(self) -> bytes:
        """See Link."""
        return await self._inbox.read()

    async def write(self, data: bytes) -> None:
        """See Link; waits while a hearer has too much unread."""
        raw = bytes(data)
        self._check()
        for end in tuple(self._medium.ends):
            if end is not self:
                while end.is_behind:
                    await end.room()
                    self._check()
                end.hear(raw)

    @property
    def is_behind(self) -> bool:
        """Whether this end has so much unread that a talker must wait for it."""
        return self._inbox.full and self._open

    @property
    def is_cut(self) -> bool:
        """Whether one of the sides has closed."""
        return self._inbox.closed

    def hear(self, data: bytes) -> None:
        """Bytes arrive at this end."""
        self._inbox.put(data)

    async def room(self) -> None:
        """Wait until the reader of this end has caught up, or an end has gone."""
        if self._room is None:
            self._room = asyncio.Event()
        await self._room.wait()

    async def aclose(self) -> None:
        """See Link."""
        if not self._open:
            return
        self._open = False
        self._inbox.close("closed by this side", drop=True)
        for end in self._medium.ends:
            end.on_gone(self)
        self._medium.ends.remove(self)

    def on_gone(self, gone: "MemoryLink") -> None:
        """An end of the medium was closed, this one or another."""
        if self._medium.ends_together and gone is not self:
            self._inbox.close("closed by the other side")
        self._on_room()

    def _check(self) -> None:
        if self._inbox.closed:
            raise LinkDown("closed by the other side" if self._open else "closed by this side")

    def _on_room(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None


def pair(*, baud: int | None = None) -> tuple[Link, Link]:
    """Make the two ends of a cable.

    Args:
        baud: speed to state in the facts; the bytes themselves take no time. Wrap one end in
            :class:`kwhub.links.layers.Throttled` to have the cable paced.
    """
    address = f"memory:pair-{next(_pair_numbers)}"
    facts = LinkFacts(address, baud=baud, half_duplex=baud is not None)
    medium = _Medium(facts, ends_together=True)
    return medium.attach(), medium.attach()


_waiting: dict[str, MemoryLink] = {}
"""The far ends of cables that were opened by name and whose other side has not come yet."""


async def open_address(address: LinkAddress, clock: Clock) -> Link:  # noqa: ARG001 - as all schemes
    """Open ``memory:NAME``: whoever opens the same name next in this process is the other side.

    Raises:
        ConfigError: there is no name, or an option is wrong.
    """
    address.allow("baud")
    if not address.target:
        raise address.wrong("memory: needs a name, such as memory:bus-1")
    baud = address.integer("baud", None, BAUD_RATES)
    waiting = _waiting.pop(address.target, None)
    if waiting is not None and not waiting.is_cut:
        return waiting
    medium = _Medium(
        LinkFacts(address.text, baud=baud, half_duplex=baud is not None),
        ends_together=True,
    )
    _waiting[address.target] = medium.attach()
    return medium.attach()


class Bus:
    """A half-duplex bus: what one talker writes, all others hear, itself it does not.

    Nothing is done about two who talk at once; their bytes mix in the order of their writes, as
    the protocol above must bear.
    """

    def __init__(self, name: str = "bus", *, baud: int | None = None) -> None:
        """Make a bus without talkers.

        Args:
            name: for the facts of its links.
            baud: speed to state in the facts; see :func:`pair`.
        """
        self._medium = _Medium(
            LinkFacts(f"memory:{name}", baud=baud, half_duplex=True), ends_together=False
        )

    @property
    def talkers(self) -> int:
        """How many ends are attached."""
        return len(self._medium.ends)

    def attach(self) -> Link:
        """Connect one more talker; its ``aclose`` takes it off the bus again."""
        return self._medium.attach()
