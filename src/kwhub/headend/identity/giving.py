"""Work and orders for handhelds as people give them: each for meters of the areas where they may.

A round is for meters that are chosen one by one, put together on the spot or taken by area and terminal. To read
needs the right ``order`` where the meter is, to set clocks and freezes ``control``, to agree to what another person has
ordered ``approve``.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, or_, select

from kwhub.catalog.registers import describe
from kwhub.domain.errors import KwhubError, LocalError
from kwhub.domain.readings import Register
from kwhub.exchange.device_messages import Operation
from kwhub.headend.identity.listing import UNAPPROVED
from kwhub.headend.identity.orders import ORDER_MINUTES
from kwhub.headend.identity.progress import WorkSheet, work_sheet
from kwhub.headend.identity.service import DeviceService
from kwhub.headend.identity.staff import TEXT_MAX, DeviceDesk
from kwhub.headend.identity.terminal_orders import TERMINAL_OPERATIONS
from kwhub.headend.identity.visits import meters_to_visit
from kwhub.headend.identity.work import NewWork
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.rights import Right
from kwhub.headend.store import schema
from kwhub.headend.store.schema_archive import account, customer
from kwhub.headend.store.schema_devices import device, device_order

__all__ = [
    "HOURS_MAX",
    "METERS_SHOWN",
    "MINUTES_MAX",
    "NOTE_MAX",
    "OPERATIONS_GIVEN",
    "USES_MAX",
    "Candidate",
    "Candidates",
    "GivingDesk",
    "Round",
    "WaitingOrder",
]

METERS_SHOWN: Final = 1_000
"""Most meters of one work order, and most that are listed to be chosen."""

NOTE_MAX: Final = 300
USES_MAX: Final = 100
HOURS_MAX: Final = 720
MINUTES_MAX: Final = 1_440

OPERATIONS_GIVEN: Final[dict[Operation, Right]] = {
    "read": Right.ORDER,
    "set-time": Right.CONTROL,
    "freeze": Right.CONTROL,
}
"""What may be granted to a device without the head-end, and the right that it needs where the meter is."""

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Candidate:
    """A meter that can be chosen."""

    address: str
    name: str
    terminal: str
    area: str
    customer: str


@dataclass(frozen=True, slots=True)
class Candidates:
    """What can be chosen: areas, the terminals of the chosen area, and the first meters of all that fit."""

    areas: tuple[str, ...]
    terminals: tuple[str, ...]
    meters: tuple[Candidate, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Round:
    """What a person gives a device to do.

    Attributes:
        meters: addresses.
        operations: that the device may do at each without the head-end.
        uses: how often, each.
        hours: how long; None for the rule of the house.
        registers: OBIS codes to be read; none: active energy.
    """

    meters: tuple[str, ...]
    operations: tuple[Operation, ...] = ("read",)
    uses: int = 3
    hours: int | None = None
    note: str = ""
    registers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WaitingOrder:
    """An order that waits for a second person."""

    id: int
    device: str
    meter: str
    operation: str
    detail: str
    by: str
    created_at: datetime
    not_after: datetime


class GivingDesk:
    """Gives, recalls and agrees for a caller.

    Every method raises LocalError for a device or meter that does not exist or lies outside the areas of the
    caller: the two cannot be told apart. StoreError: nothing was done.
    """

    def __init__(
        self, service: DeviceService, prepaid: Callable[[], Collection[str]] = frozenset
    ) -> None:
        """Take the parts, and who knows the addresses of meters that hold money themselves."""
        self._service = service
        self._registry = service.registry
        self._devices = DeviceDesk(service)
        self._prepaid = prepaid

    def candidates(
        self, caller: Caller, area: str = "", terminal: str = "", search: str = ""
    ) -> Candidates:
        """Meters that the caller may have read, by terminal and point."""
        scope = caller.scope(Right.ORDER)
        with self._registry.database.read() as connection:
            return Candidates(
                tuple(connection.scalars(_areas(scope))),
                tuple(connection.scalars(_terminals(scope, area))) if area else (),
                *_meters(connection, scope, (area, terminal, search)),
            )

    def give(self, name: str, wanted: Round, caller: Caller) -> int:
        """Give a device a round; it hears of it at its next contact.

        Returns:
            The number of the work order.

        Raises:
            LocalError: nothing to do, too much, no right, or the device does not work.
        """
        self._devices.sheet(name, caller)
        _check(wanted)
        chosen = tuple(dict.fromkeys(wanted.meters))
        with self._registry.database.read() as connection:
            for operation in wanted.operations:
                _inside(connection, chosen, caller, OPERATIONS_GIVEN[operation])
            meters = meters_to_visit(
                connection, "", chosen, wanted.registers, frozenset(self._prepaid())
            )
        work = NewWork("collect", meters, wanted.operations, wanted.uses, wanted.hours, wanted.note)
        return self._service.work.give(name, work, caller.name)

    def sheet(self, number: int, caller: Caller) -> WorkSheet:
        """A work order of a device that the caller may handle, with its progress."""
        with self._registry.database.read() as connection:
            found = work_sheet(connection, number)
        if found is None or found.device not in self._names(caller):
            raise LocalError(f"there is no work {number}")
        return found

    def recall(self, number: int, caller: Caller) -> None:
        """Take work back. Raises LocalError: it is over."""
        self.sheet(number, caller)
        self._service.work.recall(number, caller.name)

    # Orders

    def order(
        self,
        name: str,
        wanted: tuple[str, str, str],
        caller: Caller,
        minutes: int = ORDER_MINUTES,
    ) -> int:
        """Order something dangerous at a meter; it waits for a second person. Raises as ``DeviceService.order``."""
        self._devices.sheet(name, caller)
        if not 1 <= minutes <= MINUTES_MAX:
            raise LocalError(f"an order has 1 to {MINUTES_MAX} minutes, not {minutes}")
        with self._registry.database.read() as connection:
            _reached(connection, wanted[0], wanted[1], caller, Right.CONTROL)
        return self._service.order(name, wanted, caller.name, minutes)

    def approve(self, number: int, caller: Caller) -> int:
        """Agree to another person's order; returns the number of the work order. Raises as ``DeviceService.approve``."""
        self._order(number, caller, Right.APPROVE)
        return self._service.approve(number, caller.name)

    def recall_order(self, number: int, caller: Caller) -> None:
        """Take an order back, or decline it. Raises LocalError: it is over."""
        self._order(number, caller, Right.CONTROL)
        self._service.orders.recall(number, caller.name)

    def waiting(self, caller: Caller) -> list[WaitingOrder]:
        """Orders of the caller's devices that wait for a second person and whose time is not over, the oldest first."""
        table, names = device_order, self._names(caller)
        query = (
            select(table, device.c.name)
            .join(device, device.c.id == table.c.device_id)
            .where(table.c.state == UNAPPROVED, table.c.not_after > self._registry.now())
            .order_by(table.c.id)
        )
        with self._registry.database.read() as connection:
            return [
                WaitingOrder(
                    row.id,
                    row.name,
                    row.meter,
                    row.operation,
                    row.detail,
                    row.ordered_by,
                    row.created_at,
                    row.not_after,
                )
                for row in connection.execute(query)
                if row.name in names
            ]

    def _order(self, number: int, caller: Caller, right: Right) -> None:
        """Raise LocalError when there is no such order at a meter where the caller has a right."""
        table = device_order
        query = select(table.c.meter, table.c.operation).where(table.c.id == number)
        with self._registry.database.read() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                raise LocalError(f"there is no order {number}")
            _reached(connection, row.meter, row.operation, caller, right)

    def _names(self, caller: Caller) -> frozenset[str]:
        return frozenset(each.name for each in self._devices.devices(caller))


