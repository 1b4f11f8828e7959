"""Orders as the rest of the head-end uses them: place, approve, cancel, ask what became of one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, func, select

from kwhub.domain.errors import LocalError
from kwhub.domain.readings import Register
from kwhub.headend.config import Ordering
from kwhub.headend.front.front import Front
from kwhub.headend.ingest.intake import Intake
from kwhub.headend.ingest.offload import Offload
from kwhub.headend.orders import changing, files
from kwhub.headend.orders.carrier import Carrier
from kwhub.headend.orders.reading import blank_items
from kwhub.headend.orders.runner import Runner
from kwhub.headend.orders.sealing import Sealer
from kwhub.headend.orders.secrets import Secrets
from kwhub.headend.orders.trips import TRIP, TripRefused, check_trip
from kwhub.headend.orders.wanted import (
    KINDS,
    ReadRegisters,
    SendFile,
    Wanted,
    WriteParameter,
    kind_of,
    pack,
)
from kwhub.headend.people import trail
from kwhub.headend.people.person import person_of
from kwhub.headend.store import order_rows, schema
from kwhub.headend.store.archive import KnownMeter
from kwhub.headend.store.order_rows import NewOrder
from kwhub.headend.store.store import Store
from kwhub.headend.store.views import Order, OrderItem, OrderState
from kwhub.prepay.trip_tickets import TicketPress
from kwhub.runtime.clock import Clock

__all__ = ["DEADLINE_S", "KEY_CHARACTERS_MAX", "WAITING_MAX", "KeyTaken", "Orders", "Terms"]

WAITING_MAX = 64
"""Orders of one terminal that people wait for and that are not finished; one more is refused."""

DEADLINE_S = 3_600
"""By then an order must be sent when nobody says otherwise, in seconds."""

KEY_CHARACTERS_MAX = 300

UNSENT = (OrderState.UNAPPROVED, OrderState.NEW)
"""States from which an order can be taken back."""

_log = structlog.get_logger("kwhub.headend")


class KeyTaken(LocalError):
    """The Idempotency-Key was used before for something else."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How an order is to be carried out.

    Attributes:
        key: the same key from the same person brings the same order; empty: every call is a new one.
        deadline_s: by then it must be sent.
        patient: wait for a terminal that is offline.
        tries_max: how often it is sent when nobody answers.
    """

    key: str = ""
    deadline_s: int = DEADLINE_S
    patient: bool = False
    tries_max: int = 1


class Orders:
    """Takes orders and carries them out while ``run`` is running."""

    def __init__(
        self,
        store: Store,
        front: Front,
        intake: Intake,
        clock: Clock,
        offload: Offload,
        settings: Ordering,
    ) -> None:
        """Make the desk.

        Raises:
            ConfigError: a file with a password or with root keys cannot be read.
        """
        secrets = Secrets.load(settings)
        front.password = secrets.terminal
        front.lookout.hidden = secrets.on_the_wire()
        press, zone = TicketPress(), store.days.zone
        sealer = Sealer.opened(settings.root_key, press.public, clock.now, zone)
        parts = (store, front, intake, clock, offload, secrets, settings, press, sealer)
        self.carrier = Carrier(*parts)
        self.runner = Runner(self.carrier)
        self._database = store.database
        self._archive = store
        self._clock = clock
        self._offload = offload
        self._settings = settings

    async def read_now(
        self, meter_id: int, registers: Sequence[Register], by: str, key: str = ""
    ) -> int:
        """Order registers to be read from a meter at once. See ``of_meter_now``."""
        codes = tuple(dict.fromkeys(map(str, registers)))
        if not codes:
            raise LocalError("an order names at least one register")
        return await self.to_meter(meter_id, ReadRegisters(codes), by, Terms(key))

    async def to_meter(self, meter_id: int, wanted: Wanted, by: str, terms: Terms = Terms()) -> int:
        """Order something of a meter.

        The order and its row in the audit trail are written before anything is sent.

        Args:
            meter_id: an active meter of the archive.
            wanted: what.
            by: who orders it.
            terms: how.

        Returns:
            The number of the order; ask ``get`` what became of it.

        Raises:
            LocalError: there is no such meter, it cannot be ordered, or too much is waiting already.
            KeyTaken: the key belongs to another order.
            KwhubError: a register is not in the catalogue.
            StoreError: it could not be written, and nothing will be sent.
        """
        meter = self._archive.archive.meters.get(meter_id)
        if meter is None:
            raise LocalError(f"there is no active meter {meter_id}")
        if not KINDS[kind_of(wanted)].of_meter:
            raise LocalError(f"{kind_of(wanted)} is an order to a terminal")
        items = _checked(wanted, meter)
        return await self._place(wanted, meter.terminal_id, meter_id, by, terms, items)

    async def to_terminal(
        self, terminal_id: int, wanted: Wanted, by: str, terms: Terms = Terms()
    ) -> int:
        """Order something of a terminal. Raises as ``to_meter``."""
        self.carrier.terminal(terminal_id)
        if KINDS[kind_of(wanted)].of_meter:
            raise LocalError(f"{kind_of(wanted)} is an order to a meter")
        return await self._place(wanted, terminal_id, None, by, terms, ())

    async def approve(self, order_id: int, by: str) -> Order:
        """Let a second person agree. Raises LocalError: it does not wait for that, or the same person."""
        order = await self._offload(partial(self._approve, order_id, by))
        self.runner.poke(order.terminal_id or 0)
        return order

    async def cancel(self, order_id: int, by: str) -> Order:
        """Take an order back that was not sent. Raises LocalError: it was, or is over."""
        order = await self._offload(partial(self._cancel, order_id, by))
        self.runner.ended(order_id)
        return order

    async def keep_file(self, name: str, body: bytes, by: str) -> str:
        """Keep a file that orders can send; its SHA-256. Raises LocalError: it is empty or too long."""
        return await self._offload(partial(self._keep_file, name, body, by))

    def get(self, order_id: int) -> Order | None:
        """An order with its items, None when there is none of this number. Raises StoreError."""
        return self.runner.get(order_id)

    def of_meter(self, meter_id: int, limit: int = 20, offset: int = 0) -> list[Order]:
        """The orders of a meter, the newest first. Raises StoreError."""
        with self._database.read() as connection:
            found = order_rows.of_meter(connection, meter_id, limit, offset)
        return [order for each in found if (order := self.runner.told(each))]

    def find(
        self,
        *,
        states: Collection[OrderState] = (),
        task_id: int | None = None,
        terminal_id: int | None = None,
        areas: Collection[int] | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[list[Order], int]:
        """A page of orders, the newest first, and how many there are in all. Raises StoreError.

        Args:
            states: only these; empty: all.
            task_id: of this task.
            terminal_id: of this terminal and its meters.
            areas: only in these areas; None: all.
            limit: of the page.
            offset: of the page.
        """
        table = schema.orders
        where: list[Any] = []
        if states:
            where.append(table.c.state.in_(states))
        if task_id is not None:
            where.append(table.c.task_id == task_id)
        if terminal_id is not None:
            where.append(table.c.terminal_id == terminal_id)
        if areas is not None:
            inside = select(schema.terminal.c.id).where(schema.terminal.c.area_id.in_(areas))
            where.append(table.c.terminal_id.in_(inside))
        with self._database.read() as connection:
            total = connection.execute(
                select(func.count()).select_from(table).where(*where)
            ).scalar_one()
            found = order_rows.select_orders(connection, where, limit, offset)
        return [order for each in found if (order := self.runner.told(each))], int(total)

    async def wait(self, order_id: int) -> Order | None:
        """Wait until an order is final, and return it."""
        return await self.runner.wait(order_id)

    async def run(self) -> None:
        """Carry out orders until cancelled."""
        await self.runner.run()

    async def _place(
        self,
        wanted: Wanted,
        terminal_id: int,
        meter_id: int | None,
        by: str,
        terms: Terms,
        items: Sequence[OrderItem],
    ) -> int:
        if len(terms.key) > KEY_CHARACTERS_MAX:
            raise LocalError(f"a key has at most {KEY_CHARACTERS_MAX} characters")
        now = self._clock.now()
        kind = kind_of(wanted)
        order = NewOrder(
            kind,
            terminal_id,
            meter_id,
            pack(wanted),
            by,
            now + timedelta(seconds=terms.deadline_s),
            unapproved=KINDS[kind].approval,
            once_key=f"{by[:90]} {terms.key}" if terms.key else None,
            patient=terms.patient,
            tries_max=terms.tries_max,
        )
        try:
            order_id = await self._offload(partial(self._create, order, wanted, items))
        except TripRefused as refusal:
            await self._offload(partial(self._tell_refused, order, str(refusal)))
            raise
        self.runner.poke(terminal_id)
        return order_id

    def _tell_refused(self, order: NewOrder, why: str) -> None:
        """An alarm: the refused order itself was undone, and must not leave without a trace."""
        _log.error("trip_refused", meter=order.meter_id, by=order.by, why=why)
        with self._database.write() as connection:
            subject, now = f"meter {order.meter_id}", self._clock.now()
            trail.record(connection, order.by, "trip_refused", subject, why, now)

    def _create(self, order: NewOrder, wanted: Wanted, items: Sequence[OrderItem]) -> int:
        with self._database.write() as connection:
            if order.once_key is not None and (
                known := order_rows.of_key(connection, order.once_key)
            ):
                if (known.wanted, known.meter_id, known.terminal_id) != (
                    order.wanted,
                    order.meter_id,
                    order.terminal_id,
                ):
                    raise KeyTaken("Idempotency-Key: used before for another order")
                return known.id
            return self._create_new(connection, order, wanted, items)

    def _create_new(
        self, connection: Connection, order: NewOrder, wanted: Wanted, items: Sequence[OrderItem]
    ) -> int:
        if order_rows.waiting(connection, order.terminal_id) >= WAITING_MAX:
            raise LocalError(f"{WAITING_MAX} orders are waiting for this terminal; try again later")
        if isinstance(wanted, SendFile):
            files.body_of(connection, wanted.digest)
        now = self._clock.now()
        order_id = order_rows.create(connection, order, now, items)
        subject = f"meter {order.meter_id}" if order.meter_id else f"terminal {order.terminal_id}"
        detail = f"order {order_id}: {_words(wanted)}"
        trail.record(connection, order.by, order.kind, subject, detail, now)
        if order.wanted == TRIP:  # the trail is locked: no other order is counted meanwhile
            check_trip(connection, self._settings, order_id, now)
        return order_id

    def _approve(self, order_id: int, by: str) -> Order:
        with self._database.write() as connection:
            order = _known(connection, order_id)
            now = self._clock.now()
            trail.record(connection, by, "approve_order", f"order {order_id}", order.wanted, now)
            order = _known(connection, order_id)
            if order.state is not OrderState.UNAPPROVED:
                raise LocalError(f"order {order_id} does not wait for an approval: {order.state}")
            if person_of(connection, by) == person_of(connection, order.by):
                raise LocalError("a second person must approve: not the one who has ordered")
            if order.wanted == TRIP:  # ordered long ago, perhaps: it happens now
                check_trip(connection, self._settings, order_id, now)
            delay_s = self._settings.approval_delay_s if order.wanted == TRIP else 0
            next_at = now + timedelta(seconds=delay_s)
            if order.deadline_at is not None and order.deadline_at <= next_at:
                raise LocalError(f"the time of order {order_id} is over: order anew")
            values = {"approved_by": by, "next_at": next_at}
            waits = (OrderState.UNAPPROVED,)
            if not order_rows.change_from(
                connection, order_id, waits, state=OrderState.NEW, **values
            ):
                state = _known(connection, order_id).state
                raise LocalError(f"order {order_id} does not wait for an approval: {state}")
            return _known(connection, order_id)

    def _cancel(self, order_id: int, by: str) -> Order:
        with self._database.write() as connection:
            now = self._clock.now()
            trail.record(connection, by, "cancel_order", f"order {order_id}", "", now)
            _known(connection, order_id)
            values = {"state": OrderState.CANCELLED, "finished_at": now}
            if not order_rows.change_from(connection, order_id, UNSENT, **values):
                state = _known(connection, order_id).state
                raise LocalError(f"order {order_id} cannot be taken back: it is {state}")
            return _known(connection, order_id)

    def _keep_file(self, name: str, body: bytes, by: str) -> str:
        with self._database.write() as connection:
            return files.keep(connection, name, body, by, self._clock.now())


def _known(connection: Connection, order_id: int) -> Order:
    order = order_rows.get(connection, order_id)
    if order is None:
        raise LocalError(f"there is no order {order_id}")
    return order


def _checked(wanted: Wanted, meter: KnownMeter) -> list[OrderItem]:
    """The items of an order. Raises KwhubError for what this meter cannot be asked."""
    if isinstance(wanted, WriteParameter):
        changing.check_parameter(wanted, meter)
    return blank_items(wanted, meter) if isinstance(wanted, ReadRegisters) else []


def _words(wanted: Wanted) -> str:
    """For the trail."""
    return ", ".join(wanted.registers) if isinstance(wanted, ReadRegisters) else pack(wanted)
