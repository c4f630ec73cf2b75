"""The ASGI application: authentication, parameters, faults, idempotency, then the handler and its answer."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.sandbox.stripe import (  # noqa: F401  importing a module registers its routes
    catalog,
    coupons,
    credit_notes,
    customers,
    endpoints,
    event_api,
    invoice_api,
    invoice_items,
    payments,
    portal,
    subscriptions,
)
from gateway.sandbox.stripe.control import control
from gateway.sandbox.stripe.errors import Refusal, unrecognized
from gateway.sandbox.stripe.faults import Fault
from gateway.sandbox.stripe.idempotency import Reply
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import API_VERSION
from gateway.sandbox.stripe.params import check, decode
from gateway.sandbox.stripe.render import answer
from gateway.sandbox.stripe.routes import Call, Route, find
from gateway.sandbox.stripe.sandbox import StripeSandbox
from gateway.sandbox.stripe.store import Account

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
MAX_BODY = 2**20
TICK_S = 0.25
FAULT_TEXTS = {
    429: ("Request rate limit exceeded.", "rate_limit"),
    409: (
        "This object cannot be accessed right now because another API request is currently accessing it.",
        "lock_timeout",
    ),
}


class Lost(Exception):  # noqa: N818  the connection goes away without an answer
    pass


@dataclass(slots=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    query: str
    body: bytes


def create_app(sandbox: StripeSandbox) -> App:
    """An ASGI app for uvicorn. Its lifespan runs the delivery of webhooks and rings the timers of real time."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(sandbox, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"no {scope['type']} here")
        request = await _read(scope, receive)
        if request.path.startswith("/_sandbox"):
            status, payload = await control(sandbox, request.method, request.path, request.body)
            await _send(send, status, msgspec.json.encode(payload), {})
            return
        try:
            reply, headers = await _api(sandbox, request)
        except Lost:
            await _drop(receive, send)
            return
        await _send(send, reply.status, reply.body, headers)

    return app


async def _lifespan(sandbox: StripeSandbox, receive: Receive, send: Send) -> None:
    tick: asyncio.Task[None] | None = None
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await sandbox.delivery.start()
            tick = asyncio.create_task(_tick(sandbox))
            await send({"type": "lifespan.startup.complete"})
        else:
            if tick is not None:
                tick.cancel()
                await asyncio.gather(tick, return_exceptions=True)
            await sandbox.delivery.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


async def _tick(sandbox: StripeSandbox) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        sandbox.clock.run_due()


async def _read(scope: Scope, receive: Receive) -> Request:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False) and len(body) <= MAX_BODY
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(scope["method"], scope["path"], headers, scope["query_string"].decode(), body)


