"""From a stream of bytes to frames, whatever stands between them.

Source: Q/GDW 1376.2-2013, clause 4.3 (68, whole length, checksum, 16); the longest frame of modules in the
field has 2 kB (their 03-F10 says it), and what claims much more is no frame.
"""

from dataclasses import dataclass
from itertools import accumulate

from kwhub.domain.errors import DecodeError
from kwhub.protocols.gdw1376_2.frames import (
    END,
    FRAME_BYTES_MIN,
    HEAD_BYTES,
    START,
    Frame13762,
    parse_body,
)
from kwhub.wire.events import Discarded

__all__ = ["FRAME_BYTES_MAX", "NOISE", "Received", "Receiver"]

NOISE = "noise"
FRAME_BYTES_MAX = 4096
"""A length above this is taken for noise."""


@dataclass(frozen=True, slots=True)
class Received:
    """A good frame and its bytes."""

    frame: Frame13762
    raw: bytes


class Receiver:
    """Finds frames in a stream; never raises, and its work is linear in the number of bytes.

    Running sums make the checksum of a candidate one subtraction. A candidate that turns out wrong is
    reported whole but costs only its first byte: a good frame inside it is found.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._sums = [0]  # _sums[n] is the sum of the first n bytes
        self._at = 0
        self._told = 0  # bytes before this place have been reported
        self._noise = bytearray()

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._data) - self._at

    def feed(self, data: bytes) -> list[Received | Discarded]:
        """Take received bytes; give the frames that are complete and what was passed over."""
        self._data += data
        self._sums.extend(list(accumulate(data, initial=self._sums[-1]))[1:])
        return self._scan()

    def give_up(self) -> list[Received | Discarded]:
        """Stop waiting for the rest of the frame that has begun, and look behind its start."""
        if not self.pending:
            return []
        found: list[Received | Discarded] = []
        self._refuse(found, len(self._data), "truncated", "the rest of the frame did not come")
        return [*found, *self._scan()]

    def _scan(self) -> list[Received | Discarded]:
        found: list[Received | Discarded] = []
        while self._at < len(self._data):
            if self._data[self._at] != START:
                start = self._data.find(START, self._at)
                self._pass(start if start >= 0 else len(self._data))
            elif not self._candidate(found):
                break
        self._flush_noise(found)
        self._compact()
        return found

    def _candidate(self, found: list[Received | Discarded]) -> bool:
        """Judge the 68 at the place; False when more bytes are needed."""
        if self.pending < HEAD_BYTES:
            return False
        size = int.from_bytes(self._data[self._at + 1 : self._at + 3], "little")
        if not FRAME_BYTES_MIN <= size <= FRAME_BYTES_MAX:
            self._pass(self._at + 1)
            return True
        stop = self._at + size
        if stop > len(self._data):
            return False
        total = (self._sums[stop - 2] - self._sums[self._at + HEAD_BYTES]) & 0xFF
        if self._data[stop - 1] != END:
            detail = f"{self._data[stop - 1]:02X} where 16 belongs"
            self._refuse(found, stop, "end_missing", detail)
        elif total != self._data[stop - 2]:
            detail = f"checksum {self._data[stop - 2]:02X}, computed {total:02X}"
            self._refuse(found, stop, "checksum_mismatch", detail)
        else:
            self._accept(found, stop)
        return True

    def _accept(self, found: list[Received | Discarded], stop: int) -> None:
        raw = bytes(self._data[self._at : stop])
        try:
            received = Received(parse_body(raw), raw)
        except DecodeError as error:
            self._refuse(found, stop, error.kind, error.detail)
            return
        self._flush_noise(found)
        found.append(received)
        self._at = self._told = stop

    def _pass(self, stop: int) -> None:
        """Go over bytes that do not even look like a frame."""
        start = max(self._at, self._told)
        if start < stop:
            self._noise += self._data[start:stop]
            self._told = stop
        self._at = stop

    def _refuse(self, found: list[Received | Discarded], stop: int, kind: str, detail: str) -> None:
        """Report a candidate, no byte of it twice, and go on behind its first byte."""
        self._flush_noise(found)
        start = max(self._at, self._told)
        if start < stop:
            found.append(Discarded(bytes(self._data[start:stop]), kind, detail))
            self._told = stop
        self._at += 1

    def _flush_noise(self, found: list[Received | Discarded]) -> None:
        if self._noise:
            found.append(Discarded(bytes(self._noise), NOISE, "no frame starts here"))
            self._noise.clear()

    def _compact(self) -> None:
        if self._at == len(self._data) or (
            self._at > FRAME_BYTES_MAX and self._at * 2 > len(self._data)
        ):
            del self._data[: self._at]
            del self._sums[: self._at]
            self._told = max(0, self._told - self._at)
            self._at = 0
