"""Answers to what the head-end asks of the concentrator itself, from its store.

Source: Q/GDW 1376.1-2013, AFN 0B, 0C and 0D. An item without any value is left out of the answer.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, tzinfo

from kwhub.concentrator.archive import Archive
from kwhub.concentrator.events import Events
from kwhub.concentrator.outbox import Outbox
from kwhub.concentrator.plan import PlannedMeter
from kwhub.concentrator.served_current import Current
from kwhub.concentrator.served_history import History
from kwhub.concentrator.served_shelf import Shelf
from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376 import afn_0b, afn_0c, afn_0d
from kwhub.protocols.gdw1376.frames import Frame1376
from kwhub.protocols.gdw1376.points import ALL_POINTS
from kwhub.protocols.gdw1376.tables import layout_of
from kwhub.protocols.gdw1376.units import MARK_BYTES, Item, Unit, items

__all__ = ["Answers"]

_TASKS = 64 + 1
"""04-F65 sets the task of 0B-F1, 04-F66 that of 0B-F2."""
_TASK_HEAD_BYTES = 9


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

    def of(self, frame: Frame1376, clock: datetime) -> list[Unit]:
        """What there is to say to a request of AFN 0B, 0C or 0D; empty when there is nothing.

        A value that the uplink has no way to say counts as none.

        Args:
            frame: the request.
            clock: naive wall time of the site.
        """
        found: list[Unit] = []
        for unit in frame.units:
            for item in items(unit, layout_of(frame.afn, up=False)):
                if frame.afn == afn_0b.AFN:
                    found += self._task(item, clock)
                else:
                    found += self._units(frame.afn, item, clock)
        return found

    def _units(self, afn: int, item: Item, clock: datetime) -> Iterator[Unit]:
        points = self.shelf.points if item.point == ALL_POINTS else [item.point]
        for point in points:
            data = None
            with suppress(DecodeError, LocalError):
                if afn == afn_0c.AFN:
                    data = self.current.of(point, item.function, clock)
                elif afn == afn_0d.AFN:
                    data = self.history.of(point, item.function, item.data)
            if data is not None:
                yield Unit((point,), (item.function,), data)

    def _task(self, item: Item, clock: datetime) -> list[Unit]:
        """The data that a report task names; of class 1 alone, which needs no time tags."""
        if self._archive is None or item.function != 1:
            return []
        found: list[Unit] = []
        for task in self._archive.parameters(_TASKS, item.point):
            marks = task.data[_TASK_HEAD_BYTES:]
            for at in range(0, len(marks), MARK_BYTES):
                unit = Unit.from_mark(marks[at : at + MARK_BYTES], b"")
                for point in unit.points:
                    for function in unit.functions:
                        found += self._units(afn_0c.AFN, Item(point, function, b""), clock)
        return found
