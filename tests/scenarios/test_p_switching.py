"""P. Switching between processors and Stripe."""

from __future__ import annotations

import pytest

from gateway.sandbox.practice.account import Scripted
from tests.support.world import World


@pytest.mark.scenario(217)
@pytest.mark.parametrize("percent", [100, 60])
async def test_a_failed_renewal_of_a_migrated_subscription_can_be_paid(world: World, percent: int) -> None:
    """Its renewal was finalized long before anybody here had heard of it, and is overdue."""
    client = world.shop.client.v1
    customer = await client.customers.create_async({"name": "A. Payer", "address": {"country": "DE"}})
    world.stripe.delivery.set(drop=True)
    subscription = await client.subscriptions.create_async(
        {
            "customer": customer.id,
            "items": [{"price": world.shop.price}],
            "collection_method": "send_invoice",
            "days_until_due": 10,
        }
    )
    await world.move(days=12)
    world.stripe.delivery.set(drop=False)
    await world.move(hours=13)
    await world.catch_up()
    await world.settle()
    [invoice] = world.invoices_of(subscription.id)
    assert (invoice["status"], (await world.gateway_invoice(invoice["id"]))["attempts"]) == ("open", [])
    made = world.practice.create_method(world.shop.practice_key, "ok")
    world.practice.script(world.shop.practice_key, Scripted(percent=percent))

    # The payer's way to pay now: a payment method is enough, since nothing was tried yet.
    await world.take_over(customer.id, made.token)
    await world.settle()

    live = world.stripe_invoice(invoice["id"])
    assert (live["status"], live["amount_paid"]) == ("paid", 10 * percent)
    assert sum(capture.captured for capture in world.captures()) == 1000
    assert world.stripe_subscription(subscription.id)["status"] == "active"
