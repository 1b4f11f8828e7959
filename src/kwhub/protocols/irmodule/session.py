"""Both ends of a line with infrared thermometer modules, as machines.

Source: published protocol of the infrared module, clause 4: 1 to 4 bytes FE first, an answer after
20 to 500 ms, at most 500 ms between bytes, nobody answers address 0 (single source).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.irmodule.frames import (
    ANSWER,
    BROADCAST,
    ERROR,
    PREAMBLE_MAX,
    READ,
    WRITE,
    ModuleFrame,
)
from kwhub.protocols.irmodule.items import ITEMS, decode, encode, item_of
from kwhub.protocols.irmodule.receiver import Received, Receiver
from kwhub.wire.events import Discarded

__all__ = [
    "ANSWER_S",
    "BYTE_GAP_S",
    "Answered",
    "Asked",
    "Client",
    "Module",
    "Query",
    "Refused",
    "Reply",
    "Sent",
    "TimedOut",
]

ANSWER_S = 0.5
BYTE_GAP_S = 0.5
BITS_PER_BYTE = 11


@dataclass(frozen=True, slots=True)
class Query:
    """A request: to read an item, or with ``values`` to write it."""

    address: int
    item: int
    values: Mapping[str, Decimal] | None = None

    @property
    def function(self) -> int:
        """READ or WRITE."""
        return READ if self.values is None else WRITE

    def frame(self, preamble: int) -> ModuleFrame:
        """The frame. Raises LocalError when it cannot be asked."""
        if self.item not in ITEMS:
            raise LocalError(f"there is no item {self.item}; there are {list(ITEMS)}")
        item = ITEMS[self.item]
        if self.values is None:
            if self.address == BROADCAST:
                raise LocalError("nobody answers address 0, so nothing is read from it")
            return ModuleFrame(self.address, READ, bytes([self.item]), preamble)
        if not item.writable:
            raise LocalError(f"{item.name_en} cannot be written")
        return ModuleFrame(
            self.address, WRITE, bytes([self.item]) + encode(item, self.values), preamble
        )


@dataclass(frozen=True, slots=True)
class Answered:
    """The module answered; ``values`` is empty after a write."""

    final: ClassVar[bool] = True
    address: int
    item: int
    values: Mapping[str, Decimal]
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Refused:
    """The module says no."""

    final: ClassVar[bool] = True
    address: int
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Sent:
    """A broadcast is on its way; nobody answers it."""

    final: ClassVar[bool] = True
    query: Query


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No answer came."""

    final: ClassVar[bool] = True
    timed_out: ClassVar[bool] = True
    query: Query
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """The module was asked; ``values`` is None for a read."""

    final: ClassVar[bool] = False
    query: Query
    silent: bool  #: it went to all; an answer is not allowed


@dataclass(frozen=True, slots=True)
class Reply:
    """What a module answers: values, nothing (a write was done), or None for a refusal."""

    address: int
    function: int
    item: int
    values: Mapping[str, Decimal] | None


class _End:
    """What both ends have in common."""

    def __init__(self, preamble: int) -> None:
        if not 0 <= preamble <= PREAMBLE_MAX:
            raise LocalError(f"0 to {PREAMBLE_MAX} bytes FE stand before a frame, not {preamble}")
        self._preamble = preamble
        self._receiver = Receiver()
        self._events: list[Any] = []
        self._out = b""
        self._last_byte = 0.0

    def receive(self, data: bytes, now: float) -> None:
        """Take received bytes."""
        if self._receiver.pending and now > self._last_byte + BYTE_GAP_S:
            self._take(self._receiver.flush())
        self._last_byte = now
        self._take(self._receiver.feed(data))

    def events(self) -> list[Any]:
        """Take what has happened since the last call."""
        events, self._events = self._events, []
        return events

    def deadline(self) -> float | None:
        """When an unfinished frame is given up."""
        return self._last_byte + BYTE_GAP_S if self._receiver.pending else None

    def on_deadline(self, now: float) -> None:
        """Give up an unfinished frame."""
        if self._receiver.pending and now >= self._last_byte + BYTE_GAP_S:
            self._take(self._receiver.flush())

    def _take(self, found: list[Received | Discarded]) -> None:
        for item in found:
            if isinstance(item, Discarded):
                self._events.append(item)
                continue
            try:
                self._events.append(self._event(item))
            except DecodeError as error:
                self._events.append(Discarded(item.raw, error.kind, error.detail))

    def _event(self, received: Received) -> Any:
        raise DecodeError("foreign", f"nobody is meant by {received.raw.hex()}")


