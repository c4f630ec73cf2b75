"""What a sandbox server is made of: requests, replies, routes, and an answer that is none. `app.py` speaks ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec

T = TypeVar("T")
H = TypeVar("H")


class HttpError(Exception):
    """An error answer: `status`, the machine-readable `code` and a sentence."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}


class Request(msgspec.Struct):
    """`hide_for_s` is a `hidden` fault: what this call makes stays invisible to look-ups for so long.

    `reached` is the address of ours that the caller has reached.
    """

    method: str
    path: str
    query_string: str
    headers: dict[str, str]
    body: bytes
    params: dict[str, str] = {}
    hide_for_s: float = 0
    reached: str = ""

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
    """`pace_s`: the body is sent in pieces, over so long."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = {}
    pace_s: float = 0


class Ending(Enum):
    """How a connection ends that gets no answer: closed, reset (RST), held until the caller leaves, or the whole
    server is gone for a while."""

    CUT = "cut"
    RESET = "reset"
    HOLD = "hold"
    REFUSE = "refuse"


class Lost(Exception):  # noqa: N818 - not an error: the sandbox was told to lose this answer
    """There is to be no answer. `for_s`: how long at most it holds, or refuses."""

    def __init__(self, ending: Ending = Ending.CUT, for_s: float = 0) -> None:
        super().__init__(ending.value)
        self.ending, self.for_s = ending, for_s


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
