"""Orders: what people ask of a meter, from the audit row to the answer or the reason why there is none."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import NamedTuple

import structlog

from kwhub.catalog.names import to_dlt645
from kwhub.catalog.registers import describe
from kwhub.domain.errors import KwhubError, LinkDown, LocalError, NoAnswer, Refusal
from kwhub.domain.readings import INSTANT, Register
from kwhub.exchange.read import ItemError, RegisterAnswer, read_registers
from kwhub.headend.front.front import Front
from kwhub.headend.front.relay import Relay
from kwhub.headend.ingest.intake import Intake
from kwhub.headend.ingest.offload import Offload
from kwhub.headend.store import order_rows
from kwhub.headend.store.archive import KnownMeter
from kwhub.headend.store.columns import Columns
from kwhub.headend.store.database import StoreError
from kwhub.headend.store.journal import Batch
from kwhub.headend.store.schema import to_micro
from kwhub.headend.store.store import Store
from kwhub.headend.store.views import Order, OrderItem, OrderState
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import identifier_text
from kwhub.runtime.clock import Clock

__all__ = ["METER_TIMEOUT_S", "RUNNING_MAX", "WAITING_MAX", "Orders"]

METER_TIMEOUT_S = 3.0
"""How long a terminal waits for a meter's answer; slow makes take a second or two."""

RUNNING_MAX = 64
"""Orders that are carried out at the same time; of one terminal, one."""

WAITING_MAX = 64
"""Orders of one terminal that are not finished; one more is refused."""

UNWRITTEN_MAX = 1_000
"""Orders whose outcome the store did not take, and of which the process still knows that they failed."""

_EDITIONS = {"dlt645-2007": Edition.E2007, "dlt645-1997": Edition.E1997}

_log = structlog.get_logger("kwhub.headend.orders")


class _Outcome(NamedTuple):
    """What became of an order."""

    state: OrderState
    detail: str
    items: list[OrderItem]


