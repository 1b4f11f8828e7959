"""Carries orders out: of one terminal one after the other, of all terminals only so many at a time.

What is to be done stands in the store alone. Here is only who is at work, and who waits for which order.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import msgspec
import structlog
from sqlalchemy import Connection

from kwhub.domain.errors import KwhubError, LocalError
from kwhub.exchange.relay import RelayCommand
from kwhub.headend.orders.carrier import Carrier, Work
from kwhub.headend.orders.outcome import Outcome, of_error
from kwhub.headend.orders.perform import perform
from kwhub.headend.orders.reading import failed_items
from kwhub.headend.orders.trips import TRIP, Leave, TripRefused, release_trip
from kwhub.headend.orders.wanted import SwitchRelay, unpack
from kwhub.headend.store import order_rows, task_rows
from kwhub.headend.store.database import StoreError
from kwhub.headend.store.views import Order, OrderState
from kwhub.prepay.orders import VALID_FOR
from kwhub.prepay.trip_tickets import TripTicket, relay_operation

__all__ = ["RETRY_S", "RUNNING_MAX", "SWEEP_S", "Runner"]

RUNNING_MAX = 64
"""Orders that are carried out at the same time; of one terminal, one."""

SWEEP_S = 15.0
"""Pause between two looks for orders whose time has come, in seconds."""

IDLE_S = 3_600.0
"""The same while nothing waits."""

RETRY_S = (30, 120, 600, 1_800, 3_600)
"""Pauses before an order is tried again, in seconds; the last one from then on."""

PROGRESS_EVERY = 16
"""Parts after which the store is told how far an order has come."""

UNWRITTEN_MAX = 1_000
"""Orders whose outcome the store did not take, and of which the process still knows that they failed."""

_AGAIN = frozenset({OrderState.OFFLINE, OrderState.NO_ANSWER})

_log = structlog.get_logger("kwhub.headend.orders")


class Runner:
    """At work while ``run`` is running."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._offload = carrier.offload
        self._clock = carrier.clock
        self._database = carrier.store.database
        self._queue: asyncio.Queue[int] = asyncio.Queue()
        self._at_work: set[int] = set()
        self._once_more: set[int] = set()
        self._running = asyncio.Semaphore(RUNNING_MAX)
        self._stirred = asyncio.Event()
        self._done: dict[int, asyncio.Event] = {}
        self._unwritten: dict[int, str] = {}
        self._tickets: dict[int, TripTicket] = {}

    def poke(self, terminal_id: int) -> None:
        """There is something to do for a terminal."""
        self._queue.put_nowait(terminal_id)
        self._stirred.set()

    def stir(self) -> None:
        """There may be something to do, for any terminal: look soon."""
        self._stirred.set()

    def ended(self, order_id: int) -> None:
        """An order is final: tell who waits for it."""
        if (event := self._done.pop(order_id, None)) is not None:
            event.set()

    async def wait(self, order_id: int) -> Order | None:
        """Wait until an order is final, and return it."""
        while True:
            event = self._done.setdefault(order_id, asyncio.Event())
            order = await self._offload(partial(self.get, order_id))
            if order is None or order.state.final:
                self.ended(order_id)
                return order
            await event.wait()

    def get(self, order_id: int) -> Order | None:
        """An order as the process knows it. Raises StoreError."""
        with self._database.read() as connection:
            return self.told(order_rows.get(connection, order_id))

    def told(self, order: Order | None) -> Order | None:
        """The same with what the store did not take: failed, when its outcome could not be written."""
        if order is None or order.id not in self._unwritten:
            return order
        return replace(order, state=OrderState.FAILED, detail=self._unwritten[order.id])

    async def run(self) -> None:
        """Carry out orders until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_sweeping())
            while True:
                terminal_id = await self._queue.get()
                if terminal_id in self._at_work:
                    self._once_more.add(terminal_id)
                else:
                    self._at_work.add(terminal_id)
                    tasks.create_task(self._serve(terminal_id))

    async def _keep_sweeping(self) -> None:
        """Look for what has become due or too old; seldom, while nothing waits at all."""
        while True:
            self._stirred.clear()
            pause_s = SWEEP_S
            try:
                terminals, waiting = await self._offload(self._sweep)
            except StoreError as error:
                _log.error("orders_not_looked_at", error=str(error))
            else:
                for terminal_id, hurry in terminals.items():
                    if hurry or self._carrier.front.is_online(terminal_id):
                        self._queue.put_nowait(terminal_id)
                if not waiting:
                    pause_s = IDLE_S
            if pause_s == SWEEP_S:
                await self._clock.sleep(SWEEP_S)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_S):
                        await self._stirred.wait()

    def _sweep(self) -> tuple[dict[int, bool], int]:
        """Terminals that something is due for, and how many orders wait in all."""
        now = self._clock.now()
        with self._database.read() as connection:
            waiting, late = order_rows.waiting(connection), order_rows.late(connection, now)
            due = order_rows.due_terminals(connection, now) if waiting else {}
        if late:
            with self._database.write() as connection:
                late = order_rows.expire(connection, now)
                for task_id in order_rows.tasks_of(connection, late):
                    task_rows.settle(connection, task_id, now)
        for order_id in late:
            self.ended(order_id)
        return due, waiting - len(late)

    async def _serve(self, terminal_id: int) -> None:
        """Carry out what waits for a terminal, until nothing does."""
        try:
            while True:
                online = self._carrier.front.is_online(terminal_id)
                order = await self._offload(partial(self._next, terminal_id, online=online))
                if order is not None:
                    async with self._running:
                        await self._carry_out(order)
                    if order.task_id is not None:
                        await self._clock.sleep(self._carrier.settings.task_pause_s)
                elif terminal_id in self._once_more:
                    self._once_more.discard(terminal_id)
                else:
                    return
        except StoreError as error:
            _log.error("orders_not_looked_at", terminal=terminal_id, error=str(error))
        finally:
            self._at_work.discard(terminal_id)

    def _next(self, terminal_id: int, *, online: bool) -> Order | None:
        with self._database.read() as connection:
            return order_rows.next_due(connection, terminal_id, self._clock.now(), online=online)

    async def _carry_out(self, order: Order) -> None:
        outcome = await self._outcome(order)
        if outcome is None:
            return
        try:
            final = await self._offload(partial(self._write, order, outcome))
        except StoreError as error:
            # In the store it stays sent until the next start takes it up.
            self._unwritten[order.id] = f"the outcome was not written: {error}"
            while len(self._unwritten) > UNWRITTEN_MAX:
                del self._unwritten[next(iter(self._unwritten))]
            _log.error("order_not_written", order=order.id, error=str(error))
            self.ended(order.id)
            return
        if final:
            _log.info("order_finished", order=order.id, state=outcome.state.value)
            self.ended(order.id)

    async def _outcome(self, order: Order) -> Outcome | None:
        """What becomes of an order; None when it was taken back. Nothing else goes wrong with it."""
        terminal_id = order.terminal_id or 0
        if not self._carrier.front.is_online(terminal_id):
            items = failed_items(order.items, "the terminal is offline")
            return Outcome(OrderState.OFFLINE, "the terminal is not connected", items)
        why_not = await self._offload(partial(self._mark_sent, order))
        if why_not != "":
            return Outcome(OrderState.FAILED, why_not, again=False) if why_not else None
        try:
            work = self._work(order, terminal_id)
            return await perform(self._carrier, work)
        except StoreError as error:
            return Outcome(OrderState.FAILED, f"the store did not take it: {error}", again=False)
        except KwhubError as error:
            told = of_error(error)
            return replace(told, items=failed_items(order.items, str(error)))

    def _work(self, order: Order, terminal_id: int) -> Work:
        """Raises LocalError: the meter has left the archive meanwhile."""
        meter = None
        if order.meter_id is not None:
            meter = self._carrier.store.archive.meters.get(order.meter_id)
            if meter is None or meter.terminal_id != terminal_id:
                raise LocalError("the meter is not behind this terminal any more")
        return Work(
            order.id,
            unpack(order.wanted),
            terminal_id,
            meter,
            order.sent_at is not None,
            order.progress,
            partial(self._tell, order.id),
            self._tickets.pop(order.id, None),
        )

    def _tell(self, order_id: int, progress: int, total: int) -> None:
        """Note how far an order has come; the last parts are told by its outcome."""
        if progress % PROGRESS_EVERY and progress != total:
            return
        with suppress(StoreError), self._database.write() as connection:
            order_rows.change(connection, order_id, progress=progress, total=total)

    def _mark_sent(self, order: Order) -> str | None:
        """Empty when it may go; why it must not, such as too many trips by now; None when it was taken back."""
        try:
            with self._database.write() as connection:
                now = self._clock.now()
                if order.wanted == TRIP:
                    self._tickets[order.id] = self._release(connection, order.id, now)
                return "" if order_rows.mark_sent(connection, order.id, now) else None
        except TripRefused as refusal:
            _log.error("trip_refused", order=order.id, why=str(refusal))
            return str(refusal)

    def _release(self, connection: Connection, order_id: int, now: datetime) -> TripTicket:
        """The ticket of a trip. Raises TripRefused."""
        carrier = self._carrier
        operation = relay_operation(RelayCommand.TRIP.value)
        leave = Leave(operation, now + VALID_FOR, carrier.store.days.zone)
        return release_trip(connection, carrier.settings, carrier.press, order_id, leave, now)

    def _write(self, order: Order, outcome: Outcome) -> bool:
        """Write the outcome, unless the order was ended meanwhile; whether it is final, or tried again."""
        now = self._clock.now()
        tries = order.tries + (outcome.state is not OrderState.OFFLINE)
        result = msgspec.json.encode(outcome.result).decode() if outcome.result else ""
        next_at = now + timedelta(seconds=RETRY_S[min(tries, len(RETRY_S)) - 1 if tries else 0])
        again = outcome.again and outcome.state in _AGAIN
        again = again and tries < order.tries_max and _in_time(order, next_at.timestamp())
        waits = outcome.state is OrderState.OFFLINE and outcome.again and order.patient
        with self._database.write() as connection:
            if again or waits:
                kept = order_rows.put_off(connection, order.id, outcome.detail, next_at)
                if kept and isinstance(unpack(order.wanted), SwitchRelay):
                    order_rows.change(connection, order.id, sent_at=None)
                return not kept
            order_rows.finish(
                connection,
                order.id,
                outcome.state,
                outcome.detail,
                outcome.items,
                at=now,
                result=result,
            )
            if order.task_id is not None:
                task_rows.settle(connection, order.task_id, now)
        return True


def _in_time(order: Order, moment_s: float) -> bool:
    return order.deadline_at is None or moment_s < order.deadline_at.timestamp()
