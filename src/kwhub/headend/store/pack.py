"""Packing: moves readings from the journal into day vectors, in one transaction, in bulk.

Because the journal rows go away in the same transaction in which their readings appear in the
vectors, a crash at any point leaves every reading in exactly one of the two places; and because
merging is idempotent, a batch that a terminal sends again changes nothing.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
from sqlalchemy import Connection, bindparam, delete, select, text

from kwhub.domain.readings import Quality
from kwhub.headend.store import schema
from kwhub.headend.store.columns import Columns, Ints, concatenate
from kwhub.headend.store.database import upsert
from kwhub.headend.store.days import Days
from kwhub.headend.store.journal import Entry, entries
from kwhub.headend.store.vectors import EMPTY, Packed, Series, decode, encode, merge

__all__ = ["Packing", "pack"]

BATCHES_MAX = 2_000
"""Journal rows that one transaction packs, so that others get to write in between."""

PARAMETERS_MAX = 500
"""Values in one IN list."""

Key: TypeAlias = tuple[int, int, str, int]
"""Meter, interval, register, day: everything of a day vector's key but the version."""

CONFLICT = "conflict"
REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class Packing:
    """What one transaction did."""

    batches: int = 0
    readings: int = 0
    repeated: int = 0  #: readings that were there already
    conflicts: int = 0  #: readings kept beside a different measurement


@dataclass(slots=True)
class _Work:
    """Rows to be written at the end."""

    vectors: list[dict[str, Any]] = field(default_factory=list)
    latest: dict[tuple[int, str, int], dict[str, Any]] = field(default_factory=dict)
    tallies: Counter[tuple[int, str]] = field(default_factory=Counter)


def pack(connection: Connection, days: Days, *, batches_max: int = BATCHES_MAX) -> Packing:
    """Pack the oldest batches of the journal. The caller's transaction makes it all or nothing."""
    if connection.dialect.name == "postgresql":  # one packer at a time; readers go on
        connection.execute(text("LOCK TABLE day_vector IN SHARE ROW EXCLUSIVE MODE"))
    found = list(entries(connection, limit=batches_max))
    if not found:
        return Packing()
    columns = concatenate([entry.columns for entry in found])
    entry_of = np.repeat(np.arange(len(found)), [len(entry.columns) for entry in found])
    groups = list(_groups(columns, days.numbers(columns.at, columns.interval)))
    stored = _stored(connection, [key for key, _ in groups])
    work = _Work()
    for key, rows in groups:
        _merge_day(key, columns.take(rows), stored.get(key, {}), days, work)
        _note_latest(key, columns.take(rows), found, entry_of[rows], work)
    _write(connection, work)
    # By number, one by one: a lower number may still be committed by another writer.
    connection.execute(
        delete(schema.journal).where(schema.journal.c.sequence == bindparam("number")),
        [{"number": entry.sequence} for entry in found],
    )
    kinds: Counter[str] = Counter()
    for (_, kind), count in work.tallies.items():
        kinds[kind] += count
    return Packing(len(found), len(columns), kinds[REPEATED], kinds[CONFLICT])


def _groups(columns: Columns, day: Ints) -> Iterator[tuple[Key, Ints]]:
    """The rows of each day vector, in the order of their arrival."""
    keys = (columns.meter, columns.interval, columns.register, day)
    order = np.lexsort(keys[::-1])  # stable
    new = np.zeros(len(order), bool)
    new[0] = True
    for key in keys:
        new[1:] |= key[order[1:]] != key[order[:-1]]
    starts = np.flatnonzero(new)
    for rows in np.split(order, starts[1:]):
        one = rows[0]
        yield (
            (
                int(columns.meter[one]),
                int(columns.interval[one]),
                columns.registers[columns.register[one]],
                int(day[one]),
            ),
            rows,
        )


def _stored(connection: Connection, keys: Sequence[Key]) -> dict[Key, dict[int, Packed]]:
    """Every version of the day vectors that readings are about to join."""
    table = schema.day_vector
    wanted = set(keys)
    meters = sorted({key[0] for key in keys})
    days = [key[3] for key in keys]
    found: dict[Key, dict[int, Packed]] = {}
    for start in range(0, len(meters), PARAMETERS_MAX):
        query = select(table).where(
            table.c.meter_id.in_(meters[start : start + PARAMETERS_MAX]),
            table.c.interval_s.in_(sorted({key[1] for key in keys})),
            table.c.register.in_(sorted({key[2] for key in keys})),
            table.c.day.between(min(days), max(days)),
        )
        for row in connection.execute(query):
            key = (row.meter_id, row.interval_s, row.register, row.day)
            if key in wanted:
                packed = Packed(row.scale, row.moments, row.present, row.vector)
                found.setdefault(key, {})[row.version] = packed
    return found


def _merge_day(key: Key, new: Columns, stored: dict[int, Packed], days: Days, work: _Work) -> None:
    """Merge into version 0 what agrees with it, into version 1 what does not, and so on."""
    start_s = days.number_start_s(key[3])
    left = Series(new.at, new.value, new.quality)
    version = 0
    while len(left):
        old = decode(stored[version], start_s) if version in stored else EMPTY
        merged, other, unchanged = merge(old, left)
        added = len(left) - len(other) - unchanged
        if added:
            work.vectors.append(_row(key, version, encode(merged, start_s)))
        work.tallies[key[3], REPEATED] += unchanged
        work.tallies[key[3], CONFLICT] += added if version else 0
        left = other
        version += 1


def _row(key: Key, version: int, packed: Packed) -> dict[str, Any]:
    meter_id, interval_s, register, day = key
    return {
        "meter_id": meter_id,
        "interval_s": interval_s,
        "register": register,
        "day": day,
        "version": version,
        "scale": packed.scale,
        "moments": packed.count,
        "present": packed.present,
        "vector": packed.raw,
    }


def _note_latest(
    key: Key, new: Columns, found: Sequence[Entry], entry_of: Ints, work: _Work
) -> None:
    """Remember the newest value of the group if it is the newest of its series."""
    present = np.flatnonzero(new.quality != Quality.NULL)
    if not len(present):
        return
    newest = present[np.argmax(new.at[present])]  # of equals the first to arrive
    meter_id, interval_s, register, _ = key
    captured_at = int(new.at[newest])
    before = work.latest.get((meter_id, register, interval_s))
    if before is None or captured_at > before["captured_at"]:
        entry = found[entry_of[newest]]
        received_at: datetime = entry.received_at
        work.latest[meter_id, register, interval_s] = {
            "meter_id": meter_id,
            "register": register,
            "interval_s": interval_s,
            "value": int(new.value[newest]),
            "quality": int(new.quality[newest]),
            "captured_at": captured_at,
            "received_at": received_at,
            "source": entry.source,
        }


def _write(connection: Connection, work: _Work) -> None:
    upsert(connection, schema.day_vector, work.vectors)
    upsert(connection, schema.latest, list(work.latest.values()), newer="captured_at")
    tallies = [
        {"day": day, "kind": kind, "count": count}
        for (day, kind), count in work.tallies.items()
        if count
    ]
    upsert(connection, schema.tally, tallies, add="count")
