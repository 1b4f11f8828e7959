"""One end of the module interface: bytes in, events out, time as an argument.

Source: Q/GDW 1376.2-2013, clauses 4.4, 5.1 and annex A (a confirmation may announce a longer wait; the
sequence number pairs an answer with its request; reports are confirmed with their own number).
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

from kwhub.domain.answer_times import AnswerTimes
from kwhub.domain.errors import LocalError
from kwhub.protocols.gdw1376_2 import afn_00, afn_06, afn_14
from kwhub.protocols.gdw1376_2.frames import NARROW_BAND, Addresses, Control, Frame13762, frame
from kwhub.protocols.gdw1376_2.messages import (
    Answer,
    Answered,
    Asked,
    Await,
    Batch,
    BatchEnded,
    Confirm,
    Confirmed,
    Denied,
    Deny,
    Initiate,
    Order,
    Reported,
    Request,
    Stop,
    TimedOut,
    Wait,
    Waited,
)
from kwhub.protocols.gdw1376_2.receiver import Received, Receiver
from kwhub.protocols.gdw1376_2.routes import DownRoute, UpRoute
from kwhub.protocols.gdw1376_2.states import START_STATE, Role, State, step
from kwhub.protocols.gdw1376_2.tables import find, read_unit
from kwhub.wire.events import Discarded

__all__ = [
    "BYTE_GAP_S",
    "NO_MASTER",
    "REPORT_ATTEMPTS",
    "WAIT_LEAST_S",
    "Role",
    "Session",
    "State",
    "answer_times",
]

BYTE_GAP_S = 1.0
"""Silence inside a frame after which its rest is no longer expected."""
REPORT_ATTEMPTS = 3
"""How often a module says what is not confirmed."""
NO_MASTER = "000000000000"
WAIT_LEAST_S = 15.0
"""Shortest wait for a slave that was learnt: a module tries for some seconds before it says that it is silent."""
_WAIT_FIRST_S = 600.0
"""Longer than any slave timeout: while nothing is known, that one counts."""

_End: TypeAlias = Answered | Confirmed | Denied | TimedOut


@dataclass(slots=True)
class _Open:
    """Something that waits for its answer."""

    request: Request | Initiate
    frame: Frame13762
    deadline: float
    asked_at: float
    attempts_left: int = 0
    ended: _End | None = None


def answer_times() -> AnswerTimes:
    """What a concentrator begins to learn from: nothing is known yet of the slaves."""
    return AnswerTimes(_WAIT_FIRST_S, least_s=WAIT_LEAST_S)


class Session:
    """A `kwhub.domain.machine.Machine`. ``now`` is monotonic seconds.

    Args:
        role: which end.
        mode: communication mode of the module (``NARROW_BAND``, ``HPLC``, ``RADIO``).
        master: address of the master node, which stands in frames for slaves.
        times: CONCENTRATOR: what is known of how fast the slaves answer; requests that adapt are waited
            for by it, and it learns from every answer. See ``answer_times``.
    """

    def __init__(
        self,
        role: Role,
        *,
        mode: int = NARROW_BAND,
        master: str = NO_MASTER,
        times: AnswerTimes | None = None,
    ) -> None:
        self.role = role
        self.mode = mode
        self.master = master
        self._times = times
        self._given_up: dict[
            str, tuple[bytes, float]
        ] = {}  # by slave: what timed out, and since when
        self.state = START_STATE
        self._receiver = Receiver()
        self._stall_at: float | None = None
        self._number = 0
        self._open: list[_Open] = []
        self._batch: Batch | None = None
        self._listening: tuple[Wait | Await, float] | None = None
        self._last_report = b""
        self._out = bytearray()
        self._events: list[Any] = []

    # --- the five verbs of a machine

    def send(self, request: Any, now: float) -> None:
        """Queue a request, or an answer to an event. Raises LocalError when not allowed now."""
        following = step(self.role, self.state, type(request))
        if isinstance(request, Stop):
            self._stop()
            return
        match request:
            case Request() | Initiate():
                self._begin((request,), now)
            case Batch():
                if not request.requests:
                    raise LocalError("a batch has at least one request")
                self._begin(request.requests, now)
                self._batch = request
            case Wait(seconds=seconds) | Await(timeout_s=seconds):
                self._listening = (request, now + seconds)
            case _:
                self._out += self._reply(request).to_bytes()
        self.state = following

    def receive(self, data: bytes, now: float) -> None:
        """Take any number of received bytes."""
        if self._stall_at is not None and now > self._stall_at:
            self._take(self._receiver.give_up(), now)
        self._take(self._receiver.feed(data), now)
        self._stall_at = now + BYTE_GAP_S if self._receiver.pending else None

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
        """The next moment at which something is to be done."""
        times = [one.deadline for one in self._open if one.ended is None]
        if self._listening is not None:
            times.append(self._listening[1])
        if self._stall_at is not None:
            times.append(self._stall_at)
        return min(times, default=None)

    def on_deadline(self, now: float) -> None:
        """Do what is due."""
        if self._stall_at is not None and now >= self._stall_at:
            self._take(self._receiver.give_up(), now)
            self._stall_at = now + BYTE_GAP_S if self._receiver.pending else None
        if self._listening is not None and now >= self._listening[1]:
            request, _until = self._listening
            self._stop_listening(
                Waited(request) if isinstance(request, Wait) else TimedOut(request)
            )
        for one in [one for one in self._open if one.ended is None and now >= one.deadline]:
            self._unanswered(one, now)

    # --- sending

    def _begin(self, requests: tuple[Request | Initiate, ...], now: float) -> None:
        opened: list[_Open] = []
        for request in requests:
            number = (self._number + len(opened)) & 0xFF
            made = self._frame(request.order, number)
            repeats = REPORT_ATTEMPTS - 1 if isinstance(request, Initiate) else 0
            wait_s = request.timeout_s if isinstance(request, Initiate) else self._wait_s(request)
            opened.append(_Open(request, made, now + wait_s, now, repeats))
        raw = b"".join(one.frame.to_bytes() for one in opened)  # all or nothing
        self._number = (self._number + len(opened)) & 0xFF
        self._open = opened
        self._out += raw

    def _frame(self, order: Order, number: int, *, primary: bool = True) -> Frame13762:
        up = self.role is Role.MODULE
        control = Control(up, primary, self.mode)
        content = (order.afn, order.function, order.data)
        if not order.slave:
            route: DownRoute | UpRoute = UpRoute(number) if up else DownRoute(number)
            return frame(control, route, content)
        if up:
            ends = Addresses(order.slave, self.master)
            return frame(control, UpRoute(number, from_slave=True), content, ends)
        ends = Addresses(self.master, order.slave, order.relays)
        level = len(order.relays)
        down = DownRoute(number, to_slave=True, relay_level=level)
        return frame(control, down, content, ends)

    def _reply(self, answer: Answer | Confirm | Deny) -> Frame13762:
        asked = answer.frame
        if isinstance(answer, Confirm):
            unit: afn_00.Confirmation | afn_00.Denial = afn_00.Confirmation(answer.wait_s)
        elif isinstance(answer, Deny):
            unit = afn_00.Denial(answer.reason)
        else:
            made = self._frame(answer.order, asked.sequence, primary=False)
            if not made.up:
                return made
            route = made.route
            if isinstance(route, DownRoute):
                return made
            told = UpRoute(
                route.sequence,
                from_slave=route.from_slave,
                phase=answer.phase,
                answer_quality=answer.quality,
            )
            order = answer.order
            content = (order.afn, order.function, order.data)
            return frame(made.control, told, content, made.addresses)
        order = Order(afn_00.AFN, unit.FUNCTION, unit.to_data())
        return self._frame(order, asked.sequence, primary=False)

    # --- how long a slave is waited for

    def _wait_s(self, request: Request) -> float:
        if self._times is None or not request.adapts:
            return request.timeout_s
        return min(request.timeout_s, self._times.timeout_s(request.order.slave))

    def _learn(self, one: _Open, event: Answered | TimedOut, now: float) -> None:
        """Note how long a slave took; an answer after a repeat only says how long was too short."""
        slave, data, since = one.request.order.slave, one.request.order.data, one.asked_at
        if self._times is None or not slave:
            return
        before, asked_at = self._given_up.pop(slave, (b"", 0.0))
        is_repeat = before == data
        if isinstance(event, TimedOut):
            self._times.silent(slave)
            self._given_up[slave] = data, asked_at if is_repeat else since
        elif not getattr(event.unit, "frames", event.raw):
            return  # the module's word that it is silent
        elif is_repeat:
            self._times.answered_late(slave, now - asked_at)
        else:
            self._times.answered(slave, now - since)

    # --- the end of a request

    def _unanswered(self, one: _Open, now: float) -> None:
        if one.attempts_left:
            one.attempts_left -= 1
            one.deadline = now + one.request.timeout_s
            self._out += one.frame.to_bytes()
        else:
            self._learn(one, TimedOut(one.request), now)
            self._finish(one, TimedOut(one.request))

    def _finish(self, one: _Open, event: _End) -> None:
        one.ended = event
        if self._batch is None:
            self._open = []
            self.state = step(self.role, self.state, type(event))
            self._events.append(event)
        elif all(each.ended for each in self._open):
            results = tuple(each.ended for each in self._open if each.ended)
            batch, self._batch, self._open = self._batch, None, []
            self.state = step(self.role, self.state, BatchEnded)
            self._events.append(BatchEnded(batch, results))

    def _stop(self) -> None:
        if self._listening is not None:
            self._stop_listening(Waited(self._listening[0]))

    def _stop_listening(self, event: Waited | TimedOut) -> None:
        self._listening = None
        self.state = step(self.role, self.state, type(event))
        self._events.append(event)

    # --- receiving

    def _take(self, found: list[Received | Discarded], now: float) -> None:
        for one in found:
            if isinstance(one, Discarded):
                self._events.append(one)
            elif one.frame.up is (self.role is Role.MODULE):
                self._events.append(Discarded(one.raw, "echo", "a frame of our own direction"))
            elif one.frame.control.primary and one.frame.afn != afn_00.AFN:
                self._spoken_to(one)
            else:
                self._answer(one, now)

    def _spoken_to(self, received: Received) -> None:
        made, raw = received.frame, received.raw
        if self.role is Role.MODULE:
            self._events.append(Asked(made, raw))
            return
        question = made.afn == afn_14.AFN
        reported = Reported(made, raw, raw == self._last_report, question)
        self._last_report = raw
        if not question:
            self._out += self._reply(Confirm(made)).to_bytes()
        self._events.append(reported)
        if self._listening is not None and (question or not reported.repeated):
            request, _until = self._listening
            if isinstance(request, Await) and (made.afn, made.function) in request.kinds:
                self._stop_listening(Waited(request, reported))

    def _answer(self, received: Received, now: float) -> None:
        made, raw = received.frame, received.raw
        one = next((each for each in self._open if self._pairs(each, made)), None)
        if one is None:
            detail = f"sequence {made.sequence} is not open"
            self._events.append(Discarded(raw, "unexpected", detail))
            return
        unit = read_unit(made.afn, made.function, made.data, up=made.up)
        match unit:
            case afn_00.Denial(reason=reason):
                self._finish(one, Denied(one.request, reason, raw))
            case afn_00.Confirmation(wait_s=wait_s) if _ends_with_confirm(one):
                self._finish(one, Confirmed(one.request, wait_s, raw))
            case afn_00.Confirmation(wait_s=wait_s):
                # Data is still to come: the module only says that it takes longer.
                one.deadline = max(one.deadline, now + wait_s + one.request.timeout_s)
            case _ if made.afn == afn_00.AFN:
                detail = "AFN 00 that neither confirms nor denies"
                self._events.append(Discarded(raw, "unclear_verdict", detail))
            case _:
                answered = Answered(one.request, made, raw)
                self._learn(one, answered, now)
                self._finish(one, answered)

    def _pairs(self, one: _Open, made: Frame13762) -> bool:
        if one.ended is not None or made.sequence != one.frame.sequence:
            return False
        if made.afn == afn_00.AFN:
            return True
        if (made.afn, made.function) != (one.frame.afn, one.frame.function):
            return False
        asked, came = one.frame.addresses, made.addresses
        return asked is None or came is None or not made.up or asked.target == came.source


def _ends_with_confirm(one: _Open) -> bool:
    row = find(one.frame.afn, one.frame.function)
    return (
        row is None
        or row.confirmed
        or row.edition == "vendor"
        or one.frame.afn == afn_06.AFN
        or one.frame.up
    )
