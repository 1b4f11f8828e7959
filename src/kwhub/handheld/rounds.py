"""A collection round: every meter of a group, terminal after terminal, going on where it stopped."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence

import msgspec

from kwhub.domain.errors import Refusal
from kwhub.exchange.device_messages import WorkMeter
from kwhub.handheld.identity import Identity
from kwhub.handheld.line import NotThisMeter
from kwhub.handheld.records import Place, Visit
from kwhub.handheld.visiting import Visiting

__all__ = ["Progress", "collect", "progress", "route"]


class Progress(msgspec.Struct, frozen=True):
    """How far a round is."""

    total: int
    read: int
    failed: int

    @property
    def left(self) -> int:
        """Meters that were not tried yet."""
        return self.total - self.read - self.failed


def route(places: Iterable[Place], meter: Callable[[Place], WorkMeter]) -> tuple[Place, ...]:
    """The order in which to walk: meters behind one terminal together, terminals as they come first."""
    stops: dict[str, list[Place]] = {}
    for place in dict.fromkeys(places):
        stops.setdefault(meter(place).terminal, []).append(place)
    return tuple(place for stop in stops.values() for place in stop)


def progress(places: Sequence[Place], visits: Callable[[Place], Visit]) -> Progress:
    """Count what became of places."""
    found = [visits(place) for place in places]
    read = sum(each.read_at is not None for each in found)
    failed = sum(each.read_at is None and each.failure is not None for each in found)
    return Progress(len(places), read, failed)


async def collect(
    places: Sequence[Place],
    visits: Callable[[Place], Visit],
    visiting: Visiting,
    identity: Identity,
    *,
    passes: int = 2,
) -> AsyncIterator[Visit]:
    """Read every place that was not read yet, and those that failed once more at the end.

    An order that goes meanwhile, because all of it was delivered or it was recalled, is passed over.

    Args:
        places: in the order in which they are visited.
        visits: what became of a place so far.
        visiting: reads.
        identity: must hold all the time.
        passes: how often a place is tried in this round.

    Yields:
        Each visit when it is over and on the disk.

    Raises:
        Refusal: the identity does not hold any more, or the clock was set back.
        LocalError, ConfigError: the link is none that this device has. A meter that this device cannot talk to is
            a failure of that meter, and the round goes on.
    """
    for _ in range(passes):
        for place in places:
            if not visiting.holds(place) or visits(place).read_at is not None:
                continue
            identity.require()
            try:
                yield await visiting.read(place)
            except Refusal as error:
                identity.require()
                if identity.state.frozen:
                    raise
                yield visiting.refused(place, error)
            except NotThisMeter as error:
                yield visiting.refused(place, error)
