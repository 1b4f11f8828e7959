"""One page of a list as tables show it: its columns, its neighbours, its files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Protocol, TypeAlias, TypeVar

from litestar.params import QueryParameter

from kwhub.headend.api.site import SEARCH_MAX
from kwhub.headend.web.page import query

__all__ = [
    "ROWS_PER_FILE",
    "ROWS_PER_PAGE",
    "Asked",
    "Column",
    "Head",
    "Listing",
    "PageNumber",
    "Search",
    "StateName",
    "offset_of",
    "rows_of_file",
]

T = TypeVar("T")

ROWS_PER_PAGE = 50
ROWS_PER_FILE = 200_000
"""Most rows of one file; more than that is fetched through the API in pages."""

_ROWS_AT_ONCE = 2_000

Search: TypeAlias = Annotated[str, QueryParameter(max_length=SEARCH_MAX)]
StateName: TypeAlias = Annotated[str, QueryParameter(name="state")]
"""The parameter ``state``; the word is taken inside the framework."""

PageNumber: TypeAlias = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column: its text, where a click on it leads, and how it is sorted now."""

    text: str
    numeric: bool
    href: str
    order: str  #: ascending, descending or empty


@dataclass(frozen=True, slots=True)
class Head:
    """What a list says of one of its columns."""

    name: str
    numeric: bool = False
    sortable: bool = False
    falling_first: bool = False  #: a first click puts the largest first


class Asked(Protocol):
    """What the address of a list asks for; a list that can be sorted has ``sort`` and ``descending`` too."""

    @property
    def page(self) -> int:
        """From 1."""

    @property
    def parameters(self) -> Mapping[str, object]:
        """The filter as it stands in addresses."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """One page of rows.

    Attributes:
        path: of the page, such as ``/alarms``; its files lie at ``<path>.csv`` and ``<path>.xlsx``.
        asked: what the filter says, by name of the parameter.
        rows: of this page.
        total: rows of all pages.
    """

    path: str
    heads: Sequence[Head]
    asked: Mapping[str, object]
    rows: Sequence[T]
    total: int
    page: int = 1
    sort: str = ""
    descending: bool = False
    per_page: int = ROWS_PER_PAGE
    files: bool = field(default=True)

    @classmethod
    def of(
        cls, path: str, heads: Sequence[Head], asked: Asked, rows: Sequence[T], total: int
    ) -> "Listing[T]":
        """The page that a filter asks for."""
        return cls(
            path=path,
            heads=heads,
            asked=asked.parameters,
            rows=rows,
            total=total,
            page=asked.page,
            sort=getattr(asked, "sort", ""),
            descending=getattr(asked, "descending", False),
        )

    @property
    def first(self) -> int:
        """Number of the first row shown, from 1."""
        return (self.page - 1) * self.per_page + 1

    @property
    def last(self) -> int:
        """Number of the last row shown."""
        return self.first + len(self.rows) - 1

    @property
    def previous(self) -> str:
        """Address of the page before; empty on the first one."""
        return self.href(page=self.page - 1) if self.page > 1 else ""

    @property
    def next(self) -> str:
        """Address of the page after; empty on the last one."""
        return self.href(page=self.page + 1) if self.rows and self.last < self.total else ""

    @property
    def here(self) -> str:
        """Address of this very page, for parts that renew themselves."""
        return self.href(page=self.page)

    @property
    def csv(self) -> str:
        """Address of all pages as a file; always with a question mark."""
        return self._file(".csv")

    @property
    def xlsx(self) -> str:
        """The same as a workbook."""
        return self._file(".xlsx")

    @property
    def columns(self) -> list[Column]:
        """The heads of the table."""
        return [self._column(each) for each in self.heads]

    def href(
        self, suffix: str = "", *, page: int = 1, sort: str = "", falling: bool | None = None
    ) -> str:
        """Address of another page of this list."""
        descending = self.descending if falling is None else falling
        given: dict[str, Any] = {
            **self.asked,
            "sort": sort or self.sort,
            "desc": 1 if descending else None,
            "page": page if page > 1 else None,
        }
        asked = query(**given)
        return f"{self.path}{suffix}{asked if asked != '?' else ''}"

    def _file(self, suffix: str) -> str:
        if not self.files:
            return ""
        found = self.href(suffix)
        return found if "?" in found else f"{found}?page=1"

    def _column(self, head: Head) -> Column:
        if not head.sortable:
            return Column(head.name, head.numeric, "", "")
        chosen = head.name == self.sort
        order = ("descending" if self.descending else "ascending") if chosen else ""
        falling = not self.descending if chosen else head.falling_first
        return Column(head.name, head.numeric, self.href(sort=head.name, falling=falling), order)


def offset_of(asked: Asked) -> int:
    """Rows before the page that is asked for."""
    return (asked.page - 1) * ROWS_PER_PAGE


def rows_of_file(
    find: Callable[[int, int], tuple[Sequence[T], int]],
    row: Callable[[T], Sequence[object]],
) -> Iterator[Sequence[object]]:
    """All rows of a list for a file, a part at a time.

    Args:
        find: a part of the list by limit and offset, with how many there are.
        row: the cells of one.
    """
    for offset in range(0, ROWS_PER_FILE, _ROWS_AT_ONCE):
        found, _ = find(_ROWS_AT_ONCE, offset)
        yield from map(row, found)
        if len(found) < _ROWS_AT_ONCE:
            return
