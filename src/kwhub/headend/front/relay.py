"""A conversation with a meter behind a terminal: real DL/T 645 frames, carried by transparent forwarding."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kwhub.domain.errors import KwhubError, LinkDown, NoAnswer, Refusal, RemoteError
from kwhub.domain.machine import Conversation, converse
from kwhub.protocols.dlt645.messages import TimedOut
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.runtime.clock import Clock

__all__ = ["ATTEMPTS", "Exchange", "Relay"]

T = TypeVar("T")

ATTEMPTS = 3
"""How often a request is carried before meter or terminal is believed to be silent.

Reading again is harmless. A request that is not ``repeatable`` is carried once: whether the meter obeyed it is
not known when no answer comes back, and a second one would do something else.
"""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One frame that went to the meter, and what came back."""

    request: Any
    request_raw: bytes
    answer_raw: bytes  #: empty when the meter was silent


@dataclass(slots=True)
class Relay:
    """Drives conversations through a carrier of frames.

    Attributes:
        carry: takes a frame to the meter and returns its answer, empty for silence.
        exchanges: every exchange so far, in order.
        trouble: why the carrier stopped carrying. From then on every request times out at once,
            so that the conversation ends and keeps what it has got so far.
    """

    carry: Callable[[bytes], Awaitable[bytes]]
    clock: Clock
    exchanges: list[Exchange] = field(default_factory=list)
    trouble: KwhubError | None = None

    async def run(self, conversation: Conversation[T]) -> T:
        """Run a conversation to its end; raises what it raises."""
        return await converse(conversation, self._ask)

    async def _ask(self, request: Any) -> Any:
        event: Any = TimedOut(request)
        silence: NoAnswer | None = None
        attempts = ATTEMPTS if getattr(request, "repeatable", True) else 1
        for _ in range(attempts):
            if self.trouble is not None or not getattr(event, "timed_out", False):
                break
            try:
                event = await self._attempt(request)
                silence = None
            except NoAnswer as error:  # of the terminal: a frame may have been lost on the way
                silence = error
            except (LinkDown, Refusal, RemoteError) as error:
                self.trouble = error
        if silence is not None:
            self.trouble = NoAnswer(silence.detail, attempts=attempts)
        return event

    async def _attempt(self, request: Any) -> Any:
        """The final event of one request; the terminal keeps the time, the session the protocol."""
        session = Session(Role.MASTER, preamble=0)
        session.send(request, self.clock.monotonic())
        frame = session.outgoing(self.clock.monotonic())
        self.exchanges.append(Exchange(request, frame, b""))
        answer = await self.carry(frame)
        self.exchanges[-1] = Exchange(request, frame, answer)
        session.receive(answer, self.clock.monotonic())
        while True:
            final = [event for event in session.events() if event.final]
            if final:
                return final[0]
            # Nothing more will come: let the session's time run out.
            now = self.clock.monotonic()
            session.on_deadline(max(now, session.deadline() or now))
