"""What the processor of a key-ring does: visits its meter, turns the meter's pages, answers the counter.

Source: kwhub.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from kwhub.domain.machine import Conversation
from kwhub.keyring.port import attend_counter
from kwhub.links.address import open_link
from kwhub.links.drive import ATTEMPTS, Driver
from kwhub.prepay.element.interface import SecureElement
from kwhub.prepay.medium import Visit, visit
from kwhub.prepay.medium_interface import Medium
from kwhub.prepay.medium_pages import Page, turn_page
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.runtime.clock import Clock

__all__ = ["KeyRing"]

T = TypeVar("T")


@dataclass(slots=True)
class KeyRing:
    """One device.

    Attributes:
        medium: its secure element.
        link: the way to the meter: ``ir:serial:...``, or ``serial:...`` for USB.
        clock: its time, for waits.
        address: of the meter on the line; None: its number.
        wait_s: for the meter's answer.
        page: of the meter's display, that was shown last; 0 before the first.
    """

    medium: Medium
    link: str
    clock: Clock
    address: str | None = None
    wait_s: float = 2.0
    page: int = field(default=0, init=False)

    async def visit(self) -> Visit:
        """Bring what it carries, read the usage, permit closing; may be repeated. Raises as ``medium.visit``, LinkDown."""
        return await self._run(lambda: visit(self.medium, self.address))

    async def turn(self, step: int) -> Page:
        """Have the meter show the next page (1) or the one before (-1). Raises as ``turn_page``, LinkDown."""
        wanted = self.page + step if self.page else 1
        shown = await self._run(lambda: turn_page(self.medium, wanted, self.address))
        self.page = shown.number
        return shown

    async def serve_counter(self, address: str, card: SecureElement) -> None:
        """Answer a counter on a link until it is down. Raises ConfigError, LinkDown: it cannot be opened."""
        link = await open_link(address, clock=self.clock)
        try:
            await attend_counter(link, card)
        finally:
            await link.aclose()

    async def _run(self, conversation: Callable[[], Conversation[T]]) -> T:
        async with self._line() as driver:
            return await driver.run(conversation())

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[Driver]:
        link = await open_link(self.link, clock=self.clock)
        try:
            session = Session(Role.MASTER, answer_timeout_s=self.wait_s, baud=link.facts.baud)
            yield Driver(link, session, self.clock, attempts=ATTEMPTS)
        finally:
            await link.aclose()
