"""Readings that are dropped from the store, and the mark that they leave.

The mark says up to which moment values of a point, register and spacing were kept and dropped again. A ledger
that begins anew after a wrong clock does not want them once more: they were delivered long ago.
"""

from collections.abc import Sequence

from kwhub.concentrator.database import Connection
from kwhub.domain.readings import Register

__all__ = ["Forgotten", "drop", "not_from_the_future"]

Forgotten = dict[tuple[Register, int], int]
"""By register and spacing (s): up to which moment (s since 1970 UTC) values were dropped."""


def drop(connection: Connection, which: str, values: Sequence[object]) -> int:
    """Drop some readings and leave their marks; how many were dropped.

    Args:
        connection: with a transaction that is open.
        which: what follows WHERE in SQL; a constant of the program.
        values: of its question marks.
    """
    rows = connection.execute(
        f"SELECT id, point, register, interval_s, at, meter FROM reading WHERE {which}",  # noqa: S608
        values,
    ).fetchall()
    connection.executemany(
        "INSERT INTO forgotten (point, register, interval_s, until)"
        " SELECT ?1, ?2, ?3, ?4 WHERE ?5 = coalesce((SELECT address FROM meter WHERE point = ?1), ?5)"
        " ON CONFLICT (point, register, interval_s) DO UPDATE SET until = max(until, excluded.until)",
        [row[1:] for row in rows],
    )
    connection.executemany("DELETE FROM reading WHERE id = ?", [row[:1] for row in rows])
    return len(rows)


def not_from_the_future(connection: Connection, points: Sequence[int], now: int) -> None:
    """Take marks back that lie ahead: values yet to come were never dropped."""
    connection.executemany(
        "DELETE FROM forgotten WHERE point = ? AND until > ?", [(point, now) for point in points]
    )
