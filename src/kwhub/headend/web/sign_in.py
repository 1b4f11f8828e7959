"""The door: log-in and log-out, one-time links, setting a password, and the first account."""

from typing import Annotated, TypeAlias

from litestar import get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.exceptions import PermissionDeniedException
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template

from kwhub.headend.people.errors import NotTaken, TooOften
from kwhub.headend.people.password import LENGTH_MIN
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.web.entrance import cookie_name, peer
from kwhub.headend.web.page import Page

__all__ = [
    "ROUTES",
    "Form",
    "inside",
    "refused",
    "reset",
    "reset_page",
    "set_up",
    "set_up_page",
    "sign_in",
    "sign_in_page",
    "sign_out",
    "told",
    "use_link",
]

Form: TypeAlias = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]
Following: TypeAlias = Annotated[str, QueryParameter(name="next", max_length=2000)]

OPEN = needs(Right.OPEN)
SEE = needs(Right.SEE)


@get("/sign-in", sync_to_thread=True, opt=OPEN)
def sign_in_page(page: NamedDependency[Page], following: Following = "") -> Template | Redirect:
    """The form of the log-in."""
    if page.site.people.empty():
        return Redirect("/setup", status_code=303)
    return page.show("sign_in.html", {"wrong": "", "name": "", "next": inside(following)})


@post("/sign-in", sync_to_thread=True, status_code=200, opt=OPEN)
def sign_in(page: NamedDependency[Page], data: Form) -> Template | Redirect:
    """Check name and password; on to the page that was asked for."""
    name, back = data.get("name", ""), inside(data.get("next", ""))
    given, people = data.get("password", ""), page.site.people
    try:
        session = people.sign_in(name, given, peer(page.request), _agent(page))
    except (NotTaken, TooOften) as error:
        return refused(page, "sign_in.html", {"name": name, "next": back}, error)
    return _entered(page, session, back)


@post("/sign-out", sync_to_thread=True, status_code=200, opt=SEE)
def sign_out(page: NamedDependency[Page]) -> Redirect:
    """End the session."""
    if page.caller.session:
        page.site.people.sign_out(page.caller)
    answer = Redirect("/sign-in", status_code=303)
    answer.set_cookie(_cookie(page, "", 0))
    return answer


@get("/link/{text:str}", sync_to_thread=True, opt=OPEN)
def use_link(page: NamedDependency[Page], text: FromPath[str]) -> Template | Redirect:
    """Sign in with a link that works once; never because another site leads here."""
    if page.request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        raise PermissionDeniedException("")
    try:
        session = page.site.people.use_link(text, peer(page.request), _agent(page))
    except NotTaken as error:
        return refused(page, "sign_in.html", {"name": "", "next": "/"}, error)
    return _entered(page, session, "/")


@get("/setup", sync_to_thread=True, opt=OPEN)
def set_up_page(page: NamedDependency[Page]) -> Template | Redirect:
    """The form of the first account, as long as there is none."""
    if not page.site.people.empty():
        return Redirect("/sign-in", status_code=303)
    return page.show("set_up.html", {"wrong": "", "name": "", "length": LENGTH_MIN})


@post("/setup", sync_to_thread=True, status_code=200, opt=OPEN)
def set_up(page: NamedDependency[Page], data: Form) -> Template | Redirect:
    """Make the first account and sign it in."""
    name, new = data.get("name", ""), data.get("password", "")
    people, address = page.site.people, peer(page.request)
    try:
        people.set_up(data.get("secret", "").strip(), name, new)
        session = people.sign_in(name, new, address, _agent(page))
    except (NotTaken, TooOften) as error:
        return refused(page, "set_up.html", {"name": name, "length": LENGTH_MIN}, error)
    return _entered(page, session, "/")


@get("/reset/{text:str}", sync_to_thread=True, opt=OPEN)
def reset_page(page: NamedDependency[Page], text: FromPath[str]) -> Template:
    """The form of a new password."""
    if not page.site.people.staff.reset_valid(text):
        error = NotTaken("link", "")
        return refused(page, "sign_in.html", {"name": "", "next": "/"}, error)
    return page.show("reset.html", {"wrong": "", "text": text, "length": LENGTH_MIN})


@post("/reset/{text:str}", sync_to_thread=True, status_code=200, opt=OPEN)
def reset(page: NamedDependency[Page], text: FromPath[str], data: Form) -> Template | Redirect:
    """Set the password and sign in."""
    people, new = page.site.people, data.get("password", "")
    try:
        session = people.use_reset(text, new, peer(page.request), _agent(page))
    except NotTaken as error:
        return refused(page, "reset.html", {"text": text, "length": LENGTH_MIN}, error)
    return _entered(page, session, "/")


def inside(path: str) -> str:
    r"""A path of this server to go on to; the first page for anything else, such as another server's.

    >>> inside("/meters/7?day=2026-03-01"), inside("//evil.example/"), inside("/\\\\evil.example")
    ('/meters/7?day=2026-03-01', '/', '/')
    """
    safe = path.startswith("/") and not path.startswith("//")
    return path if safe and path.isprintable() and "\\" not in path else "/"


def told(page: Page, error: NotTaken | TooOften) -> str:
    """What was wrong, in the reader's language."""
    if isinstance(error, TooOften):
        return page.t("people.wait", seconds=error.wait_s)
    return page.t(f"people.wrong_{error.key}")


def refused(
    page: Page, template: str, context: dict[str, object], error: NotTaken | TooOften
) -> Template:
    """The same form again, with what was wrong."""
    often = isinstance(error, TooOften)
    shown = {**context, "wrong": told(page, error)}
    answer = page.show(template, shown, status_code=429 if often else 400)
    if isinstance(error, TooOften):
        answer.headers["Retry-After"] = str(error.wait_s)
    return answer


def _entered(page: Page, session: str, path: str) -> Redirect:
    """Go on with a new session; the one before it, if there was one, ends."""
    if page.caller.session:
        page.site.people.sign_out(page.caller)
    answer = Redirect(path, status_code=303)
    answer.set_cookie(_cookie(page, session, page.site.people.access.session_s))
    return answer


def _cookie(page: Page, value: str, seconds: int) -> Cookie:
    secure = page.site.people.access.secure_cookie
    return Cookie(
        cookie_name(secure=secure),
        path="/",
        value=value,
        max_age=seconds,
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def _agent(page: Page) -> str:
    return page.request.headers.get("user-agent", "")


ROUTES = (sign_in_page, sign_in, sign_out, use_link, set_up_page, set_up, reset_page, reset)
