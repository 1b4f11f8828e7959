"""What two strangers say to each other on a line: frames with their times, and who answers whom.

Source: DL/T 645-2007, clause 5 (the master asks, one meter answers; at most 500 ms between two bytes).
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from kwhub.catalog.decoding import Decoded, decode
from kwhub.protocols.dlt645.addresses import BROADCAST
from kwhub.protocols.dlt645.control import Broadcast, function_of
from kwhub.protocols.dlt645.frames import PREAMBLE, Frame645
from kwhub.protocols.dlt645.messages import accepts_address
from kwhub.protocols.dlt645.receiver import Received, Receiver
from kwhub.protocols.dlt645.summary import identifier_in
from kwhub.protocols.dlt645.timing import BYTE_GAP_S
from kwhub.wire.events import Discarded

__all__ = ["Entry", "Piece", "overhear"]

OPEN_MAX: Final = 4
"""Requests that an answer may still belong to; older ones stay without."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that were heard in one piece; the time is that of their end.

    Attributes:
        time_s: monotonic seconds; None when the time is not known.
        at: the same moment by the wall clock.
        side: bytes of different sides are never parts of one frame; empty on a bus, where both
            directions are heard alike.
    """

    data: bytes
    time_s: float | None = None
    at: datetime | None = None
    side: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A frame, or bytes that are none.

    Attributes:
        number: counted from 1, in the order of the line.
        starts_s: when the piece with its first byte was heard; ``ends_s``: that with its last.
        gap_s: from the end of the entry before; None where the times cannot tell.
        frame: None for bytes that were passed over, for the reason in ``kind`` and ``detail``.
        echo: a request that came back to the side that had sent it.
        expects_answer: a request that is not meant for all meters.
        partner: number of the answer, or of the request that is answered; None: nobody.
        repeats: number of the request of which this is a repetition.
        delay_s: of an answer, from the end of its request to its first byte.
        late: of an answer: other requests have come in between.
    """

    number: int
    raw: bytes
    side: str = ""
    at: datetime | None = None
    starts_s: float | None = None
    ends_s: float | None = None
    gap_s: float | None = None
    frame: Frame645 | None = None
    decoded: Decoded | None = None
    kind: str = ""
    detail: str = ""
    echo: bool = False
    expects_answer: bool = False
    partner: int | None = None
    repeats: int | None = None
    delay_s: float | None = None
    late: bool = False

    @property
    def is_request(self) -> bool:
        """Whether it is a master's frame, an echo left out."""
        return self.frame is not None and not self.frame.is_answer and not self.echo

    @property
    def is_answer(self) -> bool:
        """Whether it is a meter's frame."""
        return self.frame is not None and self.frame.is_answer


def overhear(pieces: Iterable[Piece]) -> list[Entry]:
    """Find the frames in what was heard, and the answer to each request. Never raises for any bytes."""
    ears = _Ears()
    for piece in pieces:
        ears.hear(piece)
    return ears.finish()


class _Stream:
    """The bytes of one side, and when they came."""

    def __init__(self, side: str) -> None:
        self.side = side
        self._receiver = Receiver()
        self._marks: deque[tuple[int, Piece]] = deque()  # where each piece ends in the stream
        self._heard = 0
        self._passed = 0
        self._last_s: float | None = None

    def feed(self, piece: Piece) -> list[Entry]:
        entries: list[Entry] = []
        if (
            piece.time_s is not None
            and self._last_s is not None
            and piece.time_s - self._last_s > BYTE_GAP_S
        ):
            entries = self.flush()
        self._last_s = piece.time_s
        self._heard += len(piece.data)
        self._marks.append((self._heard, piece))
        return entries + self._entries(self._receiver.feed(piece.data))

    def flush(self) -> list[Entry]:
        return self._entries(self._receiver.flush())

    def _entries(self, items: Iterable[Received | Discarded]) -> list[Entry]:
        return [self._entry(item) for item in items]

    def _entry(self, item: Received | Discarded) -> Entry:
        first = self._piece_at(self._passed)
        self._passed += len(item.raw)
        last = self._piece_at(self._passed - 1)
        entry = Entry(0, item.raw, self.side, first.at, first.time_s, last.time_s)
        if isinstance(item, Discarded):
            return replace(entry, kind=item.kind, detail=item.detail)
        return replace(
            entry,
            frame=item.frame,
            decoded=decode(item.raw),
            expects_answer=_expects_answer(item.frame),
        )

    def _piece_at(self, place: int) -> Piece:
        """The piece with a byte; places are asked for in their order."""
        while self._marks[0][0] <= place:
            self._marks.popleft()
        return self._marks[0][1]


def _expects_answer(frame: Frame645) -> bool:
    if frame.is_answer:
        return False
    row = function_of(frame.control)
    if row is None:
        return True
    return row.answer is not None and not (
        frame.address == BROADCAST and row.broadcast is Broadcast.SILENT
    )


class _Ears:
    """All sides together, in the order in which frames end."""

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}
        self._entries: list[Entry] = []
        self._open: deque[int] = deque(maxlen=OPEN_MAX)  # numbers of requests without answer

    def hear(self, piece: Piece) -> None:
        if not piece.data:
            return
        stream = self._streams.setdefault(piece.side, _Stream(piece.side))
        for entry in stream.feed(piece):
            self._add(entry)

    def finish(self) -> list[Entry]:
        for stream in self._streams.values():
            for entry in stream.flush():
                self._add(entry)
        return self._entries

    def _add(self, entry: Entry) -> None:
        entry = replace(entry, number=len(self._entries) + 1)
        if self._entries:
            entry = replace(entry, gap_s=_between_s(self._entries[-1], entry))
        if entry.is_answer:
            entry = self._answered(entry)
        elif entry.is_request:
            entry = self._asked(entry)
        self._entries.append(entry)

    def _asked(self, entry: Entry) -> Entry:
        before = self._entries[self._open[-1] - 1] if self._open else None
        if before is not None and _bare(before.raw) == _bare(entry.raw):
            if before.side != entry.side:
                return replace(entry, echo=True, expects_answer=False)
            entry = replace(entry, repeats=before.number)
        if entry.expects_answer:
            self._open.append(entry.number)
        return entry

    def _answered(self, entry: Entry) -> Entry:
        for place, number in enumerate(reversed(self._open)):
            request = self._entries[number - 1]
            if _answers(entry.frame, request.frame):
                self._open.remove(number)
                self._entries[number - 1] = replace(request, partner=entry.number)
                delay_s = _between_s(request, entry)
                return replace(entry, partner=number, delay_s=delay_s, late=place > 0)
        return entry


def _bare(raw: bytes) -> bytes:
    return raw.lstrip(bytes([PREAMBLE]))


def _between_s(before: Entry, after: Entry) -> float | None:
    """Silence between two entries; None when they were heard in one piece, or without time."""
    if before.ends_s is None or after.starts_s is None:
        return None
    silence_s = after.starts_s - before.ends_s
    return silence_s if silence_s > 0 else None


def _answers(answer: Frame645 | None, request: Frame645 | None) -> bool:
    if answer is None or request is None or answer.function != request.function:
        return False
    if not accepts_address(request.address, answer.address):
        return False
    about = identifier_in(answer)
    return about is None or about == identifier_in(request)
