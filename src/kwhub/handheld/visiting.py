"""What is done at a meter: read it, watch it, set its clock, have it freeze, carry an order to it.

Each begins with a use of a grant, which is counted on the disk before the first byte goes to the meter. A visit that is
read and its readings for the head-end are written together: cut off in between there is neither, and the meter is read
again. Readings that were refused or have no value are told with the reason; when an answer is missing nothing is kept,
so that a meter is read as a whole.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from kwhub.domain.errors import (
    KwhubError,
    LinkError,
    LocalError,
    NoAnswer,
    Refusal,
    RemoteError,
    SequenceError,
)
from kwhub.domain.machine import Conversation
from kwhub.domain.readings import Register
from kwhub.exchange.change import Change
from kwhub.exchange.clock import ClockReading, adjust_clock, compare_clock
from kwhub.exchange.device_messages import (
    DeviceReading,
    Ended,
    Operation,
    Propose,
    Proposed,
    WorkMeter,
)
from kwhub.exchange.freeze import FreezePattern, FreezeTrace, freeze
from kwhub.exchange.read import RegisterAnswer, read_registers
from kwhub.exchange.terminal import ChannelNow, Round, read_channels, start_round
from kwhub.exchange.terminal_settings import ChannelSettings, read_all_settings
from kwhub.handheld.book import Book
from kwhub.handheld.budget import Budget
from kwhub.handheld.carrying import carry
from kwhub.handheld.channel import Channel
from kwhub.handheld.line import Line, NotThisMeter, Ways
from kwhub.handheld.records import Failure, Order, Place, Queued, Value, Visit
from kwhub.protocols.dlt645.editions import Edition
from kwhub.runtime.clock import Clock

__all__ = ["DEFAULT_REGISTERS", "LIVE_REGISTERS", "Failed", "Visiting"]

T = TypeVar("T")

DEFAULT_REGISTERS: Final = (Register("1-0:1.8.0"),)
"""What is read where a work order names nothing."""

LIVE_REGISTERS: Final = (
    Register("1-0:1.8.0"),
    Register("1-0:16.7.0"),
    Register("1-0:32.7.0"),
    Register("1-0:31.7.0"),
)
"""What is watched: energy, power, voltage, current."""

LIVE_S: Final = 600
"""How long a meter may be watched for one use of its grant."""

ADDRESS_DIGITS: Final = 12

TROUBLE: Final = (Refusal, NoAnswer, RemoteError, LinkError)
"""What may go wrong at a meter; anything else is not the meter's fault."""

_EDITIONS: Final = MappingProxyType({edition.value: edition for edition in Edition})


