"""One concentrator's connection, from the first byte to the last."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from kwhub.domain.errors import LinkDown, LocalError
from kwhub.headend.front.line import Resting
from kwhub.headend.store.archive import KnownTerminal
from kwhub.headend.store.database import StoreError, StoreFull
from kwhub.links.base import Link
from kwhub.links.drive import Attendant
from kwhub.protocols.gdw1376.frames import Profile, TerminalAddress
from kwhub.protocols.gdw1376.messages import (
    Answered,
    Beat,
    Confirm,
    Confirmed,
    Denied,
    Deny,
    LoggedIn,
    LoggedOut,
    Reported,
    Request,
    TimedOut,
)
from kwhub.protocols.gdw1376.session import Rest, Role, Session, State
from kwhub.runtime.clock import Clock
from kwhub.wire.events import Discarded

__all__ = ["ANSWER_TIMEOUT_S", "Connection", "Finished", "Office"]

ANSWER_TIMEOUT_S = 15.0
"""How long a terminal may take over a request: it may have to wait for its bus, and then for the meter."""

Finished: TypeAlias = Answered | Confirmed | Denied | TimedOut
Answers: TypeAlias = Iterable[Any]


class Office(Protocol):
    """What a connection asks of the front."""

    counters: Counter[str]
    login_s: float  #: who has not logged in by then is sent away
    idle_s: float  #: silence after which a terminal that logged in is taken for dead
    profile: Profile  #: what all terminals speak

    async def admit(
        self, connection: "Connection", address: TerminalAddress
    ) -> KnownTerminal | str:
        """Who this is; or why they are not let in, in words."""

    async def store(self, connection: "Connection", report: Reported) -> None:
        """Make a report durable. Raises StoreFull to refuse it, StoreError to be silent."""

    async def seen(self, connection: "Connection") -> None:
        """Note that the terminal is alive."""

    async def pace(self, connection: "Connection") -> None:
        """Wait while the terminal has sent more frames than it may."""

    async def speaks_other(self, connection: "Connection", raw: bytes) -> str:
        """Which other profile a caller speaks who has not logged in; empty when that is not known."""

    def wake(self, connection: "Connection") -> None:
        """See to it that somebody attends to a connection that rested."""


@dataclass(slots=True)
class _Live:
    """What a connection needs only while something goes on."""

    session: Session
    attendant: Attendant
    asked: dict[int, tuple[Request, asyncio.Future[Finished]]]


class Connection:
    """One link with one terminal on it.

    Attributes:
        terminal: who logged in; None before.
        session_id: number of the row in the store; None for a stranger.
        seen_at: when it was last written down that the terminal is alive.
        end_reason: why it ended, in words.
        paced_to: until when its frames use up what it may send, by the clock's monotonic time.
        due: when it is taken for dead, by the time of the loop.
        heard_at: when the terminal was heard last, by the time of the loop.
    """

    __slots__ = (
        "_clock",
        "_live",
        "_office",
        "_patience",
        "_rest",
        "due",
        "end_reason",
        "heard_at",
        "link",
        "paced_to",
        "seen_at",
        "session_id",
        "terminal",
    )

    def __init__(self, link: Link, clock: Clock, office: Office) -> None:
        """Make a connection; it does nothing until ``run``.

        Args:
            link: to the terminal; closed at the end.
            clock: gives the session its time.
            office: knows who may log in, and stores reports.
        """
        self.link = link
        self.terminal: KnownTerminal | None = None
        self.session_id: int | None = None
        self.seen_at: datetime | None = None
        self.end_reason = "the terminal went away"
        self.paced_to = 0.0
        self.heard_at = asyncio.get_running_loop().time()
        self.due = self.heard_at + office.login_s
        self._clock = clock
        self._office = office
        self._patience: asyncio.Timeout | None = None
        self._live: _Live | None = None
        self._rest: Rest | None = None

    @property
    def takes_requests(self) -> bool:
        """Whether the log-in was confirmed, so that the terminal may be asked."""
        if self._live is None:
            return self._rest is not None
        return self._live.session.state in {State.ONLINE, State.WAITING}

    @property
    def may_rest(self) -> bool:
        """Whether nothing goes on, so that no task need wait for the next bytes."""
        live = self._live
        return live is not None and not live.asked and live.session.rest() is not None

    @property
    def is_asked(self) -> bool:
        """Whether the terminal is at work for somebody."""
        return self._live is not None and bool(self._live.asked)

    @property
    def silent_s(self) -> float:
        """For how long nothing was heard of the terminal, in seconds."""
        return asyncio.get_running_loop().time() - self.heard_at

    async def lives(self, request: Request, patience_s: float) -> bool:
        """Whether anything is heard of the terminal within a time when it is asked something."""
        before = self.heard_at
        if self.takes_requests:
            with suppress(TimeoutError, LinkDown, LocalError):
                async with asyncio.timeout(patience_s):
                    await self.ask(request)
        return self.heard_at > before

    async def run(self) -> None:
        """Attend to the terminal until it goes away, is sent away, or is silent for too long."""
        try:
            async with asyncio.timeout_at(self.due) as patience:
                self._patience = patience
                await self._woken().attendant.run()
        except TimeoutError:
            # Only our own: nothing inside waits with a time limit of its own.
            self.note_silence()
        except LinkDown:
            # While something was being answered; the end of the link is how every connection ends.
            self._office.counters["cut"] += 1
        except asyncio.CancelledError:
            self.end_reason = "the head-end stops"
            raise
        finally:
            await self.end()

    async def run_until_rest(self) -> None:
        """Attend to the terminal while there is something to do; whoever calls keeps the time.

        Raises:
            Resting: there is nothing to do now. When this returns, the terminal is gone.
        """
        try:
            await self._woken().attendant.run()
        except Resting:
            if self._live is not None:
                self._rest, self._live = self._live.session.rest(), None
            raise
        except LinkDown:
            self._office.counters["cut"] += 1
        except asyncio.CancelledError:
            self.end_reason = "the head-end stops"
            raise

    async def end(self) -> None:
        """Close the link, and tell everybody who waits for an answer."""
        await self.link.aclose()
        live, self._live, self._rest = self._live, None, None
        for _, answered in live.asked.values() if live else ():
            if not answered.done():
                answered.set_exception(LinkDown(self.end_reason))
                answered.exception()  # told, even when nobody waits any more

    def note_silence(self) -> None:
        """The terminal is taken for dead: say why."""
        if self.terminal:
            self.end_reason = f"silent for {self._office.idle_s:g} s"
        else:
            self.end_reason = f"no log-in in {self._office.login_s:g} s"

    async def ask(self, request: Request) -> Finished:
        """Send a request and wait for what ends it.

        Raises:
            LinkDown: the connection ended first.
            LocalError: too many requests wait already.
        """
        live = self._woken()
        answered: asyncio.Future[Finished] = asyncio.get_running_loop().create_future()
        live.asked[id(request)] = (request, answered)
        try:
            await live.attendant.send(request)
            self._office.wake(self)
            return await answered
        finally:
            live.asked.pop(id(request), None)

    async def close(self, reason: str) -> None:
        """Send the terminal away."""
        self.end_reason = reason
        await self.link.aclose()

    def _woken(self) -> _Live:
        """The session, which goes on where it rested."""
        if self._live is None:
            session = Session(
                Role.STATION,
                answer_timeout_s=ANSWER_TIMEOUT_S,
                profile=self._office.profile,
                rest=self._rest,
            )
            attendant = Attendant(self.link, session, self._clock, self._on_event)
            self._live, self._rest = _Live(session, attendant, {}), None
        return self._live

    async def _send(self, message: Any) -> None:
        await self._woken().attendant.send(message)

    async def _on_event(self, event: Any) -> Answers:
        if self.terminal is None and not isinstance(event, LoggedIn):
            spoken = await self._office.speaks_other(self, event.raw)
            if spoken:
                await self.close(f"denied: speaks profile {spoken}")
                return ()
        if isinstance(event, Discarded):
            self._office.counters["discarded"] += 1
            return ()
        await self._office.pace(self)
        if self.terminal is not None and not isinstance(event, TimedOut):
            self._wait_on()
        handler = _HANDLERS.get(type(event))
        return await handler(self, event) if handler else ()

    async def _on_login(self, event: LoggedIn) -> Answers:
        if self.terminal is not None:
            # The confirmation was lost, or the terminal started anew on the same line.
            return await self._answer_own(event)
        terminal = await self._office.admit(self, event.address)
        if isinstance(terminal, str):
            return await self._turn_away(event, terminal)
        self.terminal = terminal
        self._wait_on()
        return (Confirm(event.frame),)

    async def _on_beat(self, event: Beat) -> Answers:
        if self.terminal is None:
            return await self._turn_away(event, "heartbeat before log-in")
        await self._office.seen(self)
        return await self._answer_own(event)

    async def _on_logout(self, event: LoggedOut) -> Answers:
        if self.terminal is None:
            return await self._turn_away(event, "log-out before log-in")
        await self._send(Confirm(event.frame))
        await self.close("logged out")
        return ()

    async def _on_report(self, event: Reported) -> Answers:
        if self.terminal is None:
            return await self._turn_away(event, "data before log-in")
        if not self._is_own(event.address):
            self._office.counters["foreign"] += 1
            return (Deny(event.frame),)
        try:
            await self._office.store(self, event)
        except StoreFull:
            # Said at once: the terminal must keep this data, and sending it again changes nothing.
            self._office.counters["refused"] += 1
            return (Deny(event.frame),)
        except StoreError:
            # Without a confirmation the terminal keeps the data and sends it again.
            self._office.counters["not_stored"] += 1
            return ()
        return (Confirm(event.frame),) if event.frame.sequence.confirm else ()

    async def _on_finished(self, event: Finished) -> Answers:
        if isinstance(event.request, Request):
            asked = self._live.asked if self._live else {}
            _, answered = asked.pop(id(event.request), (None, None))
            if answered is not None and not answered.done():
                answered.set_result(event)
        return ()

    async def _answer_own(self, event: LoggedIn | Beat) -> Answers:
        if self._is_own(event.address):
            return (Confirm(event.frame),)
        self._office.counters["foreign"] += 1
        return (Deny(event.frame),)

    async def _turn_away(self, event: LoggedIn | LoggedOut | Beat | Reported, why: str) -> Answers:
        self._office.counters["denied"] += 1
        await self._send(Deny(event.frame))
        await self.close(f"denied: {why}")
        return ()

    def _wait_on(self) -> None:
        """The terminal was heard: it has its whole idle time again."""
        self.heard_at = asyncio.get_running_loop().time()
        self.due = self.heard_at + self._office.idle_s
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(self.due)

    def _is_own(self, address: TerminalAddress) -> bool:
        own = self._woken().session.address
        return own is not None and own.same_terminal(address)


_HANDLERS: dict[type, Callable[[Connection, Any], Awaitable[Answers]]] = {
    LoggedIn: Connection._on_login,  # noqa: SLF001  the class's own table
    LoggedOut: Connection._on_logout,  # noqa: SLF001
    Beat: Connection._on_beat,  # noqa: SLF001
    Reported: Connection._on_report,  # noqa: SLF001
    Answered: Connection._on_finished,  # noqa: SLF001
    Confirmed: Connection._on_finished,  # noqa: SLF001
    Denied: Connection._on_finished,  # noqa: SLF001
    TimedOut: Connection._on_finished,  # noqa: SLF001
}
