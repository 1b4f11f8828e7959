"""Work in the field: orders with what they grant, readings that come back, questions about a meter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TypeAlias

import msgspec
from sqlalchemy import Connection, Row, func, select, update

from kwhub.domain.errors import LocalError
from kwhub.exchange.device_messages import (
    Denied,
    Found,
    Grant,
    Operation,
    Query,
    RefusedReading,
    Taken,
    Upload,
    Work,
    WorkMeter,
    WorkOrder,
)
from kwhub.exchange.device_messages import Row as Line
from kwhub.headend.identity.listing import OPEN, recall_work
from kwhub.headend.identity.records import DeviceState, Visitor
from kwhub.headend.identity.registry import Registry
from kwhub.headend.identity.rights import may_ask, unfit
from kwhub.headend.store.schema_devices import device, device_grant, device_upload, device_work

__all__ = ["FieldWork", "Look", "NewWork", "Sink", "working"]

FINISHED = "finished"
REFUSED_TOLD_MAX = 5
HELD_OPERATIONS: tuple[Operation, ...] = ("read",)

Sink: TypeAlias = Callable[[Connection, Visitor, Upload, datetime], None]
"""Books the readings of an upload, in the transaction in which the upload is kept."""

Look: TypeAlias = Callable[[Connection, str], Sequence[Line]]
"""What may be told about a meter."""

_meters = msgspec.json.Decoder(tuple[WorkMeter, ...])


@dataclass(frozen=True, slots=True)
class NewWork:
    """What a person orders.

    Attributes:
        kind: read, collect, set-time ...
        meters: to be visited.
        operations: that the device may do at each of them without the head-end.
        uses: how often, each.
        hours: how long; None for the rule of the house.
        note: for the technician.
        carry: number of an order for the same device that goes with it.
        until: in place of ``hours``.
    """

    kind: str
    meters: tuple[WorkMeter, ...]
    operations: tuple[Operation, ...] = HELD_OPERATIONS
    uses: int = 3
    hours: int | None = None
    note: str = ""
    carry: int | None = None
    until: datetime | None = None


class FieldWork:
    """Work orders of all devices."""

    def __init__(self, registry: Registry, sink: Sink, look: Look) -> None:
        """Take the register, who books readings, and who knows meters."""
        self._registry = registry
        self._sink = sink
        self._look = look

    def give(self, name: str, work: NewWork, by: str) -> int:
        """Give a device something to do; it hears of it when it asks.

        Returns:
            The number of the work order.

        Raises:
            LocalError: the device does not work, or there is nothing to do.
        """
        with self._registry.database.write() as connection:
            return self.give_in(connection, name, work, by)

    def give_in(self, connection: Connection, name: str, work: NewWork, by: str) -> int:
        """The same in a transaction of the caller's."""
        registry, now = self._registry, self._registry.now()
        if not work.meters or work.uses < 1:
            raise LocalError("work needs at least one meter, and a grant at least one use")
        hours = registry.rules.offline_hours if work.hours is None else work.hours
        until = work.until or now + timedelta(hours=hours)
        made = connection.execute(
            device_work.insert().values(
                device_id=working(connection, name),
                kind=work.kind,
                note=work.note,
                body=msgspec.json.encode(work.meters),
                state=OPEN,
                ordered_by=by,
                created_at=now,
                not_after=until,
                order_id=work.carry,
            )
        )
        number = int(made.inserted_primary_key[0])  # type: ignore[index]
        rows = [
            {
                "work_id": number,
                "meter": meter.address,
                "operation": operation,
                "uses": work.uses,
                "used": 0,
                "state": OPEN,
                "not_after": until,
            }
            for meter in work.meters
            for operation in work.operations
        ]
        if rows:
            connection.execute(device_grant.insert(), rows)
        told = f"work {number}: {work.kind} at {len(work.meters)} meters"
        registry.record(connection, by, "device_work", name, told)
        return number

    def recall(self, number: int, by: str) -> tuple[int, ...]:
        """Take open work back; the device hears of it at its next contact, its grants hold until then at most.

        Returns:
            The order that went with it and is recalled, too.

        Raises:
            LocalError: there is none, or it is over.
        """
        registry, now = self._registry, self._registry.now()
        with registry.database.write() as connection:
            row = connection.execute(
                select(device_work.c.state, device.c.name)
                .join(device, device.c.id == device_work.c.device_id)
                .where(device_work.c.id == number)
            ).one_or_none()
            if row is None or row.state != OPEN:
                state = "not there" if row is None else row.state
                raise LocalError(f"work {number} is {state}: it cannot be recalled")
            orders = recall_work(connection, number, now)
            registry.record(connection, by, "device_work_recall", row.name, f"work {number}")
        return orders

    def open_work(self, connection: Connection, visitor: Visitor) -> Work:
        """What a device has to do."""
        now = self._registry.now()
        query = (
            select(device_work)
            .where(
                device_work.c.device_id == visitor.device_id,
                device_work.c.state == OPEN,
                device_work.c.not_after > now,
            )
            .order_by(device_work.c.id)
        )
        return Work(tuple(_order(connection, row) for row in connection.execute(query)))

    def take(self, connection: Connection, visitor: Visitor, upload: Upload) -> Taken | Denied:
        """Keep an upload and book its readings; the same name again books nothing.

        A name that comes again with other content is a mistake of the device and refused. Readings that the device had no
        right to take, or that are dated when it had none, are told back and noted in the audit trail, and not booked.
        """
        now, body = self._registry.now(), msgspec.json.encode(upload)
        digest = sha256(body).digest()
        key = (
            device_upload.c.device_id == visitor.device_id,
            device_upload.c.name == upload.id,
        )
        before = connection.execute(
            select(device_upload.c.digest, device_upload.c.received_at).where(*key)
        ).one_or_none()
        if before is not None:
            if before.digest != digest:
                return Denied("request", f"upload {upload.id} had another content before")
            refused = unfit(connection, visitor, upload, before.received_at)
            return Taken(
                upload.id, len(upload.readings) - len(refused), repeated=True, refused=refused
            )
        refused = unfit(connection, visitor, upload, now)
        count = len(upload.readings) - len(refused)
        connection.execute(
            device_upload.insert().values(
                device_id=visitor.device_id,
                name=upload.id,
                digest=digest,
                generation=visitor.generation,
                operator=visitor.operator,
                lent_to=visitor.lent_to,
                received_at=now,
                count=count,
                body=body,
            )
        )
        _count_uses(connection, visitor, upload)
        if upload.finished and upload.work is not None:
            _finish(connection, visitor, upload.work, now)
        if refused:
            told = _told(upload, refused)
            self._registry.record(
                connection, visitor.who, "device_readings_refused", visitor.name, told
            )
        without = {each.place for each in refused}
        fit = tuple(each for n, each in enumerate(upload.readings) if n not in without)
        self._sink(connection, visitor, msgspec.structs.replace(upload, readings=fit), now)
        return Taken(upload.id, count, repeated=False, refused=refused)

    def find(self, connection: Connection, visitor: Visitor, query: Query) -> Found | Denied:
        """What is known about a meter of the device's work or area."""
        if not may_ask(connection, visitor, query.meter, self._registry.now()):
            return Denied("meter")
        return Found(query.meter, tuple(self._look(connection, query.meter)))


