"""What is seen of every request: its id, one line in the log, two metrics.

The outermost layer, so that it also sees what no route matched. A line holds neither body nor query, cookie or token;
and no path that matched no route, since that may hold anything.
"""

from __future__ import annotations

import time
from typing import Any, Final

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from gateway.api.auth import Principal
from gateway.api.request_id import request_id
from gateway.settings import Settings

log = structlog.get_logger()

REQUESTS: Final = Counter("tollbridge_http_requests", "Requests answered.", ["method", "route", "status"])
SECONDS: Final = Histogram("tollbridge_http_request_seconds", "Time to the end of the answer.", ["method", "route"])
METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
ONLY_TLS: Final = (b"strict-transport-security", b"max-age=31536000")
"""A year, of this host alone: what else there is below its name is not ours to judge (RFC 6797, 6.1)."""
QUIET: Final = ("/health/", "/metrics")


def observed(app: ASGIApp, settings: Settings) -> ASGIApp:
    """`app` with every request of it seen, and with the headers that every answer has."""
    of_all = [(b"x-content-type-options", b"nosniff"), *([ONLY_TLS] if settings.over_tls else [])]

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        identity, status, began = request_id(scope), 500, time.perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *of_all, *_headers(scope["path"], identity)]
            await send(message)

        try:
            await app(scope, receive, answer)
        finally:
            _note(scope, identity, status, time.perf_counter() - began)

    return handle


def _headers(path: str, identity: str) -> list[tuple[bytes, bytes]]:
    headers = [(b"request-id", identity.encode())]
    if path.startswith("/v1/"):
        headers.append((b"cache-control", b"no-store"))
    return headers


def _note(scope: Any, identity: str, status: int, seconds: float) -> None:
    method = scope["method"] if scope["method"] in METHODS else "OTHER"
    route = scope.get("path_template") or "unmatched"
    REQUESTS.labels(method, route, status).inc()
    SECONDS.labels(method, route).observe(seconds)
    user = scope.get("user")
    line: dict[str, Any] = {"request_id": identity, "method": method, "route": route, "status": status}
    if route != "unmatched":
        line["path"] = scope["path"]
    if isinstance(user, Principal):
        line |= {"caller": user.id, "account": user.account}
    say = log.debug if route.startswith(QUIET) else log.info
    say("request", **line, ms=round(seconds * 1000, 1))
