"""0D-F239: the ledger of a point and day for the head-end, value by value.

Source: `kwhub.protocols.gdw1376.missing_values`, an extension of this package.
"""

from collections.abc import Iterator
from datetime import datetime

from kwhub.concentrator.database import Database
from kwhub.concentrator.ledger import LedgerBook, Missing
from kwhub.concentrator.served_shelf import Shelf
from kwhub.concentrator.times import instant, wall
from kwhub.protocols.gdw1376.formats import A20
from kwhub.protocols.gdw1376.missing_values import MissingUnit, MissingValue
from kwhub.protocols.gdw1376.units import Unit

__all__ = ["MissingTeller"]


class MissingTeller:
    """Answers from the ledger."""

    def __init__(self, database: Database, shelf: Shelf) -> None:
        self._book = LedgerBook(database, shelf.zone)
        self._shelf = shelf

    def units(self, point: int, tag: bytes, clock: datetime) -> Iterator[Unit]:
        """The units of a point and day; none when the point has no meter.

        Args:
            point: a measuring point.
            tag: the day (A.20).
            clock: naive wall time of the site; what lies after it is not missing.

        Raises:
            DecodeError: the day is none.
            StoreError: the ledger cannot be read.
        """
        day = A20.decode(tag[: A20.size])
        if day is None or point not in self._shelf.points:
            return
        now = instant(clock, self._shelf.zone)
        lines = self._book.lines(day, day, now, [point])
        values = [self._value(each) for line in lines for each in line.missing]
        for unit in MissingUnit.of(point, day, values):
            yield unit.to_unit()

    def _value(self, missing: Missing) -> MissingValue:
        slot = missing.slot
        time = wall(slot.at, self._shelf.zone)
        word = missing.cause.value
        return MissingValue(
            slot.register, slot.interval_s, time, missing.state, word, missing.attempts
        )
