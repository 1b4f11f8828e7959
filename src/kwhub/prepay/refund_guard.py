"""The guard before refunds: how much money one person can take out of meters, and never alone.

Every refund is an order of its own for one meter and one amount, within the limits, and a second person agrees to it. What is
let go gets a ticket (``trip_tickets``), without which the master crypto signs no refund; a ticket is good for one signature.
After a lost answer the guard gives another one for the same order, a few times and not for long: the number of the order
makes the meter take it once.

The guard's state is the list of orders; whoever keeps that list has the guard again after a restart.

Source: kwhub; limits and shared control as for trips (``trip_guard``).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from kwhub.domain.errors import LocalError, Refusal
from kwhub.prepay.trip_tickets import TicketPress, TripTicket, refund_operation

__all__ = ["RefundGuard", "RefundOrder", "RefundRules", "RefundState"]

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class RefundRules:
    """The limits: hundredths, seconds."""

    most: int = 50_000  #: of one refund
    operator_day: int = 200_000  #: of one person in 24 hours
    order_lives_s: int = 3_600  #: after its approval, and before it
    ticket_lives_s: int = 300
    tries_max: int = 8  #: tickets of one order: a conversation begins anew after lost answers


class RefundState(StrEnum):
    """What became of an order."""

    UNAPPROVED = "unapproved"  #: for a second person
    RELEASED = "released"  #: it may be signed
    DONE = "done"  #: the meter has it
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """One refund of one meter; the meter knows it by its number.

    Attributes:
        amount: hundredths.
        since_s: ordered or, after that, approved; seconds since 1970 UTC.
        tries: tickets that were given.
    """

    number: int
    meter: str
    amount: int
    operator: str
    since_s: int
    state: RefundState = RefundState.UNAPPROVED
    approved_by: str = ""
    tries: int = 0


_OPEN = frozenset({RefundState.UNAPPROVED, RefundState.RELEASED})


@dataclass(slots=True)
class RefundGuard:
    """Decides; keeps nothing outside ``orders``."""

    press: TicketPress = field(repr=False)
    rules: RefundRules = RefundRules()
    orders: dict[int, RefundOrder] = field(default_factory=dict)
    newest_s: int = 0  #: time never goes back here

    @classmethod
    def restored(
        cls, press: TicketPress, rules: RefundRules, orders: Iterable[RefundOrder]
    ) -> "RefundGuard":
        """Return the guard that had come to these orders."""
        known = {order.number: order for order in sorted(orders, key=lambda one: one.number)}
        newest_s = max((order.since_s for order in known.values()), default=0)
        return cls(press, rules, known, newest_s)

    def order(self, meter: str, amount: int, operator: str, now_s: int) -> RefundOrder:
        """Ask for a refund.

        Args:
            meter: 12 digits.
            amount: hundredths.
            operator: who asks.
            now_s: seconds since 1970 UTC.

        Raises:
            LocalError: the amount is not above zero.
            Refusal: above a limit, or a refund of this meter is open.
        """
        now_s = self._forward(now_s)
        if amount <= 0:
            raise LocalError("an amount is above zero")
        if amount > self.rules.most:
            raise Refusal((f"above the limit of {self.rules.most} hundredths for one refund",))
        if any(one.meter == meter and self._is_open(one, now_s) for one in self.orders.values()):
            raise Refusal(("a refund of this meter is open",))
        self._check_day(amount, operator, now_s)
        number = next(reversed(self.orders), 0) + 1
        return self._keep(RefundOrder(number, meter, amount, operator, now_s))

    def approve(self, number: int, person: str, now_s: int) -> RefundOrder:
        """Let a second person agree. Raises Refusal: nothing to approve, the same person, or the day's limit is reached."""
        now_s = self._forward(now_s)
        order = self._known(number, RefundState.UNAPPROVED, now_s)
        if person == order.operator:
            raise Refusal(("a second person must approve",))
        self._check_day(0, order.operator, now_s)
        return self._keep(
            replace(order, state=RefundState.RELEASED, approved_by=person, since_s=now_s)
        )

    def cancel(self, number: int, now_s: int) -> RefundOrder:
        """Take an order back of which nothing was signed; anyone may. Raises Refusal: it is too late."""
        now_s = self._forward(now_s)
        order = self.orders.get(number)
        if order is None or order.state not in _OPEN or order.tries:
            raise Refusal((f"refund {number} cannot be taken back",))
        return self._keep(replace(order, state=RefundState.CANCELLED, since_s=now_s))

    def ticket(self, number: int, now_s: int) -> TripTicket:
        """Give a ticket of an approved order, for one signature. Raises Refusal: not approved, too late, or too many."""
        now_s = self._forward(now_s)
        order = self._known(number, RefundState.RELEASED, now_s)
        most = self.rules.tries_max
        if order.tries >= most:
            raise Refusal((f"refund {number} was tried {most} times",))
        self._keep(replace(order, tries=order.tries + 1))
        serial = number * most + order.tries
        until_s = now_s + self.rules.ticket_lives_s
        operation = refund_operation(order.amount)
        return self.press.signed(TripTicket(serial, order.meter, operation, b"", until_s))

    def done(self, number: int, now_s: int) -> RefundOrder:
        """The meter has it: no more tickets. Raises Refusal: it was not released."""
        order = self._known(number, RefundState.RELEASED, self._forward(now_s))
        return self._keep(replace(order, state=RefundState.DONE))

    def _check_day(self, amount: int, operator: str, now_s: int) -> None:
        """Whatever was not taken back counts: nobody knows of a refund without an answer whether it was made."""
        total = amount + sum(
            one.amount
            for one in self.orders.values()
            if one.operator == operator
            and one.state is not RefundState.CANCELLED
            and one.since_s > now_s - DAY_S
            and (one.tries or self._is_open(one, now_s))
        )
        if total > self.rules.operator_day:
            most = self.rules.operator_day
            raise Refusal((f"above the limit of {most} hundredths for one operator and day",))

    def _is_open(self, order: RefundOrder, now_s: int) -> bool:
        return order.state in _OPEN and now_s <= order.since_s + self.rules.order_lives_s

    def _known(self, number: int, wanted: RefundState, now_s: int) -> RefundOrder:
        order = self.orders.get(number)
        if order is None:
            raise Refusal((f"there is no refund {number}",))
        if order.state is not wanted:
            raise Refusal((f"the refund is {order.state}",))
        if not self._is_open(order, now_s):
            raise Refusal(("the refund is too old",))
        return order

    def _keep(self, order: RefundOrder) -> RefundOrder:
        self.orders[order.number] = order
        return order

    def _forward(self, now_s: int) -> int:
        self.newest_s = max(self.newest_s, now_s)
        return self.newest_s
