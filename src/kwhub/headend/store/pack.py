"""Packing: moves readings from the journal into day vectors, in one transaction, in bulk.

Because the journal rows go away in the same transaction in which their readings appear in the
vectors, a crash at any point leaves every reading in exactly one of the two places; and because
merging is idempotent, a batch that a terminal sends again changes nothing.
"""

from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Connection, delete, text

from kwhub.domain.readings import DAY_INTERVAL_S, Quality
from kwhub.headend.store import schema
from kwhub.headend.store.bundles import Merged, decode_all, encode_all, merge_all
from kwhub.headend.store.columns import Columns, Ints, concatenate
from kwhub.headend.store.database import upsert
from kwhub.headend.store.days import Days
from kwhub.headend.store.journal import Entry, oldest
from kwhub.headend.store.many import upsert_columns
from kwhub.headend.store.schema_quality import to_check
from kwhub.headend.store.service import begin_earlier
from kwhub.headend.store.stale import note_stale
from kwhub.headend.store.stored import stored_days
from kwhub.headend.store.vectors import Packed, Series

__all__ = ["Packing", "pack"]

BATCHES_MAX = 2_000
"""Journal rows that one transaction packs, so that others get to write in between."""

READINGS_MAX = 1_000_000
"""And readings in them, but for a single row that has more."""

PARAMETERS_MAX = 500
"""Values in one IN list."""

CONFLICT = "conflict"
REPEATED = "repeated"

_DAY_BITS, _DAY_ZERO = 32, 1 << 31  # a meter and a day as one integer


@dataclass(frozen=True, slots=True)
class Packing:
    """What one transaction did."""

    batches: int = 0
    readings: int = 0
    repeated: int = 0  #: readings that were there already
    conflicts: int = 0  #: readings kept beside a different measurement


@dataclass(frozen=True, slots=True)
class _Groups:
    """The series of a day that readings are about to join, in the order of their keys.

    Attributes:
        meter: number of the meter of each group.
        interval: spacing in seconds.
        register: code.
        day: number of the day.
        start_s: beginning of the day, seconds since 1970.
        of: the group of each reading.
    """

    meter: Ints
    interval: Ints
    register: list[str]
    day: Ints
    start_s: Ints
    of: Ints

    def __len__(self) -> int:
        return len(self.meter)


@dataclass(slots=True)
class _Work:
    """Rows to be written at the end.

    Attributes:
        places: number of the group and version of each vector.
        vectors: the vectors.
        repeated: by group, readings that changed nothing.
        conflicts: by group, readings kept beside a measurement.
        touched: meter and day of every series that changed, as often as one did.
        begun: meter and day of which the register at the beginning changed.
    """

    places: list[tuple[int, int]] = field(default_factory=list)
    vectors: list[Packed] = field(default_factory=list)
    repeated: Ints = field(default_factory=lambda: np.zeros(0, "<i8"))
    conflicts: Ints = field(default_factory=lambda: np.zeros(0, "<i8"))
    touched: list[tuple[Ints, Ints]] = field(default_factory=list)
    begun: list[tuple[Ints, Ints]] = field(default_factory=list)


def pack(connection: Connection, days: Days, *, batches_max: int = BATCHES_MAX) -> Packing:
    """Pack the oldest batches of the journal. The caller's transaction makes it all or nothing."""
    if connection.dialect.name == "postgresql":  # one packer at a time; readers go on
        connection.execute(text("LOCK TABLE day_vector IN SHARE ROW EXCLUSIVE MODE"))
    found = oldest(connection, batches_max, READINGS_MAX)
    if not found:
        return Packing()
    columns = concatenate([entry.columns for entry in found])
    groups = _groups(columns, days)
    work = _merge(connection, columns, groups)
    _write_vectors(connection, groups, work)
    _write_latest(connection, columns, groups, found)
    _write_tallies(connection, groups, work)
    # By number, one by one: a lower number may still be committed by another writer.
    numbers = [entry.sequence for entry in found]
    table = schema.journal
    for at in range(0, len(numbers), PARAMETERS_MAX):
        some = numbers[at : at + PARAMETERS_MAX]
        connection.execute(delete(table).where(table.c.sequence.in_(some)))
    return Packing(len(found), len(columns), int(work.repeated.sum()), int(work.conflicts.sum()))


def _groups(columns: Columns, days: Days) -> _Groups:
    """Find out which series of which day every reading belongs to."""
    names = sorted(columns.registers)
    places = np.array([names.index(each) for each in columns.registers], "<i8")
    day = days.numbers(columns.at, columns.interval)
    keys = (columns.meter, columns.interval, places[columns.register], day)
    # Readings of a series mostly stand together: only the first of each run is sorted.
    begins = np.zeros(len(columns), bool)
    begins[0] = True
    for key in keys:
        begins[1:] |= key[1:] != key[:-1]
    runs = np.flatnonzero(begins)
    heads = [key[runs] for key in keys]
    order = np.lexsort(heads[::-1])
    new = np.zeros(len(runs), bool)
    new[0] = True
    for head in heads:
        new[1:] |= head[order[1:]] != head[order[:-1]]
    of_run = np.empty(len(runs), "<i8")
    of_run[order] = np.cumsum(new) - 1
    meter, interval, register, number = (head[order[new]] for head in heads)
    return _Groups(
        meter,
        interval,
        [names[each] for each in register.tolist()],
        number,
        days.starts_s(number),
        np.repeat(of_run, np.diff(np.append(runs, len(columns)))),
    )


