"""The budget of trips: how many customers can be put in the dark in an hour, whoever agrees and whatever carries them.

The guard keeps nothing of its own: it is made anew, in the transaction of the order, from the orders in the store,
those that go by a concentrator and those that a handheld carries.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Connection, func, select

from kwhub.domain.errors import LocalError, Refusal
from kwhub.headend.config import Ordering
from kwhub.headend.people.person import person_of
from kwhub.headend.store import schema
from kwhub.headend.store.schema_devices import device_order
from kwhub.headend.store.views import OrderState
from kwhub.prepay.master_crypto import deadline_of
from kwhub.prepay.trip_guard import Order as Trip
from kwhub.prepay.trip_guard import State, TripGuard, TripRules
from kwhub.prepay.trip_tickets import TicketPress, TripTicket, can_open

__all__ = [
    "CARRIED_TRIP",
    "TRIP",
    "Leave",
    "TripRefused",
    "check_trip",
    "is_carried_trip",
    "release_trip",
]

TRIP = '{"kind":"relay","command":"trip"}'
"""A trip as it stands in the store."""

CARRIED_TRIP = "relay-trip"
"""The same as an order that a handheld carries."""

_HOUR = timedelta(hours=1)
_STATES = {
    OrderState.UNAPPROVED: State.UNAPPROVED,
    OrderState.NEW: State.WAITING,
    OrderState.CANCELLED: State.CANCELLED,
    OrderState.EXPIRED: State.EXPIRED,
}
_CARRIED_STATES = {
    "unapproved": State.UNAPPROVED,
    "open": State.WAITING,
    "recalled": State.CANCELLED,
    "expired": State.EXPIRED,
}


class TripRefused(LocalError):
    """A trip that must not be: whoever sees the trail is to know that somebody has tried."""


def check_trip(
    connection: Connection,
    settings: Ordering,
    order_id: int,
    now: datetime,
    *,
    carried: bool = False,
) -> None:
    """Refuse a trip that was just written, is about to be approved or about to be sent, and is too many.

    Args:
        connection: of the transaction in which it was written.
        settings: the limits.
        order_id: its number.
        now: the present moment.
        carried: it is an order that a handheld carries.

    Raises:
        TripRefused: the archive does not know the meter, it is never tripped, has an open order, or the hour's
            budget is used up.
    """
    _judged(connection, settings, -order_id if carried else order_id, now)


@dataclass(frozen=True, slots=True)
class Leave:
    """What a trip is to be, when it is let go.

    Attributes:
        operation: as ``kwhub.prepay.trip_tickets`` names it.
        until: the meter holds the order to it; so does the master crypto with the ticket.
        zone: of the clocks in the meters.
        carried: it is an order that a handheld carries.
    """

    operation: str
    until: datetime
    zone: tzinfo
    carried: bool = False


def release_trip(
    connection: Connection,
    settings: Ordering,
    press: TicketPress,
    order_id: int,
    leave: Leave,
    now: datetime,
) -> TripTicket:
    """Judge a trip for the last time, as it is sent, and give it its ticket. Args and raises as ``check_trip``."""
    number = -order_id if leave.carried else order_id
    guard, judged = _judged(connection, settings, number, now, press)
    released = {each.number for each in guard.release(int(now.timestamp()))}
    if judged not in released:
        raise TripRefused(f"no trip: the order is {guard.orders[judged].state}")
    deadline = deadline_of(leave.until, leave.zone)
    return guard.ticket(judged, leave.operation, deadline, int(leave.until.timestamp()))


def _judged(
    connection: Connection,
    settings: Ordering,
    number: int,
    now: datetime,
    press: TicketPress | None = None,
) -> tuple[TripGuard, int]:
    """The guard with the order in it, and its number there; the delay is over when the store lets an order go."""
    trips = _trips(connection, now) | _carried(connection, now)
    new = trips.pop(number, None)
    if new is None:
        raise TripRefused("no trip: the archive has no active meter with this address")
    guard = TripGuard.restored(
        TripRules(
            settings.trips_per_hour, settings.trip_share_per_hour, delay_s=0, order_lives_s=10**9
        ),
        _meters(connection),
        settings.never_trip,
        trips.values(),
        press,
    )
    try:
        judged = guard.order(new.meter, new.area, new.operator, int(now.timestamp()))
    except Refusal as error:
        raise TripRefused(f"no trip: {', '.join(error.reasons)}") from None
    if not judged.in_budget:
        raise TripRefused(
            "no trip: the hour's budget of trips is used up, of this person or of this area"
        )
    return guard, judged.number


def is_carried_trip(operation: str, detail: str) -> bool:
    """Whether an order that a handheld carries can put a customer in the dark.

    Limits of money and prices do so as well as a trip: the meter opens its own relay by cost control.
    """
    if operation != "parameter":
        return operation == CARRIED_TRIP
    try:
        identifier = int(detail.split(maxsplit=1)[0], 16)
    except (ValueError, IndexError):
        return False
    return can_open(identifier)


def _trips(connection: Connection, now: datetime) -> dict[int, Trip]:
    """Trips that count: those that are open, and those of the last hour.

    One that is approved counts as of now, because it happens any moment; one that was sent counts from then on.
    """
    since, seconds = now - _HOUR, int(now.timestamp())
    orders, meter, terminal = schema.orders, schema.meter, schema.terminal
    open_states = (OrderState.UNAPPROVED, OrderState.NEW, OrderState.SENT)
    rows = connection.execute(
        select(orders, meter.c.address, terminal.c.area_id)
        .join(meter, orders.c.meter_id == meter.c.id)
        .join(terminal, meter.c.terminal_id == terminal.c.id)
        .where(
            orders.c.wanted == TRIP,
            orders.c.state.in_(open_states)
            | (orders.c.created_at > since)
            | (orders.c.sent_at > since)
            | (orders.c.finished_at > since),
        )
    )
    people = _People(connection)
    return {
        row.id: Trip(
            number=row.id,
            meter=row.address,
            area=str(row.area_id),
            operator=people[row.ordered_by],
            ordered_at=seconds if row.approved_by else int(row.created_at.timestamp()),
            state=_STATES.get(OrderState(row.state), State.RELEASED),
            settled_at=None
            if row.state == OrderState.NEW
            else _second(row.finished_at or row.sent_at),
        )
        for row in rows
    }


def _carried(connection: Connection, now: datetime) -> dict[int, Trip]:
    """The same of orders that handhelds carry; their numbers are below zero."""
    meter, terminal, since = schema.meter, schema.terminal, now - _HOUR
    rows = connection.execute(
        select(device_order, terminal.c.area_id)
        .join(meter, device_order.c.meter == meter.c.address)
        .join(terminal, meter.c.terminal_id == terminal.c.id)
        .where(
            meter.c.active,
            device_order.c.operation.in_((CARRIED_TRIP, "parameter")),
            (device_order.c.state.in_(("unapproved", "open")) & (device_order.c.not_after > now))
            | (device_order.c.state == "begun")
            | (device_order.c.created_at > since)
            | (device_order.c.finished_at > since),
        )
    )
    people = _People(connection)
    return {
        -row.id: Trip(
            number=-row.id,
            meter=row.meter,
            area=str(row.area_id),
            operator=people[row.ordered_by],
            ordered_at=int((now if row.approved_by else row.created_at).timestamp()),
            state=_carried_state(row, now),
            settled_at=_second(row.finished_at or row.begun_at),
        )
        for row in rows
        if is_carried_trip(row.operation, row.detail)
    }


def _carried_state(row: Any, now: datetime) -> State:
    """One that nobody has begun in its time is over, whatever its row says."""
    if row.begun_at:
        return State.RELEASED
    if row.state in {"unapproved", "open"} and row.not_after <= now:
        return State.EXPIRED
    return _CARRIED_STATES.get(row.state, State.RELEASED)


class _People(dict[str, str]):
    """The person behind each name; one look for each."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def __missing__(self, name: str) -> str:
        return self.setdefault(name, person_of(self._connection, name))


def _second(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _meters(connection: Connection) -> dict[str, int]:
    """How many meters each area has."""
    meter, terminal = schema.meter, schema.terminal
    rows = connection.execute(
        select(terminal.c.area_id, func.count())
        .join(meter, meter.c.terminal_id == terminal.c.id)
        .where(meter.c.active)
        .group_by(terminal.c.area_id)
    )
    return {str(area): int(count) for area, count in rows}
