"""TLS inside any link: over TCP, a radio, or the channel that another device lends.

The bytes of TLS travel on the inner link; OpenSSL sees memory only, so the same code runs on virtual time.

Source: RFC 8446 (TLS 1.3).
"""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import replace

from kwhub.domain.errors import LinkDown
from kwhub.links.base import Link, LinkFacts
from kwhub.links.tls_context import plain_words

__all__ = ["SecureLink"]

PIECE_BYTES = 65_536
"""Bytes that are deciphered at once, at most."""


class SecureLink:
    """A link whose bytes are enciphered on the way.

    Call ``shake_hands`` before anything else. Closing closes the inner link, too.
    """

    def __init__(self, link: Link, context: ssl.SSLContext, server_name: str | None = None) -> None:
        """Wrap a link.

        Args:
            link: carries the enciphered bytes; nobody else may use it any more.
            context: of the client or of the server side, as it was made.
            server_name: that the server's certificate must carry; None on the server's side.
        """
        self._link = link
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_name is None,
            server_hostname=server_name,
        )
        self._writing = asyncio.Lock()
        self._closed = False

    @property
    def facts(self) -> LinkFacts:
        """See Link."""
        return replace(self._link.facts, address=f"tls over {self._link.facts.address}")

    @property
    def peer_certificate(self) -> bytes:
        """The other side's certificate in DER; empty when it has shown none."""
        return self._tls.getpeercert(binary_form=True) or b""

    @property
    def version(self) -> str:
        """The protocol that was agreed on, such as TLSv1.3; empty before."""
        return self._tls.version() or ""

    async def shake_hands(self) -> None:
        """Agree on keys, and hold the other side to its certificate.

        Raises:
            LinkDown: it failed, with the reason in plain words; the inner link is closed.
        """
        try:
            while True:
                try:
                    self._tls.do_handshake()
                except ssl.SSLWantReadError:
                    await self._flush()
                    self._incoming.write(await self._link.read())
                else:
                    await self._flush()
                    return
        except ssl.SSLError as error:
            await self._give_up()
            raise LinkDown(f"{self._link.facts.address}: {plain_words(error)}") from error
        except LinkDown:
            await self._link.aclose()
            raise

    async def read(self) -> bytes:
        """See Link."""
        while not self._closed:
            try:
                data = self._tls.read(PIECE_BYTES)
            except ssl.SSLWantReadError:
                await self._flush()
                self._incoming.write(await self._link.read())
            except ssl.SSLZeroReturnError:
                raise LinkDown("closed by the other side") from None
            except ssl.SSLError as error:
                await self._give_up()
                raise LinkDown(f"{self._link.facts.address}: {plain_words(error)}") from error
            else:
                if data:
                    return data
                raise LinkDown("closed by the other side")
        raise LinkDown("closed by this side")

    async def write(self, data: bytes) -> None:
        """See Link."""
        if self._closed:
            raise LinkDown("closed by this side")
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            await self._give_up()
            raise LinkDown(f"{self._link.facts.address}: {plain_words(error)}") from error
        await self._flush()

    async def aclose(self) -> None:
        """See Link; says farewell if the other side can still hear it."""
        if self._closed:
            return
        self._closed = True
        # It wants to hear the other side's farewell, or the greeting was not over: no reason to wait.
        with suppress(ssl.SSLError, ValueError):
            self._tls.unwrap()
        await self._give_up()

    async def _flush(self) -> None:
        async with self._writing:
            if data := self._outgoing.read():
                await self._link.write(data)

    async def _give_up(self) -> None:
        """Send what is left to be said, such as an alert, and close."""
        try:
            await self._flush()
        except LinkDown:
            pass  # nobody hears it
        finally:
            await self._link.aclose()
