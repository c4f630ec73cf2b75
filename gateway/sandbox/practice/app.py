"""The practice processor as an ASGI application: records each call, applies the faults, routes."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from gateway.sandbox.kit.app import App
from gateway.sandbox.kit.asgi import Handler, HttpError, Reply, Request, Router, error_reply
from gateway.sandbox.kit.calls import Call
from gateway.sandbox.kit.faults import ERRORS, Effect, Fault
from gateway.sandbox.practice.api import Api
from gateway.sandbox.practice.control import add_practice_controls
from gateway.sandbox.practice.pages import Pages
from gateway.sandbox.practice.processor import PracticeProcessor


def create_app(processor: PracticeProcessor) -> App:
    """The server around `processor`. Serve it with its lifespan on: that runs the webhook delivery."""
    router: Router[Handler] = Router()
    Api(processor).add_routes(router)
    Pages(processor).add_routes(router)
    add_practice_controls(router, processor)
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
        call = self._record(request)
        fault = self.processor.faults.take(request.method, request.path, call.account)
        hidden = self.processor.faults.take_hidden(request.method, request.path, call.account)
        call.fault = fault.effect if fault else None
        request.hide_for_s = hidden.delay_s if hidden else 0
        if wait_s := self.processor.faults.take_wait_s(request.method, request.path, call.account):
            await asyncio.sleep(wait_s)
        reply = await self._with_fault(request, fault) if fault else await self._route(request)
        call.status = reply.status
        return reply

    async def _with_fault(self, request: Request, fault: Fault) -> Reply:
        """What the fault makes of the call's answer; raises Lost."""
        await fault.before()
        if fault.effect is not Effect.ERROR_BEFORE:
            reply = await self._route(request)
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

    def _record(self, request: Request) -> Call:
        account = self.processor.accounts.get(request.bearer())
        call = Call(
            at=self.processor.now(),
            method=request.method,
            path=request.path,
            params=request.query | _fields(request.body),
            account=account.id if account else None,
            idempotency_key=request.headers.get("idempotency-key"),
            body=request.body,
        )
        self.processor.calls.append(call)
        return call


def _fields(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
