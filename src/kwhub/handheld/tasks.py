"""Everything that a technician does with a handheld, without a screen: orders, routes, groups, customers, rounds."""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from kwhub.domain.errors import LocalError
from kwhub.exchange.device_messages import WorkMeter, WorkOrder
from kwhub.handheld.book import Book
from kwhub.handheld.budget import Budget
from kwhub.handheld.channel import Channel
from kwhub.handheld.delivery import Delivery
from kwhub.handheld.line import Ways
from kwhub.handheld.records import Contact, Group, Order, Place, Visit
from kwhub.handheld.reporting import Reporter
from kwhub.handheld.rounds import Progress, collect, progress, route
from kwhub.handheld.visiting import Visiting
from kwhub.runtime.clock import Clock

__all__ = ["Choice", "Customer", "Grouping", "Tasks", "Warned"]

Grouping: TypeAlias = Literal["order", "area", "terminal", "own"]
"""How meters are put together: as ordered, by transformer area (many), by terminal (few), by hand."""

Warned: TypeAlias = Literal[
    "owes", "low", "over", "ends_soon", "used_up", "failed", "unread", "frozen"
]
"""What a technician should know at a customer's door; screens have words for each."""

LOW_BALANCE: Final = Decimal(20)
"""Below it a prepaying customer is warned, in the currency of the balance."""

SOON_S: Final = 12 * 3600

PREPAID: Final = "prepaid"


class Choice(NamedTuple):
    """A group to be walked: its kind, its name, its number where it is one's own, its meters."""

    kind: Grouping
    name: str
    number: int
    places: tuple[Place, ...]


class Customer(msgspec.Struct, frozen=True):
    """A meter with who lives behind it."""

    place: Place
    meter: WorkMeter
    order: WorkOrder
    visit: Visit
    uses_left: int
    warnings: tuple[Warned, ...]


class Tasks:
    """The work of one device; made when the PIN was right, and useless without an identity that holds.

    Attributes:
        budget: what may be done at meters.
        visiting: does it.
        delivery: what goes to the head-end and comes from it.
        reporter: has it go and come by itself, while it runs.
    """

    def __init__(
        self,
        channel: Channel,
        path: Path,
        ways: Ways,
        clock: Clock,
        *,
        zone: ZoneInfo,
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Open the work of a device.

        Args:
            channel: to the head-end; brings the identity.
            path: of the book.
            ways: to the meters.
            clock: of the device.
            zone: of the clocks in the meters.
            draw: where the names of uploads come from.

        Raises:
            Refusal: the device was sent away.
            LocalError: the book was changed or is another device's.
        """
        self.identity = channel.identity
        self._book = Book(self.identity, path)
        self.budget = Budget(self.identity)
        self.visiting = Visiting(self.budget, self._book, channel, ways, clock, zone)
        self.delivery = Delivery(channel, self._book, self.budget, draw)
        self.reporter = Reporter(self.delivery, self.identity, clock)

    async def aclose(self) -> None:
        """Close lines and book."""
        await self.visiting.ways.aclose()
        self._book.close()

    # Orders

    def orders(self) -> list[WorkOrder]:
        """The work orders, the oldest first."""
        found = [each.order for each in self._book.all(Order).values()]
        return sorted(found, key=lambda order: order.id)

    def places(self) -> list[Place]:
        """Every meter of every order."""
        return [
            Place(order.id, meter.address)
            for order in self.orders()
            if order.carry is None
            for meter in order.meters
        ]

    def is_closed(self, work: int) -> bool:
        """Whether a person has finished an order that the head-end does not know yet."""
        return any(each.closed for each in self._book.all(Order).values() if each.order.id == work)

    def close(self, work: int) -> None:
        """Finish an order with whatever is left; the head-end is told at the next contact.

        Raises:
            LocalError: it is not on this device.
        """
        for number, each in self._book.all(Order).items():
            if each.order.id == work:
                with self._book.change() as changes:
                    changes.put(Order(each.order, closed=True), number)
                return
        raise LocalError(f"work {work} is not on this device any more")

    def visit(self, place: Place) -> Visit:
        """What became of a meter so far."""
        for visit in self._book.all(Visit).values():
            if visit.place == place:
                return visit
        return Visit(place)

    def failures(self) -> list[Visit]:
        """Meters whose last attempt has failed, the latest first."""
        found = [each for each in self._book.all(Visit).values() if each.failure is not None]
        return sorted(found, key=lambda visit: -(visit.failure.at if visit.failure else 0))

    @property
    def contact(self) -> Contact | None:
        """The last contact that brought everything across."""
        return next(iter(self._book.all(Contact).values()), None)

    # Groups

    def choices(self, kind: Grouping) -> list[Choice]:
        """The groups of a kind, each in the order in which it is walked."""
        if kind == "own":
            return [
                Choice(kind, each.name, number, route(each.places, self.visiting.meter))
                for number, each in self._book.all(Group).items()
            ]
        found: dict[str, list[Place]] = {}
        for place in self.places():
            found.setdefault(self._key(kind, place), []).append(place)
        return [
            Choice(kind, name, 0, route(places, self.visiting.meter))
            for name, places in sorted(found.items())
        ]

    def make_group(self, name: str, places: Sequence[Place]) -> int:
        """Put meters together on the spot; returns the number of the group.

        Raises:
            LocalError: it has no name or no meters.
        """
        if not name.strip() or not places:
            raise LocalError("a group needs a name and at least one meter")
        with self._book.change() as changes:
            return changes.put(Group(name.strip(), tuple(dict.fromkeys(places))))

    def drop_group(self, number: int) -> None:
        """Take a group apart; its meters stay where they are."""
        with self._book.change() as changes:
            changes.drop(Group, number)

    def progress(self, places: Sequence[Place]) -> Progress:
        """How far a round over places is."""
        visits = self._visits()
        return progress(places, lambda place: visits.get(place, Visit(place)))

    def collect(self, places: Sequence[Place], *, passes: int = 2) -> AsyncIterator[Visit]:
        """Read what was not read yet; see ``rounds.collect``."""
        return collect(places, self.visit, self.visiting, self.identity, passes=passes)

    def _key(self, kind: Grouping, place: Place) -> str:
        if kind == "order":
            return str(place.work)
        meter = self.visiting.meter(place)
        return meter.area if kind == "area" else meter.terminal

    def _visits(self) -> dict[Place, Visit]:
        return {each.place: each for each in self._book.all(Visit).values()}

    # Customers

    def customer(self, place: Place) -> Customer:
        """Who lives behind a meter, and what to know before ringing. Raises LocalError: it is gone."""
        meter = self.visiting.meter(place)
        order = next(each for each in self.orders() if each.id == place.work)
        visit = self.visit(place)
        left = self.budget.left(place.meter, "read")
        warnings = self._warnings(meter, order, visit, left)
        return Customer(place, meter, order, visit, left, tuple(warnings))

    def _warnings(
        self, meter: WorkMeter, order: WorkOrder, visit: Visit, left: int
    ) -> list[Warned]:
        time_left = order.not_after - self.identity.now()
        low = LOW_BALANCE if meter.paying == PREPAID else Decimal(0)
        found: list[tuple[Warned, bool]] = [
            ("owes", meter.balance is not None and meter.balance < 0),
            ("low", meter.balance is not None and 0 <= meter.balance < low),
            ("over", time_left <= 0),
            ("ends_soon", 0 < time_left < SOON_S),
            ("used_up", time_left > 0 and not left),
            ("failed", visit.failure is not None),
            ("unread", visit.read_at is None),
            ("frozen", self.identity.state.frozen),
        ]
        return [name for name, holds in found if holds]
