"""Changes of subscriptions in mid-period: prorations, anchors, items, endings, pauses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from tests.sandbox import metering
from tests.sandbox.conftest import World

DAY_S = 86400
APRIL = datetime(2027, 4, 1, tzinfo=UTC)  # a month of 30 days


async def in_april(world: World, amount: int = 3000, **more: Any) -> Any:
    """A subscription from the 1st to the 30th of April, its first invoice finalized."""
    world.sandbox.clock.move_to(APRIL)
    subscription = await world.subscribe(price=await world.price(amount), **more)
    if subscription.latest_invoice and subscription.collection_method == "send_invoice":
        await world.v1.invoices.finalize_invoice_async(subscription.latest_invoice.id)
    return subscription


def item_of(subscription: Any, at: int = 0) -> Any:
    return subscription["items"].data[at]


async def pending(world: World, subscription: Any) -> list[int]:
    found = await world.v1.invoice_items.list_async({"customer": subscription.customer, "pending": True})
    return [item.amount for item in reversed(found.data)]


@pytest.mark.parametrize(
    ("behavior", "waiting", "invoiced"),
    [("create_prorations", [-2000, 4000], []), ("always_invoice", [], [2000]), ("none", [], [])],
)
async def test_quantity_by_proration_behavior(
    world: World, behavior: str, waiting: list[int], invoiced: list[int]
) -> None:
    subscription = await in_april(world)
    world.sandbox.advance(10 * DAY_S)
    await world.v1.subscription_items.update_async(
        item_of(subscription).id, {"quantity": 2, "proration_behavior": behavior}
    )
    assert await pending(world, subscription) == waiting
    assert [i.total for i in (await world.invoices_of(subscription))[:-1]] == invoiced
    world.sandbox.advance(21 * DAY_S)
    assert (await world.invoices_of(subscription))[0].total == 6000 + sum(waiting)


async def test_a_proration_date(world: World) -> None:
    subscription = await in_april(world)
    world.sandbox.advance(10 * DAY_S)
    change = {"items": [{"id": item_of(subscription).id, "quantity": 3}]}
    date = int(APRIL.timestamp()) + 20 * DAY_S
    await world.v1.subscriptions.update_async(subscription.id, {**change, "proration_date": date})
    assert await pending(world, subscription) == [-1000, 3000]
    with pytest.raises(stripe.InvalidRequestError, match="within the current billing period"):
        await world.v1.subscriptions.update_async(subscription.id, {**change, "proration_date": date - 40 * DAY_S})


async def test_items_come_and_go(world: World) -> None:
    subscription = await in_april(world)
    world.sandbox.advance(15 * DAY_S)
    added = await world.v1.subscription_items.create_async(
        {"subscription": subscription.id, "price": (await world.price(1000)).id, "quantity": 2}
    )
    assert await pending(world, subscription) == [1000]
    listed = await world.v1.subscription_items.list_async({"subscription": subscription.id})
    assert {i.id for i in listed.data} == {item_of(subscription).id, added.id}
    await world.v1.subscription_items.delete_async(added.id, {"proration_behavior": "none"})
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription item"):
        await world.v1.subscription_items.retrieve_async(added.id)
    with pytest.raises(stripe.InvalidRequestError, match="at least one active price"):
        await world.v1.subscription_items.delete_async(item_of(subscription).id)


async def test_another_interval_begins_at_once(world: World) -> None:
    subscription = await in_april(world)
    world.sandbox.advance(15 * DAY_S)
    yearly = await world.price(30000, interval="year")
    changed = await world.v1.subscriptions.update_async(
        subscription.id, {"items": [{"id": item_of(subscription).id, "price": yearly.id}], "expand": ["latest_invoice"]}
    )
    assert sorted(line.amount for line in changed.latest_invoice.lines.data) == [-1500, 30000]
    assert changed.billing_cycle_anchor == item_of(changed).current_period_start != subscription.billing_cycle_anchor


async def test_the_anchor_moves_to_now_with_its_usage(world: World) -> None:
    world.sandbox.clock.move_to(APRIL)
    customer, usage = await world.customer(), await metering.metered_price(world, await metering.meter(world))
    subscription = await metering.subscribe(world, customer, await world.price(3000), usage)
    await metering.use(world, customer, "50")
    world.sandbox.advance(20 * DAY_S)
    changed = await world.v1.subscriptions.update_async(
        subscription.id, {"billing_cycle_anchor": "now", "expand": ["latest_invoice"]}
    )
    assert [line.amount for line in changed.latest_invoice.lines.data] == [200, 3000, -1000]
    world.sandbox.advance(31 * DAY_S)
    assert [line.amount for line in (await world.invoices_of(subscription))[0].lines.data] == [0, 3000]


async def test_free_to_paid_bills_at_once(world: World) -> None:
    subscription = await in_april(world, amount=0)
    world.sandbox.advance(15 * DAY_S)
    paid = await world.price(2000)
    change = {"items": [{"id": item_of(subscription).id, "price": paid.id}], "expand": ["latest_invoice"]}
    changed = await world.v1.subscriptions.update_async(subscription.id, change)
    assert (changed.latest_invoice.total, item_of(changed).current_period_start) == (2000, changed.billing_cycle_anchor)


@pytest.mark.parametrize(
    "anchor",
    [
        {"billing_cycle_anchor": int(APRIL.timestamp()) + 10 * DAY_S},
        {"billing_cycle_anchor_config": {"day_of_month": 11, "hour": 0, "minute": 0, "second": 0}},
    ],
)
async def test_an_anchor_at_creation_shortens_the_first_period(world: World, anchor: dict[str, Any]) -> None:
    subscription = await in_april(world, amount=3100, **anchor)
    first = (await world.invoices_of(subscription))[0]
    assert first.total == 1000  # ten of the 31 days from 11 March
    assert first.lines.data[0].parent.subscription_item_details.proration
    assert subscription.billing_cycle_anchor == item_of(subscription).current_period_end
    world.sandbox.advance(11 * DAY_S)
    assert (await world.invoices_of(subscription))[0].total == 3100


async def test_an_anchor_without_proration_is_free_until_then(world: World) -> None:
    anchor = int(APRIL.timestamp()) + 10 * DAY_S
    subscription = await in_april(world, billing_cycle_anchor=anchor, proration_behavior="none")
    assert (subscription.latest_invoice, subscription.status) == (None, "active")
    world.sandbox.advance(11 * DAY_S)
    assert [i.total for i in await world.invoices_of(subscription)] == [3000]
    with pytest.raises(stripe.InvalidRequestError, match="next natural billing date"):
        await world.subscribe(billing_cycle_anchor=world.sandbox.now() + 40 * DAY_S)


@pytest.mark.parametrize(("behavior", "total"), [("create_prorations", -1000), ("none", None)])
async def test_cancel_at_within_the_period(world: World, behavior: str, total: int | None) -> None:
    subscription = await in_april(world)
    when = int(APRIL.timestamp()) + 20 * DAY_S
    await world.v1.subscriptions.update_async(subscription.id, {"cancel_at": when, "proration_behavior": behavior})
    world.sandbox.advance(21 * DAY_S)
    ended = await world.v1.subscriptions.retrieve_async(subscription.id)
    last = (await world.invoices_of(subscription))[:-1]
    assert (ended.status, ended.ended_at) == ("canceled", when)
    assert [i.total for i in last] == ([] if total is None else [total])


@pytest.mark.parametrize(("params", "left"), [({}, []), ({"prorate": True}, [-2000, 4000, -4000])])
async def test_cancelling_drops_pending_prorations_unless_asked(
    world: World, params: dict[str, Any], left: list[int]
) -> None:
    subscription = await in_april(world)
    world.sandbox.advance(10 * DAY_S)
    await world.v1.subscription_items.update_async(item_of(subscription).id, {"quantity": 2})
    await world.v1.subscriptions.cancel_async(subscription.id, params)
    assert await pending(world, subscription) == left


async def test_a_cancellation_is_taken_back(world: World) -> None:
    subscription = await in_april(world)
    await world.v1.subscriptions.update_async(subscription.id, {"cancel_at": "min_period_end"})
    undone = await world.v1.subscriptions.update_async(subscription.id, {"cancel_at": ""})
    assert (undone.cancel_at, undone.canceled_at) == (None, None)
    world.sandbox.advance(31 * DAY_S)
    assert (await world.v1.subscriptions.retrieve_async(subscription.id)).status == "active"


async def trial_without_method(world: World, behavior: str) -> Any:
    return await world.subscribe(
        collection_method="charge_automatically",
        days_until_due=None,
        trial_period_days=7,
        trial_settings={"end_behavior": {"missing_payment_method": behavior}},
    )


@pytest.mark.parametrize(("behavior", "status"), [("cancel", "canceled"), ("pause", "paused")])
async def test_a_trial_ends_without_a_payment_method(world: World, behavior: str, status: str) -> None:
    subscription = await trial_without_method(world, behavior)
    world.sandbox.advance(40 * DAY_S)
    assert (await world.v1.subscriptions.retrieve_async(subscription.id)).status == status
    assert [i.total for i in await world.invoices_of(subscription)] == [0]


async def test_a_paused_subscription_resumes_when_paid(world: World) -> None:
    subscription = await trial_without_method(world, "pause")
    world.sandbox.advance(10 * DAY_S)
    resuming = await world.v1.subscriptions.resume_async(subscription.id, {"billing_cycle_anchor": "now"})
    assert resuming.status == "paused"
    await world.v1.invoices.pay_async(resuming.latest_invoice, {"paid_out_of_band": True})
    resumed = await world.v1.subscriptions.retrieve_async(subscription.id)
    assert (resumed.status, resumed.billing_cycle_anchor) == ("active", item_of(resumed).current_period_start)
    assert {"customer.subscription.paused", "customer.subscription.resumed"} <= set(world.types_since(0))
    world.sandbox.advance(32 * DAY_S)
    assert (await world.invoices_of(subscription))[0].total == 1000


async def test_an_unpaid_resumption_is_voided(world: World) -> None:
    subscription = await trial_without_method(world, "pause")
    world.sandbox.advance(10 * DAY_S)
    resuming = await world.v1.subscriptions.resume_async(subscription.id)
    world.sandbox.advance(DAY_S)
    assert (await world.v1.invoices.retrieve_async(resuming.latest_invoice)).status == "void"
    assert (await world.v1.subscriptions.retrieve_async(subscription.id)).status == "paused"


async def test_a_migration_to_flexible_billing(world: World) -> None:
    subscription = await world.subscribe(billing_mode={"type": "classic"})
    flexible: Any = {"billing_mode": {"type": "flexible"}}
    migrated = await world.v1.subscriptions.migrate_async(subscription.id, flexible)
    assert (migrated.billing_mode.type, migrated.billing_mode.updated_at is None) == ("flexible", False)
    with pytest.raises(stripe.InvalidRequestError, match="already"):
        await world.v1.subscriptions.migrate_async(subscription.id, flexible)


async def test_a_refused_update_changes_nothing(world: World) -> None:
    """The refusal comes after the description and the items have been read."""
    subscription = await world.subscribe()
    before, item = world.event_count, subscription["items"].data[0]
    refused = {"description": "New", "items": [{"id": item.id, "quantity": 5}, {"price": "price_none"}]}
    with pytest.raises(stripe.InvalidRequestError):
        await world.v1.subscriptions.update_async(subscription.id, refused)
    now = await world.v1.subscriptions.retrieve_async(subscription.id)
    assert (now.description, now["items"].data[0].quantity, world.types_since(before)) == (None, 1, [])
    assert (await world.v1.subscription_items.retrieve_async(item.id)).quantity == 1
    await world.v1.subscription_items.update_async(item.id, {"quantity": 3})
    assert (await world.v1.subscriptions.retrieve_async(subscription.id))["items"].data[0].quantity == 3
