"""What is read one meter after the other: the common part of RS-485 and M-Bus, and RS-485 itself."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from kwhub.concentrator.bus import Bus, Parts
from kwhub.concentrator.collect import MeterTalk, Talker
from kwhub.concentrator.config_downlinks import BusSettings
from kwhub.concentrator.database import StoreError
from kwhub.concentrator.downlinks.present import present
from kwhub.concentrator.events_unknown import STRANGERS_MAX
from kwhub.concentrator.line import Habits, Line
from kwhub.concentrator.outbox import Batch
from kwhub.concentrator.plan import Due, Ledger, Plan, PlannedMeter
from kwhub.concentrator.shown import Shown
from kwhub.domain.answer_times import ANSWER_TIMEOUT_LEAST_S, AnswerTimes
from kwhub.domain.errors import KwhubError, LinkDown
from kwhub.domain.machine import Conversation
from kwhub.links.address import parse
from kwhub.links.base import Link
from kwhub.protocols.dlt645.frames import parse as parse_frame
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.protocols.gdw1376.afn_10 import Forward
from kwhub.wire.events import Discarded

__all__ = ["LEAST_WAIT_ON_A_WIRE_S", "WireBus", "WiredBus"]

T = TypeVar("T")

LEAST_WAIT_ON_A_WIRE_S = 0.6
"""Shortest wait for an answer on a port of this machine: the 0.5 s that DL/T 645-2007, clause 5.1, gives a
meter, and what a driver takes to hand over. Ways through converters keep the longer one of AnswerTimes."""

HEARD_SO_OFTEN = 2
"""One answer of a stranger may be a damaged one of somebody known: its checksum has eight bits."""

_FOREIGN = "foreign_address"
_OLD_FUNCTION_MAX = 0x10
"""Functions of 1997 are below those of 2007; what both have (time, address) a stranger does not answer with."""


class WiredBus(Bus):
    """A line on which one meter talks at a time."""

    _line: Line | None = None

    @property
    def is_down(self) -> bool:
        """See Bus."""
        return self._line is None

    async def talk(self, conversation: Conversation[T]) -> T:
        """See Bus."""
        return await self._up().talk(conversation)

    async def forward(self, order: Forward) -> bytes:
        """See Bus."""
        if self._line is not None:
            return await self._line.forward(order)
        self.counters.forwarded_silent += 1
        return b""

    def _up(self) -> Line:
        if self._line is None:
            raise LinkDown(f"{self.settings.name} is down")
        return self._line

    async def _begin(self, link: Link) -> None:
        self._line = Line(link, self._habits(), self._clock, self.counters)

    def _end(self) -> None:
        self._line = None

    async def _visit(self, ledgers: Mapping[int, Ledger]) -> None:
        line = self._up()
        for meter in self._in_turn(ledgers):
            ledger = ledgers[meter.point]
            due = self._due(meter, ledger, self._now())
            if due.idle:
                continue
            batch = self._open_batch()
            try:
                async with line.turn(meter.settings.address) as turn:
                    talk = self._make_talk(meter, ledger, due, batch, turn)
                    await talk.run()
            except (KwhubError, OSError):
                raise
            except Exception as error:  # noqa: BLE001 - one meter must not end the others
                self._contain(batch, ledger.state, error)
                self._keep_in_time()
                continue
            if due.asks:
                self._talked(heard=talk.heard)

    def _make_talk(
        self, meter: PlannedMeter, ledger: Ledger, due: Due, batch: Batch, turn: Talker
    ) -> MeterTalk:
        return MeterTalk(meter, ledger, due, batch, plan=self._plan, clock=self._clock, talker=turn)

    @abstractmethod
    def _habits(self) -> Habits:
        """How its meters talk."""


class WireBus(WiredBus):
    """An RS-485 wire with DL/T 645 meters of both editions and all makers.

    Attributes:
        answer_times: how fast each meter answers, learnt for as long as the link is up.
    """

    settings: BusSettings

    def __init__(self, settings: BusSettings, plan: Plan, parts: Parts) -> None:
        self.answer_times = _answer_times(settings)
        self._strangers: Counter[str] = Counter()
        super().__init__(settings, plan, parts)

    async def read_now(self, meter: PlannedMeter) -> Sequence[Shown]:
        """See Bus."""
        return await self._up().talk(present(meter), meter.settings.address)

    def _habits(self) -> Habits:
        settings = self.settings
        self.answer_times = _answer_times(settings)
        return Habits(self._session, settings.baud, settings.attempts, self._overhear)

    def _overhear(self, event: object) -> None:
        """Somebody else has answered: told when it is not the first time, which damage could have made."""
        if not isinstance(event, Discarded) or event.kind != _FOREIGN or self.on_unknown is None:
            return
        frame = parse_frame(event.raw)
        if len(self._strangers) < STRANGERS_MAX:
            self._strangers[frame.address] += 1
        if self._strangers[frame.address] == HEARD_SO_OFTEN:
            with suppress(StoreError):  # told when it is heard again after a restart
                self.on_unknown(frame.address, frame.function <= _OLD_FUNCTION_MAX)

    def _session(self, address: str) -> Session:
        return Session(
            Role.MASTER,
            answer_times=self.answer_times,
            baud=self.settings.baud,
            deviations=self.settings.deviations(address),
        )


def _answer_times(settings: BusSettings) -> AnswerTimes:
    """Nothing is known yet of how fast the meters answer."""
    direct = parse(settings.address).scheme == "serial"
    least_s = LEAST_WAIT_ON_A_WIRE_S if direct else ANSWER_TIMEOUT_LEAST_S
    return AnswerTimes(settings.answer_timeout_s, least_s=least_s)
