"""One request for a page: the reader's language, the chosen day, and the template that answers."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request
from litestar.datastructures import Cookie
from litestar.response import Template

from kwhub.headend.api.site import Site
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.rights import Right
from kwhub.headend.web.entrance import caller_of
from kwhub.headend.web.events import end_words
from kwhub.headend.web.language import COOKIE, LANGUAGES, Texts, choose, texts
from kwhub.headend.web.refusals import said
from kwhub.headend.web.shell import THEME_COOKIE, THEMES, shell_of
from kwhub.headend.web.shown import moment, number, percent
from kwhub.headend.web.table_files import AS, AS_NAME, TABLE_NAME, TableFile

__all__ = ["COOKIE_DAYS", "HERE", "Days", "Page", "environment", "query", "static", "words"]

HERE = Path(str(files("kwhub.headend.web")))
"""The folder of templates, texts and static files."""

COOKIE_DAYS = 365
DIGEST_CHARACTERS = 10


@cache
def static(name: str) -> str:
    """Address of a static file, with a digest of its content, so that it may be cached for long."""
    digest = hashlib.sha256((HERE / "static" / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:DIGEST_CHARACTERS]}"


def environment() -> Environment:
    """The templates; an unknown name in one of them is an error, never an empty string."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        static=static, number=number, percent=percent, words=words, end_words=end_words
    )
    return made


def words(t: Texts, key: str) -> str:
    """The text of a key that a macro has put together."""
    return t(key)


def query(**values: object) -> str:
    """A query string of the values that are set, with its question mark.

    >>> query(search="7 8", desc=None)
    '?search=7+8'
    """
    given = {name: value for name, value in values.items() if value not in (None, "", False)}
    return f"?{urlencode(given)}"


@dataclass(frozen=True, slots=True)
class Days:
    """The local day that a page is about, and its neighbours."""

    day: date
    today: date

    @property
    def previous(self) -> date:
        """The day before."""
        return self.day - timedelta(days=1)

    @property
    def next(self) -> date | None:
        """The day after, None when that lies in the future."""
        return self.day + timedelta(days=1) if self.day < self.today else None

    @property
    def query(self) -> str:
        """What carries the day to another page; nothing for today, so that links stay current."""
        return f"?day={self.day}" if self.day != self.today else ""


@dataclass(frozen=True, slots=True)
class Page:
    """A request for a page."""

    request: Request[Any, Any, Any]
    site: Site
    t: Texts
    asked_language: bool

    @classmethod
    def of(cls, request: Request[Any, Any, Any], site: Site) -> "Page":
        """Find out in which language the reader reads."""
        asked = request.query_params.get("lang")
        remembered = request.cookies.get(COOKIE) or caller_of(request).language
        accepted = request.headers.get("accept-language", "")
        code = choose(asked, remembered, accepted, site.choices.config.pages.language)
        return cls(request, site, texts(code), asked in LANGUAGES)

    @property
    def swaps(self) -> str:
        """Id of the element that the page in the browser wants to swap; empty for a whole page."""
        headers = self.request.headers
        if headers.get("hx-request") != "true" or headers.get("hx-history-restore-request"):
            return ""
        return headers.get("hx-target", "")

    @property
    def who(self) -> str:
        """Who gives an order, for the audit row."""
        return self.caller.name

    @property
    def caller(self) -> Caller:
        """Who reads."""
        return caller_of(self.request)

    def days(self, day: date | None) -> Days:
        """The chosen day, today when none is chosen or when it lies in the future.

        Raises:
            ValidationException: a day of another century.
        """
        today = self.site.today()
        return Days(min(self.site.day(day), today), today)

    def moment(self, when: datetime | None, *, seconds: bool = False) -> str:
        """A moment as the wall time of the site."""
        return moment(when, self.site.zone, seconds=seconds)

    def show(
        self, template: str, context: Mapping[str, object], *, status_code: int = 200
    ) -> Template:
        """Answer with a template, or with one table of it, and remember a language that was asked for."""
        asked, plain = self.request.query_params, status_code == 200 and not self.swaps
        as_file = plain and TABLE_NAME in asked and asked.get(AS_NAME) in AS
        made = TableFile if as_file else Template
        return made(
            template,
            context={**self._common(), **context},
            cookies=self._asked(),
            headers={"Vary": "HX-Request, Accept-Language, Cookie", "Cache-Control": "no-cache"},
            status_code=status_code,
        )

    @property
    def rights(self) -> Collection[Right]:
        """What the reader may do."""
        return self.caller.rights

    @property
    def scope(self) -> Collection[int] | None:
        """The areas that the reader may see, None for all of them."""
        return self.caller.scope()

    def areas(self, chosen: int | None) -> Collection[int] | None:
        """The areas that the reader may see, only the chosen one when there is one; None for all of them."""
        if chosen is None:
            return self.scope
        return {chosen} if self.scope is None else {chosen} & set(self.scope)

    def _asked(self) -> list[Cookie]:
        """Cookies that remember what the address asks for."""
        asked = {COOKIE: self.t.code} if self.asked_language else {}
        theme = self.request.query_params.get("theme")
        if theme in THEMES:
            asked[THEME_COOKIE] = str(theme)
        seconds = COOKIE_DAYS * 86_400
        return [
            Cookie(name, path="/", value=value, max_age=seconds, samesite="lax", httponly=True)
            for name, value in asked.items()
        ]

    def _here(self, name: str, value: str) -> str:
        """The address of this very page with one thing asked for."""
        kept = [
            (key, text)
            for key, text in self.request.query_params.multi_items()
            if key not in {"lang", "theme", TABLE_NAME, AS_NAME}
        ]
        return f"{self.request.url.path}?{urlencode([*kept, (name, value)])}"

    def _table(self, name: str) -> dict[str, str]:
        """The addresses of a table of this page as a file."""
        csv, xlsx = (f"{self._here(TABLE_NAME, name)}&{AS_NAME}={each}" for each in AS)
        return {"csv": csv, "xlsx": xlsx}

    def _common(self) -> dict[str, object]:
        site = self.site
        return {
            "t": self.t,
            "said": partial(said, self.t),
            "reader": self.caller,
            "shell": partial(
                shell_of,
                self.request,
                site.queries,
                site.archive.lists,
                self.rights,
                self.scope,
            ),
            "theme_href": partial(self._here, "theme"),
            "table_of": self._table,
            "zone": site.zone,
            "zone_name": self.site.zone.key,
            "moment": partial(moment, zone=self.site.zone),
            "other_language_href": self._here("lang", self.t.other),
            "other_language_tag": texts(self.t.other).tag,
        }