class Client(_End):
    """Asks modules; a ``kwhub.domain.machine.Machine``.

    Args:
        preamble: FE bytes before a request, 1 to 4; 0 is understood too.
        baud: of the line, to allow for the time of the request on it; None when the writer waits.
    """

    def __init__(self, *, preamble: int = 1, baud: int | None = None) -> None:
        super().__init__(preamble)
        self._baud = baud
        self._query: Query | None = None
        self._answer_by: float | None = None

    def send(self, request: Any, now: float) -> None:
        """Queue a Query. Raises LocalError when one is outstanding or it cannot be asked."""
        if not isinstance(request, Query):
            raise LocalError(f"a client sends Query, not {type(request).__name__}")
        if self._query is not None:
            raise LocalError("one request at a time")
        self._out += request.frame(self._preamble).to_bytes()
        if request.address == BROADCAST:
            self._events.append(Sent(request))
        else:
            self._query = request
            self._answer_by = None if self._out else now

    def outgoing(self, now: float) -> bytes:
        """Take the bytes to be written; the wait for the answer starts here."""
        out, self._out = self._out, b""
        if out and self._query is not None:
            wire_s = len(out) * BITS_PER_BYTE / self._baud if self._baud else 0.0
            self._answer_by = now + wire_s + ANSWER_S
        return out

    def deadline(self) -> float | None:
        """When ``on_deadline`` is wanted."""
        moments = [at for at in (super().deadline(), self._answer_by) if at is not None]
        return min(moments, default=None)

    def on_deadline(self, now: float) -> None:
        """Give up an unfinished frame, or the wait for an answer that has not begun."""
        super().on_deadline(now)
        if self._query is None or self._answer_by is None or now < self._answer_by:
            return
        if self._receiver.pending:
            self._answer_by = self._last_byte + BYTE_GAP_S
            return
        self._events.append(TimedOut(self._query))
        self._query = self._answer_by = None

    def _event(self, received: Received) -> Any:
        frame, raw = received
        query = self._query
        if not frame.is_answer:
            return Discarded(raw, "echo", "a request")
        if query is None:
            return Discarded(raw, "late", "an answer while nothing is asked")
        if (frame.address, frame.function) != (query.address, query.function):
            return Discarded(raw, "foreign", "an answer to something else")
        if frame.is_error:
            event: Any = Refused(frame.address, raw)
        else:
            if frame.data[:1] != bytes([query.item]):
                return Discarded(raw, "foreign", "an answer about something else")
            values = {}
            if query.values is None:
                values = decode(ITEMS[query.item], frame.data[1:])
            event = Answered(frame.address, query.item, values, raw)
        self._query = self._answer_by = None
        return event


class Module(_End):
    """Answers as one module; a ``kwhub.domain.machine.Machine``.

    Args:
        address: its own, 1 to 247; may be changed.
        preamble: FE bytes before an answer.
    """

    def __init__(self, address: int, *, preamble: int = 1) -> None:
        super().__init__(preamble)
        self.address = address

    def send(self, request: Any, now: float) -> None:
        """Queue a Reply. Raises LocalError when it does not fit."""
        if not isinstance(request, Reply):
            raise LocalError(f"a module sends Reply, not {type(request).__name__} (second {now})")
        control = request.function | ANSWER
        data = bytes([request.item])
        if request.values is None:
            control |= ERROR
        elif request.function == READ:
            data += encode(ITEMS[request.item], request.values)
        self._out += ModuleFrame(request.address, control, data, self._preamble).to_bytes()

    def outgoing(self, now: float) -> bytes:  # noqa: ARG002 - the shape of every machine
        """Take the bytes to be written."""
        out, self._out = self._out, b""
        return out

    def _event(self, received: Received) -> Any:
        frame, raw = received
        if frame.is_answer or frame.address not in (self.address, BROADCAST):
            return Discarded(raw, "foreign", "for another module")
        if frame.function not in (READ, WRITE) or not frame.data:
            return Discarded(raw, "unknown_function", f"control {frame.control:02X}")
        number = frame.data[0]
        values = None
        if frame.function == WRITE:
            values = decode(item_of(number), frame.data[1:])
        return Asked(Query(frame.address, number, values), frame.address == BROADCAST)
