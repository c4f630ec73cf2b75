"""The practice processor as an ASGI application: records each call, applies the faults, routes."""

from __future__ import annotations

import asyncio

from gateway.sandbox.kit.asgi import App, HttpError, Lost, Reply, Request, Router, error_reply
from gateway.sandbox.kit.calls import Call
from gateway.sandbox.kit.faults import Effect, Fault
from gateway.sandbox.practice.api import Api
from gateway.sandbox.practice.control import add_practice_controls
from gateway.sandbox.practice.pages import Pages
from gateway.sandbox.practice.processor import PracticeProcessor


def create_app(processor: PracticeProcessor) -> App:
    """The server around `processor`. Serve it with its lifespan on: that runs the webhook delivery."""
    router = Router()
    Api(processor).add_routes(router)
    Pages(processor).add_routes(router)
    add_practice_controls(router, processor)
    server = Server(processor, router)
    return App(server.handle, processor.delivery.start, processor.delivery.stop)


class Server:
    def __init__(self, processor: PracticeProcessor, router: Router) -> None:
        self.processor = processor
        self.router = router

    async def handle(self, request: Request) -> Reply:
        if host := request.headers.get("host"):
            self.processor.origin = f"{request.headers.get('x-forwarded-proto', 'http')}://{host}"
        self.processor.tick()
        if not request.path.startswith("/v1/"):
            return await self._route(request)
        call = self._record(request)
        answer_fault, hidden = self.processor.faults.take(request.method, request.path)
        call.fault = answer_fault.effect if answer_fault else ""
        request.hide_for_s = hidden.delay_s if hidden else 0
        reply = await self._with_fault(request, answer_fault)
        call.status = reply.status
        return reply

    async def _with_fault(self, request: Request, fault: Fault | None) -> Reply:
        """The call's answer, or what the fault makes of it; raises Lost."""
        effect = fault.effect if fault else None
        if fault is None or effect is Effect.HIDDEN:
            return await self._route(request)
        if effect not in (Effect.ERROR_BEFORE, Effect.LOST_BEFORE):
            reply = await self._route(request)
        if effect is Effect.DELAY:
            await asyncio.sleep(fault.delay_s)
            return reply
        if effect in (Effect.LOST_BEFORE, Effect.LOST_AFTER):
            raise Lost
        headers = {"retry-after": str(int(fault.delay_s))} if fault.status == 429 else {}
        return error_reply(HttpError(fault.status, "sandbox_fault", "a fault that was asked for", headers))

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
            query=request.query,
            account=account.id if account else "",
            idempotency_key=request.headers.get("idempotency-key", ""),
            body=request.body,
        )
        self.processor.calls.append(call)
        return call
