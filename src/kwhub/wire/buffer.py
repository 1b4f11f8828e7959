"""A receive buffer that keeps its place."""

__all__ = ["ReceiveBuffer"]

_COMPACT_BYTES = 4096
"""Dead bytes at the front that are worth one move of the rest."""


class ReceiveBuffer:
    """Bytes that have come but are not yet understood.

    Taking from the front moves an index; the store itself is moved only when more than half of it is
    dead, so that the total work is linear in the number of bytes, whatever the pieces they come in.
    """

    __slots__ = ("_data", "_start")

    def __init__(self) -> None:
        self._data = bytearray()
        self._start = 0

    def __len__(self) -> int:
        return len(self._data) - self._start

    def append(self, data: bytes) -> None:
        """Add received bytes at the end."""
        self._data += data

    def byte(self, at: int) -> int:
        """The byte ``at`` places from the front; IndexError when it has not come yet."""
        if at < 0:
            raise IndexError(at)
        return self._data[self._start + at]

    def peek(self, count: int, at: int = 0) -> bytes:
        """Up to ``count`` bytes from place ``at``, left where they are."""
        begin = self._start + at
        return bytes(self._data[begin : begin + count])

    def find(self, byte: int, start: int = 0) -> int:
        """The first place of ``byte`` at or after ``start``, or -1."""
        place = self._data.find(byte, self._start + start)
        return place - self._start if place >= 0 else -1

    def take(self, count: int) -> bytes:
        """Remove and return up to ``count`` bytes from the front."""
        taken = self.peek(count)
        self.drop(len(taken))
        return taken

    def drop(self, count: int) -> None:
        """Remove up to ``count`` bytes from the front."""
        self._start = min(self._start + count, len(self._data))
        if self._start == len(self._data):
            self._data.clear()
            self._start = 0
        elif self._start > _COMPACT_BYTES and self._start * 2 > len(self._data):
            del self._data[: self._start]
            self._start = 0
