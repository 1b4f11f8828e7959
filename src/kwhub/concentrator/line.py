"""The wire of a bus: one talker at a time, orders of the head-end before the work of the plan."""

from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from kwhub.concentrator.counters import BusCounters
from kwhub.concentrator.forward import Forwarded, Forwarder, RawRequest
from kwhub.domain.errors import LinkDown
from kwhub.domain.machine import Conversation, Machine
from kwhub.links.base import Link
from kwhub.links.drive import Driver
from kwhub.links.layers import Shared
from kwhub.links.layers.shared import PRIORITY_ORDER
from kwhub.protocols.gdw1376.afn_10 import Forward
from kwhub.runtime.clock import Clock

__all__ = ["Habits", "Line", "Turn"]

T = TypeVar("T")

BYTE_GAP_S_MIN = 0.1
"""Shortest pause after which a forwarded answer is taken to be over, whatever the head-end says."""

ORDER_ATTEMPTS = 1
"""What a raw frame asks is not known here, and a command must not be given twice."""


class Habits(NamedTuple):
    """How those on a line talk."""

    session: Callable[[str], Machine]  #: a fresh one for the meter with an address, or for any ("")
    baud: int
    attempts: int
    told: Callable[[object], None] | None = None  #: hears all that comes while somebody is asked


class Line:
    """A link that is up."""

    def __init__(self, link: Link, habits: Habits, clock: Clock, counters: BusCounters) -> None:
        self.shared = Shared(link)
        self.habits = habits
        self.clock = clock
        self.counters = counters

    def turn(self, address: str) -> "Turn":
        """Turns for talking with one meter: ``async with line.turn(address) as talk``."""
        return Turn(self, address)

    async def forward(self, order: Forward) -> bytes:
        """Send raw bytes once, as soon as the present conversation is over; the answer or nothing."""
        gap_s = max(order.byte_timeout_ms / 1000, BYTE_GAP_S_MIN)
        baud = self.habits.baud
        request = RawRequest(order.payload, order.message_timeout_s, gap_s, baud=baud)
        with suppress(LinkDown):  # to the head-end a line that is down is silent
            async with self.shared.claim("order", priority=PRIORITY_ORDER) as link:
                driver = Driver(link, Forwarder(), self.clock, attempts=ORDER_ATTEMPTS)
                try:
                    event = await driver.ask(request)
                finally:
                    self.count(driver)
            if isinstance(event, Forwarded):
                self.counters.forwarded += 1
                return event.raw
        self.counters.forwarded_silent += 1
        return b""

    async def talk(self, conversation: Conversation[T], address: str = "") -> T:
        """Run a conversation of the head-end, as soon as the present one is over.

        Raises:
            LinkDown: the bus is down.
            Exception: whatever the conversation raises.
        """
        async with self.shared.claim("order", priority=PRIORITY_ORDER) as link:
            session = self.habits.session(address)
            habits = self.habits
            driver = Driver(link, session, self.clock, attempts=habits.attempts, told=habits.told)
            try:
                return await driver.run(conversation)
            finally:
                self.count(driver)

    def count(self, driver: Driver) -> None:
        """Add what a driver has done."""
        counters = self.counters
        counters.requests += driver.requests
        counters.retries += driver.retries
        counters.discarded += driver.discarded
        counters.bytes_out += driver.bytes_out
        counters.bytes_in += driver.bytes_in


class Turn:
    """Runs conversations with one meter; between two of them others who wait have the line."""

    def __init__(self, line: Line, address: str) -> None:
        self._line = line
        self._address = address
        self._claim = AsyncExitStack()
        self._driver: Driver | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._give_up()

    async def __call__(self, conversation: Conversation[T]) -> T:
        """Run one conversation to its end; raises what it raises, and LinkDown."""
        if self._driver is not None and self._line.shared.waiting:
            await self._give_up()
        if self._driver is None:
            self._driver = await self._take()
        return await self._driver.run(conversation)

    async def _take(self) -> Driver:
        line = self._line
        link = await self._claim.enter_async_context(line.shared.claim(self._address))
        habits = line.habits
        session = habits.session(self._address)
        return Driver(link, session, line.clock, attempts=habits.attempts, told=habits.told)

    async def _give_up(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            self._line.count(driver)
            await self._claim.aclose()
