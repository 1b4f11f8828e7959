"""Which way to the head-end is taken: by priority and health. Pure calculation; time is an argument.

A way is *ill* after ``failures_max`` failures in a row: a connection that could not be made, a log-in, report or
heartbeat without an answer. While another way is in use, a better one that is ill is tried now and then without
logging in; when it was healthy for ``return_after_minutes``, it is used again. A way that falls ill again soon
after that must be healthy twice as long the next time, up to eight times.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kwhub.concentrator.config_uplink import UplinkSettings
from kwhub.concentrator.counters import WayCounters
from kwhub.domain.errors import KwhubError
from kwhub.runtime.chance import Random
from kwhub.runtime.tasks import Backoff

__all__ = ["STEADY_S", "Moved", "Way", "Ways"]

STEADY_S = 60.0
"""A connection that was logged in for so long makes its way a healthy one, unless reports got no answer."""

RELAPSES_MAX = 3
"""So often the time doubles for which a way must be healthy."""

_S_PER_MINUTE = 60.0


class Moved(KwhubError):
    """A connection was ended because a better way is healthy again."""


@dataclass(eq=False, slots=True)
class Way:
    """One way to the head-end."""

    name: str
    settings: UplinkSettings
    counters: WayCounters = field(default_factory=WayCounters)
    stations: list[str] = field(default_factory=list)  #: link addresses by priority
    station: int = 0  #: number of the one to be tried next
    logged_in_at: float | None = None  #: monotonic; of the present connection
    is_mute: bool = False  #: the last report of the present connection got no answer
    failures: int = 0  #: in a row
    retry_at: float = 0.0
    healthy_since: float | None = None  #: since when it could be connected, while it is not used
    returned_at: float | None = None
    relapses: int = 0
    pauses: Iterator[float] | None = None

    def __post_init__(self) -> None:
        self.stations = self.stations or [self.settings.address]

    @property
    def is_ill(self) -> bool:
        """Whether another is to be tried first."""
        return self.failures >= self.settings.failures_max

    @property
    def hold_s(self) -> float:
        """How long it must be healthy before it is used again."""
        return self.settings.return_after_minutes * _S_PER_MINUTE * (1 << self.relapses)

    def next_station(self) -> str:
        """The address to call; the next one when this fails before the log-in."""
        address = self.stations[self.station % len(self.stations)]
        self.station += 1
        return address


class Ways:
    """All ways of one concentrator, the best first."""

    def __init__(self, ways: Sequence[Way], chance: Random) -> None:
        self.all = sorted(ways, key=lambda way: way.settings.priority)
        self._chance = chance

    def choose(self, now: float) -> tuple[Way, float]:
        """The way to take, and how long to wait before."""
        well = [way for way in self.all if not way.is_ill]
        way = well[0] if well else min(self.all, key=lambda way: way.retry_at)
        return way, max(0.0, way.retry_at - now)

    def failed(self, way: Way, now: float) -> None:
        """A connection could not be made, or ended badly."""
        up_s = 0.0 if way.logged_in_at is None else now - way.logged_in_at
        if up_s >= STEADY_S and not way.is_mute:
            way.failures, way.pauses = 0, None
        way.failures += 1
        way.healthy_since = None
        if way.is_ill and way.returned_at is not None:
            soon = now - way.returned_at < way.hold_s
            way.relapses = min(RELAPSES_MAX, way.relapses + 1) if soon else 0
            way.returned_at = None
        self.pause(way, now)

    def pause(self, way: Way, now: float) -> None:
        """Leave a way alone for a while that grows."""
        settings = way.settings
        if way.pauses is None:
            backoff = Backoff(settings.reconnect_first_s, settings.reconnect_most_s)
            way.pauses = backoff.pauses(self._chance)
        way.retry_at = now + next(way.pauses)

    def better(self, used: Way) -> list[Way]:
        """Those that ought to be used instead."""
        return self.all[: self.all.index(used)]

    def probed(self, way: Way, now: float, *, healthy: bool) -> bool:
        """Note whether a way could be connected; whether it is to be used again."""
        way.counters.probes += 1
        way.counters.probes_failed += not healthy
        if not healthy:
            way.healthy_since = None
            return False
        if way.healthy_since is None:
            way.healthy_since = now
        if now - way.healthy_since < way.hold_s:
            return False
        way.failures, way.pauses, way.retry_at = 0, None, now
        way.healthy_since, way.returned_at, way.station = None, now, 0
        return True
