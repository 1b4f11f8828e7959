"""One end of a bus: bytes in, events out, time as an argument.

Source: EN 13757-2: frame count bit for each address, answer between 11 bit times and 330 bit times + 50 ms.
"""

from enum import Enum
from typing import Any

from kwhub.domain.answer_times import AnswerTimes
from kwhub.domain.errors import LocalError
from kwhub.protocols.mbus import control as c
from kwhub.protocols.mbus.frames import FrameMbus, Kind
from kwhub.protocols.mbus.messages import (
    Acknowledged,
    Answered,
    Asked,
    Pause,
    Paused,
    Read,
    Repeated,
    Reply,
    Reset,
    Retune,
    Retuned,
    Send,
    Sent,
    TimedOut,
)
from kwhub.protocols.mbus.receiver import Received, Receiver
from kwhub.protocols.mbus.repeats import RepeatMemory
from kwhub.wire.events import Discarded

__all__ = [
    "ANSWER_BITS",
    "ANSWER_EXTRA_S",
    "BITS_A_BYTE",
    "GAP_BITS",
    "LATENCY_S",
    "Role",
    "Session",
    "answer_times",
]

BITS_A_BYTE = 11
ANSWER_BITS = 330
ANSWER_EXTRA_S = 0.05
GAP_BITS = 33
LATENCY_S = 0.1
"""Of a USB adapter; gateways need more."""


def answer_times(baud: int, latency_s: float = LATENCY_S) -> AnswerTimes:
    """What a line begins to learn from: nothing is known yet of its meters.

    A wait that was learnt is not shorter than what the standard gives a meter, and what a USB adapter takes.

    Args:
        baud: speed of the line.
        latency_s: what adapters and gateways add, as it was told; answers show what they really add.
    """
    meter_s = ANSWER_BITS / baud + ANSWER_EXTRA_S
    return AnswerTimes(meter_s + latency_s, least_s=meter_s + LATENCY_S)


class Role(Enum):
    """Which end."""

    MASTER = "master"
    SLAVE = "slave"


