"""Any table of any page as a file: the page is made as ever, and the table is taken out of it.

A table that has a name (``data-table``) is had from the address of its page with ``table=<name>&as=csv`` (or
``xlsx``). Times become RFC 3339 with the offset of the site, numbers lose their separators; words stay as the
reader sees them, in the reader's language. Rights and filters are those of the page. Long lists have files of
their own with all their rows (see ``tables.Listing``).
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

from litestar import Request
from litestar.response import Template
from litestar.response.base import ASGIResponse

from kwhub.headend.web.sheets import local, sheet, workbook

__all__ = ["AS", "AS_NAME", "TABLE_NAME", "TableFile", "rows_of"]

TABLE_NAME, AS_NAME = "table", "as"
"""Parameters of the address."""

AS = ("csv", "xlsx")

_NAME = re.compile(r"[a-z_]{1,40}")
_NUMBER = re.compile(r"[-−+]?\d{1,3}(,\d{3})*(\.\d+)?|[-−+]?\d+(\.\d+)?")
_VOID = frozenset({"br", "hr", "img", "input", "wbr", "col", "meta", "link"})
_UNSEEN = frozenset({"form", "button", "details", "select", "script", "template"})
_NOTHING = "—"


@dataclass(slots=True)
class _Cell:
    numeric: bool
    seen: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)  #: only for readers of the screen
    times: list[datetime] = field(default_factory=list)


class _Rows(HTMLParser):
    """Collects the cells of the table with a name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.rows: list[list[_Cell]] = []
        self.found = False
        self._name = name
        self._inside = False
        self._open: list[tuple[str, str]] = []  #: tag, and how its text counts

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a table, a row, a cell, or something whose text counts otherwise."""
        given = {name: value or "" for name, value in attrs}
        if tag == "table" and given.get("data-table") == self._name and not self.found:
            self.found = self._inside = True
            self._open = []
        if not self._inside or tag in _VOID:
            if self._inside and tag == "br":
                self.handle_data(" ")
            return
        self._open.append((tag, _counts(tag, given)))
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"} and self.rows:
            self.rows[-1].append(_Cell("n" in given.get("class", "").split()))
        elif tag == "time" and self.rows and self.rows[-1] and "datetime" in given:
            self.rows[-1][-1].times.append(datetime.fromisoformat(given["datetime"]))

    def handle_endtag(self, tag: str) -> None:
        """End what is open."""
        if not self._inside:
            return
        if tag == "table":
            self._inside = False
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Text of a cell."""
        if not self._inside or not any(tag in {"td", "th"} for tag, _ in self._open):
            return
        ways = {way for _, way in self._open}
        cell = self.rows[-1][-1]
        if "unseen" not in ways and "time" not in ways:
            (cell.told if "told" in ways else cell.seen).append(data)


class TableFile(Template):
    """Answers with one table of a page as a file; with the page when there is no such table on it."""

    def to_asgi_response(self, request: Request[Any, Any, Any], **more: Any) -> ASGIResponse:  # type: ignore[override]
        """Make the page and take the table out of it."""
        made = super().to_asgi_response(more.pop("app", None), request, **more)
        name = request.query_params.get(TABLE_NAME, "")
        zone = self.context["zone"]
        rows = rows_of(bytes(made.body).decode(), name, zone)
        if rows is None or not _NAME.fullmatch(name):
            return made
        if request.query_params.get(AS_NAME) == "xlsx":
            boxed = [[_number(each) for each in row] for row in rows[1:]]
            return workbook(f"{name}.xlsx", rows[0], boxed).to_asgi_response(None, request)
        bom = request.query_params.get("bom") == "1"
        return sheet(f"{name}.csv", rows[0], rows[1:], bom=bom).to_asgi_response(None, request)


def rows_of(html: str, name: str, zone: ZoneInfo) -> list[list[str]] | None:
    """The rows of a table, its heads first; None when the page has no table of this name.

    >>> rows_of('<table data-table="a"><tr><th>x<td class="n">1,234.5</table>', "a", ZoneInfo("UTC"))
    [['x', '1234.5']]
    """
    parser = _Rows(name)
    parser.feed(html)
    parser.close()
    if not parser.found:
        return None
    rows = [[_text(cell, zone) for cell in row] for row in parser.rows if row]
    return rows or [[]]


def _counts(tag: str, given: dict[str, str]) -> str:
    """How the text of an element counts: not at all, only when there is nothing else, or as it stands."""
    if tag in _UNSEEN or given.get("aria-hidden") == "true":
        return "unseen"
    if tag == "time":
        return "time"
    return "told" if "sr" in given.get("class", "").split() else ""


def _text(cell: _Cell, zone: ZoneInfo) -> str:
    times = [str(local(each, zone)) for each in cell.times]
    text = " ".join(" ".join(("".join(cell.seen), *times)).split())
    text = text or " ".join("".join(cell.told).split())
    if text == _NOTHING:
        return ""
    if cell.numeric and _NUMBER.fullmatch(text):
        return text.replace(",", "").replace("−", "-").removeprefix("+")
    return text


def _number(text: str) -> object:
    """A number as a number; what begins with a nought stays a text, because it may be the number of a meter."""
    plain = re.fullmatch(r"-?(0|[1-9]\d{0,14})(\.\d+)?", text)
    return Decimal(text) if plain else text
