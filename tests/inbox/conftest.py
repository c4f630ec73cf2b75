"""A runtime over the test's database, whose processor is scripted, and the webhook addresses as an app."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from litestar import Litestar
from litestar.datastructures import State

from gateway.inbox.intake import Intake
from gateway.inbox.routes import webhook_routes
from gateway.runtime import Runtime, running
from gateway.settings import Settings
from tests.support.inbox import KEYRING, ScriptedAdapter

SETTINGS = Settings(max_body_bytes=20_000, webhook_queue=50)


@pytest.fixture
async def runtime(database: str) -> AsyncIterator[Runtime]:
    async with running(SETTINGS, KEYRING) as runtime:
        yield runtime


@pytest.fixture
def scripted(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> ScriptedAdapter:
    """The adapter that every connection of the test has."""
    adapter = ScriptedAdapter()

    async def found(account: str, connection: str) -> ScriptedAdapter:
        return adapter

    monkeypatch.setattr(runtime.connections, "adapter", found)
    return adapter


@pytest.fixture
async def intake(runtime: Runtime) -> AsyncIterator[Intake]:
    async with Intake(runtime) as intake:
        yield intake


@pytest.fixture
async def http(intake: Intake) -> AsyncIterator[httpx.AsyncClient]:
    app = Litestar(webhook_routes, state=State({"intake": intake}))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://tollbridge.test") as client:
        yield client
