"""The channel from a device to the head-end: opened with the newest identity, and renewed by itself.

A module of its own, because another device can borrow it (``lending``). Any link will do: TLS is inside. Every request may
be asked again after a lost answer.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeAlias

from kwhub.domain.errors import LinkDown, NoAnswer, Refusal, RemoteError, SequenceError
from kwhub.exchange.device_messages import (
    HEAD_END_NAME,
    Answer,
    Authorities,
    Certified,
    Denied,
    Enrol,
    Envelope,
    FetchAuthorities,
    Greet,
    Renew,
    Reply,
    Request,
    Unpacker,
    denial,
    pack,
)
from kwhub.handheld.identity import Identity, client_context, stranger_context
from kwhub.handheld.state import Held
from kwhub.links.base import Link
from kwhub.links.layers.secure import SecureLink

__all__ = ["ANSWER_S", "Channel", "Dial", "enrol"]

ANSWER_S: Final = 30.0
"""How long the head-end may take to answer, over the slowest way."""

_NOT_ADMITTED: Final = frozenset({"unknown", "dead", "locked", "lost", "retired"})

Dial: TypeAlias = Callable[[], Awaitable[Link]]
"""Opens a link to the head-end; raises LinkDown or ConfigError."""


class _Line:
    """One open connection."""

    def __init__(self, secure: SecureLink) -> None:
        self._secure = secure
        self._unpacker = Unpacker(Reply)
        self._number = 0

    async def ask(self, body: Request, operator: str = "", lent_to: str = "") -> Reply:
        """Ask and wait. Raises LinkDown, NoAnswer, RemoteError."""
        self._number += 1
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._secure.write(pack(Envelope(self._number, body, operator, lent_to)))
                while True:
                    for reply in self._unpacker.feed(await self._secure.read()):
                        if not isinstance(reply, Reply) or reply.number != self._number:
                            raise SequenceError("the head-end answers another request")
                        return reply
        except TimeoutError:
            raise NoAnswer("the head-end does not answer") from None

    async def aclose(self) -> None:
        """Hang up."""
        await self._secure.aclose()


class Channel:
    """Asks the head-end; one request at a time, whoever asks.

    Attributes:
        identity: whose channel it is.
        operator: the person who works with the device.
    """

    def __init__(self, identity: Identity, dial: Dial, operator: str = "") -> None:
        """Take what is needed; nothing is opened before the first request."""
        self.identity = identity
        self.operator = operator
        self._dial = dial
        self._line: _Line | None = None
        self._held: Held | None = None
        self._turn = asyncio.Lock()

    async def ask(self, body: Request, lent_to: str = "") -> Answer:
        """Ask; where a new key is due, get it first.

        Args:
            body: the request.
            lent_to: the device that asks through this one; empty: this one.

        Returns:
            The answer, never ``Denied``.

        Raises:
            Refusal: the head-end says no, or is not ours.
            LinkDown, NoAnswer: nothing came; the same may be asked again.
            RemoteError: what came makes no sense.
        """
        async with self._turn:
            if self.identity.renewal_due:
                await self._use_pending()
                await self._renew()
            return await self._ask(body, lent_to)

    async def aclose(self) -> None:
        """Hang up; the next request opens the channel again."""
        line, self._line = self._line, None
        if line is not None:
            await line.aclose()

    async def _use_pending(self) -> None:
        """Use a generation that was never used, before the next one is asked for in its place."""
        if self.identity.pending:
            try:
                await self._ask(Greet())
            except Refusal:
                if self.identity.pending:
                    raise  # otherwise it was let in, but has expired meanwhile: renewal is what helps

    async def _renew(self) -> None:
        """Get the next generation, and use it at once: that ends the one before."""
        try:
            answer = await self._ask(Renew(self.identity.signing_request()))
        except (RemoteError, Refusal):
            self.identity.forget_next()
            raise
        if not isinstance(answer, Certified):
            raise SequenceError("the head-end answers a renewal with something else")
        self.identity.certified(answer)
        await self.aclose()
        await self._ask(Greet())

    async def _ask(self, body: Request, lent_to: str = "") -> Answer:
        """Ask, on a new connection when the one that was open turns out to be gone."""
        if self._line is not None:
            with suppress(LinkDown):
                return await self._attempt(self._line, body, lent_to)
        return await self._attempt(await self._open(), body, lent_to)

    async def _attempt(self, line: _Line, body: Request, lent_to: str) -> Answer:
        try:
            reply = await line.ask(body, self.operator, lent_to)
        except BaseException:
            await self.aclose()
            raise
        return await self._taken(reply)

    async def _open(self) -> _Line:
        held = self.identity.held
        context = self.identity.context(held)
        secure = await _greeted(await self._dial(), context, self.identity)
        self._line, self._held = _Line(secure), held
        return self._line

    async def _taken(self, reply: Reply) -> Answer:
        identity, body = self.identity, reply.body
        identity.heard(reply.now)
        denied = body.reason if isinstance(body, Denied) else ""
        if denied in _NOT_ADMITTED:
            await self.aclose()
            identity.sent_away(denied)
        elif self._held is not None:
            identity.admitted(self._held)
        if isinstance(body, Denied):
            raise denial(body)
        return body


async def enrol(identity: Identity, dial: Dial) -> None:
    """Get the first certificate for the key that the vault holds; may be done again after any failure.

    The first connection trusts nobody and only fetches the root certificate, which must be the one that the code of the
    allocation names; the secret is sent over a second one, to a head-end of that root.

    Raises:
        Refusal: the secret is wrong, used or too old, or this is not our head-end.
        LinkDown, NoAnswer, RemoteError: nothing useful came.
    """
    state = identity.state
    if identity.pending or state.current is not None:
        return  # the answer had arrived
    fetched = await _once(await _greeted(await dial(), stranger_context()), FetchAuthorities())
    if not isinstance(fetched.body, Authorities):
        raise SequenceError("the head-end does not show its root certificate")
    identity.trust(fetched.body.root)
    secure = await _greeted(await dial(), client_context(identity.state.root), identity)
    reply = await _once(secure, Enrol(state.device, state.secret, identity.signing_request()))
    identity.heard(reply.now)
    if isinstance(reply.body, Denied):
        raise denial(reply.body)
    if not isinstance(reply.body, Certified):
        raise SequenceError("the head-end answers an enrolment with something else")
    identity.certified(reply.body)


async def _once(secure: SecureLink, body: Request) -> Reply:
    line = _Line(secure)
    try:
        return await line.ask(body)
    finally:
        await line.aclose()


async def _greeted(
    link: Link, context: ssl.SSLContext, identity: Identity | None = None
) -> SecureLink:
    """Shake hands; with an identity, the certificate of the head-end must hold today."""
    secure = SecureLink(link, context, HEAD_END_NAME)
    try:
        async with asyncio.timeout(ANSWER_S):
            await secure.shake_hands()
        if identity is not None:
            identity.check_server(secure.peer_certificate)
    except TimeoutError:
        await link.aclose()
        raise NoAnswer("the head-end does not answer") from None
    except Refusal:
        await secure.aclose()
        raise
    return secure
