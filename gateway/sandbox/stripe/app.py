"""The ASGI application: authentication, parameters, faults, idempotency, then the handler and its answer.

Idempotency keys keep the first answer, errors and 500s included, as API v1 does. Not kept: parameter errors, 409 and
429 (nothing was executed). Stripe's documents do not say whether a "no such object" counts as executed; here it does.
API v2 keeps successes only, for DELETE too: failed work is run again (docs: api-v2-overview).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.sandbox.kit import calls
from gateway.sandbox.kit.app import App
from gateway.sandbox.kit.asgi import Handler, HttpError, Reply, Request, Router
from gateway.sandbox.kit.control import ROOT
from gateway.sandbox.kit.faults import Effect, Fault
from gateway.sandbox.kit.idempotency import KeyInUse, KeyReused, Replies
from gateway.sandbox.stripe import (  # noqa: F401  importing a module registers its routes
    balance_api,
    billing_modes,
    catalog,
    charges,
    coupons,
    credit_notes,
    customers,
    destinations,
    disputes,
    endpoints,
    event_api,
    invoice_api,
    invoice_items,
    invoice_lines,
    meter_events,
    meters,
    own_account,
    pages,
    payment_intent_api,
    payment_method_api,
    payment_record_api,
    payments,
    portal,
    portal_sessions,
    previews,
    prices,
    refunds,
    resumption,
    search,
    setup_intents,
    subscription_item_api,
    subscription_schedules,
    subscriptions,
    test_clocks,
    v2_events,
)
from gateway.sandbox.stripe.admission import Headers, admit
from gateway.sandbox.stripe.control import StripeControls
from gateway.sandbox.stripe.errors import Refusal, key_in_use, key_reused, key_too_long, unrecognized
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import API_VERSION
from gateway.sandbox.stripe.params import check, read_params
from gateway.sandbox.stripe.rates import subscription_limits
from gateway.sandbox.stripe.refusals import V2, broken, refused
from gateway.sandbox.stripe.render import answer
from gateway.sandbox.stripe.routes import ROUTES, Call, operation
from gateway.sandbox.stripe.sandbox import StripeSandbox
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.test_clocks import refuse_while_advancing
from gateway.sandbox.stripe.times import clock_of_call, in_time

MAX_KEY_LENGTH = 255


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

    @property
    def is_v2(self) -> bool:
        return self.request.path.startswith(V2)

    @property
    def replies(self) -> Replies:
        return self.account.v2_replies if self.is_v2 else self.account.replies


class Server:
    def __init__(self, sandbox: StripeSandbox) -> None:
        self.sandbox = sandbox
        self.controls: Router[Handler] = Router()
        StripeControls(sandbox).add_routes(self.controls)

    async def handle(self, request: Request) -> Reply:
        if request.path.startswith(ROOT):
            return await self._control(request)
        if request.path.startswith(pages.ROOTS):
            return pages.respond(self.sandbox, request)
        return await self._api(request)

    async def _control(self, request: Request) -> Reply:
        handler, request.params = self.controls.find(request.method, request.path.rstrip("/"))
        return await handler(request)

    async def _api(self, request: Request) -> Reply:
        id = new_id("req")
        key = _idempotency_key(request)
        version = request.headers.get("stripe-version") or API_VERSION
        call = calls.Call(
            at=self.sandbox.now(), method=request.method, path=request.path, idempotency_key=key, body=request.body
        )
        self.sandbox.calls.append(call)
        try:
            headers = Headers.of(request)
            api_key = self.sandbox.keys.open(headers.key)
            account = self.sandbox.account_of(api_key)
            call.account = account.id
            account.base_url = self.sandbox.public_url or _base_url(request)
            version = headers.version or account.api_version
            admit(headers, api_key, request)
            call.params = read_params(request)
            limits = subscription_limits(account, request.method, request.path, call.params)
            self.sandbox.rates.take(account.id, operation(request.method, request.path), limits)
            reply = await self._once(Exchange(account, request, call.params, id, key, version), call)
        except Refusal as refusal:
            reply = refused(refusal, id, request.path)
        call.status = reply.status
        fields = {**reply.headers, "request-id": id, "stripe-version": version}
        fields |= {"idempotency-key": key} if key is not None else {}
        fields |= {"stripe-should-retry": "false"} if reply.status == 429 else {}
        return msgspec.structs.replace(reply, headers=fields)

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
                exchange.replies.end(exchange.key, reply if exchange.keep else None)
        return reply

    def _stored(self, exchange: Exchange, key: str) -> Reply | None:
        if len(key) > MAX_KEY_LENGTH:
            raise key_too_long(MAX_KEY_LENGTH)
        where = f"{exchange.request.method} {exchange.request.path}"
        try:
            return exchange.replies.begin(key, where, exchange.params, self.sandbox.now())
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


def _idempotency_key(request: Request) -> str | None:
    keyed = ("POST", "DELETE") if request.path.startswith(V2) else ("POST",)
    return request.headers.get("idempotency-key") if request.method in keyed else None


def _base_url(request: Request) -> str:
    """Where this server is reached, as the caller has it."""
    scheme = request.headers.get("x-forwarded-proto", "http")
    return f"{scheme}://{request.headers.get('host', 'localhost')}"


def _run(exchange: Exchange) -> Reply:
    fault, account = exchange.fault, exchange.account
    if fault and fault.effect is Effect.ERROR_BEFORE:
        return _broken(exchange, fault)
    account.request = (exchange.id, exchange.key)
    try:
        reply = Reply(200, _handled(exchange), {"content-type": "application/json", "request-id": exchange.id})
    except Refusal as refusal:
        reply = refused(refusal, exchange.id, exchange.request.path)
        if not refusal.executed or exchange.is_v2:
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
    call = Call(exchange.account, check(exchange.params, route.accepts), tuple(ids.values()), exchange.version)
    expand = call.params.pop("expand", [])
    clock = clock_of_call(call.account, call.ids, call.params)
    if exchange.request.method != "GET":
        refuse_while_advancing(call.account, clock)
    with in_time(call.account, clock):
        return msgspec.json.encode(answer(exchange.account, route.handler(call), expand, exchange.version))


def _broken(exchange: Exchange, fault: Fault) -> Reply:
    """API v1 keeps a 500 under the key, but not 429 and 409; API v2 runs failed work again."""
    exchange.keep = fault.status >= 500 and not exchange.is_v2
    return broken(fault, exchange.id, exchange.request.path)
