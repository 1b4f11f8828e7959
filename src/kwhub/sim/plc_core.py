"""What every simulated module does: the verbs of a machine, its timers, its turn to speak.

Source: Q/GDW 1376.2-2013, clause 4.4.
"""

from collections import deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any, TypeAlias

from kwhub.domain.errors import LocalError
from kwhub.protocols.gdw1376_2.afn_00 import denial_words
from kwhub.protocols.gdw1376_2.afn_06 import OutageReport
from kwhub.protocols.gdw1376_2.common import Unit
from kwhub.protocols.gdw1376_2.frames import Frame13762
from kwhub.protocols.gdw1376_2.messages import Answer, Asked, Confirm, Deny, Initiate, order_of
from kwhub.protocols.gdw1376_2.session import Role, Session, State
from kwhub.sim.plc_network import PlcNetwork

__all__ = ["Heard", "ModuleCore", "forget"]

Heard: TypeAlias = Callable[[Any, float], None]
"""Told how something that the module started has ended."""


def forget(_event: Any, _now: float) -> None:
    """What becomes of a report does not matter."""


class ModuleCore:
    """Base of a module; ``serve`` is called with every frame of the concentrator."""

    def __init__(self, network: PlcNetwork, mode: int) -> None:
        self.network = network
        self.asked = 0
        self.denied: dict[str, int] = {}
        self.session = Session(Role.MODULE, mode=mode)
        self._queue: deque[tuple[Initiate, Heard]] = deque()
        self._hearing: Heard | None = None
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = 0
        self._events: list[Any] = []

    def serve(self, frame: Frame13762, now: float) -> None:
        """Deal with a frame; here it is denied."""
        self.deny(frame, 10, now)

    # --- the verbs of a machine

    def send(self, request: Any, now: float) -> None:
        """Have the module say something by itself: an Initiate. Raises LocalError for anything else."""
        if not isinstance(request, Initiate):
            raise LocalError(f"a module does not send {type(request).__name__} by itself")
        self._initiate(request, forget, now)

    def receive(self, data: bytes, now: float) -> None:
        """Take received bytes."""
        self.session.receive(data, now)
        self._heard(now)

    def events(self) -> list[Any]:
        """Take what was heard; it is being dealt with already."""
        events, self._events = self._events, []
        return events

    def outgoing(self, now: float) -> bytes:
        """Take the bytes to be written."""
        return self.session.outgoing(now)

    def deadline(self) -> float | None:
        """When the next thing is due."""
        times = [self.session.deadline(), self._due[0][0] if self._due else None]
        return min((one for one in times if one is not None), default=None)

    def on_deadline(self, now: float) -> None:
        """Do what is due."""
        limit = self.session.deadline()
        if limit is not None and limit <= now:
            self.session.on_deadline(now)
            self._heard(now)
        while self._due and self._due[0][0] <= now:
            _due_at, _number, action = heappop(self._due)
            action(now)

    def power(self, addresses: Sequence[str], now: float, *, lost: bool) -> None:
        """Cut or return the power of meters; the module reports it (06-F5)."""
        for address in addresses:
            self.network.nodes[address].powered = not lost
        report = OutageReport(lost, tuple(addresses)).to_report()
        self._initiate(Initiate(order_of(report)), forget, now)

    # --- time and turns

    def _at(self, when: float, action: Callable[[float], None]) -> None:
        self._count += 1
        heappush(self._due, (when, self._count, action))

    def _initiate(self, request: Initiate, heard: Heard, now: float) -> None:
        self._queue.append((request, heard))
        self._next(now)

    def _next(self, now: float) -> None:
        if self._queue and self.session.state is State.IDLE:
            request, self._hearing = self._queue.popleft()
            self.session.send(request, now)

    def _heard(self, now: float) -> None:
        for event in self.session.events():
            self._events.append(event)
            if isinstance(event, Asked):
                self.asked += 1
                self.serve(event.frame, now)
            elif event.final:
                hearing, self._hearing = self._hearing, None
                if hearing is not None:
                    hearing(event, now)
        self._next(now)

    def deny(self, frame: Frame13762, reason: int, now: float) -> None:
        """Say no."""
        words = denial_words(reason)[0]
        self.denied[words] = self.denied.get(words, 0) + 1
        self.session.send(Deny(frame, reason), now)

    def _answer(self, frame: Frame13762, unit: Unit, now: float, slave: str = "") -> None:
        node = self.network.nodes.get(slave)
        phase, quality = (node.phase, node.quality) if node else (0, 0)
        self.session.send(Answer(frame, order_of(unit, slave), phase, quality), now)

    def _confirm(self, frame: Frame13762, now: float, wait_s: int = 0) -> None:
        self.session.send(Confirm(frame, wait_s), now)
