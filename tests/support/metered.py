"""A metered plan: a base price and a meter, who subscribes to it, and what a server reports of its use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import httpx

from db import sql
from tests.support.people import Signup
from tests.support.shop import Shop
from tests.support.world import World

EVENT_NAME: Final = "calls"
UNIT: Final = "4"
"""Of the metered price: 0.04 EUR."""


@dataclass
class Metered:
    """A customer's subscription of the plan, in one shop of a world."""

    world: World
    shop: Shop
    meter: str
    customer: str
    subscription: str

    async def report(self, **body: Any) -> httpx.Response:
        """The merchant's server reports usage; the worker has not heard of it yet."""
        told = {"events": body["events"]} if "events" in body else self.event(**body)
        headers = {"authorization": f"Bearer {self.shop.api_key}", "idempotency-key": uuid4().hex}
        return await self.world.http.post(f"{self.world.gateway_url}/v1/usage", json=told, headers=headers)

    def event(self, identifier: str = "u-1", value: Any = 250, **more: Any) -> dict[str, Any]:
        """One event, of this customer unless it says otherwise."""
        whose = {} if "subscription" in more else {"customer": self.customer}
        return {"identifier": identifier, "event_name": EVENT_NAME, "value": value, **whose, **more}

    def counted(self) -> list[tuple[str, str]]:
        """What the meter at Stripe has counted of the customer: identifiers and values, in order of use."""
        rows = self.world.stripe_account(self.shop).usage.get((self.meter, self.customer), [])
        return [(row.identifier, str(row.value)) for row in rows]

    def sent(self) -> int:
        """How often Stripe was sent an event."""
        return len(self.world.stripe_calls("POST", "/v1/billing/meter_events"))

    async def states(self) -> dict[str, str]:
        """Where each event stands with us."""
        rows = await sql.rows(
            "select identifier, state from tollbridge.usage_event where account = $1", self.shop.account
        )
        return {row["identifier"]: row["state"] for row in rows}


async def meter_of(world: World, shop: Shop) -> str:
    """The shop's one meter, which counts calls."""
    for meter in world.stripe_account(shop).meters.values():
        return str(meter["id"])
    wanted: Any = {"display_name": "Calls", "event_name": EVENT_NAME, "default_aggregation": {"formula": "sum"}}
    return str((await shop.client.v1.billing.meters.create_async(wanted)).id)


async def metered_price(world: World, shop: Shop | None = None) -> str:
    """A price for each call, by the month, in arrears."""
    shop = shop or world.shop
    recurring: Any = {"interval": "month", "usage_type": "metered", "meter": await meter_of(world, shop)}
    wanted: Any = {"currency": "eur", "product_data": {"name": "Calls"}, "unit_amount_decimal": UNIT}
    return str((await shop.client.v1.prices.create_async({**wanted, "recurring": recurring})).id)


async def sell_metered(world: World, shop: Shop | None = None) -> Metered:
    """A new customer of the plan, made in the shop's own backend; everything has come to rest."""
    shop = shop or world.shop
    price = await metered_price(world, shop)
    customer = await shop.client.v1.customers.create_async({"address": {"country": "DE"}})
    subscription = await shop.client.v1.subscriptions.create_async(
        {
            "customer": customer.id,
            "items": [{"price": shop.price}, {"price": price}],
            "collection_method": "send_invoice",
            "days_until_due": 10,
        }
    )
    await world.settle()
    return Metered(world, shop, await meter_of(world, shop), str(customer.id), str(subscription.id))


async def subscribe_metered(world: World, kind: str = "ok", **body: Any) -> Signup:
    """A signup for the plan, 10.00 a month ahead, and 0.04 for each call afterwards."""
    items = [{"price": world.shop.price}, {"price": await metered_price(world)}]
    return await world.signup(kind, items=items, **body)


async def subscribe_to_calls(world: World, kind: str = "ok", **body: Any) -> Signup:
    """A signup for calls alone: nothing is billed ahead, so there is no first invoice."""
    return await world.signup(kind, items=[{"price": await metered_price(world)}], **body)


async def use(world: World, customer: str, calls: int, **more: Any) -> None:
    """So many calls, now or at a `timestamp`: the merchant's server has reported them, and Stripe has been told."""
    event = {"identifier": uuid4().hex, "event_name": EVENT_NAME, "customer": customer, "value": calls, **more}
    answer = await world.call("POST", "/v1/usage", event, headers={"idempotency-key": event["identifier"]})
    assert answer.status_code == 200, answer.text
    await world.settle()


def period_end(world: World, subscription: str) -> int:
    """When the period that runs ends, in Unix seconds."""
    [first, *_] = world.stripe_subscription(subscription)["items"]["data"]
    return int(first["current_period_end"])


async def to_period_end(world: World, subscription: str, **more: float) -> None:
    """Let time pass until then and so much more."""
    left = period_end(world, subscription) - int(world.stripe.now())
    await world.move(seconds=left)
    await world.later(**(more or {"seconds": 1}))


async def hear_thin_events(world: World, shop: Shop | None = None) -> None:
    """Stripe tells the gateway what only thin events tell, under the secret that it knows already."""
    shop = shop or world.shop
    types = ["error_report_triggered", "no_meter_found", "deactivated", "reactivated"]
    made = await shop.client.v2.core.event_destinations.create_async(
        {
            "name": "thin",
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": [f"v1.billing.meter.{one}" for one in types],
            "webhook_endpoint": {"url": f"{world.gateway_url}/webhooks/stripe/{shop.name}"},
        }
    )
    stripe = world.stripe_account(shop)
    [endpoint] = stripe.webhook_endpoints.values()
    stripe.event_destinations[made.id]["_secret"] = endpoint["_secret"]
