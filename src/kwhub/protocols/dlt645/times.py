"""Wall times as commands carry them: two BCD digits each, second first.

Source: DL/T 645-2007, clause 7 (codes 08 and 1C): ss mm hh DD MM YY, a year of this century.
"""

from datetime import datetime
from typing import Final

from kwhub.domain.errors import DecodeError, LocalError

__all__ = ["WALL_TIME_BYTES", "wall_time", "wall_time_bytes"]

WALL_TIME_BYTES: Final = 6

_CENTURY: Final = 2000


def wall_time(raw: bytes) -> datetime:
    """The moment in ``ss mm hh DD MM YY``, as the meter's own clock shows it.

    Raises DecodeError, kind ``time_not_valid``.

    >>> wall_time(bytes.fromhex("254010050617")).isoformat()
    '2017-06-05T10:40:25'
    """
    try:
        second, minute, hour, day, month, year = (int(f"{byte:02x}") for byte in raw)
        return datetime(_CENTURY + year, month, day, hour, minute, second)  # noqa: DTZ001 - a wall time
    except ValueError:
        shown = raw[::-1].hex(" ").upper()
        raise DecodeError("time_not_valid", f"{shown} (year first) is no time") from None


def wall_time_bytes(moment: datetime) -> bytes:
    """The reverse of ``wall_time``. Raises LocalError for years outside this century."""
    if moment.year // 100 * 100 != _CENTURY:
        raise LocalError(f"the year {moment.year} has no two-digit form")
    return bytes.fromhex(f"{moment:%S%M%H%d%m%y}")
