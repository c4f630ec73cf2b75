"""A whole world in one process: the local Stripe and the practice processor as HTTP servers, the gateway's own server
in front of a real PostgreSQL, and signed webhooks between them. Only the worker is driven by the test: `settle` lets
everything come to rest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
from litestar import Litestar

from db.encryption import Keyring, generate_key
from gateway.app import create_app
from gateway.runtime import Runtime, running
from gateway.sandbox.practice import PracticeProcessor
from gateway.sandbox.practice import create_app as create_practice
from gateway.sandbox.stripe import StripeSandbox
from gateway.sandbox.stripe import create_app as create_stripe
from gateway.settings import Settings
from tests.support.canaries import Record
from tests.support.merchant import Merchant
from tests.support.serving import Door, open_door
from tests.support.shop import Shop, open_shop
from tests.support.truth import Truth


@dataclass
class Doors:
    """One server for each role, which outlive the worlds behind them."""

    stripe: Door
    practice: Door
    gateway: Door
    merchant: Door
    http: httpx.AsyncClient


@asynccontextmanager
async def open_doors() -> AsyncIterator[Doors]:
    """Open all three."""
    async with (
        open_door() as stripe_door,
        open_door() as practice_door,
        open_door() as gateway_door,
        open_door() as merchant_door,
        httpx.AsyncClient(timeout=40, trust_env=False) as http,
    ):
        yield Doors(stripe_door, practice_door, gateway_door, merchant_door, http)


@dataclass
class World(Truth):
    """The servers and the shops. Everything it does goes over HTTP, but for the worker's turns."""

    stripe: StripeSandbox
    stripe_url: str
    practice: PracticeProcessor
    practice_url: str
    runtime: Runtime
    gateway_url: str
    http: httpx.AsyncClient
    record: Record = field(default_factory=Record)
    shops: list[Shop] = field(default_factory=list)
    merchant: Merchant = field(default_factory=Merchant)
    merchant_url: str = ""
    kills: int = 0

    @property
    def shop(self) -> Shop:
        return self.shops[0]


@cache
def keyring() -> Keyring:
    """One for the whole run: everything that it has sealed is gone with a test's database."""
    return Keyring.parse(f"test:{generate_key()}", generate_key())


@cache
def gateway(settings: Settings) -> Litestar:
    """The gateway's application, made once: a third of a second for each of a thousand worlds adds up."""
    return create_app(settings, keyring())


@asynccontextmanager
async def world(
    doors: Doors,
    *,
    stripe_wrapper: Callable[[Any], Any] = lambda app: app,
    settings: Settings | None = None,
    shops: int = 1,
    log_format: str = "json",
) -> AsyncIterator[World]:
    """A new world behind the doors, with an empty database, and its end."""
    settings, record = settings or Settings(outbound_private=True), Record()
    sandbox, practice = StripeSandbox(), PracticeProcessor()
    sandbox.delivery.set(mode="manual")
    practice.delivery.set(mode="manual")
    practice.origin = doors.practice.url
    app = gateway(settings)
    merchant = Merchant()
    doors.stripe.app, doors.practice.app, doors.gateway.app, doors.merchant.app = (
        record.hearing("stripe", stripe_wrapper(create_stripe(sandbox))),
        record.hearing("practice", create_practice(practice)),
        record.hearing("gateway", app),
        record.hearing("merchant", merchant),
    )
    with record.listening(log_format):
        async with app.lifespan(), running(settings, keyring()) as runtime:
            made = World(
                sandbox, doors.stripe.url, practice, doors.practice.url, runtime, doors.gateway.url, doors.http, record
            )
            made.merchant, made.merchant_url = merchant, doors.merchant.url
            for number in range(shops):
                made.shops.append(await open_shop(made, keyring(), f"shop{number or ''}"))
            sandbox.calls.clear()
            try:
                yield made
            finally:
                for shop in made.shops:
                    await shop.http.close_async()