def _merge(connection: Connection, columns: Columns, groups: _Groups) -> _Work:
    """Merge into version 0 what counts, into version 1 what differs from it, and so on."""
    stored = stored_days(connection, groups.meter, groups.interval, groups.register, groups.day)
    nothing = np.zeros(len(groups), "<i8")
    work = _Work(repeated=nothing, conflicts=nothing.copy())
    left, of = Series(columns.at, columns.value, columns.quality), groups.of
    version = 0
    while len(left):
        numbers, packed = stored.get(version, ([], []))
        old_groups = np.array(numbers, "<i8")
        old = decode_all(packed, groups.start_s[old_groups])
        merged = merge_all(old, old_groups, left, of, groups.start_s)
        _note(work, groups, merged, (left, of), version)
        left, of = merged.other, merged.of
        version += 1
    return work


def _note(
    work: _Work, groups: _Groups, merged: Merged, new: tuple[Series, Ints], version: int
) -> None:
    """Note what is to be written of one version."""
    left, of = new
    size = len(groups)
    work.repeated += merged.repeated
    if version:
        work.conflicts += merged.grown
    changed = merged.groups
    work.vectors += encode_all(merged.bundle, groups.start_s[changed])
    work.places += [(group, version) for group in changed.tolist()]
    work.touched.append((groups.meter[changed], groups.day[changed]))
    # The first value of a day ends the day before.
    ends = np.bincount(of[left.at == groups.start_s[of]], minlength=size)[changed] > 0
    before = changed[ends & (groups.interval[changed] != DAY_INTERVAL_S)]
    work.touched.append((groups.meter[before], groups.day[before] - 1))
    # And the freeze of a day begins the next one.
    frozen = changed[groups.interval[changed] == DAY_INTERVAL_S]
    work.begun.append((groups.meter[frozen], groups.day[frozen] + 1))


def _write_vectors(connection: Connection, groups: _Groups, work: _Work) -> None:
    where = [group for group, _ in work.places]
    rows = {
        "meter_id": groups.meter[where].tolist(),
        "interval_s": groups.interval[where].tolist(),
        "register": [groups.register[each] for each in where],
        "day": groups.day[where].tolist(),
        "version": [version for _, version in work.places],
        "scale": [each.scale for each in work.vectors],
        "moments": [each.count for each in work.vectors],
        "present": [each.present for each in work.vectors],
        "vector": [each.raw for each in work.vectors],
    }
    upsert_columns(connection, schema.day_vector, rows)


def _write_latest(
    connection: Connection, columns: Columns, groups: _Groups, found: list[Entry]
) -> None:
    """Remember the newest value of every series; of several at one moment that which counts, see `vectors.merge`."""
    present = np.flatnonzero(columns.quality != Quality.NULL)
    # The groups of a series follow one another in the order of their days.
    of = groups.of[present]
    place = columns.at[present] - groups.start_s[of]
    newest = np.full(len(groups), -1, "<i8")
    np.maximum.at(newest, of, place)
    first = np.full(len(groups), len(columns), "<i8")
    wins = np.flatnonzero(place == newest[of])
    rows = present[wins]
    ranks = np.lexsort((-columns.quality[rows].astype("<i8"), -columns.value[rows], of[wins]))
    ranked = wins[ranks]
    best = np.flatnonzero(np.diff(of[ranked], prepend=-1))
    first[of[ranked[best]]] = present[ranked[best]]
    known = np.flatnonzero(newest >= 0)
    if not len(known):
        return
    series = np.zeros(len(known), bool)  # the last group of its series
    series[-1] = True
    registers = np.array(groups.register)
    for key in (groups.meter, groups.interval, registers):
        series[:-1] |= key[known[1:]] != key[known[:-1]]
    known = known[series]
    rows = first[known]
    lengths = [len(entry.columns) for entry in found]
    origins = np.repeat(np.arange(len(found)), lengths)[rows].tolist()
    latest = {
        "meter_id": groups.meter[known].tolist(),
        "register": registers[known].tolist(),
        "interval_s": groups.interval[known].tolist(),
        "value": columns.value[rows].tolist(),
        "quality": columns.quality[rows].tolist(),
        "captured_at": columns.at[rows].tolist(),
        "received_at": [found[each].received_at for each in origins],
        "source": [found[each].source for each in origins],
    }
    upsert_columns(connection, schema.latest, latest, newer=("captured_at", "value", "quality"))


def _write_tallies(connection: Connection, groups: _Groups, work: _Work) -> None:
    """Count repeats and conflicts by day, and note the days that are to be validated."""
    tallies = [
        {"day": int(day), "kind": kind, "count": int(count[groups.day == day].sum())}
        for kind, count in ((REPEATED, work.repeated), (CONFLICT, work.conflicts))
        for day in np.unique(groups.day[count > 0])
    ]
    upsert(connection, schema.tally, tallies, add="count")
    pairs = [meter.astype("<i8") << _DAY_BITS | day + _DAY_ZERO for meter, day in work.touched]
    touched, counts = np.unique(np.concatenate(pairs), return_counts=True)
    to_be_checked = {
        "meter_id": (touched >> _DAY_BITS).tolist(),
        "day": ((touched & (1 << _DAY_BITS) - 1) - _DAY_ZERO).tolist(),
        "count": counts.tolist(),
    }
    upsert_columns(connection, to_check, to_be_checked, add="count")
    stale = [*work.touched, *work.begun]
    meters = np.concatenate([meter for meter, _ in stale])
    note_stale(connection, meters, np.concatenate([day for _, day in stale]))
    begin_earlier(connection, groups.meter, groups.day)
