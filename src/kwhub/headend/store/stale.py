"""Which kept figures no longer say what the readings say: noted in the transaction that changes the readings."""

import numpy as np
from sqlalchemy import Connection, select

from kwhub.headend.store import schema
from kwhub.headend.store.columns import Ints
from kwhub.headend.store.doubts import note_doubts
from kwhub.headend.store.many import among, tuples, upsert_columns
from kwhub.headend.store.schema_archive import placement
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
    table, terminal, place = schema.meter, schema.terminal, placement
    present = select(table.c.id, terminal.c.area_id).join(
        terminal, table.c.terminal_id == terminal.c.id
    )
    former = select(place.c.meter_id, terminal.c.area_id).join(
        terminal, place.c.terminal_id == terminal.c.id
    )
    numbers = meters.tolist()
    found = set(tuples(connection, present.where(among(connection, table.c.id, numbers))))
    found |= set(tuples(connection, former.where(among(connection, place.c.meter_id, numbers))))
    columns = np.array(sorted(found), "<i8").reshape(-1, 2)
    return columns[:, 1], np.searchsorted(meters, columns[:, 0])
