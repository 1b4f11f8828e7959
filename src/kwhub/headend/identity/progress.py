"""How far a work order is: each of its meters with what was read there, as far as the device has told."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

import msgspec
from sqlalchemy import Connection, func, select

from kwhub.exchange.device_messages import Upload, WorkMeter
from kwhub.headend.identity.records import Visitor
from kwhub.headend.identity.rights import unfit
from kwhub.headend.store.schema_devices import device, device_grant, device_upload, device_work

__all__ = ["MeterLine", "ReadValue", "WorkSheet", "meters_of", "meters_read", "work_sheet"]

_meters: Final = msgspec.json.Decoder(tuple[WorkMeter, ...])
_uploads: Final = msgspec.json.Decoder(Upload)


class ReadValue(NamedTuple):
    """What a register showed; ``value`` is None where the meter has none."""

    register: str
    value: Decimal | None
    unit: str
    at: datetime


@dataclass(frozen=True, slots=True)
class MeterLine:
    """One meter of a work order; ``values`` is empty until readings of it were taken."""

    meter: WorkMeter
    values: tuple[ReadValue, ...]
    uses: int  #: of its grants
    used: int  #: as the device has told

    @property
    def read_at(self) -> datetime | None:
        """When it was read last."""
        return max((each.at for each in self.values), default=None)


@dataclass(frozen=True, slots=True)
class WorkSheet:
    """One work order.

    Attributes:
        order: number of the order that goes with it; None: none.
        lines: its meters, in the order of the route.
    """

    id: int
    device: str
    kind: str
    note: str
    state: str
    by: str
    created_at: datetime
    not_after: datetime
    finished_at: datetime | None
    order: int | None
    lines: tuple[MeterLine, ...]

    @property
    def read(self) -> int:
        """Meters of which readings were taken."""
        return sum(bool(each.values) for each in self.lines)


_ByWork: TypeAlias = dict[int, dict[str, dict[str, ReadValue]]]


def work_sheet(connection: Connection, number: int) -> WorkSheet | None:
    """A work order with its progress; None when there is none of this number."""
    row = connection.execute(
        select(device_work, device.c.name)
        .join(device, device.c.id == device_work.c.device_id)
        .where(device_work.c.id == number)
    ).one_or_none()
    if row is None:
        return None
    values = _values(connection, row.device_id, [number]).get(number, {})
    counts = _counts(connection, number)
    lines = tuple(
        MeterLine(
            each,
            tuple(values.get(each.address, {}).values()),
            *counts.get(each.address, (0, 0)),
        )
        for each in meters_of(row.body)
    )
    return WorkSheet(
        row.id,
        row.name,
        row.kind,
        row.note,
        row.state,
        row.ordered_by,
        row.created_at,
        row.not_after,
        row.finished_at,
        row.order_id,
        lines,
    )


def meters_of(body: bytes) -> tuple[WorkMeter, ...]:
    """The meters of a work order as it stands in the store."""
    return _meters.decode(body)


def meters_read(connection: Connection, device_id: int, works: Collection[int]) -> dict[int, int]:
    """Of how many meters readings were taken, by work order of one device."""
    return {work: len(found) for work, found in _values(connection, device_id, works).items()}


def _values(connection: Connection, device_id: int, works: Collection[int]) -> _ByWork:
    """The latest value of each register by work order and meter; what was refused is no value."""
    if not works:
        return {}
    table = device_upload
    began = select(func.min(device_work.c.created_at)).where(device_work.c.id.in_(works))
    query = (
        select(table)
        .where(table.c.device_id == device_id, table.c.received_at >= began.scalar_subquery())
        .order_by(table.c.received_at)
    )
    found: _ByWork = {}
    for row in connection.execute(query):
        upload = _uploads.decode(row.body)
        if upload.work is None or upload.work not in works:
            continue
        visitor = Visitor(device_id, "", row.generation, row.received_at, is_expired=False)
        refused = {each.place for each in unfit(connection, visitor, upload, row.received_at)}
        by_meter = found.setdefault(upload.work, {})
        for place, each in enumerate(upload.readings):
            if place not in refused:
                at = datetime.fromtimestamp(each.captured_at, UTC)
                value = ReadValue(each.register, each.value, each.unit, at)
                by_meter.setdefault(each.meter, {})[each.register] = value
    return found


def _counts(connection: Connection, work: int) -> Mapping[str, tuple[int, int]]:
    """Uses and used of all grants by meter."""
    query = select(device_grant.c.meter, device_grant.c.uses, device_grant.c.used).where(
        device_grant.c.work_id == work
    )
    found: dict[str, tuple[int, int]] = {}
    for meter, uses, used in connection.execute(query):
        before = found.get(meter, (0, 0))
        found[meter] = before[0] + uses, before[1] + used
    return found
