"""The event heap: machines driven directly, without tasks, at the speed of the processor.

Level A of the simulation. The same machines and conversations run on asyncio (level B:
``kwhub.runtime.virtual``); this level has no links, no tasks and no cancellation, so it is only for
worlds that need nothing but protocol machines: ten thousand meters on their buses.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from typing import Any, TypeAlias

from kwhub.domain.errors import KwhubError, LocalError
from kwhub.domain.machine import Conversation, Machine

__all__ = [
    "ATTEMPTS",
    "BITS_PER_BYTE",
    "Asker",
    "Cable",
    "Damage",
    "Kernel",
    "Station",
    "TraceEntry",
]

ATTEMPTS = 3
"""How often a request is sent, the first time included, before its time-out is believed."""
BITS_PER_BYTE = 11
"""Start, eight data bits, parity, stop."""
SLICE_S = 0.2
"""Longest stretch of wire time that arrives at once, as with ``kwhub.links.layers.Throttled``."""
CHUNK_BYTES = 65_536
"""The same for a wire that takes no time, in bytes."""

Damage: TypeAlias = Callable[[bytes], Iterable[bytes]]
"""What a bad cable makes of bytes: the pieces that arrive, perhaps none, perhaps changed ones; such as
``spoil`` of a ``kwhub.links.layers.Spoiler``."""


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One write."""

    at_s: float  #: seconds since the start of the simulation
    who: str
    raw: bytes


