"""Both ends of a line as one machine: bytes in, events out, time as an argument.

The master is done as soon as its answer is complete by its length, and waits for the first byte of an
answer rather than for its end. A pause of more than the byte gap ends an unfinished frame.

Source: DL/T 645-2007, clauses 5 and 5.1.
"""

from typing import Any

from kwhub.domain.answer_times import ANSWER_TIMEOUT_FIRST_S, AnswerTimes
from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645.deviations import PREAMBLE_BYTES, STANDARD, Deviations
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.master import MasterEnd
from kwhub.protocols.dlt645.meter import Addresses, DeviationsOf, MeterEnd
from kwhub.protocols.dlt645.receiver import Received, Receiver
from kwhub.protocols.dlt645.states import Role, State
from kwhub.protocols.dlt645.timing import BYTE_GAP_S, Timing
from kwhub.wire.events import Discarded

__all__ = ["PREAMBLE_BYTES", "Role", "Session"]


class Session:
    """One end of a line; a ``kwhub.domain.machine.Machine``. ``now`` is monotonic seconds.

    Args:
        role: which end.
        edition: METER only: the edition that is understood; None for both. A master's requests
            carry their own.
        answer_timeout_s: MASTER: wait for the first byte of an answer, after the request is on
            the wire, from a meter whose answer times are not known yet.
        answer_times: MASTER: what is known of them; the waits follow it, and it learns from every
            answer. Without it the session learns for itself, beginning with ``answer_timeout_s``.
        byte_gap_s: longest pause inside a frame.
        baud: speed of the line, to allow for the time that the request takes on it; None when the
            writer returns only after the bytes are out.
        preamble: number of FE bytes sent first; None for what ``deviations`` say.
        addresses: METER only: addresses, or a function that knows them.
        deviations: what the meters of the line, or this meter, do differently from the standard;
            METER also: a function that says it of the meter with an address.

    Raises:
        LocalError: a master was given a function.
    """

    def __init__(  # noqa: PLR0913 - one knob each, all but the role by name
        self,
        role: Role,
        *,
        edition: Edition | None = Edition.E2007,
        answer_timeout_s: float = ANSWER_TIMEOUT_FIRST_S,
        answer_times: AnswerTimes | None = None,
        byte_gap_s: float = BYTE_GAP_S,
        baud: int | None = None,
        preamble: int | None = None,
        addresses: Addresses = (),
        deviations: Deviations | DeviationsOf = STANDARD,
    ) -> None:
        self.role = role
        self.answer_times = answer_times or AnswerTimes(answer_timeout_s)
        self._timing = Timing(byte_gap_s, baud)
        self._receiver = Receiver()
        self._events: list[Any] = []
        self._last_byte = 0.0
        self._end: MasterEnd | MeterEnd
        if role is Role.MASTER:
            if not isinstance(deviations, Deviations):
                raise LocalError("a master asks all meters of its line in one way")
            front = deviations.request_preamble if preamble is None else preamble
            self._end = MasterEnd(self._timing, self.answer_times, front)
        else:
            self._end = MeterEnd(addresses, edition, preamble, deviations)

    @property
    def state(self) -> State:
        """Where this end stands."""
        return self._end.state

    def send(self, message: Any, now: float) -> None:  # noqa: ARG002 - the shape of every machine
        """Queue a request (MASTER) or an answer (METER).

        Raises:
            LocalError: not allowed now, or not possible at all.
        """
        self._end.send(message)

    def receive(self, data: bytes, now: float) -> None:
        """Take received bytes."""
        if self._receiver.pending and now > self._quiet_at():
            self._take(self._receiver.flush(), now)
        self._last_byte = now
        self._take(self._receiver.feed(data), now)

    def events(self) -> list[Any]:
        """Take what has happened since the last call."""
        events, self._events = self._events, []
        return events

    def outgoing(self, now: float) -> bytes:
        """Take the bytes to be written; for a master the wait for the answer starts here."""
        if isinstance(self._end, MeterEnd):
            return self._end.outgoing()
        return self._end.outgoing(now, self._events)

    def deadline(self) -> float | None:
        """When ``on_deadline`` is wanted."""
        quiet_at = self._quiet_at() if self._receiver.pending else None
        return self._end.deadline(quiet_at) if isinstance(self._end, MasterEnd) else quiet_at

    def on_deadline(self, now: float) -> None:
        """Give up an unfinished frame, or the wait for an answer."""
        if self._receiver.pending and now >= self._quiet_at():
            self._take(self._receiver.flush(), now)
        if isinstance(self._end, MasterEnd):
            event = self._end.on_deadline(now, receiving=self._receiver.pending > 0)
            if event is not None:
                self._events.append(event)

    def _quiet_at(self) -> float:
        return self._last_byte + self._timing.byte_gap_s

    def _take(self, found: list[Received | Discarded], now: float) -> None:
        for item in found:
            self._events.append(item if isinstance(item, Discarded) else self._end.take(item, now))
