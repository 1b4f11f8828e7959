"""The entrance of pages and API: who is asking, how often, with which right, and where that right holds."""

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from litestar import Litestar, Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Headers
from litestar.exceptions import (
    ClientException,
    HTTPException,
    NotAuthorizedException,
    NotFoundException,
    PermissionDeniedException,
)
from litestar.handlers import BaseRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from kwhub.domain.errors import ConfigError
from kwhub.headend.api.site import NUMBER_MAX, Site
from kwhub.headend.people import secret
from kwhub.headend.people.caller import NOBODY, Caller, Kind
from kwhub.headend.people.rate import Rates
from kwhub.headend.people.rights import RIGHT_KEY, Right
from kwhub.headend.store import places

__all__ = [
    "CSRF_FIELD",
    "CSRF_HEADER",
    "SAFE_METHODS",
    "SCOPED",
    "Entrance",
    "caller_of",
    "cookie_name",
    "every_route_has_a_right",
    "gate",
    "peer",
    "presented",
]

CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
STATIC = "/static"

_ZEROS = MappingProxyType(
    {"application/json": (rb"\u0000",), "application/x-www-form-urlencoded": (b"%00", b"\0")}
)
"""How the character 0 is written in a body of a kind."""

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

SCOPED: Mapping[str, Callable[[Any, int], places.Place | None]] = MappingProxyType(
    {
        "area_id": places.of_area,
        "terminal_id": places.of_terminal,
        "meter_id": places.of_meter,
        "order_id": places.of_order,
        "organisation_id": places.of_organisation,
    }
)
"""What a number in an address stands for: outside the reach of the caller nothing is there."""


class Entrance(ASGIMiddleware):
    """Finds out who is asking, and holds up whoever asks too often."""

    def __init__(self, site: Site) -> None:
        access = site.people.access
        self._people = site.people
        self._rates = Rates(site.clock, access.requests_per_s, access.requests_burst)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on with its caller, or raise HTTPException (429)."""
        connection: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope)
        caller = NOBODY
        if not scope["path"].startswith(f"{STATIC}/"):
            session, bearer = presented(connection, secure=self._people.access.secure_cookie)
            if session or bearer:
                people = self._people
                caller = await people.offload(lambda: people.identify(session, bearer))
        access = self._people.access
        self._rates.per_s, self._rates.burst = access.requests_per_s, access.requests_burst
        wait = self._rates.wait_s(caller.bucket or f"address:{peer(connection)}")
        if wait:
            raise HTTPException(
                "too many requests",
                status_code=HTTPStatus.TOO_MANY_REQUESTS,
                headers={"Retry-After": str(wait)},
            )
        scope["auth"] = scope["user"] = caller
        await next_app(scope, receive, send)


def gate(site: Site) -> Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Any]:
    """The guard of every route: right, form token, reach."""

    async def allowed(
        connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
    ) -> None:
        if connection.scope.get("method") == "OPTIONS":
            return
        _can_exist(connection)
        right, caller = handler.opt[RIGHT_KEY], caller_of(connection)
        if not caller.may(right):
            if caller.kind is Kind.NOBODY:
                raise NotAuthorizedException("", headers={"WWW-Authenticate": "Bearer"})
            raise PermissionDeniedException("")
        if isinstance(connection, Request):
            await _meant(connection, caller)
            await _storable(connection)
        await _within(site, connection, caller, right)

    return allowed


def caller_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Caller:
    """Who is asking; nobody, when the request was refused before that was found out."""
    found = connection.scope.get("auth")
    return found if isinstance(found, Caller) else NOBODY


def cookie_name(*, secure: bool) -> str:
    """The name of the session's cookie; browsers take the first one from this very host by https only."""
    return "__Host-kwhub_session" if secure else "kwhub_session"


def presented(connection: ASGIConnection[Any, Any, Any, Any], *, secure: bool) -> tuple[str, str]:
    """The session's id and the API key of a request; a key goes before a session."""
    scheme, _, key = connection.headers.get("authorization", "").partition(" ")
    bearer = key.strip() if scheme.casefold() == "bearer" else ""
    return connection.cookies.get(cookie_name(secure=secure), ""), bearer


def peer(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The address that a request comes from."""
    return connection.client.host if connection.client else "local"


def every_route_has_a_right(app: Litestar) -> None:
    """Refuse to start with a route of which nobody has said who may use it. Raises ConfigError."""
    open_routes = [
        f"{'/'.join(sorted(getattr(handler, 'http_methods', ('',))))} {route.path}"
        for route in app.routes
        for handler in getattr(route, "route_handlers", (getattr(route, "route_handler", None),))
        if handler is not None
        and getattr(handler, "http_methods", None) != {"OPTIONS"}
        and not isinstance(handler.opt.get(RIGHT_KEY), Right)
    ]
    if open_routes:
        raise ConfigError(f"routes without a right: {', '.join(open_routes)}")


async def _meant(request: Request[Any, Any, Any], caller: Caller) -> None:
    """A session changes something only with its token: a foreign page cannot know it."""
    if request.method in SAFE_METHODS or caller.kind is not Kind.USER:
        return
    token = request.headers.get(CSRF_HEADER, "")
    if not token and _is_form(request.headers):
        token = str((await request.form()).get(CSRF_FIELD, ""))
    if not secret.same(token, caller.csrf):
        raise PermissionDeniedException("the form has run out; load the page again")


async def _storable(request: Request[Any, Any, Any]) -> None:
    """No text of a body has the character 0, which PostgreSQL does not take. Raises ClientException."""
    kind = request.headers.get("content-type", "").partition(";")[0]
    signs = _ZEROS.get(kind, ())
    body = await request.body() if signs else b""
    if any(sign in body for sign in signs):
        raise ClientException("no text has the character 0 in it")


async def _within(
    site: Site, connection: ASGIConnection[Any, Any, Any, Any], caller: Caller, right: Right
) -> None:
    """Whatever an address names lies within the caller's reach. Raises NotFoundException."""
    if right is Right.OPEN or caller.scope(right) is None:
        return
    for name, where in SCOPED.items():
        if name not in connection.path_params:
            continue
        number = int(connection.path_params[name])
        place = await site.people.offload(partial(_found, site, where, number))
        if place is None or not place.within(caller.scope(right), caller.organisations(right)):
            raise NotFoundException(f"{name.removesuffix('_id')} {number}")


def _can_exist(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Numbers in an address are numbers of rows. Raises NotFoundException for what no row can have."""
    for name, value in connection.path_params.items():
        if isinstance(value, int) and not 0 < value <= NUMBER_MAX:
            raise NotFoundException(f"{name.removesuffix('_id')} {value}")


def _found(
    site: Site, where: Callable[[Any, int], places.Place | None], number: int
) -> places.Place | None:
    with site.queries.reading() as connection:
        return where(connection, number)


def _is_form(headers: Headers) -> bool:
    return headers.get("content-type", "").startswith(_FORMS)
