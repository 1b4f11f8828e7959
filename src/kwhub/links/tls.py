"""``tls:host:port``: a connection inside TLS 1.2 or later, to a head-end whose certificate is checked.

Options are those of ``tcp:`` but ``baud``, and those of `kwhub.links.tls_context`.
"""

from kwhub.links.address import LinkAddress
from kwhub.links.base import Link, LinkFacts
from kwhub.links.tcp import WAY_OPTIONS, connect
from kwhub.links.tls_context import CLIENT_OPTIONS, client_context, plain_words, server_name
from kwhub.links.transport import TransportLink
from kwhub.runtime.clock import Clock

__all__ = ["NOT_A_WORD", "TlsLink", "open_address"]

NOT_A_WORD = "it did not say a word; perhaps it does not accept our certificate"


class TlsLink(TransportLink):
    """A link that tells trouble of TLS in plain words.

    With TLS 1.3 a server refuses a client's certificate after the client has already greeted it, so this may
    come at the first read; and not every server says why.
    """

    def __init__(self, facts: LinkFacts) -> None:
        """See TransportLink."""
        super().__init__(facts)
        self._heard = False

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._heard = True
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        words = NOT_A_WORD if exc is None and not self._heard else None
        words = plain_words(exc) if exc is not None else words
        super().connection_lost(None if words is None else ConnectionError(words))


async def open_address(address: LinkAddress, clock: Clock) -> Link:
    """Connect, and hold the server to its certificate.

    Raises:
        ConfigError: target, options or files are wrong.
        LinkDown: nobody answers there, or not the one who should.
    """
    del clock
    address.allow(*WAY_OPTIONS, *CLIENT_OPTIONS)
    host, _ = address.host_port()
    facts = LinkFacts(address.text)
    context = client_context(address)
    name = server_name(address, host)
    return await connect(address, lambda: TlsLink(facts), ssl=context, server_hostname=name)
