"""Management of users."""

from collections.abc import Sequence

from litestar import get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from kwhub.headend.people.errors import NotTaken
from kwhub.headend.people.rights import Right, Role, needs
from kwhub.headend.people.user_rows import EVERYWHERE, Grant
from kwhub.headend.web.fleet import row_number
from kwhub.headend.web.page import Page
from kwhub.headend.web.sign_in import told

__all__ = [
    "ROUTES",
    "add_user",
    "disable_user",
    "enable_user",
    "reset_user",
    "set_roles",
    "users_page",
]

PEOPLE = needs(Right.PEOPLE)

NOWHERE = -1
"""Stands for a place that no number names; there is no such organisation."""


@get("/users", sync_to_thread=True, opt=PEOPLE)
def users_page(page: NamedDependency[Page]) -> Template:
    """The users whom the reader manages."""
    return _users(page)


@post("/users", status_code=200, opt=PEOPLE)
async def add_user(page: NamedDependency[Page]) -> Template:
    """Make a user; the page that answers shows the link by which the password is set."""
    form = await page.request.form()
    name, shown = str(form.get("name", "")), str(form.get("shown", ""))
    grants = _grants(form.getall("role", []))

    def add() -> Template:
        try:
            user, secret = page.site.people.staff.add(name, shown, grants, page.caller)
        except NotTaken as error:
            return _users(page, wrong=told(page, error))
        return _users(page, link=_link(page, secret), name=user.name)

    return await page.site.people.offload(add)


@post("/users/{user_id:int}/roles", status_code=200, opt=PEOPLE)
async def set_roles(page: NamedDependency[Page], user_id: FromPath[int]) -> Template | Redirect:
    """Give a user other roles."""
    form = await page.request.form()
    grants = _grants(form.getall("role", []))

    def change() -> Template | Redirect:
        try:
            page.site.people.staff.set_roles(user_id, grants, page.caller)
        except NotTaken as error:
            return _failed(page, error)
        return Redirect("/users", status_code=303)

    return await page.site.people.offload(change)


@post("/users/{user_id:int}/disable", sync_to_thread=True, status_code=200, opt=PEOPLE)
def disable_user(page: NamedDependency[Page], user_id: FromPath[int]) -> Template | Redirect:
    """Disable a user and end all sessions."""
    return _activity(page, user_id, active=False)


@post("/users/{user_id:int}/enable", sync_to_thread=True, status_code=200, opt=PEOPLE)
def enable_user(page: NamedDependency[Page], user_id: FromPath[int]) -> Template | Redirect:
    """Enable a user again."""
    return _activity(page, user_id, active=True)


@post("/users/{user_id:int}/reset", sync_to_thread=True, status_code=200, opt=PEOPLE)
def reset_user(page: NamedDependency[Page], user_id: FromPath[int]) -> Template:
    """Offer a user a link by which a new password is set."""
    staff = page.site.people.staff
    try:
        secret = staff.reset(user_id, page.caller)
    except NotTaken as error:
        return _failed(page, error)
    user = staff.user(user_id)
    return _users(page, link=_link(page, secret), name=user.name if user else "")


def _activity(page: Page, user_id: int, *, active: bool) -> Template | Redirect:
    try:
        page.site.people.staff.set_active(user_id, active=active, by=page.caller)
    except NotTaken as error:
        return _failed(page, error)
    return Redirect("/users", status_code=303)


def _failed(page: Page, error: NotTaken) -> Template:
    if error.key == "no_user":
        raise NotFoundException(told(page, error))
    return _users(page, wrong=told(page, error))


def _grants(values: Sequence[object]) -> list[Grant]:
    """Roles as the form names them: ``operator@3``, or ``operator@0`` for everywhere; no other place is one."""
    pairs = [str(each).partition("@") for each in values]
    places = {str(EVERYWHERE): EVERYWHERE}
    return [
        Grant(role, places.get(place, row_number(place) or NOWHERE))
        for role, _, place in pairs
        if role
    ]


def _users(page: Page, *, wrong: str = "", link: str = "", name: str = "") -> Template:
    staff, inside = page.site.people.staff, page.caller.organisations(Right.PEOPLE)
    known = staff.organisations()
    places = {number: text for number, text in known.items() if inside is None or number in inside}
    if inside is None:
        places = {EVERYWHERE: page.t("people.everywhere"), **places}
    context: dict[str, object] = {
        "wrong": wrong,
        "link": link,
        "name": name,
        "users": staff.users(page.caller),
        "roles": [each.value for each in Role],
        "places": places,
    }
    return page.show("users.html", context, status_code=400 if wrong else 200)


def _link(page: Page, secret: str) -> str:
    return f"{str(page.request.base_url).rstrip('/')}/reset/{secret}"


ROUTES = (
    users_page,
    add_user,
    set_roles,
    disable_user,
    enable_user,
    reset_user,
)
