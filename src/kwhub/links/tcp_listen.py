"""``tcp-listen:host:port``: waiting to be called; many peers with ``serve``, one as a link.

``tls-listen:`` does the same inside TLS; its options stand in `kwhub.links.tls_context`.
Port 0 takes a free port; the address of the server, or the facts of the link, tell which.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from kwhub.domain.errors import KwhubError, LinkDown
from kwhub.links.address import LinkAddress, parse
from kwhub.links.base import Link, LinkFacts
from kwhub.links.tcp import BAUD_RATES, tune
from kwhub.links.tls_context import HANDSHAKE_S, SERVER_OPTIONS, server_context
from kwhub.links.transport import TransportLink
from kwhub.runtime.clock import Clock

__all__ = [
    "PEERS_MAX",
    "ListenLink",
    "Server",
    "authority",
    "listen",
    "open_address",
    "serve",
    "stop",
]

PEERS_MAX = 20_000
"""Peers of one server at a time; who comes later is turned away."""

_LISTENING = ("tcp-listen", "tls-listen")

ACCEPT_STEPS = 4
"""Steps of the event loop from an accepted peer to its welcome, and one to spare."""

BACKLOG = 1_024
"""Peers that may wait to be accepted: concentrators come back all at once after an outage."""


class _Accepted(TransportLink):
    """The link to a peer that called."""

    def __init__(self, facts: LinkFacts, welcome: Callable[["_Accepted"], None]) -> None:
        super().__init__(facts)
        self._welcome = welcome

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if peer is None:  # it hung up before it was let in
            self.abort()
            return
        tune(transport)
        host, port = peer[:2]
        scheme = self.facts.address.partition("-listen:")[0]
        self.facts = replace(self.facts, address=f"{scheme}:{authority(host, port)}")
        self._welcome(self)


def authority(host: str, port: int) -> str:
    """Host and port as an address has them.

    >>> authority("::1", 80)
    '[::1]:80'
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def listen(
    address: LinkAddress, make: Callable[[LinkFacts], asyncio.Protocol]
) -> tuple[asyncio.Server, str]:
    """Open a port.

    Args:
        address: a ``tcp-listen:`` or ``tls-listen:`` address.
        make: makes the protocol of one peer, given the facts of the port.

    Returns:
        the server, for :func:`stop`, and its address with the true port number.

    Raises:
        ConfigError: the address is wrong.
        LinkDown: the port cannot be opened.
    """
    if address.scheme not in _LISTENING:
        raise address.wrong("only a tcp-listen: or tls-listen: address can be served")
    is_tls = address.scheme == "tls-listen"
    address.allow("baud", *(SERVER_OPTIONS if is_tls else ()))
    host, port = address.host_port(least_port=0)
    baud = address.integer("baud", None, BAUD_RATES)
    facts = LinkFacts(address.text, baud=baud, half_duplex=baud is not None)
    try:
        server = await asyncio.get_running_loop().create_server(
            lambda: make(facts),
            host,
            port,
            backlog=BACKLOG,
            ssl=server_context(address) if is_tls else None,
            ssl_handshake_timeout=HANDSHAKE_S if is_tls else None,
        )
    except OSError as error:
        raise LinkDown(f"{address}: {error.strerror or error}") from error
    true_port: int = server.sockets[0].getsockname()[1]
    return server, f"{address.scheme}:{authority(host, true_port)}"


async def stop(server: asyncio.Server) -> None:
    """Close a port, but first let in whoever was accepted a moment ago, to be sent away.

    asyncio of Python 3.11 forgets to close a peer whose transport is made after ``Server.close``.
    """
    loop = asyncio.get_running_loop()
    for listener in server.sockets:
        loop.remove_reader(listener.fileno())
    for _ in range(ACCEPT_STEPS):
        await asyncio.sleep(0)
    server.close()


