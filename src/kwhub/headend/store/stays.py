"""Where meters were, and with what ratio: their own dated places, crossed with the dated areas of the terminals."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from sqlalchemy import Connection, select

from kwhub.headend.store.schema import meter, terminal
from kwhub.headend.store.schema_archive import placement, terminal_area

__all__ = ["PORTION", "Stay", "seconds", "stays_of"]

PORTION = 500
"""Values in one IN list; of more meters everything is read, for few ever change."""


@dataclass(frozen=True, slots=True)
class Stay:
    """Where a meter was, and with what ratio, from one moment up to another."""

    since_s: int  #: 0: always before
    until_s: int | None  #: exclusive; None: until now
    area_id: int
    ratio: Decimal


_Homes: TypeAlias = Mapping[int, Sequence[tuple[int, int | None, int]]]
"""By terminal: from when on, up to when, and in which area; only of terminals that were moved."""


def stays_of(connection: Connection, meters: Collection[int] | None) -> dict[int, list[Stay]]:
    """The stays of those meters, None for all, that were ever moved, alone or with their terminal; oldest first."""
    homes = _homes(connection)
    found: dict[int, list[Stay]] = defaultdict(list)
    some = None if meters is None or len(meters) > PORTION else meters
    places = (
        select(placement, terminal.c.area_id)
        .join(terminal, placement.c.terminal_id == terminal.c.id)
        .order_by(placement.c.valid_from.nulls_first())
    )
    if some is not None:
        places = places.where(placement.c.meter_id.in_(some))
    for row in connection.execute(places):
        until = None if row.valid_to is None else seconds(row.valid_to)
        stay = Stay(seconds(row.valid_from), until, row.area_id, Decimal(row.ratio))
        found[row.meter_id] += _crossed(stay, homes.get(row.terminal_id, ()))
    if homes:
        behind = select(meter.c.id, meter.c.terminal_id, meter.c.ratio).where(
            meter.c.terminal_id.in_(select(terminal_area.c.terminal_id))
        )
        if some is not None:
            behind = behind.where(meter.c.id.in_(some))
        for row in connection.execute(behind):
            if row.id not in found:
                always = Stay(0, None, 0, Decimal(row.ratio))
                found[row.id] += _crossed(always, homes[row.terminal_id])
    return dict(found)


def seconds(moment: datetime | None) -> int:
    """Seconds since 1970; 0 for what was always so."""
    return 0 if moment is None else int(moment.timestamp())


def _homes(connection: Connection) -> _Homes:
    """An area lasts until the next one: that a terminal was retired says nothing about what was behind it."""
    found: dict[int, list[tuple[int, int | None, int]]] = defaultdict(list)
    query = select(terminal_area).order_by(terminal_area.c.valid_from.nulls_first())
    for row in connection.execute(query):
        own = found[row.terminal_id]
        since = seconds(row.valid_from) if own else 0
        if own:
            begin, _, area_id = own.pop()
            own.append((begin, since, area_id))
        own.append((since, None, row.area_id))
    return found


def _crossed(stay: Stay, homes: Sequence[tuple[int, int | None, int]]) -> Iterator[Stay]:
    """A stay behind one terminal, cut where the terminal was moved."""
    if not homes:
        yield stay
    for since_s, until_s, area_id in homes:
        begin = max(stay.since_s, since_s)
        ends = [each for each in (stay.until_s, until_s) if each is not None]
        end = min(ends, default=None)
        if end is None or begin < end or begin == end == stay.since_s:
            yield Stay(begin, end, area_id, stay.ratio)
