"""Tables of files read carefully: CSV in UTF-8 or GBK, XLSX without macros, both within limits."""

import csv
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any
from xml.parsers import expat

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from kwhub.headend.archive.fields import FROM_DAY, KINDS, Kind
from kwhub.headend.archive.plan import Incoming, parse, short
from kwhub.headend.archive.problems import ArchiveError, Problem
from kwhub.headend.archive.workbooks import check_workbook

__all__ = ["BYTES_MAX", "ROWS_MAX", "read_file"]

BYTES_MAX = 32 * 1024 * 1024
"""Largest file that is taken."""

ROWS_MAX = 200_000
"""Most rows of one sheet."""

COLUMNS_MAX = 100
CELL_CHARACTERS_MAX = 1_000
_BOM = b"\xef\xbb\xbf"
_ZIP = b"PK\x03\x04"
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    expat.ExpatError,
    InvalidFileException,
    ArithmeticError,
    AttributeError,
    LookupError,
    SyntaxError,  # of XML
    TypeError,
    ValueError,
)
"""What the reader of workbooks raises for a file that is none."""

_QUOTED = ("'=", "'+", "'-", "'@")


def read_file(content: bytes, kind: str) -> tuple[dict[str, list[Incoming]], list[Problem]]:
    """The rows of a file by kind, and what is wrong with them.

    Args:
        content: of a CSV or XLSX file; which of the two shows in its first bytes.
        kind: of the rows; for XLSX it may be empty, then each sheet has the name of its kind.

    Raises:
        ArchiveError: this is no table, or it is too large.
    """
    if len(content) > BYTES_MAX:
        raise _refused("too_large", f"{BYTES_MAX // 2**20} MiB")
    packed = content.startswith(_ZIP)
    sheets = _workbook(content, kind) if packed else iter([(kind, _csv(content))])
    found: dict[str, list[Incoming]] = {}
    problems: list[Problem] = []
    for name, rows in sheets:
        if name not in KINDS:
            problems.append(Problem("", "unknown_sheet", short(name)))
            continue
        incoming, wrong = _understood(KINDS[name], rows)
        found[name] = incoming
        problems += wrong
    if not problems and not any(found.values()):
        problems.append(Problem("", "empty"))
    return found, problems


def _refused(key: str, value: str) -> ArchiveError:
    return ArchiveError([Problem("", key, value)])


def _csv(content: bytes) -> Iterator[Sequence[str]]:
    text = _decoded(content)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise _refused("not_a_table", f"line {reader.line_num}: {error}") from None


def _decoded(content: bytes) -> str:
    """UTF-8 with or without a mark; what is none is GBK, as Excel in China writes it."""
    for encoding in ("utf-8-sig" if content.startswith(_BOM) else "utf-8", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise _refused("not_a_table", "neither UTF-8 nor GBK")


def _workbook(content: bytes, kind: str) -> Iterator[tuple[str, Iterator[Sequence[str]]]]:
    """Sheets with their rows, read one after another; formulas count with their last value."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            check_workbook(packed)
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        for sheet in book.worksheets[:1] if kind else book.worksheets:
            yield kind or sheet.title, _rows(sheet)
        book.close()
    except _DAMAGED as error:
        raise _refused("not_a_table", short(error)) from None


def _rows(sheet: Any) -> Iterator[Sequence[str]]:
    sheet.reset_dimensions()  # a file may say that it has fewer rows than it has
    try:
        for row in sheet.iter_rows(values_only=True, max_col=COLUMNS_MAX):
            yield [_text(cell) for cell in row] if any(each is not None for each in row) else []
    except _DAMAGED as error:
        raise _refused("not_a_table", short(error)) from None


def _text(cell: Any) -> str:
    """A cell of a spreadsheet as text: a number that is whole loses the point that Excel gave it."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime | date):
        return cell.isoformat()[:10]
    return str(cell)


def _understood(kind: Kind, rows: Iterable[Sequence[str]]) -> tuple[list[Incoming], list[Problem]]:
    found: list[Incoming] = []
    problems: list[Problem] = []
    columns: list[str] = []
    for number, cells in enumerate(rows, start=1):
        if not any(cell.strip() for cell in cells) or cells[0].startswith("#"):
            continue
        if not columns:
            columns = [cell.strip() for cell in cells]
            problems += _header(kind, columns, number)
            if problems:
                break
            continue
        if number > ROWS_MAX:
            problems.append(Problem("", "too_many_rows", str(ROWS_MAX), number, kind.name))
            break
        texts = {name: _unquoted(cell) for name, cell in zip(columns, cells, strict=False) if name}
        incoming, wrong = parse(kind, texts, number)
        problems += wrong
        if kind.key in incoming.values:
            found.append(incoming)
    return found, problems


def _header(kind: Kind, columns: Sequence[str], number: int) -> list[Problem]:
    known = {*kind.by_name, *((FROM_DAY,) if kind.dated else ())}
    problems = [
        Problem(name, "unknown_column", short(name), number, kind.name)
        for name in columns
        if name and name not in known
    ]
    if kind.key not in columns:
        problems.append(Problem(kind.key, "no_key_column", kind.key, number, kind.name))
    repeated = {name for name in columns if name and columns.count(name) > 1}
    problems += [Problem(name, "twice", name, number, kind.name) for name in sorted(repeated)]
    return problems


def _unquoted(cell: str) -> str:
    """Without the apostrophe that an export puts before what would be taken for a formula."""
    cell = cell[:CELL_CHARACTERS_MAX]
    return cell[1:] if cell.startswith(_QUOTED) else cell
