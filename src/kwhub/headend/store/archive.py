"""The archive: areas, terminals and meters as the settings name them, and quick look-ups for who sends what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import structlog
from sqlalchemy import Connection, Table, select, update

from kwhub.headend.config import Area, Config, Terminal
from kwhub.headend.store import schema

__all__ = ["DESK", "FILE", "Archive", "KnownMeter", "KnownTerminal", "synchronise"]

FILE, DESK = "file", "desk"
"""Who made a row of the archive, or changed it last: the settings' file, or a person at the desk."""

_log = structlog.get_logger("kwhub.headend")


@dataclass(frozen=True, slots=True)
class KnownMeter:
    """What must be known of a meter to talk to it and to place its readings."""

    id: int
    terminal_id: int
    address: str
    point: int
    port: int
    phases: int
    ratio: Decimal
    baud: int
    protocol: str


@dataclass(frozen=True, slots=True)
class KnownTerminal:
    """A terminal that may log in."""

    id: int
    region: str
    number: int
    points: Mapping[int, KnownMeter] = field(default_factory=dict)


class Archive:
    """A copy in memory of what is active in the archive."""

    def __init__(self, connection: Connection) -> None:
        """Read the archive."""
        self.meters = {
            row.id: KnownMeter(
                row.id,
                row.terminal_id,
                row.address,
                row.point,
                row.port,
                row.phases,
                Decimal(row.ratio),
                row.baud,
                row.protocol,
            )
            for row in connection.execute(select(schema.meter).where(schema.meter.c.active))
        }
        points: dict[int, dict[int, KnownMeter]] = {}
        for meter in self.meters.values():
            points.setdefault(meter.terminal_id, {})[meter.point] = meter
        rows = connection.execute(select(schema.terminal).where(schema.terminal.c.active))
        self.terminals = {
            (row.region, row.number): KnownTerminal(
                row.id, row.region, row.number, points.get(row.id, {})
            )
            for row in rows
        }


def synchronise(connection: Connection, config: Config) -> None:
    """Make the archive say what the settings say.

    Areas are recognised by code, terminals by region and number, meters by address. What the
    settings named once and do not name any more becomes inactive; nothing is deleted, because
    readings hang on it. What was made or changed at the desk is the desk's: the settings neither
    change it nor take it away, and a place that the desk has given to another meter stays so.
    """
    for table in (schema.area, schema.terminal, schema.meter):
        connection.execute(update(table).where(table.c.origin == FILE).values(active=False))
    for area in config.area:
        area_id = _put(
            connection,
            schema.area,
            {"code": area.code},
            {"name": area.name, "name_zh": area.name_zh or area.name, "active": True},
        )
        _terminals(connection, area, area_id)


def _terminals(connection: Connection, area: Area, area_id: int) -> None:
    for terminal in area.terminal:
        key = {"region": terminal.region, "number": terminal.terminal}
        values = {"area_id": area_id, "name": terminal.name, "active": True}
        _meters(connection, terminal, _put(connection, schema.terminal, key, values))


def _meters(connection: Connection, terminal: Terminal, terminal_id: int) -> None:
    table = schema.meter
    query = select(table.c.point, table.c.address).where(
        table.c.terminal_id == terminal_id, table.c.active, table.c.origin == DESK
    )
    taken = {row.point: row.address for row in connection.execute(query)}
    for meter in terminal.meter:
        if taken.get(meter.point, meter.address) != meter.address:
            _log.warning(
                "place_is_the_desks",
                terminal=f"{terminal.region}-{terminal.terminal:05}",
                point=meter.point,
                meter=meter.address,
                instead=taken[meter.point],
            )
            continue
        values = {
            "terminal_id": terminal_id,
            "point": meter.point,
            "port": meter.port,
            "name": meter.name,
            "kind": meter.kind,
            "phases": meter.phases,
            "ratio": str(meter.factor),
            "ct": str(meter.factor),
            "pt": "1",
            "baud": meter.baud,
            "protocol": meter.protocol,
            "curve_minutes": meter.curve_minutes,
            "hourly": meter.hourly,
            "day_freeze": meter.day_freeze,
            "tariffs": meter.tariffs,
            "active": True,
        }
        _put(connection, schema.meter, {"address": meter.address}, values)


def _put(
    connection: Connection, table: Table, key: Mapping[str, object], values: Mapping[str, object]
) -> int:
    """Insert the row with a natural key, or update it where it is the settings' own; its id."""
    where = [table.c[name] == value for name, value in key.items()]
    found = connection.execute(select(table.c.id, table.c.origin).where(*where)).one_or_none()
    if found is None:
        inserted = connection.execute(table.insert().values(**key, **values, origin=FILE))
        (made,) = inserted.inserted_primary_key or (None,)
        return int(made or 0)
    if found.origin == FILE:
        connection.execute(update(table).where(table.c.id == found.id).values(**values))
    return int(found.id)
