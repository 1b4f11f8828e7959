"""Finding frames in a stream that also holds noise, echoes and halves.

A damaged frame costs one byte: the search goes on one byte past a false start, so that a good frame
inside what looked like another is still found. The outcome depends on the bytes alone, never on the
pieces they come in, and the work is linear in their number.

Source: DL/T 645-2007, clause 5.2 (frame) and 5.1 (wake-up bytes); receiver rules drawn from public
captures.
"""

from typing import Final, NamedTuple
from zlib import adler32

from kwhub.protocols.dlt645.frames import (
    DATA_BYTES_MAX,
    END,
    FRAME_BYTES_MAX,
    OVERHEAD_BYTES,
    PREAMBLE,
    START,
    Frame645,
    parse,
)
from kwhub.wire.buffer import ReceiveBuffer
from kwhub.wire.events import Discarded
from kwhub.wire.offset33 import MINUS_33

__all__ = ["NOISE_BYTES_MAX", "Received", "Receiver"]

NOISE_BYTES_MAX: Final = 256
"""Noise is reported in pieces of at most twice this many bytes, so that it never piles up."""

_NEW: Final = tuple.__new__
"""Makes a named tuple in half the time."""

_HEAD_BYTES: Final = 10
"""Bytes up to and including the length."""

_STRENGTH: Final = (
    "noise",
    "preamble_only",
    "second_start_missing",
    "length_too_large",
    "truncated",
    "end_missing",
    "checksum_mismatch",
)
"""What is said of a run of bytes with several faults: the fault that is nearest to a frame."""

_DETAILS: Final = {
    "noise": "no start byte 68",
    "preamble_only": "wake-up bytes FE with nothing after them",
    "second_start_missing": "a 68 without a second 68 seven bytes later",
    "length_too_large": f"a length above {DATA_BYTES_MAX}",
    "truncated": "a frame that was not finished in time",
    "end_missing": "no 16 where the length puts the end",
    "checksum_mismatch": "the checksum does not fit",
}


class Received(NamedTuple):
    """A good frame with its bytes, the FE before it included."""

    frame: Frame645
    raw: bytes


def _take_row(data: bytes, found: list[Received | Discarded]) -> int:
    """Take the good frames with which the bytes begin: the short way for a line without trouble.

    The low half of Adler-32 that starts at zero is the plain sum (modulo 65521, more than a frame can
    have), three times as fast as ``sum``.

    Returns the number of bytes that they have. Whatever is not plainly a frame is left to the search.
    """
    at, size = 0, len(data)
    while size - at >= OVERHEAD_BYTES:
        start = at
        while data[start] == PREAMBLE:
            start += 1
            if size - start < OVERHEAD_BYTES or start - at >= NOISE_BYTES_MAX:
                return at
        stop = start + OVERHEAD_BYTES + data[start + 9]
        if (
            not data[start] == START == data[start + 7]
            or stop > size
            or data[stop - 1] != END
            or stop - start > FRAME_BYTES_MAX
            or adler32(data[start : stop - 2], 0) & 0xFF != data[stop - 2]
        ):
            break
        address = data[start + 6 : start : -1].hex().upper()
        content = data[start + 10 : stop - 2].translate(MINUS_33)
        frame = _NEW(Frame645, (address, data[start + 8], content, start - at))
        found.append(_NEW(Received, (frame, data[at:stop])))
        at = stop
    return at


class Receiver:
    """Bytes in, frames and discarded bytes out; never raises for any bytes."""

    __slots__ = ("_buffer", "_fault", "_passed")

    def __init__(self) -> None:
        self._buffer = ReceiveBuffer()  # from a possible start byte on
        self._passed = bytearray()  # looked at, and no part of a frame; may end in a preamble
        self._fault = 0  # index in _STRENGTH of what is wrong with _passed

    @property
    def pending(self) -> int:
        """Number of bytes that are held until more come or ``flush`` is called."""
        return len(self._buffer) + len(self._passed)

    def feed(self, data: bytes) -> list[Received | Discarded]:
        """Take received bytes; return what they complete, in the order of the line."""
        found: list[Received | Discarded] = []
        if not self._fault and self.pending < len(data):
            data = bytes(data)
            if self.pending:
                data = bytes(self._passed) + self._buffer.take(len(self._buffer)) + data
                self._passed.clear()
            data = data[_take_row(data, found) :]
        if data:
            self._buffer.append(data)
            self._search(found, ended=False)
        return found

    def flush(self) -> list[Received | Discarded]:
        """Nothing more comes: give up the unfinished frame and look for others inside it."""
        found: list[Received | Discarded] = []
        self._search(found, ended=True)
        self._report(found, len(self._passed))
        return found

    def _search(self, found: list[Received | Discarded], *, ended: bool) -> None:
        buffer = self._buffer
        while len(buffer):
            start = buffer.find(START)
            if start:
                self._pass_over(found, start if start > 0 else len(buffer))
                continue
            fault = self._fault_at_front()
            if fault is None:
                self._deliver(found)
            elif fault == "truncated" and not ended:
                return
            else:
                self._fault = max(self._fault, _STRENGTH.index(fault))
                self._pass_over(found, 1)

    def _fault_at_front(self) -> str | None:
        """What keeps the bytes at the front from being a frame; None when they are one."""
        buffer = self._buffer
        size = len(buffer)
        if size > 7 and buffer.byte(7) != START:
            return "second_start_missing"
        if size >= _HEAD_BYTES and buffer.byte(9) > DATA_BYTES_MAX:
            return "length_too_large"
        if size < _HEAD_BYTES or size < OVERHEAD_BYTES + buffer.byte(9):
            return "truncated"
        return self._fault_at_end(OVERHEAD_BYTES + buffer.byte(9))

    def _fault_at_end(self, total: int) -> str | None:
        """The same for the checksum and the end byte of a frame that has come in full."""
        buffer = self._buffer
        if buffer.byte(total - 1) != END:
            return "end_missing"
        body = buffer.peek(total - 2)
        return None if sum(body) & 0xFF == buffer.byte(total - 2) else "checksum_mismatch"

    def _deliver(self, found: list[Received | Discarded]) -> None:
        preamble = len(self._passed) - len(self._passed.rstrip(bytes([PREAMBLE])))
        self._report(found, len(self._passed) - preamble)
        raw = bytes(self._passed) + self._buffer.take(OVERHEAD_BYTES + self._buffer.byte(9))
        self._passed.clear()
        found.append(Received(parse(raw), raw))  # cannot raise: these bytes have passed every test

    def _pass_over(self, found: list[Received | Discarded], count: int) -> None:
        self._passed += self._buffer.take(count)
        while len(self._passed) >= 2 * NOISE_BYTES_MAX:
            self._report(found, NOISE_BYTES_MAX)

    def _report(self, found: list[Received | Discarded], count: int) -> None:
        """Say why the first ``count`` passed bytes are thrown away."""
        if not count:
            return
        raw = bytes(self._passed[:count])
        del self._passed[:count]
        fault = _STRENGTH[self._fault]
        if not self._fault and not raw.strip(bytes([PREAMBLE])):
            fault = "preamble_only"
        self._fault = 0
        found.append(Discarded(raw, fault, _DETAILS[fault]))
