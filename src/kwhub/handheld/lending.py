"""Lending the channel: another device reaches the head-end through this one.

Two ways. ``Lender`` passes bytes on: a device with an identity of its own speaks TLS with the head-end through it, and this
one sees nothing. A device that has only the code of its allocation says so first (``ask_enrolment``), and is carried to the
port where devices enrol: its secret and its new key stay inside its own TLS, to the root that its code names. ``lend`` takes
plain requests over a local link from a device without identity, asks them through this device's own channel, and only those
that were allowed; each bears the borrower's name in the head-end's books.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from kwhub.domain.errors import KwhubError, LinkDown
from kwhub.exchange.device_messages import (
    Answer,
    Denied,
    Envelope,
    FetchWork,
    Query,
    Reply,
    Request,
    Unpacker,
    Upload,
    pack,
)
from kwhub.handheld.channel import Channel
from kwhub.handheld.identity import Identity
from kwhub.links.base import Link
from kwhub.links.tcp_listen import serve
from kwhub.runtime.clock import Clock

__all__ = [
    "BORROWERS_MAX",
    "ENROLMENT",
    "FIRST_S",
    "LENT",
    "Lender",
    "Lent",
    "ask_enrolment",
    "carry_bytes",
    "lend",
]

BORROWERS_MAX: Final = 4
"""Devices that may borrow at a time; one more is turned away."""

FIRST_S: Final = 30.0
"""A caller that says nothing for so long makes room for another one."""

ENROLMENT: Final = b"kwhub enrol\n"
"""What a borrower says first that wants to be enrolled; TLS never begins so."""

_LISTENING: Final = ("tcp-listen:", "tls-listen:")


class Lent(NamedTuple):
    """How lending stands.

    Attributes:
        address: where borrowers call.
        borrowers: how many there are now.
        served: how many there were in all.
    """

    address: str
    borrowers: int
    served: int


LENT: Final[tuple[type[Request], ...]] = (Upload, Query, FetchWork)
"""What is lent unless said otherwise: never renewal, never orders."""


class Lender:
    """Lends the way to the head-end; only there, and only while the identity of this device holds."""

    def __init__(
        self,
        identity: Identity,
        opener: Callable[[str], Awaitable[Link]],
        clock: Clock,
        told: Callable[[Lent], None],
    ) -> None:
        """Take who lends, what opens links, and who hears how it stands."""
        self._identity = identity
        self._opener = opener
        self._clock = clock
        self._told = told
        self._lent = Lent("", 0, 0)

    async def run(self, address: str) -> None:
        """Lend at an address until cancelled; a link that is no port serves one borrower after the other. Raises as ``Device.lend``."""
        self._identity.require()
        if address.startswith(_LISTENING):
            server = await serve(
                address, lambda near: self._attend(near, patience_s=FIRST_S), self._clock
            )
            self._tell(address=server.call_address)
            try:
                await asyncio.Event().wait()
            finally:
                await server.aclose()
        while True:
            self._identity.require()
            link = await self._opener(address)
            self._tell(address=link.facts.address or address)
            await self._attend(link)

    async def _attend(self, near: Link, patience_s: float | None = None) -> None:
        """Carry one borrower's bytes; whoever cannot be served hears that the link goes down."""
        lent = self._lent
        if lent.borrowers >= BORROWERS_MAX or self._identity.state.closed:
            await near.aclose()
            return
        self._tell(borrowers=lent.borrowers + 1, served=lent.served + 1)
        try:
            await self._carry(near, patience_s)
        finally:
            self._tell(borrowers=self._lent.borrowers - 1)

    async def _carry(self, near: Link, patience_s: float | None) -> None:
        state = self._identity.state
        try:
            async with asyncio.timeout(patience_s):
                enrols, first = await _begun(near)  # who says nothing costs no connection
            self._identity.require()
            far = await self._opener(f"tcp:{state.enrol if enrols else state.at}")
        except (TimeoutError, KwhubError):
            await near.aclose()
            return
        try:
            await far.write(first)
            await carry_bytes(near, far)
        except LinkDown:
            pass
        finally:
            await near.aclose()
            await far.aclose()

    def _tell(self, **changes: Any) -> None:
        self._lent = self._lent._replace(**changes)
        self._told(self._lent)


async def ask_enrolment(link: Link) -> Link:
    """Tell a lender that the way to the port where devices enrol is wanted; returns the link. Raises LinkDown."""
    try:
        await link.write(ENROLMENT)
    except LinkDown:
        await link.aclose()
        raise
    return link


async def _begun(near: Link) -> tuple[bool, bytes]:
    """Whether a borrower wants to be enrolled, and what has come of its TLS; waits until there is some."""
    first = await near.read()
    while ENROLMENT.startswith(first):
        first += await near.read()
    return first.startswith(ENROLMENT), first.removeprefix(ENROLMENT)


async def lend(
    link: Link, channel: Channel, borrower: str, allowed: tuple[type[Request], ...] = LENT
) -> None:
    """Serve a borrower on a link until it is down.

    Args:
        link: to the borrower; stays open, whoever opened it closes it.
        channel: of this device.
        borrower: its name, for the books.
        allowed: types of requests.

    Raises:
        DecodeError: what the borrower says is no message.
    """
    unpacker = Unpacker(Envelope)
    while True:
        try:
            data = await link.read()
            for envelope in unpacker.feed(data):
                if isinstance(envelope, Envelope):
                    answer = await _answer(channel, envelope.body, borrower, allowed)
                    await link.write(pack(Reply(envelope.number, channel.identity.now(), answer)))
        except LinkDown:
            return


async def carry_bytes(near: Link, far: Link) -> None:
    """Pass bytes between two links until one of them is down, then close both."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_pass_on(near, far))
        tasks.create_task(_pass_on(far, near))


async def _pass_on(source: Link, sink: Link) -> None:
    try:
        while True:
            await sink.write(await source.read())
    except LinkDown:
        await source.aclose()
        await sink.aclose()


async def _answer(
    channel: Channel, body: Request, borrower: str, allowed: tuple[type[Request], ...]
) -> Answer:
    if not isinstance(body, allowed):
        return Denied("request", "this is not lent")
    try:
        return await channel.ask(body, lent_to=borrower)
    except KwhubError as error:
        return Denied("request", str(error))
