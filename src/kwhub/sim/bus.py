"""Meters on one line as one machine: it hears everything, and whoever is meant answers after a while.

Being a machine, a bus of meters runs on any shell: on a link (``kwhub.sim.device``), in the event
heap (``kwhub.sim.kernel``), or by hand in a test.

Source: DL/T 645-2007, clause 5.1 (answer delay 20 to 500 ms).
"""

from collections import Counter
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any

from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645.addresses import BROADCAST
from kwhub.protocols.dlt645.control import (
    WRITE,
    WRITE_1997,
    WRITE_ADDRESS,
    WRITE_ADDRESS_1997,
)
from kwhub.protocols.dlt645.deviations import STANDARD, Deviations
from kwhub.protocols.dlt645.frames import ABNORMAL, ANSWER, MORE, Frame645
from kwhub.protocols.dlt645.messages import Asked, ReadData, Refused
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.sim.meter import Message, SimulatedMeter

__all__ = ["REPLY_DELAY_S", "MeterBus"]

REPLY_DELAY_S = 0.02
"""The least answer delay of the standard."""
_ADDRESS_CHANGING = frozenset({WRITE, WRITE_ADDRESS, WRITE_1997, WRITE_ADDRESS_1997})
_ROUNDING_S = 1e-6
"""So that a whole second stays one when two large floats are added."""


class MeterBus:
    """The answering end of a line; a ``kwhub.domain.machine.Machine`` that needs no handler.

    Where several meters are meant at once (a wildcard) they answer at once and destroy each other's
    answer on the wire: a bit is only heard as 1 where all of them are silent or say 1.

    Args:
        meters: all on this line.
        epoch_s: seconds since 1970-01-01 UTC at which the shell's ``now`` was 0.
        reply_delay_s: from the end of a request to the first byte of the answer.
        infrared: the line is light, which cost-control meters guard.

    Raises:
        LocalError: two meters have the same address.

    Attributes:
        answers: how many were given.
    """

    def __init__(
        self,
        meters: Sequence[SimulatedMeter],
        *,
        epoch_s: float,
        reply_delay_s: float = REPLY_DELAY_S,
        infrared: bool = False,
    ) -> None:
        self._infrared = infrared
        self.answers = 0
        self._all = tuple(meters)
        self._meters = {meter.address: meter for meter in meters}
        if len(self._meters) != len(meters):
            raise LocalError("two meters on one line have the same address")
        self._epoch_s = epoch_s
        self._reply_delay_s = reply_delay_s
        editions = {meter.edition for meter in meters}
        # Some codes mean different things in the two editions, so a line of one edition says which.
        edition = editions.pop() if len(editions) == 1 else None
        self._session = Session(
            Role.METER, edition=edition, addresses=self._knows, deviations=self._deviations_of
        )
        self._due: list[tuple[float, int, Any, Message | bytes, Deviations]] = []
        self._events: list[Any] = []
        self._stray = bytearray()

    def send(self, request: Any, now: float) -> None:
        """Meters say nothing of their own accord. Raises LocalError."""
        raise LocalError(f"nobody asked for {request} (second {now})")

    def receive(self, data: bytes, now: float) -> None:
        """Take received bytes."""
        self._session.receive(data, now)
        self._heard(now)

    def events(self) -> list[Any]:
        """Take what was heard; the answers to it are on their way already."""
        events, self._events = self._events, []
        return events

    def outgoing(self, now: float) -> bytes:
        """Take the bytes of the answers that are due."""
        raw = self._session.outgoing(now)
        if self._stray:
            raw += self._stray
            self._stray.clear()
        return raw

    def deadline(self) -> float | None:
        """When the next answer is due or an unfinished frame is given up."""
        quiet_at = self._session.deadline()
        if not self._due:
            return quiet_at
        return self._due[0][0] if quiet_at is None else min(quiet_at, self._due[0][0])

    def on_deadline(self, now: float) -> None:
        """Hear what an unfinished frame turned out to be, and say what is due."""
        quiet_at = self._session.deadline()
        if quiet_at is not None and quiet_at <= now:
            self._session.on_deadline(now)
            self._heard(now)
        while self._due and self._due[0][0] <= now:
            _due_at, _number, request, message, deviations = heappop(self._due)
            self._say(request, message, deviations, now)

    def _knows(self, address: str) -> bool:
        return address in self._meters or any(meter.is_meant(address) for meter in self._all)

    def _deviations_of(self, address: str) -> Deviations:
        meter = self._meters.get(address)
        return STANDARD if meter is None else meter.deviations

    def _meant(self, address: str) -> list[SimulatedMeter]:
        if address == BROADCAST:
            return list(self._all)
        meter = self._meters.get(address)
        return [meter] if meter else [each for each in self._all if each.is_meant(address)]

    def _heard(self, now: float) -> None:
        """Pass requests on to those who are meant."""
        for event in self._session.events():
            self._events.append(event)
            if isinstance(event, Asked):
                self._asked(event, now)

    def _asked(self, event: Asked, now: float) -> None:
        request, at_s = event.request, int(self._epoch_s + now + _ROUNDING_S)
        replies = []
        for meter in self._meant(request.address):
            reply = meter.answer(request, at_s, infrared=self._infrared)
            if reply is not None:
                replies.append((reply, meter.deviations))
        if type(request) is not ReadData and request.function in _ADDRESS_CHANGING:
            self._meters = _by_address(self._all)
        if not replies or event.silent:
            return
        self.answers += 1
        first = replies[0][0]
        said: Message | bytes = first.message
        if len(replies) > 1:
            said = _collision([_frame(request, reply.message, each) for reply, each in replies])
        due_at = now + self._reply_delay_s + first.extra_delay_s
        heappush(self._due, (due_at, self.answers, request, said, replies[0][1]))

    def _say(
        self, request: Any, message: Message | bytes, deviations: Deviations, now: float
    ) -> None:
        if isinstance(message, bytes):
            self._stray += message
            return
        try:
            self._session.send(message, now)
        except LocalError:
            # Late, or under a wrong address: the session rightly does not take it for an answer to
            # anything that is open. A faulty meter speaks all the same.
            self._stray += _frame(request, message, deviations)


def _by_address(meters: Sequence[SimulatedMeter]) -> dict[str, SimulatedMeter]:
    """Meters that have an address for themselves; those that share one are found one by one."""
    counts = Counter(meter.address for meter in meters)
    return {meter.address: meter for meter in meters if counts[meter.address] == 1}


def _collision(frames: Sequence[bytes]) -> bytes:
    """What is heard of frames that begin at the same moment: a space (0) wins over a mark (1)."""
    heard = bytearray(b"\xff" * max(map(len, frames)))
    for frame in frames:
        for at, byte in enumerate(frame):
            heard[at] &= byte
    return bytes(heard)


def _frame(request: Any, message: Message, deviations: Deviations) -> bytes:
    control = request.function | ANSWER
    if isinstance(message, Refused):
        control |= ABNORMAL
    elif message.more:
        control |= MORE
    data, preamble = message.data_for(request), deviations.answer_preamble
    frame = Frame645(message.address, control, data, preamble)
    return deviations.answer(request, frame).to_bytes()
