"""The whole store as one file, and back again; a file from either database is restored into either.

The file is a ZIP archive: one member for each table, each line a JSON array with the row (bytes as base64 behind
a mark), and at the end ``manifest.json`` with the revision of the tables, how many rows each member has and its SHA-256. Everything
is read in one snapshot, so the head-end may be at work meanwhile. The books of sales, which are files of their own, are
copied into it as well; see ``backup_files``.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Boolean, Column, Connection, Integer, LargeBinary, Table, func, select, text

from kwhub.domain.errors import LocalError
from kwhub.headend.store import tables as _tables  # noqa: F401  makes every table known
from kwhub.headend.store.backup_files import check_files, copy_files, placed
from kwhub.headend.store.database import Database
from kwhub.headend.store.schema import metadata

__all__ = ["Copied", "back_up", "restore"]

FORMAT = "kwhub-headend-backup-1"
MANIFEST = "manifest.json"
ROWS_AT_ONCE = 2_000
_BYTES = "base64"
_NO_FILES: Mapping[str, Path] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Copied:
    """What was written or read."""

    tables: int
    rows: int
    revision: str
    files: tuple[str, ...] = ()  #: names of the books of sales that are in it


def back_up(database: Database, path: Path, files: Mapping[str, Path] = _NO_FILES) -> Copied:
    """Write everything into a new file, which appears under its name only when it is whole.

    ``files`` are SQLite files beside the store, by name; those that are not there are left out.

    Raises:
        LocalError: the file is there already, or cannot be written.
        StoreError: the database does not answer.
    """
    if path.exists():
        raise LocalError(f"{path} is there already: choose another name or move it away")
    part = path.with_name(f"{path.name}.part")
    members: dict[str, dict[str, Any]] = {}
    try:
        with database.read() as connection, ZipFile(part, "w", ZIP_DEFLATED) as archive:
            revision = _revision(connection)
            for table in metadata.sorted_tables:
                with archive.open(f"{table.name}.ndjson", "w", force_zip64=True) as member:
                    members[table.name] = _write(connection, table, member)
            copied = copy_files(archive, files)
            told = {"format": FORMAT, "revision": revision, "tables": members, "files": copied}
            archive.writestr(MANIFEST, json.dumps(told, indent=1))
        part.replace(path)
    except OSError as error:
        raise LocalError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    rows = sum(each["rows"] for each in members.values())
    return Copied(len(members), rows, revision, tuple(copied))


def restore(database: Database, path: Path, files: Mapping[str, Path] = _NO_FILES) -> Copied:
    """Fill an empty store from a file, all of it or nothing; every member is checked against the manifest.

    ``files`` are the places of the SQLite files beside the store, by name; nothing may be there.

    Raises:
        LocalError: the store has rows, or the file is none of ours, damaged, or of other tables; or a file is in the way.
        StoreError: the database does not take it.
    """
    try:
        with ZipFile(path) as archive:
            manifest = _manifest(archive, path)
            others = manifest.get("files", {})
            check_files(others, files)
            with placed(archive, others, files), database.write() as connection:
                _check(connection, manifest, path)
                rows = sum(
                    _fill(connection, table, archive, manifest["tables"].get(table.name), path)
                    for table in metadata.sorted_tables
                )
                _count_on(connection)
    except OSError as error:
        raise LocalError(f"{path} cannot be read: {error.strerror or error}") from error
    except (BadZipFile, KeyError, TypeError, ValueError, EOFError) as error:
        raise LocalError(f"{path} is no whole backup of a head-end: {error}") from error
    return Copied(len(manifest["tables"]), rows, str(manifest["revision"]), tuple(others))


def _revision(connection: Connection) -> str:
    return MigrationContext.configure(connection).get_current_revision() or ""


def _write(connection: Connection, table: Table, member: IO[bytes]) -> dict[str, Any]:
    """One table as it lies in the database, without what Python makes of its types."""
    digest, rows = hashlib.sha256(), 0
    columns = [column.name for column in table.columns]
    names = ", ".join(f'"{name}"' for name in columns)
    order = ", ".join(f'"{column.name}"' for column in table.primary_key) or "1"
    statement = text(f'SELECT {names} FROM "{table.name}" ORDER BY {order}')  # noqa: S608  our names
    found = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(statement)
    binary = [isinstance(column.type, LargeBinary) for column in table.columns]
    for row in found:
        values = [_out(value) if raw else value for value, raw in zip(row, binary, strict=True)]
        line = json.dumps(values, ensure_ascii=False, default=int).encode() + b"\n"
        digest.update(line)
        member.write(line)
        rows += 1
    return {"columns": columns, "rows": rows, "sha256": digest.hexdigest()}


def _out(value: Any) -> Any:
    return None if value is None else {_BYTES: b64encode(bytes(value)).decode()}


def _in(value: Any) -> Any:
    return b64decode(value[_BYTES], validate=True) if isinstance(value, Mapping) else value


def _manifest(archive: ZipFile, path: Path) -> dict[str, Any]:
    manifest = json.loads(archive.read(MANIFEST))
    if manifest.get("format") != FORMAT:
        raise LocalError(f"{path} is no backup of a head-end that this version knows")
    return dict(manifest)


def _check(connection: Connection, manifest: Mapping[str, Any], path: Path) -> None:
    """Refuse what does not fit. Rows that a new store has by itself are none of anybody."""
    own = _revision(connection)
    if manifest["revision"] != own:
        raise LocalError(
            f"{path} has tables of revision {manifest['revision']}, this version has {own}: restore it"
            " with the version that wrote it, and start the new one on that store"
        )
    for table in metadata.sorted_tables:
        if connection.execute(select(func.count()).select_from(table)).scalar_one():
            if table.name in _OF_ITSELF:
                connection.execute(table.delete())
                continue
            raise LocalError(
                f"the store has rows already ({table.name}): restore into a new, empty one"
            )


_OF_ITSELF = frozenset({"archive_state", "audit_head"})
"""Tables in which a new store has a row from the beginning."""


def _fill(
    connection: Connection,
    table: Table,
    archive: ZipFile,
    told: Mapping[str, Any] | None,
    path: Path,
) -> int:
    if told is None:
        raise LocalError(f"{path} lacks the table {table.name}")
    columns = [table.columns[name] for name in told["columns"]]
    digest, rows = hashlib.sha256(), 0
    names = ", ".join(f'"{column.name}"' for column in columns)
    marks = ", ".join(f":{column.name}" for column in columns)
    statement = text(f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})')  # noqa: S608  our names
    own = [column.name for column in columns if _is_of(column, table)]
    later: list[dict[str, Any]] = []
    with archive.open(f"{table.name}.ndjson") as member:
        for lines in _portions(member):
            for line in lines:
                digest.update(line)
            given = [_row(columns, line) for line in lines]
            later += [row for row in given if any(row[name] is not None for name in own)]
            without = dict.fromkeys(own)
            connection.execute(statement, [row | without for row in given])
            rows += len(lines)
    for row in later:  # now that every row is there which another one may belong to
        values = {name: row[name] for name in own}
        key = [column == row[column.name] for column in table.primary_key]
        connection.execute(table.update().where(*key).values(values))
    if rows != told["rows"] or digest.hexdigest() != told["sha256"]:
        raise LocalError(f"{path} is damaged: {table.name} is not what was written")
    stored = connection.execute(select(func.count()).select_from(table)).scalar_one()
    if stored != rows:
        raise LocalError(f"{table.name}: {stored} rows are stored, {rows} were written")
    return rows


def _is_of(column: Column[Any], table: Table) -> bool:
    """Whether a column names another row of the same table."""
    return any(key.column.table is table for key in column.foreign_keys)


def _row(columns: list[Column[Any]], line: bytes) -> dict[str, Any]:
    values = json.loads(line)
    found = {}
    for column, value in zip(columns, values, strict=True):
        given = _in(value)
        # SQLite keeps truth as 0 and 1, which PostgreSQL does not take for it.
        is_truth = isinstance(column.type, Boolean) and given is not None
        found[column.name] = bool(given) if is_truth else given
    return found


def _portions(member: IO[bytes]) -> Iterator[list[bytes]]:
    lines: list[bytes] = []
    for line in member:
        lines.append(line)
        if len(lines) >= ROWS_AT_ONCE:
            yield lines
            lines = []
    if lines:
        yield lines


def _count_on(connection: Connection) -> None:
    """PostgreSQL's counters of new numbers go on behind the numbers that came with the file."""
    if connection.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is not None and isinstance(column.type, Integer):
            connection.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('\"{table.name}\"', '{column.name}'),"  # noqa: S608
                    f' GREATEST(1, (SELECT COALESCE(MAX("{column.name}"), 0) FROM "{table.name}")))'
                )
            )