async def _send(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    named = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    pairs = [(name.lower().encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


async def _drop(receive: Receive, send: Send) -> None:
    """End the connection without an answer. uvicorn keeps its transport on the object behind `receive`; under other
    servers a body that stops short does the same to a client."""
    cycle = receive
    while not hasattr(cycle, "__self__") and hasattr(cycle, "__wrapped__"):
        cycle = cycle.__wrapped__
    transport = getattr(getattr(cycle, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()
        await asyncio.sleep(0.01)
        return
    with contextlib.suppress(Exception):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000000")]})


async def _api(sandbox: StripeSandbox, request: Request) -> tuple[Reply, dict[str, str]]:
    sandbox.clock.run_due()
    request_id = new_id("req")
    version = request.headers.get("stripe-version", API_VERSION)
    key = request.headers.get("idempotency-key") if request.method == "POST" else None
    headers = {"Request-Id": request_id, "Stripe-Version": version}
    if key is not None:
        headers["Idempotency-Key"] = key
    entry: dict[str, Any] = {
        "method": request.method, "path": request.path, "params": {}, "idempotency_key": key, "status": None,
        "account": None, "at": sandbox.now(),
    }  # fmt: skip
    sandbox.calls.append(entry)
    try:
        account = sandbox.account(_api_key(request))
        entry["account"] = account.id
        params = decode(request.query) | decode(request.body.decode())
        entry["params"] = params
        reply = await _execute(sandbox, account, request, params, key, version, headers)
    except Refusal as refusal:
        reply = _refused(refusal, request_id)
    entry["status"] = reply.status
    if reply.status == 429:
        headers["Stripe-Should-Retry"] = "false"
    return reply, headers


def _api_key(request: Request) -> str:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    if scheme.lower() == "basic":
        with contextlib.suppress(ValueError):
            return base64.b64decode(value, validate=True).decode("latin-1").partition(":")[0]
    raise Refusal(
        "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer "
        "auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        status=401,
        executed=False,
    )


async def _execute(
    sandbox: StripeSandbox,
    account: Account,
    request: Request,
    params: dict[str, Any],
    key: str | None,
    version: str,
    headers: dict[str, str],
) -> Reply:
    stored = None
    if key is not None:
        stored = account.replies.begin(key, f"{request.method} {request.path}", params, sandbox.now())
    fault = sandbox.faults.take(request.method, request.path, account.id, replayed=stored is not None)
    if stored is not None:
        headers |= {"Idempotent-Replayed": "true", "Original-Request": stored.request_id}
        await _before(fault)
        _after(fault)
        return stored
    reply: Reply | None = None
    keep = False
    try:
        await _before(fault)
        reply, keep = _run(account, request, params, key, version, headers["Request-Id"], fault)
    finally:
        if key is not None:
            account.replies.end(key, reply if keep else None)
    _after(fault)
    return reply


async def _before(fault: Fault | None) -> None:
    if fault is None:
        return
    if fault.delay_s:
        await asyncio.sleep(fault.delay_s)
    if fault.effect == "lost_before":
        raise Lost


def _after(fault: Fault | None) -> None:
    if fault is not None and fault.effect == "lost_after":
        raise Lost


def _run(
    account: Account,
    request: Request,
    params: dict[str, Any],
    key: str | None,
    version: str,
    request_id: str,
    fault: Fault | None,
) -> tuple[Reply, bool]:
    """The answer, and whether an idempotency key keeps it."""
    if fault is not None and fault.effect == "error_before":
        return _broken(fault, request_id)
    account.request = (request_id, key)
    try:
        route, ids = find(request.method, request.path)
        if route is None:
            raise unrecognized(request.method, request.path)
        reply = Reply(200, _handled(account, route, ids, params, version), request_id)
    except Refusal as refusal:
        reply = _refused(refusal, request_id)
        if not refusal.executed:
            return reply, False
    finally:
        account.request = (None, None)
    if fault is not None and fault.effect == "error_after":
        return _broken(fault, request_id)
    return reply, True


def _handled(account: Account, route: Route, ids: tuple[str, ...], params: dict[str, Any], version: str) -> bytes:
    call = Call(account, check(params, route.accepts), ids)
    expand = call.params.pop("expand", [])
    return msgspec.json.encode(answer(account, route.handler(call), expand, version))


def _broken(fault: Fault, request_id: str) -> tuple[Reply, bool]:
    """A fault's error. Stripe keeps a 500 under the key, but not 429 and 409."""
    text, code = FAULT_TEXTS.get(fault.status, ("An unknown error occurred", None))
    kind = "invalid_request_error" if fault.status in FAULT_TEXTS else "api_error"
    error = {"message": text, "type": kind} | ({"code": code} if code else {})
    return Reply(fault.status, msgspec.json.encode({"error": error}), request_id), fault.status >= 500


def _refused(refusal: Refusal, request_id: str) -> Reply:
    log = f"https://dashboard.stripe.com/test/logs/{request_id}"
    error = {**refusal.error, "request_log_url": log}
    return Reply(refusal.status, msgspec.json.encode({"error": error}), request_id)