def _check(wanted: Round) -> None:
    hours = 1 if wanted.hours is None else wanted.hours
    allowed = set(wanted.operations)
    faults = [
        (not wanted.meters, "choose at least one meter"),
        (
            len(wanted.meters) > METERS_SHOWN,
            f"one work order has at most {METERS_SHOWN} meters",
        ),
        (
            not allowed or not allowed <= OPERATIONS_GIVEN.keys(),
            f"a device may be allowed {', '.join(OPERATIONS_GIVEN)}",
        ),
        (not 1 <= wanted.uses <= USES_MAX, f"each right is used 1 to {USES_MAX} times"),
        (not 1 <= hours <= HOURS_MAX, f"work holds 1 to {HOURS_MAX} hours"),
        (len(wanted.note) > NOTE_MAX, f"a note has at most {NOTE_MAX} characters"),
    ]
    for is_wrong, told in faults:
        if is_wrong:
            raise LocalError(told)
    try:
        for each in wanted.registers:
            describe(Register(each))
    except KwhubError as error:
        raise LocalError(str(error)) from None


def _reached(
    connection: Connection, address: str, operation: str, caller: Caller, right: Right
) -> None:
    """Raise LocalError when the meter, or the terminal, of an order is not where the caller has a right."""
    if operation not in TERMINAL_OPERATIONS:
        _inside(connection, (address,), caller, right)
        return
    scope, table = caller.scope(right), schema.terminal
    query = select(table.c.id).where(table.c.name == address, table.c.active)
    if scope is not None and not connection.scalars(query.where(table.c.area_id.in_(scope))).all():
        told = f"the archive has no active terminal {address[:TEXT_MAX]}"
        raise LocalError(f"{told} where you have {right.value}")


