"""create_preview and invoice.upcoming: what comes next, without anything happening."""

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
    """A subscription ten days into its period of April."""
    world.sandbox.clock.move_to(APRIL)
    subscription = await world.subscribe(price=await world.price(amount), **more)
    world.sandbox.advance(10 * DAY_S)
    return subscription


async def preview(world: World, subscription: Any = None, **params: Any) -> Any:
    own = {"subscription": subscription.id} if subscription else {}
    return await world.v1.invoices.create_preview_async({**own, **params})


def amounts(invoice: Any) -> list[int]:
    return [line.amount for line in invoice.lines.data]


def change(subscription: Any, **more: Any) -> dict[str, Any]:
    return {"items": [{"id": subscription["items"].data[0].id, "quantity": 2}], **more}


async def test_the_next_renewal_and_nothing_happens(world: World) -> None:
    subscription = await in_april(world)
    before, invoices = world.event_count, len(world.account.invoices)
    shown = await preview(world, subscription)
    assert (shown.id[:12], shown.status, amounts(shown), shown.billing_reason) == (
        "upcoming_in_", "draft", [3000], "upcoming",
    )  # fmt: skip
    assert shown.created == subscription["items"].data[0].current_period_end
    assert (world.event_count, len(world.account.invoices)) == (before, invoices)
    assert (await preview(world, customer=subscription.customer)).total == 3000


@pytest.mark.parametrize(
    ("behavior", "expected"),
    [("create_prorations", [6000, -2000, 4000]), ("always_invoice", [-2000, 4000]), ("none", [6000])],
)
async def test_a_change_as_it_would_be_billed(world: World, behavior: str, expected: list[int]) -> None:
    subscription = await in_april(world)
    date = int(APRIL.timestamp()) + 10 * DAY_S
    details = change(subscription, proration_behavior=behavior, proration_date=date)
    assert amounts(await preview(world, subscription, subscription_details=details)) == expected
    await world.v1.subscriptions.update_async(subscription.id, details)
    world.sandbox.advance(0 if behavior == "always_invoice" else 21 * DAY_S)
    assert amounts((await world.invoices_of(subscription))[0]) == expected


async def test_recurring_leaves_the_once_off_out(world: World) -> None:
    subscription = await in_april(world)
    await world.v1.subscriptions.update_async(subscription.id, change(subscription))
    extra = [{"amount": 500, "currency": "eur", "description": "Setup"}]
    assert amounts(await preview(world, subscription, invoice_items=extra)) == [6000, -2000, 4000, 500]
    shown = await preview(world, subscription, invoice_items=extra, preview_mode="recurring")
    assert amounts(shown) == [6000]


async def test_cancelling_now_or_later(world: World) -> None:
    subscription = await in_april(world)
    now = {"cancel_now": True, "proration_date": int(APRIL.timestamp()) + 10 * DAY_S}
    assert amounts(await preview(world, subscription, subscription_details={**now})) == [-2000]
    with pytest.raises(stripe.InvalidRequestError) as nothing:
        await preview(world, subscription, subscription_details={"cancel_at_period_end": True})
    assert nothing.value.code == "invoice_upcoming_none"
    assert (await world.v1.subscriptions.retrieve_async(subscription.id)).ended_at is None


async def test_usage_so_far(world: World) -> None:
    customer, usage = await world.customer(), await metering.metered_price(world, await metering.meter(world))
    subscription = await metering.subscribe(world, customer, await world.price(1000), usage)
    await metering.use(world, customer, "50")
    assert amounts(await preview(world, subscription)) == [200, 1000]
    await metering.use(world, customer, "50")
    assert amounts(await preview(world, subscription)) == [400, 1000]


async def test_a_subscription_that_does_not_exist_yet(world: World) -> None:
    customer, price = await world.customer(), await world.price(700)
    details = {"items": [{"price": price.id, "quantity": 3}]}
    shown = await preview(world, customer=customer.id, subscription_details=details)
    assert (shown.total, shown.amount_due) == (2100, 2100)
    assert (await world.v1.subscriptions.list_async({"customer": customer.id})).data == []


async def test_items_that_wait_for_a_customer(world: World) -> None:
    customer = await world.customer(balance=-100)
    with pytest.raises(stripe.InvalidRequestError, match="No upcoming invoices"):
        await preview(world, customer=customer.id)
    await world.v1.invoice_items.create_async({"customer": customer.id, "amount": 900, "currency": "eur"})
    shown = await preview(world, customer=customer.id)
    assert (shown.total, shown.amount_due) == (900, 800)


async def test_the_lines_of_a_preview_have_pages(world: World) -> None:
    subscription = await in_april(world)
    extra = [{"amount": number, "currency": "eur"} for number in range(1, 15)]
    shown = await preview(world, subscription, invoice_items=extra)
    assert (len(shown.lines.data), shown.lines.has_more) == (10, True)
    rest = await world.v1.invoices.line_items.list_async(
        shown.id, {"starting_after": shown.lines.data[-1].id, "limit": 100}
    )
    assert (amounts(shown) + [line.amount for line in rest.data], rest.has_more) == ([3000, *range(1, 15)], False)


async def test_upcoming_is_announced_days_ahead(world: World) -> None:
    world.account.upcoming_days = 7
    subscription = await in_april(world)
    world.sandbox.advance(12 * DAY_S)
    assert "invoice.upcoming" not in world.types_since(0)
    world.sandbox.advance(2 * DAY_S)
    event = next(e for e in world.account.events.values() if e.type == "invoice.upcoming")
    assert ("id" in event.object, event.object["total"]) == (False, 3000)
    assert event.created == subscription["items"].data[0].current_period_end - 7 * DAY_S


async def test_prorations_are_told_by_their_parent(world: World) -> None:
    subscription = await in_april(world)
    shown = await preview(world, subscription, subscription_details=change(subscription))
    details = [line.parent.subscription_item_details for line in shown.lines.data]
    assert [d.proration for d in details] == [False, True, True]
    assert {d.subscription_item for d in details} == {subscription["items"].data[0].id}
    assert [bool(d.invoice_item) for d in details] == [False, True, True]
