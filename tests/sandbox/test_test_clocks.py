"""Test clocks: the time of some customers, beside the sandbox's own."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import Hook, World

START = 1_700_000_000
DAY_S = 86400


async def clock(world: World, at: int = START) -> Any:
    return await world.v1.test_helpers.test_clocks.create_async({"frozen_time": at, "name": "Trial"})


async def advance(world: World, clock: Any, to: int) -> Any:
    """Advance, and read the clock again."""
    answer = await world.v1.test_helpers.test_clocks.advance_async(clock.id, {"frozen_time": to})
    assert (answer.status, answer.status_details.advancing.target_frozen_time) == ("advancing", to)
    return await world.v1.test_helpers.test_clocks.retrieve_async(clock.id)


async def test_objects_live_in_the_time_of_their_clock(world: World) -> None:
    frozen = await clock(world)
    customer = await world.customer(test_clock=frozen.id)
    subscription = await world.subscribe(customer=customer)
    assert {customer.created, subscription.created, subscription.latest_invoice.created} == {START}
    assert {subscription.test_clock, subscription.latest_invoice.test_clock} == {frozen.id}
    moved = await advance(world, frozen, START + 7200)
    assert (moved.status, moved.frozen_time) == ("ready", START + 7200)
    invoice = await world.v1.invoices.retrieve_async(subscription.latest_invoice.id)
    assert (invoice.status, invoice.status_transitions.finalized_at) == ("open", START + 3600)
    event = next(e for e in world.account.events.values() if e.type == "invoice.finalized")
    assert event.created == START + 3600


async def test_a_year_on_a_clock_leaves_the_others_alone(world: World) -> None:
    frozen = await clock(world)
    subscription = await world.subscribe(customer=await world.customer(test_clock=frozen.id))
    other = await world.subscribe()
    now = world.sandbox.now()
    for month in range(1, 13):
        await advance(world, frozen, START + month * 31 * DAY_S)
    assert len(await world.invoices_of(subscription)) == 13
    assert len(await world.invoices_of(other)) == 1
    assert world.sandbox.now() - now < 600
    world.sandbox.advance(400 * DAY_S)
    assert len(await world.invoices_of(subscription)) == 13


async def test_calls_about_an_invoice_run_in_its_time(world: World) -> None:
    frozen = await clock(world)
    invoice = await world.open_invoice(customer=await world.customer(test_clock=frozen.id))
    assert invoice.status_transitions.finalized_at == START
    paid = await world.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True})
    assert paid.status_transitions.paid_at == START
    item = await world.v1.invoice_items.create_async(
        {"customer": invoice.customer, "amount": 5, "currency": "eur", "metadata": {"like": "cus_none"}}
    )
    assert (item.date, item.test_clock) == (START, frozen.id)
    assert (await world.customer(metadata={"clock": frozen.id})).created != START


async def test_the_clock_tells_what_it_does(world: World, hook: Hook) -> None:
    frozen = await clock(world)
    await advance(world, frozen, START + DAY_S)
    await world.v1.test_helpers.test_clocks.delete_async(frozen.id)
    await hook.until("test_helpers.test_clock.deleted")
    assert hook.types == [f"test_helpers.test_clock.{what}" for what in ("created", "advancing", "ready", "deleted")]


@pytest.mark.parametrize("to", [START, START - 1, START + 63 * DAY_S])
async def test_too_far_and_backwards(world: World, to: int) -> None:
    frozen = await clock(world)
    await world.subscribe(customer=await world.customer(test_clock=frozen.id))
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await world.v1.test_helpers.test_clocks.advance_async(frozen.id, {"frozen_time": to})
    assert caught.value.param == "frozen_time"


async def test_two_years_without_a_subscription(world: World) -> None:
    frozen = await clock(world)
    with pytest.raises(stripe.InvalidRequestError):
        await world.v1.test_helpers.test_clocks.advance_async(frozen.id, {"frozen_time": START + 732 * DAY_S})
    assert (await advance(world, frozen, START + 730 * DAY_S)).status == "ready"


async def test_nothing_changes_while_it_advances(world: World) -> None:
    world.account.test_clock_advances_s = 60
    frozen = await clock(world)
    customer = await world.customer(test_clock=frozen.id)
    assert (await advance(world, frozen, START + DAY_S)).status == "advancing"
    with pytest.raises(stripe.RateLimitError, match="advancement underway"):
        await world.v1.customers.update_async(customer.id, {"name": "Bob"})
    await world.customer()
    world.sandbox.advance(60)
    assert (await world.v1.test_helpers.test_clocks.retrieve_async(frozen.id)).status == "ready"
    assert (await world.v1.customers.update_async(customer.id, {"name": "Bob"})).name == "Bob"


async def test_lists_leave_them_out_unless_asked(world: World) -> None:
    frozen = await clock(world)
    customer, other = await world.customer(test_clock=frozen.id), await world.customer()
    subscription = await world.subscribe(customer=customer)
    assert [c.id for c in (await world.v1.customers.list_async()).data] == [other.id]
    assert [c.id for c in (await world.v1.customers.list_async({"test_clock": frozen.id})).data] == [customer.id]
    assert (await world.v1.subscriptions.list_async()).data == []
    for asked in ({"test_clock": frozen.id}, {"customer": customer.id}):
        assert [s.id for s in (await world.v1.subscriptions.list_async(asked)).data] == [subscription.id]
    assert (await world.v1.invoices.list_async()).data == []
    assert len((await world.v1.invoices.list_async({"customer": customer.id})).data) == 1
    assert [c.id for c in (await world.v1.test_helpers.test_clocks.list_async()).data] == [frozen.id]


async def test_three_customers_and_no_more(world: World) -> None:
    frozen = await clock(world)
    for _ in range(3):
        await world.customer(test_clock=frozen.id)
    with pytest.raises(stripe.InvalidRequestError, match="3 customers"):
        await world.customer(test_clock=frozen.id)
    with pytest.raises(stripe.InvalidRequestError, match="No such test clock"):
        await world.customer(test_clock="clock_none")


async def test_deleting_takes_its_customers_along(world: World) -> None:
    frozen = await clock(world)
    subscription = await world.subscribe(customer=await world.customer(test_clock=frozen.id))
    assert (await world.v1.test_helpers.test_clocks.delete_async(frozen.id)).deleted
    assert (await world.v1.subscriptions.retrieve_async(subscription.id)).status == "canceled"
    assert (await world.v1.customers.retrieve_async(subscription.customer)).deleted
    forgotten = await clock(world)
    world.sandbox.advance(30 * DAY_S)
    assert forgotten.id not in world.account.test_clocks
