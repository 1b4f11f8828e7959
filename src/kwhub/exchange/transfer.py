"""The smallest conversation: one identifier with everything that follows it.

Source: DL/T 645-2007, clause 7 (codes 11 and 12, answers 91, B1, 92, B2, D1); DL/T 645-1997, clause 6.
"""

from dataclasses import dataclass
from typing import Any

from kwhub.domain.errors import NoAnswer, SequenceError
from kwhub.domain.machine import Conversation
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.messages import Data, ReadData, ReadFollowUp, Refused

__all__ = ["FOLLOW_UPS_MAX", "Transferred", "fail", "transfer"]

FOLLOW_UPS_MAX = 255
"""Follow-up frames of one answer: the number is one byte that starts at 1."""


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
        return NoAnswer(f"no answer from meter {address}")
    return SequenceError(f"{type(event).__name__} is no answer to a read request")


def transfer(
    address: str, identifier: int, argument: bytes = b"", edition: Edition = Edition.E2007
) -> Conversation[Transferred]:
    """Read one identifier to its last frame.

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
    event = yield ReadData(address, identifier, argument, edition)
    frames: list[Data] = []
    for number in range(1, FOLLOW_UPS_MAX + 2):
        if not isinstance(event, Data):
            raise fail(event, address)
        frames.append(event)
        if not event.more:
            payload = b"".join(frame.payload for frame in frames)
            return Transferred(event.address, payload, tuple(frame.raw for frame in frames))
        if number > FOLLOW_UPS_MAX:
            break
        # Asked by wildcard, the meter has told its address: only that one is to go on.
        sequence = number if edition is Edition.E2007 else 0
        event = yield ReadFollowUp(event.address, identifier, sequence, edition)
    raise SequenceError(f"meter {address} has more than {FOLLOW_UPS_MAX} follow-up frames")