class Failed(KwhubError):
    """Something went wrong at a meter; ``failure`` has every byte of it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


class Visiting:
    """Does things at meters, for the grants of one device."""

    def __init__(
        self, budget: Budget, book: Book, channel: Channel, ways: Ways, clock: Clock, zone: ZoneInfo
    ) -> None:
        """Take what is needed.

        Args:
            budget: what may be done.
            book: where it is written down.
            channel: for orders that are only carried.
            ways: to the meters; may be replaced when the settings change.
            clock: of the device.
            zone: of the clocks in the meters.
        """
        self.ways = ways
        self.zone = zone
        self.budget = budget
        self._identity = channel.identity
        self._book = book
        self._channel = channel
        self._clock = clock

    async def read(self, place: Place) -> Visit:
        """Read a meter of a work order, and keep what came.

        Returns:
            The visit; with a ``failure`` when the meter was not read.

        Raises:
            Refusal: no grant, or no identity.
            LocalError, ConfigError: the link or the protocol of the meter is none that this device has.
        """
        meter = self.meter(place)
        edition = _edition(meter)
        registers = [Register(each) for each in meter.registers] or list(DEFAULT_REGISTERS)
        conversation = read_registers(meter.address, registers, edition)
        try:
            answers = await self._talk(meter, "read", conversation)
        except Failed as failed:
            return self._keep(place, failed.failure, ())
        try:
            values = _values(answers)
        except TROUBLE as error:
            return self._keep(place, await self._failure(error), ())
        return self._keep(place, None, tuple(values))

    def refused(self, place: Place, error: Refusal | NotThisMeter) -> Visit:
        """Write down that this device may not, or cannot, visit a meter; nothing was sent."""
        kind = Refusal if isinstance(error, Refusal) else LocalError
        failure = Failure(self._identity.now(), kind.__name__, str(error))
        return self._keep(place, failure, ())

    async def watch(self, place: Place, period_s: float = 2.0) -> AsyncIterator[list[Value]]:
        """Watch a meter for at most ``LIVE_S`` seconds: one use of its grant, nothing is kept.

        Args:
            place: the meter.
            period_s: pause between two readings.

        Yields:
            Energy, power, voltage and current as they are now.

        Raises:
            Refusal: no grant, or no identity.
            Failed: the meter does not answer any more.
        """
        meter = self.meter(place)
        edition = _edition(meter)
        line = await self._begin(meter, "read")
        ends = self._clock.monotonic() + LIVE_S
        while self._clock.monotonic() < ends:
            line.begin()
            conversation = read_registers(meter.address, LIVE_REGISTERS, edition)
            answers = await self._run(line, conversation)
            if all(isinstance(each.error, NoAnswer) for each in answers):
                raise Failed(await self._failure(NoAnswer(f"meter {meter.address} is silent")))
            yield [_shown(each) for each in answers]
            await self._clock.sleep(period_s)

    async def watch_terminal(
        self, place: Place, period_s: float = 2.0
    ) -> AsyncIterator[tuple[ChannelNow, ...]]:
        """Watch the pulses of every channel of the terminal that a meter is behind.

        One use of the meter's grant, for at most ``LIVE_S`` seconds. Raises as ``watch``, and LocalError: the terminal
        is not named by its address.
        """
        meter = self.meter(place)
        terminal = _terminal(meter)
        line = await self._begin(meter, "read")
        ends = self._clock.monotonic() + LIVE_S
        while self._clock.monotonic() < ends:
            line.begin()
            yield await self._run(line, read_channels(terminal))
            await self._clock.sleep(period_s)

    async def start_round(self, place: Place) -> Change[Round]:
        """Have the terminal that a meter is behind collect all its channels now. Raises as ``watch_terminal``."""
        meter = self.meter(place)
        return await self._talk(meter, "freeze", start_round(_terminal(meter)))

    async def channel_settings(self, place: Place) -> tuple[ChannelSettings, ...]:
        """How the channels of the terminal that a meter is behind are set, in order. Raises as ``watch_terminal``."""
        meter = self.meter(place)
        return await self._talk(meter, "read", read_all_settings(_terminal(meter)))

    async def propose(self, place: Place, operation: str, detail: str) -> int:
        """Ask people at the head-end to order something of the terminal that a meter is behind.

        The device has no password of a terminal: when somebody has agreed, the order comes with the next work and is
        carried (``carry``).

        Args:
            place: a meter behind the terminal.
            operation: ``terminal-channel``, ``terminal-reading``, ``terminal-freeze`` or ``terminal-clock``.
            detail: as the head-end understands it.

        Returns:
            The number of the order that waits.

        Raises:
            Refusal: the head-end says no.
            LinkDown, NoAnswer: it is out of reach; whether it has heard of it is not known.
            LocalError: the terminal is not named by its address.
        """
        wanted = Propose(_terminal(self.meter(place)), operation, detail)
        answer = await self._channel.ask(wanted)
        if not isinstance(answer, Proposed):
            raise SequenceError("the head-end answers a proposal with something else")
        return answer.order

    async def compare_clock(self, place: Place) -> ClockReading:
        """Hold a meter's clock against the head-end's time. Raises as ``watch``."""
        meter = self.meter(place)
        return await self._talk(
            meter, "read", compare_clock(meter.address, self.wall_time, _edition(meter))
        )

    async def set_time(self, place: Place) -> Change[ClockReading]:
        """Tell a meter the head-end's time (order 08: once a day, at most five minutes).

        Raises:
            LocalError: the clock is too far off, or it is near midnight; only an order of the head-end helps.
            Refusal, Failed: as ``watch``.
        """
        meter = self.meter(place)
        return await self._talk(
            meter, "set-time", adjust_clock(meter.address, self.wall_time, _edition(meter))
        )

    async def freeze(self, place: Place, pattern: FreezePattern) -> Change[FreezeTrace]:
        """Have a meter freeze its registers, now or at set times. Raises as ``watch``."""
        meter = self.meter(place)
        return await self._talk(meter, "freeze", freeze(meter.address, pattern))

    async def carry(self, work: int) -> Ended:
        """Carry the order that goes with a work order to its meter.

        Raises:
            Refusal: there is none, or its time is over.
            LinkDown, NoAnswer: the head-end is out of reach; the meter may have obeyed.
        """
        order = self._order(work).order
        if order.carry is None:
            raise LocalError(f"no order goes with work {work}")
        self._identity.require()
        line = await self.ways.line(order.meters[0])
        line.begin()
        try:
            return await carry(self._channel, order.carry, line.exchange)
        finally:
            line.begin()  # a frame that others have made may show a password: nothing of it is remembered

    def holds(self, place: Place) -> bool:
        """Whether the order of a place is on this device still."""
        return any(each.order.id == place.work for each in self._book.all(Order).values())

    def meter(self, place: Place) -> WorkMeter:
        """A meter with what the technician needs. Raises LocalError: the order is gone."""
        for meter in self._order(place.work).order.meters:
            if meter.address == place.meter:
                return meter
        raise LocalError(f"meter {place.meter} is not in work {place.work}")

    def wall_time(self) -> datetime:
        """The head-end's time as meters show it: naive."""
        moment = self._clock.now().timestamp() - self._identity.state.offset_s
        return datetime.fromtimestamp(moment, self.zone).replace(tzinfo=None)

    # How

    async def _begin(self, meter: WorkMeter, operation: Operation) -> Line:
        """A line to the meter, and leave to use it; the link is open before a use is spent."""
        self._identity.require()
        try:
            line = await self.ways.line(meter)
        except LinkError as error:
            raise Failed(await self._failure(error)) from error
        self.budget.spend(meter.address, operation)
        line.begin()
        return line

    async def _talk(
        self, meter: WorkMeter, operation: Operation, conversation: Conversation[T]
    ) -> T:
        return await self._run(await self._begin(meter, operation), conversation)

    async def _run(self, line: Line, conversation: Conversation[T]) -> T:
        try:
            return await line.run(conversation)
        except TROUBLE as error:
            raise Failed(await self._failure(error, line)) from error

    async def _failure(self, error: KwhubError, line: Line | None = None) -> Failure:
        line = line or self.ways.current
        pieces = tuple(line.pieces) if line is not None else ()
        if isinstance(error, LinkError):
            with suppress(LinkError):
                await self.ways.aclose()
        return Failure(self._identity.now(), type(error).__name__, str(error), pieces)

    def _order(self, work: int) -> Order:
        for each in self._book.all(Order).values():
            if each.order.id == work:
                return each
        raise LocalError(f"work {work} is not on this device any more")

    def _keep(self, place: Place, failure: Failure | None, values: Sequence[Value]) -> Visit:
        now = self._identity.now()
        number, before = self._visit(place)
        with self._book.change() as changes:
            if failure is None:
                visit = Visit(place, before.attempts + 1, now, tuple(values))
                for each in values:
                    changes.put(Queued(place.work, _reading(place.meter, each, now)))
            else:
                visit = msgspec.structs.replace(
                    before, attempts=before.attempts + 1, failure=failure
                )
            if self.holds(
                place
            ):  # otherwise its order has gone meanwhile; what was read is delivered
                changes.put(visit, number)
        return visit

    def _visit(self, place: Place) -> tuple[int | None, Visit]:
        for number, visit in self._book.all(Visit).items():
            if visit.place == place:
                return number, visit
        return None, Visit(place)


