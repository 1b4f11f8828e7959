"""Findings in the store: written anew at every validation, and what people decided about them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, select, update

from kwhub.catalog.registers import describe
from kwhub.domain.errors import LocalError
from kwhub.domain.readings import Register
from kwhub.headend.quality.checks import Found
from kwhub.headend.quality.rules import RULES, RuleName, Severity
from kwhub.headend.store import schema
from kwhub.headend.store.database import upsert
from kwhub.headend.store.schema import day_number, local_date
from kwhub.headend.store.schema_quality import finding

__all__ = ["Filter", "Finding", "FindingKey", "State", "blocked", "decide", "find", "keep"]

FindingKey: TypeAlias = tuple[int, int, str, int, str]
"""Meter, day number, register, interval, rule."""


class State(Enum):
    """What became of a finding."""

    OPEN = "open"
    ACCEPTED = "accepted"  #: a person looked: the value is right
    GONE = "gone"  #: the newest validation does not find it any more


@dataclass(frozen=True, slots=True)
class Filter:
    """Which findings are wanted; None and empty mean any."""

    first: date
    last: date
    states: Collection[State] = (State.OPEN,)
    rules: Collection[RuleName] = ()
    meter_id: int | None = None
    areas: Collection[int] | None = None  #: numbers of the areas that may be seen
    severities: Collection[Severity] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding with its place."""

    meter_id: int
    address: str
    area_id: int
    day: date
    register: str
    interval_s: int
    rule: RuleName
    first_s: int
    last_s: int
    count: int
    severity: Severity
    evidence: Mapping[str, str]
    state: State
    found_at: datetime
    decided_at: datetime | None
    decided_by: str
    note: str

    def told(self, language: str) -> str:
        """The finding in words, in ``en`` or ``zh``."""
        rule = RULES[self.rule]
        text = rule.told_zh if language == "zh" else rule.told_en
        return text.format(unit=describe(Register(self.register)).unit, **self.evidence)


def keep(
    connection: Connection,
    validated: Collection[tuple[int, int]],
    found: Iterable[tuple[int, int, Found, Severity]],
    at: datetime,
) -> int:
    """Write what a validation found in place of what earlier ones found.

    What a person has accepted stays accepted as long as the evidence is the same.

    Args:
        connection: of a writing transaction.
        validated: meter and day number of everything that was looked at.
        found: meter, day number, finding and its weight.
        at: the present.

    Returns:
        how many are open now.
    """
    old = {_key(row): row for row in _stored(connection, validated)}
    rows: dict[FindingKey, dict[str, Any]] = {}
    for meter_id, day, one, severity in found:
        row = _row(meter_id, day, one, severity, at)
        key = (meter_id, day, row["register"], row["interval_s"], row["rule"])
        if key in rows:  # several places of one day are one finding
            rows[key] |= {"count": rows[key]["count"] + one.count, "last_s": one.last_s}
            continue
        before = old.get(key)
        if before is not None and before.state != State.GONE.value:
            row["found_at"] = before.found_at
            if before.evidence == row["evidence"]:
                decided = ("state", "decided_at", "decided_by", "note")
                row |= {name: getattr(before, name) for name in decided}
        rows[key] = row
    upsert(connection, finding, list(rows.values()))
    gone = [key for key, row in old.items() if key not in rows and row.state != State.GONE.value]
    for key in gone:
        connection.execute(update(finding).where(_is(key)).values(state=State.GONE.value))
    return sum(row["state"] == State.OPEN.value for row in rows.values())


def find(
    connection: Connection, wanted: Filter, *, limit: int, offset: int = 0
) -> tuple[list[Finding], int]:
    """A page of findings, the newest day and the heaviest first, and how many there are in all."""
    meter, terminal = schema.meter, schema.terminal
    where = _where(wanted)
    joined = finding.join(meter, finding.c.meter_id == meter.c.id).join(
        terminal, meter.c.terminal_id == terminal.c.id
    )
    total = connection.execute(select(func.count()).select_from(joined).where(*where)).scalar_one()
    query = (
        select(finding, finding.c["count"].label("places"), meter.c.address, terminal.c.area_id)
        .select_from(joined)
        .where(*where)
        .order_by(finding.c.day.desc(), finding.c.severity.desc(), meter.c.address, finding.c.rule)
        .limit(limit)
        .offset(offset)
    )
    return [_finding(row) for row in connection.execute(query)], int(total)


