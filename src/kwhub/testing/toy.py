"""The smallest protocol that has everything a shell must cope with: length, text, sum.

It exists so that links, shells and benchmarks can be tried without a real protocol. A frame is one
byte of length, so many bytes of text, and the sum of all these modulo 256. Whatever is wrong with
what was received, all of it is dropped: a toy does not resynchronise.
"""

from dataclasses import dataclass
from typing import ClassVar

from kwhub.domain.errors import LocalError

__all__ = ["Answered", "Asked", "Noise", "Question", "Silence", "ToySession"]

TEXT_BYTES_MAX = 255


@dataclass(frozen=True, slots=True)
class Question:
    """A request; what the answering side sends back is one too."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer came."""

    final: ClassVar[bool] = True
    text: bytes


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer came in time."""

    final: ClassVar[bool] = True
    timed_out: ClassVar[bool] = True
    question: Question


@dataclass(frozen=True, slots=True)
class Asked:
    """The answering side was asked."""

    final: ClassVar[bool] = False
    text: bytes


@dataclass(frozen=True, slots=True)
class Noise:
    """Bytes without sense, or at the wrong moment."""

    final: ClassVar[bool] = False
    raw: bytes


def _frame(text: bytes) -> bytes:
    body = bytes((len(text),)) + text
    return body + bytes((sum(body) & 0xFF,))


class ToySession:
    """One side of the toy protocol; a machine."""

    def __init__(
        self, *, asks: bool, answer_timeout_s: float = 1.0, byte_gap_s: float = 0.5
    ) -> None:
        """Make a side.

        Args:
            asks: whether this side asks (one question at a time) or answers.
            answer_timeout_s: how long the asking side waits for the first byte of an answer.
            byte_gap_s: silence inside a frame after which its beginning is dropped.
        """
        self._asks = asks
        self._answer_timeout_s = answer_timeout_s
        self._byte_gap_s = byte_gap_s
        self._received = bytearray()
        self._out = bytearray()
        self._events: list[Answered | Silence | Asked | Noise] = []
        self._question: Question | None = None
        self._deadline: float | None = None

    def send(self, request: Question, now: float) -> None:
        """See Machine."""
        if len(request.text) > TEXT_BYTES_MAX:
            raise LocalError(f"a text has at most {TEXT_BYTES_MAX} bytes")
        if self._asks:
            if self._question is not None:
                raise LocalError("one question at a time")
            self._question = request
            self._deadline = now + self._answer_timeout_s
        self._out += _frame(request.text)

    def receive(self, data: bytes, now: float) -> None:
        """See Machine."""
        self._received += data
        while self._received and len(self._received) >= self._received[0] + 2:
            size = self._received[0] + 2
            raw = bytes(self._received[:size])
            del self._received[:size]
            self._take(raw)
        if self._received:
            self._deadline = now + self._byte_gap_s
        elif self._question is None:
            self._deadline = None

    def events(self) -> list[Answered | Silence | Asked | Noise]:
        """See Machine."""
        events, self._events = self._events, []
        return events

    def outgoing(self, now: float) -> bytes:
        """See Machine."""
        del now
        if not self._out:
            return b""
        out = bytes(self._out)
        self._out.clear()
        return out

    def deadline(self) -> float | None:
        """See Machine."""
        return self._deadline

    def on_deadline(self, now: float) -> None:
        """See Machine."""
        if self._deadline is None or now < self._deadline:
            return
        self._deadline = None
        self._drop(b"")
        if self._question is not None:
            self._events.append(Silence(self._question))
            self._question = None

    def _take(self, raw: bytes) -> None:
        if _frame(raw[1:-1]) != raw:
            self._drop(raw)
        elif not self._asks:
            self._events.append(Asked(raw[1:-1]))
        elif self._question is None:
            self._events.append(Noise(raw))
        else:
            self._events.append(Answered(raw[1:-1]))
            self._question = None

    def _drop(self, raw: bytes) -> None:
        noise = raw + bytes(self._received)
        self._received.clear()
        if noise:
            self._events.append(Noise(noise))
