"""News for whoever watches: parts of the head-end tell topics, pages that are open hear them.

A topic is a word such as ``readings`` or ``frames-7``; it carries no data, so that nothing secret can leak
and a reader who is slow misses nothing: what he has not taken yet is a set of topics, never a queue that grows.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

__all__ = ["EVERYTHING", "PAUSE_S", "TOPICS_MAX", "WATCHERS_MAX", "Broadcaster"]

PAUSE_S = 1.0
"""A watcher is told at most this often, in seconds."""

BEAT_S = 20.0
"""Without news a watcher hears an empty line this often, in seconds, so that dead connections are noticed."""

TOPICS_MAX = 64
"""Topics that one watcher may have waiting; beyond, they are told as ``EVERYTHING``."""

WATCHERS_MAX = 1_000
"""Watchers at one time; the one too many is not served."""

EVERYTHING = "everything"


class Broadcaster:
    """Tells watchers what has happened. All calls come from the loop."""

    def __init__(self) -> None:
        self._watchers: set[_Watcher] = set()
        self._closed = asyncio.Event()

    @property
    def watchers(self) -> int:
        """How many are watching."""
        return len(self._watchers)

    def tell(self, topic: str) -> None:
        """Say that something has happened. Never waits."""
        for each in self._watchers:
            each.add(topic)

    def close(self) -> None:
        """Let every watcher go."""
        self._closed.set()
        for each in self._watchers:
            each.news.set()

    async def watch(self) -> AsyncIterator[tuple[str, ...]]:
        """What happened since the last time, in alphabetical order; empty when nothing did for a while.

        Ends when the head-end does, and at once when there are too many watchers.
        """
        if self._closed.is_set() or len(self._watchers) >= WATCHERS_MAX:
            return
        watcher = _Watcher()
        self._watchers.add(watcher)
        try:
            while not self._closed.is_set():
                yield await watcher.take()
                await self._rest(watcher)
        finally:
            self._watchers.discard(watcher)

    async def _rest(self, watcher: "_Watcher") -> None:
        """The pause after news; the end of the head-end cuts it short."""
        if watcher.told:
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_S):
                    await self._closed.wait()


class _Watcher:
    """One who is told."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.told = False
        self._topics: set[str] = set()

    def add(self, topic: str) -> None:
        if len(self._topics) >= TOPICS_MAX:
            self._topics = {EVERYTHING}
        if EVERYTHING not in self._topics:
            self._topics.add(topic)
        self.news.set()

    async def take(self) -> tuple[str, ...]:
        """Wait for news, but not for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BEAT_S):
                await self.news.wait()
        self.news.clear()
        taken, self._topics = tuple(sorted(self._topics)), set()
        self.told = bool(taken)
        return taken