def decide(
    connection: Connection, key: FindingKey, *, accept: bool, by: str, note: str, at: datetime
) -> None:
    """Accept an open finding, or open an accepted one again.

    Raises:
        LocalError: there is no such finding, or acceptance has no reason.
    """
    if accept and not note.strip():
        raise LocalError("say why the value is right: the note stays with the finding")
    before, after = (State.OPEN, State.ACCEPTED) if accept else (State.ACCEPTED, State.OPEN)
    done = connection.execute(
        update(finding)
        .where(_is(key), finding.c.state == before.value)
        .values(state=after.value, decided_at=at, decided_by=by, note=note.strip())
    )
    if not done.rowcount:
        raise LocalError(f"there is no finding of this name that is {before.value}")


def blocked(
    connection: Connection, meters: Collection[int], first: date, last: date
) -> set[tuple[int, date]]:
    """Meters and days whose values are not to be used for money, because an open finding calls them wrong."""
    query = select(finding.c.meter_id, finding.c.day).where(
        finding.c.meter_id.in_(meters),
        finding.c.day.between(day_number(first), day_number(last)),
        finding.c.state == State.OPEN.value,
        finding.c.severity == Severity.WRONG.value,
    )
    return {(row.meter_id, local_date(row.day)) for row in connection.execute(query)}


def _stored(connection: Connection, validated: Collection[tuple[int, int]]) -> list[Row[Any]]:
    by_day: dict[int, list[int]] = {}
    for meter_id, day in validated:
        by_day.setdefault(day, []).append(meter_id)
    return [
        row
        for day, meters in by_day.items()
        for row in connection.execute(
            select(finding).where(finding.c.day == day, finding.c.meter_id.in_(meters))
        )
    ]


def _row(meter_id: int, day: int, one: Found, severity: Severity, at: datetime) -> dict[str, Any]:
    register, interval_s = one.series
    return {
        "meter_id": meter_id,
        "day": day,
        "register": str(register),
        "interval_s": interval_s,
        "rule": one.rule.value,
        "first_s": one.first_s,
        "last_s": one.last_s,
        "count": one.count,
        "severity": severity.value,
        "evidence": msgspec.json.encode(dict(one.evidence), order="sorted").decode(),
        "state": State.OPEN.value,
        "found_at": at,
        "decided_at": None,
        "decided_by": "",
        "note": "",
    }


def _key(row: Row[Any]) -> FindingKey:
    return row.meter_id, row.day, row.register, row.interval_s, row.rule


def _is(key: FindingKey) -> ColumnElement[bool]:
    meter_id, day, register, interval_s, rule = key
    return (
        (finding.c.meter_id == meter_id)
        & (finding.c.day == day)
        & (finding.c.register == register)
        & (finding.c.interval_s == interval_s)
        & (finding.c.rule == rule)
    )


def _where(wanted: Filter) -> list[ColumnElement[bool]]:
    days = day_number(wanted.first), day_number(wanted.last)
    where: list[ColumnElement[bool]] = [
        finding.c.day.between(*days),
        finding.c.state.in_([s.value for s in wanted.states]),
    ]
    if wanted.rules:
        where.append(finding.c.rule.in_([rule.value for rule in wanted.rules]))
    if wanted.severities:
        where.append(finding.c.severity.in_([each.value for each in wanted.severities]))
    if wanted.meter_id is not None:
        where.append(finding.c.meter_id == wanted.meter_id)
    if wanted.areas is not None:
        where.append(schema.terminal.c.area_id.in_(wanted.areas))
    return where


def _finding(row: Row[Any]) -> Finding:
    return Finding(
        row.meter_id,
        row.address,
        row.area_id,
        local_date(row.day),
        row.register,
        row.interval_s,
        RuleName(row.rule),
        row.first_s,
        row.last_s,
        row.places,
        Severity(row.severity),
        msgspec.json.decode(row.evidence, type=dict[str, str]),
        State(row.state),
        row.found_at,
        row.decided_at,
        row.decided_by,
        row.note,
    )