def working(connection: Connection, name: str) -> int:
    """Number of a device that may be given something. Raises LocalError."""
    row = connection.execute(
        select(device.c.id, device.c.state).where(device.c.name == name)
    ).one_or_none()
    if row is None:
        raise LocalError(f"there is no device {name}; 'kwhub headend device list' shows all")
    if row.state != DeviceState.ACTIVE:
        raise LocalError(f"{name} is {row.state}: it can be given nothing")
    return int(row.id)


def _order(connection: Connection, row: Row[tuple[object, ...]]) -> WorkOrder:
    query = select(device_grant).where(
        device_grant.c.work_id == row.id, device_grant.c.state == OPEN
    )
    grants = tuple(
        Grant(each.id, each.meter, each.operation, each.uses, _seconds(each.not_after))
        for each in connection.execute(query.order_by(device_grant.c.id))
    )
    return WorkOrder(
        row.id,
        row.kind,
        row.note,
        _seconds(row.not_after),
        _meters.decode(row.body),
        grants,
        row.order_id,
    )


def _told(upload: Upload, refused: Sequence[RefusedReading]) -> str:
    """For the audit trail: how many, and the first ones with their reasons."""
    some = [
        f"meter {upload.readings[each.place].meter} at {upload.readings[each.place].captured_at}: {each.reason}"
        for each in refused[:REFUSED_TOLD_MAX]
    ]
    more = ", ..." if len(refused) > len(some) else ""
    return f"upload {upload.id}: {len(refused)} of {len(upload.readings)}: {', '.join(some)}{more}"


def _seconds(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp())


def _count_uses(connection: Connection, visitor: Visitor, upload: Upload) -> None:
    """What the device says that it has used; never less than it has said before."""
    own = select(device_work.c.id).where(device_work.c.device_id == visitor.device_id)
    for grant, used in upload.used:
        most = func.min if connection.dialect.name == "sqlite" else func.least
        connection.execute(
            update(device_grant)
            .where(device_grant.c.id == grant, device_grant.c.work_id.in_(own))
            .where(device_grant.c.used < used)
            .values(used=most(used, device_grant.c.uses))
        )


def _finish(connection: Connection, visitor: Visitor, work: int, now: datetime) -> None:
    connection.execute(
        update(device_work)
        .where(
            device_work.c.id == work,
            device_work.c.device_id == visitor.device_id,
            device_work.c.state == OPEN,
        )
        .values(state=FINISHED, finished_at=now)
    )
