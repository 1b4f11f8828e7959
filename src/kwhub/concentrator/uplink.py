"""The way to the head-end: login, heartbeat, reports of the outbox, answers, and the way back to meters.

Source: Q/GDW 1376.1-2013, AFN 02, 0C, 0D, 10 and clause 4.4. A reading is marked as delivered in the
store when the head-end has confirmed the report that it stood in, and not before.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from kwhub.concentrator.answers import Answers
from kwhub.concentrator.config import Identity, UplinkSettings
from kwhub.concentrator.counters import UplinkCounters
from kwhub.concentrator.denials import DENIALS_MAX, DENIED, Denials
from kwhub.concentrator.outbox import Outbox
from kwhub.concentrator.report import Parcel
from kwhub.concentrator.served_desk import Desk, Reply, event_units
from kwhub.concentrator.served_reception import Later, Reception
from kwhub.concentrator.served_task_runs import TaskReports
from kwhub.concentrator.uplink_events import EventReports
from kwhub.concentrator.uplink_fetch import oldest
from kwhub.concentrator.uplink_outcomes import Silence, by_reason, expected, failure, order_of
from kwhub.concentrator.uplink_setbacks import Setbacks
from kwhub.concentrator.uplink_ways import Moved, Way
from kwhub.domain.errors import LinkDown, Refusal
from kwhub.links.base import Link
from kwhub.links.drive import Attendant
from kwhub.protocols.gdw1376 import afn_0e, afn_10
from kwhub.protocols.gdw1376.afn_10 import Forward, ForwardAnswer
from kwhub.protocols.gdw1376.frames import STANDARD, Frame1376, TerminalAddress
from kwhub.protocols.gdw1376.messages import (
    Answer,
    Asked,
    Confirmed,
    Denied,
    Deny,
    Heartbeat,
    HeartbeatDue,
    Login,
    Lost,
    Report,
    TimedOut,
)
from kwhub.protocols.gdw1376.session import Role, Session
from kwhub.runtime.clock import Clock

__all__ = ["Forwards", "OpenLink", "Uplink"]

ORDERS_MAX = 8
"""Requests of the head-end that are answered later, at the same time; more are denied."""

LINGER_S = 2.0
"""Pause between news in the outbox and their report, so that buses that end together share reports."""

OpenLink: TypeAlias = Callable[[str], Awaitable[Link]]
"""Opens a link by its address."""


class Forwards(Protocol):
    """A bus that raw frames can be sent to."""

    async def forward(self, order: Forward) -> bytes:
        """Send a frame once; the raw answer, empty when there was none."""


class Uplink:
    """Keeps one connection at a time; whoever supervises ``connect`` starts the next."""

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        identity: Identity,
        settings: UplinkSettings,
        outbox: Outbox,
        answers: Answers,
        *,
        clock: Clock,
        open_link: OpenLink,
        ports: Mapping[int, Forwards],
        counters: UplinkCounters,
        desk: Desk | None = None,
    ) -> None:
        self.profile = identity.spoken
        self.wider = self.profile.address_bytes - STANDARD.address_bytes
        self.address = TerminalAddress(
            identity.region, identity.terminal, width=self.profile.terminal_bytes
        )
        self.zone = identity.tzinfo
        self.ways = [Way("uplink", settings)]
        self.outbox = outbox
        self.answers = answers
        self.clock = clock
        self.ports = ports
        self.counters = counters
        self.denials = Denials()
        self.desk = desk
        self.reports_allowed = True  #: 05-F37 forbids them, 05-F29 allows them again
        self.reception = Reception(clock, counters, self.forward)
        self.event_reports: EventReports | None = None
        self.task_reports: TaskReports | None = None
        if desk is not None:
            self.event_reports = EventReports(desk.parts.events, clock, counters)
            desk.surprises = self.reception.surprises
        self.news = asyncio.Event()  #: the outbox has got something
        self.open_link = open_link
        self.moving = False  #: the present connection is to end, in good order
        self.on_work: Callable[[Way], None] | None = (
            None  #: hears when more than a log-in is confirmed
        )
        self.setbacks = Setbacks(clock, counters)
        self._confirmed: list[int] = []  # places that the store does not know to be delivered yet

    async def connect(self, way: Way | None = None) -> None:
        """Connect, log in, and serve until the connection ends, which it does by an error.

        Args:
            way: the one to take; the first when it is left out.

        Raises:
            LinkDown: it cannot be made, was closed, or the head-end does not react.
            Refusal: the head-end does not know this terminal, or denies reports.
            StoreError: the store cannot be read or written.
            Moved: after ``move``.
        """
        way = way or self.ways[0]
        self.moving = False
        link = await self.open_link(way.next_station())
        try:
            self.counters.connects += 1
            way.counters.connects += 1
            await _Connection(self, link, way).run()
        finally:
            self.counters.logged_in = False
            await link.aclose()

    def move(self) -> None:
        """End the present connection when nothing is being said, because another way is better."""
        self.moving = True
        self.news.set()

    def settle(self, places: Sequence[int] = ()) -> None:
        """Mark what was confirmed, now or before, as delivered.

        What cannot be marked (a full disk) is remembered: it must not be sent again.

        Raises:
            StoreError: the store cannot be written; call again later.
        """
        self._confirmed += places
        if self._confirmed:
            self.outbox.delivered(self._confirmed, int(self.clock.now().timestamp()))
            self.counters.readings_delivered += len(self._confirmed)
            self._confirmed.clear()

    def forward(self, frame: Frame1376) -> Reply | Awaitable[Reply]:
        """Send a raw frame to a meter; denied when there is no such way."""
        order = order_of(frame)
        bus = self.ports.get(order.port) if order else None
        return Deny(frame) if order is None or bus is None else _carry_out(frame, order, bus)

    def logged_in(self, way: Way) -> None:
        """The head-end knows us; the next connection begins with the first address again."""
        self.counters.logged_in = True
        way.station = 0
        way.logged_in_at = self.clock.monotonic()

    def wall_now(self) -> datetime:
        """The site's naive wall time."""
        return self.clock.now().astimezone(self.zone).replace(tzinfo=None)


