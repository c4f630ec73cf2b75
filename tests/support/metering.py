"""A metered plan at the first shop: a base price and a meter, who subscribes to it, and what is used."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

from tests.support.people import People, Signup
from tests.support.world import World

EVENT: Final = "calls"


async def metered_price(world: People, unit: str = "4") -> str:
    """A price of so many cents for each call, by the month, in arrears; a shop's Stripe has one meter."""
    client = world.shop.client.v1
    meters = (await client.billing.meters.list_async()).data
    meter = meters[0] if meters else await _meter(world)
    recurring: Any = {"interval": "month", "usage_type": "metered", "meter": meter.id}
    wanted: Any = {"currency": "eur", "product_data": {"name": "Calls"}, "unit_amount_decimal": unit}
    return str((await client.prices.create_async({**wanted, "recurring": recurring})).id)


async def _meter(world: People) -> Any:
    formula: Any = {"formula": "sum"}
    wanted: Any = {"display_name": "Calls", "event_name": EVENT, "default_aggregation": formula}
    return await world.shop.client.v1.billing.meters.create_async(wanted)


async def subscribe_metered(world: World, kind: str = "ok", **body: Any) -> Signup:
    """A signup for the plan, 10.00 a month ahead, and 0.04 for each call afterwards."""
    items = [{"price": world.shop.price}, {"price": await metered_price(world)}]
    return await world.signup(kind, items=items, **body)


async def subscribe_to_calls(world: World, kind: str = "ok", **body: Any) -> Signup:
    """A signup for calls alone: nothing is billed ahead, so there is no first invoice."""
    return await world.signup(kind, items=[{"price": await metered_price(world)}], **body)


async def use(world: People, customer: str, calls: int, **more: Any) -> None:
    """So many calls, now or at a `timestamp`."""
    payload = {"stripe_customer_id": customer, "value": str(calls)}
    event: Any = {"event_name": EVENT, "payload": payload, "identifier": uuid4().hex, **more}
    await world.shop.client.v1.billing.meter_events.create_async(event)


def period_end(world: World, subscription: str) -> int:
    """When the period that runs ends, in Unix seconds."""
    [first, *_] = world.stripe_subscription(subscription)["items"]["data"]
    return int(first["current_period_end"])


async def to_period_end(world: World, subscription: str, **more: float) -> None:
    """Let time pass until then and so much more."""
    left = period_end(world, subscription) - int(world.stripe.now())
    await world.move(seconds=left)
    await world.later(**(more or {"seconds": 1}))
