"""The wire of a bus: one talker at a time, orders of the head-end before the work of the plan."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

from kwhub.concentrator.config import BusSettings
from kwhub.concentrator.counters import BusCounters
from kwhub.concentrator.forward import Forwarder, RawRequest
from kwhub.domain.answer_times import AnswerTimes
from kwhub.domain.machine import Conversation
from kwhub.links.base import Link
from kwhub.links.drive import Driver
from kwhub.links.layers import Shared
from kwhub.links.layers.shared import PRIORITY_ORDER
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.runtime.clock import Clock

__all__ = ["Line", "Turn"]

T = TypeVar("T")

ORDER_ATTEMPTS = 1
"""What a raw frame asks is not known here, and a command must not be given twice."""


class Line:
    """A link that is up.

    Attributes:
        answer_times: how fast each meter answers, learnt for as long as the link is up.
    """

    def __init__(
        self, link: Link, settings: BusSettings, clock: Clock, counters: BusCounters
    ) -> None:
        self.shared = Shared(link)
        self.settings = settings
        self.clock = clock
        self.counters = counters
        self.answer_times = AnswerTimes(settings.answer_timeout_s)

    def turn(self, address: str) -> "Turn":
        """Turns for talking with one meter: ``async with line.turn(address) as talk``."""
        return Turn(self, address)

    async def order(self, request: RawRequest) -> Any:
        """Send raw bytes once, as soon as the present conversation is over.

        Returns:
            Forwarded or Silent.

        Raises:
            LinkDown: the bus is down.
        """
        async with self.shared.claim("order", priority=PRIORITY_ORDER) as link:
            driver = Driver(link, Forwarder(), self.clock, attempts=ORDER_ATTEMPTS)
            try:
                return await driver.ask(request)
            finally:
                self.count(driver)

    async def talk(self, conversation: Conversation[T]) -> T:
        """Run a conversation of the head-end, as soon as the present one is over.

        Raises:
            LinkDown: the bus is down.
            Exception: whatever the conversation raises.
        """
        async with self.shared.claim("order", priority=PRIORITY_ORDER) as link:
            session = Session(Role.MASTER, answer_times=self.answer_times, baud=self.settings.baud)
            driver = Driver(link, session, self.clock, attempts=self.settings.attempts)
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
        settings = line.settings
        session = Session(
            Role.MASTER,
            answer_times=line.answer_times,
            baud=settings.baud,
            deviations=settings.deviations(self._address),
        )
        return Driver(link, session, line.clock, attempts=settings.attempts)

    async def _give_up(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            self._line.count(driver)
            await self._claim.aclose()
