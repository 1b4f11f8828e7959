"""The master's end: one request outstanding, and nothing taken for its answer that is not.

Source: DL/T 645-2007, clause 5 (the master starts every exchange) and 5.1 (times between bytes).
"""

from typing import Any

from kwhub.domain.answer_times import AnswerTimes
from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.dlt645.addresses import BROADCAST
from kwhub.protocols.dlt645.checks import function_problem
from kwhub.protocols.dlt645.control import Broadcast, Function, function_of
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import FRAME_BYTES_MAX, PREAMBLE, Frame645
from kwhub.protocols.dlt645.messages import Refused, Sent, TimedOut
from kwhub.protocols.dlt645.receiver import Received
from kwhub.protocols.dlt645.states import START_STATES, Happening, Role, State, step
from kwhub.protocols.dlt645.timing import Timing
from kwhub.wire.events import Discarded

__all__ = ["MasterEnd"]


def _function(request: Any) -> Function:
    """The row of a request. Raises LocalError: this is no request, or its edition does not have it."""
    function, edition = getattr(request, "function", None), getattr(request, "edition", None)
    if isinstance(function, int) and isinstance(edition, Edition):
        row = function_of(function, edition)
        if row is None:
            raise LocalError(f"{edition.value} has no function {function:02X}")
        if hasattr(request, "accepts"):
            return row
    name = type(request).__name__
    raise LocalError(
        f"a master cannot send {name}: requests are ReadData, WriteData and their like"
    )


def _is_silent(request: Any, row: Function) -> bool:
    """Whether nobody will answer."""
    return row.answer is None or (
        request.address == BROADCAST and row.broadcast is Broadcast.SILENT
    )


def _mismatch(frame: Frame645, request: Any) -> tuple[str, str] | None:
    """Kind and detail when the answer comes from elsewhere or is about something else."""
    if not request.accepts(frame.address):
        return "foreign_address", f"{frame.address} answers, asked was {request.address}"
    if frame.function != request.function:
        return "other_function", f"{frame.control:02X} answers {request.function:02X}"
    return None


class MasterEnd:
    """Asks, and recognises the answer."""

    __slots__ = (
        "_answer_by",
        "_answer_times",
        "_asked_at",
        "_out",
        "_preamble",
        "_request",
        "_sent",
        "_timing",
        "_unanswered",
        "state",
    )

    def __init__(self, timing: Timing, answer_times: AnswerTimes, preamble: int) -> None:
        self.state = START_STATES[Role.MASTER]
        self._timing = timing
        self._answer_times = answer_times
        self._preamble = preamble
        self._request: Any = None
        self._sent = b""  # without preamble, to know an echo by
        self._out: list[tuple[Any, bytes]] = []
        self._answer_by: float | None = None  # runs from the moment the bytes are taken
        self._asked_at = 0.0  # the end of the request on the wire; of the first one when repeated
        self._unanswered: Any = None  # the last request, when it timed out: the next may repeat it

    def send(self, request: Any) -> None:
        """Queue a request. Raises LocalError when one is outstanding or the request is impossible."""
        row = _function(request)
        silent = _is_silent(request, row)
        following = step(self.state, Happening.TOLD if silent else Happening.REQUEST)
        data = request.data()
        if not row.request[0] <= len(data) <= row.request[1]:
            raise LocalError(f"{row.name} with {len(data)} data bytes")
        raw = Frame645(request.address, request.function, data, self._preamble).to_bytes()
        self.state = following
        self._out.append((request, raw))
        if not silent:
            self._request = request

    def outgoing(self, now: float, events: list[Any]) -> bytes:
        """Take the bytes to be written; the wait for the answer starts when they are on the wire."""
        if not self._out:
            return b""
        raw = b"".join(part for _, part in self._out)
        for request, part in self._out:
            self._sent = part.lstrip(bytes([PREAMBLE]))
            if request is not self._request:
                events.append(Sent(request))
        self._out.clear()
        if self.state is State.WAITING and self._answer_by is None:
            self._wait(now + self._timing.wire_s(len(raw)))
        return raw

    def _wait(self, sent_at: float) -> None:
        """Start the wait for the answer to a request that is on the wire from ``sent_at`` on."""
        if self._unanswered != self._request:
            self._unanswered = None
            self._asked_at = sent_at
        self._answer_by = sent_at + self._answer_times.timeout_s(self._request.address)

    def take(self, received: Received, now: float) -> Any:
        """The event for a good frame."""
        frame, raw = received.frame, received.raw
        unwanted = self._unwanted(frame, raw)
        if unwanted is not None:
            return Discarded(raw, *unwanted)
        try:
            event, happening = self._answer(frame, raw)
        except DecodeError as error:
            return Discarded(raw, error.kind, error.detail)
        self._learn(frame.address, now - self._timing.wire_s(len(raw)) - self._asked_at)
        self._finish(happening)
        return event

    def _learn(self, address: str, delay_s: float) -> None:
        """Note the answer time of a meter."""
        if self._unanswered is None:
            self._answer_times.answered(address, delay_s)
        else:
            self._answer_times.answered_late(address, delay_s)

    def _unwanted(self, frame: Frame645, raw: bytes) -> tuple[str, str] | None:
        """Kind and detail when the frame cannot be the answer."""
        if not frame.is_answer:
            if self._sent and raw.endswith(self._sent):
                return "echo", "our own request came back"
            return "foreign_request", "a request of another master"
        request = self._request
        if request is None:
            return "late", "an answer while nothing is asked"
        return _mismatch(frame, request)

    def _answer(self, frame: Frame645, raw: bytes) -> tuple[Any, Happening]:
        request = self._request
        problem = function_problem(frame, request.edition)
        if problem is not None:
            raise problem
        if frame.is_abnormal:
            return Refused.from_frame(frame, request.edition, raw), Happening.REFUSAL
        return request.answer(frame, raw), Happening.ANSWER

    def _finish(self, happening: Happening) -> None:
        self.state = step(self.state, happening)
        if happening is not Happening.TIME_OUT:
            self._unanswered = None
        self._request = None
        self._answer_by = None

    def deadline(self, quiet_at: float | None) -> float | None:
        """When to look again; ``quiet_at`` is when the bytes that have come are given up."""
        if self._answer_by is None:
            return quiet_at
        if quiet_at is None:
            return self._answer_by
        return min(quiet_at, self._last_moment(self._answer_by))

    def on_deadline(self, now: float, *, receiving: bool) -> Any | None:
        """TimedOut when the time is over: at once, or after the frame that is just coming in."""
        if self._answer_by is None:
            return None
        if now < (self._last_moment(self._answer_by) if receiving else self._answer_by):
            return None
        event = TimedOut(self._request)
        self._answer_times.silent(self._request.address)
        self._unanswered = self._request
        self._finish(Happening.TIME_OUT)
        return event

    def _last_moment(self, answer_by: float) -> float:
        """Bytes without end must not keep the master waiting for longer than the longest frame."""
        return answer_by + self._timing.wire_s_at_most(FRAME_BYTES_MAX)
