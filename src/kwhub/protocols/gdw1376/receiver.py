"""From a stream of bytes to frames, whatever stands between them.

Source: Q/GDW 1376.1-2013, clause 4.3.2 (both 68, equal length words, protocol id, checksum, 16; else drop
and look for the next 68).
"""

from dataclasses import dataclass
from itertools import accumulate, groupby

from kwhub.domain.errors import DecodeError
from kwhub.protocols.gdw1376.frames import (
    END,
    HEAD_BYTES,
    STANDARD,
    START,
    Frame1376,
    Profile,
    header_problem,
    parse_user_data,
)
from kwhub.wire.checksums import sum8
from kwhub.wire.events import Discarded

__all__ = ["NOISE", "Received", "Receiver"]

NOISE = "noise"
"""Kind of bytes that do not even look like the start of a frame."""

_COMPACT_BYTES = 4096
"""Dead bytes at the front that are worth one move of the rest."""


@dataclass(frozen=True, slots=True)
class Received:
    """A good frame and its bytes."""

    frame: Frame1376
    raw: bytes


class Receiver:
    """Finds frames in a stream; never raises, and its work is linear in the number of bytes.

    A candidate that turns out wrong is reported with all of its bytes but costs only the first: the search
    goes on behind it, so that a good frame inside a broken one is found. From the first wrong one on, running sums make the checksum of a
    candidate one subtraction, because a hostile stream can claim a long frame at every few bytes.
    """

    def __init__(self, profile: Profile = STANDARD) -> None:
        self._profile = profile
        self._data = bytearray()
        self._sums = [0]  # _sums[n] is the sum of the first n bytes of _data; made when needed
        self._doubtful = False  # a candidate in _data was wrong
        self._at = 0
        self._told = 0  # bytes before this place have already been reported as discarded

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._data) - self._at

    def feed(self, data: bytes) -> list[Received | Discarded]:
        """Take received bytes; give the frames that are complete and what was passed over."""
        self._data += data
        return self._scan()

    def give_up(self) -> list[Received | Discarded]:
        """Stop waiting for the rest of the frame that has begun, and look behind its start."""
        if not self.pending:
            return []
        waiting = bytes(self._data[self._at :])
        found = self._discard(len(waiting), "truncated", "the rest of the frame did not come")
        self._at += 1
        self._doubtful = True
        return [*found, *self._scan()]

    def _scan(self) -> list[Received | Discarded]:
        found: list[Received | Discarded] = []
        while self._at < len(self._data):
            if self._data[self._at] != START:
                found += self._skip_noise()
                continue
            step = self._candidate()
            if step is None:
                break
            found += step
        self._compact()
        return _without_seams(found)

    def _skip_noise(self) -> list[Received | Discarded]:
        start = self._data.find(START, self._at)
        stop = start if start >= 0 else len(self._data)
        found = self._discard(stop - self._at, NOISE, "no frame starts here")
        self._at = stop
        return found

    def _candidate(self) -> list[Received | Discarded] | None:
        """Judge the 68 at the place; None when more bytes are needed."""
        head = bytes(self._data[self._at : self._at + HEAD_BYTES])
        problem = header_problem(head, self._profile)
        if problem:
            found = self._discard(1, NOISE, problem[1])
            self._at += 1
            return found
        if len(head) < HEAD_BYTES:
            return None
        stop = self._at + HEAD_BYTES + (int.from_bytes(head[1:3], "little") >> 2) + 2
        if stop > len(self._data):
            return None
        return self._judge(stop, head[1] & 3)

    def _judge(self, stop: int, protocol_id: int) -> list[Received | Discarded]:
        begin, end = self._at + HEAD_BYTES, stop - 2
        if self._data[stop - 1] != END:
            return self._refuse(stop, "end_missing", f"{self._data[stop - 1]:02X} where 16 belongs")
        total = self._sum(begin, end) & 0xFF
        if total != self._data[end]:
            detail = f"checksum {self._data[end]:02X}, computed {total:02X}"
            return self._refuse(stop, "checksum_mismatch", detail)
        user = bytes(self._data[begin:end])
        try:
            frame = parse_user_data(user, self._profile, protocol_id=protocol_id)
        except DecodeError as error:
            return self._refuse(stop, error.kind, error.detail)
        raw = bytes(self._data[self._at : stop])
        self._at = self._told = stop
        return [Received(frame, raw)]

    def _refuse(self, stop: int, kind: str, detail: str) -> list[Received | Discarded]:
        found = self._discard(stop - self._at, kind, detail)
        self._at += 1
        self._doubtful = True
        return found

    def _sum(self, begin: int, end: int) -> int:
        if not self._doubtful:
            return sum8(self._data[begin:end])
        if len(self._sums) <= len(self._data):
            rest = self._data[len(self._sums) - 1 :]
            self._sums.extend(list(accumulate(rest, initial=self._sums[-1]))[1:])
        return self._sums[end] - self._sums[begin]

    def _discard(self, count: int, kind: str, detail: str) -> list[Received | Discarded]:
        """Report bytes from the place on, but no byte twice."""
        start, stop = max(self._at, self._told), self._at + count
        if start >= stop:
            return []
        self._told = stop
        return [Discarded(bytes(self._data[start:stop]), kind, detail)]

    def _compact(self) -> None:
        if self._at == len(self._data) or (
            self._at > _COMPACT_BYTES and self._at * 2 > len(self._data)
        ):
            del self._data[: self._at]
            self._sums = [0]
            self._doubtful = self._doubtful and bool(self._data)
            self._told = max(0, self._told - self._at)
            self._at = 0


def _without_seams(found: list[Received | Discarded]) -> list[Received | Discarded]:
    """Neighbouring pieces of noise as one."""
    whole: list[Received | Discarded] = []
    for is_noise, group in groupby(found, _is_noise):
        pieces = list(group)
        if is_noise:
            raw = b"".join(piece.raw for piece in pieces)
            whole.append(Discarded(raw, NOISE, "no frame starts here"))
        else:
            whole += pieces
    return whole


def _is_noise(one: Received | Discarded) -> bool:
    return isinstance(one, Discarded) and one.kind == NOISE
