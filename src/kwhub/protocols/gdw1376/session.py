"""One connection between terminal and station, both roles.

Source: Q/GDW 1376.1-2013, clause 4.4 (transmission rules) and 5.3 (link test).

Each side keeps one request outstanding and queues the others. The terminal repeats the same frame until
it is confirmed and then gives the connection up; the station asks once and leaves repetition to its shell.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from kwhub.domain.errors import LocalError
from kwhub.protocols.gdw1376 import afn_00, afn_02
from kwhub.protocols.gdw1376.afn_00 import Verdict, read_verdict
from kwhub.protocols.gdw1376.builders import (
    REPORT_USER_BYTES_MAX,
    answer_frames,
    confirm_frame,
    deny_frame,
    initiated_frame,
)
from kwhub.protocols.gdw1376.frames import STANDARD, Frame1376, Profile, TerminalAddress
from kwhub.protocols.gdw1376.messages import (
    Answer,
    Answered,
    Asked,
    Beat,
    Confirm,
    Confirmed,
    Denied,
    Deny,
    HeartbeatDue,
    Initiated,
    LoggedIn,
    LoggedOut,
    Login,
    Lost,
    Reported,
    TimedOut,
)
from kwhub.protocols.gdw1376.outstanding import Outstanding, joined, part_problem
from kwhub.protocols.gdw1376.receiver import Received, Receiver
from kwhub.protocols.gdw1376.states import ANSWERS, INITIATED, TRANSITIONS, WAITS, Role, State
from kwhub.wire.events import Discarded

__all__ = [
    "ANSWER_TIMEOUT_S",
    "HEARTBEAT_S",
    "QUEUE_MAX",
    "STALL_S",
    "Rest",
    "Role",
    "Session",
    "State",
]

ANSWER_TIMEOUT_S = 10.0
HEARTBEAT_S = 300.0
STALL_S = 5.0
"""Silence inside a frame after which its rest is no longer expected."""
QUEUE_MAX = 64
"""Requests that may wait for their turn."""

_Happening: TypeAlias = Any


class Rest(NamedTuple):
    """All that a station must remember of a terminal that is logged in while nothing goes on."""

    address: TerminalAddress
    counter: int  #: of the requests that were sent


class Session:
    """A `kwhub.domain.machine.Machine`. ``now`` is monotonic seconds.

    Args:
        role: which end this is.
        address: the terminal; the station may leave it out and learns it from the first frame.
        msa: number of the station, 0 to 127, in its requests.
        answer_timeout_s: how long a frame may stay without its confirmation or answer.
        heartbeat_s: period in which the terminal is told to beat.
        profile: what differs between provinces.
        rest: of an earlier session of the same connection, which goes on here.
    """

    def __init__(  # noqa: PLR0913  one setting each, all but two by keyword
        self,
        role: Role,
        address: TerminalAddress | None = None,
        *,
        msa: int = 1,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        heartbeat_s: float = HEARTBEAT_S,
        profile: Profile = STANDARD,
        rest: Rest | None = None,
    ) -> None:
        if role is Role.TERMINAL and address is None:
            raise LocalError("a terminal knows its address")
        self.state = State.ONLINE if rest else State.CONNECTED
        self.address = rest.address if rest else address
        self.role = role
        self._msa = msa
        self._answer_timeout_s = answer_timeout_s
        self._heartbeat_s = heartbeat_s
        self._profile = profile
        self._receiver = Receiver(profile)
        self._stall_at: float | None = None
        self._heartbeat_at: float | None = None
        self._counter = rest.counter if rest else 0
        self._queue: deque[Initiated] = deque()
        self._outstanding: Outstanding | None = None
        self._last_raw = b""
        self._out = bytearray()
        self._events: list[_Happening] = []

    def rest(self) -> Rest | None:
        """What another session can go on with; None while something goes on, or nobody is logged in."""
        busy = self._outstanding or self._queue or self._out or self._events
        if busy or self._receiver.pending or self.state is not State.ONLINE or not self.address:
            return None
        return Rest(self.address, self._counter)

    # --- the five verbs of a machine

    def send(self, request: Any, now: float) -> None:
        """Queue a request, or an answer to an event. Raises LocalError when not allowed now."""
        kind = type(request)
        if kind in INITIATED[self.role]:
            self._enqueue(request, now)
        elif kind in ANSWERS and kind in TRANSITIONS[self.role][self.state]:
            self._send_answer(request)
        else:
            raise LocalError(
                f"{type(request).__name__} is not allowed: {self.role.name} is {self.state.name}"
            )

    def receive(self, data: bytes, now: float) -> None:
        """Take any number of received bytes."""
        self._take(self._receiver.feed(data), now)
        self._stall_at = now + STALL_S if self._receiver.pending else None

    def events(self) -> list[Any]:
        """Take what has happened since the last call."""
        taken, self._events = self._events, []
        return taken

    def outgoing(self, now: float) -> bytes:  # noqa: ARG002  # the verb has the same shape everywhere
        """Take the bytes to be written."""
        taken = bytes(self._out)
        self._out.clear()
        return taken

    def deadline(self) -> float | None:
        """The next moment at which something is to be done; None when nothing is."""
        answer = self._outstanding.deadline if self._outstanding else None
        times = [time for time in (answer, self._stall_at, self._heartbeat_at) if time is not None]
        return min(times, default=None)

    def on_deadline(self, now: float) -> None:
        """Do what is due."""
        if self._stall_at is not None and now >= self._stall_at:
            self._take(self._receiver.give_up(), now)
            self._stall_at = now + STALL_S if self._receiver.pending else None
        if self._heartbeat_at is not None and now >= self._heartbeat_at:
            self._heartbeat_at = now + self._heartbeat_s
            self._events.append(HeartbeatDue())
        if self._outstanding and now >= self._outstanding.deadline:
            self._unanswered(self._outstanding, now)

    # --- sending

    def _known_address(self) -> TerminalAddress:
        if self.address is None:
            raise LocalError("nobody has logged in: the terminal's address is not known")
        return self.address

    def _enqueue(self, request: Initiated, now: float) -> None:
        waiting = self.state in WAITS and not isinstance(request, Login)
        if not waiting and type(request) not in TRANSITIONS[self.role][self.state]:
            raise LocalError(f"{type(request).__name__} is not allowed while {self.state.name}")
        if len(self._queue) >= QUEUE_MAX:
            raise LocalError(f"{QUEUE_MAX} requests are waiting already")
        self._frame_of(request)  # what cannot be encoded is refused now, not when its turn comes
        self._queue.append(request)
        self._next(now)

    def _frame_of(self, request: Initiated) -> Frame1376:
        address = self._known_address()
        own = TerminalAddress(
            address.region, address.terminal, self._msa, address.group, address.width
        )
        frame = self._spoken(initiated_frame(request, own, self._counter & 0x0F, self._profile))
        frame.to_bytes()
        return frame

    def _spoken(self, frame: Frame1376) -> Frame1376:
        """A frame of ours in the words of the profile."""
        protocol_id = self._profile.protocol_id
        return (
            frame if frame.protocol_id == protocol_id else replace(frame, protocol_id=protocol_id)
        )

    def _next(self, now: float) -> None:
        """Send the first of the queue when nothing is outstanding."""
        if self._outstanding or not self._queue:
            return
        request = self._queue[0]
        if type(request) not in TRANSITIONS[self.role][self.state]:
            return
        self._queue.popleft()
        frame = self._frame_of(request)
        self._counter = (self._counter + 1) & 0xFF
        self._outstanding = Outstanding(request, frame, now + self._answer_timeout_s)
        self._out += self._outstanding.raw
        self.state = TRANSITIONS[self.role][self.state][type(request)]

    def _send_answer(self, answer: Answer | Confirm | Deny) -> None:
        # A terminal answers as itself, also to a broadcast; a station answers whoever spoke, which on
        # a line with cascaded terminals is not always the one that logged in.
        station = self.role is Role.STATION
        address = answer.frame.address if station else self._known_address()
        if isinstance(answer, Answer):
            frames = answer_frames(
                answer.frame,
                answer.units,
                address,
                user_bytes_max=REPORT_USER_BYTES_MAX,
                event_counters=answer.event_counters,
            )
        elif isinstance(answer, Confirm):
            frames = [confirm_frame(answer, address)]
        else:
            frames = [deny_frame(answer.frame, address)]
        self._out += b"".join(self._spoken(frame).to_bytes() for frame in frames)
        self.state = TRANSITIONS[self.role][self.state][type(answer)]

    # --- the end of a request

    def _finish(self, event: Confirmed | Denied | Answered | TimedOut, now: float) -> None:
        self._outstanding = None
        self._events.append(event)
        self.state = TRANSITIONS[self.role][self.state][type(event)]
        if self.state is State.ONLINE and self.role is Role.TERMINAL and self._heartbeat_at is None:
            self._heartbeat_at = now + self._heartbeat_s
        if self.state in {State.LOST, State.REFUSED}:
            self._end()
        self._next(now)

    def _end(self) -> None:
        """Nothing more can be sent: give up what was queued."""
        self._heartbeat_at = None
        self._events = [each for each in self._events if not isinstance(each, HeartbeatDue)]
        self._events += [TimedOut(request) for request in self._queue]
        self._queue.clear()
        if self.state is State.LOST:
            self._events.append(Lost())

    def _unanswered(self, outstanding: Outstanding, now: float) -> None:
        if outstanding.attempts_left:
            outstanding.attempts_left -= 1
            outstanding.deadline = now + self._answer_timeout_s
            self._out += outstanding.raw
        else:
            self._finish(TimedOut(outstanding.request), now)

    # --- receiving

    def _take(self, found: list[Received | Discarded], now: float) -> None:
        for one in found:
            if isinstance(one, Discarded):
                self._events.append(one)
            elif problem := self._foreign(one.frame):
                self._events.append(Discarded(one.raw, *problem))
            else:
                self._dispatch(one, now)

    def _foreign(self, frame: Frame1376) -> tuple[str, str] | None:
        if frame.up is (self.role is Role.TERMINAL):
            return "echo", "a frame of our own direction"
        if self.role is Role.TERMINAL and not frame.address.broadcast:
            own = self._known_address()
            if frame.address.group or not frame.address.same_terminal(own):
                return "foreign", f"for {frame.address}, we are {own}"
        return None

    def _dispatch(self, received: Received, now: float) -> None:
        frame = received.frame
        if frame.afn == afn_00.AFN:
            self._verdict(received, now)
        elif self.role is Role.TERMINAL:
            repeated = self._is_repeated(received)
            self._events.append(Asked(frame, received.raw, repeated))
        elif frame.control.primary:
            self._unsolicited(received)
        else:
            self._answer_part(received, now)

    def _is_repeated(self, received: Received) -> bool:
        repeated = received.raw == self._last_raw
        self._last_raw = received.raw
        return repeated

    def _unsolicited(self, received: Received) -> None:
        frame, raw = received.frame, received.raw
        repeated = self._is_repeated(received)
        if self.address is None:
            self.address = frame.address
        make = _LINK_EVENTS.get(_link_function(frame))
        if make is None:
            event: _Happening = Reported(frame.address, frame, frame.units, raw, repeated)
        else:
            event = make(frame, raw, repeated)
        self._events.append(event)

    def _verdict(self, received: Received, now: float) -> None:
        outstanding = self._outstanding
        verdict, results = read_verdict(received.frame.units)
        if outstanding is None or not self._answers(received.frame, outstanding):
            detail = "a confirmation of nothing that is outstanding"
            self._events.append(Discarded(received.raw, "unexpected", detail))
        elif verdict is Verdict.CONFIRMED:
            self._finish(Confirmed(outstanding.request, received.raw), now)
        elif verdict is Verdict.DENIED:
            self._finish(Denied(outstanding.request, received.raw, results), now)
        else:
            detail = "AFN 00 that neither confirms nor denies"
            self._events.append(Discarded(received.raw, "unclear_verdict", detail))

    def _answers(self, frame: Frame1376, outstanding: Outstanding) -> bool:
        same = frame.address.same_terminal(outstanding.frame.address)
        return same and frame.sequence.number == outstanding.frame.sequence.number

    def _answer_part(self, received: Received, now: float) -> None:
        outstanding = self._outstanding
        problem = part_problem(received, outstanding)
        if outstanding is None or problem:
            self._events.append(Discarded(received.raw, *(problem or ("unexpected", ""))))
            return
        if received.frame.sequence.confirm:
            confirm = confirm_frame(Confirm(received.frame), self._known_address())
            self._out += self._spoken(confirm).to_bytes()
        outstanding.parts.append(received)
        outstanding.deadline = now + self._answer_timeout_s
        if received.frame.sequence.last:
            self._finish(joined(outstanding), now)


def _link_function(frame: Frame1376) -> int:
    """F1 to F3 of a link test, 0 for anything else."""
    if frame.afn != afn_02.AFN or not frame.units or len(frame.units[0].functions) != 1:
        return 0
    return frame.units[0].functions[0]


def _beat(frame: Frame1376, raw: bytes, repeated: bool) -> Beat:  # noqa: FBT001  # the field's name
    return Beat(frame.address, afn_02.read_clock(frame.units[0]), frame, raw, repeated)


_LINK_EVENTS: MappingProxyType[int, Callable[[Frame1376, bytes, bool], _Happening]] = (
    MappingProxyType(
        {
            afn_02.LOGIN: lambda frame, raw, again: LoggedIn(frame.address, frame, raw, again),
            afn_02.LOGOUT: lambda frame, raw, again: LoggedOut(frame.address, frame, raw, again),
            afn_02.HEARTBEAT: _beat,
        }
    )
)
