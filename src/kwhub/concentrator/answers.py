"""Answers to what the head-end asks of the concentrator itself, from its store.

Source: Q/GDW 1376.1-2013, AFN 0B, 0C and 0D. An item without any value is left out of the answer.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, tzinfo
from types import MappingProxyType

from kwhub.concentrator.archive import Archive
from kwhub.concentrator.events import Events
from kwhub.concentrator.outbox import Outbox
from kwhub.concentrator.plan import PlannedMeter
from kwhub.concentrator.served_current import Current
from kwhub.concentrator.served_history import History
from kwhub.concentrator.served_live import Told, Wanted
from kwhub.concentrator.served_missing import MissingTeller
from kwhub.concentrator.served_shelf import Shelf
from kwhub.concentrator.served_tasks import SETTINGS, ReportTask
from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376 import afn_0b, afn_0c, afn_0d
from kwhub.protocols.gdw1376.frames import Frame1376
from kwhub.protocols.gdw1376.missing_values import FUNCTION as MISSING
from kwhub.protocols.gdw1376.points import ALL_POINTS
from kwhub.protocols.gdw1376.tables import layout_of
from kwhub.protocols.gdw1376.units import Item, Unit, items

__all__ = ["Answers"]


class Answers:
    """Knows the store and the meters."""

    def __init__(
        self,
        outbox: Outbox,
        meters: Iterable[PlannedMeter],
        zone: tzinfo,
        *,
        archive: Archive | None = None,
        events: Events | None = None,
    ) -> None:
        self.shelf = Shelf(outbox, meters, zone)
        self._archive = archive
        self.current = Current(self.shelf, archive, events)
        self.history = History(self.shelf)
        self._missing = MissingTeller(outbox.database, self.shelf)

    def wanted(self, frame: Frame1376) -> list[Wanted]:
        """The items of a request of AFN 0B, 0C or 0D, point by point; of a task those that it names."""
        found: list[Wanted] = []
        for unit in frame.units:
            for item in items(unit, layout_of(frame.afn, up=False)):
                if frame.afn == afn_0b.AFN:
                    with suppress(DecodeError, LocalError):
                        found += self._task(item)
                else:
                    points = self.shelf.points if item.point == ALL_POINTS else [item.point]
                    found += [Wanted(frame.afn, each, item.function, item.data) for each in points]
        return found

    def of(
        self, wanted: Iterable[Wanted], clock: datetime, told: Told = MappingProxyType({})
    ) -> list[Unit]:
        """What there is to say to the items of a request; empty when there is nothing.

        A value that the uplink has no way to say counts as none.

        Args:
            wanted: what is asked.
            clock: naive wall time of the site.
            told: what meters have said to some of it; it goes before what the store has.
        """
        return [unit for each in wanted for unit in self._units(each, clock, told)]

    def _units(self, wanted: Wanted, clock: datetime, told: Told) -> Iterator[Unit]:
        if (wanted.afn, wanted.function) == (afn_0d.AFN, MISSING):
            with suppress(DecodeError, LocalError):
                yield from self._missing.units(wanted.point, wanted.tag, clock)
            return
        data = told.get(wanted)
        if data is None:
            with suppress(DecodeError, LocalError):
                if wanted.afn == afn_0c.AFN:
                    data = self.current.of(wanted.point, wanted.function, clock)
                elif wanted.afn == afn_0d.AFN:
                    data = self.history.of(wanted.point, wanted.function, wanted.tag)
        if data is not None:
            yield Unit((wanted.point,), (wanted.function,), data)

    def _task(self, item: Item) -> list[Wanted]:
        """What a report task names; of class 1 alone, which needs no time tags."""
        if self._archive is None or item.function != 1:
            return []
        found: list[Wanted] = []
        for row in self._archive.parameters(SETTINGS[0], item.point):
            task = ReportTask.from_data(1, row.point, row.data)
            found += task.wanted(self.shelf, task.base, task.base)
        return found
