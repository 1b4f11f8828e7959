"""Knows when two power cuts leave the same world behind: what happens then has been seen already.

A run is a function of the store, the moment and what the station has. A store whose transaction was cut is
the one from before it, wherever in the transaction that was.
"""

import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

__all__ = ["Seen"]

FILES = ("", "-journal", "-wal")


class Seen:
    """The worlds that cuts have left."""

    def __init__(self):
        self._known = set()

    def __len__(self):
        return len(self._known)

    def is_new(self, store, world):
        """Whether no cut has left the same; remembers it. ``store`` is left as it is."""
        station = world.station
        meters = [place.meter for place in world.area.places] + list(world.replaced.values())
        left = (
            _content(Path(store)),
            world.clock.now(),
            tuple(station.values.items()),
            tuple(station.arrivals.items()),
            repr([station.repeated, station.frames, station.reports, station.events]),
            repr([meter.clock for meter in meters]),
        )
        is_new = left not in self._known
        self._known.add(left)
        return is_new


def _content(store):
    """What the next process will find in a store, as one number."""
    look = store.with_name("look.sqlite")
    for end in FILES:
        Path(f"{look}{end}").unlink(missing_ok=True)
        if Path(f"{store}{end}").exists():
            shutil.copy(f"{store}{end}", f"{look}{end}")
    with closing(sqlite3.connect(look)) as connection:
        pragmas = [connection.execute(f"PRAGMA {each}").fetchone() for each in PRAGMAS]
        dump = "\n".join(connection.iterdump())
    return sha256(f"{pragmas}\n{dump}".encode()).digest()


PRAGMAS = ("user_version", "application_id", "journal_mode", "auto_vacuum")
