"""One concentrator's connection, from the first byte to the last."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, TypeAlias

from kwhub.domain.errors import LinkDown
from kwhub.headend.store.archive import KnownTerminal
from kwhub.headend.store.database import StoreError, StoreFull
from kwhub.links.base import Link
from kwhub.links.drive import Attendant
from kwhub.protocols.gdw1376.frames import TerminalAddress
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
from kwhub.protocols.gdw1376.session import Role, Session
from kwhub.runtime.clock import Clock
from kwhub.wire.events import Discarded

__all__ = ["ANSWER_TIMEOUT_S", "LOGIN_TIMEOUT_S", "Connection", "Finished", "Office"]

LOGIN_TIMEOUT_S = 30.0
"""Who has not logged in by then is disconnected, in seconds."""

ANSWER_TIMEOUT_S = 15.0
"""How long a terminal may take over a request: it may have to wait for its bus, and then for the meter."""

Finished: TypeAlias = Answered | Confirmed | Denied | TimedOut
Answers: TypeAlias = Iterable[Any]


class Office(Protocol):
    """What a connection asks of the front."""

    counters: Counter[str]

    async def admit(
        self, connection: "Connection", address: TerminalAddress
    ) -> KnownTerminal | None:
        """Who this is; None for a stranger."""

    async def store(self, terminal: KnownTerminal, report: Reported) -> None:
        """Make a report durable. Raises StoreFull to refuse it, StoreError to be silent."""

    async def seen(self, terminal: KnownTerminal) -> None:
        """Note that the terminal is alive."""


class Connection:
    """One link with one terminal on it.

    Attributes:
        terminal: who logged in; None before.
        session_id: number of the row in the store; None for a stranger.
        end_reason: why it ended, in words.
    """

    def __init__(self, link: Link, clock: Clock, office: Office, *, idle_s: float) -> None:
        """Make a connection; it does nothing until ``run``.

        Args:
            link: to the terminal; closed at the end.
            clock: gives the session its time.
            office: knows who may log in, and stores reports.
            idle_s: silence after which a terminal that logged in is taken for dead.
        """
        self.link = link
        self.terminal: KnownTerminal | None = None
        self.session_id: int | None = None
        self.end_reason = "the terminal went away"
        self._office = office
        self._idle_s = idle_s
        self._session = Session(Role.STATION, answer_timeout_s=ANSWER_TIMEOUT_S)
        self._attendant = Attendant(link, self._session, clock, self._on_event)
        self._patience: asyncio.Timeout | None = None
        self._asked: dict[int, tuple[Request, asyncio.Future[Finished]]] = {}

    async def run(self) -> None:
        """Attend to the terminal until it goes away, is sent away, or is silent for too long."""
        try:
            async with asyncio.timeout(LOGIN_TIMEOUT_S) as patience:
                self._patience = patience
                await self._attendant.run()
        except TimeoutError:
            # Only our own: nothing inside waits with a time limit of its own.
            silent = f"silent for {self._idle_s:g} s"
            self.end_reason = silent if self.terminal else f"no log-in in {LOGIN_TIMEOUT_S:g} s"
        except LinkDown:
            # While something was being answered; the end of the link is how every connection ends.
            self._office.counters["cut"] += 1
        except asyncio.CancelledError:
            self.end_reason = "the head-end stops"
            raise
        finally:
            await self.link.aclose()
            for _, answered in self._asked.values():
                if not answered.done():
                    answered.set_exception(LinkDown(self.end_reason))
                    answered.exception()  # told, even when nobody waits any more
            self._asked.clear()

    async def ask(self, request: Request) -> Finished:
        """Send a request and wait for what ends it.

        Raises:
            LinkDown: the connection ended first.
            LocalError: too many requests wait already.
        """
        answered: asyncio.Future[Finished] = asyncio.get_running_loop().create_future()
        self._asked[id(request)] = (request, answered)
        try:
            await self._attendant.send(request)
            return await answered
        finally:
            self._asked.pop(id(request), None)

    async def close(self, reason: str) -> None:
        """Send the terminal away."""
        self.end_reason = reason
        await self.link.aclose()

    async def _on_event(self, event: Any) -> Answers:
        if isinstance(event, Discarded):
            self._office.counters["discarded"] += 1
            return ()
        if self.terminal is not None:
            self._wait_on()
        handler = _HANDLERS.get(type(event))
        return await handler(self, event) if handler else ()

    async def _on_login(self, event: LoggedIn) -> Answers:
        if self.terminal is not None:
            # The confirmation was lost, or the terminal started anew on the same line.
            return await self._answer_own(event)
        terminal = await self._office.admit(self, event.address)
        if terminal is None:
            return await self._turn_away(event, "unknown terminal")
        self.terminal = terminal
        self._wait_on()
        return (Confirm(event.frame),)

    async def _on_beat(self, event: Beat) -> Answers:
        if self.terminal is None:
            return await self._turn_away(event, "heartbeat before log-in")
        await self._office.seen(self.terminal)
        return await self._answer_own(event)

    async def _on_logout(self, event: LoggedOut) -> Answers:
        if self.terminal is None:
            return await self._turn_away(event, "log-out before log-in")
        await self._attendant.send(Confirm(event.frame))
        await self.close("logged out")
        return ()

    async def _on_report(self, event: Reported) -> Answers:
        if self.terminal is None:
            return await self._turn_away(event, "data before log-in")
        if not self._is_own(event.address):
            self._office.counters["foreign"] += 1
            return (Deny(event.frame),)
        try:
            await self._office.store(self.terminal, event)
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
            _, answered = self._asked.get(id(event.request), (None, None))
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
        await self._attendant.send(Deny(event.frame))
        await self.close(f"denied: {why}")
        return ()

    def _wait_on(self) -> None:
        """The terminal was heard: it has its whole idle time again."""
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time() + self._idle_s)

    def _is_own(self, address: TerminalAddress) -> bool:
        own = self._session.address
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
