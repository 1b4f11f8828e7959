"""Requests that make something, once: the same Idempotency-Key again brings the same answer.

Source: draft-ietf-httpapi-idempotency-key-header-07. Orders and tasks keep the key in their own rows; everything
else that is marked with `once` goes through here. The key is taken before the work begins, in the database: two
requests at a time, another process or a restart make nothing twice. Where a crash came between work and answer nobody
knows what became of it, and the next request with the key is told so instead of doing it again.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.exceptions import ClientException, HTTPException
from litestar.middleware import ASGIMiddleware
from litestar.openapi.spec import Operation, Parameter, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.types import ASGIApp, HTTPRequestEvent, Message, Receive, Scope, Send
from sqlalchemy.exc import IntegrityError

from kwhub.headend.api.site import Site
from kwhub.headend.orders.desk import KEY_CHARACTERS_MAX
from kwhub.headend.people.caller import Caller, Kind
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store import answered_rows
from kwhub.headend.store.answered_rows import Answered
from kwhub.headend.store.database import StoreError

__all__ = ["HEADER", "Once", "OnceOperation", "once"]

HEADER = "Idempotency-Key"

_MARK = "once"
_BAD = HTTPStatus.BAD_REQUEST
_log = structlog.get_logger("kwhub.headend.api")


def once(right: Right) -> dict[str, Any]:
    """The arguments of a route that makes something and takes an Idempotency-Key: ``@post("/x", **once(right))``."""
    return {"opt": {**needs(right), _MARK: True}, "operation_class": OnceOperation}


@dataclass
class OnceOperation(Operation):
    """An operation of the description that says that it takes the header."""

    def __post_init__(self) -> None:
        """Add the header to the parameters."""
        words = (
            "Names this request, in at most 300 characters: sent again with the same content it brings the same "
            "answer and makes nothing twice, for seven days."
        )
        schema = Schema(type=OpenAPIType.STRING, max_length=KEY_CHARACTERS_MAX)
        own = Parameter(name=HEADER, param_in="header", schema=schema, description=words)
        self.parameters = [*(self.parameters or ()), own]


class Once(ASGIMiddleware):
    """Answers a request that was answered before, as long as its key is remembered."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, site: Site) -> None:
        self._site = site

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass a request on the first time.

        Raises:
            ClientException: the key is too long, at work, or belongs to something else.
        """
        handler: Any = scope["route_handler"]
        headers, caller = Headers.from_scope(scope), scope.get("auth")
        key = headers.get(HEADER.lower(), "") if handler.opt.get(_MARK) else ""
        if not key or not isinstance(caller, Caller) or caller.kind is Kind.NOBODY:
            await next_app(scope, receive, send)
            return
        if len(key) > KEY_CHARACTERS_MAX or not key.isprintable():
            raise ClientException(f"{HEADER}: at most {KEY_CHARACTERS_MAX} printable characters")
        body = await _body(receive, handler.resolve_request_max_body_size())
        taken = _Taken(self._site, f"user {caller.user_id}", key, _digest(scope, headers, body))
        before = await taken.begin()
        if before is None:
            await taken.first(next_app, scope, _told(body, receive), send)
        else:
            await _again(before, send)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A key that somebody uses for a request."""

    site: Site
    who: str
    key: str
    digest: bytes

    async def begin(self) -> Answered | None:
        """Take the key; the answer when there is one already. Raises ClientException."""
        before = await self.site.people.offload(self._begin)
        if before is None:
            return None
        if before.digest != self.digest:
            raise ClientException(
                f"this {HEADER} belongs to a request with other content",
                status_code=HTTPStatus.UNPROCESSABLE_ENTITY,
            )
        if before.status is None:
            raise ClientException(
                f"the first request with this {HEADER} has no answer yet, or was cut off: look whether it was done",
                status_code=HTTPStatus.CONFLICT,
            )
        return before

    async def first(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Do it; the answer is kept before it is sent."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        try:
            await app(scope, receive, keep)
        except Exception:
            await self.site.people.offload(self._forget)
            raise
        await self.site.people.offload(partial(self._finish, messages))
        for message in messages:
            await send(message)

    def _begin(self) -> Answered | None:
        database, now = self.site.store.database, self.site.clock.now()
        try:
            with database.write() as connection:
                if found := answered_rows.find(connection, self.who, self.key):
                    return found
                answered_rows.begin(connection, self.who, self.key, self.digest, now)
        except IntegrityError:  # another request took it meanwhile
            with database.read() as connection:
                return answered_rows.find(connection, self.who, self.key)
        return None

    def _finish(self, messages: Sequence[Message]) -> None:
        answer = _answer(self.digest, messages)
        if answer is None:
            self._forget()
            return
        try:
            with self.site.store.database.write() as connection:
                answered_rows.finish(connection, self.who, self.key, answer)
        except (
            StoreError
        ) as error:  # it is done all the same; the next request is told that nobody knows
            _log.error("answer_not_kept", error=str(error))

    def _forget(self) -> None:
        try:
            with self.site.store.database.write() as connection:
                answered_rows.forget(connection, self.who, self.key)
        except StoreError as error:
            _log.error("key_not_given_back", error=str(error))


async def _body(receive: Receive, bytes_max: Any) -> bytes:
    """The whole body of a request. Raises HTTPException (413)."""
    parts: list[bytes] = []
    size = 0
    while True:
        message: Any = await receive()
        if message["type"] != "http.request":
            raise ClientException("the request was cut off")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if isinstance(bytes_max, int) and size > bytes_max:
            raise HTTPException("", status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if not message.get("more_body"):
            return b"".join(parts)


def _told(body: bytes, receive: Receive) -> Receive:
    """A body that was read already, for whoever reads it next."""
    left: list[HTTPRequestEvent] = [{"type": "http.request", "body": body, "more_body": False}]

    async def read() -> Any:
        return left.pop() if left else await receive()

    return read


def _digest(scope: Scope, headers: Headers, body: bytes) -> bytes:
    """What tells requests apart: where they go, and what they say however it is written down."""
    kind, _, rest = headers.get("content-type", "").partition(";")
    if kind == "multipart/form-data":
        boundary = rest.partition("boundary=")[2].strip('" ').encode()
        body = body.replace(b"--" + boundary, b"--") if boundary else body
    elif kind == "application/json":
        with suppress(msgspec.MsgspecError):  # it will be refused for that
            body = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    where = f"{scope.get('method')} {scope['path']}?".encode() + scope.get("query_string", b"")
    return hashlib.sha256(b"%d %b%b" % (len(where), where, body)).digest()


def _answer(digest: bytes, messages: Sequence[Message]) -> Answered | None:
    """What is to be kept; None when nothing was made."""
    start: Any = next((each for each in messages if each["type"] == "http.response.start"), None)
    if start is None or start["status"] >= _BAD:
        return None
    heads = {name.lower(): value for name, value in start["headers"]}
    bodies: list[Any] = [each for each in messages if each["type"] == "http.response.body"]
    body = b"".join(each.get("body", b"") for each in bodies)
    return Answered(digest, start["status"], heads.get(b"content-type", b"").decode(), body)


async def _again(before: Answered, send: Send) -> None:
    """Send an answer that was kept."""
    headers = [
        (b"content-type", before.media_type.encode()),
        (b"content-length", str(len(before.body)).encode()),
        (b"idempotency-replayed", b"true"),
    ]
    await send(
        {
            "type": "http.response.start",
            "status": before.status or HTTPStatus.OK,
            "headers": headers,
        }
    )
    await send({"type": "http.response.body", "body": before.body, "more_body": False})
