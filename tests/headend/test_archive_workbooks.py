"""Workbooks that are small and unpack to something huge are refused before anybody builds anything of them."""

import io
import tracemalloc
import zipfile

import pytest
from openpyxl import Workbook

from kwhub.headend.archive import tables, workbooks
from kwhub.headend.archive.problems import ArchiveError
from kwhub.headend.archive.tables import read_file

SHEET, STRINGS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
MEBIBYTE = 2**20


def plain() -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "meter"
    sheet.append(["address", "terminal", "point"])
    sheet.append(["1", "4101-02082", "1"])
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def changed(name: str, old: bytes, new: bytes) -> bytes:
    """A workbook of which a part is written by hand, or added when ``old`` is empty."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(plain())) as before,
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for each in before.namelist():
            part = before.read(each)
            if each == name:
                assert old
                assert old in part
                part = part.replace(old, new, 1)
            after.writestr(each, part)
        if not old:
            after.writestr(name, new)
    return made.getvalue()


def texts(*added: bytes) -> bytes:
    return changed(STRINGS, b"", b"<sst>" + b"".join(added) + b"</sst>")


def rows(*added: bytes) -> bytes:
    return changed(SHEET, b"</sheetData>", b"".join(added) + b"</sheetData>")


def problem(content: bytes) -> tuple[str, str]:
    with pytest.raises(ArchiveError) as error:
        read_file(content, "meter")
    (one,) = error.value.problems
    assert one.what("zh") != one.what("en")
    return one.key, one.value


def test_a_plain_workbook_is_read():
    found, wrong = read_file(plain(), "meter")
    assert wrong == []
    assert found["meter"][0].values["address"] == "000000000001"


@pytest.mark.parametrize("number", [b"100000000000", b"1e11", b"1048577"])
def test_a_row_with_a_huge_number_is_refused(number):
    """The reader would walk every empty row before it: 4.9 kB that take hours."""
    content = rows(b'<row r="%s"><c r="A2" t="n"><v>5</v></c></row>' % number)
    assert len(content) < 6_000
    assert problem(content) == ("too_many_rows", "1048576")


def test_a_row_whose_number_is_none_is_refused():
    assert problem(rows(b'<row r="many"/>'))[0] == "not_a_table"


def test_rows_without_numbers_are_counted(monkeypatch):
    monkeypatch.setattr(workbooks, "SHEET_ROWS_MAX", 10)
    assert problem(rows(b"<row/>" * 9)) == ("too_many_rows", "10")
    assert read_file(rows(b"<row/>" * 8), "meter")[1] == []


def test_a_sheet_of_empty_rows_is_read_in_its_order():
    found, wrong = read_file(
        rows(
            b'<row r="90"><c r="A90" t="n"><v>7</v></c><c r="B90" t="inlineStr"><is><t>4101-02082</t></is></c><c r="C90"><v>2</v></c></row>'
        ),
        "meter",
    )
    assert wrong == []
    assert [(each.row, each.key) for each in found["meter"]] == [
        (2, "000000000001"),
        (90, "000000000007"),
    ]


def test_what_comes_out_is_counted_while_it_comes(monkeypatch):
    """A part that is larger than anything may be is not unpacked to its end, whatever its header says."""
    monkeypatch.setattr(workbooks, "UNPACKED_MAX", MEBIBYTE)
    content = rows(b" " * 64 * MEBIBYTE)
    assert problem(content) == ("too_large", "1 MiB")
    size = (len(b" " * 64 * MEBIBYTE)).to_bytes(4, "little")
    assert size[:2] == b"\0\0"
    lying = bytearray(content)
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        (real,) = (each.file_size for each in packed.infolist() if each.filename == SHEET)
    at = lying.rfind(real.to_bytes(4, "little"))  # of the directory at the end
    lying[at : at + 4] = (1_000).to_bytes(4, "little")
    tracemalloc.start()
    key, _ = problem(bytes(lying))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert key in {"not_a_table", "too_large"}
    assert peak < 4 * MEBIBYTE


@pytest.mark.parametrize(
    ("limit", "name", "old", "new", "told"),
    [
        ("TEXTS_MAX", STRINGS, b"", b"<sst>" + b"<si><t/></si>" * 1_001 + b"</sst>", "1000 texts"),
        ("OTHERS_MAX", "xl/styles.xml", b"<fonts", b"<xf/>" * 1_001 + b"<fonts", "1000 XML"),
        ("OTHERS_MAX", SHEET, b"<sheetData>", b"<cols/>" * 1_001 + b"<sheetData>", "1000 XML"),
        ("ROW_ELEMENTS_MAX", SHEET, b"</row>", b"<c/>" * 1_001 + b"</row>", "1000 XML"),
        ("ROW_ELEMENTS_MAX", STRINGS, b"", b"<si>" + b"<r/>" * 1_001 + b"</si>", "1000 XML"),
    ],
)
def test_what_the_reader_would_keep_in_memory_is_bounded(monkeypatch, limit, name, old, new, told):
    monkeypatch.setattr(workbooks, limit, 1_000)
    key, value = problem(changed(name, old, new))
    assert key == "too_large"
    assert value.startswith(told)


def test_twelve_million_texts_are_refused_in_little_memory():
    """31 MB in the file, and two gigabytes in the memory of the reader; here a tenth of it is enough."""
    content = texts(b"<si><t>%d</t></si>" * 1_200_000 % tuple(range(1_200_000)))
    assert len(content) < tables.BYTES_MAX
    tracemalloc.start()
    assert problem(content) == ("too_large", "1000000 texts")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * MEBIBYTE


def test_a_workbook_of_many_sheets_is_refused():
    more = b"".join(b'<sheet name="s%d" sheetId="%d" r:id="rId1"/>' % (n, n) for n in range(9, 40))
    more = more.replace(
        b"<sheet ",
        b'<sheet xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" ',
    )
    content = changed("xl/workbook.xml", b"</sheets>", more + b"</sheets>")
    assert problem(content) == ("too_many_sheets", "16")


def test_entities_macros_and_damage_are_refused():
    entity = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><worksheet'
    assert problem(changed(SHEET, b"<worksheet", entity)) == ("not_a_table", "a document type")
    assert problem(changed(SHEET, b"</sheetData>", b"</sheet>"))[0] == "not_a_table"
    assert problem(plain()[:-60])[0] == "not_a_table"
    with zipfile.ZipFile(io.BytesIO(content := plain())) as packed:
        assert packed.testzip() is None
    made = io.BytesIO(content)
    with zipfile.ZipFile(made, "a") as packed:
        packed.writestr("xl/vbaProject.bin", b"x")
    assert problem(made.getvalue()) == ("not_a_table", "macros")
