"""The settings in force: what each means and where it comes from; those that may change at run time are changed here."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.response import Redirect, Template

import kwhub
from kwhub.headend.api.settings import FILE_TABLES, everywhere, fixed
from kwhub.headend.choices import CHANGEABLE, Choice, WrongChoice
from kwhub.headend.config import Config
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store.database import NEWEST
from kwhub.headend.told import SECRET
from kwhub.headend.web.page import Page
from kwhub.headend.web.shown import number

__all__ = ["ROUTES", "change_settings", "settings_page"]

SETTINGS = needs(Right.SETTINGS)

DELETES = "retention."
"""Settings of this table that grow smaller delete data."""


@get("/settings", sync_to_thread=True, opt=SETTINGS)
def settings_page(page: NamedDependency[Page]) -> Template:
    """Every setting in force."""
    return _shown(page, {}, "", done=page.request.query_params.get("saved", ""))


@post("/settings", status_code=200, opt=SETTINGS)
async def change_settings(page: NamedDependency[Page]) -> Template | Redirect:
    """Change what may be changed; it holds at once."""
    everywhere(page.caller)
    form = await page.request.form()
    asked = {name: str(form[name]) for name in _changeable() if name in form}
    sure = form.get("sure") == "1"

    def change() -> Template | Redirect:
        choices = page.site.choices
        if not sure and any(_deletes(choices.config, name, text) for name, text in asked.items()):
            return _shown(page, asked, page.t("settings.be_sure"))
        try:
            changed = choices.change(asked, page.who)
        except WrongChoice as error:
            return _shown(page, asked, _wrong(page, error), wrong_name=error.name)
        return Redirect(f"/settings?saved={len(changed)}", status_code=303)

    return await page.site.people.offload(change)


def _changeable() -> Iterator[str]:
    return (f"{table}.{key}" for table, keys in CHANGEABLE.items() for key in keys)


def _shown(
    page: Page, asked: dict[str, str], wrong: str, *, wrong_name: str = "", done: str = ""
) -> Template:
    everywhere(page.caller)
    choices = page.site.choices
    tables: dict[str, list[Choice]] = {table: [] for table in CHANGEABLE}
    for each in choices.listed():
        tables[each.table].append(each)
    context = {
        "tables": tables,
        "asked": asked,
        "wrong": wrong,
        "wrong_name": wrong_name,
        "done": done if done.isdecimal() else "",
        "fixed": {table: told for table in FILE_TABLES if (told := list(fixed(page.site, table)))},
        "text": _text,
        "secret": SECRET,
        "about": {
            "version": kwhub.__version__,
            "database": page.site.store.database.engine.dialect.name,
            "revision": NEWEST,
            "zone": page.site.zone.key,
        },
        "bound": lambda value: number(Decimal(f"{value:g}")),
    }
    return page.show("settings.html", context, status_code=400 if wrong else 200)


def _wrong(page: Page, error: WrongChoice) -> str:
    name = page.t(f"settings.{error.name.replace('.', '_')}")
    kind = "retention" if error.name.startswith(DELETES) else "value"
    return page.t(f"settings.wrong_{kind}", name=name)


def _deletes(config: Config, name: str, text: str) -> bool:
    """Whether a change lets data go that would be kept."""
    if not name.startswith(DELETES) or not text.strip().isdecimal():
        return False
    before, after = getattr(config.retention, name.removeprefix(DELETES)), int(text)
    return after != 0 and (before == 0 or after < before)


def _text(value: Any) -> str:
    """A value as it stands in the settings file; empty for none."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


ROUTES = (settings_page, change_settings)
