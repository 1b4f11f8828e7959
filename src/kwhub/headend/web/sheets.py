"""Tables as CSV files (RFC 4180): stable column names, ISO times, decimals with a dot."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from urllib.parse import quote
from zoneinfo import ZoneInfo

from litestar import Response

__all__ = ["local", "sheet"]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def sheet(
    name: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, bom: bool = False
) -> Response[str]:
    """Answer with a file.

    Args:
        name: of the file.
        columns: names, never translated.
        rows: None is an empty cell, a text is kept from being taken for a formula.
        bom: begin with a byte order mark, without which Excel in China takes UTF-8 for GBK.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_cell(each) for each in row] for row in rows)
    return Response(
        ("\ufeff" if bom else "") + text.getvalue(),
        media_type="text/csv",
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"},
    )


def local(when: datetime | None, zone: ZoneInfo) -> str | None:
    """A moment as RFC 3339 with the offset of the site."""
    return None if when is None else when.astimezone(zone).isoformat()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return f"{value:f}" if isinstance(value, Decimal) else value
