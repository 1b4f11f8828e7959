"""Serving the web application inside a running event loop, as one task among others."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from litestar import Litestar

from kwhub.domain.errors import LinkDown

__all__ = ["GOODBYE_S", "serve"]

GOODBYE_S = 2
"""How long open answers may go on after the end was asked for, in seconds."""


class _Server(uvicorn.Server):
    """A server that leaves the signals to the program that it is a part of."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


async def serve(
    app: Litestar,
    host: str,
    port: int,
    *,
    ready: Callable[[str], None] = lambda _address: None,
) -> None:
    """Serve until cancelled; then finish open answers and close.

    Args:
        app: the application.
        host: address to listen on, such as 127.0.0.1 or ::1.
        port: 0 lets the system choose one.
        ready: told the address of the pages, such as ``http://127.0.0.1:8080/``, once they can be opened.

    Raises:
        LinkDown: nothing can listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise LinkDown(f"cannot serve pages on {host}:{port}: {error.strerror}") from error
    shown = f"[{host}]" if family == socket.AF_INET6 else host
    address = f"http://{shown}:{listener.getsockname()[1]}/"
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GOODBYE_S,
    )
    server = _Server(config, lambda: ready(address))
    with listener:
        try:
            await server.serve([listener])
        except asyncio.CancelledError:
            if server.started:
                app.state.live.close()  # whoever listens would listen for ever
                await server.shutdown([listener])
            raise
