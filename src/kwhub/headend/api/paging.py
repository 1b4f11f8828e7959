"""Pages by cursor: a cursor is opaque to the caller and says where the next page begins."""

import base64
import binascii
import re

from litestar.exceptions import ValidationException

__all__ = ["ITEMS_DEFAULT", "ITEMS_MAX", "cursor_of", "position_of"]

ITEMS_DEFAULT = 200
ITEMS_MAX = 1000

_POSITION = re.compile(r"p[0-9]{1,9}")


def cursor_of(position: int) -> str:
    """Wrap the place of the first item of the next page.

    >>> position_of(cursor_of(400))
    400
    """
    return base64.urlsafe_b64encode(f"p{position}".encode()).decode().rstrip("=")


def position_of(cursor: str | None) -> int:
    """Unwrap a cursor, 0 for none; raises ValidationException for one that was not given out."""
    if cursor is None:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        text = ""
    if not _POSITION.fullmatch(text):
        raise ValidationException("cursor: not one that this server gave out")
    return int(text[1:])
