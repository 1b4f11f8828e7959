"""Whether bytes look like a frame of the module interface, also a damaged one.

Source: Q/GDW 1376.2-2013, clause 4.3; DL/T 645-2007, clause 5.2 and DL/T 698.45 also begin with 68.
"""

from kwhub.protocols.gdw1376_2.frames import END, FRAME_BYTES_MIN, START
from kwhub.protocols.gdw1376_2.tables import AFN_NAMES
from kwhub.wire.checksums import sum8

__all__ = ["looks_like"]

_MODES = frozenset({1, 2, 3, 10, 20})


def looks_like(raw: bytes) -> bool:
    """Sure when length, checksum and end are right; a guess when only control, AFN and DT make sense.

    Several frames in a row are judged by the first.
    """
    if len(raw) < FRAME_BYTES_MIN or raw[0] != START:
        return False
    size = int.from_bytes(raw[1:3], "little")
    ends = FRAME_BYTES_MIN <= size <= len(raw) and raw[size - 1] == END
    if ends and sum8(raw[3 : size - 2]) == raw[size - 2]:
        return True
    is_698 = size + 2 == len(raw)  # DL/T 698.45 counts without its delimiters
    if is_698 or raw[7] == START or raw[3] & 0x3F not in _MODES:
        return False
    level = 0 if raw[3] & 0x80 else raw[4] >> 4
    at = 10 + (6 * (2 + level) if raw[4] & 4 else 0)
    return at + 2 < len(raw) and raw[at] in AFN_NAMES and raw[at + 1].bit_count() == 1
