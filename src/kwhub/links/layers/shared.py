"""One talker at a time on a link that many want."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from kwhub.domain.errors import LinkBusy, LinkDown
from kwhub.links.base import Link
from kwhub.links.layers.layer import Layer

__all__ = ["PRIORITY_NORMAL", "PRIORITY_ORDER", "QUIET_S", "STALE_BYTES_MAX", "Shared"]

PRIORITY_NORMAL = 0
"""Planned work: the collecting of curves and freezes."""

PRIORITY_ORDER = 10
"""Work that a person waits for."""

STALE_BYTES_MAX = 65_536
"""Left-over bytes thrown away before a talker starts; a line that has more never falls silent."""

QUIET_S = 0.5
"""Silence that is waited for after a talker who was cut off: a meter that was asked begins to answer
within 500 ms.  Source: DL/T 645-2007, clause 5 (Td)."""

FRAME_BYTES_MAX = 256
"""A usual frame is no longer."""

QUIET_S_MAX = 3.0
"""Longest time spent waiting for that silence."""


@dataclass(slots=True, order=True)
class _Claim:
    """A place in the queue, in the order in which places are served."""

    rank: int  #: priority, negated
    round: int
    number: int
    key: str = field(compare=False)
    granted: asyncio.Future[None] = field(compare=False)


class _Turn(Layer):
    """The link as one talker has it, until the turn is over."""

    def __init__(self, inner: Link) -> None:
        super().__init__(inner)
        self._over = False
        self._reading: asyncio.Timeout | None = None

    async def read(self) -> bytes:
        self._check()
        if self._reading is not None:
            raise LinkBusy("another task is reading from this link")
        try:
            async with asyncio.timeout(None) as self._reading:  # ended early by aclose
                return await self.inner.read()
        except TimeoutError:
            self._check()
            raise
        finally:
            self._reading = None

    async def write(self, data: bytes) -> None:
        self._check()
        await self.inner.write(data)

    async def aclose(self) -> None:
        """End the turn's use of the link; the link itself stays open for the others."""
        self._over = True
        if self._reading is not None:
            self._reading.reschedule(asyncio.get_running_loop().time())

    def _check(self) -> None:
        if self._over:
            raise LinkDown("the turn on this shared link is over")


class Shared(Layer):
    """Gives a link to one talker at a time.

    Higher priority is served first. Within a priority the keys take turns: each key (a meter) has
    one session in a round, in the order of asking, so a meter with a hundred wishes does not keep
    the others waiting.

    Each talker starts with a clean line: what came when nobody listened is thrown away, and when the
    talker before was cut off (cancelled, or out of time) in the middle of an exchange, silence is
    waited for first, so that the answer to him is not taken for the answer to the next.

    Attributes:
        stale_bytes: bytes thrown away because nobody was there to take them.
    """

    def __init__(self, inner: Link) -> None:
        """Share a link; from now on it is used through :meth:`claim`."""
        super().__init__(inner)
        self.stale_bytes = 0
        self._queue: list[_Claim] = []
        self._holder: _Claim | None = None
        self._round = 0
        self._rounds: dict[str, int] = {}
        self._numbers = count()
        self._cut_off = False
        self._cut_off_s = 0.0  # when

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return sum(not claim.granted.done() for claim in self._queue)

    @asynccontextmanager
    async def claim(self, key: str, *, priority: int = PRIORITY_NORMAL) -> AsyncIterator[Link]:
        """Wait for a turn and have the link for the length of the ``async with`` block.

        Args:
            key: whom the talk is with, such as a meter's address.
            priority: higher goes first.

        Raises:
            LinkDown: the link is down.
        """
        claim = await self._acquire(key, priority)
        turn = _Turn(self.inner)
        try:
            await self._drain()
            yield turn
        except BaseException as error:
            # NoAnswer is a TimeoutError too, but then the time for the answer has been waited out.
            self._cut_off = isinstance(error, asyncio.CancelledError) or type(error) is TimeoutError
            self._cut_off_s = asyncio.get_running_loop().time()
            raise
        finally:
            await turn.aclose()
            self._release(claim)

    async def read(self) -> bytes:
        """Read outside any turn.

        Raises:
            LinkBusy: somebody has a turn.
        """
        self._check_free()
        return await self.inner.read()

    async def write(self, data: bytes) -> None:
        """Write outside any turn.

        Raises:
            LinkBusy: somebody has a turn.
        """
        self._check_free()
        await self.inner.write(data)

    def _check_free(self) -> None:
        if self._holder is not None:
            raise LinkBusy(f"{self.facts.address} is in a session with {self._holder.key}")

    async def _acquire(self, key: str, priority: int) -> _Claim:
        # Fair queueing by rounds: a key's next session belongs to the round after its last one.
        round_ = max(self._round, self._rounds.get(key, -1) + 1)
        self._rounds[key] = round_
        granted = asyncio.get_running_loop().create_future()
        claim = _Claim(-priority, round_, next(self._numbers), key, granted)
        heappush(self._queue, claim)
        self._grant_next()
        try:
            await granted
        except asyncio.CancelledError:
            if self._holder is claim:
                self._release(claim)
            raise
        return claim

    def _release(self, claim: _Claim) -> None:
        if self._holder is claim:
            self._holder = None
            self._grant_next()

    def _grant_next(self) -> None:
        while self._holder is None and self._queue:
            claim = heappop(self._queue)
            if claim.granted.done():  # cancelled while waiting
                continue
            self._holder = claim
            self._round = max(self._round, claim.round)
            claim.granted.set_result(None)
            if not self._queue:  # nobody to be fair to but the holder
                self._rounds = {claim.key: claim.round}

    def _silence_left_s(self, now: float) -> float:
        """How long silence has yet to be waited for; whatever came since would be there to be read.

        On a slow line a frame may still be arriving that began before.
        """
        slow_s = min(QUIET_S, self.facts.wire_time_s(FRAME_BYTES_MAX))
        return max(slow_s, self._cut_off_s + QUIET_S - now)

    async def _drain(self) -> None:
        """Throw away what is left over from earlier talkers."""
        loop = asyncio.get_running_loop()
        until = loop.time() + QUIET_S_MAX
        quiet_s = self._silence_left_s(loop.time()) if self._cut_off else 0.0
        dropped = 0
        try:
            while dropped < STALE_BYTES_MAX and loop.time() < until:
                async with asyncio.timeout(quiet_s):
                    dropped += len(await self.inner.read())
                quiet_s = QUIET_S if self._cut_off else 0.0
        except TimeoutError:
            self._cut_off = False  # silence
        finally:
            self.stale_bytes += dropped
