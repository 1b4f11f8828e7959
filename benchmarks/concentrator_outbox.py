"""Rows a second that the concentrator's outbox keeps and marks as delivered, beside bare ``sqlite3``.

Both write the same readings into a file in the same folder with the same durability (write-ahead log,
``synchronous = FULL``: every commit waits for the disk) in transactions of the same size: as many rows
as a round brings, then the marks of as many as a report confirms. The bare side has one table with the
same columns, the primary key and one ``UNIQUE`` index, which is what "once and only once" costs at the
least, and gets rows that are ready; ours begins with decimal values as they come from a meter. They take
turns; the best of all turns counts, because the disk and the machine belong to others, too.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._peers import rates_in_turn
from benchmarks.result import Result
from kwhub.concentrator.outbox import Batch, Outbox, Slot
from kwhub.domain.readings import Quality, Register

__all__ = ["run"]

ROWS = 20_000
ROUNDS = 9
PROMISED = 0.5
KEPT_AT_ONCE = 512
CONFIRMED_AT_ONCE = 128
STEP_S = 900
START = 1_772_380_800
ENERGY = Register("1-0:1.8.0")
METER = "000000000038"
SOURCE = "dlt645:06040001"

BARE = (
    "CREATE TABLE reading (id INTEGER PRIMARY KEY, point INTEGER NOT NULL, register TEXT NOT NULL,"
    " interval_s INTEGER NOT NULL, at INTEGER NOT NULL, meter TEXT NOT NULL, value INTEGER,"
    " scale INTEGER NOT NULL, source TEXT NOT NULL, quality INTEGER NOT NULL,"
    " received_at INTEGER NOT NULL, delivered_at INTEGER,"
    " UNIQUE (point, register, interval_s, at, meter))"
)
INSERT = (
    "INSERT INTO reading (point, register, interval_s, at, meter, value, scale, source, quality,"
    " received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
MARK = "UPDATE reading SET delivered_at = ? WHERE id = ?"


def _parts(count: int, size: int) -> Iterator[range]:
    for first in range(0, count, size):
        yield range(first, min(first + size, count))


def _slot(number: int) -> Slot:
    """Sixteen meters, one after the other, as in a round."""
    return Slot(
        number // 16 % 16 + 1, ENERGY, STEP_S, START + (number // 256 * 16 + number % 16) * STEP_S
    )


def _bare(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(BARE)
    for part in _parts(ROWS, KEPT_AT_ONCE):
        rows = [
            (*_slot(number), METER, number, 2, SOURCE, int(Quality.ACTUAL), START)
            for number in part
        ]
        _write(connection, INSERT, rows)
    for part in _parts(ROWS, CONFIRMED_AT_ONCE):
        _write(connection, MARK, [(START, number + 1) for number in part])
    _check(connection.execute("SELECT count(*) FROM reading WHERE delivered_at IS NOT NULL"))
    connection.close()


def _write(connection: sqlite3.Connection, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(sql, rows)
    connection.execute("COMMIT")


def _ours(path: Path) -> None:
    outbox = Outbox.open(str(path))
    for part in _parts(ROWS, KEPT_AT_ONCE):
        batch = Batch(START)
        for number in part:
            batch.read(_slot(number), METER, Decimal(number).scaleb(-2), SOURCE)
        outbox.keep(batch)
    for part in _parts(ROWS, CONFIRMED_AT_ONCE):
        outbox.delivered([number + 1 for number in part], START)
    if outbox.counts().waiting:
        raise ValueError(f"{outbox.counts().waiting} rows were not marked")
    outbox.close()


def _check(counted: sqlite3.Cursor) -> None:
    (count,) = counted.fetchone()
    if count != ROWS:
        raise ValueError(f"{count} rows were written, not {ROWS}")


def _in_new_files(write: Callable[[Path], None], folder: Path) -> Callable[[], None]:
    """Each call gets a file of its own, which is gone afterwards."""

    def call() -> None:
        with _new_folder(folder) as path:
            write(path / "store.sqlite")

    return call


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    with TemporaryDirectory(dir=folder) as name:
        yield Path(name)


def run() -> Result:
    with TemporaryDirectory() as name:
        folder = Path(name)
        calls = [_in_new_files(_ours, folder), _in_new_files(_bare, folder)]
        ours, bare = rates_in_turn(calls, ROUNDS)
    return Result(
        "outbox: keep, mark delivered",
        ours=ours * ROWS,
        reference=bare * ROWS,
        unit="rows/s",
        against=f"sqlite3 {sqlite3.sqlite_version}, same durability",
        least_ratio=PROMISED,
    )
