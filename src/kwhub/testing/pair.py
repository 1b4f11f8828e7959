"""Two machines back to back: no link, no loop, no clock; time is a number that jumps."""

from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, TypeAlias, TypeVar

from kwhub.domain.machine import Conversation, Machine

__all__ = ["STEPS_MAX", "Answerer", "Hook", "Pair", "drop", "flip"]

T = TypeVar("T")

STEPS_MAX = 20_000
"""Deliveries and deadlines after which two machines are taken to be chasing each other's tail."""

Hook: TypeAlias = Callable[[bytes], bytes]
"""What the wire does to one write: returns what arrives; ``b""`` when it is lost."""

Answerer: TypeAlias = Callable[[Any], Iterable[Any] | None]
"""What the answering side does with an event: returns what to send back, or None."""


def _unchanged(data: bytes) -> bytes:
    return data


def drop(*numbers: int) -> Hook:
    """A wire that loses the writes with these numbers, counted from 0."""
    written = count()
    return lambda data: b"" if next(written) in numbers else data


def flip(number: int, *, byte: int, bit: int = 0) -> Hook:
    """A wire that turns one bit of one byte (negative: from the end) of one write, counted from 0."""
    written = count()

    def hook(data: bytes) -> bytes:
        if next(written) != number:
            return data
        changed = bytearray(data)
        changed[byte] ^= 1 << bit
        return bytes(changed)

    return hook


class Pair:
    """An asking and an answering machine joined by a wire that can be told to misbehave.

    Attributes:
        now: the present moment, monotonic seconds.
        asker_events: everything the asking machine has told, in order.
        answerer_events: the same for the answering machine.

    Example, with the loss of the first request and the answer byte by byte::

        pair = Pair(master, meter, answer=answer, piece_bytes=1, to_answerer=drop(0))
        event = pair.ask(request)
    """

    def __init__(
        self,
        asker: Machine,
        answerer: Machine,
        *,
        answer: Answerer | None = None,
        piece_bytes: int | None = None,
        to_asker: Hook = _unchanged,
        to_answerer: Hook = _unchanged,
    ) -> None:
        """Join two machines.

        Args:
            asker: the machine that ``ask`` and ``run`` speak for.
            answerer: the other one.
            answer: called with each event of the answerer; what it returns is sent.
            piece_bytes: cut what is delivered into pieces of so many bytes; None delivers whole.
            to_asker: changes or swallows each write on its way to the asker.
            to_answerer: the same for the other direction.
        """
        self.asker = asker
        self.answerer = answerer
        self.now = 0.0
        self.asker_events: list[Any] = []
        self.answerer_events: list[Any] = []
        self.to_asker = to_asker
        self.to_answerer = to_answerer
        self._answer = answer
        self._piece_bytes = piece_bytes
        self._steps = 0

    def ask(self, request: Any) -> Any:
        """Send a request and return the event that ends it; time moves only when both are silent.

        Raises:
            AssertionError: both machines are silent for good and the request has not ended.
        """
        self._steps = 0
        heard = len(self.asker_events)
        self.asker.send(request, self.now)
        while True:
            self.exchange()
            ends = [event for event in self.asker_events[heard:] if event.final]
            if ends:
                return ends[0]
            heard = len(self.asker_events)
            if not self.wait():
                raise AssertionError(f"no timer is armed and {request!r} has not ended")

    def run(self, conversation: Conversation[T]) -> T:
        """Run a conversation without retries and return its result."""
        event: Any = None
        while True:
            try:
                request = conversation.send(event)
            except StopIteration as done:
                result: T = done.value
                return result
            event = self.ask(request)

    def exchange(self) -> None:
        """Deliver bytes both ways until both machines are silent; takes no time."""
        self._collect()
        while self._deliver(self.asker, self.answerer, self.to_answerer) or self._deliver(
            self.answerer, self.asker, self.to_asker
        ):
            self._count_step()

    def wait(self) -> bool:
        """Move to the nearest deadline and tell the machine; False when no timer is armed."""
        deadlines = [
            (deadline, number, machine)
            for number, machine in enumerate((self.asker, self.answerer))
            if (deadline := machine.deadline()) is not None
        ]
        if not deadlines:
            return False
        self._count_step()
        deadline, _, machine = min(deadlines)
        self.now = max(self.now, deadline)
        machine.on_deadline(self.now)
        self._collect()
        return True

    def wait_until(self, moment: float) -> None:
        """Let time pass up to ``moment``, with everything that happens in it."""
        self._steps = 0
        self.exchange()
        while any(
            (deadline := machine.deadline()) is not None and deadline <= moment
            for machine in (self.asker, self.answerer)
        ):
            self.wait()
            self.exchange()
        self.now = max(self.now, moment)

    def _deliver(self, source: Machine, target: Machine, hook: Hook) -> bool:
        out = source.outgoing(self.now)
        if not out:
            return False
        arriving = hook(out)
        size = self._piece_bytes or max(1, len(arriving))
        for start in range(0, len(arriving), size):
            target.receive(arriving[start : start + size], self.now)
            self._collect()
        return True

    def _collect(self) -> None:
        self.asker_events.extend(self.asker.events())
        pending = deque(self.answerer.events())
        while pending:
            event = pending.popleft()
            self.answerer_events.append(event)
            if self._answer is not None:
                for reply in self._answer(event) or ():
                    self.answerer.send(reply, self.now)
            pending.extend(self.answerer.events())

    def _count_step(self) -> None:
        self._steps += 1
        if self._steps > STEPS_MAX:
            raise AssertionError(f"the machines did not come to rest in {STEPS_MAX} steps")
