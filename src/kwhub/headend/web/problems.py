"""Errors as pages in the reader's language, or as problem documents for programs."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeAlias

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.response import Template

from kwhub.headend.api.problems import detail_of, problem
from kwhub.headend.api.site import Site
from kwhub.headend.store.database import StoreError
from kwhub.headend.web.page import Page

__all__ = ["explained"]

API_PREFIX = "/api/"

Handler: TypeAlias = Callable[[Request[Any, Any, Any], Exception], Response[Any]]

_log = structlog.get_logger("kwhub.headend.web")


def explained(site: Site) -> dict[int | type[Exception], Handler]:
    """The exception handlers of the application; nobody outside ever sees a traceback."""

    def wrong_request(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type only
        if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return our_fault(request, error)
        return _answer(site, request, error.status_code, detail_of(error))

    def store_silent(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        _log.error("store_failed", path=request.url.path, error=str(error))
        return _answer(site, request, HTTPStatus.SERVICE_UNAVAILABLE, "")

    def our_fault(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        _log.error("request_failed", path=request.url.path, exc_info=error)
        return _answer(site, request, HTTPStatus.INTERNAL_SERVER_ERROR, "")

    return {HTTPException: wrong_request, StoreError: store_silent, Exception: our_fault}


def _answer(
    site: Site, request: Request[Any, Any, Any], status: int, detail: str
) -> Response[Any] | Template:
    if request.url.path.startswith(API_PREFIX):
        return problem(request, status, detail)
    page = Page.of(request, site)
    known = f"problem.{status}" in page.t.table
    shown = status if known else HTTPStatus.BAD_REQUEST.value
    return page.show(
        "problem.html", {"status": int(shown), "detail": detail}, status_code=int(status)
    )
