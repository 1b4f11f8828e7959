"""AFN 01: what a reset of the head-end forgets, in one transaction.

Source: Q/GDW 1376.1-2013, clause 5.2. Which parameters serve the communication with the head-end (kept by F4) is
our reading of clause 5.5: F1 to F8, F16 and F36. The clock and, where F4 says so, whether reports are forbidden
stay as they are; received files are neither parameters nor data.
"""

from collections.abc import Iterable

from kwhub.concentrator.database import Database
from kwhub.concentrator.outbox import FORGOTTEN

__all__ = ["BUT_UPLINK", "FORGETTING", "RESTART", "forget"]

RESTART, _DATA, _FACTORY, BUT_UPLINK = 1, 2, 3, 4

FORGETTING = frozenset({_DATA, _FACTORY, BUT_UPLINK})
"""Resets after which something is gone."""

_UPLINK_PARAMETERS = (*range(1, 9), 16, 36)
_DATA_TABLES = (
    "reading",
    "progress",
    "gap",
    "forgotten",
    "duty",
    "drift",
    "meter_word",
    "meter_count",
    "abnormal",
    "task_run",
    "task_report",
)


def forget(database: Database, function: int, states: Iterable[str]) -> None:
    """Forget what F2, F3 or F4 says; numbers of events and places in the outbox go on.

    Args:
        database: the store.
        function: one of ``FORGETTING``.
        states: names of those that count as parameters and are not to be kept.

    Raises:
        StoreError: nothing is forgotten.
    """
    newest = "SELECT max(number) FROM event AS other WHERE other.important = event.important"
    with database.transaction() as connection:
        for table in _DATA_TABLES:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
        connection.execute("DELETE FROM state WHERE name = ?", (FORGOTTEN,))
        connection.execute(f"DELETE FROM event WHERE number < ({newest})")  # noqa: S608 - no input
        connection.execute("UPDATE event SET reported_at = at WHERE reported_at IS NULL")
        connection.execute(
            "UPDATE meter SET silent_since = NULL, attempts = 0, next_try = 0,"
            " clock_error_s = NULL, clock_read_at = NULL"
        )
        if function == _DATA:
            return
        for table in ("archive", "archive_seed"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
        found = connection.execute("SELECT DISTINCT function FROM parameter").fetchall()
        spared = frozenset(_UPLINK_PARAMETERS if function == BUT_UPLINK else ())
        connection.executemany(
            "DELETE FROM parameter WHERE function = ?",
            [(each,) for (each,) in found if each not in spared],
        )
        connection.executemany("DELETE FROM state WHERE name = ?", [(name,) for name in states])
