"""Finding the module's frames in a stream; it has no start byte, so the sum decides.

Source: published protocol of the infrared module, clause 3 (single source); the search is our own.
"""

from typing import NamedTuple

from kwhub.protocols.irmodule.frames import (
    ADDRESS_MAX,
    DATA_BYTES_MAX,
    OVERHEAD_BYTES,
    PREAMBLE,
    ModuleFrame,
    crc16,
)
from kwhub.wire.events import Discarded

__all__ = ["Received", "Receiver"]


class Received(NamedTuple):
    """A good frame and its bytes, FE bytes not included."""

    frame: ModuleFrame
    raw: bytes


class Receiver:
    """Bytes in, frames and discarded bytes out; never raises for any bytes."""

    def __init__(self) -> None:
        self._data = bytearray()

    @property
    def pending(self) -> int:
        """Bytes that wait for more."""
        return len(self._data)

    def feed(self, data: bytes) -> list[Received | Discarded]:
        """Take received bytes; return what they complete."""
        self._data += data
        return self._search(ended=False)

    def flush(self) -> list[Received | Discarded]:
        """Nothing more comes."""
        return self._search(ended=True)

    def _search(self, *, ended: bool) -> list[Received | Discarded]:
        found: list[Received | Discarded] = []
        noise = bytearray()
        data, at = self._data, 0
        while at < len(data):
            size = self._size(at)
            if size > len(data) - at and not ended:
                break
            body = bytes(data[at : at + size])
            if size and len(body) == size and crc16(body[:-2]) == int.from_bytes(body[-2:], "big"):
                _report(found, noise)
                found.append(Received(ModuleFrame(body[0], body[1], body[3:-2]), body))
                at += size
            else:
                noise.append(data[at])
                at += 1
        del data[:at]
        _report(found, noise)
        return found

    def _size(self, at: int) -> int:
        """Size of the frame that would begin here; 0 when none can."""
        head = self._data[at : at + 3]
        if head[0] > ADDRESS_MAX or (len(head) == 3 and head[2] > DATA_BYTES_MAX):
            return 0
        return OVERHEAD_BYTES + (head[2] if len(head) == 3 else 0)


def _report(found: list[Received | Discarded], noise: bytearray) -> None:
    rest = bytes(noise).lstrip(bytes([PREAMBLE]))
    if rest:
        found.append(Discarded(bytes(noise), "noise", "no frame with a right sum"))
    noise.clear()
