"""Where readings of devices go in the store, and what the store may tell a device about a meter."""

from datetime import datetime

from sqlalchemy import Connection, select

from kwhub.domain.errors import KwhubError
from kwhub.exchange.device_messages import DeviceReading, Row, Upload
from kwhub.headend.identity.records import Visitor
from kwhub.headend.store import journal, schema
from kwhub.headend.store.columns import Columns
from kwhub.headend.store.schema import from_micro, to_micro

__all__ = ["book", "look"]

DECIMALS = 2


def book(connection: Connection, visitor: Visitor, upload: Upload, now: datetime) -> None:
    """Write the readings of meters that the archive knows into the journal; what is kept of an upload has all of them."""
    meters = {each.meter for each in upload.readings}
    table = schema.meter
    query = select(table.c.address, table.c.id).where(table.c.address.in_(meters), table.c.active)
    numbers = {row.address: int(row.id) for row in connection.execute(query)}
    rows = [
        (numbers[each.meter], each.register, each.interval_s, each.captured_at, value)
        for each in upload.readings
        if each.meter in numbers and (value := _stored(each)) is not None
    ]
    if rows:
        batch = journal.Batch(None, now, f"device {visitor.name}", Columns.from_rows(rows))
        journal.append(connection, [batch])


def look(connection: Connection, meter: str) -> list[Row]:
    """Name, area and latest values of a meter; nothing when the archive does not know it."""
    table, terminal, area, latest = schema.meter, schema.terminal, schema.area, schema.latest
    found = connection.execute(
        select(table.c.id, table.c.name, area.c.code)
        .join(terminal, terminal.c.id == table.c.terminal_id)
        .join(area, area.c.id == terminal.c.area_id)
        .where(table.c.address == meter)
    ).one_or_none()
    if found is None:
        return []
    rows = [Row("name", found.name), Row("area", found.code)]
    values = select(latest).where(latest.c.meter_id == found.id).order_by(latest.c.register)
    return rows + [
        Row(each.register, f"{from_micro(each.value, DECIMALS)}", each.captured_at)
        for each in connection.execute(values)
    ]


def _stored(reading: DeviceReading) -> int | None:
    """In millionths; None for what has no value or cannot be stored exactly."""
    if reading.value is None or not reading.value.is_finite():
        return None
    try:
        return to_micro(reading.value)
    except (KwhubError, ArithmeticError):
        return None
