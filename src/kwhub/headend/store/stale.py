"""Which kept figures no longer say what the readings say: noted in the transaction that changes the readings."""

import numpy as np
from sqlalchemy import Connection, select

from kwhub.headend.store import schema
from kwhub.headend.store.columns import Ints
from kwhub.headend.store.doubts import note_doubts
from kwhub.headend.store.many import among, tuples, upsert_columns
from kwhub.headend.store.schema_archive import placement, terminal_area
from kwhub.headend.store.schema_figures import area_stale

__all__ = ["note_stale"]

_DAY_BITS, _DAY_ZERO = 32, 1 << 31  # an area and a day as one integer


def note_stale(connection: Connection, meter: Ints, day: Ints) -> None:
    """Note the areas of some meters on some days, and the statements that stand on them.

    Args:
        connection: of the transaction that changes something.
        meter: numbers of meters.
        day: number of a day for each.
    """
    if not len(meter):
        return
    note_doubts(connection, meter, day)
    different = np.unique(meter)
    area, of = _areas(connection, different)
    # A meter has the one area that it is in, and those that it was in: a few of them have any.
    order = np.argsort(meter, kind="stable")
    begins = np.searchsorted(meter[order], different[of])
    counts = np.searchsorted(meter[order], different[of], side="right") - begins
    rows_of = np.arange(counts.sum()) + np.repeat(begins - np.cumsum(counts) + counts, counts)
    wanted = np.repeat(area, counts) << _DAY_BITS | day[order][rows_of] + _DAY_ZERO
    pairs, counts = np.unique(wanted, return_counts=True)
    rows = {
        "day": ((pairs & (1 << _DAY_BITS) - 1) - _DAY_ZERO).tolist(),
        "area_id": (pairs >> _DAY_BITS).tolist(),
        "count": counts.tolist(),
    }
    upsert_columns(connection, area_stale, rows, add="count")


def _areas(connection: Connection, meters: Ints) -> tuple[Ints, Ints]:
    """Areas in which some meters are or ever were, and for each the place of its meter in the question."""
    table, terminal, place, home = schema.meter, schema.terminal, placement, terminal_area
    present = select(table.c.id, terminal.c.area_id).join(
        terminal, table.c.terminal_id == terminal.c.id
    )
    former = select(place.c.meter_id, terminal.c.area_id).join(
        terminal, place.c.terminal_id == terminal.c.id
    )
    with_it = select(table.c.id, home.c.area_id).join(
        home, table.c.terminal_id == home.c.terminal_id
    )
    before = select(place.c.meter_id, home.c.area_id).join(
        home, place.c.terminal_id == home.c.terminal_id
    )
    numbers = meters.tolist()
    found: set[tuple[int, int]] = set()
    for query, column in (
        (present, table.c.id),
        (former, place.c.meter_id),
        (with_it, table.c.id),
        (before, place.c.meter_id),
    ):
        found |= set(tuples(connection, query.where(among(connection, column, numbers))))
    columns = np.array(sorted(found), "<i8").reshape(-1, 2)
    return columns[:, 1], np.searchsorted(meters, columns[:, 0])
