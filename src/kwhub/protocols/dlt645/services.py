"""Which request class belongs to which function code.

Source: DL/T 645-2007 and DL/T 645-1997, tables of control codes.
"""

from typing import Any, Final

from kwhub.protocols.dlt645 import control as codes
from kwhub.protocols.dlt645 import orders, writing
from kwhub.protocols.dlt645.checks import function_problem
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.dlt645.messages import ReadAddress, ReadAgain, ReadData, ReadFollowUp

__all__ = ["REQUESTS", "request_in"]

REQUESTS: Final[dict[tuple[Edition, int], Any]] = {
    (Edition.E2007, codes.READ): ReadData,
    (Edition.E2007, codes.READ_FOLLOW_UP): ReadFollowUp,
    (Edition.E2007, codes.READ_ADDRESS): ReadAddress,
    (Edition.E2007, codes.BROADCAST_TIME): orders.SetTime,
    (Edition.E2007, codes.WRITE): writing.WriteData,
    (Edition.E2007, codes.WRITE_ADDRESS): writing.WriteAddress,
    (Edition.E2007, codes.FREEZE): orders.Freeze,
    (Edition.E2007, codes.CHANGE_RATE): writing.ChangeRate,
    (Edition.E2007, codes.CHANGE_PASSWORD): writing.ChangePassword,
    (Edition.E2007, codes.CLEAR_DEMAND): orders.ClearDemand,
    (Edition.E2007, codes.CLEAR_METER): orders.ClearMeter,
    (Edition.E2007, codes.CLEAR_EVENTS): orders.ClearEvents,
    (Edition.E2007, codes.CONTROL_RELAY): orders.ControlRelay,
    (Edition.E2007, codes.SET_OUTPUT): orders.SetOutput,
    (Edition.E2007, codes.AUTHENTICATE): orders.Authenticate,
    (Edition.E1997, codes.READ_1997): ReadData,
    (Edition.E1997, codes.READ_FOLLOW_UP_1997): ReadFollowUp,
    (Edition.E1997, codes.READ_AGAIN_1997): ReadAgain,
    (Edition.E1997, codes.BROADCAST_TIME): orders.SetTime,
    (Edition.E1997, codes.WRITE_1997): writing.WriteData,
    (Edition.E1997, codes.WRITE_ADDRESS_1997): writing.WriteAddress,
    (Edition.E1997, codes.CHANGE_RATE_1997): writing.ChangeRate,
    (Edition.E1997, codes.CHANGE_PASSWORD_1997): writing.ChangePassword,
    (Edition.E1997, codes.CLEAR_DEMAND_1997): orders.ClearDemand,
}
"""The class that reads the request of a function, by edition and code."""


def request_in(frame: Frame645, edition: Edition) -> Any:
    """The request in a frame.

    Raises:
        DecodeError: kinds ``unknown_function``, ``bad_length_for_function``, ``time_not_valid``.
    """
    problem = function_problem(frame, edition)
    if problem is not None:
        raise problem
    return REQUESTS[edition, frame.function].from_frame(frame, edition)
