"""How long the store keeps what: what is older goes, unless something still stands on it.

The settings count in local days, and nought keeps everything, which is the default. A day vector stays however old it is
when a statement names its day (one that was cancelled as well), when its day waits to be validated, and when a person
has edited it. What waits in the journal is never touched: it is packed first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    not_,
    or_,
    select,
)

from kwhub.domain.readings import DAY_INTERVAL_S
from kwhub.headend.config import Retention
from kwhub.headend.people import trail
from kwhub.headend.store.database import Database
from kwhub.headend.store.days import Days
from kwhub.headend.store.schema import (
    day_number,
    day_vector,
    latest,
    local_date,
    terminal_event,
    terminal_session,
)
from kwhub.headend.store.schema_alarms import acknowledgement
from kwhub.headend.store.schema_archive import account
from kwhub.headend.store.schema_billing import statement
from kwhub.headend.store.schema_quality import to_check, value_edit

__all__ = ["REASONS", "WHO", "Going", "drop", "due"]

WHO = "kwhub"
"""Who stands in the trail of what has gone."""

REASONS = ("billed", "unchecked", "edited")
"""Why something stays although it is old: a statement names it, it is not validated yet, it was edited."""

SERIES_AT_ONCE = 500
"""Series of one transaction, so that others get to write in between."""

_DAY_S = 86_400
_EDIT_DAYS = 2  # around the day, wherever the zone is

_Condition: TypeAlias = ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Going:
    """What would go of one kind.

    Attributes:
        kind: curves, freezes, events or sessions, as the settings name them.
        days: how many are kept.
        before: everything from before this day goes.
        rows: how many rows; of curves and freezes, series of a day.
        size: bytes of their values.
        first: the oldest day; None when nothing goes.
        stays: rows that are as old and stay, by reason.
    """

    kind: str
    days: int
    before: date
    rows: int
    size: int
    first: date | None
    stays: Mapping[str, int]


def due(connection: Connection, settings: Retention, days: Days, now: datetime) -> list[Going]:
    """What would go now; kinds that are kept for good are left out.

    Args:
        connection: of a snapshot.
        settings: how long what is kept.
        days: the zone's days.
        now: the present, aware.
    """
    found = []
    for kind, kept in _kinds(settings):
        before = days.of(now) - timedelta(days=kept)
        if kind in _SERIES:
            found.append(_series_due(connection, kind, kept, before))
            continue
        column, limit = _ROWS[kind], _limit(kind, days, before)
        query = select(func.count(), func.min(column)).where(column < limit)
        rows, oldest = connection.execute(query).one()
        first = None if oldest is None else days.of(_moment(oldest))
        found.append(Going(kind, kept, before, rows, 0, first, {}))
    return found


def drop(database: Database, settings: Retention, days: Days, now: datetime) -> dict[str, int]:
    """Drop what is due, in small transactions, and note it in the audit trail.

    Returns:
        rows by kind.

    Raises:
        StoreError: what has gone so far has gone.
    """
    gone: dict[str, int] = {}
    for kind, kept in _kinds(settings):
        before = days.of(now) - timedelta(days=kept)
        if kind in _SERIES:
            count = _drop_series(database, kind, before)
        else:
            with database.write() as connection:
                count = _drop_rows(connection, kind, _limit(kind, days, before))
        if count:
            gone[kind] = count
            with database.write() as connection:
                trail.record(connection, WHO, "retention", kind, f"{count} before {before}", now)
    return gone


def _kinds(settings: Retention) -> Iterator[tuple[str, int]]:
    for kind in (*_SERIES, *_ROWS):
        kept = getattr(settings, f"{kind}_days")
        if kept:
            yield kind, kept


_SERIES = MappingProxyType(
    {
        "curves": day_vector.c.interval_s != DAY_INTERVAL_S,
        "freezes": day_vector.c.interval_s == DAY_INTERVAL_S,
    }
)
_ROWS = MappingProxyType({"events": terminal_event.c.at, "sessions": terminal_session.c.ended_at})


def _limit(kind: str, days: Days, before: date) -> Any:
    """The first moment that stays, as its column has it."""
    return days.start_s(before) if kind == "events" else days.start(before)


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)


def _why_it_stays() -> dict[str, _Condition]:
    """Conditions over a day vector, in the order of REASONS."""
    vector = day_vector.c
    billed = exists().where(
        statement.c.account_id == account.c.id,
        account.c.meter_id == vector.meter_id,
        # The day before has the freeze that the first day begins with, the day after the curve's last value.
        vector.day.between(statement.c.first_day - 1, statement.c.last_day + 1),
    )
    unchecked = exists().where(
        to_check.c.meter_id == vector.meter_id,
        to_check.c.day.between(vector.day - 1, vector.day + 1),
    )
    edited = exists().where(
        value_edit.c.meter_id == vector.meter_id,
        value_edit.c.interval_s == vector.interval_s,
        value_edit.c.register == vector.register,
        value_edit.c.at >= (vector.day - _EDIT_DAYS) * _DAY_S,
        value_edit.c.at < (vector.day + _EDIT_DAYS + 1) * _DAY_S,
    )
    return dict(zip(REASONS, (billed, unchecked, edited), strict=True))


def _series_due(connection: Connection, kind: str, kept: int, before: date) -> Going:
    vector = day_vector.c
    reasons = _why_it_stays()
    reason = case(*((condition, name) for name, condition in reasons.items()), else_="")
    # By series, for the table is sorted by them: all of an old day would be sought in the whole of it.
    series = and_(
        latest.c.meter_id == vector.meter_id,
        latest.c.interval_s == vector.interval_s,
        latest.c.register == vector.register,
    )
    each = (
        select(reason.label("reason"), func.length(vector.vector).label("size"), vector.day)
        .select_from(latest.join(day_vector, series))
        .where(_SERIES[kind], vector.day < day_number(before))
        .subquery()
    )
    query = select(
        each.c.reason, func.count(), func.sum(each.c.size), func.min(each.c.day)
    ).group_by(each.c.reason)
    found = {row[0]: row[1:] for row in connection.execute(query)}
    rows, size, first = found.pop("", (0, 0, None))
    stays = {name: int(counted[0]) for name, counted in found.items()}
    oldest = None if first is None else local_date(first)
    return Going(kind, kept, before, int(rows), int(size), oldest, stays)


def _drop_series(database: Database, kind: str, before: date) -> int:
    with database.read() as connection:
        keys = (latest.c.meter_id, latest.c.interval_s, latest.c.register)
        series = connection.execute(select(*keys).order_by(*keys)).all()
    vector = day_vector.c
    statement_ = delete(day_vector).where(
        vector.meter_id == bindparam("meter"),
        vector.interval_s == bindparam("spacing"),
        vector.register == bindparam("code"),
        vector.day < day_number(before),
        _SERIES[kind],
        not_(or_(*_why_it_stays().values())),
    )
    count = 0
    for at in range(0, len(series), SERIES_AT_ONCE):
        rows = [
            {"meter": meter, "spacing": spacing, "code": code}
            for meter, spacing, code in series[at : at + SERIES_AT_ONCE]
        ]
        with database.write() as connection:
            count += connection.execute(statement_, rows).rowcount
    return count


def _drop_rows(connection: Connection, kind: str, limit: Any) -> int:
    if kind == "sessions":
        ended = terminal_session.c.ended_at
        return connection.execute(delete(terminal_session).where(ended < limit)).rowcount
    event = terminal_event.c
    connection.execute(
        delete(acknowledgement).where(
            exists().where(
                event.terminal_id == acknowledgement.c.terminal_id,
                event.digest == acknowledgement.c.digest,
                event.at < limit,
            )
        )
    )
    return connection.execute(delete(terminal_event).where(event.at < limit)).rowcount
