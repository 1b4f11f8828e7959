"""What the frame of every page asks for by itself: branches of the tree, and news as they happen."""

from collections.abc import AsyncIterator

from litestar import get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import ServerSentEvent, ServerSentEventMessage, Template

from kwhub.headend.api.site import NUMBER_MAX, Site
from kwhub.headend.live import Broadcaster
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store import fleet
from kwhub.headend.store.fleet import Wanted
from kwhub.headend.web.page import Page

__all__ = ["BRANCH_MAX", "ROUTES", "live_news", "tree_branch"]

BRANCH_MAX = 100
"""Terminals of one branch of the tree; the list of terminals has all of them."""


@get("/tree/{area_id:int}", sync_to_thread=True, opt=needs(Right.SEE))
def tree_branch(page: NamedDependency[Page], area_id: FromPath[int]) -> Template:
    """The terminals of one area, for the tree."""
    if not 0 < area_id <= NUMBER_MAX:
        raise NotFoundException(f"area {area_id}")
    wanted = Wanted(area_id=area_id, areas=page.scope, limit=BRANCH_MAX)
    with page.site.queries.reading() as connection:
        found, total = fleet.terminals(connection, wanted)
    context = {"terminals": found, "more": max(0, total - BRANCH_MAX), "area_id": area_id}
    return page.show("tree.html", context)


@get("/live", opt=needs(Right.SEE))
async def live_news(site: NamedDependency[Site]) -> ServerSentEvent:
    """Word of what has happened, for as long as somebody listens (text/event-stream)."""
    return ServerSentEvent(_news(site.live))


async def _news(live: Broadcaster) -> AsyncIterator[ServerSentEventMessage]:
    yield ServerSentEventMessage(event="topics", data="", retry=5000)
    async for topics in live.watch():
        if topics:
            yield ServerSentEventMessage(event="topics", data=" ".join(topics))
        else:
            yield ServerSentEventMessage(comment="still here")


ROUTES = (tree_branch, live_news)
