"""For whom a task is: areas, terminals, groups, single meters, in any mixture."""

import re
from collections.abc import Collection
from typing import Annotated, Any, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta
from sqlalchemy import ColumnElement, Connection, select

from kwhub.domain.errors import LocalError
from kwhub.headend.store import schema, schema_archive

__all__ = ["Scope", "Target", "narrowed", "read_addresses", "targets"]

Numbers: TypeAlias = Annotated[tuple[int, ...], Meta(max_length=100_000)]

_SPLIT = re.compile(r"[\s,;，；、]+")
_ADDRESS = re.compile(r"\d{12}")
_AT_ONCE = 500


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Numbers of the archive; whoever is named twice is there once."""

    areas: Numbers = ()
    terminals: Numbers = ()
    groups: Numbers = ()
    meters: Numbers = ()


class Target(NamedTuple):
    """One order of a task."""

    terminal_id: int
    meter_id: int | None


def targets(
    connection: Connection, scope: Scope, *, of_meter: bool, allowed: Collection[int] | None
) -> list[Target]:
    """The active meters, or their terminals, that a task is for.

    Args:
        connection: a snapshot.
        scope: who is named.
        of_meter: every meter, else every terminal once.
        allowed: numbers of the areas that the caller may order in; None: all.
    """
    meter, terminal = schema.meter, schema.terminal
    if of_meter:
        query = select(terminal.c.id, meter.c.id).join(meter, meter.c.terminal_id == terminal.c.id)
        query = query.where(meter.c.active)
    else:
        query = select(terminal.c.id, terminal.c.id)
    if allowed is not None:
        query = query.where(terminal.c.area_id.in_(allowed))
    query = query.where(terminal.c.active)
    found: set[tuple[int, int]] = set()
    for condition in _conditions(scope, of_meter=of_meter):
        found.update((row[0], row[1]) for row in connection.execute(query.where(condition)))
    return [Target(first, second if of_meter else None) for first, second in sorted(found)]


def narrowed(connection: Connection, scope: Scope, areas: Collection[int]) -> Scope:
    """What of a scope lies in some areas; of groups those that name such an area or terminal, or have such a meter."""
    meter, terminal = schema.meter, schema.terminal
    member, group = schema_archive.group_member, schema_archive.meter_group
    terminals = select(terminal.c.id).where(terminal.c.area_id.in_(areas))
    meters = select(meter.c.id).where(meter.c.terminal_id.in_(terminals))
    having = select(member.c.group_id).where(member.c.meter_id.in_(meters))
    groups = select(group.c.id).where(
        group.c.area_id.in_(areas) | group.c.terminal_id.in_(terminals) | group.c.id.in_(having)
    )

    def left(numbers: tuple[int, ...], column: Any, inside: Any) -> tuple[int, ...]:
        found: set[int] = set()
        for part in _parts(numbers):
            found |= set(connection.execute(inside.where(column.in_(part))).scalars())
        return tuple(each for each in numbers if each in found)

    return Scope(
        tuple(each for each in scope.areas if each in areas),
        left(scope.terminals, terminal.c.id, terminals),
        left(scope.groups, group.c.id, groups),
        left(scope.meters, meter.c.id, meters),
    )


def _meters_in(inside: Any, *, of_meter: bool) -> ColumnElement[bool]:
    """The meters of a query, or the terminals that they are behind."""
    meter = schema.meter
    if of_meter:
        return meter.c.id.in_(inside)
    behind = select(meter.c.terminal_id).where(meter.c.id.in_(inside), meter.c.active)
    return schema.terminal.c.id.in_(behind)


def _conditions(scope: Scope, *, of_meter: bool) -> list[ColumnElement[bool]]:
    meter, terminal = schema.meter, schema.terminal
    member, group = schema_archive.group_member, schema_archive.meter_group
    parts: list[ColumnElement[bool]] = []
    for column, numbers in ((terminal.c.area_id, scope.areas), (terminal.c.id, scope.terminals)):
        parts += [column.in_(each) for each in _parts(numbers)]
    for each in _parts(scope.groups):
        inside = select(member.c.meter_id).where(member.c.group_id.in_(each))
        chosen = group.c.id.in_(each)
        parts += [
            _meters_in(inside, of_meter=of_meter),
            terminal.c.id.in_(select(group.c.terminal_id).where(chosen)),
            terminal.c.area_id.in_(select(group.c.area_id).where(chosen)),
        ]
    for each in _parts(scope.meters):
        inside = select(meter.c.id).where(meter.c.id.in_(each))
        parts.append(_meters_in(inside, of_meter=of_meter))
    return parts


def _parts(numbers: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [numbers[at : at + _AT_ONCE] for at in range(0, len(numbers), _AT_ONCE)]


def read_addresses(
    connection: Connection, text: str, areas: Collection[int] | None = None
) -> tuple[int, ...]:
    """Meters of some areas by their addresses, as a person pastes them. Raises LocalError for one that is unknown."""
    wanted = list(dict.fromkeys(filter(None, _SPLIT.split(text))))
    wrong = [each for each in wanted if not _ADDRESS.fullmatch(each)]
    if wrong:
        raise LocalError(f"{wrong[0][:40]}: a meter's address has twelve digits")
    table = schema.meter
    query = select(table.c.address, table.c.id).where(table.c.active)
    if areas is not None:
        inside = select(schema.terminal.c.id).where(schema.terminal.c.area_id.in_(areas))
        query = query.where(table.c.terminal_id.in_(inside))
    found: dict[str, int] = {}
    for at in range(0, len(wanted), _AT_ONCE):
        part = wanted[at : at + _AT_ONCE]
        rows = connection.execute(query.where(table.c.address.in_(part)))
        found.update((row.address, row.id) for row in rows)
    missing = [each for each in wanted if each not in found]
    if missing:
        raise LocalError(f"{missing[0]}: no active meter has this address ({len(missing)} in all)")
    return tuple(found[each] for each in wanted)
