"""A driver that changes the speed of its line in the middle of a conversation.

A request with a ``line_baud`` is a wish: the line is closed, opened at that speed, and the machine is told.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from kwhub.domain.machine import Machine
from kwhub.links.base import Link
from kwhub.links.drive import ATTEMPTS, Driver
from kwhub.runtime.clock import Clock

__all__ = ["Reopen", "SpeedDriver"]

Reopen: TypeAlias = Callable[[int], Awaitable[Link]]
"""Opens the same line at a speed, baud. Raises LinkDown."""


class SpeedDriver(Driver):
    """A driver that owns its link, because the link changes; ``aclose`` closes the present one."""

    def __init__(
        self,
        link: Link,
        machine: Machine,
        clock: Clock,
        *,
        reopen: Reopen,
        attempts: int = ATTEMPTS,
        told: Callable[[Any], None] | None = None,
    ) -> None:
        """Make a driver.

        Args:
            link: at the first speed.
            machine: as for Driver.
            clock: as for Driver.
            reopen: opens the line anew.
            attempts: as for Driver.
            told: as for Driver.
        """
        super().__init__(link, machine, clock, attempts=attempts, told=told)
        self._reopen = reopen

    async def ask(self, request: Any) -> Any:
        """See Driver; a request with a ``line_baud`` changes the line first."""
        baud = getattr(request, "line_baud", None)
        if baud is not None:
            await self.link.aclose()
            self.link = await self._reopen(baud)
        return await super().ask(request)

    async def aclose(self) -> None:
        """Close the line."""
        await self.link.aclose()
