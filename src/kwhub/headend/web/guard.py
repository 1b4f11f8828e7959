"""What every request must pass and every answer must carry, so that other sites cannot use this one."""

from collections.abc import Collection
from http import HTTPStatus
from ipaddress import ip_address
from types import MappingProxyType
from urllib.parse import urlsplit

from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.exceptions import ClientException, PermissionDeniedException
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["SECURITY_HEADERS", "Guard", "host_allowed", "same_site", "secure"]

SECURITY_HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
)
"""Sent with every answer: nothing but this server's own files may run, load or be framed."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard(ASGIMiddleware):
    """Refuses requests to foreign host names, and orders that another site makes the browser send."""

    def __init__(self, hosts: Collection[str]) -> None:
        """Answer to these host names, besides addresses and ``localhost``."""
        self._hosts = frozenset(host.lower() for host in hosts)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on or raise ClientException or PermissionDeniedException."""
        headers = Headers.from_scope(scope)
        if "\0" in scope["path"] or b"%00" in scope.get("query_string", b""):
            raise ClientException("no text has the character 0 in it")
        if not host_allowed(headers.get("host", ""), self._hosts):
            raise ClientException("", status_code=HTTPStatus.MISDIRECTED_REQUEST)
        if scope.get("method") not in _SAFE_METHODS and not same_site(headers):
            raise PermissionDeniedException("")
        await next_app(scope, receive, send)


def host_allowed(host: str, names: Collection[str]) -> bool:
    """Whether a Host header names this server.

    A page of another site can make its own *name* point here (DNS rebinding), never an address: so
    addresses are welcome and names must be known.

    >>> host_allowed("127.0.0.1:8080", ()), host_allowed("evil.example:8080", ())
    (True, False)
    """
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    if not name:
        return False
    if name == "localhost" or name in names:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def same_site(headers: Headers) -> bool:
    """Whether a request that changes something comes from this site or from no site at all.

    Browsers say so in Sec-Fetch-Site (W3C Fetch Metadata); older ones at least send Origin.
    Programs send neither.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


async def secure(message: Message, _scope: Scope) -> None:
    """Add the security headers to an answer, whatever made it."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in SECURITY_HEADERS.items():
            headers[name] = value
