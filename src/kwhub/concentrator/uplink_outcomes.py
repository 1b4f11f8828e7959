"""What became of a request of the uplink, and which error ends a connection."""

from collections.abc import Iterable

from kwhub.domain.errors import KwhubError, LinkDown, Refusal
from kwhub.protocols.gdw1376.afn_10 import Forward
from kwhub.protocols.gdw1376.frames import Frame1376
from kwhub.protocols.gdw1376.messages import Denied, TimedOut
from kwhub.protocols.gdw1376.typed import read_unit
from kwhub.runtime.clock import Clock

__all__ = ["Silence", "by_reason", "expected", "failure", "order_of"]

IGNORED_MAX = 2
"""A kind of report that was left unanswered on so many connections in a row is put aside for a while."""

SILENCE_S = 900.0
"""For so long; the readings have this time for themselves."""


class Silence:
    """A kind of report that a head-end leaves unanswered though it lets us in; outlives connections.

    The first time the line may be dead: it is made afresh, and the report is offered again. The next time the
    head-end does not want this kind: all of it is put aside, and the readings go on. When the time has come one
    report of the kind is offered, each time another.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times = 0
        self._until = 0.0

    @property
    def lasts(self) -> bool:
        """Whether nothing of the kind is to be offered now."""
        return self._clock.monotonic() < self._until

    @property
    def turn(self) -> int | None:
        """Which of those that wait is to be offered alone; None: all may go."""
        return self._times - IGNORED_MAX if self._times >= IGNORED_MAX else None

    def met(self) -> None:
        """No answer came."""
        self._times += 1
        if self._times >= IGNORED_MAX:
            self._until = self._clock.monotonic() + SILENCE_S

    def over(self) -> None:
        """An answer came."""
        self._times, self._until = 0, 0.0


def order_of(frame: Frame1376) -> Forward | None:
    """The one order in a frame of AFN 10, when it is one that we carry out."""
    typed = [each for unit in frame.units for each in read_unit(frame.afn, unit, up=False)]
    return typed[0] if len(typed) == 1 and isinstance(typed[0], Forward) else None


def by_reason(unsayable: Iterable[tuple[int, str]]) -> dict[str, list[int]]:
    """Places in the outbox by the reason why they cannot be said."""
    found: dict[str, list[int]] = {}
    for place, reason in unsayable:
        found.setdefault(reason, []).append(place)
    return found


def failure(event: Denied | TimedOut, what: str) -> KwhubError:
    """The error of a request that was denied or not answered."""
    if isinstance(event, Denied):
        return Refusal((f"the head-end denies the {what}", *event.refusal.reasons), raw=event.raw)
    return LinkDown(f"the head-end does not answer the {what}")


def expected(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error to be told of a connection that ended; a bug comes before what was expected."""
    known, others = group.split((KwhubError, OSError))
    error: BaseException = others or known or group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
