"""The days on which meters were somewhere else than they are, for questions that the database answers."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import CTE, Connection, select

from kwhub.headend.store.days import Days
from kwhub.headend.store.many import rows_of
from kwhub.headend.store.schema import day_number, local_date, meter, terminal
from kwhub.headend.store.stays import Stay, stays_of

__all__ = ["FAR", "Homes"]

FAR = 10**8
"""Number of a day that never comes."""


@dataclass(frozen=True, slots=True)
class Homes:
    """Areas of the meters that have a history, day by day; of any other the present one has always been true.

    A day belongs to the area in which the meter was when it began. A day on which a meter was in no area, for it was
    out of service, belongs to none; who began later than always does so in ``since_day`` of its row.
    """

    _stays: dict[int, list[tuple[int, int, int]]]  #: first day, day after the last, and area

    @classmethod
    def load(cls, connection: Connection, days: Days) -> "Homes":
        """Read them of all meters."""
        found = stays_of(connection, None)
        return cls({each: _by_day(days, own) for each, own in found.items()})

    @property
    def meters(self) -> Collection[int]:
        """Numbers of the meters with a history."""
        return self._stays.keys()

    def area(self, meter_id: int, day: int) -> int | None:
        """Where a meter with a history was on a day; None: nowhere."""
        for first, end, area_id in self._stays[meter_id]:
            if first <= day < end:
                return area_id
        return None

    def elsewhere(self, connection: Connection) -> CTE | None:
        """``meter_id``, ``first_day``, ``end_day``, ``area_id`` of stays in another than the present area; None: no such."""
        query = select(meter.c.id, terminal.c.area_id).join(
            terminal, meter.c.terminal_id == terminal.c.id
        )
        present = {}
        if self._stays:
            present = {row.id: row.area_id for row in connection.execute(query)}
        rows = [
            (each, *stay)
            for each, own in self._stays.items()
            for stay in own
            if stay[2] != present.get(each)
        ]
        if not rows:
            return None
        names = ("meter_id", "first_day", "end_day", "area_id")
        return rows_of(connection, dict(zip(names, zip(*rows, strict=True), strict=True)))


def _by_day(days: Days, stays: list[Stay]) -> list[tuple[int, int, int]]:
    return [
        (_first(days, stay.since_s), _first(days, stay.until_s), stay.area_id) for stay in stays
    ]


def _first(days: Days, moment_s: int | None) -> int:
    """The first day that does not begin before a moment."""
    if moment_s is None:
        return FAR
    if not moment_s:
        return -FAR
    number = day_number(days.of(datetime.fromtimestamp(moment_s, UTC)))
    return number + (days.start_s(local_date(number)) < moment_s)
