"""A store that fails from a certain statement on, until it is mended."""

import sqlite3

from kwhub.concentrator.database import open_file

FULL = "database or disk is full"


class FailingStore:
    """Makes connections whose statements fail as on a full disk.

    Args:
        which: ``write``: whatever writes; ``commit``: only the end of a transaction, which SQLite undoes by
            itself; ``all``: reading, too.
    """

    def __init__(self, which):
        self.which = which
        self.left = None  #: statements that still work; None: all of them
        self.failed = 0

    def opener(self, path):
        self._real = open_file(path)
        return self

    @property
    def in_transaction(self):
        return self._real.in_transaction

    def execute(self, sql, values=()):
        self._judge(sql)
        return self._real.execute(sql, values)

    def executemany(self, sql, rows):
        self._judge(sql)
        return self._real.executemany(sql, rows)

    def close(self):
        self._real.close()

    def _judge(self, sql):
        if self.left is None or sql == "ROLLBACK":
            return
        if self.which == "commit" and sql != "COMMIT":
            return
        if self.which == "write" and sql.startswith("SELECT"):
            return
        if self.left:
            self.left -= 1
            return
        self.failed += 1
        if self.which == "commit":
            self._real.execute("ROLLBACK")
        raise sqlite3.OperationalError(FULL)
