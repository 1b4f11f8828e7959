"""The shape of every protocol machine and of every conversation: bytes in, events out, time as an argument."""

from collections.abc import Generator
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

__all__ = ["Conversation", "Event", "Machine", "MachineFactory"]

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
