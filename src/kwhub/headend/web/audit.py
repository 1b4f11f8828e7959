"""The audit trail: who did what and when, filtered, in words, as a file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency, Provide
from litestar.exceptions import PermissionDeniedException
from litestar.params import FromQuery
from litestar.response import Template

from kwhub.headend.people import trail
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.people.trail import Entry, Sought
from kwhub.headend.web.alarms import day_asked
from kwhub.headend.web.audit_words import (
    detail_words,
    field_words,
    subject_words,
    who_words,
)
from kwhub.headend.web.fleet import row_number
from kwhub.headend.web.language import Texts
from kwhub.headend.web.page import Page, query
from kwhub.headend.web.sheets import local, table_file
from kwhub.headend.web.shown import day_bounds
from kwhub.headend.web.tables import ROWS_PER_FILE

__all__ = [
    "AUDIT_COLUMNS",
    "ENTRIES_SHOWN",
    "ROUTES",
    "AuditAsked",
    "Change",
    "action_words",
    "audit_asked",
    "audit_file",
    "audit_page",
    "told",
]

ENTRIES_SHOWN = 100
AUDIT_COLUMNS = ("number", "at", "who", "action", "subject", "detail")
"""Columns of the file; their names never change."""

TEXT_MAX = 100
_ROWS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class AuditAsked:
    """Which rows the address asks for."""

    who: str
    action: str
    text: str
    first: date | None
    last: date | None
    before: int | None

    @property
    def parameters(self) -> dict[str, object]:
        """The filter as it stands in addresses."""
        return {
            "who": self.who,
            "action": self.action,
            "search": self.text,
            "first": self.first,
            "last": self.last,
        }

    def sought(self, page: Page) -> Sought:
        """The same for the store."""
        zone = page.site.zone
        since = day_bounds(self.first, self.first, zone)[0] if self.first else None
        until = day_bounds(self.last, self.last, zone)[1] if self.last else None
        return Sought(self.who, self.action, self.text, since, until)


@dataclass(frozen=True, slots=True)
class Change:
    """A field that was changed."""

    name: str
    before: str
    after: str


def audit_asked(  # noqa: PLR0913, PLR0917  parameters of the request
    page: NamedDependency[Page],
    who: FromQuery[str] = "",
    action: FromQuery[str] = "",
    search: FromQuery[str] = "",
    first: FromQuery[str] = "",
    last: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> AuditAsked:
    """Which rows a page is asked for; what makes no sense is left out."""
    who, action, search = (each.strip()[:TEXT_MAX] for each in (who, action, search))
    days = day_asked(page, first), day_asked(page, last)
    return AuditAsked(who, action, search, *days, row_number(before))


ASKED = {"asked": Provide(audit_asked, sync_to_thread=False)}


@get("/audit", sync_to_thread=True, opt=needs(Right.AUDIT), dependencies=ASKED)
def audit_page(page: NamedDependency[Page], asked: NamedDependency[AuditAsked]) -> Template:
    """What everybody did, the newest first; only the table when that is what changes."""
    _everywhere(page)
    with page.site.queries.reading() as connection:
        found = trail.entries(
            connection, before=asked.before, limit=ENTRIES_SHOWN + 1, sought=asked.sought(page)
        )
        actions = [] if page.swaps else trail.actions(connection)
    more = found[ENTRIES_SHOWN - 1].id if len(found) > ENTRIES_SHOWN else None
    lines = [_line(page, each) for each in found]
    context = {
        "asked": asked,
        "who_words": partial(who_words, page.t),
        "lines": lines[:ENTRIES_SHOWN],
        "older": f"/audit{query(**asked.parameters, before=more)}" if more else "",
        "files": {
            form: f"/audit.{form}{query(**asked.parameters, page=1)}" for form in ("csv", "xlsx")
        },
    }
    if page.swaps == "audit":
        return page.show("audit_table.html", context)
    named = sorted((action_words(page.t, each), each) for each in actions)
    return page.show("audit.html", {**context, "actions": named})


@get(["/audit.csv", "/audit.xlsx"], opt=needs(Right.AUDIT), dependencies=ASKED)
async def audit_file(
    page: NamedDependency[Page], asked: NamedDependency[AuditAsked]
) -> Response[str] | Response[bytes]:
    """The rows of the filter as a file, the newest first."""
    _everywhere(page)
    return await page.site.people.offload(
        lambda: table_file(page.request, "audit", AUDIT_COLUMNS, _rows(page, asked))
    )


def told(detail: str) -> tuple[str, list[Change]]:
    """A detail as its words and the fields that it says were changed.

    >>> told('at noon: {"before": {"ct": "1", "pt": "1"}, "after": {"ct": "20", "pt": "1"}}')
    ('at noon', [Change(name='ct', before='1', after='20')])
    """
    lead, brace, rest = detail.partition("{")
    try:
        found: Any = msgspec.json.decode(brace + rest)
    except msgspec.DecodeError:
        return detail, []
    if not isinstance(found, dict) or found.keys() != {"before", "after"}:
        return detail, []
    before, after = (found[name] or {} for name in ("before", "after"))
    if not isinstance(before, dict) or not isinstance(after, dict):
        return detail, []
    changed = [
        Change(name, _value(before.get(name)), _value(after.get(name)))
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    ]
    return lead.rstrip(" :"), changed


def _line(page: Page, each: Entry) -> tuple[Entry, str, str, str, list[Change]]:
    """A row of the trail, its action, subject and detail in words, and what was changed."""
    lead, changes = told(each.detail)
    named = [replace(one, name=field_words(page.t, one.name)) for one in changes]
    words = detail_words(page.t, lead, page.moment)
    return (
        each,
        action_words(page.t, each.action),
        subject_words(page.t, each.subject),
        words,
        named,
    )


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def action_words(t: Texts, action: str) -> str:
    """An action in words; its own name where there are none."""
    for key in (f"trail.{action}", f"tasks.kind_{action}"):
        if key in t.table:
            return t(key)
    kind = action.removeprefix("task_")
    if kind != action and f"tasks.kind_{kind}" in t.table:
        return t("trail.of_task", kind=t(f"tasks.kind_{kind}"))
    return action


def _everywhere(page: Page) -> None:
    """The trail belongs to nobody's organisation: who reads it reads all of it."""
    if page.caller.organisations(Right.AUDIT) is not None:
        raise PermissionDeniedException("")


def _rows(page: Page, asked: AuditAsked) -> Iterator[Sequence[object]]:
    before, sought = None, asked.sought(page)
    for _ in range(0, ROWS_PER_FILE, _ROWS_AT_ONCE):
        with page.site.queries.reading() as connection:
            found = trail.entries(connection, before=before, limit=_ROWS_AT_ONCE, sought=sought)
        for each in found:
            at = local(each.at, page.site.zone)
            yield (each.id, at, each.who, each.action, each.subject, each.detail)
        if len(found) < _ROWS_AT_ONCE:
            return
        before = found[-1].id


ROUTES = (audit_page, audit_file)
