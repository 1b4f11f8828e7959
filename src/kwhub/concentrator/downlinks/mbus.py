"""An M-Bus line: meters for water, heat, gas and electricity, read whole at their moments.

A meter has no load record that could be asked later, so what is missed at its moment is lost, unless the
meter itself has stored it: stored values with a time point at midnight become day freezes. Source of the
moments: EN 13757-3, time point of a storage; a date alone is the end of that day.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TypeVar

from kwhub.catalog.mbus_readings import MbusReading, readings_of
from kwhub.concentrator.bus import Parts
from kwhub.concentrator.collect import MeterTalk, Talker
from kwhub.concentrator.config_downlinks import MbusMeterSettings, MbusSettings
from kwhub.concentrator.downlinks.readouts import Readouts
from kwhub.concentrator.downlinks.wired import WiredBus
from kwhub.concentrator.ledger_causes import Cause
from kwhub.concentrator.line import Habits
from kwhub.concentrator.outbox import Batch, Slot
from kwhub.concentrator.plan import Due, Ledger, Plan, PlannedMeter, Why
from kwhub.concentrator.shown import Shown
from kwhub.concentrator.times import instant
from kwhub.domain.errors import KwhubError, LinkError, LocalError, NoAnswer
from kwhub.domain.machine import Conversation
from kwhub.domain.readings import DAY_INTERVAL_S
from kwhub.exchange.mbus import read_meter
from kwhub.protocols.mbus.identity import Identity
from kwhub.protocols.mbus.session import Role, Session, answer_times

__all__ = ["MbusLine", "MbusTalk", "target_of"]

T = TypeVar("T")

MIDNIGHT_S = 3_600
"""A stored value whose time point is so near a midnight is that of the midnight."""

ABSENT = "the meter's answer does not hold this register"
INSTANTANEOUS = "instantaneous"


def target_of(settings: MbusMeterSettings) -> int | Identity:
    """Whom to address: a primary address, or a secondary one to be selected."""
    return settings.primary if settings.primary is not None else Identity.parse(settings.address)


class MbusTalk(MeterTalk):
    """One readout of one meter."""

    async def run(self) -> None:
        """See MeterTalk."""
        if self._due.asks:
            settings = self._meter.settings
            try:
                found = await self._talker(_readout(settings))
            except NoAnswer:
                self._leave_alone()
                return
            except LinkError:  # says nothing about the meter
                raise
            except KwhubError as error:
                self.heard = True
                self._miss(self._due.live, str(error), Why.DAMAGED)
            else:
                self.heard = True
                self._take_all(found)
        self._settle()

    def _take_all(self, found: Sequence[MbusReading]) -> None:
        present = {each.register: each for each in found if _is_present(each)}
        for slot in self._due.live:
            reading = present.get(slot.register)
            if reading is None:
                self._miss([slot], ABSENT, Why.GONE)
            else:
                self._got(slot, reading.value, reading.source)
        wanted = {register for each in self._meter.series for register in each.registers}
        for reading in found:
            midnight = _midnight_of(reading)
            if midnight is None or reading.value is None:
                continue
            if reading.register in wanted:
                at = instant(midnight, self._zone)
                self._freeze(Slot(self._meter.point, reading.register, DAY_INTERVAL_S, at), reading)

    def _freeze(self, slot: Slot, reading: MbusReading) -> None:
        """Take a stored value, unless it is older than our plan, or from the future."""
        adopted_at = self._state.adopted_at or 0
        oldest = self._now - self._plan.settings.meter_keeps_days * DAY_INTERVAL_S
        if max(adopted_at, oldest) < slot.at <= self._now and slot not in self._due.live:
            self._got(slot, reading.value, reading.source)


class MbusLine(WiredBus):
    """A line with its meters.

    Attributes:
        answer_times: how fast each meter answers, learnt for as long as the link is up.
    """

    settings: MbusSettings

    def __init__(
        self, settings: MbusSettings, plan: Plan, parts: Parts, readouts: Readouts
    ) -> None:
        self._readouts = readouts
        self.answer_times = answer_times(settings.baud, settings.latency_s)
        super().__init__(settings, plan, parts)

    async def talk(self, conversation: Conversation[T]) -> T:
        """See Bus: a conversation of DL/T 645 has no place here."""
        conversation.close()
        raise LocalError(f"{self.settings.name} is an M-Bus line: its meters are only read")

    async def read_now(self, meter: PlannedMeter) -> Sequence[Shown]:
        """See Bus; counts as a readout, and is not denied when the day's are used up."""
        settings = meter.settings
        found = await self._up().talk(_readout(settings), settings.address)
        self._readouts.count(meter.point, self._today())
        return [Shown(each.register, each.value, each.unit) for each in found if _is_present(each)]

    def _habits(self) -> Habits:
        settings = self.settings
        self.answer_times = answer_times(settings.baud, settings.latency_s)
        return Habits(self._session, settings.baud, settings.attempts)

    def _session(self, address: str) -> Session:
        settings = self.settings
        return Session(
            Role.MASTER,
            baud=settings.baud,
            latency_s=settings.latency_s,
            times=self.answer_times,
            meter=address,
        )

    def _due(self, meter: PlannedMeter, ledger: Ledger, now: int) -> Due:
        due = replace(super()._due(meter, ledger, now), clock=False)  # a readout is too dear for it
        if not due.asks or self._readouts.allowed(meter, self._today()):
            return due
        lost = tuple((slot, Cause.READOUTS) for slot in due.live)
        return replace(due, live=(), lost=due.lost + lost)

    def _make_talk(
        self, meter: PlannedMeter, ledger: Ledger, due: Due, batch: Batch, turn: Talker
    ) -> MeterTalk:
        if due.asks:
            self._readouts.count(meter.point, self._today())
        return MbusTalk(meter, ledger, due, batch, plan=self._plan, clock=self._clock, talker=turn)

    def _today(self) -> date:
        return self._clock.now().astimezone(self._plan.zone).date()


def _readout(settings: object) -> Conversation[Sequence[MbusReading]]:
    """Everything that a meter tells.

    Raises:
        NoAnswer: it is silent.
        LocalError: it is no meter of M-Bus.
    """
    if not isinstance(settings, MbusMeterSettings):
        raise LocalError("this meter is not on an M-Bus line")
    telegrams = yield from read_meter(target_of(settings))
    return readings_of(telegrams)


def _is_present(reading: MbusReading) -> bool:
    return reading.storage == 0 and reading.function == INSTANTANEOUS


def _midnight_of(reading: MbusReading) -> datetime | None:
    """The midnight that a stored value belongs to."""
    at = reading.at
    if reading.storage == 0 or reading.function != INSTANTANEOUS or at is None:
        return None
    if not isinstance(at, datetime):
        return datetime(at.year, at.month, at.day) + timedelta(days=1)  # noqa: DTZ001 - wall time
    midnight = datetime(at.year, at.month, at.day)  # noqa: DTZ001 - wall time of the site
    for each in (midnight, midnight + timedelta(days=1)):
        if abs((at - each).total_seconds()) <= MIDNIGHT_S:
            return each
    return None
