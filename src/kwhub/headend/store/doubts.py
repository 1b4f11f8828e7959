"""Which statements may stand on something that has changed: noted in the transaction that changes it."""

from datetime import UTC, datetime

import numpy as np
from sqlalchemy import Connection, func, select, update

from kwhub.headend.store.columns import Ints
from kwhub.headend.store.many import among
from kwhub.headend.store.schema import day_number
from kwhub.headend.store.schema_archive import account
from kwhub.headend.store.schema_billing import statement

__all__ = ["note_doubts", "note_history"]

METERS_AT_ONCE = 500


def note_doubts(connection: Connection, meter: Ints, day: Ints) -> None:
    """Have the statements of some meters looked at again that reach a day or lie after it.

    Later ones as well: the tiers of a statement count on from the energy of the days before.

    Args:
        connection: of the transaction that changes something.
        meter: numbers of meters.
        day: number of a day for each.
    """
    newest = connection.execute(
        select(func.max(statement.c.last_day)).where(statement.c.cancelled_at.is_(None))
    ).scalar_one()
    if newest is None:
        return
    billed = day <= newest
    if not billed.any():
        return
    first: dict[int, int] = {}
    for meter_id, number in zip(meter[billed].tolist(), day[billed].tolist(), strict=True):
        first[meter_id] = min(number, first.get(meter_id, number))
    meters = np.array(sorted(first), "<i8")
    for start in range(0, len(meters), METERS_AT_ONCE):
        part = meters[start : start + METERS_AT_ONCE].tolist()
        query = (
            select(statement.c.id, account.c.meter_id, statement.c.last_day)
            .join(account, statement.c.account_id == account.c.id)
            .where(
                among(connection, account.c.meter_id, part),
                statement.c.cancelled_at.is_(None),
                statement.c.last_day >= min(first[each] for each in part),
            )
        )
        numbers = [
            row.id for row in connection.execute(query) if row.last_day >= first[row.meter_id]
        ]
        if numbers:
            connection.execute(
                update(statement)
                .where(among(connection, statement.c.id, numbers))
                .values(look_again=True)
            )


def note_history(connection: Connection, meter_id: int, at: datetime) -> None:
    """The same for what is dated in the archive: an exchange or another ratio from a moment on."""
    day = day_number(at.astimezone(UTC).date()) - 1  # whatever the zone
    note_doubts(connection, np.array([meter_id], "<i8"), np.array([day], "<i8"))
