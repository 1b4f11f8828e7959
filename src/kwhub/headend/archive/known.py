"""Rows of the archive that a change speaks of, fetched in bulk and looked up by key."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, Connection, select

from kwhub.headend.archive.fields import Kind

__all__ = ["PORTION", "Known", "Stored", "portions"]

PORTION = 500
"""Values in one IN list."""

Stored: TypeAlias = dict[str, Any]
"""A row by the names of its columns."""

T = TypeVar("T")


def portions(values: Iterable[T], size: int = PORTION) -> Iterator[Sequence[T]]:
    """Cut into parts of at most ``size``.

    >>> list(portions([1, 2, 3], 2))
    [[1, 2], [3]]
    """
    rest = list(values)
    return (rest[at : at + size] for at in range(0, len(rest), size))


class Known:
    """What one transaction has read of the archive."""

    def __init__(self, connection: Connection) -> None:
        """Read through ``connection``."""
        self.connection = connection
        self._by_key: dict[tuple[str, str], Stored] = {}
        self._by_id: dict[tuple[str, int], Stored] = {}

    def get(self, kind: Kind, key: str) -> Stored | None:
        """A row that was wanted by key."""
        return self._by_key.get((kind.name, key))

    def of_id(self, kind: Kind, number: int) -> Stored | None:
        """A row that was wanted, by number."""
        return self._by_id.get((kind.name, number))

    def want(self, kind: Kind, keys: Collection[str]) -> None:
        """Fetch rows by key."""
        missing = sorted(each for each in keys if (kind.name, each) not in self._by_key)
        for part in portions(missing):
            self._take(kind, _by_key(kind, part))

    def want_ids(self, kind: Kind, numbers: Collection[int]) -> None:
        """Fetch rows by number."""
        missing = sorted(each for each in numbers if (kind.name, each) not in self._by_id)
        for part in portions(missing):
            self._take(kind, kind.table.c.id.in_(part))

    def forget(self) -> None:
        """Fetch everything anew from now on."""
        self._by_key.clear()
        self._by_id.clear()

    def _take(self, kind: Kind, where: ColumnElement[bool]) -> None:
        for found in self.connection.execute(select(kind.table).where(where)).mappings():
            row = dict(found)
            if kind.name == "meter" and not row["ct"]:
                row["ct"] = row["ratio"]
            self._by_key[kind.name, kind.key_of(row)] = row
            self._by_id[kind.name, row["id"]] = row


def _by_key(kind: Kind, keys: Sequence[str]) -> ColumnElement[bool]:
    if kind.name == "terminal":  # the region is checked by whoever looks the key up
        return kind.table.c.number.in_([int(each.partition("-")[2]) for each in keys])
    return kind.table.c[kind.key].in_(keys)
