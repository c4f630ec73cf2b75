"""What a rehearsal must leave alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.accounts.audit import Author
from gateway.billing import configured, rehearsing
from gateway.doctor import portal
from gateway.doctor.patient import patient
from gateway.doctor.rehearsal import rehearse
from gateway.domain.doctor import Level
from tests.support.world import World

BY = Author("test")


def there(world: World, customer: str) -> bool:
    return not world.stripe_account().customers[customer].get("deleted")


async def test_a_customer_who_only_carries_the_word_is_not_deleted(world: World) -> None:
    """Metadata is a hint (law 11): a merchant's own customer whose metadata has that key, whatever it says, is deleted
    with all subscriptions."""
    customer = await world.shop.client.v1.customers.create_async(
        {"name": "A customer of the shop", "email": "ada@shop.example", "metadata": {rehearsing.RUN_KEY: "no"}}
    )
    subscription = await world.shop.client.v1.subscriptions.create_async(
        {
            "customer": customer.id,
            "items": [{"price": world.shop.price}],
            "collection_method": "send_invoice",
            "days_until_due": 10,
        }
    )
    played = await rehearse(world.runtime, BY, world.shop.account, wait_s=0.1)
    assert there(world, customer.id), played.steps[0]
    assert world.stripe_account().subscriptions[subscription.id]["status"] != "canceled"


async def test_one_rehearsal_does_not_take_away_what_another_is_playing_with(world: World) -> None:
    """Two at once, by two people or two installations on one test account: the second one's first step deletes the
    first one's customer under way."""
    first = asyncio.create_task(rehearse(world.runtime, BY, world.shop.account, wait_s=3))
    account: Any = world.stripe_account()
    while not (made := [c["id"] for c in account.customers.values() if c.get("metadata", {}).get(rehearsing.RUN_KEY)]):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    await rehearse(world.runtime, BY, world.shop.account, wait_s=0.1)
    still = there(world, made[0])
    await first
    assert still, "it was still being played with"


async def test_an_unsafe_portal_beyond_the_first_page_is_seen(world: World) -> None:
    """An account may have any number of configurations; only the newest hundred are looked at, and all are called
    safe."""
    stripe, known = await world.runtime.stripe(world.shop.account), await patient(world.runtime, world.shop.account)
    await portal.fix(known, BY, await portal.unsafe(known))
    v1 = world.shop.client.v1
    off = {"payment_method_update": {"enabled": False}}
    await v1.billing_portal.configurations.create_async({"features": {"payment_method_update": {"enabled": True}}})
    for _ in range(configured.PAGE):
        await v1.billing_portal.configurations.create_async({"features": off})
    del stripe
    assert await portal.unsafe(known), "one of them lets payers change their payment method"


async def test_looking_at_portals_has_an_end_and_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    known = await patient(world.runtime, world.shop.account)
    await portal.fix(known, BY, await portal.unsafe(known))
    assert [one.level for one in await portal.look(known)] == [Level.OK]
    monkeypatch.setattr(configured, "PAGE", 1)
    monkeypatch.setattr(configured, "MOST_PORTALS", 1)
    off = {"payment_method_update": {"enabled": False}}
    await world.shop.client.v1.billing_portal.configurations.create_async({"features": off})
    [told] = await portal.look(known)
    assert (told.level, "there are more" in told.what) == (Level.UNKNOWN, True)
