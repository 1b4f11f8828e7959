"""Errors of the API as problem documents (RFC 9457), without the inside of the server."""

from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from kwhub.headend.api.shapes import Problem

__all__ = ["PROBLEM_TYPE", "detail_of", "problem"]

PROBLEM_TYPE = "application/problem+json"


def detail_of(error: HTTPException) -> str:
    """What was wrong with the request, in one line; empty when the status says all."""
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        places = (
            f"{each.get('key', '')}: {each.get('message', '')}".strip(": ")
            for each in error.extra
            if isinstance(each, dict)
        )
        return "; ".join(places)
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ""
    return "" if error.detail == HTTPStatus(error.status_code).phrase else error.detail


def problem(request: Request[Any, Any, Any], status: int, detail: str) -> Response[bytes]:
    """Answer with a problem document."""
    body = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
    )
    return Response(msgspec.json.encode(body), status_code=status, media_type=PROBLEM_TYPE)
