"""The archive: areas, terminals and meters as the settings name them, and quick look-ups for who sends what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import structlog
from sqlalchemy import Connection, Table, select, update

from kwhub.headend.config import Area, Config, Terminal
from kwhub.headend.store import schema, schema_archive

__all__ = ["DESK", "FILE", "Archive", "KnownMeter", "KnownTerminal", "Stay", "synchronise"]

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
class Stay:
    """A meter at a measuring point, from one moment up to another."""

    meter_id: int
    since_s: int  #: 0: always before
    until_s: int | None  #: exclusive; None: until now

    def covers(self, at_s: int) -> bool:
        """Whether the meter was there at a moment, seconds since 1970."""
        return self.since_s <= at_s and (self.until_s is None or at_s < self.until_s)


@dataclass(frozen=True, slots=True)
class KnownTerminal:
    """A terminal that may log in.

    Attributes:
        id: its number in the archive.
        region: of its address.
        number: of its address.
        points: the meters that are read through it now.
        stays: only of points at which another meter was before, or none: who was there when. The first
            that covers a moment is the one.
    """

    id: int
    region: str
    number: int
    points: Mapping[int, KnownMeter] = field(default_factory=dict)
    stays: Mapping[int, Sequence[Stay]] = field(default_factory=dict)

    def has(self, point: int) -> bool:
        """Whether there is a meter at a point, or was one."""
        return point in self.points or point in self.stays

    def meter_at(self, point: int, at_s: int) -> int | None:
        """The number of the meter that was at a point at a moment; None when there was none."""
        if point not in self.stays:
            meter = self.points.get(point)
            return None if meter is None else meter.id
        return next((each.meter_id for each in self.stays[point] if each.covers(at_s)), None)


class Archive:
    """A copy in memory of what is active in the archive, and of where meters were before."""

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
        self._places = _places(connection)
        stays = _changed(self._places, points)
        rows = connection.execute(select(schema.terminal).where(schema.terminal.c.active))
        self.terminals = {
            (row.region, row.number): KnownTerminal(
                row.id, row.region, row.number, points.get(row.id, {}), stays.get(row.id, {})
            )
            for row in rows
        }

    def place(self, meter_id: int, at_s: int, present: tuple[int, int]) -> tuple[int, int]:
        """Terminal and point through which a meter was read at a moment.

        Args:
            meter_id: number of the meter.
            at_s: seconds since 1970.
            present: what holds for a meter that was never moved, or was nowhere at the moment.
        """
        for place, stay in self._places.get(meter_id, ()):
            if stay.covers(at_s):
                return place
        return present


def _places(connection: Connection) -> dict[int, list[tuple[tuple[int, int], Stay]]]:
    """Terminal and point of every meter with a history; what follows without a change is one stay."""
    table = schema_archive.placement
    found: dict[int, list[tuple[tuple[int, int], Stay]]] = {}
    for row in connection.execute(select(table).order_by(table.c.valid_from.nulls_first())):
        place = (int(row.terminal_id), int(row.point))
        until = None if row.valid_to is None else int(row.valid_to.timestamp())
        since = 0 if row.valid_from is None else int(row.valid_from.timestamp())
        own = found.setdefault(row.meter_id, [])
        if own and own[-1][0] == place and own[-1][1].until_s == since:
            since = own.pop()[1].since_s
        own.append((place, Stay(row.meter_id, since, until)))
    return found


def _changed(
    places: Mapping[int, Sequence[tuple[tuple[int, int], Stay]]],
    points: Mapping[int, Mapping[int, KnownMeter]],
) -> dict[int, dict[int, list[Stay]]]:
    """By terminal and point who was there, of points where it was not always who is there now."""
    by_point: dict[tuple[int, int], list[Stay]] = {}
    for own in places.values():
        for place, stay in own:
            by_point.setdefault(place, []).append(stay)
    found: dict[int, dict[int, list[Stay]]] = {}
    for (terminal, point), stays in by_point.items():
        present = points.get(terminal, {}).get(point)
        always = [each for each in stays if each.since_s == 0 and each.until_s is None]
        if len(stays) == 1 and always and present is not None and present.id == stays[0].meter_id:
            continue
        found.setdefault(terminal, {})[point] = stays
        if present is not None and present.id not in places:
            stays.append(Stay(present.id, 0, None))  # whatever nobody else was there for
    return found


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
