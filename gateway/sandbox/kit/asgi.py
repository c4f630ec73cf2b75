"""A small ASGI server core: routes, JSON, and the power to drop a connection without an answer.

Frameworks hide the connection; a sandbox must be able to lose an answer, so this one speaks ASGI itself.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
T = TypeVar("T")

MAX_BODY_BYTES = 1 << 20


class HttpError(Exception):
    """An error answer: `status`, the machine-readable `code` and a sentence."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}


class Request(msgspec.Struct):
    """`hide_for_s` is a `hidden` fault: what this call makes stays invisible to look-ups for so long."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    params: dict[str, str] = {}
    hide_for_s: float = 0

    def bearer(self) -> str:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    def read(self, kind: type[T]) -> T:
        """The JSON body, an empty one as `{}`; raises HttpError 400."""
        try:
            return msgspec.json.decode(self.body or b"{}", type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise HttpError(400, "invalid_request", f"the body can't be read: {error}") from None

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


class Reply(msgspec.Struct):
    status: int
    body: bytes = b""
    headers: dict[str, str] = {}


class Lost(Exception):  # noqa: N818 - not an error: the sandbox was told to lose this answer
    """The connection is to be dropped without an answer."""


def json_reply(content: object, status: int = 200, **headers: str) -> Reply:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, msgspec.json.encode(content), {"content-type": "application/json", **fields})


def error_reply(error: HttpError) -> Reply:
    return json_reply({"error": {"code": error.code, "message": error.message}}, error.status, **error.headers)


def html_reply(page: str, status: int = 200) -> Reply:
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": policy}
    return Reply(status, page.encode(), headers | {"cache-control": "no-store", "x-frame-options": "DENY"})


Handler = Callable[[Request], Awaitable[Reply]]


class Router:
    """Handlers by method and path; `{name}` in a path takes one segment."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, method: str, path: str, handler: Handler) -> None:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
        self._routes.append((method, re.compile(pattern), handler))

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]]:
        """Raises HttpError 404 or 405."""
        known = False
        for allowed, pattern, handler in self._routes:
            if found := pattern.fullmatch(path):
                if allowed == method:
                    return handler, found.groupdict()
                known = True
        if known:
            raise HttpError(405, "method_not_allowed", f"{method} is not a method of {path}")
        raise HttpError(404, "not_found", f"there is no {path}")


class App:
    """The ASGI application around one handler, with what must run beside it."""

    def __init__(self, handler: Handler, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]):
        self._handler, self._start, self._stop = handler, start, stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._lifespan(receive, send)
        if scope["type"] != "http":
            return None
        try:
            request = await _read(scope, receive)
            reply = await self._handler(request)
        except HttpError as error:
            reply = error_reply(error)
        except Lost:
            return await _drop(send)
        return await _answer(send, reply)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})


async def _read(scope: Scope, receive: Receive) -> Request:
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Lost
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            raise HttpError(413, "too_large", f"a body has at most {MAX_BODY_BYTES} bytes")
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
    )


async def _answer(send: Send, reply: Reply) -> None:
    headers = {"content-length": str(len(reply.body)), **reply.headers}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    await send({"type": "http.response.body", "body": reply.body})


async def _drop(send: Send) -> None:
    """Cut the connection. ASGI has no word for it, so it's done through uvicorn's transport where there is one."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if not isinstance(transport, asyncio.Transport):
        raise ConnectionResetError("the sandbox was told to lose this answer")
    transport.abort()
    for _ in range(3):  # lets uvicorn see the loss, so that it doesn't answer 500 into a closed socket
        await asyncio.sleep(0)
