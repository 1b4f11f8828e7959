"""The objects of the API. Decimals are strings, moments RFC 3339 with offset, None is "not known"."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from kwhub.headend.store.views import AreaSummary, LatestRow, MeterDetail, MeterRow, Order

__all__ = [
    "Area",
    "AreaMeter",
    "Items",
    "Latest",
    "Meter",
    "Ordered",
    "OrderedItem",
    "Point",
    "Problem",
    "ReadNow",
    "text",
]

T = TypeVar("T")


def text(value: Decimal | None) -> str | None:
    """A decimal as a string without exponent.

    >>> text(Decimal("1E+2")), text(None)
    ('100', None)
    """
    return None if value is None else f"{value:f}"


class Items(Struct, Generic[T]):
    """One page of a list."""

    items: Sequence[T]
    next_cursor: str | None


class Problem(Struct):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


class Area(Struct):
    """A transformer area on one local day."""

    id: int
    code: str
    name: str
    name_zh: str
    day: date
    meters: int
    expected: int
    got: int
    read_rate: float | None
    supply_kwh: str | None
    sold_kwh: str | None
    loss_kwh: str | None
    loss_percent: str | None

    @classmethod
    def of(cls, row: AreaSummary, day: date) -> "Area":
        """From a row of the store."""
        return cls(
            id=row.id,
            code=row.code,
            name=row.name,
            name_zh=row.name_zh,
            day=day,
            meters=row.meters,
            expected=row.expected,
            got=row.got,
            read_rate=row.read_rate,
            supply_kwh=text(row.supply_kwh),
            sold_kwh=text(row.sold_kwh),
            loss_kwh=text(row.loss_kwh),
            loss_percent=text(row.loss_percent),
        )


class AreaMeter(Struct):
    """A meter in the list of its area, on one local day."""

    id: int
    address: str
    name: str
    kind: str
    phases: int
    point: int
    terminal: str
    expected: int
    got: int
    last_energy_kwh: str | None
    last_energy_at: datetime | None
    day_kwh: str | None

    @classmethod
    def of(cls, row: MeterRow) -> "AreaMeter":
        """From a row of the store."""
        return cls(
            id=row.id,
            address=row.address,
            name=row.name,
            kind=row.kind,
            phases=row.phases,
            point=row.point,
            terminal=row.terminal,
            expected=row.expected,
            got=row.got,
            last_energy_kwh=text(row.last_energy),
            last_energy_at=row.last_energy_at,
            day_kwh=text(row.day_kwh),
        )


class Latest(Struct):
    """The newest value of one register in one series."""

    register: str
    name: str
    name_zh: str
    value: str | None
    unit: str
    captured_at: datetime
    received_at: datetime | None
    interval_s: int
    quality: str
    source: str

    @classmethod
    def of(cls, row: LatestRow) -> "Latest":
        """From a row of the store."""
        return cls(
            register=row.register,
            name=row.name_en,
            name_zh=row.name_zh,
            value=text(row.value),
            unit=row.unit,
            captured_at=row.captured_at,
            received_at=row.received_at,
            interval_s=row.interval_s,
            quality=row.quality.name.lower(),
            source=row.source,
        )


class Meter(Struct):
    """A meter with its place and its latest values."""

    id: int
    address: str
    name: str
    kind: str
    phases: int
    ratio: str
    protocol: str
    area_id: int
    terminal: str
    point: int
    port: int
    online: bool
    latest: list[Latest]

    @classmethod
    def of(cls, row: MeterDetail, latest: list[LatestRow]) -> "Meter":
        """From rows of the store."""
        return cls(
            id=row.id,
            address=row.address,
            name=row.name,
            kind=row.kind,
            phases=row.phases,
            ratio=f"{row.ratio:f}",
            protocol=row.protocol,
            area_id=row.area_id,
            terminal=row.terminal,
            point=row.point,
            port=row.port,
            online=row.online,
            latest=[Latest.of(each) for each in latest],
        )


class Point(Struct):
    """One place on the grid of a series; a hole in the data has value null."""

    captured_at: datetime
    value: str | None


class ReadNow(Struct, forbid_unknown_fields=True):
    """The body of a new order: registers as OBIS codes or aliases; none means the common set."""

    registers: list[str] = []


class OrderedItem(Struct):
    """One register of an order, with the frames in hex."""

    register: str
    identifier: str
    value: str | None
    unit: str
    request: str
    answer: str
    error: str | None


class Ordered(Struct):
    """An order and how far it has come."""

    id: int
    meter_id: int | None
    terminal_id: int | None
    task_id: int | None
    kind: str
    order: dict[str, Any]
    state: str
    final: bool
    detail: str
    result: dict[str, Any]
    created_at: datetime
    sent_at: datetime | None
    next_at: datetime | None
    deadline_at: datetime | None
    finished_at: datetime | None
    by: str
    approved_by: str
    tries: int
    progress: int
    total: int
    items: list[OrderedItem]

    @classmethod
    def of(cls, row: Order) -> "Ordered":
        """From a row of the store."""
        items = [
            OrderedItem(
                register=each.register,
                identifier=each.identifier,
                value=text(each.value),
                unit=each.unit,
                request=each.request_raw.hex(" "),
                answer=each.answer_raw.hex(" "),
                error=each.error or None,
            )
            for each in row.items
        ]
        return cls(
            id=row.id,
            meter_id=row.meter_id,
            terminal_id=row.terminal_id,
            task_id=row.task_id,
            kind=row.kind,
            order=msgspec.json.decode(row.wanted or "{}"),
            state=row.state.value,
            final=row.state.final,
            detail=row.detail,
            result=msgspec.json.decode(row.result or "{}"),
            created_at=row.created_at,
            sent_at=row.sent_at,
            next_at=None if row.state.final else row.next_at,
            deadline_at=row.deadline_at,
            finished_at=row.finished_at,
            by=row.by,
            approved_by=row.approved_by,
            tries=row.tries,
            progress=row.progress,
            total=row.total,
            items=items,
        )
