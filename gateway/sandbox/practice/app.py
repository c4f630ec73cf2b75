"""The practice processor as an ASGI application: records each call, applies the faults, routes."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from gateway.sandbox.kit.app import App
from gateway.sandbox.kit.asgi import Handler, HttpError, Reply, Request, Router, error_reply
from gateway.sandbox.kit.calls import Call
from gateway.sandbox.kit.faults import ERRORS, Effect, Fault
from gateway.sandbox.practice import keys
from gateway.sandbox.practice.account import Account
from gateway.sandbox.practice.api import Doors, SetupApi
from gateway.sandbox.practice.charge_api import ChargeApi
from gateway.sandbox.practice.control import PracticeControls
from gateway.sandbox.practice.dashboard import Dashboard
from gateway.sandbox.practice.pages import Pages
from gateway.sandbox.practice.processor import PracticeProcessor
from gateway.sandbox.practice.return_api import ReturnApi


def create_app(processor: PracticeProcessor) -> App:
    """The server around `processor`. Serve it with its lifespan on: that runs the webhook delivery."""
    router: Router[Handler] = Router()
    doors = Doors(processor, router)
    SetupApi(processor).add_routes(doors)
    ChargeApi(processor).add_routes(doors)
    ReturnApi(processor).add_routes(doors)
    Pages(processor).add_routes(router)
    Dashboard(processor).add_routes(router)
    PracticeControls(processor).add_routes(router)
    server = Server(processor, router)
    return App(server.handle, processor)


class Server:
    def __init__(self, processor: PracticeProcessor, router: Router[Handler]) -> None:
        self.processor = processor
        self.router = router

    async def handle(self, request: Request) -> Reply:
        if host := request.headers.get("host"):
            self.processor.origin = f"{request.headers.get('x-forwarded-proto', 'http')}://{host}"
        if not request.path.startswith("/v1/"):
            return await self._route(request)
        account = self.processor.accounts.get(request.bearer())
        call = self._record(request, account)
        if turned_away := account and self._turned_away(account):
            call.status = turned_away.status
            return turned_away
        fault = self.processor.faults.take(request.method, request.path, call.account)
        hidden = self.processor.faults.take_hidden(request.method, request.path, call.account)
        call.fault = fault.effect if fault else None
        request.hide_for_s = hidden.delay_s if hidden else 0
        if wait_s := self.processor.faults.take_wait_s(request.method, request.path, call.account):
            await asyncio.sleep(wait_s)
        reply = await self._with_fault(request, fault, account) if fault else await self._route(request)
        call.status = reply.status
        return reply

    def _turned_away(self, account: Account) -> Reply | None:
        """What an account is answered that calls too often, or while the processor is out; nothing has happened."""
        if self.processor.is_too_fast(account):
            too_fast = f"this account may call {account.manner.rate_limit} times a second"
            return error_reply(HttpError(429, "rate_limited", too_fast, {"retry-after": "1"}))
        if self.processor.is_out(account):
            return error_reply(HttpError(503, "out_of_service", "the processor is out of service"))
        return None

    async def _with_fault(self, request: Request, fault: Fault, account: Account | None) -> Reply:
        """What the fault makes of the call's answer; raises Lost."""
        await fault.before()
        if fault.effect is not Effect.ERROR_BEFORE:
            reply = await self._route(request)
        if fault.effect is Effect.ERROR_AFTER and account is not None:
            keys.forget(account, request, reply)
        if fault.effect in ERRORS:
            error = HttpError(fault.status, "sandbox_fault", "a fault that was asked for", fault.headers)
            reply = error_reply(error)
        return await fault.after(reply)

    async def _route(self, request: Request) -> Reply:
        try:
            handler, request.params = self.router.find(request.method, request.path)
            return await handler(request)
        except HttpError as error:
            return error_reply(error)

    def _record(self, request: Request, account: Account | None) -> Call:
        fields = _fields(request.body)
        call = Call(
            at=self.processor.now(),
            method=request.method,
            path=request.path,
            params=request.query | fields,
            account=account.id if account else None,
            idempotency_key=request.headers.get("idempotency-key") or fields.get("idempotency_key"),
            body=request.body,
        )
        self.processor.calls.append(call)
        return call


def _fields(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
