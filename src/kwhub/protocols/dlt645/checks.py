"""What is wrong with a frame whose framing is right.

The framing says only that the bytes arrived as they were sent; a sender may still have sent nonsense.

Source: DL/T 645-2007, clause 7 and annex (lengths, address rules); faults drawn from public captures.
"""

from kwhub.domain.errors import DecodeError
from kwhub.protocols.dlt645.addresses import is_wellformed
from kwhub.protocols.dlt645.control import function_of
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import Frame645

__all__ = ["check", "function_problem"]


def function_problem(frame: Frame645, edition: Edition | None = None) -> DecodeError | None:
    """An unknown control byte, or a data field of a length that the function does not have."""
    row = function_of(frame.control, edition)
    lengths = None if row is None else row.lengths(frame.control)
    if row is None or lengths is None:
        return DecodeError(
            "unknown_function", f"control code {frame.control:02X} is not defined", field="control"
        )
    least, most = lengths
    if least <= len(frame.data) <= most:
        return None
    wanted = str(least) if least == most else f"{least} to {most}"
    return DecodeError(
        "bad_length_for_function",
        f"{row.name} ({frame.control:02X}) has {wanted} data bytes, not {len(frame.data)}",
        field="length",
    )


def check(frame: Frame645) -> DecodeError | None:
    """The first thing that is wrong with a well-framed frame, or None.

    Kinds: ``unknown_function``, ``bad_length_for_function``, ``address_not_bcd``.
    """
    problem = function_problem(frame)
    if problem is None and not is_wellformed(frame.address):
        return DecodeError(
            "address_not_bcd",
            f"{frame.address} is neither decimal nor a wildcard of AA pairs",
            field="address",
        )
    return problem