class Session:
    """A `kwhub.domain.machine.Machine`. ``now`` is monotonic seconds.

    Args:
        role: which end.
        baud: speed of the line; every wait follows from it.
        latency_s: what adapters and gateways add to every wait.
        remembers: a slave gives its last answer again by itself when the same frame comes again.
        times: MASTER: what is known of how fast the meters answer, see ``answer_times``; the waits follow
            it and it learns from every answer. None: the longest wait that the standard and ``latency_s`` ask.
        meter: MASTER: under which name ``times`` knows the meter that is talked to.
    """

    def __init__(
        self,
        role: Role,
        *,
        baud: int = 2400,
        latency_s: float = LATENCY_S,
        remembers: bool = True,
        times: AnswerTimes | None = None,
        meter: str = "",
    ) -> None:
        _check(baud)
        self.role = role
        self.baud = baud
        self.latency_s = latency_s
        self._receiver = Receiver()
        self._bits: dict[int, bool] = {}
        self._times = times
        self._meter = meter
        self._request: Any = None
        self._asked_at = 0.0  # the end of the request on the wire; of the first one when repeated
        self._unanswered: Any = None  # the last request, when it timed out: the next may repeat it
        self._deadline: float | None = None
        self._heard = bytearray()
        self._last = b""
        self._memory = RepeatMemory() if remembers else None
        self._asked: FrameMbus | None = None
        self._out = bytearray()
        self._events: list[Any] = []

    def send(self, request: Any, now: float) -> None:
        """Queue a request, or a slave's answer. Raises LocalError when not allowed now."""
        if self.role is Role.SLAVE:
            self._reply(request)
            return
        if self._request is not None:
            raise LocalError("the last request has not ended")
        if isinstance(request, Retune):
            _check(request.line_baud)
            self.baud = request.line_baud
            if self._times is not None:  # nothing is known of another speed
                self._times = answer_times(self.baud, self.latency_s)
            self._events.append(Retuned(request))
            return
        if isinstance(request, Pause):
            self._request, self._deadline = request, now + request.seconds
            return
        raw = self._frame(request).to_bytes()
        self._request, self._last = request, raw
        self._heard.clear()
        self._out += raw
        self._wait(now + len(raw) * BITS_A_BYTE / self.baud)

    def _wait(self, sent_at: float) -> None:
        """Start the wait for the answer to a request that is on the wire from ``sent_at`` on."""
        if self._unanswered != self._request:
            self._unanswered = None
            self._asked_at = sent_at
        if self._times is None or self._request.address == c.ADDRESS_ALL:
            wait_s = ANSWER_BITS / self.baud + ANSWER_EXTRA_S + self.latency_s
        else:
            wait_s = self._times.timeout_s(self._meter)
        self._deadline = sent_at + wait_s

    def _learn(self, raw: bytes, now: float) -> None:
        """Note the answer time of the meter."""
        if self._times is None:
            return
        delay_s = now - len(raw) * BITS_A_BYTE / self.baud - self._asked_at
        if self._unanswered is None:
            self._times.answered(self._meter, delay_s)
        else:
            self._times.answered_late(self._meter, delay_s)
            self._unanswered = None

    def receive(self, data: bytes, now: float) -> None:
        """Take any number of received bytes."""
        self._take(self._receiver.feed(data), now)
        if self.role is Role.MASTER and self._request is None and not self._receiver.pending:
            self._deadline = None
        elif self._receiver.pending:
            bits = self._receiver.missing * BITS_A_BYTE + GAP_BITS
            at = now + bits / self.baud + self.latency_s
            self._deadline = at if self.role is Role.SLAVE else max(at, self._deadline or at)
        elif self.role is Role.SLAVE:
            self._deadline = None

    def events(self) -> list[Any]:
        """Take what has happened since the last call."""
        taken, self._events = self._events, []
        return taken

    def outgoing(self, now: float) -> bytes:  # noqa: ARG002 - the verb has the same shape everywhere
        """Take the bytes to be written."""
        taken = bytes(self._out)
        self._out.clear()
        return taken

    def deadline(self) -> float | None:
        """When the answer or the rest of a frame is no longer expected."""
        return self._deadline

    def on_deadline(self, now: float) -> None:
        """Give up what is due."""
        if self._deadline is None or now < self._deadline:
            return
        self._deadline = None
        self._take(self._receiver.give_up(), now)
        if self._request is None:
            return
        request = self._request
        if isinstance(request, Pause):
            self._request = None
            self._events.append(Paused(request))
        elif request.address == c.ADDRESS_ALL:
            self._succeed(Sent(request))
        else:
            self._request, self._unanswered = None, request
            if self._times is not None:
                self._times.silent(self._meter)
            self._events.append(TimedOut(request, bytes(self._heard)))

    def _frame(self, request: Any) -> FrameMbus:
        if not isinstance(request, Reset | Read | Send):
            raise LocalError(f"a master does not send {type(request).__name__}")
        bit = c.FCB if self._bits.get(request.address, True) else 0
        match request:
            case Reset():
                # Heard or not: the next counted frame must have the bit set.
                self._bits[request.address] = True
                return FrameMbus.short(c.SND_NKE, request.address)
            case Read():
                service = c.REQ_UD1 if request.alarms else c.REQ_UD2
                return FrameMbus.short(service | bit, request.address)
            case _:
                return FrameMbus.long(c.SND_UD | bit, request.address, request.ci, request.data)

    def _succeed(self, event: Any) -> None:
        """The exchange went well: the frame count bit goes on."""
        address = self._request.address
        if not isinstance(self._request, Reset):
            self._bits[address] = not self._bits.get(address, True)
        elif address == c.ADDRESS_ALL:
            self._bits.clear()
        self._request = None
        self._events.append(event)

    def _take(self, found: list[Received | Discarded], now: float) -> None:
        for one in found:
            if isinstance(one, Discarded):
                self._heard += one.raw
                self._events.append(one)
            elif self.role is Role.SLAVE:
                self._be_asked(one)
            else:
                self._hear(one, now)

    def _be_asked(self, one: Received) -> None:
        if not one.frame.from_master:
            self._events.append(Discarded(one.raw, "foreign", "a slave's frame"))
            return
        said = None if self._memory is None else self._memory.recall(one.frame)
        if said is None:
            self._asked = one.frame
            self._events.append(Asked(one.frame, one.raw))
        else:
            self._out += said.to_bytes()
            self._events.append(Repeated(one.frame, one.raw))

    def _reply(self, request: Any) -> None:
        if not isinstance(request, Reply):
            raise LocalError(f"a slave does not send {type(request).__name__}")
        if self._memory is not None and self._asked is not None:
            self._memory.keep(self._asked, request.frame)
        self._asked = None
        self._out += request.frame.to_bytes()

    def _hear(self, one: Received, now: float) -> None:
        frame, request = one.frame, self._request
        if frame.from_master:
            kind = "echo" if one.raw == self._last else "foreign"
            self._events.append(Discarded(one.raw, kind, "a master's frame"))
        elif request is None or isinstance(request, Pause) or request.address == c.ADDRESS_ALL:
            self._events.append(Discarded(one.raw, "unexpected", "nothing was asked"))
        elif frame.kind is Kind.ACK and (not isinstance(request, Read) or request.alarms):
            self._learn(one.raw, now)
            self._succeed(Acknowledged(request))
        elif isinstance(request, Read) and frame.kind is not Kind.ACK and _from(frame, request):
            self._learn(one.raw, now)
            self._succeed(Answered(request, frame, one.raw))
        else:
            self._heard += one.raw
            self._events.append(Discarded(one.raw, "unexpected", "no answer to what was asked"))


def _check(baud: int) -> None:
    if baud not in c.CI_BY_BAUD:
        raise LocalError(f"M-Bus has no speed of {baud} baud")


def _from(frame: FrameMbus, request: Read) -> bool:
    """Whether an answer is of the slave that was asked; behind FD and FE it gives its own address."""
    return request.address > c.ADDRESS_MAX or frame.address == request.address
