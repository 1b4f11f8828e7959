"""Which kept figures no longer say what the readings say: noted in the transaction that changes the readings."""

import numpy as np
from sqlalchemy import Connection, select

from kwhub.headend.store import schema
from kwhub.headend.store.columns import Ints
from kwhub.headend.store.doubts import note_doubts
from kwhub.headend.store.many import among, tuples, upsert_columns
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
    table, terminal = schema.meter, schema.terminal
    different, places = np.unique(meter, return_inverse=True)
    query = (
        select(table.c.id, terminal.c.area_id)
        .join(terminal, table.c.terminal_id == terminal.c.id)
        .where(among(connection, table.c.id, different.tolist()))
    )
    found = dict(tuples(connection, query))
    area = np.array([found[each] for each in different.tolist()], "<i8")[places]
    pairs, counts = np.unique(area << _DAY_BITS | day + _DAY_ZERO, return_counts=True)
    rows = {
        "day": ((pairs & (1 << _DAY_BITS) - 1) - _DAY_ZERO).tolist(),
        "area_id": (pairs >> _DAY_BITS).tolist(),
        "count": counts.tolist(),
    }
    upsert_columns(connection, area_stale, rows, add="count")
