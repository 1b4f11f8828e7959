"""Dangerous orders: made here for one meter, one operation and a deadline; a device only carries their frames.

The whole conversation with the meter runs here. The device gets one frame at a time and brings back what the meter
says to it: no password, key or session ever stands on it, and nothing that it has seen can be used again, because
each order is begun once and what the meter obeys is sealed over a number that the meter has just drawn. No order
reaches a device before a second person has agreed to it.

Source: kwhub; the on-line relay between master station, hand-held and meter follows public descriptions of
State Grid's safety units (single source).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeAlias

from sqlalchemy import Connection, Row, select, update

from kwhub.domain.errors import KwhubError, LocalError, NoAnswer, Refusal
from kwhub.domain.machine import Conversation
from kwhub.exchange.device_messages import Carried, Carry, Denied, Ended
from kwhub.headend.identity.listing import BEGUN, OPEN, UNAPPROVED, recall_order
from kwhub.headend.identity.records import Visitor
from kwhub.headend.identity.registry import Registry
from kwhub.headend.identity.work import working
from kwhub.headend.people.person import person_of
from kwhub.headend.store.schema_devices import device, device_order
from kwhub.prepay.trip_tickets import TripTicket
from kwhub.protocols.dlt645.session import Role, Session

__all__ = ["ORDER_MINUTES", "FieldOrder", "FieldOrders", "Judge", "Make", "NotYet"]

ORDER_MINUTES: Final = 240
"""How long an order may be on its way to the meter unless said otherwise."""

ATTEMPTS: Final = 3
DONE, FAILED, EXPIRED = "done", "failed", "expired"

_INTERRUPTED: Final = (
    "interrupted: the head-end was started again; look at the meter, then order anew"
)
_LEFT: Final = "interrupted: the device began anew when the meter may have obeyed; look at the meter, then order anew"
_LATE: Final = "its time was over after it was begun; look at the meter, then order anew"


@dataclass(frozen=True, slots=True)
class FieldOrder:
    """What is to be done, once.

    Attributes:
        ticket: of the guard of trips, where it can put a customer in the dark.
    """

    id: int
    meter: str
    operation: str
    detail: str
    not_after: datetime
    ticket: TripTicket | None = None


Make: TypeAlias = Callable[[FieldOrder], Conversation[object]]
"""Makes the conversation that carries an order out; it holds the keys. May raise KwhubError."""


class Judge(Protocol):
    """Who may forbid an order: asked when it is written and again when it is begun, within that transaction."""

    def __call__(self, connection: Connection, number: int, operation: str) -> None:
        """Look at an order that was just written (its number, its operation). Raises LocalError where it must not be."""

    def begins(self, connection: Connection, order: FieldOrder) -> FieldOrder:
        """Look at one that is begun now, and give it its ticket.

        Raises:
            NotYet: it may be cancelled until some moment: the device is told to come again.
            LocalError: it must not be any more, and is over.
        """


class NotYet(LocalError):
    """An order whose delay is not over; it stays open."""


class _Lenient:
    """Nothing is forbidden, nothing has a ticket."""

    def __call__(self, connection: Connection, number: int, operation: str) -> None:
        """See ``Judge``."""

    def begins(self, connection: Connection, order: FieldOrder) -> FieldOrder:
        """See ``Judge``."""
        del connection
        return order


class _Talk:
    """One order under way: a conversation, and the frame that the meter has to answer."""

    def __init__(self, order: FieldOrder, conversation: Conversation[object]) -> None:
        self.order = order
        self.step = 0
        self.reply: Carried | Ended = self._advance(conversation, None)
        self._conversation = conversation

    def take(self, answer: bytes) -> Carried | Ended:
        """What the meter said to the last frame; returns what comes next."""
        self._session.receive(answer, 0.0)
        event = self._final()
        if getattr(event, "timed_out", False) and self._attempts_left:
            self._attempts_left -= 1
            self.reply = self._ask()
        else:
            self.reply = self._advance(self._conversation, event)
        return self.reply

    def _advance(self, conversation: Conversation[object], event: Any) -> Carried | Ended:
        try:
            self._request = conversation.send(event)
        except StopIteration:
            return Ended(self.order.id, obeyed=True, detail="")
        except (Refusal, NoAnswer, KwhubError) as error:
            return Ended(self.order.id, obeyed=False, detail=str(error))
        repeatable = getattr(self._request, "repeatable", True)
        self._attempts_left = ATTEMPTS - 1 if repeatable else 0
        return self._ask()

    def _ask(self) -> Carried:
        self._session = Session(Role.MASTER, preamble=0)
        self._session.send(self._request, 0.0)
        self.step += 1
        frame = self._session.outgoing(0.0)
        return Carried(self.order.id, self.step, self.order.meter, frame)

    def _final(self) -> Any:
        """The event that ends the request; nothing more will come, so its time runs out."""
        while True:
            for event in self._session.events():
                if event.final:
                    return event
            self._session.on_deadline(self._session.deadline() or 0.0)


class FieldOrders:
    """All orders that devices carry."""

    def __init__(self, registry: Registry, make: Make, judge: Judge | None = None) -> None:
        """Take the register, who makes the conversations, and who may forbid an order."""
        self._registry = registry
        self._make = make
        self._judge = judge or _Lenient()
        self._talks: dict[int, _Talk] = {}

    def order(
        self, name: str, order: tuple[str, str, str], by: str, minutes: int = ORDER_MINUTES
    ) -> int:
        """Order something at a meter, by way of a device that hears of it when a second person has agreed.

        Args:
            name: of the device.
            order: address of the meter, operation, and its detail as the maker understands it.
            by: who orders it.
            minutes: until when it must have been begun and done.

        Returns:
            The number of the order.

        Raises:
            LocalError: the device does not work, the deadline is none, or the order must not be: nothing is written.
        """
        with self._registry.database.write() as connection:
            return self.order_in(connection, name, order, by, minutes)

    def order_in(
        self,
        connection: Connection,
        name: str,
        order: tuple[str, str, str],
        by: str,
        minutes: int = ORDER_MINUTES,
    ) -> int:
        """The same in a transaction of the caller's."""
        if minutes < 1:
            raise LocalError("an order has at least a minute")
        meter, operation, detail = order
        now = self._registry.now()
        made = connection.execute(
            device_order.insert().values(
                device_id=working(connection, name),
                meter=meter,
                operation=operation,
                detail=detail,
                state=UNAPPROVED,
                ordered_by=by,
                created_at=now,
                not_after=now + timedelta(minutes=minutes),
                outcome="",
            )
        )
        number = int(made.inserted_primary_key[0])  # type: ignore[index]
        self._judge(connection, number, operation)
        told = f"order {number}: {operation} at meter {meter}"
        self._registry.record(connection, by, "device_order", name, told)
        return number

    def approve(self, connection: Connection, number: int, by: str) -> Row[Any]:
        """Let a second person agree; the deadline stays what it was.

        Behind an order that a device has proposed stand its owner and whoever says to work with it.

        Args:
            connection: of a writing transaction.
            number: of the order.
            by: who agrees.

        Returns:
            The order with the name of its device.

        Raises:
            LocalError: there is none, it waits for nobody, its time is over, it is the same person, or it must not be.
        """
        row, now = _waiting(connection, number), self._registry.now()
        if now >= row.not_after:
            raise LocalError(f"the time of order {number} is over: order anew")
        behind = {person_of(connection, each) for each in _behind(row)}
        if person_of(connection, by) in behind:
            raise LocalError("a second person must approve: not the one who has ordered")
        changed = update(device_order).where(device_order.c.id == number)
        connection.execute(changed.values(state=OPEN, approved_by=by))
        self._judge(connection, number, row.operation)
        told = f"order {number}: {row.operation} at meter {row.meter}"
        self._registry.record(connection, by, "device_order_approve", row.name, told)
        return row

    def recall(self, number: int, by: str) -> None:
        """Take an order back; one that was begun may have been obeyed. Raises LocalError: there is none, or it is over."""
        now = self._registry.now()
        with self._registry.database.write() as connection:
            if not recall_order(connection, number, now):
                raise LocalError(f"order {number} is over or not there: it cannot be recalled")
            subject, told = f"order {number}", "not to be carried out any more"
            self._registry.record(connection, by, "device_order_recall", subject, told)

    def step(
        self, connection: Connection, visitor: Visitor, carry: Carry
    ) -> Carried | Ended | Denied:
        """Go on with an order; a step that comes again gets the same answer again."""
        row = connection.execute(
            select(device_order).where(
                device_order.c.id == carry.order, device_order.c.device_id == visitor.device_id
            )
        ).one_or_none()
        if row is None:
            return Denied("order")
        if row.state in {DONE, FAILED}:
            return Ended(row.id, obeyed=bool(row.obeyed), detail=row.outcome)
        if row.state not in {OPEN, BEGUN}:
            self._talks.pop(row.id, None)
            return Denied("order", row.state)
        now = self._registry.now()
        if now >= row.not_after:
            late = _LATE if row.state == BEGUN else ""
            self._end(connection, visitor, row, EXPIRED, Ended(row.id, obeyed=False, detail=late))
            return Denied("order", EXPIRED)
        return self._go_on(connection, visitor, row, carry)

    def _go_on(
        self, connection: Connection, visitor: Visitor, row: Row[Any], carry: Carry
    ) -> Carried | Ended | Denied:
        talk = self._talks.get(row.id)
        reply: Carried | Ended | Denied
        if row.state == OPEN:
            if carry.step:
                return Denied("order", "not begun")
            reply = self._begin(connection, visitor, row)
        elif talk is None:
            reply = Ended(row.id, obeyed=False, detail=_INTERRUPTED)
        elif carry.step == talk.step and carry.step:
            reply = talk.take(carry.answer)
        elif carry.step == talk.step - 1:
            return talk.reply
        elif not carry.step:
            reply = Ended(row.id, obeyed=False, detail=_LEFT)
        else:
            return Denied("order", f"step {carry.step} is not the next one")
        if isinstance(reply, Ended):
            self._end(connection, visitor, row, DONE if reply.obeyed else FAILED, reply)
        return reply

    def _begin(
        self, connection: Connection, visitor: Visitor, row: Row[Any]
    ) -> Carried | Ended | Denied:
        """Judged once more, and written down before the first frame is made."""
        order = FieldOrder(row.id, row.meter, row.operation, row.detail, row.not_after)
        try:
            order = self._judge.begins(connection, order)
        except NotYet as error:
            return Denied("order", str(error))
        except LocalError as error:
            return Ended(row.id, obeyed=False, detail=str(error))
        connection.execute(
            update(device_order)
            .where(device_order.c.id == row.id)
            .values(state=BEGUN, begun_at=self._registry.now())
        )
        told = f"order {row.id}: {row.operation} begins"
        self._registry.record(connection, visitor.who, "device_order_begin", row.meter, told)
        try:
            talk = self._talks[row.id] = _Talk(order, self._make(order))
        except KwhubError as error:
            return Ended(row.id, obeyed=False, detail=str(error))
        return talk.reply

    def _end(
        self, connection: Connection, visitor: Visitor, row: Row[Any], state: str, ended: Ended
    ) -> None:
        connection.execute(
            update(device_order)
            .where(device_order.c.id == row.id)
            .values(
                state=state,
                obeyed=ended.obeyed,
                outcome=ended.detail,
                finished_at=self._registry.now(),
            )
        )
        told = f"order {row.id}: {state} {ended.detail}".strip()
        self._registry.record(connection, visitor.who, "device_order_end", row.meter, told)
        self._talks.pop(row.id, None)


def _behind(row: Row[Any]) -> tuple[str, ...]:
    """Names of everybody who may stand behind an order."""
    if not row.ordered_by.startswith(f"{row.name}#"):
        return (row.ordered_by,)
    _, _, operator = row.ordered_by.partition(" (")
    return (row.ordered_by, row.owner, operator.removesuffix(")"))


def _waiting(connection: Connection, number: int) -> Row[Any]:
    """An order that waits for a second person, with the name of its device."""
    row = connection.execute(
        select(device_order, device.c.name, device.c.owner)
        .join(device, device.c.id == device_order.c.device_id)
        .where(device_order.c.id == number)
    ).one_or_none()
    if row is None:
        raise LocalError(f"there is no order {number}")
    if row.state != UNAPPROVED:
        raise LocalError(f"order {number} does not wait for an approval: it is {row.state}")
    return row
