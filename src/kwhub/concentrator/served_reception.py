"""What happens to a request before it is served: its age, its password, and whether it came before.

Source: Q/GDW 1376.1-2013, clauses 4.3.4.5 (Tp, PW) and 4.4. A request that is older than its time tag
permits is dropped without an answer. An order that comes again byte for byte is not carried out again; it
gets the answer of the first.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final, Literal, TypeAlias

from kwhub.concentrator.counters import UplinkCounters
from kwhub.concentrator.served_desk import ORDER_AFNS, Desk, Reply
from kwhub.concentrator.served_surprises import Surprises
from kwhub.domain.errors import KwhubError
from kwhub.protocols.gdw1376 import afn_10
from kwhub.protocols.gdw1376.frames import Frame1376
from kwhub.protocols.gdw1376.messages import Answer, Asked, Confirm, Deny
from kwhub.runtime.clock import Clock

__all__ = ["FORWARD", "REPEAT_WITHIN_S", "Later", "Reception", "Way"]

REPEAT_WITHIN_S = 60.0
"""An order that comes again byte for byte within this time is the same order."""


class Way(Enum):
    """Where a request goes that is not served at the desk."""

    FORWARD = auto()  #: transparent forwarding


FORWARD: Final = Way.FORWARD


@dataclass(slots=True)
class _LastOrder:
    """The newest order and what was said to it."""

    raw: bytes
    at: float  #: monotonic seconds
    reply: Reply | None = None  #: None: it is still being carried out


class Later:
    """An answer that takes longer."""

    def __init__(
        self, reception: "Reception", frame: Frame1376, work: Awaitable[Reply], order: _LastOrder
    ) -> None:
        self._reception = reception
        self._frame = frame
        self._work = work
        self._order = order

    async def finish(self) -> Sequence[Reply]:
        """Wait for the answer."""
        try:
            reply = await self._work
        except BaseException as error:
            # Nobody was told what became of it: the same order again is a new one.
            self._reception.forget(self._order)
            if not isinstance(error, Exception) or isinstance(error, KwhubError | OSError):
                raise
            self._reception.surprises.note(error)
            return self._reception.said(Deny(self._frame))
        return self._reception.said(reply, self._order)


_Taken: TypeAlias = Sequence[Reply] | Later | Literal[Way.FORWARD]


class Reception:
    """Outlives connections, as the repetition of an order may."""

    def __init__(self, clock: Clock, counters: UplinkCounters) -> None:
        self._clock = clock
        self._counters = counters
        self.surprises = Surprises(counters)
        self._last: _LastOrder | None = None

    def take(self, event: Asked, desk: Desk, wall: datetime) -> _Taken:
        """What to send now, or where the request goes.

        Args:
            event: the request.
            desk: serves it.
            wall: the site's naive wall time.
        """
        frame = event.frame
        if frame.time_tag is not None and frame.time_tag.is_stale(wall):
            self._counters.requests_stale += 1
            return ()
        if not desk.rights.admits(frame):
            return self.said(Deny(frame))
        if frame.afn in ORDER_AFNS:
            return self._order(event, desk, wall)
        return self._done(frame, self._reply(frame, desk, wall), _LastOrder(b"", 0.0))

    def _reply(self, frame: Frame1376, desk: Desk, wall: datetime) -> Reply | Awaitable[Reply]:
        try:
            return desk.reply(frame, wall)
        except Exception as error:
            if isinstance(error, KwhubError | OSError):
                raise
            self.surprises.note(error)
            return Deny(frame)

    def _order(self, event: Asked, desk: Desk, wall: datetime) -> _Taken:
        if event.frame.afn == afn_10.AFN and not _is_direct(event.frame):
            return FORWARD
        last = self._same(event.raw)
        if last is not None:
            return () if last.reply is None else (last.reply,)
        order = self._last = _LastOrder(event.raw, self._clock.monotonic())
        return self._done(event.frame, self._reply(event.frame, desk, wall), order)

    def _done(self, frame: Frame1376, reply: Reply | Awaitable[Reply], order: _LastOrder) -> _Taken:
        if isinstance(reply, Answer | Confirm | Deny):
            return self.said(reply, order)
        return Later(self, frame, reply, order)

    def said(self, reply: Reply, order: _LastOrder | None = None) -> Sequence[Reply]:
        """Count an answer, and remember it with its order."""
        is_denied = isinstance(reply, Deny)
        self._counters.requests_answered += not is_denied
        self._counters.requests_denied += is_denied
        if order is not None:
            order.reply = reply
        return (reply,)

    def forget(self, order: _LastOrder) -> None:
        """Take the next order for a new one, even if it is this one again."""
        if self._last is order:
            self._last = None

    def _same(self, raw: bytes) -> _LastOrder | None:
        last = self._last
        if last is None or last.raw != raw:
            return None
        return last if self._clock.monotonic() - last.at <= REPEAT_WITHIN_S else None


def _is_direct(frame: Frame1376) -> bool:
    return bool(frame.units) and frame.units[0].functions == (afn_10.READ_DIRECT,)
