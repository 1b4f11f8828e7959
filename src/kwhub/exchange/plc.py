"""Any conversation with a DL/T 645 meter, carried through a local module to a meter behind it.

Source: Q/GDW 1376.2-2013, clauses 5.11 (13-F1) and 5.14 (F1-F1), annex A (broadcast clock: 03-F9, 05-F3);
DL/T 645-2007, clause 5. A busy module (denials 9, 109, 111) is asked again later, a meter that it could not
reach is silent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

from kwhub.domain.errors import KwhubError, NoAnswer, Refusal, SequenceError
from kwhub.domain.machine import Conversation
from kwhub.protocols.dlt645.deviations import STANDARD, Deviations
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.orders import SetTime
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.protocols.gdw1376_2 import afn_03
from kwhub.protocols.gdw1376_2.afn_03 import BroadcastDelay
from kwhub.protocols.gdw1376_2.afn_05 import Broadcast
from kwhub.protocols.gdw1376_2.afn_13 import Monitor, Monitored
from kwhub.protocols.gdw1376_2.afn_f1 import ParallelAnswer, ParallelRead
from kwhub.protocols.gdw1376_2.common import sized
from kwhub.protocols.gdw1376_2.messages import (
    Answered,
    Batch,
    Confirmed,
    Denied,
    Order,
    Request,
    Wait,
    order_of,
)

__all__ = ["PARALLEL_MAX", "Carried", "Way", "broadcast", "carry", "carry_many", "confirmed"]

T = TypeVar("T")

PARALLEL_MAX = 5
"""Meters of one F1-F1 round; more bring denial 109 from some modules."""
_FLUSH_S = 1e9
"""Moment at which every wait of a meter session is over."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a meter is reached through the module.

    Attributes:
        slave: address of the meter, or of the collector before it.
        timeout_s: slave timeout of the module, from its 03-F10; less is waited for a meter whose answer
            times are known.
        attempts: how often a request is carried before its silence is believed.
        busy_wait_s: pause after a denial that says "later".
        busy_max: how many such denials are waited out.
        relays: fixed relays; none: the module routes.
    """

    slave: str
    timeout_s: float = 90.0
    attempts: int = 3
    busy_wait_s: float = 5.0
    busy_max: int = 6
    relays: tuple[str, ...] = ()
    deviations: Deviations = STANDARD


def carry(conversation: Conversation[T], way: Way) -> Conversation[T]:
    """Run a DL/T 645 conversation through 13-F1; it sees the same events as on a bus.

    Returns:
        What the conversation returns.

    Raises:
        Refusal: the module does not forward, for a reason that is not the meter's.
        Exception: whatever the conversation raises.
    """
    event: Any = None
    try:
        while True:
            try:
                request = conversation.send(event)
            except StopIteration as done:
                result: T = done.value
                return result
            event = yield from _ask(request, way)
    finally:
        conversation.close()


def confirmed(request: Request) -> Conversation[Confirmed]:
    """Ask for something that the module confirms.

    Raises:
        Refusal: it denies.
        NoAnswer: it says nothing.
        SequenceError: it answers with something else.
    """
    event = yield request
    if isinstance(event, Confirmed):
        return event
    raise _failure(event)


def broadcast(frame_for: Callable[[int], bytes], protocol: int = 2) -> Conversation[int]:
    """Say something to all meters, such as the time, and wait until it has gone through the network.

    Args:
        frame_for: makes the frame for a delay in seconds; called with 0 first.
        protocol: 1 for DL/T 645-1997, 2 for DL/T 645-2007.

    Returns:
        The delay that the module announced and the last frame was made for; 0 when it does not know.

    Raises:
        NoAnswer, Refusal, SequenceError: the module does not do it.
    """
    question = bytes([protocol]) + sized(frame_for(0))
    event = yield Request(Order(afn_03.AFN, BroadcastDelay.FUNCTION, question))
    unit = event.unit if isinstance(event, Answered) else None
    if not isinstance(unit, BroadcastDelay) and not isinstance(event, Denied):
        raise _failure(event)
    delay_s = unit.delay_s if isinstance(unit, BroadcastDelay) else 0
    order = order_of(Broadcast(frame_for(delay_s), protocol))
    done = yield from confirmed(Request(order, repeatable=False))
    yield Wait(done.wait_s)
    return delay_s


def _later(request: Any, late_s: int, way: Way) -> "Carried":
    """A request that arrives late: the time that it tells must be right then."""
    if isinstance(request, SetTime):
        request = replace(request, time=request.time + timedelta(seconds=late_s))
    return Carried(request, way.deviations)


def _failure(event: Any) -> KwhubError:
    if isinstance(event, Denied):
        return Refusal((event.words,), raw=event.raw)
    if getattr(event, "timed_out", False):
        return NoAnswer("the module does not answer", attempts=event.attempts)
    return SequenceError(f"the module answers with {type(event).__name__}")


class Carried:
    """One DL/T 645 request on its way through a module.

    Attributes:
        raw: its frame without preamble.
        sent: its final event when nobody answers it, else None.
        protocol: 1 for DL/T 645-1997, 2 for DL/T 645-2007.
    """

    def __init__(self, request: Any, deviations: Deviations) -> None:
        self.request = request
        self._deviations = deviations
        self._session = self._open()
        self.raw = self._session.outgoing(0.0)
        self.sent = next((event for event in self._session.events() if event.final), None)
        self.repeatable = bool(getattr(request, "repeatable", True))
        self.protocol = 1 if getattr(request, "edition", None) is Edition.E1997 else 2

    def _open(self) -> Session:
        session = Session(Role.MASTER, deviations=self._deviations, preamble=0)
        session.send(self.request, 0.0)
        return session

    def hear(self, raw: bytes) -> Any:
        """The final event in what a meter answered; None when there is none."""
        self._session = self._open()
        self._session.outgoing(0.0)
        self._session.receive(raw, 0.0)
        return next((event for event in self._session.events() if event.final), None)

    def silence(self, attempts: int) -> Any:
        """The event that says that nothing came."""
        self._session = self._open()
        self._session.outgoing(0.0)
        self._session.on_deadline(_FLUSH_S)
        return replace(self._session.events()[-1], attempts=attempts)


def _ask(request: Any, way: Way) -> Conversation[Any]:
    asked = Carried(request, way.deviations)
    if asked.sent is not None:  # nobody answers: it is for all meters
        yield from broadcast(lambda late_s: _later(request, late_s, way).raw, asked.protocol)
        return asked.sent
    attempts = way.attempts if asked.repeatable else 1
    for _ in range(attempts):
        event = asked.hear((yield from _forward(asked, way)))
        if event is not None:
            return event
    return asked.silence(attempts)


def _forward(asked: Carried, way: Way) -> Conversation[bytes]:
    """Bytes of the meter's answer; empty when it was silent."""
    order = order_of(Monitor(asked.raw, asked.protocol), way.slave, way.relays)
    for _ in range(way.busy_max + 1):
        event = yield Request(order, way.timeout_s, repeatable=False, adapts=True)
        if isinstance(event, Answered) and isinstance(event.unit, Monitored):
            return event.unit.frame
        if getattr(event, "timed_out", False) or (isinstance(event, Denied) and event.silent):
            return b""
        if not isinstance(event, Denied) or not event.busy:
            raise _failure(event)
        yield Wait(way.busy_wait_s)
    raise NoAnswer(f"the module stays busy for {way.slave}", attempts=way.busy_max + 1)


