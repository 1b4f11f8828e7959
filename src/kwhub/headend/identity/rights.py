"""What a device may ask and tell: about meters of its work and its area, and what it was granted to read there, then.

An identity alone is no right: whoever holds a device, or has copied its key, sees and books no more than its work.
"""

from datetime import datetime, timedelta
from typing import Final, TypeAlias

from sqlalchemy import Connection, select

from kwhub.exchange.device_messages import DeviceReading, NotTaken, RefusedReading, Upload
from kwhub.headend.identity.listing import OPEN
from kwhub.headend.identity.records import Visitor
from kwhub.headend.store import schema
from kwhub.headend.store.schema_devices import device, device_grant, device_work

__all__ = ["READING_DAYS_MAX", "SLACK_S", "may_ask", "unfit"]

READING_DAYS_MAX: Final = 45
"""Older readings are none: an identity lives a week and may be renewed for thirty days more, then a device is silent."""

SLACK_S: Final = 300
"""A device's clock may be off by so much from ours."""

_Spans: TypeAlias = dict[str, list[tuple[int, int]]]
"""When a device may read a meter: from and until, seconds since 1970 UTC."""


def may_ask(connection: Connection, visitor: Visitor, meter: str, now: datetime) -> bool:
    """Whether a meter is in open work of a device, or in the area that it was allocated for."""
    working = (
        select(device_grant.c.id)
        .join(device_work, device_work.c.id == device_grant.c.work_id)
        .where(
            device_work.c.device_id == visitor.device_id,
            device_work.c.state == OPEN,
            device_work.c.not_after > now,
            device_grant.c.meter == meter,
        )
        .limit(1)
    )
    if connection.scalar(working) is not None:
        return True
    near = (
        select(schema.meter.c.id)
        .join(schema.terminal, schema.terminal.c.id == schema.meter.c.terminal_id)
        .join(schema.area, schema.area.c.id == schema.terminal.c.area_id)
        .join(device, device.c.area == schema.area.c.code)
        .where(device.c.id == visitor.device_id, schema.meter.c.address == meter)
    )
    return connection.scalar(near.limit(1)) is not None


def unfit(
    connection: Connection, visitor: Visitor, upload: Upload, received_at: datetime
) -> tuple[RefusedReading, ...]:
    """The readings of an upload that are not to be booked, each with its reason; the same every time.

    Args:
        connection: of a transaction.
        visitor: who has sent it.
        upload: what was sent.
        received_at: when it came for the first time.
    """
    spans, now = _spans(connection, visitor, upload.work), int(received_at.timestamp())
    judged = [_reason(each, spans.get(each.meter, []), now) for each in upload.readings]
    return tuple(
        RefusedReading(place, reason) for place, reason in enumerate(judged) if reason is not None
    )


def _reason(reading: DeviceReading, spans: list[tuple[int, int]], now: int) -> NotTaken | None:
    at = reading.captured_at
    faults: list[tuple[NotTaken, bool]] = [
        ("work", not spans),
        ("future", at > now + SLACK_S),
        ("old", at < now - int(timedelta(days=READING_DAYS_MAX).total_seconds())),
        ("early", all(at < since - SLACK_S for since, _ in spans)),
        ("late", all(not since - SLACK_S <= at <= until + SLACK_S for since, until in spans)),
    ]
    return next((reason for reason, holds in faults if holds), None)


def _spans(connection: Connection, visitor: Visitor, work: int | None) -> _Spans:
    query = (
        select(device_grant.c.meter, device_work.c.created_at, device_grant.c.not_after)
        .join(device_work, device_work.c.id == device_grant.c.work_id)
        .where(
            device_work.c.device_id == visitor.device_id,
            device_grant.c.operation == "read",
        )
    )
    if work is not None:
        query = query.where(device_work.c.id == work)
    found: _Spans = {}
    for meter, since, until in connection.execute(query):
        found.setdefault(meter, []).append((int(since.timestamp()), int(until.timestamp())))
    return found
