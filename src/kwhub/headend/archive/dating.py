"""Rows of a file that are true from a day on: ends and beginnings of places and areas, written with the rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from kwhub.headend.archive.dated import newest_of
from kwhub.headend.archive.fields import FROM_DAY
from kwhub.headend.archive.plan import Draft, Plan
from kwhub.headend.archive.problems import Problem
from kwhub.headend.archive.terminals import (
    area_since,
    follow_terminals,
    last_end,
)
from kwhub.headend.archive.write import PLACE, Undo, sync_places
from kwhub.headend.store import schema
from kwhub.headend.store.days import Days
from kwhub.headend.store.doubts import note_history
from kwhub.headend.store.schema import local_date
from kwhub.headend.store.schema_archive import placement, terminal_area
from kwhub.headend.store.service import begin

__all__ = ["date_rows", "dated_problems", "take_back_dates", "take_back_ends"]

_COLUMNS: Mapping[str, frozenset[str]] = {
    "meter": frozenset(PLACE) | {"active"},
    "terminal": frozenset({"area_id", "active"}),
}
"""Columns that are dated, by kind."""


def dated_problems(
    connection: Connection, plan: Plan, days: Days, now: datetime
) -> Iterator[Problem]:
    """What is wrong with the days of the rows of a plan."""
    for kind, each in _dated(plan):
        if each.stored is None:
            continue
        at, number = _start(days, each), int(each.stored["id"])
        newest = (newest_of if kind == "meter" else area_since)(connection, number)
        last = None
        if kind == "terminal" and each.retires:
            last = last_end(connection, number)
        elif kind == "meter" and not each.stored["active"]:
            last = _last_day(connection, number)
        if at > now:
            yield each.incoming.problem(FROM_DAY, "in_future", days.of(at))
        elif newest is not None and at <= newest:
            yield each.incoming.problem(FROM_DAY, "before_last", days.of(newest))
        elif last is not None and at < last:
            yield each.incoming.problem(FROM_DAY, "before_last", days.of(last))


def date_rows(connection: Connection, plan: Plan, undo: Undo, days: Days, now: datetime) -> None:
    """Write down from when on the rows are true that were just written.

    Args:
        connection: of the transaction in which ``write`` has written the plan.
        plan: what was written.
        undo: what ``write`` returned; what is dated is added to it.
        days: the zone's days.
        now: the present.
    """
    today = days.start(days.of(now))
    for kind, each in _dated(plan):
        if each.stored is None:
            continue
        number, at = each.stored["id"], _start(days, each)
        if kind == "meter":
            _divide_meter(connection, each, at)
            sync_places(connection, [number], at, now)
            note_history(connection, number, at)
        else:
            _divide_terminal(connection, each, at)
            follow_terminals(connection, [number], at)
        undo[kind].setdefault("dated", {})[str(number)] = at.isoformat()
    for kind, follow in (("meter", sync_places), ("terminal", _follow)):
        own = undo.get(kind, {})
        for each in plan.drafts.get(kind, ()):
            if each.stored is None or not each.retires or each.incoming.from_day is not None:
                continue
            since = (newest_of if kind == "meter" else area_since)(connection, each.stored["id"])
            if since != today:  # else there is nothing left of the place that it had
                own.setdefault("ended", {})[str(each.stored["id"])] = today.isoformat()
        rest = [int(key) for key in own.get("changed", {}) if key not in own.get("dated", {})]
        follow(connection, rest, today, now)
    _begin(connection, plan, undo.get("meter", {}).get("created", {}), days.number(days.of(now)))


def take_back_dates(connection: Connection, kind: str, dated: Mapping[str, str]) -> list[Problem]:
    """Let what was true before the rows go on; what is in the way when something was dated since."""
    found = []
    for number, text in dated.items():
        at, own = datetime.fromisoformat(text), int(number)
        newest = (newest_of if kind == "meter" else area_since)(connection, own)
        if newest is not None and newest > at:
            found.append(Problem("", "changed_since", f"{kind} {number}"))
            continue
        _take_back(connection, kind, own, at)
        if kind == "meter":
            note_history(connection, own, at)
    return found


def _take_back(connection: Connection, kind: str, number: int, at: datetime) -> None:
    """Forget what began at a moment. What had ended then goes on; who was out of service before is so again."""
    table = placement if kind == "meter" else terminal_area
    row = schema.meter if kind == "meter" else schema.terminal
    mine = (table.c.meter_id if kind == "meter" else table.c.terminal_id) == number
    connection.execute(delete(table).where(mine, table.c.valid_from == at))
    query = select(row.c.active).where(row.c.id == number)
    if connection.execute(query).scalar():
        again = update(table).where(mine, table.c.valid_to == at)
        connection.execute(again.values(valid_to=None))
    else:
        open_now = update(table).where(mine, table.c.valid_to.is_(None))
        connection.execute(open_now.values(valid_to=at))


def take_back_ends(connection: Connection, kind: str, ended: Iterable[str]) -> None:
    """Let the last place of rows go on that were retired without a day."""
    table = placement if kind == "meter" else terminal_area
    column = table.c.meter_id if kind == "meter" else table.c.terminal_id
    for number in ended:
        newest = (
            select(table.c.id)
            .where(column == int(number))
            .order_by(table.c.valid_from.desc().nulls_last(), table.c.id.desc())
            .limit(1)
        )
        row_id = connection.execute(newest).scalar()
        connection.execute(update(table).where(table.c.id == row_id).values(valid_to=None))


def _dated(plan: Plan) -> Iterator[tuple[str, Draft]]:
    """Rows that are true from a day on, and change something that is dated."""
    for kind, columns in _COLUMNS.items():
        for each in plan.drafts.get(kind, ()):
            if each.incoming.from_day is None:
                continue
            if each.stored is None or (
                each.changed & columns and (each.stored["active"] or each.final["active"])
            ):
                yield kind, each


def _last_day(connection: Connection, meter_id: int) -> datetime | None:
    """When a meter went out of service; it does not come back before that."""
    ends = placement.c.valid_to
    query = select(func.max(ends, type_=ends.type)).where(placement.c.meter_id == meter_id)
    found: datetime | None = connection.execute(query).scalar()
    return found


def _start(days: Days, each: Draft) -> datetime:
    return days.start(local_date(each.incoming.from_day or 0))


def _divide_meter(connection: Connection, each: Draft, at: datetime) -> None:
    """End the place that a meter had, and begin the one that its row has now."""
    old = each.stored or {}
    if not each.changed & frozenset(PLACE) or not old["active"]:
        return
    own = placement.c.meter_id == old["id"]
    ended = update(placement).where(own, placement.c.valid_to.is_(None)).values(valid_to=at)
    if not connection.execute(ended).rowcount:
        connection.execute(placement.insert().values(**_place(old), valid_to=at))
    row = connection.execute(select(schema.meter).where(schema.meter.c.id == old["id"]))
    connection.execute(
        placement.insert().values(**_place(dict(row.mappings().one())), valid_from=at)
    )


def _place(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"meter_id": row["id"], **{name: row[name] for name in PLACE}}


def _divide_terminal(connection: Connection, each: Draft, at: datetime) -> None:
    """End the area that a terminal was in, and begin the one that its row has now."""
    old, table = each.stored or {}, terminal_area
    if "area_id" not in each.changed or not old["active"]:
        return
    own = {"terminal_id": old["id"]}
    here = table.c.terminal_id == old["id"]
    ended = update(table).where(here, table.c.valid_to.is_(None)).values(valid_to=at)
    if not connection.execute(ended).rowcount:
        connection.execute(table.insert().values(**own, area_id=old["area_id"], valid_to=at))
    query = select(schema.terminal.c.area_id).where(schema.terminal.c.id == old["id"])
    area = connection.execute(query).scalar_one()
    connection.execute(table.insert().values(**own, area_id=area, valid_from=at))


def _follow(connection: Connection, terminals: Sequence[int], at: datetime, _: datetime) -> None:
    follow_terminals(connection, terminals, at)


def _begin(connection: Connection, plan: Plan, created: Mapping[str, int], today: int) -> None:
    """New meters count from the day that their row names, or from today on."""
    by_day: dict[int, list[int]] = {}
    for each in plan.drafts.get("meter", ()):
        number = created.get(each.incoming.key)
        if number is not None:
            day = today if each.incoming.from_day is None else each.incoming.from_day
            by_day.setdefault(day, []).append(number)
    for day, numbers in by_day.items():
        begin(connection, numbers, day)
