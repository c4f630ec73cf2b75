"""Makers for usage: a meter, a metered price on it, and events."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.sandbox.conftest import World


async def meter(world: World, formula: str = "sum", **more: Any) -> Any:
    params = {"display_name": "Calls", "event_name": "calls", "default_aggregation": {"formula": formula}, **more}
    return await world.v1.billing.meters.create_async(params)


async def metered_price(world: World, of: Any, unit: str | None = "4", **more: Any) -> Any:
    params = {
        "currency": "eur",
        "product_data": {"name": "API calls"},
        "recurring": {"interval": "month", "usage_type": "metered", "meter": of.id},
        **({"unit_amount_decimal": unit} if unit else {}),
        **more,
    }
    return await world.v1.prices.create_async(params)


async def use(world: World, customer: Any, value: str, name: str = "calls", **more: Any) -> Any:
    payload = {"stripe_customer_id": getattr(customer, "id", customer), "value": value}
    params = {"event_name": name, "payload": payload, "identifier": uuid4().hex, **more}
    return await world.v1.billing.meter_events.create_async(params)


async def subscribe(world: World, customer: Any, *prices: Any, **more: Any) -> Any:
    """A send_invoice subscription of these prices."""
    params = {
        "customer": customer.id,
        "items": [{"price": price.id} for price in prices],
        "collection_method": "send_invoice",
        "days_until_due": 10,
        **more,
    }
    return await world.v1.subscriptions.create_async(params)
