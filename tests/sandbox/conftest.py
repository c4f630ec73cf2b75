"""A sandbox behind real HTTP, the official client, and an endpoint that keeps what it is sent.

Every request and answer of every test is checked against Stripe's description when the test ends.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import httpx
import pytest
import stripe
import uvicorn

from gateway.sandbox.kit import state
from gateway.sandbox.stripe import StripeSandbox, create_app
from gateway.sandbox.stripe.store import Account
from tests.sandbox.spec import SpecChecked, load

stripe.enable_telemetry = False


@asynccontextmanager
async def serving(app: Any, *, lifespan: Literal["on", "off"] = "on") -> AsyncIterator[str]:
    """Base address of an app served in this loop."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan=lifespan)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            task.result()
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


@dataclass
class Hook:
    """A webhook endpoint: verifies, keeps, and answers `status`."""

    status: int = 200
    secret: str = ""
    url: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        stripe.WebhookSignature.verify_header(body.decode(), headers["stripe-signature"], self.secret, 300)
        self.events.append(json.loads(body))
        self.headers.append(headers)
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    async def until(self, type: str, count: int = 1) -> dict[str, Any]:
        """The `count`-th event of a type, waited for at most two seconds."""
        for _ in range(400):
            found = [event for event in self.events if event["type"] == type]
            if len(found) >= count:
                return found[count - 1]
            await asyncio.sleep(0.005)
        raise AssertionError(f"no {type} came; got {self.types}")


@dataclass
class World:
    """One test's Stripe: the sandbox, its address, an account's key and client, and a few makers."""

    sandbox: StripeSandbox
    checked: SpecChecked
    url: str
    key: str
    client: stripe.StripeClient

    @property
    def v1(self) -> Any:
        return self.client.v1

    @property
    def account(self) -> Account:
        return self.sandbox.account(self.key)

    def other_client(self, key: str) -> stripe.StripeClient:
        return connect(self.url, key)

    async def control(self, method: str, path: str, **body: Any) -> Any:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as http:
            response = await http.request(method, f"/_sandbox/{path}", json=body if method == "POST" else None)
            response.raise_for_status()
            return response.json()

    async def price(
        self, amount: int = 1000, currency: str = "eur", interval: str | None = "month", **more: Any
    ) -> Any:
        params: dict[str, Any] = {"currency": currency, "unit_amount": amount, "product_data": {"name": "Plan"}, **more}
        if interval:
            params["recurring"] = {"interval": interval}
        return await self.v1.prices.create_async(params)

    async def customer(self, **more: Any) -> Any:
        return await self.v1.customers.create_async({"name": "Ada", **more})

    async def subscribe(self, *, customer: Any = None, price: Any = None, quantity: int = 1, **more: Any) -> Any:
        """A send_invoice subscription with its first draft expanded."""
        customer = customer or await self.customer()
        price = price or await self.price()
        params = {
            "customer": customer.id,
            "items": [{"price": price.id, "quantity": quantity}],
            "collection_method": "send_invoice",
            "days_until_due": 10,
            "expand": ["latest_invoice"],
            **more,
        }
        return await self.v1.subscriptions.create_async({k: v for k, v in params.items() if v is not None})

    async def open_invoice(self, **more: Any) -> Any:
        subscription = await self.subscribe(**more)
        return await self.v1.invoices.finalize_invoice_async(subscription.latest_invoice.id)

    async def invoices_of(self, subscription: Any) -> list[Any]:
        """Newest first."""
        return list((await self.v1.invoices.list_async({"subscription": subscription.id, "limit": 100})).data)

    def types_since(self, count: int) -> list[str]:
        """The types of the events after the first `count`."""
        return [event.type for event in list(self.account.events.values())[count:]]

    @property
    def event_count(self) -> int:
        return len(self.account.events)


def connect(url: str, key: str) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        http_client=stripe.HTTPXClient(timeout=10),
        base_addresses={"api": url},
        stripe_version="2026-08-26.dahlia",
        max_network_retries=0,
    )


@dataclass
class Served:
    sandbox: StripeSandbox
    checked: SpecChecked
    url: str


@pytest.fixture(scope="session")
async def served() -> AsyncIterator[Served]:
    sandbox = StripeSandbox()
    checked = SpecChecked(create_app(sandbox), load())
    async with serving(checked) as url:
        yield Served(sandbox, checked, url)


@pytest.fixture
async def world(served: Served, tmp_path: Path) -> AsyncIterator[World]:
    served.sandbox.reset()
    served.checked.violations.clear()
    key = f"sk_test_{uuid4().hex}"
    yield World(served.sandbox, served.checked, served.url, key, connect(served.url, key))
    served.checked.raise_violations()
    # Whatever a test has made can be kept in a file: no timer is a lambda, no object holds a socket.
    state.save(tmp_path / "kept", {"stripe": served.sandbox})
    assert state.load(tmp_path / "kept")["stripe"].version == served.sandbox.version
    for account in served.sandbox.accounts.values():
        for event in account.events.values():
            if event.api_version == "2026-08-26.dahlia":
                missing = {"id": "upcoming_in"} if event.type == "invoice.upcoming" else {}  # the only one without
                assert served.checked.spec.check_object(event.object | missing) == [], event.type


@pytest.fixture
async def hook(world: World) -> AsyncIterator[Hook]:
    """An endpoint for all events, registered with the account of `world`."""
    hook = Hook()
    async with serving(hook, lifespan="off") as url:
        hook.url = url
        created = await world.v1.webhook_endpoints.create_async({"url": url, "enabled_events": ["*"]})
        hook.secret = created.secret
        yield hook
