"""Addressed transmission cut into what is meant for each slave: a number, then bytes, then a pause.

Programs that share a port leave no pause between them, and a port that was not read for a while has
lost those that there were. So where frames can be told apart, the byte behind a whole frame may be the
next number: nothing is taken for data that is not. A byte that could be both a number and the beginning
of a frame (10 hex, the short frames of M-Bus) is a number when a frame begins behind it.

Source: Ebyte E104-BT5032A manual (there "format" transmission: at most 243 bytes after the number).
"""

from kwhub.wire.events import Discarded
from kwhub.wire.passing import Dialect, Framer, Passing

__all__ = ["ALL", "BURST_BYTES_MAX", "Bursts", "Piece"]

ALL = 0xFF
BURST_BYTES_MAX = 243

Piece = tuple[int, Passing | Discarded]
"""The number of a slave, and what is meant for it."""


class Bursts:
    """Cuts what a serial face hears.

    Attributes:
        dropped: bursts that were too long, from their 244th byte on, or to nobody who is there.
    """

    def __init__(self, dialect: Dialect) -> None:
        """Begin in front of a burst."""
        self.dialect = dialect
        self.dropped = 0
        self._framer: Framer = dialect.framer()
        self._number: int | None = None
        self._size = 0  # of the burst
        self._held = 0  # bytes that the framer has not given back
        self._is_dropping = False
        self._has_frame = False  # the last that came was a whole frame
        self._unclear: int | None = None  # may be a number, or the beginning of a frame

    @property
    def is_inside(self) -> bool:
        """Whether a burst has begun that a pause will end."""
        return self._number is not None or self._is_dropping

    @property
    def is_at_start(self) -> bool:
        """Whether something else than a burst may begin with the next byte, such as a command."""
        return not self.is_inside or self._has_frame

    def feed(self, data: bytes, count: int) -> list[Piece]:
        """Take bytes; return what they complete.

        Args:
            data: as they come.
            count: how many slaves there are: numbers from 0 up, and `ALL`.
        """
        found: list[Piece] = []
        for byte in data:
            unclear, self._unclear = self._unclear, None
            if unclear is not None and self._may_begin_a_frame(byte):
                self._begin(unclear, count)
            elif unclear is not None:
                found += self._take(unclear)
            if not self._begins(byte, count):
                found += [] if self._is_dropping else self._take(byte)
            elif self._number is not None and self._may_begin_a_frame(byte):
                self._unclear = byte
            else:
                self._begin(byte, count)
        return found

    def flush(self) -> list[Piece]:
        """A pause: the burst is over. Return what is held of it."""
        found = self._named(self._framer.flush())
        self._number, self._is_dropping, self._has_frame = None, False, False
        self._size = self._held = 0
        self._unclear = None
        return found

    def _may_begin_a_frame(self, byte: int) -> bool:
        """Whether the protocol waits for more behind such a byte."""
        return not self.dialect.framer().feed(bytes([byte]))

    def _begins(self, byte: int, count: int) -> bool:
        """Whether a byte is a number."""
        if self._is_dropping:
            return False
        return self._number is None or (self._has_frame and (byte == ALL or byte < count))

    def _begin(self, number: int, count: int) -> None:
        self._number, self._size, self._has_frame = number, 0, False
        if number != ALL and number >= count:
            self._drop()

    def _take(self, byte: int) -> list[Piece]:
        self._size += 1
        if self._size > BURST_BYTES_MAX:
            self._drop()
            return []
        self._held += 1
        pieces = self._framer.feed(bytes([byte]))
        self._held -= sum(len(each.raw) for each in pieces)
        self._has_frame = not self._held and bool(pieces) and isinstance(pieces[-1], Passing)
        return self._named(pieces)

    def _drop(self) -> None:
        """Forget the rest of the burst, up to the pause."""
        self.dropped += 1
        self._framer = self.dialect.framer()
        self._number, self._held, self._is_dropping = None, 0, True

    def _named(self, pieces: list[Passing | Discarded]) -> list[Piece]:
        number = self._number
        return [] if number is None else [(number, each) for each in pieces]
