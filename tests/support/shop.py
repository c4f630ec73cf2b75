"""A shop: one account of the gateway, with its Stripe, its practice processor, its API key and its plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import stripe

from db.encryption import Keyring
from gateway.accounts import accounts, connections, keys
from gateway.accounts.audit import Author
from processors.values import Secret

if TYPE_CHECKING:
    from tests.support.world import World

BY = Author("test")


@dataclass
class Shop:
    """What opens it from either side."""

    name: str
    account: str
    stripe_key: str
    practice_key: str
    api_key: str
    connection: str
    client: stripe.StripeClient
    price: str
    tax_rate: str
    http: stripe.HTTPXClient


async def open_shop(world: World, keyring: Keyring, name: str) -> Shop:
    """One account in the gateway, with its connection, its key, and a plan at its Stripe."""
    stripe_key, practice_key = f"sk_test_{name}_made_up", f"practice_{name}_made_up"
    http = stripe.HTTPXClient(timeout=10)
    client = stripe.StripeClient(
        stripe_key,
        http_client=http,
        base_addresses={"api": world.stripe_url},
        stripe_version="2026-08-26.dahlia",
        max_network_retries=0,
    )
    endpoint = await client.v1.webhook_endpoints.create_async(
        {"url": f"{world.gateway_url}/webhooks/stripe/{name}", "enabled_events": ["*"]}
    )
    account = await accounts.add(
        keyring,
        BY,
        name,
        Secret(stripe_key),
        secrets=[Secret(str(endpoint.secret))],
        change=accounts.AccountChange(api_base=world.stripe_url),
    )
    webhook_secret = f"practice_webhook_{name}_made_up"
    taken = world.practice.set_webhook(practice_key, f"{world.gateway_url}/webhooks/{name}/practice-eu", webhook_secret)
    connection = await connections.add(
        world.runtime,
        BY,
        account.id,
        "practice-eu",
        "practice",
        connections.ConnectionChange(
            credentials={"api_key": Secret(practice_key), "webhook_secret": Secret(webhook_secret)},
            options={"base_url": world.practice_url, "account": taken.id},
        ),
    )
    _, key = await keys.create(BY, account.id, "tests", ["server", "finance", "checkout", "admin"])
    product = await client.v1.products.create_async({"name": "Plan"})
    price = await client.v1.prices.create_async(
        {"product": product.id, "unit_amount": 1000, "currency": "eur", "recurring": {"interval": "month"}}
    )
    tax = await client.v1.tax_rates.create_async({"display_name": "VAT", "percentage": 20.0, "inclusive": False})
    return Shop(name, account.id, stripe_key, practice_key, key.reveal(), connection.id, client, price.id, tax.id, http)
