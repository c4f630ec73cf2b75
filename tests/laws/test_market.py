"""Histories of usage, of Stripe's own page, of agreed maxima and of access that break a law."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.scenarios.test_d_restored import Backup
from tests.support.metered import Metered, sell_metered
from tests.support.metering import metered_price
from tests.support.world import Doors, World
from tests.support.world import world as new_world

EVENTS: dict[str, Any] = {"method": "POST", "path": "/v1/billing/meter_events"}


@pytest.fixture
async def world(database: str, doors: Doors) -> AsyncIterator[World]:
    async with new_world(doors) as made:
        yield made


@pytest.fixture
async def plan(world: World) -> Metered:
    return await sell_metered(world)


# --- usage ---------------------------------------------------------------------------------------------------------


async def test_a_restored_database_sends_usage_again_after_a_day(plan: Metered) -> None:
    """What the backup calls accepted has been sent since; after a day Stripe knows its identifier no more."""
    plan.world.stripe.faults.add("error_before", times=None, status=429, **EVENTS)
    await plan.report()
    await plan.world.settle()
    backup = Backup(plan.world)
    await backup.take()
    plan.world.stripe.faults.clear()
    await plan.world.later(minutes=10)
    assert plan.counted() == [("u-1", "250")]
    await plan.world.move(hours=25)
    await backup.restore()
    await plan.world.settle()
    await plan.world.later(minutes=10)
    assert plan.counted() == [("u-1", "250")], "each event once"


async def test_usage_that_stripe_may_have_is_not_called_refused(plan: Metered) -> None:
    """The first call was counted and its answer lost; the second is refused for another reason. Whoever reports it
    again under a new identifier, as the case asks, bills it twice."""
    plan.world.stripe.faults.add("lost_after", times=1, **EVENTS)
    await plan.report()
    await plan.world.settle()
    assert plan.counted() == [("u-1", "250")]
    plan.world.stripe.faults.add("error_before", times=1, status=400, **EVENTS)
    await plan.world.later(minutes=1)
    assert await plan.states() != {"u-1": "refused"}


async def test_who_asks_again_puts_the_end_off(plan: Metered) -> None:
    """Each wish waits ten minutes for usage, and takes the place of the one before."""
    plan.world.stripe.faults.add("error_before", times=None, status=500, **EVENTS)
    await plan.report()
    for _ in range(6):
        await plan.world.cancel(plan.subscription, "now", invoice_now=True)
        await plan.world.later(minutes=9)
    assert plan.world.stripe_subscription(plan.subscription)["status"] == "canceled"


# --- Stripe's own page ---------------------------------------------------------------------------------------------


async def test_a_hosted_checkout_without_a_first_invoice(world: World) -> None:
    """Nothing is billed ahead, so there is nothing to pay on any page: it is complete."""
    await world.set_policy(collection="hosted")
    price = await metered_price(world)
    opened = await world.open_session("order-1", items=[{"price": price}])
    assert opened.status_code == 200, opened.text
    await world.confirm(opened.json(), wait_s=0)
    await world.settle()
    subscription = opened.json()["subscription"]
    await world.later(hours=25)
    shown = (await world.call("GET", f"/v1/checkout_sessions/{opened.json()['id']}")).json()
    assert (shown["status"], world.stripe_subscription(subscription)["status"]) == ("complete", "active")


async def test_a_forgotten_capture_of_what_is_paid_on_stripes_page(world: World) -> None:
    """Law 5: it was captured, and Stripe not told; then the database was restored, its customer moved to Stripe's page,
    and the payer has paid there. The capture is returned, or a case names it."""
    signup, renewal = await world.renew_unseen()
    backup = Backup(world)
    await backup.take()
    for path in (f"/v1/invoices/{renewal}", f"/v1/invoices/{renewal}/pay"):
        world.stripe.faults.add("error_before", method="POST", path=path, status=429, times=None)
    await world.settle()
    assert len(world.captures()) == 2
    await world.move(minutes=10)
    await backup.restore()
    world.stripe.faults.clear()
    answer = await world.call("POST", f"/v1/customers/{signup.customer}", {"collection": "hosted"})
    assert answer.status_code == 200, answer.text
    await world.catch_up()
    await world.settle()
    await world.later(hours=2)
    if world.stripe_invoice(renewal)["status"] == "open":
        await world.pay_at_stripe(renewal)
    await world.settle()
    for _ in range(12):
        await world.later(days=1)
    back = world.practice.account(world.shop.practice_key).refunds
    paid_by_us = world.taken_at_stripe(renewal) == 0
    assert paid_by_us or back or await world.open_cases(), "1000 are held, and nobody knows"
