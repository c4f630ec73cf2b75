"""HTTP between the parts of a history, without sockets: the same clients, the same applications, nothing in between.

Every call that a process of the gateway makes is a point. One whose server dies breaks off, as a client would see it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs

import httpcore
import httpx
import msgspec

from db import sql
from gateway.sandbox.practice.keys import InBody
from tests.support.points import Point, journal
from tests.support.process import CURRENT, DeadProcessError, Process, outside

GATEWAY: Final = "http://gateway.test"
STRIPE: Final = "http://stripe.test"
PRACTICE: Final = "http://practice.test"
MERCHANT: Final = "http://merchant.test"

ID: Final = re.compile(r"/(?!v\d)[a-z]+_[A-Za-z0-9]+")

METER_EVENTS: Final = "/v1/billing/meter_events"
INTENTS: Final = {
    re.compile("/v1/charges"): "select exists (select from tollbridge.attempt where idempotency_key::text = $1)",
    re.compile("/v1/invoices/[^/]+/pay"): "select exists (select from tollbridge.recording where idempotency_key = $1) "
    "or exists (select from tollbridge.hand_over where idempotency_key = $1 and state = 'sending')",
    re.compile(METER_EVENTS): (
        "select exists (select from tollbridge.usage_event where identifier = $1 and state = 'sending')"
    ),
}
"""Calls that move money, or say so, or are billed, and where their key must stand before."""
ANNOUNCED: Final = """
    select exists (select from tollbridge.event_delivery where event = $1 and state = 'pending')
"""


class Wire:
    """Who answers at which host. `server` is asked at each call: it may be a new process by then."""

    def __init__(self) -> None:
        self.broken_laws: list[str] = []
        """What the outside world has seen that may not be, whatever comes of it in the end."""
        self.apps: dict[str, Any] = {}
        self.server: Callable[[], Process] | None = None

    async def carry(self, request: httpx.Request) -> httpx.Response:
        """One request and its answer; raises httpx's errors."""
        noted, process = journal(), CURRENT.get()
        if noted is None or process is None:
            return await self._answer(request)
        point = Point(process.role, f"{request.method} {ID.sub('/{id}', request.url.path)}")
        return await noted.cross(point, lambda: self._answer(request), _broken)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        await request.aread()
        if host == httpx.URL(GATEWAY).host:
            return await self._ask_gateway(request)
        # Not the caller's: what it does must not end with a caller that dies.
        return await outside(self._ask_outside(host, request))

    async def _ask_outside(self, host: str, request: httpx.Request) -> httpx.Response:
        """Whoever is asked for money looks, with a connection of its own, whether the intent is committed (law 2)."""
        for path, intent in INTENTS.items():
            key = _key_of(request)
            if request.method == "POST" and path.fullmatch(request.url.path) and not await sql.value(intent, key):
                self.broken_laws.append(f"{request.method} {request.url.path} before its intent was committed")
        told = request.headers.get("webhook-id")
        if host == httpx.URL(MERCHANT).host and not await sql.value(ANNOUNCED, told):
            self.broken_laws.append("the merchant was told of what is not announced, or has been taken already")
        return await _call(self.apps[host], request)

    async def _ask_gateway(self, request: httpx.Request) -> httpx.Response:
        assert self.server is not None
        server = self.server()
        if server.dead:
            raise httpx.ConnectError("nobody listens there now")
        try:
            return await server.run(_call(server.does, request))
        except DeadProcessError:
            raise _broken() from None


async def _call(app: Any, request: httpx.Request) -> httpx.Response:
    try:
        answer = await httpx.ASGITransport(app).handle_async_request(request)
        body = await answer.aread()
    except ConnectionResetError:  # the sandbox has lost the answer, as it was told to
        raise _broken() from None
    return httpx.Response(answer.status_code, headers=answer.headers, content=body, request=request)


def _broken() -> httpx.RemoteProtocolError:
    return httpx.RemoteProtocolError("Server disconnected without sending a response.")


def install_wire(wire: Wire) -> None:
    """From now on every HTTP client of this Python process calls through the wire."""

    async def carry(_: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        return await wire.carry(request)

    def nothing(_: httpx.AsyncHTTPTransport, *args: Any, **kwargs: Any) -> None:
        return None

    async def enter(self: httpx.AsyncHTTPTransport) -> httpx.AsyncHTTPTransport:
        return self

    async def leave(_: httpx.AsyncHTTPTransport, *args: Any) -> None:
        await asyncio.sleep(0)

    async def post(_: httpcore.AsyncConnectionPool, request: httpcore.Request) -> httpcore.Response:
        """What merchants are told goes out below httpx (`gateway/outbound/post.py`)."""
        body = b"".join([part async for part in request.stream])
        asked = httpx.Request(
            request.method.decode(), bytes(request.url).decode(), headers=request.headers, content=body
        )
        try:
            answer = await wire.carry(asked)
        except httpx.TransportError as error:
            raise httpcore.RemoteProtocolError(str(error)) from None
        return httpcore.Response(answer.status_code, headers=answer.headers.raw, content=answer.content)

    below: Any = httpcore.AsyncConnectionPool
    below.handle_async_request = post
    patched: Any = httpx.AsyncHTTPTransport
    patched.__init__, patched.handle_async_request = nothing, carry
    patched.__aenter__, patched.__aexit__, patched.aclose = enter, leave, leave


def _key_of(request: httpx.Request) -> str | None:
    """Wherever this processor wants it: in a header, or in the body; what is used has its identifier."""
    if request.url.path == METER_EVENTS:
        return parse_qs(request.content.decode())["identifier"][0]
    key = request.headers.get("idempotency-key")
    if key is None and request.content:
        key = msgspec.json.decode(request.content, type=InBody).idempotency_key
    return key
