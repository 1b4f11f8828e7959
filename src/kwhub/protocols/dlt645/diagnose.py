"""The first thing that is wrong with what a well-framed frame says.

``parse`` judges the framing, ``check`` the function, the length and the address; this also looks into
the fields and the values.

Source: DL/T 645-2007, clause 7 and annexes; faults drawn from public captures.
"""

from kwhub.domain.errors import DecodeError
from kwhub.protocols.dlt645.checks import check
from kwhub.protocols.dlt645.fields import pieces
from kwhub.protocols.dlt645.frames import Frame645

__all__ = ["diagnose"]

_HEAD_BYTES = 10
"""Bytes of a frame before its data."""


def diagnose(frame: Frame645) -> DecodeError | None:
    """What a meter or a master would object to, or None.

    Kinds: those of ``check``, and ``time_not_valid``, ``baud_word_not_one_bit``, ``bad_parameter``,
    ``password_offset_missing``, ``address_not_bcd``, ``answer_without_value``,
    ``value_length_mismatch``, ``not_bcd``. The offset counts from the first byte, FE included.

    >>> diagnose(Frame645("000000000038", 0x17, bytes([0x36]))).kind
    'baud_word_not_one_bit'
    """
    problem = check(frame)
    if problem is not None:
        return problem
    for piece in pieces(frame):
        if piece.problem:
            return DecodeError(
                piece.problem,
                f"{piece.name}: {piece.meaning}",
                field=piece.name,
                offset=frame.preamble + _HEAD_BYTES + piece.start,
            )
    return None
