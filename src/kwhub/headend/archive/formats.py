"""Rows as a file, written piece by piece: CSV, NDJSON, XLSX and Parquet."""

import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pyarrow as pa
from openpyxl import Workbook
from pyarrow import parquet

__all__ = ["FORMATS", "MEDIA_TYPES", "PORTION", "SHEET_ROWS_MAX", "Table", "streamed"]

PORTION = 2_000
"""Rows that are in memory at once."""

SHEET_ROWS_MAX = 1_048_575
"""Rows of a sheet of XLSX below its header row."""

_CHUNK = 256 * 1024
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "csv": "text/csv",
        "ndjson": "application/x-ndjson",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "parquet": "application/vnd.apache.parquet",
    }
)
FORMATS = tuple(MEDIA_TYPES)


@dataclass(frozen=True, slots=True)
class Table:
    """What is exported: names of columns, and rows that are made while they are asked for.

    Values are text, whole numbers, aware moments, decimals (as text in JSON), or None.

    Attributes:
        name: of the sheet.
        columns: never translated.
        rows: read once.
        types: Parquet types by column; text where nothing is said.
    """

    name: str
    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]
    types: Mapping[str, Any] = field(default_factory=dict)


class _Sink(io.RawIOBase):
    """Takes what is written until somebody collects it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Bytes that were written in all."""
        return self._at

    def write(self, data: Any) -> int:
        """Keep a copy."""
        self._parts.append(bytes(data))
        self._at += len(self._parts[-1])
        return len(self._parts[-1])

    def collect(self) -> bytes:
        """Everything since the last time."""
        found = b"".join(self._parts)
        self._parts.clear()
        return found


def streamed(tables: Sequence[Table], form: str, *, bom: bool = False) -> Iterator[bytes]:
    """A file in pieces, in memory that does not grow with it.

    Args:
        tables: one; several only for XLSX.
        form: of ``FORMATS``.
        bom: CSV begins with a byte order mark, without which Excel in China takes UTF-8 for GBK.
    """
    if form == "xlsx":
        return _xlsx(tables)
    (table,) = tables
    writers: Mapping[str, Callable[[], Iterator[bytes]]] = {
        "csv": lambda: _csv(table, bom=bom),
        "ndjson": lambda: _ndjson(table),
        "parquet": lambda: _parquet(table),
    }
    return writers[form]()


def _portions(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    part: list[Sequence[Any]] = []
    for row in rows:
        part.append(row)
        if len(part) == PORTION:
            yield part
            part = []
    if part:
        yield part


def _csv(table: Table, *, bom: bool) -> Iterator[bytes]:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    text.write("\ufeff" if bom else "")
    writer.writerow(table.columns)
    for part in _portions(table.rows):
        writer.writerows([_cell(each) for each in row] for row in part)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _ndjson(table: Table) -> Iterator[bytes]:
    for part in _portions(table.rows):
        yield b"".join(
            json.dumps(
                dict(zip(table.columns, row, strict=True)), default=_plain, ensure_ascii=False
            ).encode()
            + b"\n"
            for row in part
        )


def _parquet(table: Table) -> Iterator[bytes]:
    schema = pa.schema([(name, table.types.get(name, pa.string())) for name in table.columns])
    sink = _Sink()
    with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        for part in _portions(table.rows):
            columns = [
                pa.array(_typed(values, schema.field(name).type), type=schema.field(name).type)
                for name, values in zip(table.columns, zip(*part, strict=True), strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            yield sink.collect()
    yield sink.collect()


def _typed(values: Sequence[Any], kind: Any) -> Sequence[Any]:
    """Values as Parquet takes them: in a column of texts everything is a text."""
    if kind != pa.string():
        return values
    return [None if each is None else str(_plain(each)) for each in values]


def _xlsx(tables: Sequence[Table]) -> Iterator[bytes]:
    book = Workbook(write_only=True)
    for table in tables:
        sheet = book.create_sheet(table.name)
        sheet.append(list(table.columns))
        for number, row in enumerate(table.rows):
            if number >= SHEET_ROWS_MAX:
                sheet = book.create_sheet(f"{table.name} {number // SHEET_ROWS_MAX + 1}")
                sheet.append(list(table.columns))
            sheet.append([_xlsx_cell(each) for each in row])
    with tempfile.TemporaryFile() as file:
        book.save(file)
        file.seek(0)
        while chunk := file.read(_CHUNK):
            yield chunk


def _cell(value: Any) -> Any:
    """A text is kept from being taken for a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value if isinstance(value, str) else _plain(value)


def _xlsx_cell(value: Any) -> Any:
    """Moments as text, for a spreadsheet knows no offset; decimals stay numbers."""
    return value if isinstance(value, Decimal) else _cell(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return f"{value:f}" if isinstance(value, Decimal) else value
