"""Devices as people at the head-end see and handle them: each within the areas where they may.

A device is used where its description says, by the code of an area. Who may handle devices everywhere sees all of
them; who may do so in some areas sees those of these areas and can allocate for these only.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import segno
from sqlalchemy import Connection, func, select

from kwhub.domain.errors import LocalError
from kwhub.headend.identity.progress import meters_of, meters_read
from kwhub.headend.identity.records import (
    Allocation,
    Description,
    Device,
    DeviceState,
    Exposure,
    GrantLeft,
)
from kwhub.headend.identity.service import DeviceService
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.rights import Right
from kwhub.headend.store.schema import area
from kwhub.headend.store.schema_devices import device, device_order, device_upload, device_work

__all__ = [
    "REASON_MAX",
    "STEPS",
    "TEXT_MAX",
    "DeviceDesk",
    "DeviceSheet",
    "HandedOut",
    "OrderLine",
    "WorkLine",
]

TEXT_MAX = 100
"""Longest model, serial number or owner, in characters; that of the columns of the store."""

REASON_MAX = 300
"""Longest reason of a lock, in characters."""

STEPS = ("lock", "lose", "retire")
"""What may be done to a device that is out of hand or out of service."""

ROWS_SHOWN = 50
CODE_PIXELS = 5


@dataclass(frozen=True, slots=True)
class HandedOut:
    """What is shown once.

    Attributes:
        allocation: the device, until when its secret works.
        text: what the code says.
        picture: the code as SVG, an element without a style of its own.
    """

    allocation: Allocation
    text: str
    picture: str


@dataclass(frozen=True, slots=True)
class WorkLine:
    """A work order of a device; the newest are shown."""

    id: int
    kind: str
    state: str
    by: str
    not_after: datetime
    read: int  #: meters of which readings were taken
    total: int


@dataclass(frozen=True, slots=True)
class OrderLine:
    """An order that a device carries, or has carried."""

    id: int
    meter: str
    operation: str
    state: str
    by: str
    approved_by: str
    not_after: datetime
    outcome: str


@dataclass(frozen=True, slots=True)
class DeviceSheet:
    """Everything about one device.

    Attributes:
        device: as in the list.
        exposure: what it could do without the head-end, if it were in wrong hands now.
        works: its newest work orders.
        orders: its newest orders.
        uploads: deliveries that it has made, the last one, and readings in all of them.
    """

    device: Device
    exposure: Exposure
    works: tuple[WorkLine, ...]
    orders: tuple[OrderLine, ...]
    uploads: tuple[int, datetime | None, int]

    @property
    def meters(self) -> dict[str, list[GrantLeft]]:
        """What is left by meter."""
        found: dict[str, list[GrantLeft]] = {}
        for each in self.exposure.grants:
            found.setdefault(each.meter, []).append(each)
        return found

    @property
    def uses(self) -> int:
        """Counted uses that are left in all."""
        return sum(each.uses for each in self.exposure.grants)

    @property
    def reaches_head_end(self) -> bool:
        """Whether it would be let in now, with its PIN."""
        return self.device.state in {DeviceState.ACTIVE, DeviceState.ALLOCATED}


class DeviceDesk:
    """Lists devices and handles them for a caller.

    Every method raises LocalError for a device that does not exist or lies outside the areas of the caller: the
    two cannot be told apart. StoreError: nothing was done.
    """

    def __init__(self, service: DeviceService) -> None:
        self._service = service
        self._registry = service.registry

    def devices(self, caller: Caller) -> list[Device]:
        """Those that the caller may handle, by name."""
        inside = self._areas(caller)
        found = self._registry.devices()
        return [each for each in found if inside is None or each.description.area in inside]

    def areas(self, caller: Caller) -> list[str]:
        """Codes of the areas for which the caller may allocate."""
        with self._registry.database.read() as connection:
            codes = list(connection.scalars(select(area.c.code).order_by(area.c.code)))
        inside = self._areas(caller)
        return [each for each in codes if inside is None or each in inside]

    def allocate(self, description: Description, caller: Caller) -> HandedOut:
        """Take a new device in; what comes back is kept nowhere.

        Raises:
            LocalError: a text is too long, or the area is not one of the caller's.
        """
        about = (description.model, description.serial, description.owner)
        if any(len(each) > TEXT_MAX for each in about):
            raise LocalError(f"model, serial number and owner have at most {TEXT_MAX} characters")
        known = self.areas(caller)
        if description.area not in known and (description.area or self._areas(caller) is not None):
            raise LocalError(f"{description.area or '-'} is no area in which you handle devices")
        return self._handed_out(self._registry.allocate(description, caller.name))

    def allocate_again(self, name: str, caller: Caller) -> HandedOut:
        """Give a device a new secret; its identities end. Raises LocalError: it was retired."""
        self._require(name, caller)
        return self._handed_out(self._registry.allocate_again(name, caller.name))

    def close(self, name: str, step: str, reason: str, caller: Caller) -> Exposure:
        """Lock a device, report it lost, or retire it.

        Args:
            name: of the device.
            step: one of ``STEPS``.
            reason: for the audit trail.
            caller: who does it.

        Returns:
            What it could still do without the head-end.

        Raises:
            LocalError: no such step, the reason is too long, or the device was retired.
        """
        if step not in STEPS:
            raise LocalError(f"{step} is none of {', '.join(STEPS)}")
        if len(reason) > REASON_MAX:
            raise LocalError(f"a reason has at most {REASON_MAX} characters")
        self._require(name, caller)
        registry = self._registry
        do = {"lock": registry.lock, "lose": registry.lose, "retire": registry.retire}[step]
        return do(name, caller.name, reason)

    def sheet(self, name: str, caller: Caller) -> DeviceSheet:
        """Everything about a device."""
        found = self._require(name, caller)
        exposure = self._registry.exposure(name)
        with self._registry.database.read() as connection:
            number = connection.scalar(select(device.c.id).where(device.c.name == name)) or 0
            return DeviceSheet(
                found,
                exposure,
                _works(connection, number),
                _orders(connection, number),
                _uploads(connection, number),
            )

    def _require(self, name: str, caller: Caller) -> Device:
        for each in self.devices(caller):
            if each.name == name:
                return each
        raise LocalError(f"there is no device {name[:TEXT_MAX]}")

    def _areas(self, caller: Caller) -> Collection[str] | None:
        """Codes of the areas where a caller may handle devices; None for everywhere."""
        scope = caller.scope(Right.DEVICES)
        if scope is None:
            return None
        with self._registry.database.read() as connection:
            return set(connection.scalars(select(area.c.code).where(area.c.id.in_(scope))))

    def _handed_out(self, allocation: Allocation) -> HandedOut:
        text = self._service.code(allocation).text
        picture = segno.make(text, error="m", micro=False).svg_inline(
            scale=CODE_PIXELS, omitsize=True, dark="#000", light="#fff"
        )
        return HandedOut(allocation, text, picture)


def _works(connection: Connection, number: int) -> tuple[WorkLine, ...]:
    table = device_work
    query = select(table).where(table.c.device_id == number).order_by(table.c.id.desc())
    rows = connection.execute(query.limit(ROWS_SHOWN)).all()
    read = meters_read(connection, number, [row.id for row in rows])
    return tuple(
        WorkLine(
            row.id,
            row.kind,
            row.state,
            row.ordered_by,
            row.not_after,
            read.get(row.id, 0),
            len(meters_of(row.body)),
        )
        for row in rows
    )


def _orders(connection: Connection, number: int) -> tuple[OrderLine, ...]:
    table = device_order
    query = select(table).where(table.c.device_id == number).order_by(table.c.id.desc())
    return tuple(
        OrderLine(
            row.id,
            row.meter,
            row.operation,
            row.state,
            row.ordered_by,
            row.approved_by,
            row.not_after,
            row.outcome,
        )
        for row in connection.execute(query.limit(ROWS_SHOWN))
    )


def _uploads(connection: Connection, number: int) -> tuple[int, datetime | None, int]:
    table = device_upload
    row = connection.execute(
        select(func.count(), func.max(table.c.received_at), func.sum(table.c.count)).where(
            table.c.device_id == number
        )
    ).one()
    return int(row[0]), row[1], int(row[2] or 0)
