"""Tables as files: CSV (RFC 4180) and XLSX, with stable column names, ISO times, decimals with a dot."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from litestar import Request, Response
from openpyxl import Workbook

__all__ = ["XLSX_TYPE", "local", "sheet", "table_file", "workbook"]

XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")  # not allowed in XML
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_NEGATIVE = re.compile(r"-\d+(\.\d+)?")


def sheet(
    name: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, bom: bool = False
) -> Response[str]:
    """Answer with a file.

    Args:
        name: of the file.
        columns: names, never translated.
        rows: None is an empty cell, a text is kept from being taken for a formula; a negative number is none.
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


def workbook(
    name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> Response[bytes]:
    """Answer with an XLSX workbook of one sheet; numbers are numbers, everything else is text."""
    book = Workbook(write_only=True)
    page = book.create_sheet("kwhub")
    page.append(list(columns))
    for row in rows:
        page.append([_boxed(each) for each in row])
    made = io.BytesIO()
    book.save(made)
    return Response(
        made.getvalue(),
        media_type=XLSX_TYPE,
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"},
    )


def table_file(
    request: Request[Any, Any, Any],
    name: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
) -> Response[str] | Response[bytes]:
    """Answer with the file that the address asks for: ``.xlsx``, or ``.csv`` with or without ``?bom=1``."""
    if request.url.path.endswith(".xlsx"):
        return workbook(f"{name}.xlsx", columns, rows)
    return sheet(f"{name}.csv", columns, rows, bom=request.query_params.get("bom") == "1")


def local(when: datetime | None, zone: ZoneInfo) -> str | None:
    """A moment as RFC 3339 with the offset of the site."""
    return None if when is None else when.astimezone(zone).isoformat()


def _boxed(value: object) -> object:
    """A cell of a workbook: a text is never a formula there, because it is not typed in by hand."""
    if value is None or isinstance(value, int | float | Decimal):
        return value
    text = _ILLEGAL.sub("", str(value))
    return f"'{text}" if text.startswith("=") else text


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return value if _NEGATIVE.fullmatch(value) else f"'{value}"
    return f"{value:f}" if isinstance(value, Decimal) else value
