"""What could be had of a simulated area: from what its meters keep and from what was down when.

Nothing here is told by the concentrator. A meter of DL/T 645 keeps load records and day freezes for 62 days,
so its values can be had as soon as there is power again. A meter on the M-Bus keeps nothing: its hour can be
had while the concentrator, by its own clock, is within the window of the plan, if it has power for long
enough to read the whole line.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from kwhub.cli.area_world import ZONE, AreaWorld
from kwhub.concentrator.outbox_rows import Slot
from kwhub.concentrator.plan import Plan, PlannedMeter
from kwhub.concentrator.times import aligned, midnight
from kwhub.domain.readings import DAY_INTERVAL_S
from kwhub.sim.records import RECORDS_S

__all__ = ["AreaTruth"]

FAIR_S: Final = 60
"""Seconds with power in which one meter can be read, and a way up be found."""

MBUS_FAIR_S: Final = 6
"""Seconds more for each meter of the M-Bus line: selection, readout and a repeat at 2400 baud."""

TARIFFS_KEPT: Final = 4
"""Tariffs that a simulated meter counts apart."""

_MOMENTS_CACHED: Final = 512


class AreaTruth:
    """What was planned, and which of it the world gave anybody a chance to read."""

    def __init__(self, world: AreaWorld, start: datetime, end: datetime) -> None:
        """Look at an area.

        Args:
            world: what hangs below, and the settings.
            start: aware first moment of the play.
            end: aware last moment of it.
        """
        settings = world.settings()
        self._zone = ZoneInfo(ZONE)
        self._plan = Plan(settings.plan, self._zone)
        self.meters: tuple[PlannedMeter, ...] = tuple(
            self._plan.meter(meter) for line in settings.downlinks.values() for meter in line.meter
        )
        self.end = int(end.timestamp())
        self._line_s = FAIR_S + MBUS_FAIR_S * len(world.mbus)
        begin = int(start.timestamp())
        self._dark = [_span(begin, cut.after_h, cut.minutes) for cut in world.file.power_cut]
        self._wrong = [
            (*_span(begin, step.after_h, step.minutes), step.seconds)
            for step in world.file.clock_step
        ]
        self._pieces = tuple(self._cut(begin))
        self.chance_s = lru_cache(maxsize=_MOMENTS_CACHED)(self._chance_s)

    def planned(self, meter: PlannedMeter, first: datetime, stop: datetime) -> Iterator[Slot]:
        """Every planned value of a meter from ``first`` to ``stop``, whole days of the site.

        The freeze of a day is the one that was taken at its end.
        """
        begin, end = int(first.timestamp()), int(stop.timestamp())
        for series in meter.series:
            if series.interval_s == DAY_INTERVAL_S:
                days = (stop - first) // timedelta(days=1)
                day = first.astimezone(self._zone).date()
                moments = [midnight(day + timedelta(days=n + 1), self._zone) for n in range(days)]
            else:
                moments = list(aligned(begin - 1, end - 1, series.interval_s, self._zone))
            for at in moments:
                for register in series.registers:
                    yield Slot(meter.point, register, series.interval_s, at)

    def could_be_had(self, meter: PlannedMeter, slot: Slot) -> bool:
        """Whether a concentrator without fault would have the value at the end of the play."""
        if not meter.has_history:
            return self.chance_s(slot.at) >= self._line_s
        if (
            slot.interval_s == DAY_INTERVAL_S
            and int(slot.register.rpartition(".")[2]) > TARIFFS_KEPT
        ):
            return False
        return self.end - slot.at < RECORDS_S and self._lit_s(slot.at) >= FAIR_S

    def _chance_s(self, at: int) -> int:
        """Seconds with power in which the concentrator's clock was in the window of a full hour."""
        settings = self._plan.settings
        return sum(
            max(
                0,
                min(stop, at + settings.hourly_window_s - error_s)
                - max(begin, at + settings.settle_s - error_s),
            )
            for begin, stop, error_s in self._pieces
        )

    def _lit_s(self, at: int) -> int:
        return sum(max(0, stop - max(begin, at)) for begin, stop, _ in self._pieces)

    def _cut(self, start: int) -> Iterator[tuple[int, int, int]]:
        """The time with power, in pieces of a constant error of the clock: begin, stop, error in seconds."""
        edges = {start, self.end}
        for begin, stop in [*self._dark, *(step[:2] for step in self._wrong)]:
            edges |= {min(max(each, start), self.end) for each in (begin, stop)}
        ordered = sorted(edges)
        for begin, stop in pairwise(ordered):
            if not any(off <= begin < on for off, on in self._dark):
                yield begin, stop, sum(s for b, e, s in self._wrong if b <= begin < e)


def _span(start: int, after_h: float, minutes: float) -> tuple[int, int]:
    begin = start + round(after_h * 3600)
    return begin, begin + round(minutes * 60)
