"""The reader's own account: password, sessions, API keys."""

from datetime import timedelta
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from kwhub.headend.people.caller import Kind
from kwhub.headend.people.errors import NotTaken, TooOften
from kwhub.headend.people.key_rows import NewKey, StoredKey
from kwhub.headend.people.password import LENGTH_MIN
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.web.entrance import peer
from kwhub.headend.web.language import COOKIE, LANGUAGES
from kwhub.headend.web.page import Page
from kwhub.headend.web.sign_in import Form, told

__all__ = [
    "KEY_DAYS",
    "KEY_SCOPES",
    "ROUTES",
    "account_page",
    "add_key",
    "change_language",
    "change_password",
    "end_sessions",
    "revoke_key",
]

KEY_DAYS = (30, 90, 365)
"""How long a key that is made on the page may work, in days."""

KEY_SCOPES = tuple(right for right in Right if right is not Right.OPEN)


@get("/account", sync_to_thread=True, opt=needs(Right.SEE))
def account_page(page: NamedDependency[Page]) -> Template:
    """The own account."""
    saved = page.request.query_params.get("saved") == "language"
    return _account(page, done=page.t("people.language_saved") if saved else "")


@post("/account/password", sync_to_thread=True, status_code=200, opt=needs(Right.SEE))
def change_password(page: NamedDependency[Page], data: Form) -> Template | Redirect:
    """Change the own password."""
    _in_person(page)
    old, new, address = data.get("old", ""), data.get("new", ""), peer(page.request)
    try:
        page.site.people.staff.change_password(page.caller, old, new, address)
    except (NotTaken, TooOften) as error:
        return _account(page, wrong=told(page, error))
    return _account(page, done=page.t("people.password_changed"))


@post("/account/language", sync_to_thread=True, status_code=200, opt=needs(Right.SEE))
def change_language(page: NamedDependency[Page], data: Form) -> Redirect:
    """Remember the language; this browser has no other one of its own any more."""
    _in_person(page)
    code = data.get("language", "")
    page.site.people.staff.set_language(page.caller, code if code in LANGUAGES else "")
    answer = Redirect("/account?saved=language", status_code=303)
    answer.delete_cookie(COOKIE)
    return answer


@post("/account/sessions/end", sync_to_thread=True, status_code=200, opt=needs(Right.SEE))
def end_sessions(page: NamedDependency[Page]) -> Redirect:
    """Sign out everywhere else."""
    _in_person(page)
    page.site.people.staff.end_sessions(page.caller)
    return Redirect("/account", status_code=303)


@post("/account/keys", status_code=200, opt=needs(Right.SEE))
async def add_key(page: NamedDependency[Page]) -> Template:
    """Make an API key; the page that answers is the only one that shows it."""
    _in_person(page)
    form = await page.request.form()
    names = {str(each) for each in form.getall("right", [])}
    days = str(form.get("days", ""))
    now = page.site.clock.now()
    new = NewKey(
        name=str(form.get("name", "")),
        rights=frozenset(right for right in KEY_SCOPES if right.value in names),
        expires_at=now + timedelta(days=int(days)) if days in map(str, KEY_DAYS) else None,
    )
    return await page.site.people.offload(lambda: _made(page, new))


@post(
    "/account/keys/{key_id:int}/revoke", sync_to_thread=True, status_code=200, opt=needs(Right.SEE)
)
def revoke_key(page: NamedDependency[Page], key_id: FromPath[int]) -> Redirect:
    """End a key at once."""
    _in_person(page)
    if not page.site.people.staff.revoke_key(key_id, page.caller):
        raise NotFoundException(f"key {key_id}")
    return Redirect("/account", status_code=303)


def _made(page: Page, new: NewKey) -> Template:
    try:
        _, whole = page.site.people.staff.add_key(page.caller, new)
    except NotTaken as error:
        return _account(page, wrong=told(page, error))
    return _account(page, key=whole)


def _account(page: Page, *, wrong: str = "", done: str = "", key: str = "") -> Template:
    _in_person(page)
    staff, caller = page.site.people.staff, page.caller
    keys = [each for each in staff.keys(caller) if each.user_id == caller.user_id]
    context: dict[str, Any] = {
        "wrong": wrong,
        "done": done,
        "key": key,
        "length": LENGTH_MIN,
        "sessions": staff.sessions(caller.user_id),
        "keys": [(each, _state(page, each)) for each in keys],
        "scopes": [right for right in KEY_SCOPES if caller.may(right)],
        "days": KEY_DAYS,
    }
    return page.show("account.html", context, status_code=400 if wrong else 200)


def _state(page: Page, key: StoredKey) -> str:
    """Text of what a key is good for now."""
    if key.revoked_at is not None:
        return page.t("people.key_revoked")
    works = key.works(page.site.clock.now())
    return page.t("people.key_works" if works else "people.key_over")


def _in_person(page: Page) -> None:
    """An API key has no account of its own, and makes no other keys."""
    if page.caller.kind is not Kind.USER:
        raise PermissionDeniedException("")


ROUTES = (account_page, change_password, change_language, end_sessions, add_key, revoke_key)
