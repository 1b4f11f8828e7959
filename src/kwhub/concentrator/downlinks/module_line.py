"""The link to a module that is up: one request at a time, orders between any two requests of a round."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from typing import Any, TypeVar

from kwhub.concentrator.config_downlinks import ModuleSettings
from kwhub.concentrator.counters import BusCounters
from kwhub.domain.errors import KwhubError, LinkDown
from kwhub.domain.machine import Conversation, converse
from kwhub.exchange.plc_module import start_module
from kwhub.links.base import Link
from kwhub.links.drive import Driver
from kwhub.protocols.gdw1376_2 import afn_03, afn_06, afn_12, afn_14
from kwhub.protocols.gdw1376_2.afn_03 import RunMode
from kwhub.protocols.gdw1376_2.frames import HPLC, NARROW_BAND, RADIO
from kwhub.protocols.gdw1376_2.messages import (
    Answer,
    Await,
    Confirmed,
    Order,
    Reported,
    Request,
    Stop,
    Wait,
)
from kwhub.protocols.gdw1376_2.session import Role, Session, State, answer_times
from kwhub.runtime.clock import Clock

__all__ = ["IDLE", "ORDER", "PLAN", "ModuleLine"]

T = TypeVar("T")

ORDER, PLAN, IDLE = 0, 1, 2
"""Who goes first: a person who waits, the work of the plan, listening to what the module reports."""

REPORTS = frozenset(
    {(afn_03.AFN, afn_03.RUN_MODE)}
    | {(afn_06.AFN, function) for function in range(1, 6)}
    | {(afn_14.AFN, function) for function in range(1, 5)}
)
"""All that a module says by itself: (AFN, function)."""

MODES = {"narrow-band": NARROW_BAND, "hplc": HPLC, "radio": RADIO}


class ModuleLine:
    """A module that has been started.

    Attributes:
        mode: what it says of itself.
        answer_times: how fast each meter behind it answers.
    """

    def __init__(
        self,
        link: Link,
        settings: ModuleSettings,
        clock: Clock,
        counters: BusCounters,
        told: Callable[[Reported], None],
    ) -> None:
        self.mode = RunMode(settings.master)
        self.answer_times = answer_times()
        self._session = Session(
            Role.CONCENTRATOR,
            mode=MODES[settings.mode],
            master=settings.master,
            times=self.answer_times,
        )
        self._told = told
        self._counters = counters
        self._driver = Driver(link, self._session, clock, told=self._hear)
        self._master = settings.master
        self._is_taken = False
        self._listener: int | None = None  # rank of whoever only listens, and may be stopped
        self._is_woken = False  # there is something that the next listener is to see
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._number = 0
        self._reports = 0  # of the present request; they are no noise
        self._pauses = 0
        self._is_paused = False

    async def start(self) -> None:
        """Bring the module up.

        Raises:
            LinkDown: it does not come up, or the link is down.
        """
        self.mode = await self.module(start_module(self._master))

    async def run(self, conversation: Conversation[T], rank: int) -> T:
        """Run a conversation; others of a better rank go between its requests.

        Raises:
            LinkDown: the link is down.
            Exception: whatever the conversation raises.
        """

        async def ask(request: Any) -> Any:
            async with self._turn(rank):
                return await self._ask(request)

        return await converse(conversation, ask)

    async def ask(self, request: Any, rank: int) -> Any:
        """Send one request; the event that ends it. Raises LinkDown."""
        async with self._turn(rank):
            return await self._ask(request)

    async def listen(
        self, seconds: float, rank: int = IDLE, kinds: frozenset[tuple[int, int]] = REPORTS
    ) -> None:
        """Hear what the module says by itself, until it has said one of ``kinds``.

        Whoever comes with a better rank ends it at once, and so does ``wake``. Raises LinkDown.
        """
        async with self._turn(rank):
            self._listener = rank
            try:
                await self._ask(Wait(0.0))  # what a caller who gave up has left behind ends first
                if not self._is_woken and not self._is_wanted(rank):
                    await self._ask(Await(kinds, seconds))
            finally:
                self._listener, self._is_woken = None, False

    def wake(self) -> None:
        """Whoever listens is to look at the world anew."""
        self._is_woken = True
        if self._listener is not None and self._session.state is State.LISTENING:
            self._session.send(Stop(), 0.0)
            self._driver.poke()

    def answer(self, answer: Answer) -> None:
        """Answer a question of the module; goes out with the next request."""
        self._session.send(answer, 0.0)

    @asynccontextmanager
    async def paused(self, rank: int) -> AsyncIterator[None]:
        """Let the module's own work rest; the last who needs the pause ends it.

        Raises:
            LinkDown: the module does not obey, or the link is down.
        """
        self._pauses += 1
        is_alive = True
        try:
            await self._pause_as_wanted(rank)
            yield
        except (LinkDown, asyncio.CancelledError, GeneratorExit):
            is_alive = False
            raise
        finally:
            self._pauses -= 1
            if is_alive:
                await self._pause_as_wanted(rank)

    async def begin_period(self) -> None:
        """Have the module lead a period of reading; it waits for those who need a pause.

        Raises:
            LinkDown: the module does not obey, or the link is down.
        """
        async with self._turn(PLAN):
            await self._control(afn_12.RESTART)
            if self._is_paused:  # the order has ended the pause
                await self._control(afn_12.PAUSE)

    async def _pause_as_wanted(self, rank: int) -> None:
        async with self._turn(rank):
            wanted = self._pauses > 0
            if wanted != self._is_paused:
                await self._control(afn_12.PAUSE if wanted else afn_12.RESUME)
                self._is_paused = wanted

    async def _control(self, function: int) -> None:
        event = await self._ask(Request(Order(afn_12.AFN, function)))
        if not isinstance(event, Confirmed):
            raise LinkDown("the module does not pause or resume its work")

    async def module(self, conversation: Conversation[T], rank: int = PLAN) -> T:
        """Run a conversation with the module itself; without its answers nothing goes on.

        Raises:
            LinkDown: it does not do what it is told, or the link is down.
        """
        try:
            return await self.run(conversation, rank)
        except LinkDown:
            raise
        except KwhubError as error:
            raise LinkDown(f"the module: {error}") from error

    async def _ask(self, request: Any) -> Any:
        driver, counters = self._driver, self._counters
        self._reports = 0
        before = (driver.requests, driver.retries, driver.discarded)
        bytes_before = (driver.bytes_out, driver.bytes_in)
        try:
            return await driver.ask(request)
        finally:
            if not isinstance(request, Wait | Await):  # the line was free meanwhile
                counters.requests += driver.requests - before[0]
            counters.retries += driver.retries - before[1]
            counters.discarded += driver.discarded - before[2] - self._reports
            counters.bytes_out += driver.bytes_out - bytes_before[0]
            counters.bytes_in += driver.bytes_in - bytes_before[1]

    def _hear(self, event: Any) -> None:
        if isinstance(event, Reported):
            self._reports += 1
            self._is_woken = True
            self._told(event)

    # --- turns

    @asynccontextmanager
    async def _turn(self, rank: int) -> AsyncIterator[None]:
        await self._acquire(rank)
        try:
            yield
        finally:
            self._release()

    def _is_wanted(self, rank: int) -> bool:
        """Whether somebody with a better rank waits."""
        return any(each[0] < rank and not each[2].done() for each in self._waiting)

    async def _acquire(self, rank: int) -> None:
        if not self._is_taken:
            self._is_taken = True
            return
        if self._listener is not None and rank < self._listener:
            self.wake()
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number += 1
        heappush(self._waiting, (rank, self._number, granted))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._release()
            raise

    def _release(self) -> None:
        while self._waiting:
            granted = heappop(self._waiting)[2]
            if not granted.done():
                granted.set_result(None)
                return
        self._is_taken = False
