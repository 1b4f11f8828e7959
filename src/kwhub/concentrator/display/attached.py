"""The screen's end of the local socket: asks a concentrator that runs in another process."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, TypeVar

import msgspec

from kwhub.concentrator.database import StoreError
from kwhub.concentrator.display.serving import LINE_BYTES_MAX
from kwhub.concentrator.panel_views import ANSWERS, Query
from kwhub.domain.errors import KwhubError, LinkDown, LocalError, NoAnswer, Refusal, RemoteError

__all__ = ["AttachedPanel"]

V = TypeVar("V")

_ERRORS: Mapping[str, Callable[[str], KwhubError]] = MappingProxyType(
    {
        "NoAnswer": NoAnswer,
        "LinkDown": LinkDown,
        "LocalError": LocalError,
        "StoreError": StoreError,
        "Refusal": lambda text: Refusal((text,)),
        "RemoteError": RemoteError,
    }
)


class _Answer(msgspec.Struct, frozen=True):
    id: int
    view: msgspec.Raw = msgspec.Raw()
    error: str = ""
    text: str = ""


class AttachedPanel:
    """Connects when it is asked something, and again after the connection was lost."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[_Answer]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._connecting = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None

    async def __aenter__(self) -> Self:
        """Nothing is connected yet."""
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
        if self._tasks is not None:
            await self._tasks.__aexit__(None, None, None)

    async def ask(self, query: Query[V]) -> V:
        """Ask the concentrator; when the caller is cancelled, the question is.

        Raises:
            LinkDown: no concentrator answers at the socket.
            KwhubError: what it answered.
        """
        writer = await self._connected()
        number = next(self._numbers)
        answered: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        self._say(writer, {"id": number, **msgspec.to_builtins(query)})
        try:
            answer = await answered
        except asyncio.CancelledError:
            self._say(writer, {"cancel": number})
            raise
        finally:
            self._waiting.pop(number, None)
        if answer.error:
            raise _ERRORS.get(answer.error, KwhubError)(answer.text)
        kind: Any = ANSWERS[type(query)]
        view: V = msgspec.json.decode(answer.view, type=kind)
        return view

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is not None and not self._writer.is_closing():
                return self._writer
            try:
                reader, self._writer = await asyncio.open_unix_connection(
                    str(self._path), limit=LINE_BYTES_MAX
                )
            except OSError as error:
                raise LinkDown(
                    f"{self._path}: no concentrator answers ({error.strerror})"
                ) from error
            if self._tasks is None:
                raise LocalError("an attached panel is used by 'async with'")
            self._tasks.create_task(self._hear(reader, self._writer))
            return self._writer

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, ValueError, msgspec.DecodeError):
                while line := await reader.readline():
                    answer = msgspec.json.decode(line, type=_Answer)
                    waiting = self._waiting.get(answer.id)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(answer)
        finally:
            writer.close()
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(LinkDown("the concentrator has hung up"))

    @staticmethod
    def _say(writer: asyncio.StreamWriter, words: dict[str, Any]) -> None:
        if not writer.is_closing():
            writer.write(msgspec.json.encode(words) + b"\n")
