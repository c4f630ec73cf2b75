"""The ASGI application: authentication, parameters, faults, idempotency, then the handler and its answer.

Idempotency keys keep the first answer, errors and 500s included, as API v1 does. Not kept: parameter errors, 409 and
429 (nothing was executed). Stripe's documents do not say whether a "no such object" counts as executed; here it does.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.sandbox.kit import calls
from gateway.sandbox.kit.app import App
from gateway.sandbox.kit.asgi import Handler, HttpError, Reply, Request, Router, json_reply
from gateway.sandbox.kit.control import ROOT, Controls
from gateway.sandbox.kit.faults import Effect, Fault
from gateway.sandbox.kit.idempotency import KeyInUse, KeyReused
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
from gateway.sandbox.stripe.errors import Refusal, key_in_use, key_reused, key_too_long, no_api_key, unrecognized
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import API_VERSION
from gateway.sandbox.stripe.params import check, decode
from gateway.sandbox.stripe.render import answer
from gateway.sandbox.stripe.routes import ROUTES, Call
from gateway.sandbox.stripe.sandbox import StripeSandbox
from gateway.sandbox.stripe.store import Account

MAX_KEY_LENGTH = 255
FAULT_TEXTS = {
    429: ("Request rate limit exceeded.", "rate_limit"),
    409: (
        "This object cannot be accessed right now because another API request is currently accessing it.",
        "lock_timeout",
    ),
}


def create_app(sandbox: StripeSandbox) -> App:
    """An ASGI app for uvicorn. Its lifespan runs the delivery of webhooks and rings the timers of real time."""
    return App(Server(sandbox).handle, sandbox)


@dataclass(slots=True)
class Exchange:
    """One authenticated request on its way through. `keep`: whether its idempotency key keeps the answer."""

    account: Account
    request: Request
    params: dict[str, Any]
    id: str
    key: str | None
    version: str
    fault: Fault | None = None
    wait_s: float = 0
    keep: bool = False


class Server:
    def __init__(self, sandbox: StripeSandbox) -> None:
        self.sandbox = sandbox
        self.controls: Router[Handler] = Router()
        Controls(sandbox).add_routes(self.controls)

    async def handle(self, request: Request) -> Reply:
        if request.path.startswith(ROOT):
            return await self._control(request)
        return await self._api(request)

    async def _control(self, request: Request) -> Reply:
        handler, request.params = self.controls.find(request.method, request.path.rstrip("/"))
        return await handler(request)

    async def _api(self, request: Request) -> Reply:
        id = new_id("req")
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        version = request.headers.get("stripe-version", API_VERSION)
        call = calls.Call(
            at=self.sandbox.now(), method=request.method, path=request.path, idempotency_key=key, body=request.body
        )
        self.sandbox.calls.append(call)
        try:
            account = self.sandbox.account(_api_key(request))
            call.account = account.id
            call.params = decode(request.query_string) | decode(request.body.decode())
            reply = await self._once(Exchange(account, request, call.params, id, key, version), call)
        except Refusal as refusal:
            reply = _refused(refusal, id)
        call.status = reply.status
        headers = {**reply.headers, "request-id": id, "stripe-version": version}
        headers |= {"idempotency-key": key} if key is not None else {}
        headers |= {"stripe-should-retry": "false"} if reply.status == 429 else {}
        return msgspec.structs.replace(reply, headers=headers)

    async def _once(self, exchange: Exchange, call: calls.Call) -> Reply:
        """The answer to this request, or the one that its key was given before."""
        account, request, key = exchange.account, exchange.request, exchange.key
        stored = None if key is None else self._stored(exchange, key)
        fault = self.sandbox.faults.take(request.method, request.path, account.id, replayed=stored is not None)
        exchange.fault, call.fault = fault, fault.effect if fault else None
        exchange.wait_s = self.sandbox.faults.take_wait_s(request.method, request.path, account.id)
        if stored is not None:
            reply = Reply(stored.status, stored.body, {**stored.headers, "idempotent-replayed": "true"})
            reply.headers["original-request"] = stored.headers["request-id"]
            await _met(exchange)
        else:
            reply = await self._executed(exchange)
        if fault:
            reply = await fault.after(reply)
        return reply

    async def _executed(self, exchange: Exchange) -> Reply:
        reply: Reply | None = None
        try:
            await _met(exchange)
            reply = _run(exchange)
        finally:
            if exchange.key is not None:
                exchange.account.replies.end(exchange.key, reply if exchange.keep else None)
        return reply

    def _stored(self, exchange: Exchange, key: str) -> Reply | None:
        if len(key) > MAX_KEY_LENGTH:
            raise key_too_long(MAX_KEY_LENGTH)
        where = f"{exchange.request.method} {exchange.request.path}"
        try:
            return exchange.account.replies.begin(key, where, exchange.params, self.sandbox.now())
        except KeyReused as reused:
            raise key_reused(key, where, reused.first) from None
        except KeyInUse:
            raise key_in_use() from None


async def _met(exchange: Exchange) -> None:
    """What the call meets before its effect; raises Lost."""
    if exchange.wait_s:
        await asyncio.sleep(exchange.wait_s)
    if exchange.fault:
        await exchange.fault.before()


def _api_key(request: Request) -> str:
    if key := request.bearer():
        return key
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        with contextlib.suppress(ValueError):
            return base64.b64decode(value, validate=True).decode("latin-1").partition(":")[0]
    raise no_api_key()


def _run(exchange: Exchange) -> Reply:
    fault, account = exchange.fault, exchange.account
    if fault and fault.effect is Effect.ERROR_BEFORE:
        return _broken(exchange, fault)
    account.request = (exchange.id, exchange.key)
    try:
        reply = Reply(200, _handled(exchange), {"content-type": "application/json", "request-id": exchange.id})
    except Refusal as refusal:
        reply = _refused(refusal, exchange.id)
        if not refusal.executed:
            return reply
    finally:
        account.request = (None, None)
    if fault and fault.effect is Effect.ERROR_AFTER:
        return _broken(exchange, fault)
    exchange.keep = True
    return reply


def _handled(exchange: Exchange) -> bytes:
    try:
        route, ids = ROUTES.find(exchange.request.method, exchange.request.path)
    except HttpError:
        raise unrecognized(exchange.request.method, exchange.request.path) from None
    call = Call(exchange.account, check(exchange.params, route.accepts), tuple(ids.values()))
    expand = call.params.pop("expand", [])
    return msgspec.json.encode(answer(exchange.account, route.handler(call), expand, exchange.version))


def _broken(exchange: Exchange, fault: Fault) -> Reply:
    """A fault's error. Stripe keeps a 500 under the key, but not 429 and 409."""
    exchange.keep = fault.status >= 500
    text, code = FAULT_TEXTS.get(fault.status, ("An unknown error occurred", None))
    kind = "invalid_request_error" if fault.status in FAULT_TEXTS else "api_error"
    error = {"message": text, "type": kind} | ({"code": code} if code else {})
    reply = json_reply({"error": error}, fault.status)
    return Reply(reply.status, reply.body, {**reply.headers, **fault.headers, "request-id": exchange.id})


def _refused(refusal: Refusal, request_id: str) -> Reply:
    log = f"https://dashboard.stripe.com/test/logs/{request_id}"
    reply = json_reply({"error": {**refusal.error, "request_log_url": log}}, refusal.status)
    return Reply(reply.status, reply.body, {**reply.headers, "request-id": request_id})
