"""Quality and completeness over the API: findings, decisions, edits, estimates, rules, holes."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, TypeAlias

from litestar import get, post, put
from litestar.di import NamedDependency
from litestar.exceptions import (
    ClientException,
    HTTPException,
    NotFoundException,
    PermissionDeniedException,
)
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Struct

from kwhub.domain.errors import KwhubError
from kwhub.domain.readings import Register
from kwhub.headend.api.once import once
from kwhub.headend.api.paging import ITEMS_DEFAULT, ITEMS_MAX, cursor_of, position_of
from kwhub.headend.api.shapes import Items
from kwhub.headend.api.site import Site
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.quality.estimate import Method
from kwhub.headend.quality.rules import RULES, RuleName, Severity
from kwhub.headend.store.edits import EditSet
from kwhub.headend.store.schema import day_number, to_micro
from kwhub.headend.validation import findings as found_rows
from kwhub.headend.validation.findings import Filter
from kwhub.headend.validation.ledger import Hole, State
from kwhub.headend.validation.rule_rows import ChangedRule, Scope

__all__ = [
    "ROUTES",
    "Decision",
    "EditOrder",
    "EditedValue",
    "EstimateOrder",
    "Finding",
    "MissingValues",
    "RuleChange",
    "RuleOf",
    "SetMade",
    "change_rule",
    "decide",
    "edit_values",
    "edits",
    "estimate_values",
    "findings",
    "holes",
    "rules",
    "withdraw_edits",
]

Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=ITEMS_MAX)]


class Finding(Struct):
    """What a rule found, in words, and what was decided about it."""

    meter_id: int
    address: str
    area_id: int
    day: date
    register: str
    interval_s: int
    rule: str
    severity: str
    count: int
    told: str
    told_zh: str
    state: str
    found_at: datetime
    decided_by: str
    note: str

    @classmethod
    def of(cls, one: found_rows.Finding) -> "Finding":
        """From what is stored."""
        return cls(
            one.meter_id,
            one.address,
            one.area_id,
            one.day,
            one.register,
            one.interval_s,
            one.rule.value,
            one.severity.value,
            one.count,
            one.told("en"),
            one.told("zh"),
            one.state.value,
            one.found_at,
            one.decided_by,
            one.note,
        )


class Decision(Struct, forbid_unknown_fields=True):
    """A person's word on a finding: accepted with a note, or open again."""

    meter_id: int
    day: date
    register: str
    interval_s: int
    rule: RuleName
    accept: bool
    note: str = ""


class EditedValue(Struct, forbid_unknown_fields=True):
    """A value beside the measurement; the moment with offset."""

    at: datetime
    value: Decimal


class EditOrder(Struct, forbid_unknown_fields=True):
    """A person's values for one series."""

    register: str
    interval_s: int
    reason: str
    values: list[EditedValue]


class EstimateOrder(Struct, forbid_unknown_fields=True):
    """Fill the holes of one series over local days, both inclusive."""

    register: str
    interval_s: int
    first: date
    last: date
    method: Method
    reason: str


class SetMade(Struct):
    """The number under which edits can be withdrawn together."""

    set_id: int


class RuleOf(Struct):
    """A rule as the table has it."""

    rule: str
    title: str
    title_zh: str
    severity: str
    bounds: dict[str, float]


class RuleChange(Struct, forbid_unknown_fields=True):
    """A rule for all, or for one area, group or meter; bounds only where they differ."""

    scope: Scope
    rule: RuleName
    scope_id: int = 0
    enabled: bool = True
    severity: Severity = Severity.SUSPECT
    bounds: dict[str, float] = {}


class MissingValues(Struct):
    """A series of a day that is not whole, and why."""

    meter_id: int
    address: str
    area_id: int
    day: date
    register: str
    interval_s: int
    expected: int
    got: int
    cause: str
    state: str
    tries: int
    next_at: datetime | None
    detail: str

    @classmethod
    def of(cls, one: Hole) -> "MissingValues":
        """From what is stored."""
        return cls(
            one.key.meter_id,
            one.address,
            one.area_id,
            one.key.day,
            str(one.key.register),
            one.key.interval_s,
            one.expected,
            one.got,
            one.cause,
            one.state.value,
            one.tries,
            one.next_at,
            one.detail,
        )


@get("/findings", sync_to_thread=True, opt=needs(Right.SEE))
def findings(  # noqa: PLR0913, PLR0917  parameters of the request
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    first: FromQuery[date],
    last: FromQuery[date],
    shown: Annotated[found_rows.State, QueryParameter(name="state")] = found_rows.State.OPEN,
    rule: FromQuery[RuleName | None] = None,
    limit: Limit = ITEMS_DEFAULT,
    cursor: FromQuery[str | None] = None,
) -> Items[Finding]:
    """What the rules of validation found on some days, the heaviest first."""
    at = position_of(cursor)
    wanted = Filter(
        site.day(first),
        site.day(last),
        states=(shown,),
        rules=() if rule is None else (rule,),
        areas=caller.scope(),
    )
    rows, total = site.quality.findings(wanted, limit=limit, offset=at)
    following = cursor_of(at + limit) if at + limit < total else None
    return Items([Finding.of(row) for row in rows], following)


@post("/findings/decide", sync_to_thread=True, **once(Right.QUALITY))
def decide(
    site: NamedDependency[Site], caller: NamedDependency[Caller], data: JSONBody[Decision]
) -> Decision:
    """Accept a finding with a note, or open it again."""
    _within(site, caller, data.meter_id)
    day = day_number(site.day(data.day))
    key = (data.meter_id, day, data.register, data.interval_s, data.rule.value)
    try:
        if data.accept:
            site.quality.accept(key, by=caller.name, note=data.note)
        else:
            site.quality.reopen(key, by=caller.name, note=data.note)
    except KwhubError as error:
        raise _refused(error) from error
    return data


