"""``replay:FILE``: the other side of a capture, played back.

Reading gives what was received when the capture was made, each piece once everything that was
written before it has been written again. Options: ``strict=no`` does not compare what is written
(only counts pieces), ``pace=real`` keeps the captured pauses before each answer, ``side=far``
swaps the sides, so that our answering side can be tried against a captured asking side.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from kwhub.domain.errors import LinkDown, LinkError
from kwhub.links.address import LinkAddress
from kwhub.links.base import Link, LinkFacts
from kwhub.links.capture import Record, read_capture
from kwhub.runtime.clock import Clock

__all__ = ["ReplayLink", "open_address"]


@dataclass(frozen=True, slots=True)
class _Reading:
    """A piece to be read, once ``after_writes`` pieces have been written."""

    data: bytes
    after_writes: int
    pause_s: float


class ReplayLink:
    """Plays a capture to whoever writes what was written then."""

    def __init__(
        self,
        records: Iterable[Record],
        clock: Clock,
        *,
        address: str = "replay:",
        strict: bool = True,
        real_pace: bool = False,
    ) -> None:
        """Make a replay.

        Args:
            records: of a capture, in order.
            clock: paces the replay.
            address: for the facts.
            strict: what is written must be byte for byte what was written then, in pieces of any
                size; otherwise each write counts as one captured piece.
            real_pace: wait before each received piece as long as was waited then.
        """
        self.facts = LinkFacts(address)
        self._clock = clock
        self._strict = strict
        self._real_pace = real_pace
        self._to_write: deque[bytes] = deque()
        self._to_read: deque[_Reading] = deque()
        self._written = 0
        self._moved = asyncio.Event()
        self._open = True
        before_s: float | None = None
        for record in records:
            if not record.data:
                continue
            if record.direction == "tx":
                self._to_write.append(record.data)
            else:
                pause_s = 0.0 if before_s is None else record.time_s - before_s
                self._to_read.append(_Reading(record.data, len(self._to_write), pause_s))
            before_s = record.time_s

    async def read(self) -> bytes:
        """See Link; the end of the capture is the end of the link."""
        while self._open and (self._to_read or self._to_write):
            if not self._to_read or self._to_read[0].after_writes > self._written:
                self._moved.clear()
                await self._moved.wait()
            elif self._real_pace and self._to_read[0].pause_s > 0.0:
                await self._clock.sleep(self._to_read[0].pause_s)
                self._to_read[0] = replace(self._to_read[0], pause_s=0.0)
            else:
                return self._to_read.popleft().data
        raise self._down()

    async def write(self, data: bytes) -> None:
        """See Link.

        Raises:
            LinkError: strict, and this was not written then; the replay cannot go on.
        """
        if not self._open or not self._to_write:
            raise self._down()
        if self._strict:
            self._compare(bytes(data))
        else:
            self._to_write.popleft()
            self._written += 1
        self._moved.set()

    async def aclose(self) -> None:
        """See Link."""
        self._open = False
        self._moved.set()

    def _compare(self, data: bytes) -> None:
        while data:
            expected = self._to_write[0] if self._to_write else b""
            size = min(len(data), len(expected))
            if not size or data[:size] != expected[:size]:
                what = f"the capture has {expected.hex(' ')}" if expected else "the capture ends"
                raise LinkError(f"{self.facts.address}: {data.hex(' ')} was written, {what}")
            data = data[size:]
            if size < len(expected):
                self._to_write[0] = expected[size:]
            else:
                self._to_write.popleft()
                self._written += 1

    def _down(self) -> LinkDown:
        why = "the capture ends" if self._open else "closed by this side"
        return LinkDown(f"{self.facts.address}: {why}")


def _swapped(records: Iterable[Record]) -> list[Record]:
    return [
        replace(record, direction="rx" if record.direction == "tx" else "tx") for record in records
    ]


async def open_address(address: LinkAddress, clock: Clock) -> Link:
    """Read a capture file and make a link of it.

    Raises:
        ConfigError: the options or the file are wrong.
    """
    address.allow("strict", "pace", "side")
    if not address.target:
        raise address.wrong("replay: needs the file of a capture")
    strict = address.choice("strict", default=True, allowed={"yes": True, "no": False})
    real_pace = address.choice("pace", default=False, allowed={"none": False, "real": True})
    far = address.choice("side", default=False, allowed={"near": False, "far": True})
    records = read_capture(address.target)  # local and small; threads do not exist on virtual time
    return ReplayLink(
        _swapped(records) if far else records,
        clock,
        address=address.text,
        strict=strict,
        real_pace=real_pace,
    )
