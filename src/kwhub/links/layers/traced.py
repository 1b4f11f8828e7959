"""Telling somebody about every piece of bytes, at once."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from kwhub.links.base import Link
from kwhub.links.capture import Direction
from kwhub.links.layers.layer import Layer
from kwhub.runtime.clock import Clock

__all__ = ["Sink", "Traced"]

Sink: TypeAlias = Callable[[Direction, bytes, datetime], None]
"""Gets the direction, the bytes, and the moment (aware, UTC)."""


class Traced(Layer):
    """Calls a sink after each read and before each write."""

    def __init__(self, inner: Link, sink: Sink, clock: Clock) -> None:
        """Trace a link.

        Args:
            inner: the link.
            sink: called in the reader's or writer's own task; an error of it is that task's error.
            clock: dates what is told.
        """
        super().__init__(inner)
        self._sink = sink
        self._clock = clock

    async def read(self) -> bytes:
        """See Link."""
        data = await self.inner.read()
        self._sink("rx", data, self._clock.now())
        return data

    async def write(self, data: bytes) -> None:
        """See Link."""
        self._sink("tx", data, self._clock.now())
        await self.inner.write(data)
