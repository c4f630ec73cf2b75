"""The application in the test's own loop, with two accounts and keys of every kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from db.encryption import Keyring, generate_key
from db.engine import TollbridgeEngine
from gateway.accounts import accounts, keys
from gateway.accounts.audit import Author
from gateway.app import create_app
from gateway.inbox.directory import Directory
from gateway.runtime import Runtime
from gateway.settings import Settings
from processors.values import Secret

BY = "test"
MAX_BODY = 10_000
MAX_SETTLEMENT = 100_000
ORIGIN = "https://shop.example"


@pytest.fixture(scope="session")
def keyring() -> Keyring:
    return Keyring.parse(f"one:{generate_key()}", generate_key())


@dataclass
class Tenant:
    """An account and a key of each scope."""

    id: str
    name: str
    keys: dict[str, str]

    def bearer(self, scope: str = "admin") -> dict[str, str]:
        return {"authorization": f"Bearer {self.keys[scope]}"}


async def make_tenant(keyring: Keyring, name: str, mode: str = "test") -> Tenant:
    """An account whose Stripe is a closed port, as its connections' processors are."""
    nowhere = accounts.AccountChange(api_base="https://127.0.0.1:1")
    secrets = [Secret(f"whsec_made_up_{name}")]
    key = Secret(f"sk_{mode}_{name}_made_up")
    account = await accounts.add(keyring, Author(BY), name, key, secrets=secrets, change=nowhere)
    made = {}
    for scope in ("checkout", "server", "finance", "admin"):
        _, secret = await keys.create(Author(BY), account.id, scope, [scope])
        made[scope] = secret.reveal()
    return Tenant(account.id, name, made)


@dataclass
class Api:
    """The application's client, the accounts `ours` and `theirs`, and the platform's key."""

    http: httpx.AsyncClient
    app: Any
    ours: Tenant
    theirs: Tenant
    platform: dict[str, str]

    @property
    def runtime(self) -> Runtime:
        runtime: Runtime = self.app.state.runtime
        return runtime

    async def get(self, path: str, scope: str = "admin", **params: Any) -> httpx.Response:
        return await self.http.get(path, params=params, headers=self.ours.bearer(scope))

    async def post(self, path: str, body: Any = None, scope: str = "admin", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(path, json=body, headers=self.ours.bearer(scope) | named)


@pytest.fixture(scope="session")
async def served(engine: TollbridgeEngine, keyring: Keyring) -> AsyncIterator[Any]:
    """The application, made once: a third of a second each time adds up."""
    app = create_app(
        Settings(max_body_bytes=MAX_BODY, max_settlement_bytes=MAX_SETTLEMENT, cors_origins=ORIGIN), keyring
    )
    async with app.lifespan():
        yield app


@pytest.fixture
async def api(database: str, served: Any, keyring: Keyring) -> AsyncIterator[Api]:
    # Errors are answers here, not exceptions, as they are behind a real server.
    transport = httpx.ASGITransport(app=served, raise_app_exceptions=False)
    # The names are the same in every test, and the door remembers for seconds what they stood for.
    served.state.intake.directory = Directory(keyring)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        ours, theirs = await make_tenant(keyring, "ours"), await make_tenant(keyring, "theirs")
        _, platform = await keys.create(Author(BY), None, "platform", ["platform"])
        yield Api(http, served, ours, theirs, {"authorization": f"Bearer {platform.reveal()}"})


@pytest.fixture
def nobody_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no worker here, so that a checkout is not worth waiting for."""
    monkeypatch.setattr("gateway.checkout.sessions.CREATE_WAIT_S", 0.0)


def problem(response: httpx.Response) -> tuple[int, str, str]:
    """Status, code and param of a problem document, which must be one."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    document = response.json()
    assert document["status"] == response.status_code
    # A stored reply names the request that it was made for.
    if "idempotent-replayed" not in response.headers:
        assert document["request_id"] == response.headers["request-id"]
    return response.status_code, document["type"].removeprefix("urn:tollbridge:error:"), document.get("param", "")
