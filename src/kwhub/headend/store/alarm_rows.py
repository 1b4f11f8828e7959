"""Events of terminals as alarms: when they began and ended, and who has taken note of them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, or_, select

from kwhub.headend.store import schema
from kwhub.headend.store.archive_rows import terminal_name
from kwhub.headend.store.database import upsert
from kwhub.headend.store.schema_alarms import acknowledgement

__all__ = [
    "ALARM_SORTS",
    "MOMENTARY",
    "NOTE_MAX",
    "Alarm",
    "AlarmsWanted",
    "acknowledge",
    "alarm",
    "alarms",
    "codes",
]

NOTE_MAX = 500
"""Characters of a note."""

WHO_MAX = 100

NUMBERS = 256
"""Numbers of records in a class, after which they begin anew."""

MOMENTARY = frozenset({1, 3, 4, 5, 6, 7, 8, 14, 19, 20, 32, 33, 41})
"""Codes that tell of a moment, such as a clock that was set. Unless the terminal calls them important, they are records
to look up, and nobody has to take note of them."""


@dataclass(frozen=True, slots=True)
class AlarmsWanted:
    """Which alarms are wanted.

    Attributes:
        areas: numbers of the areas that the reader may see; None for all of them.
        since: seconds since 1970, inclusive; ``until`` exclusive.
        open_only: those that have neither ended nor been acknowledged, and are no mere records (``MOMENTARY``).
    """

    areas: Collection[int] | None = None
    area_id: int | None = None
    terminal_id: int | None = None
    code: int | None = None
    important: bool | None = None
    open_only: bool = False
    since: int | None = None
    until: int | None = None
    sort: str = "at"
    descending: bool = True
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Alarm:
    """An event with its end and with what people say about it."""

    terminal_id: int
    digest: bytes
    terminal: str
    terminal_name: str
    area_id: int
    area_name: str
    area_name_zh: str
    point: int  #: 0: the terminal itself
    meter_id: int | None
    address: str  #: of the meter at the point; empty for none
    code: int
    important: bool
    body: bytes
    at: datetime
    received_at: datetime
    ended_at: datetime | None
    noted_at: datetime | None
    noted_by: str
    note: str

    @property
    def key(self) -> str:
        """Names the alarm in addresses."""
        return f"{self.terminal_id}-{self.digest.hex()}"

    @property
    def open(self) -> bool:
        """Whether nobody has taken note of it, it has not ended, and it is no mere record."""
        is_record = self.code in MOMENTARY and not self.important
        return self.ended_at is None and self.noted_at is None and not is_record


_EVENT, _TERMINAL, _AREA = schema.terminal_event, schema.terminal, schema.area
_NOTED, _METER = acknowledgement, schema.meter
_LATER = schema.terminal_event.alias("later")

ALARM_SORTS = {
    "at": _EVENT.c.at,
    "code": _EVENT.c.code,
    "terminal": _TERMINAL.c.number,
    "area": _AREA.c.code,
    "important": _EVENT.c.important,
}
"""Columns by which alarms can be sorted."""


def alarms(connection: Connection, wanted: AlarmsWanted) -> tuple[list[Alarm], int]:
    """A page of the alarms, and how many there are."""
    query = _alarms().where(*_conditions(wanted))
    counted = query.with_only_columns(func.count(), maintain_column_froms=True)
    total: int = connection.execute(counted).scalar_one()
    column = ALARM_SORTS.get(wanted.sort, _EVENT.c.at)
    order = column.desc() if wanted.descending else column.asc()
    page = query.order_by(order, _EVENT.c.at.desc(), _EVENT.c.number.desc(), _EVENT.c.digest)
    rows = connection.execute(page.limit(wanted.limit).offset(wanted.offset))
    return [_alarm(row) for row in rows], total


def alarm(connection: Connection, terminal_id: int, digest: bytes) -> Alarm | None:
    """One alarm."""
    query = _alarms().where(_EVENT.c.terminal_id == terminal_id, _EVENT.c.digest == digest)
    row = connection.execute(query).one_or_none()
    return None if row is None else _alarm(row)


def codes(connection: Connection) -> list[int]:
    """Every event code that was ever reported."""
    query = select(_EVENT.c.code).distinct().order_by(_EVENT.c.code)
    return [row.code for row in connection.execute(query)]


def acknowledge(
    connection: Connection, alarm_: Alarm, *, who: str, note: str, at: datetime
) -> None:
    """Write down that somebody has taken note; when two do in the same moment, the later word counts."""
    row = {
        "terminal_id": alarm_.terminal_id,
        "digest": alarm_.digest,
        "at": at,
        "who": who[:WHO_MAX],
        "note": note[:NOTE_MAX],
    }
    upsert(connection, _NOTED, [row])


def _alarms() -> Select[Any]:
    ended = select(func.min(_LATER.c.at)).where(_ends()).scalar_subquery()
    same = and_(_NOTED.c.terminal_id == _EVENT.c.terminal_id, _NOTED.c.digest == _EVENT.c.digest)
    place = and_(
        _METER.c.terminal_id == _EVENT.c.terminal_id,
        _METER.c.point == _EVENT.c.point,
        _METER.c.active,
    )
    return (
        select(
            _EVENT,
            _TERMINAL.c.region,
            _TERMINAL.c.number.label("terminal_number"),
            _TERMINAL.c.name.label("terminal_name"),
            _AREA.c.id.label("area_id"),
            _AREA.c.name.label("area_name"),
            _AREA.c.name_zh.label("area_name_zh"),
            _METER.c.id.label("meter_id"),
            _METER.c.address,
            ended.label("ended_at"),
            _NOTED.c.at.label("noted_at"),
            _NOTED.c.who.label("noted_by"),
            _NOTED.c.note,
        )
        .join(_TERMINAL, _EVENT.c.terminal_id == _TERMINAL.c.id)
        .join(_AREA, _TERMINAL.c.area_id == _AREA.c.id)
        .join(_METER, place, isouter=True)
        .join(_NOTED, same, isouter=True)
        .where(_EVENT.c.begins)
    )


def _conditions(wanted: AlarmsWanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.areas is not None:
        found.append(_AREA.c.id.in_(wanted.areas))
    equal = {
        _AREA.c.id: wanted.area_id,
        _EVENT.c.terminal_id: wanted.terminal_id,
        _EVENT.c.code: wanted.code,
        _EVENT.c.important: wanted.important,
    }
    found += [column == value for column, value in equal.items() if value is not None]
    if wanted.since is not None:
        found.append(_EVENT.c.at >= wanted.since)
    if wanted.until is not None:
        found.append(_EVENT.c.at < wanted.until)
    if wanted.open_only:
        alarming = or_(_EVENT.c.important, _EVENT.c.code.not_in(MOMENTARY))
        found += [alarming, _NOTED.c.at.is_(None), ~exists().where(_ends())]
    return found


def _ends() -> ColumnElement[bool]:
    """Which later record tells of the end of an event.

    Records say the minute. Within one, the number tells which came later: it counts within the class, modulo 256.
    """
    after = (_LATER.c.number - _EVENT.c.number + NUMBERS) % NUMBERS
    return and_(
        _LATER.c.terminal_id == _EVENT.c.terminal_id,
        _LATER.c.point == _EVENT.c.point,
        _LATER.c.code == _EVENT.c.code,
        _LATER.c.begins.is_(False),
        or_(
            _LATER.c.at > _EVENT.c.at,
            and_(
                _LATER.c.at == _EVENT.c.at,
                or_(
                    _LATER.c.important != _EVENT.c.important,
                    after.between(1, NUMBERS // 2 - 1),
                ),
            ),
        ),
    )


def _alarm(row: Row[Any]) -> Alarm:
    return Alarm(
        terminal_id=row.terminal_id,
        digest=row.digest,
        terminal=terminal_name(row.region, row.terminal_number),
        terminal_name=row.terminal_name,
        area_id=row.area_id,
        area_name=row.area_name,
        area_name_zh=row.area_name_zh,
        point=row.point,
        meter_id=row.meter_id,
        address=row.address or "",
        code=row.code,
        important=row.important,
        body=row.body,
        at=_moment(row.at),
        received_at=row.received_at,
        ended_at=None if row.ended_at is None else _moment(row.ended_at),
        noted_at=row.noted_at,
        noted_by=row.noted_by or "",
        note=row.note or "",
    )


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
