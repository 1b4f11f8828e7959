"""The guard before the master crypto: how many customers one person can put in the dark, and when.

Every trip needs an order of its own for one meter; there is none for many. Within the budget of the
operator and of the area it is released after a delay, in which anyone may cancel it; above the budget
a second person must agree. Protected meters are never tripped; that is asked last, at release.

The guard's state is the list of what happened; whoever keeps that list (before anything is sealed)
has the guard again after a restart. What it lets go gets a ticket (``trip_tickets``), without which the master crypto
seals no trip. Time never goes back here: a clock that is set back gives no
new budget.

Source: kwhub; the limits follow published advice on remote disconnection (shared control, rate
limits in the path, delay).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from kwhub.domain.errors import LocalError, Refusal
from kwhub.prepay.trip_tickets import TicketPress, TripTicket

__all__ = ["Order", "State", "TripGuard", "TripRules"]

HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class TripRules:
    """The limits."""

    per_operator_hour: int = 50
    area_share_hour: float = 0.005  #: of the meters of an area, but at least one
    delay_s: int = 300  #: between order and release
    order_lives_s: int = 3_600  #: an order that is not released by then is over


class State(StrEnum):
    """What became of an order."""

    WAITING = "waiting"  #: for the end of its delay
    UNAPPROVED = "unapproved"  #: for a second person
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    PROTECTED = "protected"  #: the meter turned out to be protected at release
    RELEASED = "released"


OPEN = frozenset({State.WAITING, State.UNAPPROVED})


@dataclass(frozen=True, slots=True)
class Order:
    """One trip of one meter."""

    number: int
    meter: str
    area: str
    operator: str
    ordered_at: int  #: seconds since 1970 UTC, as the guard counts them
    state: State
    approved_by: str = ""
    in_budget: bool = True
    settled_at: int | None = None


@dataclass(slots=True)
class TripGuard:
    """Decides; keeps nothing outside ``orders``."""

    rules: TripRules
    area_meters: Mapping[str, int]  #: how many meters each area has
    protected: frozenset[str] = frozenset()
    orders: dict[int, Order] = field(default_factory=dict)
    newest_s: int = 0  #: the latest time that was ever seen
    press: TicketPress | None = field(
        default=None, repr=False
    )  #: signs tickets; None: it only judges
    _open: dict[str, int] = field(default_factory=dict, init=False, repr=False)  #: by meter
    _budgeted: dict[int, Order] = field(default_factory=dict, init=False, repr=False)
    _ticketed: set[int] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self) -> None:
        """Index what is there."""
        for order in self.orders.values():
            self._index(order)

    @classmethod
    def restored(
        cls,
        rules: TripRules,
        area_meters: Mapping[str, int],
        protected: Iterable[str],
        orders: Iterable[Order],
        press: TicketPress | None = None,
    ) -> "TripGuard":
        """Return the guard that had come to these orders."""
        known = {order.number: order for order in sorted(orders, key=lambda one: one.number)}
        moments = [
            moment
            for order in known.values()
            for moment in (order.ordered_at, order.settled_at)
            if moment is not None
        ]
        newest_s = max(moments, default=0)
        return cls(rules, area_meters, frozenset(protected), known, newest_s, press)

    def order(self, meter: str, area: str, operator: str, now_s: int) -> Order:
        """Ask for the trip of one meter.

        Raises:
            Refusal: protected meter, an area that is not known, or an order for it is open.
        """
        now_s = self._forward(now_s)
        if meter in self.protected:
            raise Refusal(("protected supply",))
        if area not in self.area_meters:
            raise Refusal(("unknown area",))
        if meter in self._open:
            raise Refusal(("an order for this meter is open",))
        in_budget = self._has_budget(area, operator, now_s)
        order = Order(
            number=next(reversed(self.orders), 0) + 1,
            meter=meter,
            area=area,
            operator=operator,
            ordered_at=now_s,
            state=State.WAITING if in_budget else State.UNAPPROVED,
            in_budget=in_budget,
        )
        return self._keep(order)

    def approve(self, number: int, person: str, now_s: int) -> Order:
        """Let a second person agree to what is above the budget; the delay begins then.

        Raises:
            Refusal: nothing to approve, or the same person.
        """
        now_s = self._forward(now_s)
        order = self._expired(self._known(number), now_s)
        if order.state is not State.UNAPPROVED:
            raise Refusal((f"the order is {order.state}",))
        if person == order.operator:
            raise Refusal(("a second person must approve",))
        return self._keep(replace(order, state=State.WAITING, approved_by=person, ordered_at=now_s))

    def cancel(self, number: int, now_s: int) -> Order:
        """Take an order back before it is released; anyone may.

        Raises:
            Refusal: it is not open any more.
        """
        now_s = self._forward(now_s)
        order = self._known(number)
        if order.state not in OPEN:
            raise Refusal((f"the order is {order.state}",))
        return self._keep(replace(order, state=State.CANCELLED, settled_at=now_s))

    def release(self, now_s: int) -> list[Order]:
        """Return the orders that may be sealed and sent now; each is returned once."""
        now_s = self._forward(now_s)
        released: list[Order] = []
        for number in sorted(self._open.values()):
            order = self.orders[number]
            current = self._expired(order, now_s)
            if current.state is not State.WAITING:
                continue
            if now_s < current.ordered_at + self.rules.delay_s:
                continue
            state = State.PROTECTED if current.meter in self.protected else State.RELEASED
            settled = self._keep(replace(current, state=state, settled_at=now_s))
            released += [settled] if state is State.RELEASED else []
        return released

    def ticket(self, number: int, operation: str, deadline: bytes, until_s: int) -> TripTicket:
        """Give the ticket of a released order to who has it sealed; the master crypto takes it once.

        Args:
            number: of the order.
            operation: what is done, see ``trip_tickets``.
            deadline: of the order by the meter's clock, six bytes.
            until_s: the ticket holds until then, seconds since 1970 UTC.

        Raises:
            Refusal: the order was not released, or its ticket was given before.
            LocalError: this guard only judges.
        """
        if self.press is None:
            raise LocalError("this guard has no key to sign tickets with")
        order = self._known(number)
        if order.state is not State.RELEASED:
            raise Refusal((f"the order is {order.state}",))
        if number in self._ticketed:
            raise Refusal(("the order has its ticket",))
        self._ticketed.add(number)
        return self.press.signed(TripTicket(number, order.meter, operation, deadline, until_s))

    def _has_budget(self, area: str, operator: str, now_s: int) -> bool:
        counted = [
            order
            for order in self._budgeted.values()
            if (order.settled_at or order.ordered_at) > now_s - HOUR_S
        ]
        of_operator = sum(order.operator == operator for order in counted)
        of_area = sum(order.area == area for order in counted)
        limit = max(1, int(self.area_meters[area] * self.rules.area_share_hour))
        return of_operator < self.rules.per_operator_hour and of_area < limit

    def _expired(self, order: Order, now_s: int) -> Order:
        if order.state in OPEN and now_s > order.ordered_at + self.rules.order_lives_s:
            return self._keep(replace(order, state=State.EXPIRED, settled_at=now_s))
        return order

    def _known(self, number: int) -> Order:
        order = self.orders.get(number)
        if order is None:
            raise Refusal((f"there is no order {number}",))
        return order

    def _keep(self, order: Order) -> Order:
        self.orders[order.number] = order
        self._index(order)
        return order

    def _index(self, order: Order) -> None:
        is_open = order.state in OPEN
        if is_open:
            self._open[order.meter] = order.number
        elif self._open.get(order.meter) == order.number:
            del self._open[order.meter]
        if order.in_budget and (is_open or order.state is State.RELEASED):
            self._budgeted[order.number] = order
        else:
            self._budgeted.pop(order.number, None)

    def _forward(self, now_s: int) -> int:
        self.newest_s = max(self.newest_s, now_s)
        return self.newest_s
