"""The smallest conversation: one identifier with everything that follows it.

Source: DL/T 645-2007, clause 7 (codes 11 and 12, answers 91, B1, 92, B2, D1); DL/T 645-1997, clause 6.
"""

from dataclasses import dataclass
from typing import Any

from kwhub.domain.errors import NoAnswer, SequenceError
from kwhub.domain.machine import Conversation
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.messages import (
    Data,
    ReadData,
    ReadFollowUp,
    Refused,
    Sent,
    TimedOut,
)
from kwhub.protocols.dlt645.obedience import Done

__all__ = ["FOLLOW_UPS_MAX", "READS_MAX", "Transferred", "fail", "order", "transfer"]

FOLLOW_UPS_MAX = 255
"""Follow-up frames of one answer: the number is one byte that starts at 1."""


READS_MAX = 3
"""How often a read is begun in all when an answer that must not be asked for twice gets lost (1997)."""


@dataclass(frozen=True, slots=True)
class Transferred:
    """A whole answer.

    Attributes:
        address: of the meter that answered.
        payload: value bytes of all frames in order, identifiers and numbers left out.
        raw: the frames as they came.
    """

    address: str
    payload: bytes
    raw: tuple[bytes, ...]


def fail(event: Any, address: str) -> Exception:
    """The error that a final event stands for when it is not the answer that was hoped for."""
    if isinstance(event, Refused):
        return event.refusal
    if getattr(event, "timed_out", False):
        attempts = getattr(event, "attempts", 1)
        return NoAnswer(f"no answer from meter {address}", attempts=attempts)
    return SequenceError(f"{type(event).__name__} does not answer the request")


def transfer(
    address: str, identifier: int, argument: bytes = b"", edition: Edition = Edition.E2007
) -> Conversation[Transferred]:
    """Read one identifier to its last frame.

    Follow-ups of 1997 have no number: after a lost answer nobody knows where the meter stands, so the
    read begins anew.

    Args:
        address: of the meter, perhaps with wildcard digits.
        identifier: what to read.
        argument: what the request carries behind the identifier.
        edition: of the meter.

    Raises:
        Refusal: the meter says no.
        NoAnswer: it does not say anything.
        SequenceError: it never comes to an end.
    """
    request = ReadData(address, identifier, argument, edition)
    done, event = yield from _read_once(request)
    for _ in range(READS_MAX - 1):
        if done is not None or not _lost_its_place(event):
            break
        done, event = yield from _read_once(request)
    if done is None:
        raise fail(event, address)
    return done


def order(request: Any) -> Conversation[Any]:
    """Have one command carried out.

    Returns:
        Done, or Sent when it went to all meters and nobody answers.

    Raises:
        Refusal: the meter says no.
        NoAnswer: it does not say anything; it may have obeyed all the same.
    """
    event = yield request
    if isinstance(event, Done | Sent):
        return event
    raise fail(event, request.address)


def _lost_its_place(event: Any) -> bool:
    """Whether a follow-up without number got no answer."""
    return isinstance(event, TimedOut) and not event.request.repeatable


def _read_once(request: ReadData) -> Conversation[tuple[Transferred | None, Any]]:
    """All frames of an answer, or the event that came in place of the next one."""
    address, edition = request.address, request.edition
    event = yield request
    frames: list[Data] = []
    for number in range(1, FOLLOW_UPS_MAX + 2):
        if not isinstance(event, Data):
            return None, event
        frames.append(event)
        if not event.more:
            payload = b"".join(frame.payload for frame in frames)
            raw = tuple(frame.raw for frame in frames)
            return Transferred(event.address, payload, raw), event
        if number > FOLLOW_UPS_MAX:
            break
        # Asked by wildcard, the meter has told its address: only that one is to go on.
        sequence = number if edition is Edition.E2007 else 0
        event = yield ReadFollowUp(event.address, request.identifier, sequence, edition)
    raise SequenceError(f"meter {address} has more than {FOLLOW_UPS_MAX} follow-up frames")
