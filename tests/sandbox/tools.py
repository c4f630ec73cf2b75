"""Both servers as plain tools: served the way `tollbridge sandbox` serves them, and called without any package."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn

from gateway.sandbox import practice, stripe
from gateway.sandbox.kit.door import listen
from gateway.sandbox.kit.sandbox import Sandbox

KEY = "sk_test_tool"


@dataclass
class Tool:
    """One server; `call` is something that has an effect, `made` counts it."""

    name: str
    sandbox: Any
    url: str
    http: httpx.AsyncClient

    async def call(self, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {KEY}", **options.pop("headers", {})}
        path = "/v1/customers" if self.name == "stripe" else "/v1/setups"
        body = {"data": {"name": "Ada"}} if self.name == "stripe" else {"json": {"reference": "r", "currency": "EUR"}}
        if self.name == "practice":
            headers |= {"idempotency-key": f"k{len(self.sandbox.calls)}"}
        return await self.http.post(path, headers=headers, **body, **options)

    @property
    def made(self) -> int:
        account = self.sandbox.account(KEY)
        return len(account.customers if self.name == "stripe" else account.setups)

    async def control(self, method: str, path: str, **body: Any) -> Any:
        answer = await self.http.request(method, f"/_sandbox/{path}", json=body if method == "POST" else None)
        answer.raise_for_status()
        return answer.json()


@dataclass
class Receiver:
    """A webhook endpoint that keeps what it is sent and answers `status`."""

    url: str = ""
    status: int = 200
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def new(name: str) -> Sandbox:
    made = stripe.StripeSandbox() if name == "stripe" else practice.PracticeProcessor()
    made.account(KEY)
    return made


def app_of(sandbox: Sandbox) -> Any:
    return stripe.create_app(sandbox) if isinstance(sandbox, stripe.StripeSandbox) else practice.create_app(sandbox)


@asynccontextmanager
async def opened(name: str, sandbox: Sandbox | None = None) -> AsyncIterator[Tool]:
    """A server on a port of its own, until the block ends."""
    made, listener = sandbox or new(name), listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app_of(made), log_level="error", lifespan="on", timeout_graceful_shutdown=1))
    made.door.attach(server)
    url = "http://{}:{}".format(*listener.getsockname())
    task = asyncio.create_task(server._serve([listener]))
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=5) as http:
            yield Tool(name, made, url, http)
    finally:
        server.should_exit = True
        await task
