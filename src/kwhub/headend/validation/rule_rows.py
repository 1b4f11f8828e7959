"""The rules that hold for a meter: the table's own, changed for all, for an area, for a group or for one meter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import msgspec
from sqlalchemy import Connection, delete, select

from kwhub.domain.errors import LocalError
from kwhub.headend.quality.checks import Settings
from kwhub.headend.quality.rules import RULES, Bounds, RuleName, Severity, bounds_of
from kwhub.headend.store import schema_archive, schema_quality
from kwhub.headend.store.database import upsert

__all__ = ["ChangedRule", "RuleBook", "Scope", "change", "changed_rules", "forget"]


class Scope(Enum):
    """For whom a rule is changed; the later in this order wins."""

    ALL = "all"
    AREA = "area"
    GROUP = "group"
    METER = "meter"


@dataclass(frozen=True, slots=True)
class ChangedRule:
    """A rule that differs from the table for somebody.

    Attributes:
        scope_id: number of the area, group or meter; 0 for all.
        bounds: only those that differ.
    """

    scope: Scope
    scope_id: int
    rule: RuleName
    enabled: bool
    severity: Severity
    bounds: Bounds


def changed_rules(connection: Connection) -> list[ChangedRule]:
    """Every change, by scope and rule."""
    table = schema_quality.quality_rule
    rows = connection.execute(select(table).order_by(table.c.scope, table.c.scope_id, table.c.rule))
    return [
        ChangedRule(
            Scope(row.scope),
            row.scope_id,
            RuleName(row.rule),
            row.enabled,
            Severity(row.severity),
            msgspec.json.decode(row.bounds, type=dict[str, float]),
        )
        for row in rows
    ]


def change(connection: Connection, rule: ChangedRule) -> None:
    """Write a change, in place of an older one for the same scope and rule.

    Raises:
        LocalError: a bound that the rule does not have, or a scope without a number.
    """
    bounds_of(rule.rule, rule.bounds)
    if (rule.scope is Scope.ALL) != (rule.scope_id == 0):
        raise LocalError(f"a rule for {rule.scope.value} with the number {rule.scope_id}")
    row = {
        "scope": rule.scope.value,
        "scope_id": rule.scope_id,
        "rule": rule.rule.value,
        "enabled": rule.enabled,
        "severity": rule.severity.value,
        "bounds": msgspec.json.encode(dict(rule.bounds)).decode(),
    }
    upsert(connection, schema_quality.quality_rule, [row])


def forget(connection: Connection, scope: Scope, scope_id: int, rule: RuleName) -> None:
    """Go back to what holds without the change."""
    table = schema_quality.quality_rule
    connection.execute(
        delete(table).where(
            table.c.scope == scope.value,
            table.c.scope_id == scope_id,
            table.c.rule == rule.value,
        )
    )


class RuleBook:
    """All rules of one snapshot, ready to be asked for a meter."""

    def __init__(self, connection: Connection) -> None:
        """Read the changes and who is in which group."""
        self._changed: dict[tuple[Scope, int], list[ChangedRule]] = {}
        for rule in changed_rules(connection):
            self._changed.setdefault((rule.scope, rule.scope_id), []).append(rule)
        self._groups: dict[int, list[int]] = {}
        if any(scope is Scope.GROUP for scope, _ in self._changed):
            member = schema_archive.group_member
            rows = connection.execute(select(member).order_by(member.c.group_id))
            for row in rows:
                self._groups.setdefault(row.meter_id, []).append(row.group_id)
        self._made: dict[Sequence[tuple[Scope, int]], Settings] = {}

    def of(self, meter_id: int, area_id: int) -> Settings:
        """The rules that are switched on for a meter."""
        scopes = [
            (Scope.ALL, 0),
            (Scope.AREA, area_id),
            *((Scope.GROUP, each) for each in self._groups.get(meter_id, ())),
            (Scope.METER, meter_id),
        ]
        key = tuple(each for each in scopes if each in self._changed)
        if key not in self._made:
            self._made[key] = self._settings(key)
        return self._made[key]

    def _settings(self, scopes: Sequence[tuple[Scope, int]]) -> Settings:
        found: dict[RuleName, tuple[Severity, Bounds]] = {
            name: (rule.severity, rule.bounds) for name, rule in RULES.items()
        }
        off: dict[RuleName, bool] = {}
        for scope in scopes:
            for rule in self._changed[scope]:
                bounds: Mapping[str, float] = {**found[rule.rule][1], **rule.bounds}
                found[rule.rule] = (rule.severity, bounds)
                off[rule.rule] = not rule.enabled
        return {name: each for name, each in found.items() if not off.get(name)}
