"""The asking end for lines where several may answer at once: hears everything until all have spoken.

An ordinary master is done with the first good answer. Who looks for meters must listen on: a
second answer, or bytes that make no frame, say that the question was meant for several.

Source: DL/T 645-2007, clause 5.1 (answers begin within 500 ms, at most 500 ms between two bytes).
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, TypeAlias

from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645.frames import PREAMBLE, Frame645
from kwhub.protocols.dlt645.messages import ReadAddress, ReadData
from kwhub.protocols.dlt645.receiver import Received, Receiver
from kwhub.protocols.dlt645.session import PREAMBLE_BYTES
from kwhub.protocols.dlt645.timing import BITS_PER_BYTE, BYTE_GAP_S
from kwhub.wire.events import Discarded

__all__ = ["GLITCH_BYTES_MAX", "WINDOW_S", "Heard", "Listener", "Probe"]

WINDOW_S: Final = 0.6
"""Time for the first byte of the slowest answer, s: the standard's 0.5 s and some for the way."""

GLITCH_BYTES_MAX: Final = 3
"""So few bytes are no answer of anybody: a transceiver that is switched on or off makes them."""

_Question: TypeAlias = ReadAddress | ReadData


@dataclass(frozen=True, slots=True)
class Probe:
    """A question into the line.

    Attributes:
        alone: one meter is asked by its full address: its answer ends the listening.
    """

    request: _Question
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything that came after a question.

    Attributes:
        answers: good frames that may be answers to it, in the order of the line.
        garbled: bytes that make no frame.
        strays: good frames that answer something else, such as late answers.
        delay_s: from the end of the question to the first byte; None when nothing came.
    """

    final: ClassVar[bool] = True
    probe: Probe
    answers: tuple[Received, ...] = ()
    garbled: bytes = b""
    strays: int = 0
    delay_s: float | None = None

    @property
    def is_garbled(self) -> bool:
        """Whether more than a glitch of the line made no frame."""
        return len(self.garbled) > GLITCH_BYTES_MAX

    @property
    def is_silence(self) -> bool:
        """Whether nobody has spoken."""
        return not self.answers and not self.is_garbled


@dataclass(slots=True)
class _Listening:
    """What has come so far after a question."""

    probe: Probe
    sent: bytes  #: without wake-up bytes, to know an echo by
    began_s: float  #: when the last bit of the question is through
    answers: list[Received] = field(default_factory=list)
    garbled: bytearray = field(default_factory=bytearray)
    strays: int = 0
    first_byte_s: float | None = None

    def take(self, item: Received | Discarded) -> None:
        if isinstance(item, Discarded):
            self.garbled += item.raw
            return
        frame, request = item.frame, self.probe.request
        if not frame.is_answer:
            if not item.raw.endswith(self.sent):
                self.strays += 1
        elif request.accepts(frame.address) and (
            frame.function == request.function or frame.is_abnormal
        ):
            self.answers.append(item)
        else:
            self.strays += 1

    def heard(self) -> Heard:
        delay_s = None
        if self.first_byte_s is not None:
            delay_s = max(0.0, self.first_byte_s - self.began_s)
        return Heard(self.probe, tuple(self.answers), bytes(self.garbled), self.strays, delay_s)


class Listener:
    """Asks one :class:`Probe` after the other; a ``kwhub.domain.machine.Machine``."""

    def __init__(
        self,
        *,
        window_s: float = WINDOW_S,
        byte_gap_s: float = BYTE_GAP_S,
        baud: int | None = None,
        preamble: int = PREAMBLE_BYTES,
    ) -> None:
        """Make a listener.

        Args:
            window_s: how long the first byte of an answer may take after the question.
            byte_gap_s: longest pause inside a frame.
            baud: speed of the line, to allow for the time that the question takes on it; None when
                it is not known, and the window must have room for that.
            preamble: wake-up bytes before each question.
        """
        self._window_s = window_s
        self._byte_gap_s = byte_gap_s
        self._preamble = preamble
        self._byte_s = 0.0 if baud is None else BITS_PER_BYTE / baud
        self._receiver = Receiver()
        self._out: Probe | None = None
        self._listening: _Listening | None = None
        self._events: list[Heard] = []
        self._last_byte_s = 0.0

    def send(self, request: Any, now: float) -> None:  # noqa: ARG002 - the shape of every machine
        """Queue a question. Raises LocalError while another is still being listened to."""
        if self._out is not None or self._listening is not None:
            raise LocalError("one question at a time")
        self._out = request

    def outgoing(self, now: float) -> bytes:
        """Take the bytes of the question; listening begins here."""
        if self._out is None:
            return b""
        probe, self._out = self._out, None
        request = probe.request
        frame = Frame645(request.address, request.function, request.data(), self._preamble)
        raw = frame.to_bytes()
        self._receiver.flush()  # what came before the question is no answer to it
        ends_s = now + len(raw) * self._byte_s
        self._listening = _Listening(probe, raw.lstrip(bytes([PREAMBLE])), ends_s)
        return raw

    def receive(self, data: bytes, now: float) -> None:
        """Take received bytes."""
        listening = self._listening
        if listening is None:
            return
        if self._receiver.pending and now > self._last_byte_s + self._byte_gap_s:
            self._take(listening, self._receiver.flush())
        self._last_byte_s = now
        if listening.first_byte_s is None:
            listening.first_byte_s = now - len(data) * self._byte_s
        self._take(listening, self._receiver.feed(data))
        if listening.probe.alone and listening.answers:
            self._finish(listening)

    def _take(self, listening: _Listening, items: list[Received | Discarded]) -> None:
        for item in items:
            listening.take(item)

    def events(self) -> list[Any]:
        """Take what was heard."""
        events, self._events = self._events, []
        return events

    def deadline(self) -> float | None:
        """When everybody who is there has spoken, as far as is known now."""
        listening = self._listening
        if listening is None:
            return None
        window_ends_s = listening.began_s + self._window_s
        if not self._receiver.pending:
            return window_ends_s
        return max(window_ends_s, self._last_byte_s + self._byte_gap_s)

    def on_deadline(self, now: float) -> None:
        """Stop listening when the time has come."""
        deadline = self.deadline()
        if self._listening is not None and deadline is not None and now >= deadline:
            self._finish(self._listening)

    def _finish(self, listening: _Listening) -> None:
        self._take(listening, self._receiver.flush())
        self._events.append(listening.heard())
        self._listening = None
