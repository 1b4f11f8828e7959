"""What stands around every page: the navigation, the tree of areas, the theme and the shortcuts."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.routes import HTTPRoute

from kwhub.headend.archive import lists
from kwhub.headend.people.rights import RIGHT_KEY, Right
from kwhub.headend.store.database import StoreError
from kwhub.headend.store.fleet import Branch, branches
from kwhub.headend.store.queries import Queries

__all__ = [
    "LIVE_PATH",
    "NAVIGATION",
    "THEMES",
    "THEME_COOKIE",
    "TREE_COOKIE",
    "TREE_MAX",
    "Entry",
    "Organisation",
    "Shell",
    "Tree",
    "at",
    "entries",
    "pages_of",
    "shell_of",
    "theme_of",
    "tree_of",
]

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "kwhub_theme"
TREE_COOKIE = "kwhub_tree"

LIVE_PATH = "/live"

TREE_MAX = 400
"""Areas in the tree; where there are more, the list of areas and the search lead further."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A place in the navigation."""

    key: str  #: of its text, ``nav.<key>``
    href: str
    shortcut: str  #: pressed after g


NAVIGATION = (
    Entry("dashboard", "/", "d"),
    Entry("areas", "/areas", "a"),
    Entry("meters", "/meters", "m"),
    Entry("terminals", "/terminals", "t"),
    Entry("tasks", "/tasks", "k"),
    Entry("alarms", "/alarms", "l"),
    Entry("completeness", "/completeness", "c"),
    Entry("loss", "/loss", "o"),
    Entry("bills", "/bills", "b"),
    Entry("vending", "/vending", "v"),
    Entry("archive", "/archive", "r"),
    Entry("devices", "/devices", "h"),
    Entry("users", "/users", "u"),
    Entry("audit", "/audit", "x"),
    Entry("settings", "/settings", "s"),
)
"""Every page that the navigation may lead to; it shows those that exist and that the reader may open."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation in the tree; number 0 holds the areas that belong to none.

    Attributes:
        below: organisations of this one.
        branches: its own areas.
    """

    id: int
    code: str
    name: str
    name_zh: str
    below: list["Organisation"]
    branches: list[Branch]

    @property
    def terminals(self) -> int:
        """Terminals of all areas below."""
        own = sum(each.terminals for each in self.branches)
        return own + sum(each.terminals for each in self.below)

    @property
    def online(self) -> int:
        """How many of them are connected."""
        own = sum(each.online for each in self.branches)
        return own + sum(each.online for each in self.below)


@dataclass(frozen=True, slots=True)
class Tree:
    """Organisations with what is below them, down to the areas, at the left of every page."""

    organisations: list[Organisation]
    more: int  #: areas that have no place in the tree


@dataclass(frozen=True, slots=True)
class Shell:
    """The frame of one page."""

    entries: list[Entry]
    at: str  #: the entry that the page belongs to; empty for none
    theme: str
    tree_hidden: bool
    live: bool  #: something tells the page when things happen
    tree: Tree


def pages_of(request: Request[Any, Any, Any]) -> Mapping[str, Right]:
    """The path of every page without parameters that can be opened, and the right that it needs."""
    found = {}
    for route in request.app.routes:
        if isinstance(route, HTTPRoute) and "GET" in route.route_handler_map:
            handler, _ = route.route_handler_map["GET"]
            found[route.path] = handler.opt.get(RIGHT_KEY, Right.SEE)
    return found


def entries(pages: Mapping[str, Right], rights: Collection[Right]) -> list[Entry]:
    """The places that exist and that somebody with these rights may go to."""
    return [each for each in NAVIGATION if each.href in pages and pages[each.href] in rights]


def at(path: str) -> str:
    """The entry that a path belongs to.

    >>> at("/areas/7"), at("/"), at("/orders/3")
    ('areas', 'dashboard', '')
    """
    for each in NAVIGATION:
        if path == each.href or (each.href != "/" and path.startswith(f"{each.href}/")):
            return each.key
    return ""


def theme_of(asked: str | None, remembered: str | None) -> str:
    """The theme that was asked for, else the remembered one, else that of the reader's system.

    >>> theme_of("dark", "light"), theme_of("pink", None)
    ('dark', 'auto')
    """
    for each in (asked, remembered):
        if each in THEMES:
            return each
    return THEMES[0]


def tree_of(queries: Queries, archive: lists.ArchiveLists, scope: Collection[int] | None) -> Tree:
    """The tree; an empty one when the store does not answer, so that an error page can still be shown."""
    try:
        grown = archive.tree(scope)
        with queries.reading() as connection:
            found = branches(connection, scope)
    except StoreError:
        return Tree([], 0)
    held = {each.id for each in _leaves(grown)}
    known = [each for each in found if each.id in held]
    shown = {each.id: each for each in known[:TREE_MAX]}
    return Tree([_organisation(each, shown) for each in grown], max(0, len(known) - TREE_MAX))


def _leaves(grown: Iterable[lists.Branch]) -> Iterator[lists.AreaLeaf]:
    for each in grown:
        yield from each.areas
        yield from _leaves(each.branches)


def _organisation(one: lists.Branch, shown: Mapping[int, Branch]) -> Organisation:
    below = [_organisation(each, shown) for each in one.branches]
    own = [shown[each.id] for each in one.areas if each.id in shown]
    return Organisation(one.id, one.code, one.name, one.name_zh, below, own)


def shell_of(
    request: Request[Any, Any, Any],
    queries: Queries,
    archive: lists.ArchiveLists,
    rights: Collection[Right],
    scope: Collection[int] | None,
) -> Shell:
    """The frame of the page that a request asks for."""
    cookies, asked = request.cookies, request.query_params
    pages = pages_of(request)
    return Shell(
        entries=entries(pages, rights),
        at=at(request.url.path),
        theme=theme_of(asked.get("theme"), cookies.get(THEME_COOKIE)),
        tree_hidden=cookies.get(TREE_COOKIE) == "hidden",
        live=pages.get(LIVE_PATH) in rights,
        tree=tree_of(queries, archive, scope) if Right.SEE in rights else Tree([], 0),
    )
