"""What happens to a request before it is served: its age, its password, and whether it came before.

Source: Q/GDW 1376.1-2013, clauses 4.3.3.2 (broadcast), 4.3.4.5 (Tp, PW) and 4.4. A request that is older than
its time tag permits is dropped without an answer. An order that comes again byte for byte is not carried out
again, whatever came in between and on whichever connection; it gets the answer of the first. An order to all
terminals is carried out and not answered.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from kwhub.concentrator.counters import UplinkCounters
from kwhub.concentrator.served_desk import ORDER_AFNS, Desk, Reply
from kwhub.concentrator.served_surprises import Surprises
from kwhub.domain.errors import KwhubError
from kwhub.protocols.gdw1376 import afn_10
from kwhub.protocols.gdw1376.frames import Frame1376
from kwhub.protocols.gdw1376.messages import Answer, Asked, Confirm, Deny
from kwhub.runtime.clock import Clock

__all__ = ["ORDERS_KEPT", "REPEAT_WITHIN_S", "Later", "Reception", "Serve"]

REPEAT_WITHIN_S = 60.0
"""An order that comes again byte for byte within this time is the same order."""

ROUND = 8
"""So many other request numbers, of sixteen, between two requests with the same bytes: the second is a new one."""

ORDERS_KEPT = 16
"""Orders that are remembered; of these, what is still being carried out is never forgotten."""

Serve: TypeAlias = Callable[[Frame1376], Reply | Awaitable[Reply]]


@dataclass(slots=True)
class _Order:
    """An order and what was said to it."""

    raw: bytes
    at: float  #: monotonic seconds
    number: int  #: of the requests so far
    reply: Reply | None = None  #: None: it is still being carried out


class Later:
    """An answer that takes longer. It is begun by ``finish``; else it is to be refused."""

    def __init__(
        self, reception: "Reception", frame: Frame1376, work: Awaitable[Reply], order: _Order | None
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
            return self._reception.said(self._frame, Deny(self._frame))
        return self._reception.said(self._frame, reply, self._order)

    def refuse(self) -> Sequence[Reply]:
        """Do not begin; the same order again is a new one."""
        close = getattr(self._work, "close", None)
        if close is not None:
            close()
        self._reception.forget(self._order)
        return self._reception.said(self._frame, Deny(self._frame))


_Taken: TypeAlias = Sequence[Reply] | Later


class Reception:
    """Outlives connections, as the repetition of an order may.

    Args:
        clock: says how long ago an order came.
        counters: of the uplink.
        forward: carries out, or denies, an order to send a raw frame to a meter.
    """

    def __init__(self, clock: Clock, counters: UplinkCounters, forward: Serve) -> None:
        self._clock = clock
        self._counters = counters
        self._forward = forward
        self.surprises = Surprises(counters)
        self._orders: dict[bytes, _Order] = {}  # the oldest first
        self._taken = 0
        self._seen: dict[
            int, int
        ] = {}  # when each request number was there last, counted in requests

    def take(self, event: Asked, desk: Desk, wall: datetime) -> _Taken:
        """What to send now, or the work that ends with it.

        Args:
            event: the request.
            desk: serves it.
            wall: the site's naive wall time.
        """
        frame = event.frame
        self._taken += 1
        self._seen[frame.sequence.number] = self._taken
        if frame.time_tag is not None and frame.time_tag.is_stale(wall):
            self._counters.requests_stale += 1
            return ()
        if not desk.rights.admits(frame):
            return self.said(frame, Deny(frame))
        if frame.afn == afn_10.AFN and not _is_direct(frame):
            return self.order(event, self._forward)
        if frame.afn in ORDER_AFNS:
            return self.order(event, lambda frame: desk.reply(frame, wall))
        return self._done(frame, lambda frame: desk.reply(frame, wall), None)

    def order(self, event: Asked, serve: Serve) -> _Taken:
        """Carry out an order, unless it is one that came before."""
        now = self._clock.monotonic()
        before = self._orders.get(event.raw)
        if before is not None and (before.reply is None or self._is_repeated(before, now)):
            return self._sent(event.frame, before.reply) if before.reply else ()
        self._orders.pop(event.raw, None)
        order = self._orders[event.raw] = _Order(event.raw, now, self._taken)
        ended = [each for each in self._orders.values() if each.reply is not None]
        for each in ended[: max(0, len(self._orders) - ORDERS_KEPT)]:
            del self._orders[each.raw]
        return self._done(event.frame, serve, order)

    def _is_repeated(self, before: _Order, now: float) -> bool:
        """Not a question of the same bytes, such as that for a meter's status, under a number that came round again."""
        others = sum(at > before.number for at in self._seen.values()) - 1
        return now - before.at <= REPEAT_WITHIN_S and others < ROUND

    def _done(self, frame: Frame1376, serve: Serve, order: _Order | None) -> _Taken:
        try:
            reply = serve(frame)
        except Exception as error:
            self.forget(order)
            if isinstance(error, KwhubError | OSError):
                raise
            self.surprises.note(error)
            return self.said(frame, Deny(frame))
        if isinstance(reply, Answer | Confirm | Deny):
            return self.said(frame, reply, order)
        return Later(self, frame, reply, order)

    def said(self, frame: Frame1376, reply: Reply, order: _Order | None = None) -> Sequence[Reply]:
        """Count an answer, and remember it with its order; what to send."""
        is_denied = isinstance(reply, Deny)
        self._counters.requests_answered += not is_denied
        self._counters.requests_denied += is_denied
        if order is not None:
            order.reply = reply
        return self._sent(frame, reply)

    def _sent(self, frame: Frame1376, reply: Reply) -> Sequence[Reply]:
        is_silent = frame.address.broadcast and frame.afn in ORDER_AFNS
        return () if is_silent else (reply,)

    def forget(self, order: _Order | None) -> None:
        """Take the next order for a new one, even if it is this one again."""
        if order is not None and self._orders.get(order.raw) is order:
            del self._orders[order.raw]


def _is_direct(frame: Frame1376) -> bool:
    return bool(frame.units) and frame.units[0].functions == (afn_10.READ_DIRECT,)
