"""Workbooks looked through before anybody builds anything of them: a small file may unpack to a huge one.

The reader of workbooks (openpyxl) keeps all texts of a workbook in memory, makes objects of its styles, and walks every
row that a sheet says it has. What a file says of itself is therefore bounded first, in one pass that keeps nothing.
"""

import zipfile
from collections.abc import Mapping
from typing import Final
from xml.parsers import expat  # entities are refused below

from kwhub.headend.archive.problems import ArchiveError, Problem

__all__ = ["UNPACKED_MAX", "check_workbook"]

UNPACKED_MAX = 256 * 1024 * 1024
"""Most bytes that a workbook may be unpacked to."""

SHEETS_MAX = 16
"""Most sheets; there are half as many kinds of rows."""

SHEET_ROWS_MAX = 1_048_576
"""Most rows of a sheet, empty ones too: what spreadsheets have."""

ROW_ELEMENTS_MAX = 100_000
"""Most XML elements of one row: six for each of the 16,384 columns that spreadsheets have."""

TEXTS_MAX = 1_000_000
"""Most different texts of a workbook."""

OTHERS_MAX = 100_000
"""Most XML elements that are neither cells nor texts: styles, rules, relations."""

_CHUNK = 65_536
_OF_ROWS: Final = frozenset({"row", "c", "v", "f", "is", "t", "r", "rPr"})
_XML = (".xml", ".rels")


def check_workbook(packed: zipfile.ZipFile) -> None:
    """Look through a workbook.

    Raises:
        ArchiveError: it is too large in some respect, has macros, or defines entities.
        expat.ExpatError: a part is no XML.
        zipfile.BadZipFile: it is damaged.
        ValueError: a row has no number.
    """
    parts = packed.infolist()
    if any(each.filename.endswith("vbaProject.bin") for each in parts):
        raise ArchiveError([Problem("", "not_a_table", "macros")])
    _bounded(sum(each.file_size for each in parts), UNPACKED_MAX, _mebibytes(UNPACKED_MAX))
    count = _Count()
    for part in parts:
        if part.filename.lower().endswith(_XML):
            _look_through(packed, part, count)


def _look_through(packed: zipfile.ZipFile, part: zipfile.ZipInfo, count: "_Count") -> None:
    parser = expat.ParserCreate()
    parser.StartElementHandler = count.element
    parser.StartDoctypeDeclHandler = _no_doctype
    count.begin_part()
    with packed.open(part) as unpacked:
        while chunk := unpacked.read(_CHUNK):
            count.size += len(chunk)  # what really comes out, whatever the file says
            _bounded(count.size, UNPACKED_MAX, _mebibytes(UNPACKED_MAX))
            parser.Parse(chunk, False)  # noqa: FBT003  the library's own order
    parser.Parse(b"", True)  # noqa: FBT003


class _Count:
    """What was seen of a workbook so far."""

    def __init__(self) -> None:
        self.size = 0  #: unpacked bytes
        self._sheets = self._texts = self._others = 0
        self._row = self._of_row = 0

    def begin_part(self) -> None:
        self._row = self._of_row = 0

    def element(self, name: str, attributes: Mapping[str, str]) -> None:
        """Count an element; called by the parser."""
        local = name.rpartition(":")[2]
        if local == "row":
            self._row = _row_number(attributes) or self._row + 1
            if self._row > SHEET_ROWS_MAX:
                raise ArchiveError([Problem("", "too_many_rows", str(SHEET_ROWS_MAX))])
            self._of_row = 0
        elif local == "si":
            self._texts += 1
            _bounded(self._texts, TEXTS_MAX, f"{TEXTS_MAX} texts")
            self._of_row = 0
        elif local not in _OF_ROWS:
            self._others += 1
            _bounded(self._others, OTHERS_MAX, f"{OTHERS_MAX} XML elements beside the cells")
            self._sheets += local == "sheet"
            if self._sheets > SHEETS_MAX:
                raise ArchiveError([Problem("", "too_many_sheets", str(SHEETS_MAX))])
        self._of_row += 1
        _bounded(self._of_row, ROW_ELEMENTS_MAX, f"{ROW_ELEMENTS_MAX} XML elements in a row")


def _row_number(attributes: Mapping[str, str]) -> int:
    """The number that a row says it has, 0 when it says none; it may be written as a float."""
    text = attributes.get("r", "0")
    try:
        return int(text)
    except ValueError:
        return int(float(text))


def _no_doctype(*_declared: object) -> None:
    raise ArchiveError([Problem("", "not_a_table", "a document type")])


def _bounded(number: int, most: int, told: str) -> None:
    if number > most:
        raise ArchiveError([Problem("", "too_large", told)])


def _mebibytes(size: int) -> str:
    return f"{size // 2**20} MiB"
