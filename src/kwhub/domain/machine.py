"""The shape of every protocol machine and of every conversation: bytes in, events out, time as an argument."""

from collections.abc import Awaitable, Callable, Generator
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

__all__ = ["Conversation", "Event", "Machine", "MachineFactory", "converse"]

T = TypeVar("T")


class Event(Protocol):
    """What a machine tells its shell."""

    final: ClassVar[bool]
    """True when the event ends the request that was sent: an answer, a refusal, a time-out."""


class Machine(Protocol):
    """One protocol, one role. ``now`` is monotonic seconds; a machine never reads a clock."""

    def send(self, request: Any, now: float) -> None:
        """Queue a request (or, in the answering role, an answer). Raises LocalError when not allowed now."""

    def receive(self, data: bytes, now: float) -> None:
        """Take any number of received bytes."""

    def events(self) -> list[Any]:
        """Take what has happened since the last call."""

    def outgoing(self, now: float) -> bytes:
        """Take the bytes to be written; empty when there is nothing to say."""

    def deadline(self) -> float | None:
        """The moment at which the machine wants ``on_deadline``; None when no timer runs."""

    def on_deadline(self, now: float) -> None:
        """Tell the machine that its moment has come (a call that is too early does nothing)."""


class MachineFactory(Protocol):
    """Makes a fresh machine, one for each link."""

    def __call__(self) -> Machine:
        """Make one."""


Conversation: TypeAlias = Generator[Any, Any, T]
"""A task as a generator: yields requests, is sent the final event of each, returns its result."""


async def converse(conversation: Conversation[T], ask: Callable[[Any], Awaitable[Any]]) -> T:
    """Run a conversation to its end.

    Args:
        conversation: closed at the end, whatever happens.
        ask: brings the final event of a request.

    Returns:
        What the conversation returns.

    Raises:
        Exception: whatever the conversation or ``ask`` raises.
    """
    event: Any = None  # what a generator must be sent first
    try:
        while True:
            try:
                request = conversation.send(event)
            except StopIteration as done:
                result: T = done.value
                return result
            event = await ask(request)
    finally:
        conversation.close()
