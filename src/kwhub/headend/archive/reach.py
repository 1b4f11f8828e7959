"""Whose a row of the archive is, and whether a change stays with the organisations of who makes it.

Everywhere ``within`` are numbers of organisations, None stands for all of them.
"""

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from kwhub.headend.archive.fields import KINDS, Kind
from kwhub.headend.archive.known import Known
from kwhub.headend.archive.plan import Incoming, Plan
from kwhub.headend.archive.problems import Problem

__all__ = ["beyond", "is_within", "outside"]

_ABOVE: Mapping[str, str] = MappingProxyType(
    {"terminal": "area", "meter": "terminal", "account": "meter"}
)
"""Whose organisation a row without an own one has: the kind that it refers to."""


def is_within(
    known: Known, kind: Kind, row: Mapping[str, Any], within: Collection[int] | None
) -> bool:
    """Whether a row belongs to one of some organisations; one that belongs to none does not."""
    return within is None or _owner(known, kind, row) in within


def beyond(known: Known, incoming: Incoming, within: Collection[int] | None) -> Iterator[Problem]:
    """What a given row speaks of and must not; asked before anything of other rows is told.

    The row that has its key must lie within reach, even if nothing of it would change, and so must every row
    that it refers to, unless it did so before. Who moves an organisation below another one must reach the one
    that it leaves, too: whoever keeps that one would lose it.
    """
    kind = incoming.kind
    stored = _stored(known, incoming)
    if incoming.row_id is None and stored and not is_within(known, kind, stored, within):
        yield incoming.problem(kind.key, "outside", incoming.key)
        return
    for one in kind.fields:
        if not one.refers or one.name not in incoming.values:
            continue
        key, above = incoming.values[one.name], KINDS[one.refers]
        known.want(above, set() if key is None else {key})
        row = None if key is None else known.get(above, key)
        before = None if stored is None else stored[one.column]
        if row is not None and row["id"] != before and not is_within(known, above, row, within):
            yield incoming.problem(one.name, "outside", key)
        elif kind.name == above.name == "organisation" and stored is not None:
            yield from _leaving(incoming, before, None if row is None else row["id"], within)


def _leaving(
    incoming: Incoming,
    before: int | None,
    after: int | None,
    within: Collection[int] | None,
) -> Iterator[Problem]:
    """An organisation that goes from below one that is out of reach, or to the top where nobody's reach ends."""
    if within is not None and before != after and (before not in within or after is None):
        yield incoming.problem("parent", "outside", incoming.key)


def _stored(known: Known, incoming: Incoming) -> Mapping[str, Any] | None:
    kind = incoming.kind
    if incoming.row_id is not None:
        return known.of_id(kind, incoming.row_id)
    known.want(kind, {incoming.key})
    return known.get(kind, incoming.key)


def outside(known: Known, plan: Plan, within: Collection[int] | None) -> list[Problem]:
    """Rows that are, or would be, outside of some organisations."""
    return [
        each.incoming.problem("", "outside", each.incoming.key)
        for drafts in plan.drafts.values()
        for each in drafts
        for row in (each.stored, each.final)
        if row is not None and not is_within(known, each.incoming.kind, row, within)
    ]


def _owner(known: Known, kind: Kind, row: Mapping[str, Any]) -> int | None:
    """The organisation of a row, None when it has none."""
    if kind.name == "organisation":
        own = row.get("id", row["parent_id"])  # a new one belongs to the one above it
        return own if isinstance(own, int) else None
    if kind.name in _ABOVE:
        above = KINDS[_ABOVE[kind.name]]
        number = row[f"{above.name}_id"]
        if not isinstance(number, int):
            return None
        known.want_ids(above, {number})
        return _owner(known, above, known.of_id(above, number) or {"organisation_id": None})
    owner = row.get("organisation_id")
    return owner if isinstance(owner, int) else None
