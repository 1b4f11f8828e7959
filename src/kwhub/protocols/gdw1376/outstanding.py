"""The one request that waits for the other side, and the parts of its answer.

Source: Q/GDW 1376.1-2013, clause 4.3.4.3: RSEQ of an answer starts at PSEQ of the request and counts up
with every frame; FIN marks the last one. Terminals of the field leave FIR out of single frames.
"""

from kwhub.domain.errors import LocalError
from kwhub.protocols.gdw1376.frames import Frame1376
from kwhub.protocols.gdw1376.messages import Answered, Initiated, Request
from kwhub.protocols.gdw1376.receiver import Received
from kwhub.protocols.gdw1376.states import ATTEMPTS

__all__ = ["ANSWER_FRAMES_MAX", "Outstanding", "joined", "part_problem"]

ANSWER_FRAMES_MAX = 256
"""Frames of one answer."""


class Outstanding:
    """The request that waits for the other side."""

    __slots__ = ("attempts_left", "deadline", "frame", "parts", "raw", "request")

    def __init__(self, request: Initiated, frame: Frame1376, deadline: float) -> None:
        self.request = request
        self.frame = frame
        self.raw = frame.to_bytes()
        self.attempts_left = ATTEMPTS[type(request)] - 1
        self.deadline = deadline
        self.parts: list[Received] = []

    @property
    def expected_number(self) -> int:
        """RSEQ of the next frame of the answer."""
        return (self.frame.sequence.number + len(self.parts)) & 0x0F


def part_problem(received: Received, outstanding: Outstanding | None) -> tuple[str, str] | None:
    """Why a frame is not the next part of the answer that is waited for."""
    frame = received.frame
    if outstanding is None:
        return "unexpected", "an answer that nobody waits for"
    asked, expected = outstanding.frame, outstanding.expected_number
    if frame.afn != asked.afn or not frame.address.same_terminal(asked.address):
        return "unexpected", f"an answer of {frame.address} to AFN {frame.afn:02X}"
    if outstanding.parts and outstanding.parts[-1].raw == received.raw:
        return "repeated", "the same part of an answer again"
    if frame.sequence.number != expected:
        return "out_of_order", f"RSEQ {frame.sequence.number} where {expected} is expected"
    too_many = len(outstanding.parts) >= ANSWER_FRAMES_MAX
    return ("answer_too_long", f"more than {ANSWER_FRAMES_MAX} frames") if too_many else None


def joined(outstanding: Outstanding) -> Answered:
    """The event of a complete answer."""
    request = outstanding.request
    if not isinstance(request, Request):
        raise LocalError("only a station's request is answered with data")
    units = tuple(unit for part in outstanding.parts for unit in part.frame.units)
    return Answered(request, units, tuple(part.raw for part in outstanding.parts))
