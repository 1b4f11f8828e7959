"""DL/T 645 as seen by those who only pass it on: whole frames, whom they mean, what they do.

Source: DL/T 645-2007, clause 5.2 (frame), clause 7 (functions); DL/T 645-1997, clause 6.
"""

from typing import Final

from kwhub.protocols.dlt645 import control
from kwhub.protocols.dlt645.addresses import BROADCAST, WILDCARD, is_plain, is_wellformed, matches
from kwhub.protocols.dlt645.control import Broadcast, Function, edition_of, function_of
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import ABNORMAL, ANSWER, MORE, Frame645, parse
from kwhub.protocols.dlt645.receiver import Received, Receiver
from kwhub.protocols.dlt645.refusals import Error1997, Error2007
from kwhub.protocols.dlt645.timing import BYTE_GAP_S
from kwhub.wire.events import Discarded
from kwhub.wire.passing import Framer, Kind, Passing

__all__ = ["DLT645", "Dialect645"]

_READS_2007: Final = (control.READ, control.READ_FOLLOW_UP, control.READ_ADDRESS)
_READS_1997: Final = (
    control.READ_1997,
    control.READ_FOLLOW_UP_1997,
    control.READ_AGAIN_1997,
)
_WRITES_2007: Final = (
    control.WRITE,
    control.WRITE_ADDRESS,
    control.CHANGE_RATE,
    control.CHANGE_PASSWORD,
)
_WRITES_1997: Final = (
    control.WRITE_1997,
    control.WRITE_ADDRESS_1997,
    control.CHANGE_RATE_1997,
    control.CHANGE_PASSWORD_1997,
)
_KINDS: Final = {
    **{(Edition.E2007, code): Kind.READ for code in _READS_2007},
    **{(Edition.E1997, code): Kind.READ for code in _READS_1997},
    **{(Edition.E2007, code): Kind.WRITE for code in _WRITES_2007},
    **{(Edition.E1997, code): Kind.WRITE for code in _WRITES_1997},
    (Edition.E2007, control.BROADCAST_TIME): Kind.CLOCK,
}
"""Every other function that the standard knows is `Kind.CONTROL`."""

_SHAREABLE: Final = {
    (Edition.E2007, control.READ),
    (Edition.E2007, control.READ_ADDRESS),
    (Edition.E1997, control.READ_1997),
}
"""Follow-up reads depend on what the same asker has read before."""

_IDENTIFIER_BYTES: Final = {
    **dict.fromkeys(((Edition.E2007, control.READ), (Edition.E2007, control.READ_FOLLOW_UP)), 4),
    **dict.fromkeys(
        ((Edition.E1997, control.READ_1997), (Edition.E1997, control.READ_FOLLOW_UP_1997)), 2
    ),
}
"""Of the functions whose answer repeats what was asked for."""

_NOT_ALLOWED: Final = {
    Edition.E2007: Error2007.NOT_AUTHORISED,
    Edition.E1997: Error1997.PASSWORD,
}


class _Framer:
    def __init__(self) -> None:
        self._receiver = Receiver()

    def feed(self, data: bytes) -> list[Passing | Discarded]:
        return [_passing(each) for each in self._receiver.feed(data)]

    def flush(self) -> list[Passing | Discarded]:
        return [_passing(each) for each in self._receiver.flush()]


class Dialect645:
    """DL/T 645, both editions; a `kwhub.wire.passing.Dialect`."""

    name = "dlt645"
    gap_s = BYTE_GAP_S

    def framer(self) -> Framer:
        """See Dialect."""
        return _Framer()

    def matches(self, pattern: str, address: str) -> bool:
        """See Dialect."""
        return pattern == BROADCAST or matches(pattern, address)

    def heartbeat(self, address: str) -> bytes:
        """See Dialect: the address is read; any meter answers where none is named."""
        return Frame645(address or WILDCARD, control.READ_ADDRESS).to_bytes()

    def refusal(self, request: Passing) -> bytes:
        """See Dialect: the error word of the edition; a broadcast is answered by nobody."""
        frame = parse(request.raw)
        row = _row(frame)
        if row is None or row.abnormal is None or not is_plain(frame.address):
            return b""
        error = _NOT_ALLOWED[row.edition].to_bytes(1, "little")
        return Frame645(frame.address, frame.control | ANSWER | ABNORMAL, error).to_bytes()


DLT645: Final = Dialect645()


def _passing(found: Received | Discarded) -> Passing | Discarded:
    if isinstance(found, Discarded):
        return found
    frame = found.frame
    row = _row(frame)
    edition = edition_of(frame.control) if row is None else row.edition
    key = (edition, frame.function)
    silent = row is not None and (
        row.answer is None
        or (frame.address == BROADCAST and row.broadcast is not Broadcast.ANSWERED)
    )
    wants_answer = not frame.is_answer and not silent
    return Passing(
        found.raw,
        frame.address,
        Kind.OTHER if row is None else _KINDS.get(key, Kind.CONTROL),
        "" if row is None else row.name,
        is_answer=frame.is_answer,
        wants_answer=wants_answer,
        is_shareable=not frame.is_answer and key in _SHAREABLE,
        is_for_many=wants_answer and not is_plain(frame.address),
        has_more=frame.is_answer and bool(frame.control & MORE) and not frame.is_abnormal,
        token=_token(frame, key),
        trouble=_trouble(frame, row),
    )


def _row(frame: Frame645) -> Function | None:
    """What the control byte means; one that both editions have is told by the length of its data."""
    usual = function_of(frame.control)
    rows = (usual, *(function_of(frame.control, edition) for edition in Edition))
    return next((row for row in rows if row is not None and _fits(frame, row)), usual)


def _fits(frame: Frame645, row: Function) -> bool:
    allowed = row.lengths(frame.control)
    return allowed is not None and allowed[0] <= len(frame.data) <= allowed[1]


def _token(frame: Frame645, key: tuple[Edition, int]) -> bytes:
    """Function and identifier; an abnormal answer repeats the function only."""
    size = 0 if frame.is_answer and frame.is_abnormal else _IDENTIFIER_BYTES.get(key, 0)
    return bytes([frame.function]) + frame.data[:size]


def _trouble(frame: Frame645, row: Function | None) -> str:
    if not is_wellformed(frame.address):
        return "bad_address"
    if row is None:
        return "unknown_function"
    return "" if _fits(frame, row) else "bad_length"
