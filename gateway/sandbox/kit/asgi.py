"""A small ASGI server core: routes, JSON, and the power to drop a connection without an answer.

Frameworks hide the connection; a sandbox must be able to lose an answer, so this one speaks ASGI itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
T = TypeVar("T")
H = TypeVar("H")

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
    query_string: str
    headers: dict[str, str]
    body: bytes
    params: dict[str, str] = {}
    hide_for_s: float = 0

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

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


@dataclass(slots=True)
class Node(Generic[H]):
    """What follows one part of a path. `methods`: the handlers that end here, each with the names in its path."""

    children: dict[str, Node[H]] = field(default_factory=dict)
    methods: dict[str, tuple[H, list[str]]] = field(default_factory=dict)


class Router(Generic[H]):
    """Handlers by method and path; `{name}` in a path takes one segment, and literal ones win over names."""

    def __init__(self) -> None:
        self._root: Node[H] = Node()

    def add(self, method: str, path: str, handler: H) -> None:
        node, names = self._root, []
        for part in path.strip("/").split("/"):
            if part.startswith("{"):
                names.append(part[1:-1])
            node = node.children.setdefault("{}" if part.startswith("{") else part, Node())
        node.methods[method] = (handler, names)

    def find(self, method: str, path: str) -> tuple[H, dict[str, str]]:
        """The handler and what its names stand for; raises HttpError 404 or 405."""
        node, values = self._root, []
        for part in path.strip("/").split("/"):
            child = node.children.get(part)
            if child is None:
                child = node.children.get("{}")
                values.append(part)
            if child is None or not part:
                raise HttpError(404, "not_found", f"there is no {path}")
            node = child
        if not node.methods:
            raise HttpError(404, "not_found", f"there is no {path}")
        if method not in node.methods:
            raise HttpError(405, "method_not_allowed", f"{method} is not a method of {path}")
        handler, names = node.methods[method]
        return handler, dict(zip(names, values, strict=True))

    def all(self) -> Iterator[H]:
        """Every handler."""
        nodes = [self._root]
        while nodes:
            node = nodes.pop()
            yield from (handler for handler, _ in node.methods.values())
            nodes += node.children.values()


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
            return await _drop(receive, send)
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
        query_string=scope["query_string"].decode("latin-1"),
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
    )


async def _answer(send: Send, reply: Reply) -> None:
    headers = {"content-length": str(len(reply.body)), **reply.headers}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    await send({"type": "http.response.body", "body": reply.body})


async def _drop(receive: Receive, send: Send) -> None:
    """Cut the connection. ASGI has no word for it, so it's done through uvicorn's transport, which hangs on the object
    behind `receive`; under another server a body that breaks off does the same to a client."""
    cycle = receive
    while not hasattr(cycle, "__self__") and hasattr(cycle, "__wrapped__"):
        cycle = cycle.__wrapped__
    transport = getattr(getattr(cycle, "__self__", None), "transport", None)
    if not isinstance(transport, asyncio.Transport):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        raise ConnectionResetError("the sandbox was told to lose this answer")
    transport.abort()
    for _ in range(3):  # lets uvicorn see the loss, so that it doesn't answer 500 into a closed socket
        await asyncio.sleep(0)
