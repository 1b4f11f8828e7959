"""The two ports for devices: one for those who have an identity, one where it is enrolled.

The first speaks TLS 1.3 with certificates on both sides only: whoever has none is sent away before the first byte of a
request. Certificates are held against the register at every request, so a lock holds at the next one, also on a
connection that is open. There are no session tickets: nothing can be resumed past a lock.

Source: RFC 8446 (TLS 1.3); the dates of certificates are checked against the given clock and not by OpenSSL.
"""

import asyncio
import ssl
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from cryptography import x509

from kwhub.exchange.device_messages import Answer, Denied, Envelope, Reply, Unpacker, pack
from kwhub.headend.identity.authority import Authority
from kwhub.headend.identity.desk import Desk
from kwhub.headend.ingest.offload import Offload
from kwhub.links.base import Link
from kwhub.links.layers.secure import SecureLink
from kwhub.links.tcp_listen import Server, serve
from kwhub.runtime.clock import Clock

__all__ = ["DeviceListener"]

HANDSHAKE_S: Final = 15.0
"""How long the greeting may take, over the slowest way."""

IDLE_S: Final = 600.0
"""A connection on which nothing comes for so long is closed."""

STRANGER_IDLE_S: Final = 60.0
"""The same for somebody without an identity: whoever enrols has nothing to wait for."""

STRANGER_BYTES_MAX: Final = 16_384
"""Longest message of somebody without an identity."""

RENEW_BEFORE: Final = timedelta(days=30)
"""The listener's own certificate is made anew so long before its end."""

NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME: the dates are compared with our clock, after the handshake."""

_CLOSING: Final = frozenset({"unknown", "dead", "locked", "lost", "retired"})

_log = structlog.get_logger("kwhub.headend.devices")


class DeviceListener:
    """Attends to devices; ``open`` the ports, ``aclose`` them at the end.

    Attributes:
        address: where devices connect, with the true port; empty while nothing listens.
        enrol_address: where they enrol.
    """

    def __init__(self, desk: Desk, clock: Clock, offload: Offload) -> None:
        self.address = ""
        self.enrol_address = ""
        self._desk = desk
        self._clock = clock
        self._offload = offload
        self._until: datetime | None = None
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._servers: list[Server] = []

    async def open(self, address: str, enrol_address: str = "") -> None:
        """Open the ports.

        Args:
            address: such as ``tcp-listen:0.0.0.0:8443``; TLS comes by itself.
            enrol_address: the same for enrolment; empty: nobody can enrol.

        Raises:
            ConfigError: an address is wrong.
            LinkDown: a port cannot be opened.
        """
        server = await serve(address, self.attend, self._clock, told=_on_link_error)
        self._servers.append(server)
        self.address = server.address
        if enrol_address:
            server = await serve(
                enrol_address, self.attend_enrolment, self._clock, told=_on_link_error
            )
            self._servers.append(server)
            self.enrol_address = server.address

    async def aclose(self) -> None:
        """Close the ports and send everybody away."""
        self.address = self.enrol_address = ""
        while self._servers:
            await self._servers.pop().aclose()

    async def attend(self, link: Link) -> None:
        """Serve one device on a link until it is down. Raises LinkDown, DecodeError, StoreError."""
        opened_at = self._clock.now()
        secure = await self._greeted(link, wants_certificate=True)
        try:
            found = x509.load_der_x509_certificate(secure.peer_certificate)
            serial = f"{found.serial_number:x}"
            while (envelopes := await self._next(secure)) is not None:
                for envelope in envelopes:
                    work = partial(self._desk.answer, envelope, serial, opened_at)
                    if await self._reply(secure, envelope, await self._offload(work)):
                        return
        finally:
            await secure.aclose()

    async def attend_enrolment(self, link: Link) -> None:
        """Serve one who wants to enrol, in the same way."""
        secure = await self._greeted(link, wants_certificate=False)
        try:
            while (envelopes := await self._next(secure, STRANGER_IDLE_S)) is not None:
                for envelope in envelopes:
                    work = partial(self._desk.enrol, envelope)
                    if await self._reply(secure, envelope, await self._offload(work)):
                        return
        finally:
            await secure.aclose()

    async def _greeted(self, link: Link, *, wants_certificate: bool) -> "_Secure":
        context = await self._offload(partial(self._context, wants_certificate=wants_certificate))
        secure = _Secure(link, context, None if wants_certificate else STRANGER_BYTES_MAX)
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                await secure.shake_hands()
        except TimeoutError:
            await link.aclose()
            raise
        return secure

    async def _next(self, secure: "_Secure", idle_s: float = IDLE_S) -> list[Envelope] | None:
        """What came; None when nothing came for long."""
        try:
            async with asyncio.timeout(idle_s):
                return secure.feed(await secure.read())
        except TimeoutError:
            return None

    async def _reply(self, secure: SecureLink, envelope: Envelope, answer: Answer) -> bool:
        """Send an answer; whether the connection ends with it."""
        now = int(self._clock.now().timestamp())
        await secure.write(pack(Reply(envelope.number, now, answer)))
        if isinstance(answer, Denied):
            _log.warning("denied", reason=answer.reason, detail=answer.detail)
            return answer.reason in _CLOSING
        return False

    def _context(self, *, wants_certificate: bool) -> ssl.SSLContext:
        now = self._clock.now()
        if self._until is None or now > self._until - RENEW_BEFORE:
            authority = self._desk.registry.authority
            issued, path = authority.server_files(now)
            self._contexts = {
                wants: _made(authority, str(path), wants_certificate=wants)
                for wants in (True, False)
            }
            self._until = issued.not_after
        return self._contexts[wants_certificate]


class _Secure(SecureLink):
    """A secure link with the messages that come over it."""

    def __init__(self, link: Link, context: ssl.SSLContext, bytes_max: int | None) -> None:
        super().__init__(link, context)
        self._unpacker = Unpacker(Envelope, bytes_max)

    def feed(self, data: bytes) -> list[Envelope]:
        """The requests that are whole. Raises DecodeError."""
        found = self._unpacker.feed(data)
        return [each for each in found if isinstance(each, Envelope)]


def _made(authority: Authority, path: str, *, wants_certificate: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    context.load_cert_chain(path)
    if wants_certificate:
        context.load_verify_locations(cadata=authority.root)
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= NO_CHECK_TIME
    return context


def _on_link_error(link: Link, error: Exception) -> None:
    _log.info("connection_ended", peer=link.facts.address, error=str(error))
