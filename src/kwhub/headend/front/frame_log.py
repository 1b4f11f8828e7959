"""The last bytes of every terminal, as they went over the line: a ring in memory with hard limits.

Bytes are kept, not frames: to cut and to explain them costs time, and is done when somebody looks. What is
forgotten here is lost for nobody but the curious: every reading is in the store before it is acknowledged.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from struct import Struct

__all__ = ["LOG_BYTES_MAX", "STRANGERS", "TERMINAL_BYTES_MAX", "FrameLog", "Piece"]

LOG_BYTES_MAX = 16 * 1024 * 1024
"""Bytes kept of all terminals together."""

TERMINAL_BYTES_MAX = 64 * 1024
"""Bytes kept of one terminal; fewer when there are so many that all together would be too much."""

TERMINAL_BYTES_MIN = 512
"""Bytes that a terminal may always have, whatever the others do, until it is the one longest silent."""

STRANGERS = 0
"""The number under which everything is kept that came from nobody known."""

_HEAD = Struct("<qBI")  # microseconds since 1970, 1 for sent by us, length
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that went over the line at once."""

    number: int  #: grows with every byte of the terminal, and names the piece
    at: datetime  #: UTC
    sent: bool  #: by the head-end
    raw: bytes


class _Ring:
    """Pieces of one terminal, one behind the other in one run of bytes."""

    __slots__ = ("content", "dropped")

    def __init__(self) -> None:
        self.content = bytearray()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self.content)

    def trim(self, limit: int) -> None:
        """Drop the oldest pieces until at most ``limit`` bytes are there."""
        start = 0
        while len(self.content) - start > limit:
            start += _HEAD.size + _HEAD.unpack_from(self.content, start)[2]
        if start:
            del self.content[:start]
            self.dropped += start

    def pieces(self) -> Iterator[Piece]:
        start = 0
        while start < len(self.content):
            micro, sent, length = _HEAD.unpack_from(self.content, start)
            body = start + _HEAD.size
            raw = bytes(self.content[body : body + length])
            yield Piece(self.dropped + start, _EPOCH + micro * _MICROSECOND, bool(sent), raw)
            start = body + length


class FrameLog:
    """The rings of all terminals. All calls but ``pieces`` come from the loop.

    Args:
        limit: bytes of all together.
        limit_each: bytes of one terminal.
    """

    def __init__(self, limit: int = LOG_BYTES_MAX, limit_each: int = TERMINAL_BYTES_MAX) -> None:
        self._limit = limit
        self._limit_each = limit_each
        self._rings: OrderedDict[int, _Ring] = OrderedDict()  # the one longest silent first
        self._total = 0

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return self._total

    def note(self, terminal_id: int, at: datetime, raw: bytes, *, sent: bool) -> None:
        """Keep some bytes of a terminal; at most the newest ones that fit."""
        ring = self._rings.get(terminal_id)
        if ring is None:
            ring = self._rings[terminal_id] = _Ring()
        self._rings.move_to_end(terminal_id)
        before = len(ring)
        kept = raw[: self._limit_each - _HEAD.size]
        ring.content += _HEAD.pack((at - _EPOCH) // _MICROSECOND, sent, len(kept)) + kept
        fair = max(TERMINAL_BYTES_MIN, self._limit // len(self._rings))
        ring.trim(max(_HEAD.size + len(kept), min(self._limit_each, fair)))
        self._total += len(ring) - before
        while self._total > self._limit and len(self._rings) > 1:
            _, silent = self._rings.popitem(last=False)
            self._total -= len(silent)

    def pieces(self, terminal_id: int) -> list[Piece]:
        """What is kept of a terminal, the oldest first. From any thread."""
        ring = self._rings.get(terminal_id)
        if ring is None:
            return []
        copy = _Ring()
        copy.content, copy.dropped = bytearray(bytes(ring.content)), ring.dropped
        return list(copy.pieces())
