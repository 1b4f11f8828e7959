"""A power supply for stores: fails at the n-th write, before or after it takes effect."""

import shutil
from pathlib import Path

from kwhub.concentrator.database import open_file


class PowerCut(BaseException):
    """The lights are out; nothing of the process is left but its files. Nothing contains it."""


class Supply:
    """Counts the writes of a store and cuts the power at one of them.

    At that moment the files are copied as they are, for the next process to find; whatever the dying
    one still tries fails.

    Args:
        at: number of the fatal write, from 1.
        after: whether it still takes effect.
        copy: where the files go.
    """

    def __init__(self, at, *, after, copy):
        self.left = at
        self.after = after
        self.copy = Path(copy)
        self.out = False
        self.last = ""  # the fatal statement
        self.log = []

    def opener(self, path):
        return _Connection(self, path)


class _Connection:
    def __init__(self, supply, path):
        self._supply = supply
        self._path = path
        self._real = open_file(path)

    @property
    def in_transaction(self):
        return self._real.in_transaction

    def execute(self, sql, values=()):
        return self._run(sql, lambda: self._real.execute(sql, values))

    def executemany(self, sql, rows):
        return self._run(sql, lambda: self._real.executemany(sql, rows))

    def close(self):
        self._real.close()

    def _run(self, sql, work):
        supply = self._supply
        if supply.out:
            raise PowerCut(sql)
        if sql.startswith("SELECT"):
            return work()
        supply.left -= 1
        if supply.left:
            return work()
        if supply.after:
            work()
        supply.out = True
        supply.last = sql
        for suffix in ("", "-wal"):
            if Path(self._path + suffix).exists():
                shutil.copy(self._path + suffix, str(supply.copy) + suffix)
        raise PowerCut(sql)
