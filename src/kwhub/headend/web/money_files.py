"""Statements as files."""

from collections.abc import Iterator, Sequence

from litestar import Response, get
from litestar.di import NamedDependency

from kwhub.headend.people.rights import Right, needs
from kwhub.headend.web.page import Page
from kwhub.headend.web.sheets import local, table_file
from kwhub.headend.web.tables import ROWS_PER_FILE

__all__ = ["COLUMNS", "ROUTES", "statements_file"]

COLUMNS = (
    *("statement", "account", "customer", "meter", "first", "last", "kwh", "total", "currency"),
    *("issued_at", "cancelled_at", "due_kwh", "due", "due_why"),
)
"""Columns of the file; their names never change."""

_ROWS_AT_ONCE = 2_000


@get(["/bills/statements.csv", "/bills/statements.xlsx"], opt=needs(Right.BILL))
async def statements_file(page: NamedDependency[Page]) -> Response[str] | Response[bytes]:
    """Every statement, the newest first, cancelled ones among them."""
    return await page.site.people.offload(
        lambda: table_file(page.request, "statements", COLUMNS, _rows(page))
    )


def _rows(page: Page) -> Iterator[Sequence[object]]:
    zone, scope = page.site.zone, page.caller.scope(Right.BILL)
    for offset in range(0, ROWS_PER_FILE, _ROWS_AT_ONCE):
        found = page.site.billing.statements(areas=scope, limit=_ROWS_AT_ONCE, offset=offset)
        for each in found:
            draft, due = each.draft, each.due
            yield (
                *(each.id, draft.account.number, draft.account.customer, draft.account.address),
                *(draft.first, draft.last, draft.kwh, draft.total, draft.currency),
                *(local(each.issued_at, zone), local(each.cancelled_at, zone)),
                *((due.kwh, due.amount, due.why) if due is not None else (None, None, "")),
            )
        if len(found) < _ROWS_AT_ONCE:
            return


ROUTES = (statements_file,)
