"""The meter's end: takes what is meant for it, owes one answer, is silent otherwise.

Source: DL/T 645-2007, clause 5 (no answer to broadcasts, nor to frames with a wrong checksum).
"""

from collections import deque
from collections.abc import Callable, Collection
from typing import Any, Final

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.dlt645.addresses import BROADCAST, is_wildcard, matches
from kwhub.protocols.dlt645.control import FUNCTIONS, Broadcast
from kwhub.protocols.dlt645.deviations import STANDARD, Deviations
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import ABNORMAL, ANSWER, MORE, Frame645
from kwhub.protocols.dlt645.messages import Asked, Refused
from kwhub.protocols.dlt645.receiver import Received
from kwhub.protocols.dlt645.services import request_in
from kwhub.protocols.dlt645.states import START_STATES, Happening, Role, step
from kwhub.wire.events import Discarded

__all__ = ["Addresses", "DeviationsOf", "MeterEnd"]

Addresses = Callable[[str], bool] | Collection[str]
"""The meters behind this end: their addresses, or a function that is given the address of a request
(perhaps with wildcard digits) and says whether one of them is meant."""

DeviationsOf = Callable[[str], Deviations]
"""How the meter of an address, which answers, differs from the standard."""

_OPEN_MAX: Final = 8
"""Requests that may wait for their answer; a master that asks again has given up the older ones."""


def _predicate(addresses: Addresses) -> Callable[[str], bool]:
    if callable(addresses):
        return addresses
    known = addresses
    return lambda asked: (
        asked in known or (is_wildcard(asked) and any(matches(asked, address) for address in known))
    )


class MeterEnd:
    """Listens, and answers what it was asked."""

    __slots__ = (
        "_deviations",
        "_editions",
        "_is_mine",
        "_open",
        "_out",
        "_preamble",
        "_sent",
        "state",
    )

    def __init__(
        self,
        addresses: Addresses,
        edition: Edition | None,
        preamble: int | None,
        deviations: Deviations | DeviationsOf = STANDARD,
    ) -> None:
        self.state = START_STATES[Role.METER]
        self._is_mine = _predicate(addresses)
        self._editions = tuple(Edition) if edition is None else (edition,)
        self._preamble = preamble
        self._deviations = deviations
        self._open: deque[Any] = deque(maxlen=_OPEN_MAX)
        self._out = bytearray()
        self._sent = b""

    def send(self, answer: Any) -> None:
        """Queue an answer. Raises LocalError when it answers nothing that was asked."""
        request, data = self._asked_by(answer)
        control = request.function | ANSWER
        if isinstance(answer, Refused):
            control |= ABNORMAL
        elif answer.more:
            control |= MORE
        known = self._deviations
        deviations = known if isinstance(known, Deviations) else known(answer.address)
        preamble = deviations.answer_preamble if self._preamble is None else self._preamble
        frame = Frame645(answer.address, control, data, preamble)
        raw = deviations.answer(request, frame).to_bytes()
        while self._open.popleft() is not request:
            pass  # older requests, which the master has given up
        happening = Happening.REFUSAL if control & ABNORMAL else Happening.ANSWER
        self.state = step(self.state, Happening.ANSWER_TO_EARLIER if self._open else happening)
        self._sent = raw
        self._out += raw

    def _asked_by(self, answer: Any) -> tuple[Any, bytes]:
        """The open request that this answers, oldest first, and the data field."""
        if not (hasattr(answer, "data_for") and hasattr(answer, "address")):
            name = type(answer).__name__
            raise LocalError(
                f"a meter cannot send {name}: answers are Data, Refused and their like"
            )
        unbound = getattr(answer, "function", 0) is None  # then it is meant for the newest
        for request in reversed(self._open) if unbound else self._open:
            if request.accepts(answer.address):
                try:
                    return request, answer.data_for(request)
                except LocalError:
                    continue
        raise LocalError(f"nothing was asked that {answer} could answer")

    def outgoing(self) -> bytes:
        """Take the bytes to be written."""
        raw = bytes(self._out)
        self._out.clear()
        return raw

    def take(self, received: Received, now: float) -> Any:  # noqa: ARG002 - the shape of both ends
        """The event for a good frame."""
        frame, raw = received.frame, received.raw
        if frame.is_answer:
            if raw == self._sent:
                return Discarded(raw, "echo", "our own answer came back")
            return Discarded(raw, "foreign_answer", "another meter answers")
        if not self._is_for_me(frame.address):
            return Discarded(raw, "foreign_address", f"{frame.address} is asked")
        return self._asked(frame, raw)

    def _is_for_me(self, address: str) -> bool:
        return address == BROADCAST or self._is_mine(address)

    def _asked(self, frame: Frame645, raw: bytes) -> Any:
        edition = next(
            (known for known in self._editions if (known, frame.function) in FUNCTIONS),
            self._editions[0],
        )
        try:
            request = request_in(frame, edition)
        except DecodeError as error:
            return Discarded(raw, error.kind, error.detail)
        row = FUNCTIONS[edition, frame.function]
        if frame.address == BROADCAST and row.broadcast is Broadcast.REFUSED:
            return Discarded(raw, "broadcast_refused", f"{row.name} cannot be asked of all meters")
        silent = row.answer is None or (
            frame.address == BROADCAST and row.broadcast is Broadcast.SILENT
        )
        self.state = step(self.state, Happening.TOLD if silent else Happening.REQUEST)
        if not silent:
            self._open.append(request)
        return Asked(frame, request, raw, silent)
