"""The rules of validation: what holds for all, and what holds otherwise for an area, a group or one meter."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromQuery
from litestar.response import Redirect, Template

from kwhub.domain.errors import LocalError
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.quality.rules import RULES, Rule, RuleName, Severity
from kwhub.headend.validation.rule_rows import ChangedRule, Scope
from kwhub.headend.web.fleet import areas_to_choose
from kwhub.headend.web.page import Page
from kwhub.headend.web.quality_around import decimal_of
from kwhub.headend.web.quality_forms import form_of, whole_number
from kwhub.headend.web.refusals import told
from kwhub.headend.web.sheets import table_file

__all__ = [
    "COLUMNS",
    "ROUTES",
    "ChangeLine",
    "RuleLine",
    "change_rule",
    "rules_file",
    "rules_page",
]

COLUMNS = ("scope", "of", "rule", "enabled", "severity", "bounds")
"""Columns of the file; their names never change."""

GROUPS_SHOWN = 1_000


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule as the table has it."""

    name: str
    title: str
    severity: str
    bounds: Mapping[str, float]

    @classmethod
    def of(cls, page: Page, rule: Rule) -> "RuleLine":
        """With its words."""
        title = page.t.either(rule.title_en, rule.title_zh)
        return cls(rule.name.value, title, rule.severity.value, dict(rule.bounds))


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """A rule that is changed for somebody, and for whom in words."""

    change: ChangedRule
    title: str
    whom: str


@get("/completeness/rules", sync_to_thread=True, opt=needs(Right.SEE))
def rules_page(page: NamedDependency[Page], rule: FromQuery[str] = "") -> Template:
    """The rules and their changes; with a rule, the form that changes it."""
    return _rules(page, rule)


@get(["/completeness/rules.csv", "/completeness/rules.xlsx"], opt=needs(Right.SEE))
async def rules_file(page: NamedDependency[Page]) -> Response[str] | Response[bytes]:
    """Every change as a file."""

    def made() -> Response[str] | Response[bytes]:
        rows = (
            (
                *(one.change.scope.value, one.whom, one.change.rule.value),
                *(int(one.change.enabled), one.change.severity.value),
                " ".join(f"{name}={value:g}" for name, value in one.change.bounds.items()),
            )
            for one in _changes(page)
        )
        return table_file(page.request, "rules", COLUMNS, rows)

    return await page.site.people.offload(made)


@post("/completeness/rules", status_code=200, opt=needs(Right.QUALITY))
async def change_rule(page: NamedDependency[Page]) -> Redirect | Template:
    """Change a rule for a scope, or take the change back."""
    form = await form_of(page)
    return await page.site.people.offload(partial(_change, page, form))


def _change(page: Page, form: Mapping[str, str]) -> Redirect | Template:
    name = form.get("rule", "")
    if name not in {each.value for each in RuleName}:
        raise NotFoundException(f"rule {name}")
    rule, desk = RuleName(name), page.site.quality
    try:
        scope, number = _scope(page, form)
        if form.get("forget") == "1":
            desk.forget_rule(scope, number, rule, by=page.who)
        else:
            desk.change_rule(_changed(form, rule, scope, number), by=page.who)
    except LocalError as error:
        return _rules(page, name, wrong=told(page.t, error))
    return Redirect("/completeness/rules", status_code=303)


def _scope(page: Page, form: Mapping[str, str]) -> tuple[Scope, int]:
    """For whom a rule is changed. Raises LocalError, NotFoundException, PermissionDeniedException."""
    known = {each.value: each for each in Scope}
    scope = known.get(form.get("scope", ""), Scope.ALL)
    if scope is Scope.ALL or scope is Scope.GROUP:
        if page.caller.scope(Right.QUALITY) is not None:
            raise PermissionDeniedException("")
        return scope, whole_number(form, "group") if scope is Scope.GROUP else 0
    if scope is Scope.AREA:
        number = whole_number(form, "area")
        if not page.caller.sees_area(number, Right.QUALITY):
            raise NotFoundException(f"area {number}")
        return scope, number
    address = form.get("meter", "").zfill(12)
    found = page.site.archive.lists.page(
        "meter", search=address, areas=page.caller.scope(Right.QUALITY), limit=1
    )
    if not found.items or found.items[0]["address"] != address:
        raise LocalError(page.t("rules.no_meter", address=address))
    return scope, int(found.items[0]["id"])


def _changed(form: Mapping[str, str], rule: RuleName, scope: Scope, number: int) -> ChangedRule:
    own = RULES[rule].bounds
    bounds = {
        name: float(decimal_of(text)) for name in own if (text := form.get(f"bound-{name}", ""))
    }
    differing = {name: value for name, value in bounds.items() if value != own[name]}
    known = {each.value: each for each in Severity}
    severity = known.get(form.get("severity", ""), RULES[rule].severity)
    return ChangedRule(scope, number, rule, form.get("enabled") == "1", severity, differing)


def _changes(page: Page) -> list[ChangeLine]:
    """The changes that concern what the reader may see."""
    areas = dict(areas_to_choose(page))
    groups = {each["id"]: each["code"] for each in _groups(page)}
    lines = []
    for one in page.site.quality.rules():
        whom = page.t("rules.for_all")
        if one.scope is Scope.AREA:
            whom = areas.get(one.scope_id, "")
        elif one.scope is Scope.GROUP:
            whom = groups.get(str(one.scope_id), "")
        elif one.scope is Scope.METER:
            row = page.site.archive.lists.row("meter", one.scope_id, page.scope)
            whom = row["address"] if row else ""
        if whom:
            rule = RULES[one.rule]
            lines.append(ChangeLine(one, page.t.either(rule.title_en, rule.title_zh), whom))
    return lines


def _groups(page: Page) -> list[dict[str, str]]:
    return page.site.archive.lists.page("group", areas=page.scope, limit=GROUPS_SHOWN).items


def _rules(page: Page, name: str, *, wrong: str = "") -> Template:
    chosen = RULES[RuleName(name)] if name in {each.value for each in RuleName} else None
    everywhere = page.caller.scope(Right.QUALITY) is None
    context: dict[str, object] = {
        "rules": [RuleLine.of(page, rule) for rule in RULES.values()],
        "changes": _changes(page),
        "chosen": None if chosen is None else RuleLine.of(page, chosen),
        "areas": areas_to_choose(page),
        "groups": _groups(page),
        "scopes": [each.value for each in Scope if everywhere or each in {Scope.AREA, Scope.METER}],
        "severities": [each.value for each in Severity],
        "may": Right.QUALITY in page.rights,
        "wrong": wrong,
        "tab": "rules",
    }
    return page.show("quality_rules.html", context, status_code=400 if wrong else 200)


ROUTES = (rules_page, rules_file, change_rule)