@get("/meters/{meter_id:int}/edits", sync_to_thread=True, opt=needs(Right.SEE))
def edits(site: NamedDependency[Site], meter_id: FromPath[int]) -> list[EditSet]:
    """The sets of edits of a meter, the newest first."""
    site.meter(meter_id)
    return site.quality.edit_sets(meter_id)


@post("/meters/{meter_id:int}/edits", sync_to_thread=True, **once(Right.QUALITY))
def edit_values(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    meter_id: FromPath[int],
    data: JSONBody[EditOrder],
) -> SetMade:
    """Put values beside the measurement, which stays as it is."""
    site.meter(meter_id)
    if any(each.at.tzinfo is None for each in data.values):
        raise ClientException("at: RFC 3339 with offset", status_code=422)
    try:
        values = {
            int(each.at.astimezone(UTC).timestamp()): to_micro(each.value) for each in data.values
        }
        series = (Register(data.register), data.interval_s)
        made = site.quality.edit(meter_id, series, values, by=caller.name, reason=data.reason)
    except (KwhubError, ArithmeticError, ValueError) as error:
        raise _refused(error) from error
    return SetMade(made)


@post("/meters/{meter_id:int}/estimates", sync_to_thread=True, **once(Right.QUALITY))
def estimate_values(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    meter_id: FromPath[int],
    data: JSONBody[EstimateOrder],
) -> SetMade:
    """Fill the holes of a series between known values."""
    site.meter(meter_id)
    span = (site.day(data.first), site.day(data.last))
    series = (Register(data.register), data.interval_s)
    try:
        made = site.quality.estimate(
            meter_id, series, span, data.method, by=caller.name, reason=data.reason
        )
    except KwhubError as error:
        raise _refused(error) from error
    return SetMade(made)


@post(
    "/meters/{meter_id:int}/edits/{set_id:int}/withdraw",
    sync_to_thread=True,
    opt=needs(Right.QUALITY),
)
def withdraw_edits(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    meter_id: FromPath[int],
    set_id: FromPath[int],
) -> SetMade:
    """Take a set of edits of a meter back."""
    site.meter(meter_id)
    if set_id not in {one.id for one in site.quality.edit_sets(meter_id)}:
        raise ClientException(f"meter {meter_id} has no set of edits {set_id}", status_code=404)
    try:
        site.quality.withdraw(set_id, by=caller.name)
    except KwhubError as error:
        raise _refused(error) from error
    return SetMade(set_id)


@get("/rules", sync_to_thread=False, opt=needs(Right.SEE))
def rules() -> list[RuleOf]:
    """The rules of validation with their bounds, before anybody changed them."""
    return [
        RuleOf(name.value, rule.title_en, rule.title_zh, rule.severity.value, dict(rule.bounds))
        for name, rule in RULES.items()
    ]


@put("/rules", sync_to_thread=True, opt=needs(Right.QUALITY))
def change_rule(
    site: NamedDependency[Site], caller: NamedDependency[Caller], data: JSONBody[RuleChange]
) -> RuleChange:
    """Change a rule for a scope; it holds from the next validation on."""
    _may_change(site, caller, data)
    rule = ChangedRule(
        data.scope, data.scope_id, data.rule, data.enabled, data.severity, data.bounds
    )
    try:
        site.quality.change_rule(rule, by=caller.name)
    except KwhubError as error:
        raise _refused(error) from error
    return data


@get("/holes", sync_to_thread=True, opt=needs(Right.SEE))
def holes(  # noqa: PLR0913, PLR0917  parameters of the request
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    first: FromQuery[date],
    last: FromQuery[date],
    shown: Annotated[State, QueryParameter(name="state")] = State.OPEN,
    limit: Limit = ITEMS_DEFAULT,
    cursor: FromQuery[str | None] = None,
) -> Items[MissingValues]:
    """The ledger: series of days that are not whole, each with its cause."""
    at = position_of(cursor)
    rows, total = site.ledger.holes(
        site.day(first),
        site.day(last),
        states=(shown,),
        areas=caller.scope(),
        limit=limit,
        offset=at,
    )
    following = cursor_of(at + limit) if at + limit < total else None
    return Items([MissingValues.of(row) for row in rows], following)


def _within(site: Site, caller: Caller, meter_id: int) -> None:
    """Raises NotFoundException for a meter outside the caller's reach."""
    if not caller.sees_area(site.meter(meter_id).area_id, Right.QUALITY):
        raise NotFoundException(f"meter {meter_id}")


def _may_change(site: Site, caller: Caller, data: RuleChange) -> None:
    """Raises PermissionDeniedException or NotFoundException: the rule would hold for others, too."""
    if data.scope is Scope.METER:
        _within(site, caller, data.scope_id)
    elif data.scope is Scope.AREA:
        if not caller.sees_area(data.scope_id, Right.QUALITY):
            raise NotFoundException(f"area {data.scope_id}")
    elif caller.scope(Right.QUALITY) is not None:
        raise PermissionDeniedException("rules for all and for groups are for all organisations")


def _refused(error: Exception) -> HTTPException:
    return ClientException(str(error) or "a value is no number", status_code=422)


ROUTES = (
    findings,
    decide,
    edits,
    edit_values,
    estimate_values,
    withdraw_edits,
    rules,
    change_rule,
    holes,
)
"""Everything about quality and completeness."""
