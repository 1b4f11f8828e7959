"""Frames found in a stream of bytes.

Source: EN 13757-2: both lengths equal, checksum and stop right, else look on behind the first byte.
"""

from dataclasses import dataclass

from kwhub.domain.errors import DecodeError
from kwhub.protocols.mbus.frames import (
    ACK,
    ACK_FRAME,
    LONG_OVERHEAD_BYTES,
    SHORT_BYTES,
    START_LONG,
    START_SHORT,
    FrameMbus,
    parse,
)
from kwhub.wire.events import Discarded

__all__ = ["NOISE", "Received", "Receiver"]

NOISE = "noise"
_HEAD_BYTES = 4


@dataclass(frozen=True, slots=True)
class Received:
    """A good frame and its bytes."""

    frame: FrameMbus
    raw: bytes


class Receiver:
    """Finds frames by their length; never raises. A frame has at most 261 bytes, so the work for a byte is bounded.

    A candidate that turns out wrong costs its first byte only: a good frame inside it is found. How the
    bytes are cut into pieces makes no difference.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._noise = bytearray()
        self._reason = (NOISE, "no frame starts here")

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._data)

    @property
    def missing(self) -> int:
        """How many bytes the frame that has begun still needs, as far as that is known."""
        size = _size(self._data, 0)
        return 0 if not self._data else max(1, (size or _HEAD_BYTES) - len(self._data))

    def feed(self, data: bytes) -> list[Received | Discarded]:
        """Take received bytes; give the frames that are complete and what was passed over."""
        self._data += data
        return self._scan(final=False)

    def give_up(self) -> list[Received | Discarded]:
        """Stop waiting for the rest of the frame that has begun, and look behind its start."""
        found = self._scan(final=True)
        self._flush(found)
        return found

    def _scan(self, *, final: bool) -> list[Received | Discarded]:
        found: list[Received | Discarded] = []
        data, at = self._data, 0
        while at < len(data):
            size = _size(data, at)
            if size is None:
                self._pass(data[at], NOISE, "no frame starts here")
                at += 1
            elif at + size > len(data):
                if not final:
                    break
                self._pass(data[at], "truncated", "the rest of the frame did not come")
                at += 1
            else:
                raw = bytes(data[at : at + size])
                at += self._candidate(raw, found)
        del data[:at]
        if not data:
            self._flush(found)
        return found

    def _candidate(self, raw: bytes, found: list[Received | Discarded]) -> int:
        if raw[0] == ACK:
            frame = ACK_FRAME
        else:
            try:
                frame = parse(raw)
            except DecodeError as error:
                self._pass(raw[0], error.kind, error.detail)
                return 1
        self._flush(found)
        found.append(Received(frame, raw))
        return len(raw)

    def _pass(self, byte: int, kind: str, detail: str) -> None:
        if not self._noise or self._reason[0] == NOISE:
            self._reason = (kind, detail)
        self._noise.append(byte)

    def _flush(self, found: list[Received | Discarded]) -> None:
        if self._noise:
            found.append(Discarded(bytes(self._noise), *self._reason))
            self._noise.clear()


def _size(data: bytearray, at: int) -> int | None:
    """Bytes of the frame that may begin here (at least the head while that is not known); None: none begins."""
    sizes = {ACK: 1, START_SHORT: SHORT_BYTES, START_LONG: _HEAD_BYTES}
    size = sizes.get(data[at]) if at < len(data) else None
    if size != _HEAD_BYTES:
        return size
    head = data[at : at + _HEAD_BYTES]
    right = (len(head) < 2 or head[1] >= 3) and (len(head) < 3 or head[1] == head[2])
    if not right or (len(head) == _HEAD_BYTES and head[3] != START_LONG):
        return None
    return _HEAD_BYTES if len(head) < _HEAD_BYTES else head[1] + LONG_OVERHEAD_BYTES
