"""Who may forbid an order that a handheld carries, when it is given, approved and begun: the guard of trips."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from kwhub.headend.config import Ordering
from kwhub.headend.identity.makers import RELAY
from kwhub.headend.identity.orders import FieldOrder, NotYet
from kwhub.headend.orders.trips import Leave, check_trip, is_carried_trip, release_trip
from kwhub.headend.store.schema_devices import device_order, device_work
from kwhub.prepay.orders import VALID_FOR
from kwhub.prepay.trip_tickets import TicketPress, parameter_operation, relay_operation

__all__ = ["TripJudge"]


@dataclass(frozen=True, slots=True)
class TripJudge:
    """See ``kwhub.headend.identity.orders.Judge``.

    Attributes:
        settings: the table ``[orders]``: how many may be tripped, who never, and how long anyone may cancel.
        press: signs tickets.
        now: the present moment.
        zone: of the clocks in the meters.
    """

    settings: Ordering
    press: TicketPress
    now: Callable[[], datetime]
    zone: ZoneInfo

    def __call__(self, connection: Connection, number: int, operation: str) -> None:
        """Within the budget, and not of who is protected. Raises TripRefused."""
        detail = connection.execute(
            select(device_order.c.detail).where(device_order.c.id == number)
        ).scalar_one()
        if is_carried_trip(operation, detail):
            check_trip(connection, self.settings, number, self.now(), carried=True)

    def begins(self, connection: Connection, order: FieldOrder) -> FieldOrder:
        """After the delay and still within the budget: with a ticket. Raises NotYet, TripRefused."""
        if not is_carried_trip(order.operation, order.detail):
            return order
        now = self.now()
        free = _since(connection, order.id) + timedelta(seconds=self.settings.approval_delay_s)
        if now < free:
            raise NotYet(f"it may be cancelled until {free.astimezone(self.zone):%H:%M:%S}")
        if order.operation in RELAY:
            operation = relay_operation(RELAY[order.operation])
        else:
            operation = parameter_operation(int(order.detail.split(maxsplit=1)[0], 16))
        leave = Leave(operation, min(now + VALID_FOR, order.not_after), self.zone, carried=True)
        ticket = release_trip(connection, self.settings, self.press, order.id, leave, now)
        return replace(order, ticket=ticket)


def _since(connection: Connection, number: int) -> datetime:
    """When an order became one that a device may carry: with its work order, after the approval."""
    given = select(func.max(device_work.c.created_at)).where(device_work.c.order_id == number)
    written = select(device_order.c.created_at).where(device_order.c.id == number)
    moment: datetime = (
        connection.execute(given).scalar() or connection.execute(written).scalar_one()
    )
    return moment
