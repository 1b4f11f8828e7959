"""The local socket through which a screen in another process asks: JSON lines over a Unix socket.

The screen sends questions, each an object on a line of its own; ``id`` is any number that is not in use::

    {"id": 1, "ask": "meter", "point": 3}
    {"id": 2, "ask": "read_now", "point": 3}
    {"cancel": 2}

The concentrator answers each that was not cancelled, in any order::

    {"id": 1, "view": {"row": {...}, ...}}
    {"id": 2, "error": "NoAnswer", "text": "no answer after 3 attempts"}

The questions and views are those of ``kwhub.concentrator.panel_views``. When the connection ends, what was
asked over it is given up. The socket lies beside the store and is for its owner alone (mode 0600).
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from kwhub.concentrator.panel_views import ANSWERS, Query, View
from kwhub.domain.errors import KwhubError, LocalError

__all__ = [
    "CONNECTIONS_MAX",
    "LINE_BYTES_MAX",
    "Answerer",
    "Request",
    "serve_panel",
    "socket_path",
]

V = TypeVar("V")

LINE_BYTES_MAX = 1024 * 1024
"""Longest line; a hundred events with long records have about 60 kB."""

CONNECTIONS_MAX = 4
"""Screens at the same time; more are sent away."""

ASKED_MAX = 8
"""Questions of one screen that are not answered yet; more are refused."""

PATH_BYTES_MAX = 107
"""Of a Unix socket (Linux, ``sun_path`` with its closing zero)."""

_OWNER_ONLY = 0o177


class Answerer(Protocol):
    """Answers the questions."""

    async def ask(self, query: Query[V]) -> V:
        """Answer one."""


class Request(msgspec.Struct, frozen=True):
    """What every line may have beside the question."""

    id: int = 0
    ask: str = ""
    cancel: int | None = None


_BY_NAME: dict[str, type[Query[Any]]] = {str(kind.__struct_config__.tag): kind for kind in ANSWERS}


def socket_path(store: str) -> Path:
    """Where the socket of a store lies."""
    return Path(f"{store}.panel")


@asynccontextmanager
async def serve_panel(panel: Answerer, path: Path) -> AsyncIterator[None]:
    """Answer screens for the length of the ``async with`` block.

    Raises:
        LocalError: the path is too long, or another process answers there.
        OSError: the socket cannot be made.
    """
    connections: set[_Connection] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(panel, reader, writer)
        if len(connections) < CONNECTIONS_MAX:
            connections.add(connection)
            try:
                await connection.run()
            finally:
                connections.discard(connection)
                writer.close()
        else:
            writer.close()

    bound = _bind(path)
    server = await asyncio.start_unix_server(connected, sock=bound, limit=LINE_BYTES_MAX)
    try:
        yield
    finally:
        server.close()
        for connection in list(connections):
            connection.end()
        _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _bind(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise LocalError(f"{path}: longer than the {PATH_BYTES_MAX} bytes of a socket's path")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(_OWNER_ONLY)
    try:
        if _is_left_over(path):
            path.unlink()
        made.bind(str(path))
    except BaseException:
        made.close()
        raise
    finally:
        os.umask(before)
    return made


def _is_left_over(path: Path) -> bool:
    """Whether there is a socket of a process that is gone. Raises LocalError when it is not gone."""
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            pass  # it has many callers
        except ConnectionRefusedError:
            return True
    raise LocalError(f"{path}: another concentrator answers here")


class _Connection:
    """One screen."""

    def __init__(
        self, panel: Answerer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._panel = panel
        self._reader = reader
        self._writer = writer
        self._asked: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Answer until the screen is gone."""
        async with asyncio.TaskGroup() as tasks:
            with suppress(ConnectionError, ValueError):  # ValueError: a line that is too long
                while line := await self._reader.readline():
                    self._hear(line, tasks)
            for task in self._asked.values():
                task.cancel()

    def end(self) -> None:
        """Hang up."""
        self._writer.close()
        self._reader.feed_eof()

    def _hear(self, line: bytes, tasks: asyncio.TaskGroup) -> None:
        try:
            request = msgspec.json.decode(line, type=Request)
            if request.cancel is not None:
                task = self._asked.get(request.cancel)
                if task is not None:
                    task.cancel()
                return
            query = msgspec.json.decode(line, type=_kind(request.ask))
        except (msgspec.DecodeError, UnicodeDecodeError, LocalError) as error:
            number = _number(line)
            self._say({"id": number, "error": "LocalError", "text": str(error)})
            return
        if request.id in self._asked or len(self._asked) >= ASKED_MAX:
            self._say({"id": request.id, "error": "LocalError", "text": "too many questions"})
            return
        task = tasks.create_task(self._answer(request.id, query))
        self._asked[request.id] = task
        task.add_done_callback(lambda _: self._asked.pop(request.id, None))

    async def _answer(self, number: int, query: Query[View]) -> None:
        try:
            view = await self._panel.ask(query)
        except (KwhubError, OSError) as error:
            self._say({"id": number, "error": _name(error), "text": str(error)})
        else:
            self._say({"id": number, "view": view})

    def _say(self, answer: dict[str, Any]) -> None:
        """Nothing waits for a screen that does not read; it is sent away."""
        if self._writer.transport.get_write_buffer_size() > LINE_BYTES_MAX:
            self._writer.transport.abort()
        elif not self._writer.is_closing():
            self._writer.write(msgspec.json.encode(answer) + b"\n")


def _kind(name: str) -> type[Query[Any]]:
    if name not in _BY_NAME:
        raise LocalError(f"there is no question {name!r}; there are {', '.join(sorted(_BY_NAME))}")
    return _BY_NAME[name]


def _number(line: bytes) -> int:
    """The number of a question that says nothing else that is known."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode(line, type=Request).id
    return 0


def _name(error: Exception) -> str:
    """The word for an error; one that the other side does not know stands for its base."""
    known = {"NoAnswer", "LinkDown", "LocalError", "StoreError", "Refusal", "RemoteError"}
    return next(
        (kind.__name__ for kind in type(error).__mro__ if kind.__name__ in known), "KwhubError"
    )
