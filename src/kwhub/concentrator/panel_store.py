"""What the pages of the screen have in common: meters, their states, and sums that are not made anew each time."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from kwhub.concentrator.app import Concentrator
from kwhub.concentrator.bus import Bus
from kwhub.concentrator.config_downlinks import MeterSettings, PointSettings
from kwhub.concentrator.outbox import Entry, MeterState
from kwhub.concentrator.plan import ENERGY, PlannedMeter
from kwhub.concentrator.served_task_views import reports_waiting, task_views
from kwhub.domain.errors import LocalError
from kwhub.domain.readings import Register

__all__ = ["CACHED_S", "PanelStore", "Place"]

T = TypeVar("T")

CACHED_S = 2.0
"""Sums over the store are at most so old; a screen that looks every second costs the reading nothing."""

_COUNTS = (
    "SELECT (SELECT count(*) FROM reading WHERE delivered_at IS NULL AND withheld IS NULL),"
    " (SELECT count(*) FROM reading WHERE withheld IS NOT NULL),"
    " (SELECT count(*) FROM gap WHERE state = 'open'),"
    " (SELECT count(*) FROM gap WHERE state = 'lost')"
)


class Place(NamedTuple):
    """A measuring point and where it is; one that nothing reads has no bus and is not planned."""

    settings: PointSettings
    bus: Bus | None
    meter: PlannedMeter | None
    registers: tuple[Register, ...]  #: what the store may have, the most wanted first


class PanelStore:
    """Looks at the store and the buses of one concentrator."""

    def __init__(self, concentrator: Concentrator) -> None:
        self._concentrator = concentrator
        self._clock = concentrator.clock
        self._cache: dict[str, tuple[float, Any]] = {}

    def now(self) -> int:
        """The present moment by the site's clock."""
        return int(self._clock.now().timestamp())

    def terminal(self) -> str:
        """Region and number."""
        identity = self._concentrator.config.concentrator
        return f"{identity.region}-{identity.terminal:05d}"

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Rows of a query. Raises StoreError."""
        return self._concentrator.outbox.database.rows(sql, values)

    def cached(self, name: str, make: Callable[[], T]) -> T:
        """What was made less than ``CACHED_S`` ago, or made anew."""
        now = self._clock.monotonic()
        made_at, value = self._cache.get(name, (now - CACHED_S, None))
        if now - made_at >= CACHED_S:
            value = make()
            self._cache[name] = (now, value)
        known: T = value
        return known

    def counts(self) -> tuple[int, int, int, int]:
        """Readings that wait and that are withheld, gaps that are open and lost."""
        return self.cached("counts", lambda: tuple(self.rows(_COUNTS)[0]))

    def tasks(self) -> tuple[int, int, int]:
        """Report tasks that are on, their reports that the head-end has confirmed, and those that wait."""
        database = self._concentrator.outbox.database
        confirmed = self._concentrator.counters.uplink.task_reports
        return len(task_views(database)), confirmed, reports_waiting(database)

    def states(self) -> dict[int, MeterState]:
        """What is known of each meter's manners, by point."""
        return self.cached(
            "states", lambda: {each.point: each for each in self._concentrator.outbox.meters()}
        )

    def places(self) -> dict[int, Place]:
        """Every measuring point of the archive and of the buses."""
        return self.cached("places", self._all_places)

    def _all_places(self) -> dict[int, Place]:
        places = {
            record.point: Place(MeterSettings(record.address, record.point), None, None, (ENERGY,))
            for record in self._concentrator.archive.records()
        }
        for bus in self._concentrator.buses:
            for meter in bus.meters:
                places[meter.point] = Place(meter.settings, bus, meter, _registers(meter))
        return places

    def place(self, point: int) -> Place:
        """One measuring point. Raises LocalError."""
        place = self.places().get(point)
        if place is None:
            raise LocalError(f"there is no point {point}")
        return place

    def latest(self, place: Place, register: Register) -> Entry | None:
        """The newest reading of a register."""
        meter = place.settings
        return self._concentrator.outbox.latest(meter.point, register, meter.address)


def _registers(meter: PlannedMeter) -> tuple[Register, ...]:
    found = dict.fromkeys(register for series in meter.series for register in series.registers)
    return tuple(sorted(found, key=lambda register: register != ENERGY)) or (ENERGY,)
