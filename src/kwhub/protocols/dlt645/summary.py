"""A frame in a few words: the fields that people and programs ask for first.

Source: DL/T 645-2007 and DL/T 645-1997, clause on the frame format and tables of control codes.
"""

from dataclasses import dataclass

from kwhub.protocols.dlt645.control import Function, edition_of, function_of
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.dlt645.refusals import Words, reasons, reasons_zh, words_for

__all__ = ["Summary", "identifier_in", "payload_in", "summarise"]


@dataclass(frozen=True, slots=True)
class Summary:
    """One frame.

    Attributes:
        preamble: number of FE bytes before it.
        address: as printed on the meter.
        control: the control byte, two hex digits.
        function: name of the function, or "unknown function".
        function_zh: the same in Chinese.
        identifier: 8 (2007) or 4 (1997) hex digits, high byte first; None when the function has none.
        direction: "request" or "answer".
        abnormal: the meter refuses.
        more_frames: more frames follow.
        errors: the words of the error bits; empty unless ``abnormal``.
        errors_zh: the same in Chinese.
        edition: the edition that the function code points to.
    """

    preamble: int
    address: str
    control: str
    function: str
    function_zh: str
    identifier: str | None
    direction: str
    abnormal: bool
    more_frames: bool
    errors: tuple[str, ...]
    errors_zh: tuple[str, ...]
    edition: Edition


def identifier_in(frame: Frame645) -> int | None:
    """The data identifier of a frame, or None when its function has none or it is cut short."""
    row = function_of(frame.control)
    if row is None or not row.has_identifier(frame.control):
        return None
    size = row.edition.identifier_bytes
    return int.from_bytes(frame.data[:size], "little") if len(frame.data) >= size else None


def payload_in(frame: Frame645) -> bytes:
    """What follows the identifier of a frame; the whole data field when there is no identifier."""
    if identifier_in(frame) is None:
        return frame.data
    return frame.data[edition_of(frame.control).identifier_bytes :]


def _error(frame: Frame645, row: Function | None) -> tuple[int, Words]:
    """The error word of an abnormal answer and the table of its bits."""
    most = 1 if row is None or row.abnormal is None else row.abnormal[1]
    field = frame.data[:most]
    words = words_for(edition_of(frame.control), frame.function, len(field))
    return int.from_bytes(field, "little"), words


def summarise(frame: Frame645) -> Summary:
    """Say what a frame is. Never raises, whatever the frame holds."""
    edition = edition_of(frame.control)
    row = function_of(frame.control)
    identifier = identifier_in(frame)
    abnormal = frame.is_answer and frame.is_abnormal
    error, words = _error(frame, row)
    return Summary(
        preamble=frame.preamble,
        address=frame.address,
        control=f"{frame.control:02X}",
        function="unknown function" if row is None else row.name,
        function_zh="未知功能" if row is None else row.name_zh,
        identifier=None if identifier is None else f"{identifier:0{2 * edition.identifier_bytes}X}",
        direction="answer" if frame.is_answer else "request",
        abnormal=abnormal,
        more_frames=frame.has_more,
        errors=reasons(error, words) if abnormal else (),
        errors_zh=reasons_zh(error, words) if abnormal else (),
        edition=edition,
    )