class Server:
    """An open port; each peer is attended by a task of its own. Made by :func:`serve`."""

    def __init__(
        self, handler: Callable[[Link], Awaitable[None]], told: Callable[[Link, Exception], None]
    ) -> None:
        self._handler = handler
        self._told = told
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._closed = False
        self.address = ""  #: with the true port, such as ``tcp-listen:127.0.0.1:40123``

    @property
    def call_address(self) -> str:
        """What a peer on this machine opens to call this server."""
        return self.address.replace("-listen:", ":", 1)

    @property
    def peers(self) -> int:
        """How many peers are attended to."""
        return len(self._tasks)

    async def open(self, address: LinkAddress) -> None:
        """Open the port. Raises ConfigError or LinkDown."""
        self._server, self.address = await listen(
            address, lambda facts: _Accepted(facts, self._welcome)
        )

    async def aclose(self) -> None:
        """Close the port and end all peers; waits until their handlers have ended."""
        if self._server is not None:
            self._closed = True
            await stop(self._server)
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(set(self._tasks))
            await self._server.wait_closed()

    def _welcome(self, link: _Accepted) -> None:
        if self._closed or self.peers >= PEERS_MAX:
            link.abort()
            return
        task = asyncio.get_running_loop().create_task(self._attend(link))
        self._tasks.add(task)
        task.add_done_callback(partial(self._forget, link))

    async def _attend(self, link: _Accepted) -> None:
        try:
            await self._handler(link)
        except (KwhubError, OSError) as error:
            self._told(link, error)
        finally:
            await link.aclose()

    def _forget(self, link: _Accepted, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        link.abort()  # for a task that was cancelled before its first step
        if not task.cancelled() and (error := task.exception()) is not None:
            # A bug in a handler ends its own peer only, but is never silent.
            task.get_loop().call_exception_handler(
                {"message": "the handler of a peer failed", "exception": error, "task": task}
            )


def _told_nobody(_link: Link, _error: Exception) -> None:
    """A peer that went away is no news unless the caller wants to know."""


async def serve(
    address: str,
    handler: Callable[[Link], Awaitable[None]],
    clock: Clock,
    *,
    told: Callable[[Link, Exception], None] = _told_nobody,
) -> Server:
    """Serve whoever calls, until the server is closed.

    Args:
        address: such as ``tcp-listen:127.0.0.1:8001`` or ``tls-listen:...?cert=FILE&key=FILE&ca=FILE``.
        handler: attends to one peer; its link is closed when it returns.
        clock: not needed by TCP; every way of serving takes one.
        told: hears of KwhubError and OSError that end a handler. Any other error is a bug and
            goes to the loop's exception handler.

    Raises:
        ConfigError: the address is wrong.
        LinkDown: the port cannot be opened.
    """
    del clock
    server = Server(handler, told)
    await server.open(parse(address))
    return server


class ListenLink:
    """A link whose peer is whoever called last.

    It behaves like a serial line: it stays up while peers come and go, and what is written while
    nobody is there goes nowhere. A new peer replaces the old one, because a modem that lost its
    network calls again long before its first connection is found dead.
    """

    def __init__(self) -> None:
        self.facts = LinkFacts("tcp-listen:")
        self.unheard_bytes = 0  #: written while nobody was there
        self._server: asyncio.Server | None = None
        self._closed = False
        self._peer: _Accepted | None = None
        self._changed = asyncio.Event()

    async def open(self, address: LinkAddress) -> None:
        """Open the port. Raises ConfigError or LinkDown."""
        self._server, text = await listen(address, lambda facts: _Accepted(facts, self._welcome))
        baud = address.integer("baud", None, BAUD_RATES)
        self.facts = LinkFacts(text, baud=baud, half_duplex=baud is not None)

    async def read(self) -> bytes:
        """See Link; waits for a peer as long as it takes."""
        while self._server is not None:
            peer = self._peer
            if peer is None:
                self._changed.clear()
                await self._changed.wait()
                continue
            try:
                return await peer.read()
            except LinkDown:
                if self._peer is peer:
                    self._peer = None
        raise LinkDown(f"{self.facts.address}: closed by this side")

    async def write(self, data: bytes) -> None:
        """See Link."""
        if self._server is None:
            raise LinkDown(f"{self.facts.address}: closed by this side")
        try:
            if self._peer is not None:
                await self._peer.write(data)
                return
        except LinkDown:
            self._peer = None
        self.unheard_bytes += len(data)

    async def aclose(self) -> None:
        """See Link."""
        if self._server is not None:
            server, self._server = self._server, None
            self._closed = True
            self._changed.set()
            await stop(server)
            if self._peer is not None:
                await self._peer.aclose()
            await server.wait_closed()

    def _welcome(self, link: _Accepted) -> None:
        if self._closed:
            link.abort()
            return
        if self._peer is not None:
            self._peer.abort()
        self._peer = link
        self._changed.set()


async def open_address(address: LinkAddress, clock: Clock) -> Link:
    """Open the port and return the link to whoever calls.

    Raises:
        ConfigError: target or options are wrong.
        LinkDown: the port cannot be opened.
    """
    del clock
    link = ListenLink()
    await link.open(address)
    return link