class Orders:
    """Takes orders and carries them out while ``run`` is running."""

    def __init__(
        self, store: Store, front: Front, intake: Intake, clock: Clock, offload: Offload
    ) -> None:
        self._store = store
        self._front = front
        self._intake = intake
        self._clock = clock
        self._offload = offload
        self._queue: asyncio.Queue[tuple[int, KnownMeter, Sequence[Register]]] = asyncio.Queue()
        self._busy: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._running = asyncio.Semaphore(RUNNING_MAX)
        self._done: dict[int, asyncio.Event] = {}
        self._waiting: Counter[int] = Counter()
        self._unwritten: dict[int, str] = {}

    async def read_now(self, meter_id: int, registers: Sequence[Register], by: str) -> int:
        """Order registers to be read from a meter at once.

        The order and its row in the audit trail are written before anything is sent.

        Args:
            meter_id: an active meter of the archive.
            registers: at least one.
            by: who orders it.

        Returns:
            The number of the order; ask ``get`` what became of it.

        Raises:
            LocalError: there is no such meter, nothing to read, or too much is waiting already.
            KwhubError: a register is not in the catalogue.
            StoreError: it could not be written, and nothing will be sent.
        """
        meter = self._store.archive.meters.get(meter_id)
        if meter is None:
            raise LocalError(f"there is no active meter {meter_id}")
        wanted = tuple(dict.fromkeys(registers))
        if not wanted:
            raise LocalError("an order names at least one register")
        items = [_new_item(register, meter) for register in wanted]
        if self._waiting[meter.terminal_id] >= WAITING_MAX:
            raise LocalError(f"{WAITING_MAX} orders are waiting for this terminal; try again later")
        self._waiting[meter.terminal_id] += 1
        try:
            order_id = await self._offload(partial(self._create, meter_id, items, by))
        except BaseException:
            self._waiting[meter.terminal_id] -= 1
            raise
        self._done[order_id] = asyncio.Event()
        self._queue.put_nowait((order_id, meter, wanted))
        return order_id

    def get(self, order_id: int) -> Order | None:
        """An order with its items, None when there is none of this number. Raises StoreError."""
        with self._store.database.read() as connection:
            return self._told(order_rows.get(connection, order_id))

    def of_meter(self, meter_id: int, limit: int = 20, offset: int = 0) -> list[Order]:
        """The orders of a meter, the newest first. Raises StoreError."""
        with self._store.database.read() as connection:
            found = order_rows.of_meter(connection, meter_id, limit, offset)
        return [order for each in found if (order := self._told(each))]

    async def wait(self, order_id: int) -> Order | None:
        """Wait until an order of this process is finished, and return it."""
        event = self._done.get(order_id)
        if event is not None:
            await event.wait()
        return await self._offload(partial(self.get, order_id))

    async def run(self) -> None:
        """Carry out orders until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                order_id, meter, registers = await self._queue.get()
                tasks.create_task(self._carry_out(order_id, meter, registers))

    async def _carry_out(
        self, order_id: int, meter: KnownMeter, registers: Sequence[Register]
    ) -> None:
        try:
            # The terminal first: who waits for a slow one holds no place that another could use.
            async with self._busy[meter.terminal_id], self._running:
                outcome = await self._attempt(order_id, meter, registers)
                await self._offload(partial(self._finish, order_id, outcome))
            _log.info("order_finished", order=order_id, state=outcome.state.value)
        except StoreError as error:
            # In the store it stays unfinished until the next start calls it interrupted.
            self._unwritten[order_id] = f"the outcome was not written: {error}"
            while len(self._unwritten) > UNWRITTEN_MAX:
                del self._unwritten[next(iter(self._unwritten))]
            _log.error("order_not_written", order=order_id, error=str(error))
        finally:
            self._waiting[meter.terminal_id] -= 1
            self._done.pop(order_id).set()

    async def _attempt(
        self, order_id: int, meter: KnownMeter, registers: Sequence[Register]
    ) -> _Outcome:
        """Read; whatever goes wrong on the way is the outcome of this order and of no other."""
        try:
            return await self._read(order_id, meter, registers)
        except StoreError:
            raise
        except KwhubError as error:
            items = [_failed(_new_item(each, meter), str(error)) for each in registers]
            return _Outcome(OrderState.FAILED, str(error), items)

    async def _read(
        self, order_id: int, meter: KnownMeter, registers: Sequence[Register]
    ) -> _Outcome:
        if not self._front.is_online(meter.terminal_id):
            items = [
                _failed(_new_item(each, meter), "the terminal is offline") for each in registers
            ]
            return _Outcome(OrderState.OFFLINE, "the terminal is not connected", items)
        await self._offload(partial(self._mark_sent, order_id))
        relay = Relay(
            partial(self._forward, meter.terminal_id, meter.port, meter.baud), self._clock
        )
        edition = _EDITIONS[meter.protocol]
        answers = await relay.run(read_registers(meter.address, registers, edition))
        await self._keep(order_id, meter, answers)
        return _outcome(answers, relay)

    async def _forward(self, terminal_id: int, port: int, baud: int, frame: bytes) -> bytes:
        return await self._front.forward(terminal_id, port, frame, METER_TIMEOUT_S, baud=baud)

    async def _keep(
        self, order_id: int, meter: KnownMeter, answers: Sequence[RegisterAnswer]
    ) -> None:
        """What was read on demand is a reading like any other."""
        now = self._clock.now()
        rows = [
            (meter.id, str(each.register), INSTANT, int(now.timestamp()), to_micro(each.value))
            for each in answers
            if isinstance(each.value, Decimal)
        ]
        if rows:
            await self._intake.take(Batch(None, now, f"order {order_id}", Columns.from_rows(rows)))

    def _told(self, order: Order | None) -> Order | None:
        """An order as the process knows it: failed, when its outcome could not be written."""
        if order is None or order.id not in self._unwritten:
            return order
        return replace(order, state=OrderState.FAILED, detail=self._unwritten[order.id])

    def _create(self, meter_id: int, items: Sequence[OrderItem], by: str) -> int:
        with self._store.database.write() as connection:
            return order_rows.create(connection, meter_id, items, by, self._clock.now())

    def _mark_sent(self, order_id: int) -> None:
        with self._store.database.write() as connection:
            order_rows.mark_sent(connection, order_id)

    def _finish(self, order_id: int, outcome: _Outcome) -> None:
        with self._store.database.write() as connection:
            order_rows.finish(
                connection,
                order_id,
                outcome.state,
                outcome.detail,
                outcome.items,
                at=self._clock.now(),
            )


def _new_item(register: Register, meter: KnownMeter) -> OrderItem:
    """An item before it is sent. Raises KwhubError for a register that is not in the catalogue."""
    unit, edition = describe(register).unit, _EDITIONS[meter.protocol]
    try:
        identifier = identifier_text(to_dlt645(register, edition), edition)
    except KwhubError:  # the meter's edition does not have it; its answer will say so
        identifier = ""
    return OrderItem(register, identifier, None, unit, b"", b"", "")


def _failed(item: OrderItem, error: str) -> OrderItem:
    return OrderItem(
        item.register, item.identifier, None, item.unit, item.request_raw, item.answer_raw, error
    )


def _outcome(answers: Sequence[RegisterAnswer], relay: Relay) -> _Outcome:
    items = [_item(answer, relay) for answer in answers]
    got = sum(not item.error for item in items)
    if got:
        return _Outcome(OrderState.DONE, f"{got} of {len(items)} registers", items)
    errors = [answer.error for answer in answers if answer.error is not None]
    return _Outcome(_state(errors, relay.trouble), items[0].error, items)


def _state(errors: Sequence[ItemError], trouble: KwhubError | None) -> OrderState:
    """What to call an order that brought nothing."""
    if isinstance(trouble, LinkDown):
        return OrderState.OFFLINE
    causes: Sequence[KwhubError] = (trouble,) if trouble is not None else errors
    if any(isinstance(error, Refusal) for error in causes):
        return OrderState.REFUSED
    if causes and all(isinstance(error, NoAnswer) for error in causes):
        return OrderState.NO_ANSWER
    return OrderState.FAILED


def _item(answer: RegisterAnswer, relay: Relay) -> OrderItem:
    """An item with the frames in which its identifier was asked for and answered."""
    request = reply = b""
    for exchange in relay.exchanges:
        if _identifier_of(exchange.request) == answer.identifier:
            request, reply = exchange.request_raw, exchange.answer_raw
    value = answer.value if isinstance(answer.value, Decimal) else None
    error = _words(answer, relay.trouble)
    return OrderItem(answer.register, answer.identifier, value, answer.unit, request, reply, error)


def _identifier_of(request: object) -> str:
    identifier, edition = getattr(request, "identifier", None), getattr(request, "edition", None)
    if not isinstance(identifier, int) or not isinstance(edition, Edition):
        return ""
    return identifier_text(identifier, edition)


def _words(answer: RegisterAnswer, trouble: KwhubError | None) -> str:
    """Why there is no value; empty when there is one."""
    if answer.error is None:
        if isinstance(answer.value, Decimal):
            return ""
        return f"not a number: {answer.value}" if answer.value else "the meter has no value"
    if isinstance(answer.error, NoAnswer):
        return str(trouble) if trouble is not None else "the meter did not answer"
    return str(answer.error)
