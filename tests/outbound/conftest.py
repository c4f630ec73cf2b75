"""An account, the merchant's server with an endpoint at it, and the product's own delivering."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from db import sql
from db.encryption import Keyring, generate_key
from db.engine import DB
from db.outbox import Announcement, announce
from gateway.accounts import accounts, webhook_endpoints
from gateway.accounts.audit import Author
from gateway.accounts.webhook_endpoints import EndpointChange
from gateway.clock import business_now, move_clock
from gateway.domain.news_types import NewsType
from gateway.outbound.deliver import Deliverer, waiting_endpoints
from gateway.outbound.post import Poster, posting
from gateway.runtime import Runtime, running
from gateway.settings import Settings
from processors.values import Secret
from tests.support.merchant import Merchant
from tests.support.serving import open_door

BY = Author("test")


@dataclass
class Post:
    """Everything between an announcement and the merchant, but for the queue."""

    runtime: Runtime
    poster: Poster
    account: str
    url: str
    merchant: Merchant = field(default_factory=Merchant)

    async def endpoint(self, url: str = "", *types: str) -> str:
        change = EndpointChange(url=url or self.url, types=types)
        made, secret = await webhook_endpoints.add(self.runtime, BY, self.account, change)
        if not url:
            self.merchant.secret = secret.reveal()
        return made.id

    async def announce(self, *steps: str, about: str = "in_1", kind: NewsType = NewsType.OVERDUE) -> list[str]:
        told = [Announcement(kind, step, {"object": "invoice", "id": about}) for step in steps]
        async with DB.transaction():
            return await announce(self.account, "invoice", about, told, await business_now())

    async def deliver(self) -> None:
        """What the sweep and the workers do, until nothing is due."""
        for _ in range(20):
            endpoints = await waiting_endpoints(await business_now(), 100)
            if not endpoints:
                return
            for endpoint in endpoints:
                await Deliverer(self.runtime, self.poster).deliver(endpoint)
        raise AssertionError("it does not come to rest")

    async def later(self, **by: float) -> None:
        await move_clock(timedelta(**by))
        await self.deliver()

    async def of(self, endpoint: str) -> list[tuple[str, int, int | None]]:
        """State, tries and status of the endpoint's deliveries."""
        rows = await sql.rows(
            """select d.state, d.tries, d.status from tollbridge.event_delivery d
               join tollbridge.outbound_event e on e.id = d.event where d.endpoint = $1 order by e.sequence""",
            endpoint,
        )
        return [tuple(row) for row in rows]

    async def cases(self) -> list[tuple[str, str]]:
        rows = await sql.rows("select kind, subject from tollbridge.review_case where state = 'open' order by kind")
        return [tuple(row) for row in rows]

    async def shown(self, endpoint: str) -> Any:
        return await webhook_endpoints.show(self.account, endpoint)


@pytest.fixture
async def post(database: str) -> AsyncIterator[Post]:
    keyring = Keyring.parse(f"test:{generate_key()}", generate_key())
    account = await accounts.add(keyring, BY, "shop", Secret("sk_test_made_up"))
    async with (
        open_door() as door,
        running(Settings(outbound_private=True), keyring) as runtime,
        posting(private=True) as poster,
    ):
        door.app = merchant = Merchant()
        yield Post(runtime, poster, account.id, f"{door.url}/hook", merchant)
