"""SCPI: lines of text to and from one instrument, over any link.

A query has a time limit; after every command the error queue is read until it says that it is empty.
After a time-out or an answer that makes no sense the connection is closed, because a late answer
would be taken for that of the next question.

Source: SCPI-1999 volume 1, clauses 4.1 (*IDN?, *OPC?) and 21.8 (SYSTem:ERRor?); IEEE 488.2,
10.14 (*IDN? has four fields).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from kwhub.bench.instruments import InstrumentError
from kwhub.domain.errors import LinkError
from kwhub.links.base import Link

__all__ = ["ERRORS_MAX", "LINE_BYTES_MAX", "Connection", "parse_numbers"]

LINE_BYTES_MAX = 8 * 1024 * 1024
"""An answer without an end is refused from here on; a capture of two seconds has 200 kB."""

ERRORS_MAX = 20
"""Entries read from an error queue before it counts as endless."""

Open = Callable[[], Coroutine[Any, Any, Link]]


class Connection:
    """One instrument box; several roles may share it.

    Args:
        name: of the instrument in messages, with its address.
        open_link: opens a fresh link.
    """

    def __init__(self, name: str, open_link: Open) -> None:
        self.name = name
        self._open = open_link
        self._link: Link | None = None
        self._buffer = bytearray()
        self._lock = asyncio.Lock()

    async def command(self, text: str, timeout_s: float) -> None:
        """Send a command without an answer; raises ``InstrumentError`` with the queue's words."""
        async with self._lock:
            await self._send(text)
            await self._check(text, timeout_s)

    async def query(self, text: str, timeout_s: float) -> str:
        """Send a query; its line without the end. Raises as ``command`` does, and for silence."""
        async with self._lock:
            await self._send(text)
            answer = await self._line(text, timeout_s)
            await self._check(text, timeout_s)
            return answer

    async def garbage(self, text: str, answer: str, wanted: str) -> InstrumentError:
        """Close the line after an answer that makes no sense; returns the error to raise."""
        async with self._lock:
            await self._close()
        shown = answer if len(answer) <= 60 else answer[:57] + "..."
        return InstrumentError(f"{self.name}: answered {shown!r} to {text!r}; {wanted} was due")

    async def aclose(self) -> None:
        """Close; the next command opens again."""
        async with self._lock:
            await self._close()

    async def _send(self, text: str) -> None:
        if self._link is None:
            self._buffer.clear()
            try:
                self._link = await self._open()
            except LinkError as error:
                raise InstrumentError(f"{self.name}: cannot be reached: {error}") from error
        try:
            await self._link.write(text.encode() + b"\n")
        except LinkError as error:
            await self._close()
            raise InstrumentError(f"{self.name}: lost: {error}") from error

    async def _line(self, asked: str, timeout_s: float) -> str:
        try:
            async with asyncio.timeout(timeout_s):
                raw = await self._read_line(asked)
        except TimeoutError as error:
            await self._close()
            raise InstrumentError(
                f"{self.name}: no answer to {asked!r} within {timeout_s:g} s"
            ) from error
        except LinkError as error:
            await self._close()
            if isinstance(error, InstrumentError):
                raise
            raise InstrumentError(f"{self.name}: lost while it answered {asked!r}") from error
        try:
            return raw.decode("ascii").strip()
        except UnicodeDecodeError as error:
            await self._close()
            raise InstrumentError(f"{self.name}: the answer to {asked!r} is no text") from error

    async def _read_line(self, asked: str) -> bytes:
        link = self._link
        searched = 0
        while link is not None:
            end = self._buffer.find(b"\n", searched)
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                return line
            searched = len(self._buffer)
            if searched > LINE_BYTES_MAX:
                raise InstrumentError(f"{self.name}: the answer to {asked!r} has no end")
            self._buffer += await link.read()
        raise InstrumentError(f"{self.name}: closed")

    async def _check(self, after: str, timeout_s: float) -> None:
        told = []
        for _ in range(ERRORS_MAX):
            await self._send("SYST:ERR?")
            line = await self._line("SYST:ERR?", timeout_s)
            code = line.partition(",")[0].strip()
            if not code.lstrip("+-").isdigit():
                await self._close()
                raise InstrumentError(f"{self.name}: {line[:60]!r} is no entry of an error queue")
            if int(code) == 0:
                break
            told.append(line)
        if told:
            raise InstrumentError(f"{self.name}: {'; '.join(told)} (after {after!r})")

    async def _close(self) -> None:
        link, self._link = self._link, None
        self._buffer.clear()
        if link is not None:
            await link.aclose()


def parse_numbers(text: str) -> list[float] | None:
    """A list of numbers with commas between; None when it is none.

    >>> parse_numbers("1,2.5E3")
    [1.0, 2500.0]
    """
    if not text:
        return []
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return None
