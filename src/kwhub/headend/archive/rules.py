"""Rules between rows: places, loops, what hangs on what is retired, accounts of one meter."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import Column, select

from kwhub.headend.archive.fields import KINDS, Kind
from kwhub.headend.archive.known import Known, portions
from kwhub.headend.archive.plan import Draft, Incoming, New, Plan, draft
from kwhub.headend.archive.problems import Problem
from kwhub.headend.store import schema, schema_archive

__all__ = ["planned"]

_CHILDREN: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "organisation": (
            ("organisation", "parent_id"),
            ("area", "organisation_id"),
            ("customer", "organisation_id"),
        ),
        "area": (("terminal", "area_id"),),
        "terminal": (("meter", "terminal_id"),),
        "meter": (("account", "meter_id"), ("meter", "parent_id")),
        "customer": (("account", "customer_id"),),
    }
)
"""What must not hang on a row that is retired: kind and column."""

_NAMED = 3
"""Rows that are named when they are in the way."""


def planned(known: Known, given: Mapping[str, Sequence[Incoming]]) -> Plan:
    """What rows would do, with every rule checked."""
    plan = draft(known, given)
    drafts = plan.drafts
    plan.problems += _places(known, drafts.get("meter", ()))
    plan.problems += _overlaps(known, drafts.get("account", ()))
    plan.problems += _groups(drafts.get("group", ()))
    for name in ("organisation", "meter"):
        plan.problems += _loops(known, KINDS[name], drafts.get(name, ()))
    for name in _CHILDREN:
        plan.problems += _in_use(known, plan, name)
    plan.problems.sort(key=lambda each: (each.sheet, each.row))
    return plan


def _places(known: Known, drafts: Sequence[Draft]) -> Iterator[Problem]:
    """At one measuring point of a terminal is one active meter."""
    moving = {each.stored["id"] for each in drafts if each.stored is not None}
    terminals = {each.final["terminal_id"] for each in drafts if each.final["active"]}
    taken: dict[tuple[Any, int], str] = {}
    table = schema.meter
    for part in portions(each for each in terminals if isinstance(each, int)):
        query = select(table.c.id, table.c.terminal_id, table.c.point, table.c.address)
        rows = known.connection.execute(query.where(table.c.terminal_id.in_(part), table.c.active))
        for row in rows:
            if row.id not in moving:
                taken[row.terminal_id, row.point] = row.address
    for each in drafts:
        if not each.final["active"]:
            continue
        place = (each.final["terminal_id"], each.final["point"])
        if place in taken:
            yield each.incoming.problem("point", "place_taken", taken[place])
        taken[place] = each.final["address"]


def _loops(known: Known, kind: Kind, drafts: Sequence[Draft]) -> Iterator[Problem]:
    """Nothing is above itself."""
    given = {_own(each): each.final["parent_id"] for each in drafts}
    for each in drafts:
        if "parent_id" not in each.changed or each.final["parent_id"] is None:
            continue
        own = _own(each)
        seen = {own}
        above = each.final["parent_id"]
        while above is not None and above not in seen:
            seen.add(above)
            if above in given:
                above = given[above]
            elif isinstance(above, int):
                known.want_ids(kind, {above})
                above = (known.of_id(kind, above) or {}).get("parent_id")
            else:
                above = None
        if above == own:
            yield each.incoming.problem("parent", "loop", each.incoming.key)


def _own(each: Draft) -> int | New:
    if each.stored is not None:
        return int(each.stored["id"])
    return New(each.incoming.kind.name, each.incoming.key)


def _in_use(known: Known, plan: Plan, name: str) -> Iterator[Problem]:
    """What is retired has nothing active below it, but for what is retired or moved together with it."""
    retiring = {
        each.stored["id"]: each
        for each in plan.drafts.get(name, ())
        if each.stored is not None and each.retires
    }
    found: dict[int, list[str]] = defaultdict(list)
    for child, column in _CHILDREN[name]:
        leaving = {
            each.stored["id"]
            for each in plan.drafts.get(child, ())
            if each.stored is not None and (_ends(each) or column in each.changed)
        }
        for parent, row_id, key in _hanging(known, KINDS[child], column, retiring):
            if row_id not in leaving:
                found[parent].append(f"{child} {key}")
    for parent, keys in found.items():
        more = f" (+{len(keys) - _NAMED})" if len(keys) > _NAMED else ""
        text = ", ".join(keys[:_NAMED]) + more
        yield retiring[parent].incoming.problem("active", "in_use", text)


def _ends(each: Draft) -> bool:
    if each.incoming.kind.name == "account":
        return each.final["to_day"] is not None
    return each.retires


def _hanging(
    known: Known, child: Kind, column: str, parents: Iterable[int]
) -> Iterator[tuple[int, int, str]]:
    """Active rows below some others: number above, own number, own key."""
    table = child.table
    above: Column[Any] = table.c[column]
    alive = table.c.to_day.is_(None) if child.name == "account" else table.c.active
    for part in portions(parents):
        query = select(table).where(above.in_(part), alive).order_by(table.c.id)
        for row in known.connection.execute(query).mappings():
            yield row[column], row["id"], child.key_of(dict(row))


def _overlaps(known: Known, drafts: Sequence[Draft]) -> Iterator[Problem]:
    """A meter belongs to one account at a time, and no account ends before it begins."""
    spans = _spans(known, drafts)
    for each in drafts:
        first, end = each.final["from_day"], each.final["to_day"]
        if end is not None and end <= first:
            shown = each.incoming.kind.by_name["to_day"].show(end)
            yield each.incoming.problem("to_day", "ends_before", shown)
        others = spans[each.final["meter_id"]]
        for begins, ends, number in others:
            if (end is None or begins < end) and (ends is None or first < ends):
                yield each.incoming.problem("meter", "overlap", number)
                break
        others.append((first, end, each.incoming.key))


def _spans(known: Known, drafts: Sequence[Draft]) -> dict[Any, list[tuple[int, int | None, str]]]:
    """Accounts that stay as they are, by meter: first day, end, number."""
    table = schema_archive.account
    moving = {each.stored["id"] for each in drafts if each.stored is not None}
    spans: dict[Any, list[tuple[int, int | None, str]]] = defaultdict(list)
    meters = {each.final["meter_id"] for each in drafts}
    for part in portions(each for each in meters if isinstance(each, int)):
        for row in known.connection.execute(select(table).where(table.c.meter_id.in_(part))):
            if row.id not in moving:
                spans[row.meter_id].append((row.from_day, row.to_day, row.number))
    return spans


def _groups(drafts: Sequence[Draft]) -> Iterator[Problem]:
    """A group by area names an area, a group by terminal a terminal."""
    for each in drafts:
        kind = each.final["kind"]
        if kind != "free" and each.final[f"{kind}_id"] is None:
            yield each.incoming.problem(kind, "group_needs", kind)
