"""The web application of the head-end: pages, API and static files."""

from collections.abc import Collection
from typing import Any

from litestar import Litestar, Request, Router, get
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency, Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.static_files import create_static_files_router
from litestar.template.config import TemplateConfig

import kwhub
from kwhub.headend.api.once import Once
from kwhub.headend.api.routes import api_router
from kwhub.headend.api.site import Serves, Site
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.web import (
    alarms,
    analysis,
    analysis_area,
    archive,
    archive_files,
    areas,
    around,
    audit,
    compare,
    dashboard,
    devices,
    devices_work,
    fleet,
    lists,
    meters,
    money,
    money_files,
    money_tariffs,
    orders,
    quality,
    quality_around,
    quality_findings,
    quality_holes,
    quality_rules,
    settings,
    sign_in,
    sign_in_own,
    sign_in_staff,
    tasks,
    terminals,
    vending,
    vending_tokens,
)
from kwhub.headend.web.entrance import Entrance, caller_of, every_route_has_a_right, gate
from kwhub.headend.web.guard import Guard, secure
from kwhub.headend.web.kept import Kept
from kwhub.headend.web.page import HERE, Page, environment
from kwhub.headend.web.problems import explained
from kwhub.headend.web.serving import serve

__all__ = ["BODY_BYTES_MAX", "create_app", "description", "healthy", "serve"]

BODY_BYTES_MAX = 64 * 1024
STATIC_SECONDS = 30 * 86_400


def create_app(headend: Serves, *, hosts: Collection[str] = ()) -> Litestar:
    """Make the application of a head-end.

    Args:
        headend: whose readings are shown and through whom orders go.
        hosts: names under which the pages are reached, besides addresses and ``localhost``.

    Raises:
        ConfigError: a route does not say which right it needs.
    """
    site = Site.of(headend)
    kept = Kept(site.clock)

    def page(request: Request[Any, Any, Any]) -> Page:
        return Page.of(request, site)

    def caller(request: Request[Any, Any, Any]) -> Caller:
        return caller_of(request)

    app = Litestar(
        route_handlers=[_pages(), api_router(), _static(), healthy, description],
        dependencies={
            "site": Provide(lambda: site, sync_to_thread=False),
            "kept": Provide(lambda: kept, sync_to_thread=False),
            "page": Provide(page, sync_to_thread=False),
            "caller": Provide(caller, sync_to_thread=False),
        },
        middleware=[Guard(hosts), Entrance(site), Once(site)],
        guards=[gate(site)],
        before_send=[secure],
        exception_handlers=explained(site),
        template_config=TemplateConfig(
            instance=JinjaTemplateEngine.from_environment(environment())
        ),
        openapi_config=_openapi(),
        request_max_body_size=BODY_BYTES_MAX,
        logging_config=None,
    )
    every_route_has_a_right(app)
    app.state.live = site.live
    return app


@get("/healthz", include_in_schema=False, sync_to_thread=True, opt=needs(Right.OPEN))
def healthy(site: NamedDependency[Site]) -> dict[str, str]:
    """Whether the pages and the store behind them answer."""
    site.queries.terminals()
    return {"status": "ok"}


@get("/openapi.json", include_in_schema=False, sync_to_thread=False, opt=needs(Right.OPEN))
def description(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The description of the API (OpenAPI 3.1)."""
    return request.app.openapi_schema.to_schema()


_PAGES = (
    areas.areas_page,
    areas.areas_file,
    areas.area_page,
    areas.area_trend,
    lists.area_csv,
    meters.meter_page,
    meters.meter_curve,
    meters.curve_csv,
    meters.meter_daily,
    meters.latest_table,
    orders.place_order,
    orders.meter_orders,
    orders.order_page,
    orders.order_card,
    *sign_in.ROUTES,
    *sign_in_own.ROUTES,
    *sign_in_staff.ROUTES,
    *audit.ROUTES,
    *around.ROUTES,
    *settings.ROUTES,
    *dashboard.ROUTES,
    *fleet.ROUTES,
    *compare.ROUTES,
    *terminals.ROUTES,
    *alarms.ROUTES,
    *tasks.ROUTES,
    *devices.ROUTES,
    *devices_work.ROUTES,
    *archive_files.ROUTES,
    *archive.ROUTES,
    *money.ROUTES,
    *money_files.ROUTES,
    *money_tariffs.ROUTES,
    *vending.ROUTES,
    *vending_tokens.ROUTES,
    *analysis.ROUTES,
    *analysis_area.ROUTES,
    *quality.ROUTES,
    *quality_findings.ROUTES,
    *quality_holes.ROUTES,
    *quality_around.ROUTES,
    *quality_rules.ROUTES,
)
"""The routes of all pages."""


def _pages() -> Router:
    return Router(
        "/",
        route_handlers=_PAGES,
        dependencies={
            "listed": Provide(lists.listed_meters, sync_to_thread=True),
            "curve": Provide(meters.curve_choice, sync_to_thread=False),
        },
        include_in_schema=False,
    )


def _static() -> Router:
    return create_static_files_router(
        "/static",
        [HERE / "static"],
        cache_control=CacheControlHeader(max_age=STATIC_SECONDS, public=True),
        opt=needs(Right.OPEN),
    )


def _openapi() -> OpenAPIConfig:
    """The description of the API as plain JSON; no viewer, because viewers come from elsewhere."""
    return OpenAPIConfig(
        title="kwhub head-end",
        version=kwhub.__version__,
        description="Areas, meters, readings and orders. Decimals are strings; moments are RFC 3339.",
        openapi_router=Router(
            "/openapi", route_handlers=[], include_in_schema=False, opt=needs(Right.OPEN)
        ),
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        use_handler_docstrings=True,
        components=Components(
            security_schemes={"key": SecurityScheme(type="http", scheme="bearer")}
        ),
        security=[{"key": []}],
    )
