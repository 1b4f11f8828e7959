"""Meters behind a power line or wireless module: rounds of parallel reading, orders, reports.

Source: Q/GDW 1376.2-2013, annex A. In a round that we lead the module's own work rests, and meters are read
side by side by F1-F1. Between rounds the module may report: power that was lost or came back, slaves that
it has found, itself after a restart.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import structlog

from kwhub.concentrator.bus import Bus, Parts
from kwhub.concentrator.collect import MeterTalk
from kwhub.concentrator.config_downlinks import ModuleSettings, PointSettings
from kwhub.concentrator.database import StoreError
from kwhub.concentrator.downlinks.module_led import Period
from kwhub.concentrator.downlinks.module_line import ORDER, PLAN, ModuleLine
from kwhub.concentrator.downlinks.module_reports import Reports
from kwhub.concentrator.downlinks.present import present
from kwhub.concentrator.downlinks.stepped import HandOver, as_conversation
from kwhub.concentrator.outbox import Batch, MeterState
from kwhub.concentrator.plan import Due, Ledger, Plan, PlannedMeter
from kwhub.concentrator.shown import Shown
from kwhub.domain.errors import DecodeError, KwhubError, LinkDown, LinkError, LocalError
from kwhub.domain.machine import Conversation
from kwhub.exchange.plc import Way, carry, carry_many
from kwhub.exchange.plc_module import read_state, sync_archive
from kwhub.links.base import Link
from kwhub.protocols.dlt645.frames import parse
from kwhub.protocols.gdw1376.afn_10 import Forward
from kwhub.protocols.gdw1376_2.afn_10 import RunState
from kwhub.protocols.gdw1376_2.afn_13 import Monitor, Monitored
from kwhub.protocols.gdw1376_2.afn_14 import DONE, ReadOrder
from kwhub.protocols.gdw1376_2.messages import Answer, Answered, Request, order_of

__all__ = ["GROUP_MAX", "ModuleBus"]

T = TypeVar("T")

GROUP_MAX = 20
"""Meters whose work is looked up together; so many are begun before the plan is asked again."""

_PROTOCOL_1997, _PROTOCOL_2007 = 1, 2


class ModuleBus(Bus):
    """The meters behind one module.

    Attributes:
        reports: what the module has said by itself.
        state: what its route was doing after the last round.
    """

    tells_all = True
    settings: ModuleSettings

    def __init__(self, settings: ModuleSettings, plan: Plan, parts: Parts) -> None:
        self._line: ModuleLine | None = None
        self._is_synced = False
        self._ended: deque[Batch] = deque()  # what talks have brought that are over
        self.state: RunState | None = None
        self.reports = Reports()
        self._log = structlog.get_logger("kwhub.concentrator").bind(module=settings.name)
        super().__init__(settings, plan, parts)

    def assign(self, plan: Plan, meters: Sequence[PointSettings]) -> None:
        """See Bus; the module's archive follows in the next round."""
        self._is_synced = False
        super().assign(plan, meters)

    def renew(self) -> None:
        """See Bus."""
        super().renew()
        if self._line is not None:
            self._line.wake()

    @property
    def is_down(self) -> bool:
        """See Bus."""
        return self._line is None

    async def talk(self, conversation: Conversation[T]) -> T:
        """See Bus; the meter is the one that the first request names."""
        line = self._up()
        try:
            request = conversation.send(None)
        except StopIteration as done:
            ended: T = done.value
            return ended
        way = self._way(getattr(request, "address", ""))
        async with line.paused(ORDER):
            return await line.run(carry(_resumed(request, conversation), way), ORDER)

    async def read_now(self, meter: PlannedMeter) -> Sequence[Shown]:
        """See Bus."""
        return await self.talk(present(meter))

    async def forward(self, order: Forward) -> bytes:
        """See Bus; only a DL/T 645 frame says which meter it is for."""
        try:
            raw = await self._forwarded(order)
        except KwhubError:  # to the head-end all trouble is silence
            raw = b""
        self.counters.forwarded += bool(raw)
        self.counters.forwarded_silent += not raw
        return raw

    async def _forwarded(self, order: Forward) -> bytes:
        line = self._up()
        try:
            frame = parse(order.payload)
        except DecodeError as error:
            raise LocalError("a module carries frames of DL/T 645 only") from error
        protocol = self._protocol(frame.address)
        unit = Monitor(order.payload.lstrip(b"\xfe"), protocol)
        timeout_s = max(order.message_timeout_s, float(line.mode.slave_timeout_s))
        request = Request(order_of(unit, frame.address), timeout_s, repeatable=False)
        async with line.paused(ORDER):
            event = await line.ask(request, ORDER)
        if isinstance(event, Answered) and isinstance(event.unit, Monitored):
            return event.unit.frame
        return b""

    # --- the link

    def _up(self) -> ModuleLine:
        if self._line is None:
            raise LinkDown(f"{self.settings.name} is down")
        return self._line

    async def _begin(self, link: Link) -> None:
        line = ModuleLine(link, self.settings, self._clock, self.counters, self.reports.take)
        await line.start()
        self._is_synced = False
        self.reports.restarted = False
        self._line = line

    def _end(self) -> None:
        self._line = None

    async def _rest(self, seconds: float) -> None:
        """Listen to the module until the next round, or until something has changed."""
        line, until = self._up(), self._clock.monotonic() + seconds
        while not self._wake.is_set() and (left := until - self._clock.monotonic()) > 0:
            await line.listen(left)
            if self._heed():
                break
        self._wake.clear()

    # --- the work of a round

    async def _visit(self, ledgers: Mapping[int, Ledger]) -> None:
        line = self._up()
        async with line.paused(PLAN):
            await self._sync(line)
            if self.settings.led_by == "concentrator":
                await self._lead(line, ledgers)
        if self.settings.led_by == "module":
            await self._be_led(line, ledgers)
        self.state = await line.module(read_state())

    async def _lead(self, line: ModuleLine, ledgers: Mapping[int, Ledger]) -> None:
        meters = self._in_turn(ledgers)
        while group := list(islice(meters, GROUP_MAX)):
            await self._read(line, group, ledgers)
            self._heed()

    async def _be_led(self, line: ModuleLine, ledgers: Mapping[int, Ledger]) -> None:
        known = {meter.settings.address: meter for meter in self.meters}
        if all(self._due(each, ledgers[each.point], self._now()).idle for each in self.meters):
            return

        def begin(address: str) -> tuple[Conversation[None], Way] | None:
            meter = known.get(address)
            if meter is None:
                return None
            due = self._due(meter, ledgers[meter.point], self._now())
            return None if due.idle else self._talk_with(meter, due, ledgers[meter.point])

        def must_end() -> bool:
            self._gather()
            self._keep_in_time()
            return self._must_end()

        period = Period(line, self.reports, self._clock, begin, must_end)
        for address, error in (await period.run()).items():
            _raise_if_not_the_meters(error)
            self._refused(ledgers[known[address].point].state, error)

    async def _sync(self, line: ModuleLine) -> None:
        """Make the module's archive equal to ours."""
        if self._is_synced and not self.reports.restarted:
            return
        self.reports.restarted = False
        wanted = {each.settings.address: _protocol_of(each) for each in self.meters}
        done = await line.module(sync_archive(wanted))
        self._is_synced = True
        if done.added or done.deleted:
            self._log.info("module archive", nodes=done.nodes, added=done.added)

    async def _read(
        self, line: ModuleLine, group: Sequence[PlannedMeter], ledgers: Mapping[int, Ledger]
    ) -> None:
        """Read meters side by side; each has its own batch until its talk is over."""
        due = {meter: self._due(meter, ledgers[meter.point], self._now()) for meter in group}
        due = {meter: work for meter, work in due.items() if not work.idle}
        talks = [self._talk_with(meter, work, ledgers[meter.point]) for meter, work in due.items()]
        try:
            ended = await line.run(
                self._kept_between(carry_many(talks, self.settings.parallel)), PLAN
            )
        finally:
            for conversation, _ in talks:
                conversation.close()
        for result in ended:
            _raise_if_not_the_meters(result)
        for meter, result in zip(due, ended, strict=True):
            if isinstance(result, KwhubError):
                self._refused(ledgers[meter.point].state, result)

    def _refused(self, state: MeterState, error: KwhubError) -> None:
        """The module does not carry anything to a meter: look at its archive, leave the meter alone."""
        self._log.warning("module refuses", meter=state.address, error=str(error))
        self._is_synced = False
        attempts = state.attempts + 1
        next_try = self._now() + self._plan.pause_s(attempts)
        batch = self._open_batch()
        batch.meters.append(state._replace(attempts=attempts, next_try=next_try))

    def _talk_with(
        self, meter: PlannedMeter, due: Due, ledger: Ledger
    ) -> tuple[Conversation[None], Way]:
        batch = Batch(self._now())
        plan, clock = self._plan, self._clock
        talk = MeterTalk(meter, ledger, due, batch, plan=plan, clock=clock, talker=HandOver())
        way = self._way(meter.settings.address)
        return self._until_settled(talk, batch, ledger.state, asks=due.asks), way

    def _until_settled(
        self, talk: MeterTalk, batch: Batch, state: MeterState, *, asks: bool
    ) -> Conversation[None]:
        """A talk, after which what it brought is set aside.

        The store is not touched here: whoever steps a talk takes what it raises for the meter's.
        """
        try:
            yield from as_conversation(talk.run())
        except KwhubError:
            raise
        except Exception as error:  # noqa: BLE001 - one meter must not end the others
            self._contain(batch, state, error)
            return
        finally:
            batch.received_at = self._now()
            self._ended.append(batch)
        if asks:
            self._count_talk(heard=talk.heard)

    def _kept_between(self, conversation: Conversation[T]) -> Conversation[T]:
        """The same, and between its requests what the talks have brought is kept when it is time."""
        event: Any = None
        try:
            while True:
                try:
                    request = conversation.send(event)
                except StopIteration as done:
                    ended: T = done.value
                    return ended
                self._gather()
                self._keep_in_time()
                event = yield request
        finally:
            conversation.close()

    def _keep(self) -> None:
        """See Bus."""
        self._gather()
        super()._keep()

    def _gather(self) -> None:
        """Join what was set aside into the batch."""
        while self._ended:
            if self._batch is not None and self._batch.received_at > self._ended[0].received_at:
                super()._keep()  # our clock was set back: what was read then is of another time
            if self._batch is None:
                self._batch = Batch(self._ended[0].received_at)
            _merge(self._batch, self._ended.popleft())

    def _way(self, address: str) -> Way:
        return Way(
            address,
            timeout_s=float(self._up().mode.slave_timeout_s),
            attempts=self.settings.attempts,
            deviations=self.settings.deviations(address),
        )

    def _protocol(self, address: str) -> int:
        for meter in self.meters:
            if meter.settings.address == address:
                return _protocol_of(meter)
        return _PROTOCOL_2007

    # --- what the module says

    def _heed(self) -> bool:
        """React to what was reported; whether a round is wanted now."""
        for question in self.reports.take_questions():  # of a period that is not ours
            self._up().answer(Answer(question.frame, order_of(ReadOrder(DONE))))
        said, back = self.reports.take_found(), self.reports.take_returned()
        known = {meter.settings.address: meter for meter in self.meters} if said or back else {}
        for address, protocol in said.items():
            if address not in known:
                self._log.warning("module found a meter that is not in the archive", meter=address)
                self.reports.unknown[address] = self._now()
                if self.on_unknown is not None:
                    self.on_unknown(address, protocol == _PROTOCOL_1997)
        returned = [known[each] for each in back if each in known]
        if returned:
            self._log.info("power is back", meters=len(returned))
            states = {state.point: state for state in self._outbox.meters()}
            batch = self._open_batch()
            batch.meters += [
                states[meter.point]._replace(next_try=0)
                for meter in returned
                if meter.point in states
            ]
            self._keep()
        return bool(returned) or self.reports.restarted


def _resumed(request: object, conversation: Conversation[T]) -> Conversation[T]:
    """A conversation whose first request is known already."""
    event = yield request
    while True:
        try:
            request = conversation.send(event)
        except StopIteration as done:
            ended: T = done.value
            return ended
        event = yield request


def _raise_if_not_the_meters(result: object) -> None:
    """Raise what says nothing about a meter: the store or the link."""
    if isinstance(result, StoreError | LinkError):
        raise result


def _protocol_of(meter: PlannedMeter) -> int:
    return _PROTOCOL_1997 if meter.settings.protocol == "dlt645-1997" else _PROTOCOL_2007


def _merge(into: Batch, batch: Batch) -> None:
    into.readings += batch.readings
    into.filled += batch.filled
    into.gaps += batch.gaps
    into.anew += batch.anew
    into.progress |= batch.progress
    into.meters += batch.meters
    into.duties += batch.duties
