"""Errors as pages in the reader's language, or as problem documents for programs."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlencode

import structlog
from litestar import Request, Response
from litestar.exceptions import ClientException, HTTPException
from litestar.response import Redirect, Template

from kwhub.domain.errors import KwhubError
from kwhub.headend.api.problems import detail_of, problem
from kwhub.headend.api.site import Site
from kwhub.headend.store.database import StoreError
from kwhub.headend.web.entrance import SAFE_METHODS
from kwhub.headend.web.page import Page
from kwhub.headend.web.refusals import said

__all__ = ["Declined", "declined", "done", "explained"]

API_PREFIX = "/api/"
SIGN_IN = "/sign-in"

T = TypeVar("T")

Handler: TypeAlias = Callable[[Request[Any, Any, Any], Exception], Response[Any]]

_log = structlog.get_logger("kwhub.headend.web")


class Declined(ClientException):
    """What a page was asked to do is refused; the request itself was understood.

    Attributes:
        back: the page to go on from.
    """

    def __init__(self, error: KwhubError, back: str = "/") -> None:
        super().__init__(str(error))
        self.back = back


async def done(work: Awaitable[T], back: str = "/") -> T:
    """What some work brings. Raises Declined when it is refused, and StoreError."""
    try:
        return await work
    except StoreError:
        raise
    except KwhubError as error:
        raise Declined(error, back) from error


def declined(page: Page, detail: str, back: str = "/") -> Template:
    """The page that says what was refused and why."""
    context = {"status": "declined", "detail": said(page.t, detail), "back": back}
    return page.show("problem.html", context, status_code=400)


def explained(site: Site) -> dict[int | type[Exception], Handler]:
    """The exception handlers of the application; nobody outside ever sees a traceback."""

    def wrong_request(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type only
        if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return our_fault(request, error)
        if isinstance(error, Declined):
            return declined(Page.of(request, site), error.detail, error.back)
        answer = _to_sign_in(request) if error.status_code == HTTPStatus.UNAUTHORIZED else None
        answer = answer or _answer(site, request, error.status_code, detail_of(error))
        for name, value in (error.headers or {}).items():
            answer.headers[name] = value
        return answer

    def store_silent(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        _log.error("store_failed", path=request.url.path, error=str(error))
        return _answer(site, request, HTTPStatus.SERVICE_UNAVAILABLE, "")

    def our_fault(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        _log.error("request_failed", path=request.url.path, exc_info=error)
        return _answer(site, request, HTTPStatus.INTERNAL_SERVER_ERROR, "")

    return {HTTPException: wrong_request, StoreError: store_silent, Exception: our_fault}


def _to_sign_in(request: Request[Any, Any, Any]) -> Response[Any] | None:
    """Lead a reader whom nobody knows to the log-in, and from there back; None for a program."""
    if request.url.path.startswith(API_PREFIX):
        return None
    back = request.url.path
    if query := request.url.query:
        back = f"{back}?{query}"
    if request.headers.get("hx-request") == "true":
        return Response("", status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": SIGN_IN})
    if request.method not in SAFE_METHODS:
        return Redirect(SIGN_IN, status_code=303)
    return Redirect(f"{SIGN_IN}?{urlencode({'next': back})}", status_code=303)


def _answer(
    site: Site, request: Request[Any, Any, Any], status: int, detail: str
) -> Response[Any] | Template:
    if request.url.path.startswith(API_PREFIX):
        return problem(request, status, detail)
    page = Page.of(request, site)
    known = f"problem.{status}" in page.t.table
    shown = status if known else HTTPStatus.BAD_REQUEST.value
    return page.show(
        "problem.html",
        {"status": int(shown), "detail": said(page.t, detail), "back": "/"},
        status_code=int(status),
    )
