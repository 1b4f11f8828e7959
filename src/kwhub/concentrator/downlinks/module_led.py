"""A period that the module leads: it says which meter is next, we say what to read, it reports the answer.

Source: Q/GDW 1376.2-2013, annex A: 12-F1 begins the period, 14-F1 asks what to read of a meter until the
answer is "done", 06-F2 brings what the meter said, 06-F3 says that the period has ended.
"""

from collections.abc import Callable
from typing import Any

from kwhub.concentrator.downlinks.module_line import PLAN, ModuleLine
from kwhub.concentrator.downlinks.module_reports import Reports
from kwhub.domain.errors import DecodeError, KwhubError
from kwhub.domain.machine import Conversation
from kwhub.exchange.plc import Carried, Way
from kwhub.protocols.dlt645.frames import parse
from kwhub.protocols.gdw1376_2 import afn_06, afn_14
from kwhub.protocols.gdw1376_2.afn_14 import DONE, READ, ReadOrder, ReadQuestion
from kwhub.protocols.gdw1376_2.messages import Answer, Reported, order_of
from kwhub.runtime.clock import Clock

__all__ = ["Period"]

LOOK_S = 30.0
"""How often it is looked whether the period is to end before its time."""

_PERIOD_ENDED = 1
_KINDS = frozenset({(afn_14.AFN, 1), (afn_06.AFN, 2), (afn_06.AFN, 3)})


class _Led:
    """One meter's conversation, a request at a time."""

    def __init__(self, conversation: Conversation[Any], way: Way) -> None:
        self.asked: Carried | None = None
        self.error: KwhubError | None = None
        self._conversation = conversation
        self._way = way
        self._tries = 0
        self._go_on(None)

    def _go_on(self, event: Any) -> None:
        self.asked, self._tries = None, 0
        try:
            self.asked = Carried(self._conversation.send(event), self._way.deviations)
        except StopIteration:
            pass
        except KwhubError as error:
            self.error = error

    def order(self) -> ReadOrder:
        """What to read now; a request that was asked often enough has found silence."""
        while self.asked is not None:
            if self._tries < (self._way.attempts if self.asked.repeatable else 1):
                self._tries += 1
                return ReadOrder(READ, self.asked.raw)
            self._go_on(self.asked.silence(self._tries))
        return ReadOrder(DONE)

    def hear(self, raw: bytes) -> None:
        """What the meter said; an answer to anything but the present request changes nothing."""
        event = None if self.asked is None else self.asked.hear(raw)
        if event is not None:
            self._go_on(event)

    def give_up(self) -> None:
        """Nothing more will come."""
        while self.asked is not None:
            self._go_on(self.asked.silence(max(1, self._tries)))


class Period:
    """One period.

    Args:
        begin: the work for the meter with an address; None when there is none.
        must_end: whether it is to end before its time.
    """

    def __init__(
        self,
        line: ModuleLine,
        reports: Reports,
        clock: Clock,
        begin: Callable[[str], tuple[Conversation[Any], Way] | None],
        must_end: Callable[[], bool],
    ) -> None:
        self._line = line
        self._reports = reports
        self._clock = clock
        self._begin = begin
        self._must_end = must_end
        self._led: dict[str, _Led | None] = {}

    async def run(self) -> dict[str, KwhubError]:
        """Be led until the module says that it is through, or is quiet for too long.

        Returns:
            For each meter whose work broke off, why.

        Raises:
            LinkDown: the link is down.
        """
        line, reports = self._line, self._reports
        reports.route_state = 0
        reports.readings.clear()
        await line.begin_period()
        quiet_s = 2.0 * line.mode.slave_timeout_s
        heard_at = self._clock.monotonic()
        while self._clock.monotonic() - heard_at < quiet_s and not self._must_end():
            await line.listen(LOOK_S, PLAN, _KINDS)
            if self._deal():
                heard_at = self._clock.monotonic()
            if reports.route_state == _PERIOD_ENDED or reports.restarted:
                break
        for led in self._led.values():
            if led is not None:
                led.give_up()
        return {address: led.error for address, led in self._led.items() if led and led.error}

    def _deal(self) -> bool:
        """Take what came; whether anything did."""
        readings, questions = self._reports.readings[:], self._reports.take_questions()
        self._reports.readings.clear()
        for reading in readings:
            led = self._led.get(_address_in(reading.frame))
            if led is not None:
                led.hear(reading.frame)
        for question in questions:
            self._line.answer(Answer(question.frame, order_of(self._order(question))))
        return bool(readings or questions)

    def _order(self, question: Reported) -> ReadOrder:
        unit = question.unit
        if not isinstance(unit, ReadQuestion):
            return ReadOrder(DONE)
        if unit.address not in self._led:
            work = self._begin(unit.address)
            self._led[unit.address] = _Led(*work) if work is not None else None
        led = self._led[unit.address]
        return led.order() if led is not None else ReadOrder(DONE)


def _address_in(raw: bytes) -> str:
    try:
        return parse(raw).address
    except DecodeError:
        return ""