class Kernel:
    """Time and order: a heap of (time, number, action). Equal times keep the order of scheduling.

    Args:
        start: aware wall time of second 0.
        trace: whether to keep every write (memory grows with it).

    Attributes:
        now: second of the simulation.
        trace: every write so far, if it is kept.
    """

    def __init__(self, start: datetime, *, trace: bool = False) -> None:
        if start.tzinfo is None:
            raise ValueError("a simulation starts at an aware moment")
        self.now = 0.0
        self.start = start
        self.trace: list[TraceEntry] = []
        self._tracing = trace
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    def wall(self) -> datetime:
        """The present moment, aware."""
        return self.start + timedelta(seconds=self.now)

    def at(self, when_s: float, action: Callable[[], None]) -> None:
        """Have something done at a second of the simulation.

        Raises:
            LocalError: the second has passed.
        """
        if when_s < self.now:
            raise LocalError(f"second {when_s} has passed: it is {self.now}")
        self._number += 1
        heappush(self._heap, (when_s, self._number, action))

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Have something done some seconds from now."""
        self.at(self.now + delay_s, action)

    def run_until(self, stop_s: float) -> None:
        """Do everything that is due up to and including a second, then stand at it."""
        heap = self._heap
        while heap and heap[0][0] <= stop_s:
            self.now, _number, action = heappop(heap)
            action()
        self.now = max(self.now, stop_s)

    def note(self, who: str, raw: bytes) -> None:
        """Keep a write in the trace, if there is one."""
        if self._tracing:
            self.trace.append(TraceEntry(self.now, who, raw))


class Cable:
    """A half-duplex way between two stations, paced like a wire.

    Args:
        kernel: gives the time.
        baud: bits a second; None when bytes take no time.
        delay_s: time on the way, besides the pace.
        damage: what arrives of what was written; everything when left out.
    """

    def __init__(
        self,
        kernel: Kernel,
        *,
        baud: int | None = None,
        delay_s: float = 0.0,
        damage: Damage | None = None,
    ) -> None:
        self._kernel = kernel
        self._byte_s = BITS_PER_BYTE / baud if baud else 0.0
        self._slice_bytes = max(1, int(SLICE_S / self._byte_s)) if baud else CHUNK_BYTES
        self._delay_s = delay_s
        self._damage = damage
        self._free_s = 0.0
        self._ends: list[Station] = []

    def attach(self, station: "Station") -> None:
        """Connect an end. Raises LocalError when both ends are taken."""
        if len(self._ends) == 2:
            raise LocalError("a cable has two ends")
        self._ends.append(station)

    def write(self, sender: "Station", data: bytes) -> None:
        """Carry bytes to the other end; a write while the wire is busy waits for its turn."""
        self._kernel.note(sender.name, data)
        self._free_s = max(self._kernel.now, self._free_s)
        through_s = self._free_s + len(data) * self._byte_s  # lost bytes take their time too
        for station in self._ends:
            if station is not sender:
                for piece in self._damage(data) if self._damage else (data,):
                    self._carry(station, piece)
        self._free_s = max(self._free_s, through_s)

    def _carry(self, station: "Station", data: bytes) -> None:
        """Have bytes arrive, in slices, when their last bit would."""
        for at in range(0, len(data), self._slice_bytes):
            piece = data[at : at + self._slice_bytes]
            self._free_s += len(piece) * self._byte_s
            self._kernel.at(self._free_s + self._delay_s, partial(station.hear, piece))


class Station:
    """A machine at the end of a cable: hands over its bytes and keeps its timer.

    Attributes:
        name: for the trace.
        machine: driven by this station alone.
    """

    def __init__(self, kernel: Kernel, name: str, machine: Machine, cable: Cable) -> None:
        self.name = name
        self.machine = machine
        self._kernel = kernel
        self._cable = cable
        self._armed_s: float | None = None
        cable.attach(self)

    def hear(self, data: bytes) -> None:
        """Take bytes from the cable."""
        self.machine.receive(data, self._kernel.now)
        self.pump()

    def pump(self) -> None:
        """Hand over what the machine wants to say, look at what happened, set the timer."""
        kernel, machine = self._kernel, self.machine
        happened = True
        while happened:
            out = machine.outgoing(kernel.now)
            if out:
                self._cable.write(self, out)
            happened = False
            for event in machine.events():
                happened = True
                self.happened(event)
        self._arm()

    def happened(self, event: Any) -> None:
        """Hear an event of the machine; nothing is done about it here."""

    def _arm(self) -> None:
        """Have one timer in the heap, at the deadline or before it.

        Deadlines mostly move away unused; a timer that comes too early looks again, which is
        cheaper than taking entries out of a heap.
        """
        deadline = self.machine.deadline()
        if deadline is not None and (self._armed_s is None or deadline < self._armed_s):
            self._armed_s = max(deadline, self._kernel.now)
            self._kernel.at(self._armed_s, self._timer)

    def _timer(self) -> None:
        if self._armed_s is None or self._armed_s > self._kernel.now:
            return  # an earlier timer has taken over
        self._armed_s = None
        deadline = self.machine.deadline()
        if deadline is not None and deadline <= self._kernel.now:
            self.machine.on_deadline(self._kernel.now)
            self.pump()
        else:
            self._arm()


class Asker(Station):
    """The asking end: runs conversations one after the other and repeats what was not answered.

    Attributes:
        requests: requests asked for, repeats not counted.
        retries: repeats after a time-out.
        discarded: events that ended nothing, such as noise.
    """

    def __init__(
        self,
        kernel: Kernel,
        name: str,
        machine: Machine,
        cable: Cable,
        *,
        attempts: int = ATTEMPTS,
    ) -> None:
        super().__init__(kernel, name, machine, cable)
        self.requests = 0
        self.retries = 0
        self.discarded = 0
        self._attempts = attempts
        self._left = 0
        self._request: Any = None
        self._waiting: deque[tuple[Conversation[Any], Callable[[Any], None]]] = deque()
        self._running: tuple[Conversation[Any], Callable[[Any], None]] | None = None

    def start(self, conversation: Conversation[Any], done: Callable[[Any], None]) -> None:
        """Run a conversation when those before it are through.

        Args:
            conversation: yields requests, is sent their final events.
            done: gets what the conversation returned, or the KwhubError that it raised.
        """
        self._waiting.append((conversation, done))
        if self._running is None:
            self._next()
            self.pump()

    def happened(self, event: Any) -> None:
        """See Station."""
        if not event.final:
            self.discarded += 1
        elif getattr(event, "timed_out", False) and self._left:
            self._left -= 1
            self.retries += 1
            self.machine.send(self._request, self._kernel.now)
        else:
            self._go_on(event)

    def _next(self) -> None:
        self._running = self._waiting.popleft() if self._waiting else None
        if self._running is not None:
            self._go_on(None)

    def _go_on(self, event: Any) -> None:
        """Send the conversation an event and put its next request on the way."""
        if self._running is None:
            raise LocalError(f"{event!r} ends a request that nobody made")
        conversation, done = self._running
        try:
            self._request = conversation.send(event)
        except StopIteration as finished:
            self._finish(done, finished.value)
        except KwhubError as error:
            self._finish(done, error)
        else:
            self.requests += 1
            repeats = getattr(self._request, "repeatable", True)
            self._left = self._attempts - 1 if repeats else 0
            self.machine.send(self._request, self._kernel.now)

    def _finish(self, done: Callable[[Any], None], result: Any) -> None:
        done(result)
        self._next()
