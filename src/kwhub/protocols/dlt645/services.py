"""Which request class belongs to which function code.

Source: DL/T 645-2007 and DL/T 645-1997, tables of control codes.
"""

from typing import Any, Final

from kwhub.domain.errors import DecodeError
from kwhub.protocols.dlt645.checks import function_problem
from kwhub.protocols.dlt645.control import (
    READ,
    READ_1997,
    READ_ADDRESS,
    READ_AGAIN_1997,
    READ_FOLLOW_UP,
    READ_FOLLOW_UP_1997,
)
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.dlt645.messages import ReadAddress, ReadAgain, ReadData, ReadFollowUp

__all__ = ["REQUESTS", "request_in"]

REQUESTS: Final[dict[tuple[Edition, int], Any]] = {
    (Edition.E2007, READ): ReadData,
    (Edition.E2007, READ_FOLLOW_UP): ReadFollowUp,
    (Edition.E2007, READ_ADDRESS): ReadAddress,
    (Edition.E1997, READ_1997): ReadData,
    (Edition.E1997, READ_FOLLOW_UP_1997): ReadFollowUp,
    (Edition.E1997, READ_AGAIN_1997): ReadAgain,
}
"""The class that reads the request of a function, by edition and code."""


def request_in(frame: Frame645, edition: Edition) -> Any:
    """The request in a frame.

    Raises:
        DecodeError: kinds ``unknown_function`` and ``bad_length_for_function``.
    """
    problem = function_problem(frame, edition)
    if problem is not None:
        raise problem
    known = REQUESTS.get((edition, frame.function))
    if known is None:
        raise DecodeError(
            "unknown_function",
            f"function {frame.function:02X} of {edition.value} is not served",
            field="control",
        )
    return known.from_frame(frame, edition)
