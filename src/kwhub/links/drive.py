"""The shells around a protocol machine: one that asks and one that answers, over any link.

Both do the same few things in the same order: hand over what the machine wants to say, wait for
bytes or for the machine's deadline, tell the machine, look at what happened. No task is made for
an exchange, and nothing that was received is lost when the caller is cancelled.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias, TypeVar

from kwhub.domain.errors import LinkDown
from kwhub.domain.machine import Conversation, Machine, converse
from kwhub.links.base import Link
from kwhub.runtime.clock import Clock

__all__ = ["ATTEMPTS", "Attendant", "Driver", "Handler", "attend"]

T = TypeVar("T")

ATTEMPTS = 3
"""How often a request is sent, the first time included, before its time-out is believed."""

Handler: TypeAlias = Callable[[Any], Iterable[Any] | Awaitable[Iterable[Any] | None] | None]
"""Gets an event of the machine; returns, or awaits and returns, what to send in answer, or None."""


class _Pump:
    """What asking and answering have in common."""

    def __init__(self, link: Link, machine: Machine, clock: Clock) -> None:
        self.link = link
        self.machine = machine
        self.bytes_out = 0
        self.bytes_in = 0
        self._clock = clock
        self._timer: asyncio.Timeout | None = None
        self._poked = False

    async def _flush(self) -> None:
        """Write everything that the machine wants to say."""
        while out := self.machine.outgoing(self._clock.monotonic()):
            self.bytes_out += len(out)
            await self.link.write(out)

    async def _listen(self) -> None:
        """Wait for bytes or for the deadline, whichever is first, and tell the machine."""
        deadline = self.machine.deadline()
        delay = None if deadline is None else deadline - self._clock.monotonic()
        self._poked = False
        timer = asyncio.timeout(delay)
        try:
            async with timer:
                self._timer = timer
                data = await self.link.read()
        except TimeoutError:
            if not timer.expired():
                raise  # not of ours
            if deadline is not None and not self._poked:
                # A timer may fire a hair early by the clock; its moment counts as reached.
                self.machine.on_deadline(max(deadline, self._clock.monotonic()))
        else:
            self.bytes_in += len(data)
            self.machine.receive(data, self._clock.monotonic())
        finally:
            self._timer = None

    def poke(self) -> None:
        """Have a listener look at its machine, whose deadline or events were changed from outside.

        A timer that fires in this very moment wakes the listener anyway.
        """
        if self._timer is not None and not self._timer.expired():
            self._poked = True
            self._timer.reschedule(asyncio.get_running_loop().time())


class Driver(_Pump):
    """Asks: sends one request at a time and waits for the event that ends it.

    Attributes:
        requests: requests asked for, repeats not counted.
        retries: repeats after a time-out.
        discarded: events that ended nothing, such as noise.
        bytes_out: bytes handed to the link.
        bytes_in: bytes taken from the link.
    """

    def __init__(
        self,
        link: Link,
        machine: Machine,
        clock: Clock,
        *,
        attempts: int = ATTEMPTS,
        told: Callable[[Any], None] | None = None,
    ) -> None:
        """Make a driver; it touches the link only while it is asked.

        Args:
            link: stays open; whoever opened it closes it.
            machine: in its asking role, used by this driver alone.
            clock: gives the machine its time.
            attempts: how often a request is sent before its time-out is believed.
            told: hears every event of the machine in order.
        """
        super().__init__(link, machine, clock)
        self.attempts = attempts
        self.requests = 0
        self.retries = 0
        self.discarded = 0
        self._told = told
        self._outstanding = False

    async def ask(self, request: Any) -> Any:
        """Send a request, again after each time-out, and return its final event.

        A request whose ``repeatable`` is False is sent once: a second one would do something else.
        When a caller gave up on an earlier request (was cancelled), that one is first left to end:
        its late answer must not be taken for this one's.

        Returns:
            The final event; one with ``timed_out`` true when no attempt was answered, with the
            number of ``attempts`` in it when it has a place for that.

        Raises:
            LinkDown: the link went away.
            LocalError: the machine does not allow the request.
        """
        if self._outstanding:
            await self._finish()
        self.requests += 1
        event = await self._attempt(request)
        attempts_max = self.attempts if getattr(request, "repeatable", True) else 1
        attempts = 1
        while attempts < attempts_max and getattr(event, "timed_out", False):
            self.retries += 1
            attempts += 1
            event = await self._attempt(request)
        if attempts > 1 and getattr(event, "timed_out", False) and hasattr(event, "attempts"):
            event = dataclasses.replace(event, attempts=attempts)
        return event

    async def run(self, conversation: Conversation[T]) -> T:
        """Run a conversation to its end.

        Returns:
            What the conversation returns.

        Raises:
            LinkDown: the link went away.
            Exception: whatever the conversation raises, such as Refusal or NoAnswer.
        """
        return await converse(conversation, self.ask)

    async def _attempt(self, request: Any) -> Any:
        self.machine.send(request, self._clock.monotonic())
        self._outstanding = True
        return await self._finish()

    async def _finish(self) -> Any:
        """Pump until the outstanding request ends."""
        while True:
            await self._flush()
            final = self._look()
            if final is not None:
                await self._flush()
                return final
            await self._listen()

    def _look(self) -> Any:
        """Take the machine's events; return the one that ends the request, if there is one."""
        final: Any = None
        for event in self.machine.events():
            if event.final:
                final = event
                self._outstanding = False
            else:
                self.discarded += 1
            if self._told is not None:
                self._told(event)
        return final


class Attendant(_Pump):
    """Answers: gives every event of the machine to a handler and sends what that returns.

    It also suits a peer that speaks up by itself: ``send`` may be called by other tasks while
    ``run`` is listening.
    """

    def __init__(self, link: Link, machine: Machine, clock: Clock, handler: Handler) -> None:
        """Make an attendant; it does nothing until ``run``.

        Args:
            link: stays open; whoever opened it closes it.
            machine: in its answering role, used by this attendant alone.
            clock: gives the machine its time.
            handler: called with each event in order; may be a coroutine function. Nothing is read
                while it works, so a slow handler slows the peer down instead of piling up work.
        """
        super().__init__(link, machine, clock)
        self._handler = handler
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """Attend until the link is down. An error of the handler passes through."""
        while (events := await self._next_events()) is not None:
            for event in events:
                answers = self._handler(event)
                if isinstance(answers, Awaitable):
                    answers = await answers
                for answer in answers or ():
                    self.machine.send(answer, self._clock.monotonic())

    async def send(self, request: Any) -> None:
        """Send something of one's own accord, from any task.

        Raises:
            LinkDown: the link is down.
            LocalError: the machine does not allow it now.
        """
        self.machine.send(request, self._clock.monotonic())
        await self._flush()
        self.poke()

    async def _next_events(self) -> list[Any] | None:
        """Pump until something has happened; None when the link is down."""
        try:
            while True:
                await self._flush()
                if events := self.machine.events():
                    return events
                await self._listen()
        except LinkDown:
            return None

    async def _flush(self) -> None:
        async with self._writing:
            await super()._flush()


async def attend(link: Link, machine: Machine, clock: Clock, handler: Handler) -> None:
    """Answer on a link until it is down. See Attendant."""
    await Attendant(link, machine, clock, handler).run()
