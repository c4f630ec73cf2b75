"""Subscription schedules: phases one after the other, and what becomes of the subscription."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from tests.sandbox import metering
from tests.sandbox.conftest import World

DAY_S = 86400
APRIL = datetime(2027, 4, 1, tzinfo=UTC)
SEND = {"collection_method": "send_invoice", "invoice_settings": {"days_until_due": 10}}


async def schedule(world: World, *prices: Any, **more: Any) -> Any:
    """One phase of a month for each price, from 1 April on."""
    world.sandbox.clock.move_to(max(APRIL.timestamp(), world.sandbox.now()))
    month = {"interval": "month", "interval_count": 1}
    params = {
        "customer": (await world.customer()).id,
        "start_date": "now",
        "default_settings": SEND,
        "phases": [{"items": [{"price": price.id}], "duration": month} for price in prices],
        **more,
    }
    return await world.v1.subscription_schedules.create_async(params)


async def totals(world: World, id: str) -> list[int]:
    found = await world.v1.invoices.list_async({"subscription": id})
    return [invoice.total for invoice in reversed(found.data)]


async def test_a_price_for_each_phase_then_it_is_released(world: World) -> None:
    made = await schedule(world, await world.price(1000), await world.price(2000))
    assert (made.status, made.current_phase.end_date) == ("active", made.phases[0].end_date)
    subscription = await world.v1.subscriptions.retrieve_async(made.subscription, {"expand": ["schedule"]})
    assert (subscription.schedule.id, subscription.collection_method) == (made.id, "send_invoice")
    world.sandbox.advance(62 * DAY_S)
    types = [t for t in world.types_since(0) if t.startswith("subscription_schedule")]
    assert [t.split(".")[1] for t in types] == ["expiring", "released"]
    world.sandbox.advance(31 * DAY_S)
    assert await totals(world, subscription.id) == [1000, 2000, 2000, 2000]
    ended = await world.v1.subscription_schedules.retrieve_async(made.id)
    assert (ended.status, ended.released_subscription, ended.subscription) == ("released", subscription.id, None)
    assert (await world.v1.subscriptions.retrieve_async(subscription.id)).schedule is None


async def test_end_behavior_cancel(world: World) -> None:
    made = await schedule(world, await world.price(1000), end_behavior="cancel")
    world.sandbox.advance(32 * DAY_S)
    assert (await world.v1.subscriptions.retrieve_async(made.subscription)).status == "canceled"
    assert (await world.v1.subscription_schedules.retrieve_async(made.id)).status == "completed"
    assert await totals(world, made.subscription) == [1000]


async def test_a_phase_that_ends_in_mid_period_prorates(world: World) -> None:
    one, two = await world.price(3000), await world.price(6000)
    middle = int(APRIL.timestamp()) + 15 * DAY_S
    phases: list[Any] = [
        {"items": [{"price": one.id}], "end_date": middle},
        {"items": [{"price": two.id}], "duration": {"interval": "month"}, "proration_behavior": "always_invoice"},
    ]
    made = await schedule(world, phases=phases)
    world.sandbox.advance(16 * DAY_S)
    assert await totals(world, made.subscription) == [3000, 1500]


async def test_a_phase_that_begins_the_cycle_anew(world: World) -> None:
    one, two = await world.price(3000), await world.price(6000)
    middle = int(APRIL.timestamp()) + 15 * DAY_S
    last = {"items": [{"price": two.id}], "duration": {"interval": "month"}, "billing_cycle_anchor": "phase_start"}
    made = await schedule(world, phases=[{"items": [{"price": one.id}], "end_date": middle}, last])
    world.sandbox.advance(16 * DAY_S)
    assert await totals(world, made.subscription) == [3000, 4500]
    assert (await world.v1.subscriptions.retrieve_async(made.subscription)).billing_cycle_anchor == middle


async def test_a_start_in_the_future(world: World) -> None:
    start = int(APRIL.timestamp()) + 5 * DAY_S
    made = await schedule(world, await world.price(1000), start_date=start)
    assert (made.status, made.subscription, made.current_phase) == ("not_started", None, None)
    listed = await world.v1.subscription_schedules.list_async({"scheduled": True})
    assert [s.id for s in listed.data] == [made.id]
    world.sandbox.advance(6 * DAY_S)
    started = await world.v1.subscription_schedules.retrieve_async(made.id)
    subscription = await world.v1.subscriptions.retrieve_async(started.subscription)
    assert (started.status, subscription.start_date) == ("active", start)


async def test_metered_phases_bill_each_its_own(world: World) -> None:
    meter = await metering.meter(world)
    cheap, dear = await metering.metered_price(world, meter), await metering.metered_price(world, meter, "10")
    made = await schedule(world, cheap, dear)
    await metering.use(world, made.customer, "50")
    world.sandbox.advance(31 * DAY_S)
    await metering.use(world, made.customer, "7")
    world.sandbox.advance(31 * DAY_S)
    assert await totals(world, made.subscription) == [200, 70]


async def test_from_a_subscription_and_a_phase_added(world: World) -> None:
    world.sandbox.clock.move_to(APRIL)
    price, dear = await world.price(1000), await world.price(5000)
    subscription = await world.subscribe(price=price)
    made = await world.v1.subscription_schedules.create_async({"from_subscription": subscription.id})
    first = made.phases[0]
    phases: list[Any] = [
        {"items": [{"price": price.id, "quantity": 1}], "start_date": first.start_date, "end_date": first.end_date},
        {"items": [{"price": dear.id}], "duration": {"interval": "month"}},
    ]
    await world.v1.subscription_schedules.update_async(made.id, {"phases": phases, "end_behavior": "cancel"})
    world.sandbox.advance(70 * DAY_S)
    assert await totals(world, subscription.id) == [1000, 5000]
    with pytest.raises(stripe.InvalidRequestError, match="ended, or has a schedule"):
        await world.v1.subscription_schedules.create_async({"from_subscription": subscription.id})


async def test_the_current_phase_is_changed_or_ended(world: World) -> None:
    price, dear = await world.price(3000), await world.price(6000)
    made = await schedule(world, price)
    world.sandbox.advance(15 * DAY_S)
    two = {"items": [{"price": price.id, "quantity": 2}], "end_date": made.phases[0].end_date}
    await world.v1.subscription_schedules.update_async(
        made.id, {"phases": [two], "proration_behavior": "always_invoice"}
    )
    assert await totals(world, made.subscription) == [3000, 1500]
    ended = [{**two, "end_date": "now"}, {"items": [{"price": dear.id}], "proration_behavior": "none"}]
    changed = await world.v1.subscription_schedules.update_async(made.id, {"phases": ended})
    assert changed.current_phase.start_date == changed.phases[1].start_date
    now = await world.v1.subscriptions.retrieve_async(made.subscription)
    assert now["items"].data[0].price.id == dear.id


async def test_release_and_cancel(world: World) -> None:
    one, two = await schedule(world, await world.price(1000)), await schedule(world, await world.price(1000))
    await world.v1.subscription_schedules.release_async(one.id)
    with pytest.raises(stripe.InvalidRequestError, match="`released` status"):
        await world.v1.subscription_schedules.cancel_async(one.id)
    canceled = await world.v1.subscription_schedules.cancel_async(two.id, {"invoice_now": False})
    assert canceled.status == "canceled"
    assert (await world.v1.subscriptions.retrieve_async(two.subscription)).status == "canceled"
    assert (await world.v1.subscriptions.retrieve_async(one.subscription)).status == "active"


async def test_the_end_of_its_subscription_ends_it(world: World) -> None:
    made = await schedule(world, await world.price(1000), await world.price(2000))
    await world.v1.subscriptions.cancel_async(made.subscription)
    assert (await world.v1.subscription_schedules.retrieve_async(made.id)).status == "canceled"
    world.sandbox.advance(40 * DAY_S)
    assert await totals(world, made.subscription) == [1000]


async def test_a_preview_knows_the_next_phase(world: World) -> None:
    made = await schedule(world, await world.price(1000), await world.price(2000), end_behavior="cancel")
    shown = await world.v1.invoices.create_preview_async({"subscription": made.subscription})
    assert [line.amount for line in shown.lines.data] == [2000]
    same = await world.v1.subscription_schedules.retrieve_async(made.id)
    assert (same.current_phase.start_date, same.status) == (made.current_phase.start_date, "active")
    world.sandbox.advance(31 * DAY_S)
    with pytest.raises(stripe.InvalidRequestError, match="No upcoming invoices"):
        await world.v1.invoices.create_preview_async({"subscription": made.subscription})


async def test_a_method_that_is_detached_meanwhile_is_left_out(world: World) -> None:
    customer = await world.customer()
    method = await world.v1.payment_methods.attach_async("pm_card_visa", {"customer": customer.id})
    month, price = {"interval": "month", "interval_count": 1}, await world.price()
    phase: dict[str, Any] = {"items": [{"price": price.id}], "duration": month}
    phases = [phase, {**phase, "default_payment_method": method.id}]
    made = await schedule(world, customer=customer.id, phases=phases)
    await world.v1.payment_methods.detach_async(method.id)
    world.sandbox.advance(35 * DAY_S)
    subscription = await world.v1.subscriptions.retrieve_async(made.subscription)
    assert (subscription.default_payment_method, len(await totals(world, made.subscription))) == (None, 2)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await schedule(world, customer=customer.id, phases=phases)
    assert caught.value.param == "phases[1][default_payment_method]"


async def test_lists_leave_out_what_lives_on_a_test_clock(world: World) -> None:
    world.sandbox.clock.move_to(APRIL)
    frozen = await world.v1.test_helpers.test_clocks.create_async({"frozen_time": 1_700_000_000})
    customer = await world.customer(test_clock=frozen.id)
    await world.v1.invoice_items.create_async({"customer": customer.id, "amount": 5, "currency": "eur"})
    await schedule(world, await world.price(), customer=customer.id)
    for of in (world.v1.subscription_schedules, world.v1.invoice_items):
        assert (await of.list_async()).data == []
        assert len((await of.list_async({"customer": customer.id})).data) == 1
