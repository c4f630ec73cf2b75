"""A subscription that somebody else collects, as it stands at Stripe before it comes to us."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.world import World


@dataclass
class Elsewhere:
    """A customer, the subscription, and its renewal that is overdue, if that was wanted."""

    customer: str
    subscription: str
    overdue: str = ""


async def billed_elsewhere(world: World, *, overdue: bool = False, **changes: Any) -> Elsewhere:
    """Its first invoice is paid, out of band; nothing of it is told to us."""
    client = world.shop.client.v1
    customer = await client.customers.create_async({"name": "A. Payer", "address": {"country": "DE"}})
    wanted: dict[str, Any] = {"collection_method": "send_invoice", "days_until_due": 10} | changes
    items: Any = [{"price": world.shop.price}]
    world.stripe.delivery.set(drop=True)
    made = await client.subscriptions.create_async({"customer": customer.id, "items": items, **wanted})
    found = Elsewhere(customer.id, made.id)
    if wanted["collection_method"] == "send_invoice":
        [invoice] = world.invoices_of(made.id)
        await client.invoices.finalize_invoice_async(invoice["id"])
        await client.invoices.pay_async(invoice["id"], {"paid_out_of_band": True})
    if overdue:
        await world.move(days=31)
        await world.move(days=4)  # Stripe waits three days for whoever does not take its events
        found.overdue = str(world.invoices_of(made.id)[-1]["id"])
    await world.stripe.flush()
    world.stripe.delivery.set(drop=False)
    return found
