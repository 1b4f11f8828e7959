"""Transparent forwarding: raw bytes to a bus and the raw answer back, nothing understood.

Source: Q/GDW 1376.1-2013, AFN 10 F1. The bytes go out once: what they ask is not known here, and a
command must not be given twice. The answer to a DL/T 645 frame is complete with its frame; after
anything else, it is complete when the line has been silent for the byte gap. Somebody who never falls
silent does not hold the bus: the wait has an end that is fixed when the bytes go out.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.dlt645.frames import FRAME_BYTES_MAX, PREAMBLE, parse
from kwhub.protocols.dlt645.messages import accepts_address
from kwhub.protocols.dlt645.receiver import Received, Receiver
from kwhub.wire.events import Discarded

__all__ = ["Forwarded", "Forwarder", "RawRequest", "Silent"]

PREAMBLE_BYTES = 4
"""FE bytes before a DL/T 645 frame; they do not stand in the forwarded data (clause 5.1)."""

ANSWER_BYTES_MAX = 4_096
"""More than this in answer to anything but DL/T 645 is cut off."""

ANSWER_645_BYTES_MAX = 2 * (PREAMBLE_BYTES + FRAME_BYTES_MAX)
"""An echo of the request and the longest answer; what goes on after that is no answer."""

BITS_PER_BYTE = 11
"""On the wire: start, eight data, parity, stop (DL/T 645, clause 5)."""

_FE = bytes([PREAMBLE])


@dataclass(frozen=True, slots=True)
class RawRequest:
    """Bytes for the bus."""

    raw: bytes
    answer_timeout_s: float  #: until the first byte of the answer
    byte_gap_s: float = 0.5  #: longest pause inside the answer
    baud: int = 2_400  #: of the bus; says how long the longest answer takes


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The answer, without preamble."""

    final: ClassVar[bool] = True
    raw: bytes


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing usable came in time."""

    final: ClassVar[bool] = True
    timed_out: ClassVar[bool] = True


class Forwarder:
    """A ``kwhub.domain.machine.Machine`` for one bus; ``now`` is monotonic seconds."""

    def __init__(self) -> None:
        self._receiver = Receiver()
        self._request: RawRequest | None = None
        self._asked: str | None = None  # the address in a DL/T 645 request
        self._heard = bytearray()  # the answer to anything else
        self._out = b""
        self._deadline: float | None = None
        self._end_by = 0.0  # however much is heard
        self._events: list[Any] = []

    def send(self, request: RawRequest, now: float) -> None:  # noqa: ARG002 - a machine's shape
        """Queue bytes. Raises LocalError when an answer is still awaited."""
        if self._request is not None:
            raise LocalError("one frame is already being forwarded")
        self._request = request
        try:
            self._asked = parse(request.raw).address
            self._out = _FE * PREAMBLE_BYTES + request.raw.lstrip(_FE)
        except DecodeError:
            self._asked = None
            self._out = request.raw

    def outgoing(self, now: float) -> bytes:
        """Take the bytes; the wait for the answer begins."""
        out, self._out = self._out, b""
        if out and self._request is not None:
            self._deadline = now + self._request.answer_timeout_s
            most = ANSWER_BYTES_MAX if self._asked is None else ANSWER_645_BYTES_MAX
            self._end_by = self._deadline + most * BITS_PER_BYTE / self._request.baud
        return out

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes; the first whole answer from the meter that was asked ends it."""
        if self._request is None:
            return
        silent_at = min(now + self._request.byte_gap_s, self._end_by)
        if self._asked is None:
            self._heard += data[: ANSWER_BYTES_MAX - len(self._heard)]
            self._deadline = silent_at
            if len(self._heard) == ANSWER_BYTES_MAX:
                self._end(Forwarded(bytes(self._heard)))
            return
        self._take(self._receiver.feed(data))
        if self._receiver.pending:
            self._deadline = silent_at

    def events(self) -> list[Any]:
        """Take what has happened since the last call."""
        events, self._events = self._events, []
        return events

    def deadline(self) -> float | None:
        """When ``on_deadline`` is wanted."""
        return self._deadline

    def on_deadline(self, now: float) -> None:
        """The answer is over, or none came."""
        if self._deadline is None or now < self._deadline:
            return
        self._take(self._receiver.flush())
        if self._request is not None:
            self._end(Forwarded(bytes(self._heard)) if self._heard else Silent())

    def _take(self, found: list[Received | Discarded]) -> None:
        for each in found:
            if isinstance(each, Discarded):
                self._events.append(each)
            elif not each.frame.is_answer:
                self._events.append(Discarded(each.raw, "echo", "a request, not an answer"))
            elif self._asked is None or not accepts_address(self._asked, each.frame.address):
                self._events.append(Discarded(each.raw, "foreign_address", each.frame.address))
            else:
                self._end(Forwarded(each.raw.lstrip(_FE)))

    def _end(self, event: Forwarded | Silent) -> None:
        self._request = None
        self._asked = None
        self._deadline = None
        self._heard.clear()
        self._receiver = Receiver()
        self._events.append(event)
