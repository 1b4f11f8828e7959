"""The other end of the line: a real terminal session, with meters made of a function."""

import asyncio
from collections.abc import Callable
from typing import Any

from kwhub.domain.errors import LinkDown
from kwhub.links.base import Link
from kwhub.links.drive import Attendant
from kwhub.protocols.gdw1376 import afn_10
from kwhub.protocols.gdw1376.afn_10 import Forward, ForwardAnswer
from kwhub.protocols.gdw1376.frames import Frame1376, TerminalAddress
from kwhub.protocols.gdw1376.messages import Answer, Asked, Confirmed, Deny, Login
from kwhub.protocols.gdw1376.session import Role, Session
from kwhub.runtime.clock import Clock

__all__ = ["FakeConcentrator"]


def _silent(_forward: Forward) -> bytes | None:
    return b""


class FakeConcentrator:
    """Logs in, reports what it is told to, and forwards to ``meters``; ``others`` answers all other requests.

    ``meters`` returns the bytes of the answer, empty for silence, None to deny the request.
    """

    def __init__(
        self,
        link: Link,
        clock: Clock,
        *,
        number: int = 2082,
        meters: Callable[[Forward], bytes | None] = _silent,
        others: Callable[[Frame1376], Answer | Deny] = Deny,
    ) -> None:
        self.link = link
        self.clock = clock
        self.events: list[Any] = []
        self.forwards: list[Forward] = []
        self.deaf = False
        self._meters = meters
        self._others = others
        self._session = Session(Role.TERMINAL, TerminalAddress("4101", number))
        self._attendant = Attendant(link, self._session, clock, self._on_event)
        self._asked: dict[int, asyncio.Future[Any]] = {}

    async def run(self) -> None:
        await self._attendant.run()
        for future in self._asked.values():
            if not future.done():
                future.set_exception(LinkDown("closed"))

    async def ask(self, request: Any) -> Any:
        """Send something and return the event that ends it."""
        future = asyncio.get_running_loop().create_future()
        self._asked[id(request)] = future
        await self._attendant.send(request)
        return await future

    async def login(self) -> None:
        assert isinstance(await self.ask(Login()), Confirmed)

    def _on_event(self, event: Any) -> list[Any]:
        self.events.append(event)
        if getattr(event, "final", False) and id(event.request) in self._asked:
            self._asked.pop(id(event.request)).set_result(event)
        if isinstance(event, Asked) and not self.deaf:
            if event.frame.afn != afn_10.AFN:
                return [self._others(event.frame)]
            forward = Forward.from_unit(event.frame.units[0])
            self.forwards.append(forward)
            answer = self._meters(forward)
            if answer is None:
                return [Deny(event.frame)]
            return [Answer(event.frame, (ForwardAnswer(forward.port, answer),))]
        return []