def _inside(
    connection: Connection, addresses: Collection[str], caller: Caller, right: Right
) -> None:
    """Raise LocalError when a meter is not in an area where the caller has a right."""
    scope, table = caller.scope(right), schema.meter
    if scope is None:
        return
    all_of_them, found = list(addresses), set()
    for at in range(0, len(all_of_them), _AT_ONCE):
        query = (
            select(table.c.address)
            .join(schema.terminal, schema.terminal.c.id == table.c.terminal_id)
            .where(
                table.c.address.in_(all_of_them[at : at + _AT_ONCE]),
                table.c.active,
                schema.terminal.c.area_id.in_(scope),
            )
        )
        found |= set(connection.scalars(query))
    if missing := sorted(set(addresses) - found):
        told = ", ".join(each[:TEXT_MAX] for each in missing[:3])
        raise LocalError(f"the archive has no active meter {told} where you have {right.value}")


def _areas(scope: Collection[int] | None) -> Any:
    query = select(schema.area.c.code).order_by(schema.area.c.code)
    return query if scope is None else query.where(schema.area.c.id.in_(scope))


def _terminals(scope: Collection[int] | None, area: str) -> Any:
    table = schema.terminal
    query = (
        select(table.c.name)
        .join(schema.area, schema.area.c.id == table.c.area_id)
        .where(schema.area.c.code == area, table.c.active)
        .distinct()
        .order_by(table.c.name)
    )
    return query if scope is None else query.where(table.c.area_id.in_(scope))


def _meters(
    connection: Connection, scope: Collection[int] | None, asked: tuple[str, str, str]
) -> tuple[tuple[Candidate, ...], int]:
    """The first of the meters that fit, and how many there are; none before anything was asked for."""
    if not any(asked):
        return (), 0
    meter, terminal, area = schema.meter, schema.terminal, schema.area
    joined = (
        meter.join(terminal, terminal.c.id == meter.c.terminal_id)
        .join(area, area.c.id == terminal.c.area_id)
        .outerjoin(account, (account.c.meter_id == meter.c.id) & account.c.to_day.is_(None))
        .outerjoin(customer, customer.c.id == account.c.customer_id)
    )
    where = [meter.c.active, *_asked(*asked)]
    if scope is not None:
        where.append(terminal.c.area_id.in_(scope))
    total = connection.scalar(select(func.count()).select_from(joined).where(*where)) or 0
    query = (
        select(
            meter.c.address,
            meter.c.name,
            terminal.c.name.label("terminal"),
            area.c.code.label("area"),
            customer.c.name.label("customer"),
        )
        .select_from(joined)
        .where(*where)
        .order_by(terminal.c.name, meter.c.point, meter.c.address)
        .limit(METERS_SHOWN)
    )
    found = tuple(
        Candidate(row.address, row.name, row.terminal, row.area, row.customer or "")
        for row in connection.execute(query)
    )
    return found, int(total)


def _asked(area: str, terminal: str, search: str) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if area:
        where.append(schema.area.c.code == area)
    if terminal:
        where.append(schema.terminal.c.name == terminal)
    if search:
        columns = (schema.meter.c.address, schema.meter.c.name, customer.c.name)
        where.append(or_(*(each.icontains(search, autoescape=True) for each in columns)))
    return where
