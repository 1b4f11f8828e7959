"""Important events on their way up: what the head-end denies is kept and offered again later, as readings are.

Source: Q/GDW 1376.1-2013, AFN 0E. A report of several records that is denied is offered record by record, so that one
bad record does not hold up the others.
"""

from collections.abc import Sequence

import structlog

from kwhub.concentrator.counters import UplinkCounters
from kwhub.concentrator.events import RECORDS_KEPT, Event, Events
from kwhub.concentrator.uplink_outcomes import Silence
from kwhub.runtime.clock import Clock

__all__ = ["AGAIN_S", "EVENTS_PER_REPORT", "EventReports"]

AGAIN_S = 3_600.0
"""After this time a record that was denied is offered again."""

EVENTS_PER_REPORT = 16


class EventReports:
    """What is to be reported next; outlives connections."""

    def __init__(self, events: Events, clock: Clock, counters: UplinkCounters) -> None:
        self._events = events
        self._clock = clock
        self._counters = counters
        self.silence = Silence(clock)
        self._again_at: dict[int, float] = {}  # monotonic seconds by record that was denied
        self._one_by_one: set[int] = set()  # records of a report that was denied

    def due(self) -> list[Event]:
        """The oldest records that are to be offered now, in one report."""
        if self.silence.lasts:
            return []
        waiting = self._events.unreported(RECORDS_KEPT)
        now = self._clock.monotonic()
        kept = {each.id for each in waiting}
        self._one_by_one &= kept
        self._again_at = {
            place: at for place, at in self._again_at.items() if place in kept and at > now
        }
        due = [each for each in waiting if each.id not in self._again_at]
        if due and self.silence.turn is not None:
            return [due[self.silence.turn % len(due)]]
        if due and due[0].id in self._one_by_one:
            return due[:1]
        together = [each for each in due if each.id not in self._one_by_one]
        return together[:EVENTS_PER_REPORT]

    def confirmed(self, reported: Sequence[Event]) -> None:
        """The head-end has them; see also `silence`. Raises StoreError: nobody knows, they are offered again."""
        self._events.reported([each.id for each in reported], int(self._clock.now().timestamp()))
        self._counters.events_reported += len(reported)

    def denied(self, offered: Sequence[Event]) -> None:
        """The head-end does not want them, or one of them."""
        if len(offered) > 1:
            self._one_by_one |= {each.id for each in offered}
            return
        self._again_at |= {each.id: self._clock.monotonic() + AGAIN_S for each in offered}
        self._counters.events_denied += len(offered)
        if len(self._again_at) == 1:
            log = structlog.get_logger("kwhub.concentrator")
            log.warning(
                "the head-end denies a report of an event, which is offered again later",
                code=offered[0].record.code,
                number=offered[0].number,
                hours=AGAIN_S / 3_600,
            )