def _terminal(meter: WorkMeter) -> str:
    """The address of the terminal that a meter is behind."""
    name = meter.terminal
    if len(name) != ADDRESS_DIGITS or not (name.isascii() and name.isdecimal()):
        raise LocalError(
            f"{name!r} is no address of a collecting terminal: name it in the archive by its twelve digits"
        )
    return name


def _edition(meter: WorkMeter) -> Edition:
    if meter.protocol not in _EDITIONS:
        raise NotThisMeter(
            f"meter {meter.address} speaks {meter.protocol}; this device knows {', '.join(_EDITIONS)}"
        )
    return _EDITIONS[meter.protocol]


def _values(answers: Sequence[RegisterAnswer]) -> list[Value]:
    """What came; raises the error of the first answer that is missing, or of a meter that refuses all."""
    for each in answers:
        if isinstance(each.error, NoAnswer | RemoteError):
            raise each.error
    if all(each.error is not None for each in answers):
        raise answers[0].error or SequenceError("nothing was asked")
    return [_shown(each) for each in answers]


def _shown(answer: RegisterAnswer) -> Value:
    value: Any = answer.value
    text = None if value is None else str(value)
    return Value(answer.register, text, answer.unit, str(answer.error or ""))


def _reading(meter: str, value: Value, now: int) -> DeviceReading:
    number = None if value.value is None else Decimal(value.value)
    return DeviceReading(meter, value.register, number, value.unit, now)