class _Task:
    """One conversation of several that go on side by side."""

    def __init__(self, conversation: Conversation[Any], way: Way) -> None:
        self.way = way
        self.result: Any = None
        self.asked: Carried | None = None
        self.busy = 0
        self._conversation = conversation
        self._tries = 0
        self._go_on(None)

    def _go_on(self, event: Any) -> None:
        self.asked, self._tries = None, 0
        try:
            self.asked = Carried(self._conversation.send(event), self.way.deviations)
            if self.asked.sent is not None:
                raise SequenceError("what is said to all meters does not go in parallel")
        except StopIteration as done:
            self.result = done.value
        except KwhubError as error:
            self.asked, self.result = None, error
            self._conversation.close()

    def request(self) -> Request:
        """What is to be sent for it."""
        asked = self.asked
        if asked is None:
            raise SequenceError("this conversation is over")
        order = order_of(ParallelRead(asked.raw, asked.protocol), self.way.slave)
        return Request(order, self.way.timeout_s, repeatable=False, adapts=True)

    def take(self, event: Any) -> None:
        """What became of it."""
        asked = self.asked
        if asked is None:
            return
        if isinstance(event, Denied) and event.busy and self.busy < self.way.busy_max:
            self.busy += 1
            return
        if isinstance(event, Denied) and not event.silent:
            self.asked, self.result = None, _failure(event)
            self._conversation.close()
            return
        unit = event.unit if isinstance(event, Answered) else None
        heard = asked.hear(unit.frames) if isinstance(unit, ParallelAnswer) else None
        self._tries += 1
        if heard is None and asked.repeatable and self._tries < self.way.attempts:
            return
        self._go_on(asked.silence(self._tries) if heard is None else heard)


def carry_many(
    conversations: Sequence[tuple[Conversation[Any], Way]], width: int = PARALLEL_MAX
) -> Conversation[list[Any]]:
    """Run conversations with different meters side by side through F1-F1.

    Args:
        conversations: each with its way.
        width: how many are on their way at once.

    Returns:
        For each what it returned, or the KwhubError that it raised.
    """
    tasks = [_Task(conversation, way) for conversation, way in conversations]
    while open_tasks := [task for task in tasks if task.asked is not None][:width]:
        before = sum(task.busy for task in open_tasks)
        ended = yield Batch(tuple(task.request() for task in open_tasks))
        for task, event in zip(open_tasks, ended.results, strict=True):
            task.take(event)
        if sum(task.busy for task in open_tasks) > before:
            yield Wait(max(task.way.busy_wait_s for task in open_tasks))
    return [task.result for task in tasks]