async def _carry_out(frame: Frame1376, order: Forward, bus: Forwards) -> Reply:
    return Answer(frame, (ForwardAnswer(order.port, await bus.forward(order)),))


class _Connection:
    """What belongs to one connection: its session, and who waits for what."""

    def __init__(self, uplink: Uplink, link: Link, way: Way) -> None:
        self._uplink = uplink
        self._way = way
        self._counters = uplink.counters
        session = Session(
            Role.TERMINAL,
            uplink.address,
            answer_timeout_s=way.settings.answer_timeout_s,
            heartbeat_s=way.settings.heartbeat_s,
            profile=uplink.profile,
        )
        self._attendant = Attendant(link, session, uplink.clock, self._heard)
        self._waiting: dict[int, asyncio.Future[Any]] = {}  # by identity of the request
        self._tasks = asyncio.TaskGroup()
        self._silence: Silence | None = None  # of the report that is on its way
        self._is_working = False  # a report or heartbeat was confirmed on this connection
        self._is_confirming = False  # a report was confirmed on this connection
        self._orders = 0  # being carried out

    async def run(self) -> None:
        try:
            # Listening in the body, and not in a task of its own, keeps the count of cancellations
            # right: Python 3.11 leaves one behind when a group fails while only its tasks run.
            async with self._tasks:
                self._tasks.create_task(self._report())
                await self._listen()
        except BaseExceptionGroup as group:
            raise expected(group) from group

    async def _listen(self) -> None:
        await self._attendant.run()
        raise LinkDown("the head-end closed the connection")

    # --- what goes up

    async def _report(self) -> None:
        """Log in, then empty the outbox, and again whenever there is news."""
        uplink = self._uplink
        login = await self._send(Login())
        if not isinstance(login, Confirmed):
            raise failure(login, "login")
        uplink.logged_in(self._way)
        while True:
            uplink.news.clear()
            await self._move_on()
            if not uplink.reports_allowed:
                await uplink.news.wait()
                continue
            try:
                if await self._empty():
                    continue
            except Exception as error:  # noqa: BLE001 - what ends the connection passes through
                await uplink.setbacks.wait(error)
                continue
            uplink.setbacks.over()
            await uplink.news.wait()
            if not uplink.moving:
                await uplink.clock.sleep(LINGER_S)

    async def _empty(self) -> bool:
        """Report events, and the oldest readings that wait; whether there were any."""
        uplink = self._uplink
        uplink.settle()
        await self._report_events()
        await self._report_tasks()
        aside, bytes_max = uplink.denials.places, self._way.settings.report_bytes
        entries = oldest(uplink.outbox, aside, bytes_max)
        if not entries:
            uplink.denials.give_up()
            return False
        packed = uplink.setbacks.pack(entries, uplink.zone, bytes_max - uplink.wider)
        for reason, places in by_reason(packed.unsayable).items():
            self._withhold(places, reason)
        for parcel in packed.parcels:
            await self._move_on()
            if uplink.reports_allowed:
                await self._deliver(parcel)
        return True

    async def _move_on(self) -> None:
        """End the connection for a better way, but not while an order is being carried out."""
        while self._uplink.moving:
            if not self._orders:
                raise Moved("a better way is healthy again")
            await self._uplink.clock.sleep(LINGER_S)

    async def _report_events(self) -> None:
        """Report important events before the readings; what is denied or ignored is offered again later."""
        desk, reports = self._uplink.desk, self._uplink.event_reports
        while desk is not None and reports is not None and (waiting := reports.due()):
            units = event_units(waiting, desk.parts.events.counters(), important=True)
            event = await self._send(Report(tuple(units), afn_0e.AFN), reports.silence)
            if isinstance(event, TimedOut):
                raise failure(event, "report of events")
            if isinstance(event, Confirmed):
                reports.confirmed(waiting)
            else:
                reports.denied(waiting)

    async def _report_tasks(self) -> None:
        """Send what report tasks have to say; what is denied or ignored is offered again later."""
        reports = self._uplink.task_reports
        while reports is not None and self._uplink.reports_allowed and (waiting := reports.due()):
            await self._move_on()
            event = await self._send(Report(waiting.units, waiting.afn), reports.silence)
            if isinstance(event, TimedOut):
                raise failure(event, "report of a task")
            if isinstance(event, Confirmed):
                reports.confirmed(waiting)
            else:
                reports.denied(waiting)

    async def _deliver(self, parcel: Parcel, *, patience: int = DENIALS_MAX) -> None:
        """Send one report; in parts when it was denied so often.

        Raises:
            Refusal: it was denied less often, or the head-end confirms nothing at all.
        """
        denials = self._uplink.denials
        denial = await self._offer(parcel)
        if denial is None:
            for aside, _ in denials.take():
                await self._deliver(aside, patience=1)
            return
        if denials.add(parcel) < patience:
            raise denial
        for half in (halves := parcel.halves()):
            await self._deliver(half, patience=1)
        if halves:
            return
        if self._is_confirming:
            self._withhold(parcel.ids, DENIED)
        else:
            denials.put_aside(parcel, denial)

    async def _offer(self, parcel: Parcel) -> Refusal | None:
        """Send one report and mark what it carried when it is confirmed; the error if it is denied."""
        event = await self._send(Report(parcel.units))
        if isinstance(event, Confirmed):
            self._counters.reports += 1
            self._is_confirming = True
            self._uplink.settle(parcel.ids)
            return None
        self._counters.reports_denied += isinstance(event, Denied)
        self._counters.reports_unanswered += isinstance(event, TimedOut)
        error = failure(event, "report")
        if not isinstance(error, Refusal):
            raise error
        return error

    def _withhold(self, places: Sequence[int], reason: str) -> None:
        self._uplink.outbox.withhold(places, reason)
        self._counters.readings_withheld += len(places)

    async def _send(self, request: Login | Report, silence: Silence | None = None) -> Any:
        """Send something and wait for the event that ends it; ``silence`` is of its kind."""
        self._silence = silence
        ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[id(request)] = ended
        try:
            await self._attendant.send(request)
            return await ended
        finally:
            del self._waiting[id(request)]

    # --- what comes down

    def _heard(self, event: Any) -> Iterable[Any]:
        """Take an event of the session; what to send for it."""
        if isinstance(event, Confirmed | Denied | TimedOut):
            self._note_end(event)
            ended = self._waiting.get(id(event.request))
            if ended is not None and not ended.done():
                ended.set_result(event)
        elif isinstance(event, HeartbeatDue):
            self._counters.heartbeats += 1
            return [Heartbeat(self._uplink.wall_now())]
        elif isinstance(event, Asked):
            return self._asked(event)
        elif isinstance(event, Lost):
            raise LinkDown("the head-end does not react any more")
        return []

    def _note_end(self, event: Confirmed | Denied | TimedOut) -> None:
        """Note at once what became of a request: without an answer the connection is about to end."""
        if isinstance(event, Confirmed) and not isinstance(event.request, Login):
            if not self._is_working and self._uplink.on_work is not None:
                self._uplink.on_work(self._way)
            self._is_working = True
        if isinstance(event.request, Report):
            self._way.is_mute = isinstance(event, TimedOut)
            if self._silence is not None:
                (self._silence.met if self._way.is_mute else self._silence.over)()

    def _asked(self, event: Asked) -> Iterable[Any]:
        uplink = self._uplink
        desk = uplink.desk
        if desk is not None:
            taken = uplink.reception.take(event, desk, uplink.wall_now())
        elif event.frame.afn == afn_10.AFN:
            taken = uplink.reception.order(event, uplink.forward)
        else:
            wanted = uplink.answers.wanted(event.frame)
            units = uplink.answers.of(wanted, uplink.wall_now())
            reply = Answer(event.frame, tuple(units)) if units else Deny(event.frame)
            taken = uplink.reception.said(event.frame, reply)
        if not isinstance(taken, Later):
            return taken
        if self._orders >= ORDERS_MAX:
            return taken.refuse()
        self._orders += 1
        self._tasks.create_task(self._later(taken))
        return []

    async def _later(self, work: Later) -> None:
        try:
            for reply in await work.finish():
                await self._attendant.send(reply)
        finally:
            self._orders -= 1
